/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a key gives: never more than its user may, never more than it says; all pairs are tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "identity/grant.h"

static struct grant parse(const char *text)
{
	_cleanup_(json_decrefp) json_t *object = json_loads(text, 0, NULL);
	struct fault f = {0};
	struct grant g;

	assert_non_null(object);
	if (grant_parse(object, &g, &f) < 0)
		fail_msg("%s: %s", text, f.text);
	return g;
}

static void refused(const char *text, const char *code)
{
	_cleanup_(json_decrefp) json_t *object = json_loads(text, 0, NULL);
	struct fault f = {0};
	struct grant g;

	assert_non_null(object);
	assert_int_equal(grant_parse(object, &g, &f), -EINVAL);
	assert_string_equal(f.code, code);
}

static bool may(uint32_t roles, const struct grant *g, enum identity_permission permission)
{
	const struct grant_question q = {.permission = permission};

	return grant_ask(roles, g, &q) == GRANT_YES;
}

/* Every set of roles of a user, every role of a key, every single permission of it, every question. */
static void test_a_key_never_adds_to_what_its_user_may(void **unused)
{
	unsigned int pairs = 0;

	(void)unused;
	for (uint32_t roles = 0; roles < 1U << IDENTITY_ROLE_MAX; roles++)
		for (enum identity_role role = 0; role < IDENTITY_ROLE_MAX; role++)
			for (int only = -1; only < PERMISSION_MAX; only++) {
				struct grant g = {.role = role};

				for (enum identity_permission p = 0; p < PERMISSION_MAX; p++)
					if (identity_may(1U << role, p) &&
					    (only < 0 || (int)p == only))
						g.permissions |= 1ULL << p;
				for (enum identity_permission p = 0; p < PERMISSION_MAX; p++) {
					bool is = may(roles, &g, p);

					pairs++;
					if (identity_may(0, p)) {
						assert_true(is);
						continue;
					}
					assert_int_equal(is, identity_may(roles, p) &&
								     identity_may(1U << role, p) &&
								     (only < 0 || (int)p == only));
				}
			}
	assert_true(pairs > 10000);
}

static void test_without_a_key_roles_alone_decide(void **unused)
{
	(void)unused;
	for (uint32_t roles = 0; roles < 1U << IDENTITY_ROLE_MAX; roles++)
		for (enum identity_permission p = 0; p < PERMISSION_MAX; p++)
			assert_int_equal(may(roles, NULL, p), identity_may(roles, p));
}

static enum grant_answer ask_prefix(const struct grant *g, const char *cidr)
{
	struct prefix prefix;
	const struct grant_question q = {.permission = PERMISSION_LISTS_WRITE, .prefix = &prefix};

	assert_int_equal(prefix_parse(cidr, &prefix), 0);
	return grant_ask(IDENTITY_BIT(ADMIN), g, &q);
}

static void test_prefixes_hold_changes_of_lists_inside_and_leave_no_other_change(void **unused)
{
	struct grant g = parse("{\"role\": \"admin\", \"prefixes\": [\"198.18.0.0/16\", "
			       "\"2001:db8::/32\"]}");

	(void)unused;
	assert_int_equal(ask_prefix(&g, "198.18.3.4"), GRANT_YES);
	assert_int_equal(ask_prefix(&g, "198.18.0.0/16"), GRANT_YES);
	assert_int_equal(ask_prefix(&g, "2001:db8:1::/48"), GRANT_YES);
	assert_int_equal(ask_prefix(&g, "198.18.0.0/15"), GRANT_NO_PREFIX);
	assert_int_equal(ask_prefix(&g, "198.19.0.1"), GRANT_NO_PREFIX);
	assert_int_equal(ask_prefix(&g, "0.0.0.0/0"), GRANT_NO_PREFIX);
	assert_int_equal(ask_prefix(&g, "::/0"), GRANT_NO_PREFIX);
	assert_true(may(IDENTITY_BIT(ADMIN), &g, PERMISSION_LISTS_READ));
	assert_true(may(IDENTITY_BIT(ADMIN), &g, PERMISSION_LISTS_WRITE));
	assert_false(may(IDENTITY_BIT(ADMIN), &g, PERMISSION_POLICY_WRITE));
	assert_false(may(IDENTITY_BIT(ADMIN), &g, PERMISSION_PANIC_WRITE));
	assert_false(may(IDENTITY_BIT(ADMIN), &g, PERMISSION_KEYS_WRITE));
	assert_false(may(IDENTITY_BIT(ADMIN), &g, PERMISSION_ENFORCEMENT_END));
	refused("{\"role\": \"admin\", \"permissions\": [\"policy.write\"], \"prefixes\": "
		"[\"198.18.0.0/16\"]}",
		"grant.permissions");
}

