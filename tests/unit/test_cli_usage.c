/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a tenant used as CSV: exact, a line for each day, and nothing that a spreadsheet would compute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "cli/usage.h"

#define HEAD                                                                                       \
	"tenant,tier,day,since,passed_packets,passed_bytes,passed_connections,refused_packets,"    \
	"refused_bytes,refused_connections,cost,currency\r\n"

static json_t *counts(json_int_t packets, json_int_t bytes, json_int_t connections)
{
	return json_pack("{s:I, s:I, s:I}", "packets", packets, "bytes", bytes, "connections",
			 connections);
}

static json_t *usage_of(const char *tenant, const char *tier, const char *currency,
			const char *cost)
{
	return json_pack("{s:s, s:s, s:{s:s}, s:[{s:s, s:s, s:o, s:o, s:s?}]}", "tenant", tenant,
			 "tier", tier, "price", "currency", currency, "items", "day", "2026-11-21",
			 "since", "2026-11-20", "passed", counts(9223372036854775807, 2, 3),
			 "refused", counts(4, 5, 6), "cost", cost);
}

static void expect(json_t *usage, const char *wanted)
{
	_cleanup_(json_decrefp) json_t *own = usage;
	_cleanup_(text_done) struct text t = {.growing = true};

	assert_non_null(own);
	usage_put_csv(&t, own);
	assert_string_equal(t.data, wanted);
}

static void a_day_is_a_line_of_exact_numbers(void **state)
{
	(void)state;
	expect(usage_of("acme", "gold", "EUR", "12.345678"),
	       HEAD "\"acme\",\"gold\",\"2026-11-21\",\"2026-11-20\",9223372036854775807,2,3,4,5,6,"
		    "\"12.345678\",\"EUR\"\r\n");
}

static void no_day_is_a_head_alone(void **state)
{
	(void)state;
	expect(json_pack("{s:s, s:n, s:n, s:[]}", "tenant", "acme", "tier", "price", "items"),
	       HEAD);
}

static void without_a_price_nothing_is_said_of_costs(void **state)
{
	(void)state;
	expect(usage_of("acme", "", "", NULL), HEAD
	       "\"acme\",\"\",\"2026-11-21\",\"2026-11-20\",9223372036854775807,2,3,4,5,6,\"\","
	       "\"\"\r\n");
}

/* A daemon would not say so. But what it says comes from elsewhere. */
static void nothing_becomes_a_formula_or_another_cell(void **state)
{
	(void)state;
	expect(usage_of("=cmd|' /C calc'!A1", "+1", "@SUM(A1)", "-1"),
	       HEAD "\"'=cmd|' /C calc'!A1\",\"'+1\",\"2026-11-21\",\"2026-11-20\","
		    "9223372036854775807,2,3,4,5,6,\"'-1\",\"'@SUM(A1)\"\r\n");
	expect(usage_of("a\",\"b", "x\r\ny",
			"\xef\xbc\x9d"
			"1",
			"\t1"),
	       HEAD "\"a\"\",\"\"b\",\"x\\u000d\\u000ay\",\"2026-11-21\",\"2026-11-20\","
		    "9223372036854775807,2,3,4,5,6,\"'\\u00091\",\"'\xef\xbc\x9d"
		    "1\"\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_is_a_line_of_exact_numbers),
		cmocka_unit_test(no_day_is_a_head_alone),
		cmocka_unit_test(without_a_price_nothing_is_said_of_costs),
		cmocka_unit_test(nothing_becomes_a_formula_or_another_cell),
	};

	return cmocka_run_group_tests_name("cli_usage", tests, NULL, NULL);
}
