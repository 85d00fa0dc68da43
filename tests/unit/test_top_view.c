/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tables of weir top: rows, order and filter, rates from two answers, sparklines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "top/view.h"

static json_t *load(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);

	assert_non_null(value);
	return value;
}

static struct view make(enum view_tab tab, const json_t *answer, const json_t *before,
			double seconds, const char *filter)
{
	const struct view_options o = {
		.tab = tab,
		.sort = view_first_sort(tab),
		.filter = filter,
	};
	struct view v;

	assert_int_equal(view_make(&o, answer, before, seconds, &v), 0);
	return v;
}

static const char sources[] =
	"{\"seconds\": 5.0, \"items\": ["
	"{\"name\": \"198.18.0.1\", \"packets\": 50, \"bytes\": 5000, \"dropped\": 0, \"would_drop\": 0},"
	"{\"name\": \"198.18.0.2\", \"packets\": 10000, \"bytes\": 600000, \"dropped\": 9000,"
	" \"would_drop\": 5, \"reason\": \"over_packets\"}]}";

static void rates_are_of_the_seconds_that_were_looked_at(void **state)
{
	_cleanup_(json_decrefp) json_t *answer = load(sources);
	struct view v = make(VIEW_SOURCES, answer, NULL, 1, "");

	(void)state;
	assert_int_equal(v.count, 2);
	assert_string_equal(v.rows[0].cells[0].text, "198.18.0.2");
	assert_string_equal(v.rows[0].cells[1].text, "2.0k");
	assert_string_equal(v.rows[0].cells[2].text, "960k");
	assert_string_equal(v.rows[0].cells[3].text, "1.8k");
	assert_string_equal(v.rows[0].cells[4].text, "90");
	assert_string_equal(v.rows[0].cells[5].text, "1");
	assert_string_equal(v.rows[0].cells[6].text, "over_packets");
	assert_true(v.rows[0].alarming);
	assert_false(v.rows[1].alarming);
	view_done(&v);
}

static void a_filter_looks_into_every_cell_whatever_the_case(void **state)
{
	_cleanup_(json_decrefp) json_t *answer = load(sources);
	struct view v = make(VIEW_SOURCES, answer, NULL, 1, "OVER_");

	(void)state;
	assert_int_equal(v.count, 1);
	assert_int_equal(v.hidden, 1);
	assert_string_equal(v.rows[0].cells[0].text, "198.18.0.2");
	view_done(&v);
}

static void numbers_are_sorted_as_numbers_and_addresses_as_such(void **state)
{
	_cleanup_(json_decrefp) json_t *answer = load(
		"{\"seconds\": 1.0, \"items\": [{\"name\": \"198.18.0.10\", \"packets\": 900},"
		"{\"name\": \"198.18.0.9\", \"packets\": 1000}, {\"name\": \"198.18.0.100\"}]}");
	struct view_options o = {.tab = VIEW_SOURCES, .sort = 1, .filter = ""};
	struct view v;

	(void)state;
	assert_int_equal(view_make(&o, answer, NULL, 1, &v), 0);
	assert_string_equal(v.rows[0].cells[0].text, "198.18.0.9");
	view_done(&v);
	o.reverse = true;
	assert_int_equal(view_make(&o, answer, NULL, 1, &v), 0);
	assert_string_equal(v.rows[0].cells[0].text, "198.18.0.100");
	view_done(&v);
	o = (struct view_options){.tab = VIEW_SOURCES, .sort = 0, .filter = ""};
	assert_int_equal(view_make(&o, answer, NULL, 1, &v), 0);
	assert_string_equal(v.rows[0].cells[0].text, "198.18.0.9");
	assert_string_equal(v.rows[2].cells[0].text, "198.18.0.100");
	view_done(&v);
}

#define LIMITS(passed, dropped)                                                                            \
	"{\"items\": [{\"name\": \"web\", \"unit\": \"packets\", \"rate\": \"10/s\", \"in_force\": true, " \
	"\"passed\": " passed ", \"dropped\": " dropped                                                    \
	", \"state\": {\"level\": \"none\", \"since\": null}}]}"

static void what_limits_do_is_what_changed_between_two_answers(void **state)
{
	_cleanup_(json_decrefp) json_t *before = load(LIMITS("100", "7"));
	_cleanup_(json_decrefp) json_t *answer = load(LIMITS("300", "7"));
	struct view v = make(VIEW_RULES, answer, before, 2, "");

	(void)state;
	assert_string_equal(v.rows[0].cells[3].text, "100");
	assert_string_equal(v.rows[0].cells[4].text, "0");
	assert_false(v.rows[0].alarming);
	view_done(&v);
	v = make(VIEW_RULES, answer, NULL, 2, "");
	assert_string_equal(v.rows[0].cells[3].text, "-"); /* nothing to compare with */
	view_done(&v);
	v = make(VIEW_RULES, before, answer, 2, "");
	assert_string_equal(v.rows[0].cells[3].text, "-"); /* the counters began anew */
	view_done(&v);
}

