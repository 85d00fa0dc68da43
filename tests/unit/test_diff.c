/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Differences of texts: what `diff -u` would say, and what `patch` can undo. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/diff.h"

static char *diff(const char *a, const char *b)
{
	struct text out;

	text_init_growing(&out);
	assert_int_equal(diff_unified("a", a, "b", b, &out), 0);
	text_put(&out, "", 0);
	return text_take(&out);
}

static void equal_texts_have_no_difference(void **state)
{
	_cleanup_free_ char *none = diff("", ""), *same = diff("x\ny\n", "x\ny\n");

	(void)state;
	assert_string_equal(none ?: "", "");
	assert_string_equal(same ?: "", "");
}

static void a_changed_line_is_shown_with_three_lines_around_it(void **state)
{
	_cleanup_free_ char *got =
		diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n");

	(void)state;
	assert_string_equal(got,
			    "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

static void lines_that_come_and_go_at_the_ends_are_placed_as_diff_does(void **state)
{
	_cleanup_free_ char *front = diff("2\n", "1\n2\n"), *back = diff("1\n2\n", "1\n"),
			    *all = diff("", "1\n"), *none = diff("1\n", "");

	(void)state;
	assert_string_equal(front, "--- a\n+++ b\n@@ -1,1 +1,2 @@\n+1\n 2\n");
	assert_string_equal(back, "--- a\n+++ b\n@@ -1,2 +1,1 @@\n 1\n-2\n");
	assert_string_equal(all, "--- a\n+++ b\n@@ -0,0 +1,1 @@\n+1\n");
	assert_string_equal(none, "--- a\n+++ b\n@@ -1,1 +0,0 @@\n-1\n");
}

static void changes_far_apart_are_two_hunks(void **state)
{
	_cleanup_free_ char *got =
		diff("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n");

	(void)state;
	assert_string_equal(got, "--- a\n+++ b\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n"
				 "@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
}

/* Apply @script to @a as patch would, knowing nothing but the format. */
static void patch(const char *a, const char *script, struct text *out)
{
	size_t line = 1, from, to, count_a, count_b;
	int used;

	script = strstr(script, "\n@@") ? strstr(script, "\n@@") + 1 : "";
	while (sscanf(script, "@@ -%zu,%zu +%zu,%zu @@\n%n", &from, &count_a, &to, &count_b,
		      &used) == 4) {
		for (from += count_a == 0; line < from; line++) {
			size_t length = strcspn(a, "\n") + 1;

			text_put(out, a, length);
			a += length;
		}
		script = strchr(script, '\n') + 1;
		while (*script && *script != '@') {
			size_t length = strcspn(script, "\n") + 1;

			if (*script != '-')
				text_put(out, script + 1, length - 1);
			if (*script != '+') {
				assert_memory_equal(a, script + 1, length - 1);
				a += length - 1;
				line++;
			}
			script += length;
		}
	}
	text_puts(out, a);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

static void a_random_text(uint32_t *seed, size_t lines, unsigned int alphabet, struct text *out)
{
	text_init_growing(out);
	text_puts(out, "");
	for (size_t i = 0; i < lines; i++)
		text_printf(out, "line %u\n", next_random(seed) % alphabet);
	text_put(out, "", 0);
}

static void check_round_trip(const char *a, const char *b)
{
	_cleanup_free_ char *script = diff(a, b);
	_cleanup_(text_done) struct text out = {.growing = true};

	patch(a, script ?: "", &out);
	assert_string_equal(out.data ?: "", b);
}

static void applied_to_the_first_text_it_gives_the_second(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (unsigned int i = 0; i < 2000; i++) {
		_cleanup_(text_done) struct text a, b;

		a_random_text(&seed, next_random(&seed) % 40, 1 + next_random(&seed) % 8, &a);
		a_random_text(&seed, next_random(&seed) % 40, 1 + next_random(&seed) % 8, &b);
		check_round_trip(a.data ?: "", b.data ?: "");
	}
}

static void texts_with_nothing_in_common_are_replaced_in_bounded_memory(void **state)
{
	uint32_t seed = 7;
	_cleanup_(text_done) struct text a, b;

	(void)state;
	a_random_text(&seed, 20000, 1U << 15, &a);
	a_random_text(&seed, 20000, 1U << 15, &b);
	check_round_trip(a.data, b.data);
}

static void no_shorter_difference_exists(void **state)
{
	_cleanup_free_ char *got = diff("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n");
	unsigned int edits = 0;

	(void)state;
	for (const char *s = strstr(got, "@@ -"); s; s = strchr(s + 1, '\n'))
		edits += s[1] == '+' || s[1] == '-';
	assert_int_equal(edits, 5); /* the example of Myers' article */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_texts_have_no_difference),
		cmocka_unit_test(a_changed_line_is_shown_with_three_lines_around_it),
		cmocka_unit_test(lines_that_come_and_go_at_the_ends_are_placed_as_diff_does),
		cmocka_unit_test(changes_far_apart_are_two_hunks),
		cmocka_unit_test(applied_to_the_first_text_it_gives_the_second),
		cmocka_unit_test(texts_with_nothing_in_common_are_replaced_in_bounded_memory),
		cmocka_unit_test(no_shorter_difference_exists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
