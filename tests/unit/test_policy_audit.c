/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a policy says of the audit log. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/policy.h"

#define HEAD "apiVersion: weir/v1\nmode: enforce\n"

static struct policy *parse(const char *text, struct fault *f)
{
	struct policy *policy = NULL;

	policy_parse("p", text, strlen(text), &policy, f);
	return policy;
}

static void sealed_unless_said(void **state)
{
	struct fault f = {0};
	_cleanup_(policy_freep) struct policy *p = parse(HEAD, &f);

	(void)state;
	assert_non_null(p);
	assert_int_equal(p->audit.personal.traffic, POLICY_SEALED);
	assert_int_equal(p->audit.personal.privacy, POLICY_SEALED);
}

static void by_category(void **state)
{
	struct fault f = {0};
	_cleanup_(policy_freep) struct policy *p =
		parse(HEAD "audit: {personal: {traffic: truncated, access: clear}}\n", &f);

	(void)state;
	assert_non_null(p);
	assert_int_equal(p->audit.personal.traffic, POLICY_TRUNCATED);
	assert_int_equal(p->audit.personal.access, POLICY_CLEAR);
	assert_int_equal(p->audit.personal.lists, POLICY_SEALED);
}

static void no_other_words(void **state)
{
	struct fault f = {0};

	(void)state;
	assert_null(parse(HEAD "audit: {personal: {traffic: hashed}}\n", &f));
	assert_null(parse(HEAD "audit: {personal: {trafic: clear}}\n", &f));
	assert_non_null(strstr(f.text, "traffic"));
	assert_null(parse(HEAD "audit: {personal: sealed}\n", &f));
}

static void kept_as_long_as_said(void **state)
{
	struct fault f = {0};
	_cleanup_(policy_freep) struct policy *p = parse(
		HEAD
		"audit:\n  retention:\n    traffic: 30d\n    lists: forever\n    archive: 2w\n",
		&f);

	(void)state;
	assert_non_null(p);
	assert_int_equal(p->audit.retention.traffic.s, 30 * 86400);
	assert_int_equal(p->audit.retention.traffic.line, 5);
	assert_int_equal(p->audit.retention.lists.s, 0);
	assert_int_equal(p->audit.retention.lists.line, 6);
	assert_int_equal(p->audit.retention.archive.s, 14 * 86400);
	assert_int_equal(p->audit.retention.security.line, 0); /* nothing is said */
	policy_freep(&p);
	p = parse(HEAD "audit: {retention: {archive: none}}\n", &f);
	assert_true(p->audit.retention.archive.none);
}

static void no_other_ages(void **state)
{
	static const char *const refused[] = {
		"traffic: 30", "traffic: 500ms", "traffic: 1500ms",
		"traffic: 0s", "traffic: none",	 "traffic: 101y",
		"privacy: 1d", "audit: 1d",	 "archive: never",
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct fault f = {0};

		snprintf(text, sizeof(text), HEAD "audit: {retention: {%s}}\n", refused[i]);
		if (parse(text, &f) || !f.err)
			fail_msg("%s", refused[i]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"records are sealed unless a policy says something else", sealed_unless_said, NULL,
		 NULL, NULL},
		{"each category of records has a mode of its own", by_category, NULL, NULL, NULL},
		{"an unknown mode or category is refused, with what was meant", no_other_words,
		 NULL, NULL, NULL},
		{"each category of records, and archives, are kept as long as is said",
		 kept_as_long_as_said, NULL, NULL, NULL},
		{"an age without a unit, or of what always stays, is refused", no_other_ages, NULL,
		 NULL, NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
