/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Request IDs and traces: what is well-formed is carried on, what is not harms nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "api/correlate.h"

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00-" TRACE "-00f067aa0ba902b7-01"

static void test_a_token_is_kept_and_anything_else_replaced(void **unused)
{
	static const char *const bad[] = {
		"",
		"a b",
		"a\r\nSet-Cookie: x",
		"\xc3\xa4",
		"a/b",
		"<script>",
		"0123456789012345678901234567890123456789012345678901234567890123456789"};
	struct correlation c, d;

	(void)unused;
	correlate("Job-7.retry_2", NULL, &c);
	assert_string_equal(c.request_id, "Job-7.retry_2");
	assert_string_equal(c.parent, "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		correlate(bad[i], NULL, &c);
		assert_int_equal(strlen(c.request_id), 32);
		assert_int_equal(strspn(c.request_id, "0123456789abcdef"), 32);
	}
	correlate(NULL, NULL, &d);
	assert_string_not_equal(c.request_id, d.request_id);
}

static void test_a_trace_goes_on_with_a_span_of_ours(void **unused)
{
	struct correlation c;

	(void)unused;
	correlate(NULL, PARENT, &c);
	assert_string_equal(c.trace_id, TRACE);
	assert_int_equal(strlen(c.parent), CORRELATE_PARENT_SIZE - 1);
	assert_memory_equal(c.parent, PARENT, 36);
	assert_memory_not_equal(c.parent + 36, PARENT + 36, 16);
	assert_string_equal(c.parent + 52, "-01");
	/* A later version says more; we speak the one that we know. */
	correlate(NULL, "01-" TRACE "-00f067aa0ba902b7-01-more", &c);
	assert_string_equal(c.trace_id, TRACE);
	assert_memory_equal(c.parent, "00-", 3);
}

static void test_a_malformed_trace_is_ignored(void **unused)
{
	static const char *const bad[] = {"",
					  "00",
					  "00-" TRACE,
					  "ff-" TRACE "-00f067aa0ba902b7-01",
					  "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
					  "00-" TRACE "-0000000000000000-01",
					  "00-" TRACE "-00f067aa0ba902b7-01-more",
					  "00-" TRACE "-00f067aa0ba902b7-0",
					  "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
					  "00_" TRACE "_00f067aa0ba902b7_01",
					  "00-" TRACE "-00f067aa0ba902b7-01x",
					  "zz-" TRACE "-00f067aa0ba902b7-01"};
	struct correlation c;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		correlate(NULL, bad[i], &c);
		assert_string_equal(c.parent, "");
		assert_string_equal(c.trace_id, "");
	}
}

static void test_the_caller_says_whether_anybody_keeps_the_trace(void **unused)
{
	struct correlation c;

	(void)unused;
	correlate(NULL, PARENT, &c);
	assert_string_equal(c.caller, "00f067aa0ba902b7");
	assert_memory_equal(c.parent + 36, c.span_id, 16);
	assert_false(c.unsampled);
	correlate(NULL, "00-" TRACE "-00f067aa0ba902b7-00", &c);
	assert_true(c.unsampled);
	correlate(NULL, "00-" TRACE "-00f067aa0ba902b7-fe", &c);
	assert_true(c.unsampled);
	correlate(NULL, "00-" TRACE "-00f067aa0ba902b7-03", &c);
	assert_false(c.unsampled);
	/* Theirs goes on. */
	correlate_begin(&c);
	assert_string_equal(c.trace_id, TRACE);
}

static void test_a_trace_of_ours_has_no_caller(void **unused)
{
	struct correlation c;

	(void)unused;
	correlate(NULL, NULL, &c);
	assert_string_equal(c.trace_id, "");
	correlate_begin(&c);
	assert_int_equal(strlen(c.trace_id), 32);
	assert_int_equal(strlen(c.parent), CORRELATE_PARENT_SIZE - 1);
	assert_memory_equal(c.parent + 3, c.trace_id, 32);
	assert_string_equal(c.parent + 52, "-01");
	assert_string_equal(c.caller, "");
	assert_false(c.unsampled);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_token_is_kept_and_anything_else_replaced),
		cmocka_unit_test(test_a_trace_goes_on_with_a_span_of_ours),
		cmocka_unit_test(test_a_malformed_trace_is_ignored),
		cmocka_unit_test(test_the_caller_says_whether_anybody_keeps_the_trace),
		cmocka_unit_test(test_a_trace_of_ours_has_no_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
