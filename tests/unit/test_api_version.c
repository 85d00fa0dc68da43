/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which version a request means, and what becomes of bodies between versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "api/version.h"
#include "base/clock.h"

static void means(const char *path, const char *header, const char *accept,
		  enum api_version version, const char *rest)
{
	enum api_version chosen;
	struct fault f = {0};
	const char *found;

	assert_int_equal(api_version_choose(path, header, accept, &chosen, &found, &f), 0);
	assert_int_equal(chosen, version);
	assert_string_equal(found, rest);
}

static void is_refused(const char *path, const char *header, const char *accept, int error,
		       const char *code)
{
	enum api_version chosen;
	struct fault f = {0};
	const char *rest;

	assert_int_equal(api_version_choose(path, header, accept, &chosen, &rest, &f), error);
	assert_string_equal(f.code, code);
}

static void test_the_path_names_a_version(void **unused)
{
	(void)unused;
	means("/v1/limits", NULL, NULL, API_V1, "/limits");
	means("/v2/limits", NULL, NULL, API_V2, "/limits");
	means("/latest/limits", NULL, NULL, API_V1, "/limits"); /* v2 is beta */
	is_refused("/v9/limits", NULL, NULL, -ENOENT, "version.unknown");
	is_refused("/v01/limits", NULL, NULL, -ENOENT, "version.unknown");
}

static void test_so_does_a_header_where_the_path_does_not(void **unused)
{
	(void)unused;
	means("/limits", "v2", NULL, API_V2, "/limits");
	means("/limits", "2", NULL, API_V2, "/limits");
	means("/limits", "latest", NULL, API_V1, "/limits");
	means("/limits", NULL, "application/json; version=2", API_V2, "/limits");
	means("/metrics", NULL,
	      "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", API_V1,
	      "/metrics");
	means("/limits", NULL, "text/html;q=0.1, application/json;version=v2, */*", API_V2,
	      "/limits");
	is_refused("/limits", "9", NULL, -ENOTSUP, "version.unknown");
	is_refused("/limits", "", NULL, -ENOTSUP, "version.unknown");
	is_refused("/limits", NULL, "a/b; version=", -ENOTSUP, "version.unknown");
	is_refused("/v1/limits", "9", NULL, -ENOTSUP, "version.unknown");
	is_refused("/v9/limits", "9", NULL, -ENOENT, "version.unknown");
}

static void test_who_names_none_gets_the_latest_that_is_stable(void **unused)
{
	(void)unused;
	means("/limits", NULL, NULL, API_V1, "/limits");
	means("/limits", NULL, "*/*", API_V1, "/limits");
	means("/versions", NULL, NULL, API_V1, "/versions");
	means("/vault", NULL, NULL, API_V1, "/vault");
	means("/", NULL, NULL, API_V1, "/");
}

static void test_two_that_differ_are_refused(void **unused)
{
	(void)unused;
	means("/v2/limits", "2", "x; version=2", API_V2, "/limits");
	is_refused("/v1/limits", "2", NULL, -EINVAL, "version.conflict");
	is_refused("/limits", "1", "x; version=2", -EINVAL, "version.conflict");
}

/* What an answer of v1 is in v2, as text. */
static void becomes(const char *path, const char *v1, const char *v2)
{
	json_t *body = json_loads(v1, 0, NULL), *expected = json_loads(v2, 0, NULL);
	char *text;

	assert_non_null(body);
	assert_non_null(expected);
	api_migrate_response(API_V2, path, body);
	text = json_dumps(body, JSON_SORT_KEYS);
	if (!json_equal(body, expected))
		fail_msg("%s became %s and not %s", v1, text, v2);
	free(text);
	json_decref(body);
	json_decref(expected);
}

static void test_rates_become_value_and_unit(void **unused)
{
	(void)unused;
	becomes("/limits",
		"{\"items\": [{\"rate\": \"2k/s\", \"unit\": \"packets\"},"
		"{\"rate\": \"1MiB/s\", \"unit\": \"bytes\"}, {\"rate\": \"5/m\", \"unit\": \"connections\"},"
		"{\"rate\": \"200\", \"unit\": \"open connections\"}, {\"rate\": \"0/s\", \"unit\": \"connections\"}]}",
		"{\"items\": [{\"rate\": {\"value\": 2000, \"unit\": \"packets/s\"}, \"unit\": \"packets\"},"
		"{\"rate\": {\"value\": 1048576, \"unit\": \"bytes/s\"}, \"unit\": \"bytes\"},"
		"{\"rate\": {\"value\": 5, \"unit\": \"connections/min\"}, \"unit\": \"connections\"},"
		"{\"rate\": {\"value\": 200, \"unit\": \"open connections\"}, \"unit\": \"open connections\"},"
		"{\"rate\": {\"value\": 0, \"unit\": \"connections/s\"}, \"unit\": \"connections\"}], \"next\": null}");
	becomes("/limits",
		"{\"items\": [{\"rate\": \"0B/s\", \"unit\": \"bytes\"}, {\"rate\": \"?\", \"unit\": \"bytes\"}]}",
		"{\"items\": [{\"rate\": {\"value\": 0, \"unit\": \"bytes/s\"}, \"unit\": \"bytes\"},"
		"{\"rate\": null, \"unit\": \"bytes\"}], \"next\": null}");
	becomes("/source/198.51.100.7",
		"{\"limits\": [{\"rate\": \"10/s\", \"unit\": \"packets\"}], \"address\": \"x\"}",
		"{\"limits\": [{\"rate\": {\"value\": 10, \"unit\": \"packets/s\"}, \"unit\": \"packets\"}],"
		"\"address\": \"x\"}");
}