static void a_tenant_has_a_row_for_each_quota(void **state)
{
	_cleanup_(json_decrefp) json_t *answer =
		load("{\"items\": [{\"name\": \"acme\", \"tier\": null, \"quotas\": []},"
		     "{\"name\": \"beta\", \"tier\": \"free\", \"quotas\": ["
		     "{\"unit\": \"bytes\", \"period\": \"day\", \"used\": 500, \"quota\": 1000, "
		     "\"until\": \"2026-11-22T00:00:00Z\"},"
		     "{\"unit\": \"packets\", \"period\": \"month\", \"used\": 9, \"quota\": 9, "
		     "\"until\": \"2026-12-01T00:00:00Z\"}]}]}");
	struct view v = make(VIEW_TENANTS, answer, NULL, 1, "");

	(void)state;
	assert_int_equal(v.count, 3);
	assert_string_equal(v.rows[0].cells[2].text, "packets/month");
	assert_string_equal(v.rows[0].cells[5].text, "100");
	assert_true(v.rows[0].alarming);
	assert_string_equal(v.rows[1].cells[2].text, "bytes/day");
	assert_string_equal(v.rows[2].cells[0].text, "acme");
	view_done(&v);
}

static void reading_the_log_is_not_shown_as_an_event(void **state)
{
	_cleanup_(json_decrefp) json_t *answer =
		load("{\"items\": [{\"index\": 1, \"event_type\": \"policy.applied\"},"
		     "{\"index\": 2, \"event_type\": \"api.read\"},"
		     "{\"index\": 3, \"event_type\": \"audit.searched\"},"
		     "{\"index\": 4, \"event_type\": \"list.added\", \"severity\": \"high\"}]}");
	struct view v = make(VIEW_EVENTS, answer, NULL, 1, "");

	(void)state;
	assert_int_equal(v.count, 2);
	assert_string_equal(v.rows[0].cells[2].text, "list.added"); /* the latest first */
	assert_true(v.rows[0].alarming);
	view_done(&v);
}

static void answers_of_any_shape_are_tables(void **state)
{
	static const char *const shapes[] = {"{}",
					     "[]",
					     "{\"items\": 7}",
					     "{\"items\": [7, null, \"x\", {}]}",
					     "{\"items\": [{\"name\": {}, \"quotas\": 3}]}",
					     "{\"items\": [{\"name\": \"\\u001b[2J\\u009b\"}]}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		_cleanup_(json_decrefp) json_t *answer = load(shapes[i]);

		for (enum view_tab tab = 0; tab < VIEW_TAB_MAX; tab++) {
			struct view v = make(tab, answer, answer, 1, "");

			for (size_t r = 0; r < v.count; r++)
				assert_null(strchr(v.rows[r].cells[0].text, '\x1b'));
			view_done(&v);
		}
	}
}

static void rates_are_at_most_six_characters(void **state)
{
	static const struct {
		double rate;
		const char *text;
	} rates[] = {
		{0, "0"},	 {0.25, "0.2"},	   {9.9, "9.9"},	{9.96, "10"},
		{999, "999"},	 {999.96, "1.0k"}, {1000, "1.0k"},	{99949, "99.9k"},
		{99950, "100k"}, {1e6, "1.0M"},	   {999.94e6, "1000M"}, {-1, "-"},
		{1e12, "1.0T"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		char text[16];

		view_format_rate(rates[i].rate, text, sizeof(text));
		assert_string_equal(text, rates[i].text);
	}
}

static void a_sparkline_is_as_wide_as_asked_and_full_at_its_highest(void **state)
{
	struct view_spark s = {0};
	char drawn[3 * VIEW_SPARK_MAX + 1];

	(void)state;
	view_spark_format(&s, 4, false, drawn);
	assert_string_equal(drawn, "    ");
	view_spark_add(&s, 0);
	view_spark_add(&s, 1);
	view_spark_add(&s, 800);
	view_spark_format(&s, 4, false, drawn);
	assert_string_equal(drawn, "  .@"); /* what is more than nothing is to be seen */
	view_spark_format(&s, 2, true, drawn);
	assert_string_equal(drawn, "▁█");
	for (unsigned int i = 0; i < 3 * VIEW_SPARK_MAX; i++)
		view_spark_add(&s, 5);
	view_spark_format(&s, 3, false, drawn);
	assert_string_equal(drawn, "@@@");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_of_the_seconds_that_were_looked_at),
		cmocka_unit_test(a_filter_looks_into_every_cell_whatever_the_case),
		cmocka_unit_test(numbers_are_sorted_as_numbers_and_addresses_as_such),
		cmocka_unit_test(what_limits_do_is_what_changed_between_two_answers),
		cmocka_unit_test(a_tenant_has_a_row_for_each_quota),
		cmocka_unit_test(reading_the_log_is_not_shown_as_an_event),
		cmocka_unit_test(answers_of_any_shape_are_tables),
		cmocka_unit_test(rates_are_at_most_six_characters),
		cmocka_unit_test(a_sparkline_is_as_wide_as_asked_and_full_at_its_highest),
	};

	return cmocka_run_group_tests_name("top_view", tests, NULL, NULL);
}
