/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "report/page.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"

/* The character at *@at of valid UTF-8, which moves behind it. */
static uint32_t next_character(const char **at)
{
	const uint8_t *p = (const uint8_t *)*at;
	unsigned int more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : *p >= 0xc0 ? 1 : 0;
	uint32_t c = more == 3 ? *p & 7 : more == 2 ? *p & 15 : more == 1 ? *p & 31 : *p;

	for (unsigned int i = 1; i <= more && p[i]; i++)
		c = c << 6 | (p[i] & 63);
	*at += 1 + more;
	return c;
}

/* Control characters, and those that reorder or hide what stands around them. */
static bool is_unseen(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
	       (c >= 0xe0000 && c <= 0xe0fff);
}

void page_text(struct text *t, const char *string)
{
	const char *at = string;

	if (!utf8_valid(string, strlen(string)))
		return text_puts(t, "(not UTF-8)");
	for (unsigned int n = 0; *at && n < PAGE_TEXT_MAX; n++) {
		const char *from = at;
		uint32_t c = next_character(&at);

		if (is_unseen(c))
			text_printf(t, "<i>U+%04X</i>", c);
		else if (c == '<')
			text_puts(t, "&lt;");
		else if (c == '>')
			text_puts(t, "&gt;");
		else if (c == '&')
			text_puts(t, "&amp;");
		else if (c == '"')
			text_puts(t, "&quot;");
		else if (c == '\'')
			text_puts(t, "&#39;");
		else
			text_put(t, from, (size_t)(at - from));
	}
	if (*at)
		text_printf(t, "&hellip; <i>%zu bytes in all</i>", strlen(string));
}

void page_number(struct text *t, uint64_t number)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);

	for (int i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			text_puts(t, ",");
		text_put(t, digits + i, 1);
	}
}

void page_time(struct text *t, const json_t *time)
{
	const char *string = json_string_value(time);
	char shown[20];

	if (!string || strlen(string) < 19)
		return text_puts(t, "&ndash;");
	memcpy(shown, string, 19);
	shown[10] = ' ';
	shown[19] = '\0';
	page_text(t, shown);
}

void page_seconds(struct text *t, uint64_t seconds)
{
	char words[64];

	format_duration(seconds * NSEC_PER_SEC, words, sizeof(words));
	text_puts(t, words);
}

void page_bytes(struct text *t, uint64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	uint64_t thousandths = bytes;
	unsigned int unit = 0;

	if (bytes < 1000)
		return text_printf(t, "%llu B", (unsigned long long)bytes);
	for (; thousandths >= 1000000; unit++)
		thousandths /= 1000;
	text_printf(t, "%llu.%llu %s", (unsigned long long)(thousandths / 1000),
		    (unsigned long long)(thousandths / 100 % 10), units[unit + 1]);
}

/* A word of at most so many bytes stays in one line; a longer one would make the table wider than the page. */
static void put_cell(struct text *t, const char *string, size_t max)
{
	bool whole = strlen(string) <= max && !strchr(string, ' ');

	text_puts(t, whole ? "<td class=k><bdi>" : "<td><bdi>");
	page_text(t, string);
	text_puts(t, "</bdi></td>");
}

void page_cell(struct text *t, const json_t *row, const char *key)
{
	put_cell(t, page_member(row, key), PAGE_WORD_MAX);
}

void page_cell_source(struct text *t, const json_t *row, const char *key)
{
	put_cell(t, page_member(row, key), ADDRESS_TEXT_SIZE);
}

void page_cell_number(struct text *t, const json_t *row, const char *key)
{
	text_puts(t, "<td class=n>");
	page_number(t, page_count(row, key));
	text_puts(t, "</td>");
}

void page_cell_time(struct text *t, const json_t *row, const char *key)
{
	text_puts(t, "<td class=t>");
	page_time(t, json_object_get(row, key));
	text_puts(t, "</td>");
}

const char *page_member(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

uint64_t page_count(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? (uint64_t)n : 0;
}
