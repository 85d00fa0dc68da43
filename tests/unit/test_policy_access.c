/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rules of access: what they leave, of every role and permission, and that they never add. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/policy.h"

#define MONDAY_NOON 1764590400 /* 1 December 2025, 12:00 UTC */
#define HOUR	    3600

static struct policy *parse(const char *rules)
{
	struct policy *p = NULL;
	struct fault f = {0};
	char text[2048];

	snprintf(text, sizeof(text),
		 "apiVersion: weir/v1\nmode: enforce\n"
		 "tenants: {acme: {dst: 198.18.0.0/26}, umbrella: {dst: 198.18.0.64/26}}\n"
		 "access:\n%s",
		 rules);
	if (policy_parse("p", text, strlen(text), &p, &f) < 0)
		fail_msg("%s", f.text);
	return p;
}

static void refused(const char *rules, const char *code, const char *words)
{
	struct policy *p = NULL;
	struct fault f = {0};
	char text[2048];

	snprintf(text, sizeof(text), "apiVersion: weir/v1\nmode: enforce\naccess:\n%s", rules);
	assert_true(policy_parse("p", text, strlen(text), &p, &f) < 0);
	assert_string_equal(f.code, code);
	assert_non_null(strstr(f.text, "p:4:"));
	if (!strstr(f.text, words))
		fail_msg("'%s' does not say '%s'", f.text, words);
}

static enum grant_answer ask(const struct policy *p, uint32_t roles, const char *user,
			     const struct grant_question *q, int64_t at, const char **ret_rule)
{
	const struct policy_access_who who = {roles, 1000, user};
	const struct policy_access *rule;
	enum grant_answer answer = policy_access_ask(p, &who, q, at, &rule);

	assert_true(answer != GRANT_YES || !rule);
	if (ret_rule)
		*ret_rule = rule ? rule->name : NULL;
	return answer;
}

static const char *const attributes[] = {
	"  r: {role: %s, permissions: [traffic.read]}\n",
	"  r: {role: %s, prefixes: [198.18.0.0/16]}\n",
	"  r: {role: %s, tenants: acme}\n",
	"  r: {role: %s, schedule: {hours: \"08:00-10:00\", time_zone: UTC}}\n",
	"  r: {role: %s, user: alice, permissions: [traffic.read]}\n",
	"  r: {role: %s, user: bob, permissions: [traffic.read]}\n",
	"  r: {role: %s, prefixes: [198.18.0.0/16], tenants: [acme], schedule: {days: mon, hours: \"08:00-10:00\", time_zone: UTC}}\n",
};

/* What a rule with the attribute @i about @role leaves of a permission that the role has, of alice, by hand. */
static bool leaves(size_t i, enum identity_permission p, const char *cidr, const char *tenant,
		   int64_t at)
{
	const char *word = identity_permission_to_str(p);
	bool reads = strstr(word, ".read") != NULL, self = p == PERMISSION_SELF_MANAGE;
	bool plans = p == PERMISSION_POLICY_PLAN || p == PERMISSION_AUDIT_EXPORT ||
		     p == PERMISSION_AUDIT_ANCHOR;
	bool inside = reads || self || plans ||
		      (p == PERMISSION_LISTS_WRITE && strncmp(cidr, "198.18.", 7) == 0);
	bool of_tenant = self || (tenant && strcmp(tenant, "acme") == 0);
	bool early = at < MONDAY_NOON - 2 * HOUR;

	if (i == 0 || i == 4)
		return p == PERMISSION_TRAFFIC_READ;
	if (i == 1)
		return inside;
	if (i == 2)
		return of_tenant;
	if (i == 3)
		return early;
	return i == 5 || (inside && of_tenant && early);
}

