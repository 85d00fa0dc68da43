/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a policy says of the audit log. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"records are sealed unless a policy says something else", sealed_unless_said, NULL,
		 NULL, NULL},
		{"each category of records has a mode of its own", by_category, NULL, NULL, NULL},
		{"an unknown mode or category is refused, with what was meant", no_other_words,
		 NULL, NULL, NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