static void test_a_tenants_key_is_for_what_is_of_the_tenant_and_nothing_else(void **unused)
{
	struct grant g = parse("{\"role\": \"operator\", \"tenants\": [\"acme\"]}");
	struct grant_question q = {.permission = PERMISSION_TRAFFIC_READ};

	(void)unused;
	assert_int_equal(grant_ask(IDENTITY_BIT(ADMIN), &g, &q), GRANT_NO_TENANT);
	q.tenant = "umbrella";
	assert_int_equal(grant_ask(IDENTITY_BIT(ADMIN), &g, &q), GRANT_NO_TENANT);
	q.tenant = "acme";
	assert_int_equal(grant_ask(IDENTITY_BIT(ADMIN), &g, &q), GRANT_YES);
	q.permission = PERMISSION_POLICY_WRITE;
	assert_int_equal(grant_ask(IDENTITY_BIT(ADMIN), &g, &q), GRANT_NO_SCOPE);
}

static void test_hours_are_from_the_first_to_before_the_second_over_midnight_too(void **unused)
{
	static const struct {
		const char *hours;
		uint32_t good; /* a bit for each hour */
	} cases[] = {
		{"8-18", 0x3ff00}, {"22-6", 0xc0003f}, {"0-24", 0xffffff}, {"23-24", 0x800000}};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct grant g = {0};
		char text[64];

		snprintf(text, sizeof(text), "{\"role\": \"viewer\", \"hours\": \"%s\"}",
			 cases[i].hours);
		g = parse(text);
		for (unsigned int hour = 0; hour < 24; hour++) {
			const struct grant_question q = {.permission = PERMISSION_LISTS_READ,
							 .hour = hour};

			assert_int_equal(grant_ask(IDENTITY_BIT(VIEWER), &g, &q) == GRANT_YES,
					 cases[i].good >> hour & 1);
		}
	}
}

static const char *const various[] = {
	"{\"role\": \"admin\"}",
	"{\"role\": \"operator\"}",
	"{\"role\": \"auditor\"}",
	"{\"role\": \"viewer\"}",
	"{\"role\": \"operator\", \"permissions\": [\"lists.write\", \"lists.read\"]}",
	"{\"role\": \"admin\", \"permissions\": [\"keys.write\"]}",
	"{\"role\": \"operator\", \"prefixes\": [\"198.18.0.0/16\"]}",
	"{\"role\": \"operator\", \"prefixes\": [\"198.18.7.0/24\", \"198.18.9.0/24\"]}",
	"{\"role\": \"admin\", \"tenants\": [\"acme\"]}",
	"{\"role\": \"admin\", \"tenants\": [\"acme\", \"umbrella\"]}",
	"{\"role\": \"viewer\", \"hours\": \"8-18\"}",
	"{\"role\": \"viewer\", \"hours\": \"9-17\"}",
	"{\"role\": \"viewer\", \"hours\": \"17-9\"}",
	"{\"role\": \"viewer\", \"rate\": \"10/s\"}",
	"{\"role\": \"viewer\", \"rate\": \"600/m\"}",
	"{\"role\": \"viewer\", \"rate\": \"9/s\"}",
};

static void test_a_rate_within_another_is_neither_more_at_once_nor_in_the_long_run(void **unused)
{
	static const char *const rates[] = {"10/s", "600/m", "9/s", "10/m"};
	static const uint8_t within[4][4] = {
		{1, 1, 0, 0}, {0, 1, 0, 0}, {1, 1, 1, 0}, {1, 1, 0, 1}};
	struct grant none = parse("{\"role\": \"viewer\"}");

	(void)unused;
	for (size_t a = 0; a < 4; a++)
		for (size_t b = 0; b < 4; b++) {
			char inner[64], outer[64];
			struct grant i, o;

			snprintf(inner, sizeof(inner), "{\"role\": \"viewer\", \"rate\": \"%s\"}",
				 rates[a]);
			snprintf(outer, sizeof(outer), "{\"role\": \"viewer\", \"rate\": \"%s\"}",
				 rates[b]);
			i = parse(inner);
			o = parse(outer);
			assert_int_equal(grant_within(&i, &o), within[a][b]);
			assert_true(grant_within(&i, &none));
			assert_false(grant_within(&none, &o));
		}
}