/* Every set of roles, every role that a rule is about, every attribute, permission, place, tenant and two times. */
static void test_no_rule_adds_and_each_leaves_what_it_says(void **unused)
{
	static const char *const cidrs[] = {"198.18.7.7", "203.0.113.1"};
	static const char *const tenants[] = {NULL, "acme", "umbrella"};
	static const int64_t times[] = {MONDAY_NOON, MONDAY_NOON - 3 * HOUR};
	unsigned int pairs = 0;

	(void)unused;
	for (enum identity_role about = 0; about < IDENTITY_ROLE_MAX; about++)
		for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
			_cleanup_(policy_freep) struct policy *p = NULL;
			char rule[256];

			/* A rule gives no permission that its role has not. */
			snprintf(rule, sizeof(rule), attributes[i], identity_role_to_str(about));
			p = parse(rule);
			for (unsigned int n = 0; n < 16U * PERMISSION_MAX * 2 * 3 * 2; n++) {
				uint32_t roles = n & 15;
				struct prefix prefix;
				enum identity_permission asked = n / 16 % PERMISSION_MAX;
				const struct grant_question q = {
					.permission = asked,
					.prefix = asked == PERMISSION_LISTS_WRITE ? &prefix : NULL,
					.tenant = tenants[n / 32 / PERMISSION_MAX % 3],
				};
				const char *cidr = cidrs[n / 16 / PERMISSION_MAX % 2];
				int64_t at = times[n / 96 / PERMISSION_MAX];
				bool others = identity_may(roles & ~(1U << about), q.permission);
				bool mine = (roles & 1U << about) &&
					    identity_may(1U << about, q.permission) &&
					    leaves(i, q.permission, cidr, q.tenant, at);
				bool is;

				prefix_parse(cidr, &prefix);
				is = ask(p, roles, "alice", &q, at, NULL) == GRANT_YES;
				if (is != (others || mine))
					fail_msg("rule %zu about %s, roles %x, %s, %s, %s: %d", i,
						 identity_role_to_str(about), roles,
						 identity_permission_to_str(q.permission), cidr,
						 q.tenant ?: "no tenant", is);
				assert_true(!is || identity_may(roles, q.permission));
				pairs++;
			}
		}
	assert_true(pairs > 100000);
}

static void test_a_rule_about_a_user_narrows_all_roles_of_that_user_and_nobody_else(void **unused)
{
	_cleanup_(policy_freep) struct policy *p =
		parse("  r: {user: alice, permissions: [lists.read]}\n");
	struct grant_question q = {.permission = PERMISSION_AUDIT_READ};
	const char *rule;

	(void)unused;
	assert_int_equal(ask(p, 15, "alice", &q, 0, &rule), GRANT_NO_SCOPE);
	assert_string_equal(rule, "r");
	assert_int_equal(ask(p, 15, "bob", &q, 0, NULL), GRANT_YES);
	q.permission = PERMISSION_LISTS_READ;
	assert_int_equal(ask(p, IDENTITY_BIT(VIEWER), "alice", &q, 0, NULL), GRANT_YES);
	assert_int_equal(ask(p, 0, "alice", &q, 0, &rule), GRANT_NO_ROLE);
	assert_null(rule);
	q.permission = PERMISSION_STATUS_READ; /* what anybody may */
	assert_int_equal(ask(p, 15, "alice", &q, 0, NULL), GRANT_YES);
}

static void test_a_user_may_be_a_number(void **unused)
{
	_cleanup_(policy_freep) struct policy *p =
		parse("  r: {user: 1000, permissions: [lists.read]}\n");
	struct grant_question q = {.permission = PERMISSION_AUDIT_READ};

	(void)unused;
	assert_int_equal(ask(p, 15, "whoever", &q, 0, NULL), GRANT_NO_SCOPE);
}

