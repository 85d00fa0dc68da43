/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ETags of what can be edited, headers that name them, and ?fields=. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/etag.h"
#include "api/fields.h"

static json_t *value(const char *text)
{
	json_t *v = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(v);
	return v;
}

static void tag(const char *text, const char *version, char ret[static ETAG_SIZE])
{
	json_t *v = value(text);

	assert_int_equal(etag_of(v, version, ret), 0);
	assert_int_equal(strlen(ret), ETAG_SIZE - 1);
	json_decref(v);
}

static void test_an_etag_is_of_what_was_edited(void **unused)
{
	char a[ETAG_SIZE], b[ETAG_SIZE];

	(void)unused;
	tag("{\"a\":1,\"hits\":3,\"left_seconds\":9}", "v1", a);
	tag("{\"left_seconds\":8,\"a\":1,\"hits\":4}", "v1", b);
	assert_string_equal(a, b);
	tag("{\"a\":2,\"hits\":3,\"left_seconds\":9}", "v1", b);
	assert_string_not_equal(a, b);
	tag("{\"a\":1}", "v2", b);
	assert_string_not_equal(a, b);
	tag("{\"items\":[{\"a\":1,\"hits\":3}],\"run\":null}", "v1", a);
	tag("{\"items\":[{\"a\":1,\"hits\":4}],\"run\":{}}", "v1", b);
	assert_string_equal(a, b);
}

static void test_headers_name_etags(void **unused)
{
	(void)unused;
	assert_int_equal(etag_is_in("\"a\"", "\"a\"", false), 1);
	assert_int_equal(etag_is_in("\"b\", \"a\"", "\"a\"", false), 1);
	assert_int_equal(etag_is_in(" \"b\" ,\t\"c\" ", "\"a\"", false), 0);
	assert_int_equal(etag_is_in("*", "\"a\"", false), 1);
	assert_int_equal(etag_is_in("W/\"a\"", "\"a\"", false), 0);
	assert_int_equal(etag_is_in("W/\"a\"", "\"a\"", true), 1);
	assert_int_equal(etag_is_in("\"ab\"", "\"a\"", true), 0);
}

static void test_what_is_no_list_of_etags_is_refused(void **unused)
{
	static const char *const bad[] = {"",	 "a",	    "\"a",     "\"a\" \"b\"", "\"a\",",
					  "* *", "w/\"a\"", "\"a b\"", "\"a\";",      ",\"a\""};
	char longest[ETAG_HEADER_MAX + 2];

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(etag_is_in(bad[i], "\"a\"", true), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[0] = longest[ETAG_HEADER_MAX - 1] = '"';
	longest[ETAG_HEADER_MAX] = '\0';
	assert_int_equal(etag_is_in(longest, "\"a\"", true), 0);
	longest[ETAG_HEADER_MAX - 1] = 'x';
	longest[ETAG_HEADER_MAX] = '"';
	longest[ETAG_HEADER_MAX + 1] = '\0';
	assert_int_equal(etag_is_in(longest, "\"a\"", true), -EINVAL);
}

static void selects(const char *body, const char *fields, const char *expected)
{
	json_t *v = value(body), *e = value(expected);
	struct fault f = {0};

	assert_int_equal(fields_check(fields, &f), 0);
	assert_int_equal(fields_select(v, "items", fields, &f), 0);
	if (!json_equal(v, e))
		fail_msg("%s of %s is not %s", fields, body, expected);
	json_decref(v);
	json_decref(e);
}

static void refuses(const char *body, const char *fields, const char *words)
{
	json_t *v = value(body);
	struct fault f = {0};

	assert_int_equal(fields_check(fields, &f), 0);
	assert_int_equal(fields_select(v, "items", fields, &f), -EINVAL);
	assert_string_equal(f.code, "request.fields");
	if (!strstr(f.text, words))
		fail_msg("'%s' does not say '%s'", f.text, words);
	json_decref(v);
}

static void test_fields_keep_members_and_no_others(void **unused)
{
	(void)unused;
	selects("{\"a\":1,\"b\":{\"c\":2,\"d\":3}}", "a", "{\"a\":1}");
	selects("{\"a\":1,\"b\":{\"c\":2,\"d\":3}}", "b.c,a", "{\"a\":1,\"b\":{\"c\":2}}");
	selects("{\"b\":{\"c\":2,\"d\":3,\"e\":4}}", "b.c,b.d", "{\"b\":{\"c\":2,\"d\":3}}");
	selects("{\"b\":[{\"c\":1,\"d\":2},{\"c\":3}]}", "b.c", "{\"b\":[{\"c\":1},{\"c\":3}]}");
	selects("{\"b\":null}", "b.c", "{\"b\":null}");
}

static void test_fields_of_a_list_are_those_of_its_items(void **unused)
{
	(void)unused;
	selects("{\"items\":[{\"a\":1,\"b\":2},{\"a\":3}],\"next\":\"x\"}", "a",
		"{\"items\":[{\"a\":1},{\"a\":3}],\"next\":\"x\"}");
	selects("{\"items\":[],\"next\":null}", "any.thing", "{\"items\":[],\"next\":null}");
	selects("{\"items\":[{\"b\":null},{\"b\":{\"c\":1,\"d\":2}}]}", "b.c",
		"{\"items\":[{\"b\":null},{\"b\":{\"c\":1}}]}");
}

static void test_an_unknown_field_is_refused_with_the_known_ones(void **unused)
{
	(void)unused;
	refuses("{\"a\":1,\"b\":2}", "c", "there are a, b");
	refuses("{\"items\":[{\"a\":1}],\"next\":1}", "next", "there are a");
	refuses("{\"a\":{\"b\":1}}", "a.c", "'a.c'");
	refuses("{\"a\":1}", "a.c", "'a.c'");
}

static void test_names_of_fields_have_limits(void **unused)
{
	static const char *const bad[] = {"",	",",  "a,",  ",a",  "a..b",
					  ".a", "a.", "a b", "a/b", "a.b.c.d.e.f.g.h.i"};
	char longest[FIELDS_SIZE + 1];
	struct fault f;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(fields_check(bad[i], &f), -EINVAL);
	assert_int_equal(fields_check("a.b.c.d.e.f.g.h,i", &f), 0);
	memset(longest, 'a', sizeof(longest));
	longest[FIELDS_SIZE - 1] = '\0';
	assert_int_equal(fields_check(longest, &f), 0);
	longest[FIELDS_SIZE - 1] = 'a';
	longest[FIELDS_SIZE] = '\0';
	assert_int_equal(fields_check(longest, &f), -EINVAL);
	for (unsigned int i = 0; i < FIELDS_MAX; i++)
		memcpy(longest + 2 * i, "a,", 2);
	longest[2 * FIELDS_MAX - 1] = '\0';
	assert_int_equal(fields_check(longest, &f), 0);
	memcpy(longest + 2 * FIELDS_MAX - 1, ",a", 3);
	assert_int_equal(fields_check(longest, &f), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_etag_is_of_what_was_edited),
		cmocka_unit_test(test_headers_name_etags),
		cmocka_unit_test(test_what_is_no_list_of_etags_is_refused),
		cmocka_unit_test(test_fields_keep_members_and_no_others),
		cmocka_unit_test(test_fields_of_a_list_are_those_of_its_items),
		cmocka_unit_test(test_an_unknown_field_is_refused_with_the_known_ones),
		cmocka_unit_test(test_names_of_fields_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