static void test_lists_have_items_and_next(void **unused)
{
	(void)unused;
	becomes("/lists/block", "{\"items\": [1], \"next_cursor\": \"abc\"}",
		"{\"items\": [1], \"next\": \"abc\"}");
	becomes("/lists/block", "{\"items\": []}", "{\"items\": [], \"next\": null}");
	becomes("/risk/sources", "{\"sources\": [1], \"count\": 1}",
		"{\"items\": [1], \"next\": null, \"count\": 1}");
	becomes("/audit/keys", "{\"keys\": []}", "{\"items\": [], \"next\": null}");
	becomes("/governance/requests/7/records", "{\"items\": [], \"next\": 5}",
		"{\"items\": [], \"next\": 5}");
	becomes("/policy/history", "{\"items\": [1], \"next_cursor\": 4, \"kept\": 100}",
		"{\"items\": [1], \"next\": 4, \"kept\": 100}");
}

static void test_shares_become_value_and_unit_wherever_a_flag_is(void **unused)
{
	static const char v1[] = "{\"rollout\": \"0.5%\", \"policy\": {\"rollout\": \"25%\"}}",
			  v2[] = "{\"rollout\": {\"value\": 0.5, \"unit\": \"%\"},"
				 "\"policy\": {\"rollout\": {\"value\": 25.0, \"unit\": \"%\"}}}";
	static const char *const around[][2] = {
		{"/flags/a", "%s"},
		{"/flags/a", "{\"flag\": %s, \"persisted\": true}"},
		{"/status", "{\"flags_set\": [%s]}"},
	};
	char before[512], after[512];

	(void)unused;
	for (size_t i = 0; i < sizeof(around) / sizeof(*around); i++) {
		snprintf(before, sizeof(before), around[i][1], v1);
		snprintf(after, sizeof(after), around[i][1], v2);
		becomes(around[i][0], before, after);
	}
}

static void test_what_is_no_list_and_no_changed_resource_stays(void **unused)
{
	(void)unused;
	becomes("/policy/history/7", "{\"generation\": 7}", "{\"generation\": 7}");
	becomes("/status", "{\"rate\": \"2k/s\", \"unit\": \"packets\"}",
		"{\"rate\": \"2k/s\", \"unit\": \"packets\"}");
	becomes("/limitsx", "{\"items\": []}", "{\"items\": []}");
}

static void request_becomes(const char *path, const char *v2, const char *v1)
{
	json_t *body = json_loads(v2, 0, NULL), *expected = json_loads(v1, 0, NULL);

	assert_true(api_migrates_request(API_V2, path));
	api_migrate_request(API_V2, path, body);
	assert_true(json_equal(body, expected));
	json_decref(body);
	json_decref(expected);
}

static void test_quantities_of_requests_become_text(void **unused)
{
	(void)unused;
	request_becomes("/lists/block",
			"{\"cidr\": \"x\", \"ttl\": {\"value\": 10, \"unit\": \"m\"}}",
			"{\"cidr\": \"x\", \"ttl\": \"10m\"}");
	request_becomes("/flags/a",
			"{\"rollout\": {\"value\": 0.5, \"unit\": \"%\"}, \"ttl\": null}",
			"{\"rollout\": \"0.5%\", \"ttl\": null}");
	request_becomes("/flags/a", "{\"ttl\": 5, \"rollout\": {\"value\": \"x\", \"unit\": 7}}",
			"{\"ttl\": 5, \"rollout\": {\"value\": \"x\", \"unit\": 7}}");
	assert_false(api_migrates_request(API_V1, "/flags/a"));
	assert_false(api_migrates_request(API_V2, "/policy"));
}

static void test_times_are_written_as_http_has_them(void **unused)
{
	char text[CLOCK_HTTP_SIZE];

	(void)unused;
	clock_format_http(784111777, text); /* RFC 9110, section 5.6.7 */
	assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
	clock_format_http(0, text);
	assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_path_names_a_version),
		cmocka_unit_test(test_so_does_a_header_where_the_path_does_not),
		cmocka_unit_test(test_who_names_none_gets_the_latest_that_is_stable),
		cmocka_unit_test(test_two_that_differ_are_refused),
		cmocka_unit_test(test_rates_become_value_and_unit),
		cmocka_unit_test(test_lists_have_items_and_next),
		cmocka_unit_test(test_shares_become_value_and_unit_wherever_a_flag_is),
		cmocka_unit_test(test_what_is_no_list_and_no_changed_resource_stays),
		cmocka_unit_test(test_quantities_of_requests_become_text),
		cmocka_unit_test(test_times_are_written_as_http_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
