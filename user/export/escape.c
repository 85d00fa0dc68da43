/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/escape.h"

#include <string.h>

/* The next character of @s, how many bytes it has in @ret_size; -1: that byte is no UTF-8. */
static long next(const char *s, size_t *ret_size)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t size = *u < 0x80 ? 1 : *u < 0xe0 ? 2 : *u < 0xf0 ? 3 : 4;

	*ret_size = 1;
	if (size > 1 && (strnlen(s, size) < size || !utf8_valid(s, size)))
		return -1;
	*ret_size = size;
	if (size == 1)
		return *u;
	if (size == 2)
		return (u[0] & 0x1f) << 6 | (u[1] & 0x3f);
	if (size == 3)
		return (u[0] & 0x0f) << 12 | (u[1] & 0x3f) << 6 | (u[2] & 0x3f);
	return (u[0] & 0x07) << 18 | (u[1] & 0x3f) << 12 | (u[2] & 0x3f) << 6 | (u[3] & 0x3f);
}

static bool is_control(long c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

/* One backslash, as the style writes it. */
static const char *backslash(enum escape_style style)
{
	return style == ESCAPE_CEF || style == ESCAPE_CEF_HEADER || style == ESCAPE_PARAM ? "\\\\"
											  : "\\";
}

static void put_char(struct text *t, const char *s, size_t size, long c, enum escape_style style)
{
	if (c < 0)
		text_puts(t, "\xef\xbf\xbd");
	else if (style == ESCAPE_CEF && (c == '\n' || c == '\r'))
		text_puts(t, c == '\n' ? "\\n" : "\\r");
	else if (is_control(c))
		text_printf(t, "%su%04lx", backslash(style), c);
	else if (c == '\\')
		text_puts(t, backslash(style));
	else if (style == ESCAPE_CSV && c == '"')
		text_puts(t, "\"\"");
	else if (style == ESCAPE_LEEF_HEADER && c == '|')
		text_puts(t, "/");
	else if ((style == ESCAPE_CEF_HEADER && c == '|') || (style == ESCAPE_CEF && c == '=') ||
		 (style == ESCAPE_PARAM && (c == '"' || c == ']')))
		text_printf(t, "\\%c", (int)c);
	else
		text_put(t, s, size);
}

/* Spreadsheets skip blanks in front of a formula. Also what they make of full-width signs is one. */
static bool is_formula(const char *s)
{
	static const char *const wide[] = {"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d",
					   "\xef\xbc\xa0"};

	s += strspn(s, " ");
	for (size_t i = 0; i < sizeof(wide) / sizeof(*wide); i++)
		if (strncmp(s, wide[i], 3) == 0)
			return true;
	return *s && strchr("=+-@\t\r\n|%", *s);
}

void escape_put_name(struct text *t, const char *string, size_t max)
{
	if (!*string)
		text_puts(t, "-");
	for (; *string && max; string++, max--)
		text_put(t, *string > ' ' && *string < 0x7f ? string : "?", 1);
}

void escape_put(struct text *t, const char *string, enum escape_style style)
{
	size_t size;

	if (style == ESCAPE_NAME) {
		escape_put_name(t, string, SIZE_MAX);
		return;
	}
	if (style == ESCAPE_CSV)
		text_puts(t, is_formula(string) ? "\"'" : "\"");
	for (; *string; string += size) {
		long c = next(string, &size);

		put_char(t, string, size, c, style);
	}
	if (style == ESCAPE_CSV)
		text_puts(t, "\"");
}

void escape_put_ascii_json(struct text *t, const char *json)
{
	size_t size;

	/* Outside of strings JSON is ASCII, and control characters are only white space. */
	for (; *json; json += size) {
		long c = next(json, &size);

		if (c < 0)
			text_puts(t, "\\ufffd");
		else if (c >= 0x10000)
			text_printf(t, "\\u%04lx\\u%04lx", 0xd800 + ((c - 0x10000) >> 10),
				    0xdc00 + ((c - 0x10000) & 0x3ff));
		else if (c >= 0x7f)
			text_printf(t, "\\u%04lx", c);
		else
			text_put(t, c < 0x20 ? " " : json, 1);
	}
}
