/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Words for people stay words, whatever is quoted in them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/text.h"

static void only_foreign_bytes_are_replaced(void **state)
{
	static const struct {
		const char *given, *wanted;
	} cases[] = {
		{"", ""},
		{"plain", "plain"},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8a", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8a"},
		{"cut \xc3", "cut ?"},
		{"cut \xf0\x9f\x8c", "cut ???"},
		{"\xff"
		 "a\x80",
		 "?a?"},
		{"\xc0\xaf", "??"},	 /* overlong */
		{"\xed\xa0\x80", "???"}, /* a surrogate */
		{"\xe2\x82"
		 "a",
		 "??a"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[32];

		snprintf(text, sizeof(text), "%s", cases[i].given);
		utf8_repair(text);
		assert_string_equal(text, cases[i].wanted);
		assert_true(utf8_valid(text, strlen(text)));
	}
}

static void a_fault_that_cuts_a_character_is_still_text(void **state)
{
	struct fault f = {0};

	(void)state;
	assert_int_equal(fault(&f, -EINVAL, "test.cut", "'%.2s' is cut", "a\xc3\xa9"), -EINVAL);
	assert_string_equal(f.text, "'a?' is cut");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"bytes that are no UTF-8 become question marks, and nothing else changes",
		 only_foreign_bytes_are_replaced, NULL, NULL, NULL},
		{"a fault that cuts a character in two is still text",
		 a_fault_that_cuts_a_character_is_still_text, NULL, NULL, NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
