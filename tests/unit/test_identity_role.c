/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Roles, permissions and routes: who may do what is what the tables say, and the tables say no nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "api/route.h"
#include "base/cleanup.h"
#include "identity/role.h"

static const struct {
	const char *method, *path, *operation;
	enum identity_permission permission;
	int kind;
} routes[] = {
#define ROUTE(method, path, permission, kind, handler, operation)                                  \
	{method, path, operation, PERMISSION_##permission, (kind)&KIND},
#include "api/route.def"
#undef ROUTE
};

static void test_a_word_names_one_role_or_permission(void **unused)
{
	(void)unused;
	for (enum identity_role i = 0; i < IDENTITY_ROLE_MAX; i++) {
		assert_int_equal(identity_role_from_str(identity_role_to_str(i)), i);
		for (enum identity_role k = 0; k < i; k++)
			assert_string_not_equal(identity_role_group(i), identity_role_group(k));
	}
	for (enum identity_permission i = 0; i < PERMISSION_MAX; i++)
		assert_int_equal(identity_permission_from_str(identity_permission_to_str(i)), i);
	assert_int_equal(identity_role_from_str("root"), -1);
	assert_int_equal(identity_permission_from_str(""), -1);
}

static void test_who_has_no_role_may_only_what_anybody_may(void **unused)
{
	(void)unused;
	for (enum identity_permission i = 0; i < PERMISSION_MAX; i++)
		assert_int_equal(identity_may(0, i),
				 i == PERMISSION_STATUS_READ || i == PERMISSION_API_READ);
	assert_string_equal(identity_strongest(0), "public");
}

static void test_admins_may_everything_and_roles_add_up(void **unused)
{
	(void)unused;
	for (enum identity_permission i = 0; i < PERMISSION_MAX; i++) {
		assert_true(identity_may(IDENTITY_BIT(ADMIN), i));
		for (uint32_t roles = 0; roles < 1U << IDENTITY_ROLE_MAX; roles++)
			assert_int_equal(identity_may(roles, i),
					 (identity_permission_roles(i) & roles) ||
						 identity_may(0, i));
	}
	assert_string_equal(identity_strongest(IDENTITY_BIT(VIEWER) | IDENTITY_BIT(OPERATOR)),
			    "operator");
}

static void test_viewers_and_auditors_change_nothing_of_enforcement(void **unused)
{
	const uint32_t readers = IDENTITY_BIT(VIEWER) | IDENTITY_BIT(AUDITOR);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!identity_may(readers, routes[i].permission))
			continue;
		if (routes[i].kind == READ || routes[i].permission == PERMISSION_SELF_MANAGE)
			continue;
		/* What they may write is that they took something. */
		assert_true(routes[i].permission == PERMISSION_AUDIT_READ ||
			    routes[i].permission == PERMISSION_AUDIT_ANCHOR);
		assert_false(identity_may(IDENTITY_BIT(VIEWER), routes[i].permission));
	}
}

static void test_only_methods_without_a_change_need_no_change(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (strcmp(routes[i].method, "GET") == 0)
			assert_int_equal(routes[i].kind, READ);
		else if (routes[i].kind == READ)
			assert_true(strcmp(routes[i].path, "/policy/plan") == 0 ||
				    strcmp(routes[i].path, "/audit/report") == 0);
	}
}

/* Whether a path could be meant by both: segment by segment, a parameter is anything. */
static bool overlap(const char *a, const char *b)
{
	while (*a && *b) {
		if (a[0] == '{' || b[0] == '{') {
			if (strncmp(a, "{+", 2) == 0 || strncmp(b, "{+", 2) == 0)
				return true;
			a += strcspn(a, "/");
			b += strcspn(b, "/");
		} else if (*a++ != *b++) {
			return false;
		}
	}
	return *a == *b;
}

static void test_a_request_has_one_route_and_an_operation_one_name(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(routes[i].operation, routes[k].operation);
			if (strcmp(routes[i].method, routes[k].method) == 0)
				assert_false(overlap(routes[i].path, routes[k].path));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_word_names_one_role_or_permission),
		cmocka_unit_test(test_who_has_no_role_may_only_what_anybody_may),
		cmocka_unit_test(test_admins_may_everything_and_roles_add_up),
		cmocka_unit_test(test_viewers_and_auditors_change_nothing_of_enforcement),
		cmocka_unit_test(test_only_methods_without_a_change_need_no_change),
		cmocka_unit_test(test_a_request_has_one_route_and_an_operation_one_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
