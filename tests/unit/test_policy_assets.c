/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What matters more than the rest: which limits an asset's weight is of, and what is said of one that is of none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "policy/policy.h"
#include "policy/report.h"

#define BEGIN                                                                                      \
	"apiVersion: weir/v1\nmode: enforce\n"                                                     \
	"services:\n  web: {dst: 192.0.2.0/26, proto: tcp, dport: 80}\n"                           \
	"  mail: {dst: [192.0.2.7, 198.51.100.7], proto: tcp, dport: 25}\n"                        \
	"  dns: {proto: udp, dport: 53}\n"                                                         \
	"tenants:\n  acme: {dst: 192.0.2.0/24}\n  umbrella: {dst: 198.51.100.0/24}\n"              \
	"limits:\n  - {name: all, scope: source, rate: 1k/s}\n"                                    \
	"  - {name: web, scope: source, service: web, rate: 1k/s}\n"                               \
	"  - {name: mail, scope: service, service: mail, rate: 1k/s}\n"                            \
	"  - {name: each, scope: source_per_service, rate: 1k/s}\n"                                \
	"  - {name: some, scope: source, rate: 2k/s, rollout: {tenants: umbrella}}\n"

static struct policy *parse(const char *assets)
{
	struct policy *p = NULL;
	struct fault f = {0};
	char text[4096];

	snprintf(text, sizeof(text), BEGIN "risk: {assets: %s}\n", assets);
	if (policy_parse("test", text, strlen(text), &p, &f) < 0)
		fail_msg("%s", f.text);
	return p;
}

static unsigned int weight_of(const struct policy *p, const char *limit)
{
	char name[WEIR_NAME_BYTES] = "";

	snprintf(name, sizeof(name), "%s", limit);
	return policy_asset_weight(p, name);
}

static void assert_weights(const char *assets, unsigned int all, unsigned int web,
			   unsigned int mail, unsigned int some)
{
	struct policy *p = parse(assets);

	assert_int_equal(weight_of(p, "all"), all);
	assert_int_equal(weight_of(p, "web"), web);
	assert_int_equal(weight_of(p, "each/web"), web);
	assert_int_equal(weight_of(p, "mail"), mail);
	assert_int_equal(weight_of(p, "each/mail"), mail);
	assert_int_equal(weight_of(p, "some"), some);
	assert_int_equal(weight_of(p, "each/dns"), 100);
	assert_int_equal(weight_of(p, "of a former policy"), 100);
	policy_free(p);
}

static void limit_weighs_what_all_of_it_is_about(void **state)
{
	(void)state;
	assert_weights("[]", 100, 100, 100, 100);
	assert_weights("[{service: web, weight: 150}]", 100, 150, 100, 100);
	assert_weights("[{dst: 192.0.2.0/24, weight: 130}]", 100, 130, 100, 100);
	assert_weights("[{dst: [192.0.2.0/24, 198.51.100.0/24], weight: 130}]", 100, 130, 130, 100);
	assert_weights("[{dst: 192.0.2.0/27, weight: 130}]", 100, 100, 100, 100);
	assert_weights("[{tenant: acme, weight: 70}]", 100, 70, 100, 100);
	assert_weights("[{tenant: umbrella, weight: 50}]", 100, 100, 100, 50);
}

static void first_asset_counts_and_all_that_it_says_must_hold(void **state)
{
	(void)state;
	assert_weights("[{service: web, weight: 110}, {dst: 0.0.0.0/0, weight: 140}]", 100, 110,
		       140, 100);
	assert_weights("[{dst: 0.0.0.0/0, weight: 140}, {service: web, weight: 110}]", 100, 140,
		       140, 100);
	assert_weights("[{service: web, tenant: umbrella, weight: 150}]", 100, 100, 100, 100);
	assert_weights("[{service: web, tenant: acme, weight: 150}]", 100, 150, 100, 100);
}

static void refuses(const char *assets, const char *code)
{
	struct policy *p = NULL;
	struct fault f = {0};
	char text[4096];

	snprintf(text, sizeof(text), BEGIN "risk: {assets: %s}\n", assets);
	assert_true(policy_parse("test", text, strlen(text), &p, &f) < 0);
	assert_string_equal(f.code, code);
}

static void what_is_no_asset_is_refused(void **state)
{
	(void)state;
	refuses("[{service: web, weight: 151}]", "policy.number.range");
	refuses("[{service: web, weight: 49}]", "policy.number.range");
	refuses("[{weight: 100}]", "policy.asset.what");
	refuses("[{service: web}]", "policy.key.missing");
	refuses("[{service: wep, weight: 100}]", "policy.word.unknown");
	refuses("[{tenant: acmi, weight: 100}]", "policy.word.unknown");
	refuses("[web]", "policy.value.kind");
}

static bool warns(const char *rest, const char *code)
{
	struct policy_report *report = policy_report_new();
	const struct policy_options options = {.report = report};
	struct policy *p = NULL;
	struct fault f = {0};
	char text[4096];
	bool found = false;

	snprintf(text, sizeof(text), BEGIN "%s\n", rest);
	if (policy_parse_with("test", text, strlen(text), &options, &p, &f) < 0)
		fail_msg("%s", f.text);
	for (size_t i = 0; i < report->count; i++)
		found |= report->items[i].is_warning && strcmp(report->items[i].code, code) == 0;
	policy_free(p);
	policy_report_free(report);
	return found;
}

static void asset_that_weighs_nothing_is_odd(void **state)
{
	static const char code[] = "policy.asset.unused";

	(void)state;
	assert_false(warns("risk: {assets: [{service: dns, weight: 150}]}", code)); /* each/dns */
	assert_false(warns("risk: {assets: [{tenant: umbrella, weight: 150}]}", code));
	assert_true(warns("risk: {assets: [{dst: 203.0.113.0/24, weight: 150}]}", code));
}

static void evidence_beside_what_may_be_erased_is_odd(void **state)
{
	static const char code[] = "policy.audit.evidence";

	(void)state;
	assert_true(warns("audit: {evidence: full}", code));
	assert_true(warns("audit: {evidence: full, personal: {traffic: truncated}}", code));
	assert_false(warns("audit: {evidence: full, personal: {traffic: clear}}", code));
	assert_false(warns("audit: {evidence: summary}", code));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limit_weighs_what_all_of_it_is_about),
		cmocka_unit_test(first_asset_counts_and_all_that_it_says_must_hold),
		cmocka_unit_test(what_is_no_asset_is_refused),
		cmocka_unit_test(asset_that_weighs_nothing_is_odd),
		cmocka_unit_test(evidence_beside_what_may_be_erased_is_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
