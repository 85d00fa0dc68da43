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
#include "base/clock.h"
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

/* Every byte at every place of a string around the length of a machine word. */
static void plain_text_ends_at_the_first_byte_that_does_not_stand_for_itself(void **state)
{
	char text[50];

	(void)state;
	for (size_t length = 0; length <= sizeof(text); length++) {
		memset(text, 'x', sizeof(text));
		assert_int_equal(text_plain(text, length), length);
		for (size_t at = 0; at < length; at++) {
			for (unsigned int byte = 0; byte < 256; byte++) {
				bool plain =
					byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';

				memset(text, (int)(byte ^ 1) | 0x40, sizeof(text));
				memset(text, 'x', at);
				text[at] = (char)byte;
				if (!plain)
					assert_int_equal(text_plain(text, length), at);
				else
					assert_true(text_plain(text, length) > at);
			}
		}
	}
}

static void a_time_is_written_with_nine_decimals(void **state)
{
	static const struct {
		uint64_t ns;
		const char *wanted;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000000000Z"},
		{951782400000000001, "2000-02-29T00:00:00.000000001Z"},
		{1795272337123456789, "2026-11-21T14:45:37.123456789Z"},
		{UINT64_MAX, "2554-07-21T23:34:33.709551615Z"},
	};
	char text[CLOCK_RFC3339_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		clock_format_rfc3339(cases[i].ns, text);
		assert_string_equal(text, cases[i].wanted);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"bytes that are no UTF-8 become question marks, and nothing else changes",
		 only_foreign_bytes_are_replaced, NULL, NULL, NULL},
		{"plain text ends at the first byte that does not stand for itself",
		 plain_text_ends_at_the_first_byte_that_does_not_stand_for_itself, NULL, NULL,
		 NULL},
		{"a time is written with nine decimals, until 2554",
		 a_time_is_written_with_nine_decimals, NULL, NULL, NULL},
		{"a fault that cuts a character in two is still text",
		 a_fault_that_cuts_a_character_is_still_text, NULL, NULL, NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
