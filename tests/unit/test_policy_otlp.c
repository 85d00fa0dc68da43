/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a policy says of receivers of OpenTelemetry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "policy/policy.h"

#define HEAD	  "apiVersion: weir/v1\nmode: enforce\n"
#define OTLP(...) "otlp: {endpoint: 'http://127.0.0.1:4318'" __VA_ARGS__ "}"
#define LONG	  "0123456789012345678901234567890123456789012345678901234567890123456789"

static struct policy *parse(const char *text, struct fault *f)
{
	struct policy *policy = NULL;
	char whole[2048];

	snprintf(whole, sizeof(whole), HEAD "%s\n", text);
	policy_parse("p", whole, strlen(whole), &policy, f);
	return policy;
}

static void nothing_unless_asked(void **unused)
{
	_cleanup_(policy_freep) struct policy *none = parse("", NULL);
	_cleanup_(policy_freep) struct policy *bare = parse(OTLP(), NULL);

	(void)unused;
	assert_null(none->otlp.endpoint);
	assert_string_equal(bare->otlp.endpoint, "http://127.0.0.1:4318");
	assert_int_equal(bare->otlp.spans, 0);
	assert_int_equal(bare->otlp.connections, 0);
	assert_int_equal(bare->otlp.metrics_ns, 0);
	assert_null(bare->otlp.headers_file);
}

static void all_of_it(void **unused)
{
	_cleanup_(policy_freep) struct policy *p = parse(
		OTLP(", headers_file: /h, spans: [applies, requests], connections: 1/100, metrics: 15s"),
		NULL);

	(void)unused;
	assert_non_null(p);
	assert_string_equal(p->otlp.headers_file, "/h");
	assert_int_equal(p->otlp.spans, 1U << POLICY_SPANS_REQUESTS | 1U << POLICY_SPANS_APPLIES);
	assert_int_equal(p->otlp.connections, 100);
	assert_int_equal(p->otlp.metrics_ns, 15 * NSEC_PER_SEC);
}

static void at_the_limits(void **unused)
{
	static const char *const good[] = {OTLP(", metrics: 1s"), OTLP(", metrics: 1h"),
					   OTLP(", spans: requests"), OTLP(", connections: 1/1")};
	static const struct {
		const char *text, *code;
	} bad[] = {
		{OTLP(", metrics: 999ms"), "policy.number.range"},
		{OTLP(", metrics: 3601s"), "policy.number.range"},
		{OTLP(", metrics: 15"), "policy.unit.missing"},
		{OTLP(", connections: 1/0"), "policy.reject"},
		{OTLP(", connections: 1%"), "policy.reject"},
		{OTLP(", spans: [request]"), "policy.word.unknown"},
		{OTLP(", headers_file: h"), "policy.export.headers_file"},
		{"otlp: {metrics: 15s}", "policy.key.missing"},
		{"otlp: {endpoint: 'tcp://127.0.0.1:4318'}", "policy.otlp.endpoint"},
		{"otlp: {endpoint: 'http://a:b@127.0.0.1:4318'}", "policy.otlp.endpoint"},
		{"otlp: {endpoint: 'http://127.0.0.1:4318/?k=v'}", "policy.otlp.endpoint"},
		{"otlp: {endpoint: 'http://" LONG LONG LONG LONG "'}", "policy.otlp.endpoint"},
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_(policy_freep) struct policy *p = parse(good[i], NULL);

		assert_non_null(p);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fault f = {0};

		assert_null(parse(bad[i].text, &f));
		assert_string_equal(f.code, bad[i].code);
	}
}

#define EXPORT(what) "audit: {export: [{name: x, " what "}]}"

static void records_by_http_are_otlp(void **unused)
{
	static const char *const good[] = {
		EXPORT("format: otlp, to: 'https://h', headers_file: /h"),
		EXPORT("format: otlp, to: 'file:/f'"),
		EXPORT("format: otlp, to: 'tcp://127.0.0.1:1'")};
	static const char *const bad[] = {EXPORT("format: cef, to: 'https://h'"),
					  EXPORT("format: otlp, to: 'file:/f', headers_file: /h")};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_(policy_freep) struct policy *p = parse(good[i], NULL);

		assert_non_null(p);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fault f = {0};

		assert_null(parse(bad[i], &f));
		assert_string_equal(f.code, "policy.export.target");
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"nothing is sent unless a policy says so", nothing_unless_asked, NULL, NULL, NULL},
		{"a policy says what is sent, where to and how often", all_of_it, NULL, NULL, NULL},
		{"what is out of bounds, or a secret, is refused", at_the_limits, NULL, NULL, NULL},
		{"records go by HTTP as OTLP, and headers only there", records_by_http_are_otlp,
		 NULL, NULL, NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