static void test_all_rules_about_somebody_have_to_agree(void **unused)
{
	_cleanup_(policy_freep) struct policy *p =
		parse("  a: {role: operator, prefixes: [198.18.0.0/16]}\n"
		      "  b: {user: alice, prefixes: [198.18.7.0/24, 203.0.113.0/24]}\n");
	struct prefix prefix;
	struct grant_question q = {.permission = PERMISSION_LISTS_WRITE, .prefix = &prefix};
	const char *rule;

	(void)unused;
	prefix_parse("198.18.7.7", &prefix);
	assert_int_equal(ask(p, IDENTITY_BIT(OPERATOR), "alice", &q, 0, NULL), GRANT_YES);
	prefix_parse("198.18.8.8", &prefix);
	assert_int_equal(ask(p, IDENTITY_BIT(OPERATOR), "alice", &q, 0, &rule), GRANT_NO_PREFIX);
	assert_string_equal(rule, "b");
	assert_int_equal(ask(p, IDENTITY_BIT(OPERATOR), "bob", &q, 0, NULL), GRANT_YES);
	prefix_parse("203.0.113.7", &prefix);
	assert_int_equal(ask(p, IDENTITY_BIT(OPERATOR), "alice", &q, 0, &rule), GRANT_NO_PREFIX);
	assert_string_equal(rule, "a");
}

static void test_a_schedule_follows_its_days_hours_and_zone(void **unused)
{
	_cleanup_(policy_freep) struct policy *p =
		parse("  r: {role: viewer, schedule: {days: mon-fri, hours: \"13:00-14:00\", "
		      "time_zone: Europe/Berlin}}\n");
	struct grant_question q = {.permission = PERMISSION_LISTS_READ};

	(void)unused;
	/* Noon of UTC is 13:00 there in December. */
	assert_int_equal(ask(p, IDENTITY_BIT(VIEWER), "x", &q, MONDAY_NOON, NULL), GRANT_YES);
	assert_int_equal(ask(p, IDENTITY_BIT(VIEWER), "x", &q, MONDAY_NOON - 1, NULL),
			 GRANT_NO_HOUR);
	assert_int_equal(ask(p, IDENTITY_BIT(VIEWER), "x", &q, MONDAY_NOON + HOUR, NULL),
			 GRANT_NO_HOUR);
	assert_int_equal(ask(p, IDENTITY_BIT(VIEWER), "x", &q, MONDAY_NOON - 24 * HOUR, NULL),
			 GRANT_NO_HOUR);
}

static void test_nonsense_is_refused_with_its_place(void **unused)
{
	(void)unused;
	refused("  r: {prefixes: [198.18.0.0/16]}\n", "policy.access.who", "a role, a user");
	refused("  r: {role: viewer}\n", "policy.access.empty", "leaves everything");
	refused("  r: {role: king, tenants: x}\n", "policy.word.unknown", "admin");
	refused("  r: {user: root, permissions: lists.read}\n", "policy.access.user", "root");
	refused("  r: {user: 0, permissions: lists.read}\n", "policy.access.user", "root");
	refused("  r: {user: \"a b\", permissions: lists.read}\n", "policy.access.user", "a b");
	refused("  r: {role: viewer, permissions: lists.wirte}\n", "policy.word.unknown",
		"lists.write");
	refused("  r: {role: viewer, permissions: lists.write}\n", "policy.access.permissions",
		"has not");
	refused("  r: {role: admin, permissions: policy.write, prefixes: 198.18.0.0/16}\n",
		"policy.access.permissions", "inside prefixes");
	refused("  r: {role: viewer, tenants: acme}\n", "policy.word.unknown", "acme");
	refused("  r: {role: viewer, prefixes: 198.18.0.1/16}\n", "policy.cidr.host",
		"198.18.0.0/16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_rule_adds_and_each_leaves_what_it_says),
		cmocka_unit_test(
			test_a_rule_about_a_user_narrows_all_roles_of_that_user_and_nobody_else),
		cmocka_unit_test(test_a_user_may_be_a_number),
		cmocka_unit_test(test_all_rules_about_somebody_have_to_agree),
		cmocka_unit_test(test_a_schedule_follows_its_days_hours_and_zone),
		cmocka_unit_test(test_nonsense_is_refused_with_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