/* If one is within another, no question gets a yes from it that the other refuses. */
static void test_what_is_within_another_never_allows_more(void **unused)
{
	static const char *const prefixes[] = {"198.18.7.7", "198.18.8.0/24", "203.0.113.1",
					       "::/0"};
	static const char *const tenants[] = {NULL, "acme", "umbrella"};

	(void)unused;
	for (size_t a = 0; a < ARRAY_SIZE(various); a++)
		for (size_t b = 0; b < ARRAY_SIZE(various); b++) {
			struct grant inner = parse(various[a]), outer = parse(various[b]);

			if (!grant_within(&inner, &outer)) {
				assert_int_not_equal(a, b);
				continue;
			}
			for (unsigned int i = 0; i < PERMISSION_MAX * 4 * 3 * 24; i++) {
				struct prefix prefix;
				const struct grant_question q = {
					.permission = i % PERMISSION_MAX,
					.prefix = &prefix,
					.tenant = tenants[i / PERMISSION_MAX / 4 % 3],
					.hour = i / PERMISSION_MAX / 12,
				};

				prefix_parse(prefixes[i / PERMISSION_MAX % 4], &prefix);
				if (grant_ask(1, &inner, &q) == GRANT_YES)
					assert_int_equal(grant_ask(1, &outer, &q), GRANT_YES);
			}
		}
}

static void test_what_is_written_reads_back_as_the_same(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(various); i++) {
		_cleanup_(json_decrefp) json_t *object = json_object();
		struct grant before = parse(various[i]), after;

		grant_put(&before, object);
		assert_int_equal(grant_parse(object, &after, NULL), 0);
		assert_true(grant_within(&before, &after) && grant_within(&after, &before));
	}
}

static void test_nonsense_is_refused_with_its_place(void **unused)
{
	(void)unused;
	refused("{}", "grant.role");
	refused("{\"role\": \"root\"}", "grant.role");
	refused("{\"role\": 1}", "grant.role");
	refused("{\"role\": \"viewer\", \"permissions\": []}", "grant.permissions");
	refused("{\"role\": \"viewer\", \"permissions\": [\"lists.write\"]}", "grant.permissions");
	refused("{\"role\": \"viewer\", \"permissions\": [\"lists\"]}", "grant.permissions");
	refused("{\"role\": \"viewer\", \"permissions\": \"lists.read\"}", "grant.permissions");
	refused("{\"role\": \"viewer\", \"prefixes\": [\"198.18.0.1/16\"]}", "grant.prefixes");
	refused("{\"role\": \"viewer\", \"prefixes\": []}", "grant.prefixes");
	refused("{\"role\": \"viewer\", \"tenants\": [\"\"]}", "grant.tenants");
	refused("{\"role\": \"viewer\", \"hours\": \"8-8\"}", "grant.hours");
	refused("{\"role\": \"viewer\", \"hours\": \"24-8\"}", "grant.hours");
	refused("{\"role\": \"viewer\", \"hours\": \"8\"}", "grant.hours");
	refused("{\"role\": \"viewer\", \"hours\": \"-8\"}", "grant.hours");
	refused("{\"role\": \"viewer\", \"hours\": \"100-8\"}", "grant.hours");
	refused("{\"role\": \"viewer\", \"rate\": \"0/s\"}", "grant.rate");
	refused("{\"role\": \"viewer\", \"rate\": \"10\"}", "grant.rate");
	refused("{\"role\": \"viewer\", \"rate\": \"10/d\"}", "grant.rate");
	refused("{\"role\": \"viewer\", \"rate\": \"1000001/s\"}", "grant.rate");
	refused("{\"role\": \"viewer\", \"rate\": 10}", "grant.rate");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_key_never_adds_to_what_its_user_may),
		cmocka_unit_test(test_without_a_key_roles_alone_decide),
		cmocka_unit_test(
			test_prefixes_hold_changes_of_lists_inside_and_leave_no_other_change),
		cmocka_unit_test(test_a_tenants_key_is_for_what_is_of_the_tenant_and_nothing_else),
		cmocka_unit_test(
			test_hours_are_from_the_first_to_before_the_second_over_midnight_too),
		cmocka_unit_test(
			test_a_rate_within_another_is_neither_more_at_once_nor_in_the_long_run),
		cmocka_unit_test(test_what_is_within_another_never_allows_more),
		cmocka_unit_test(test_what_is_written_reads_back_as_the_same),
		cmocka_unit_test(test_nonsense_is_refused_with_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
