/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The document as two columns: where a value stands in it ("changes.lines.0.actor"), and the value. What a
 * spreadsheet would take for a formula gets an apostrophe before it; lines end as RFC 4180 has it.
 */
#include <stdio.h>
#include <string.h>

#include "report/report.h"

#define PATH_SIZE 256

static void put_field(struct text *t, const char *value)
{
	text_puts(t, "\"");
	if (*value && strchr("=+-@\t\r\n", *value))
		text_puts(t, "'");
	for (; *value; value++) {
		text_put(t, value, 1);
		if (*value == '"')
			text_puts(t, "\"");
	}
	text_puts(t, "\"");
}

static void put_value(struct text *t, const char *path, const json_t *value)
{
	put_field(t, path);
	text_puts(t, ",");
	if (json_is_string(value))
		put_field(t, json_string_value(value));
	else if (json_is_integer(value))
		text_printf(t, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		text_printf(t, "%.3f", json_real_value(value));
	else if (json_is_boolean(value))
		text_puts(t, json_is_true(value) ? "true" : "false");
	text_puts(t, "\r\n");
}

/* As deep as the document is: what comes from records is text in it. */
static void put_tree(struct text *t, const char *path, const json_t *value)
{
	char below[PATH_SIZE];
	const char *key;
	json_t *member;
	size_t i;

	if (json_is_object(value)) {
		void *at = json_object_iter((json_t *)(uintptr_t)value);

		for (; at; at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
			key = json_object_iter_key(at);
			member = json_object_iter_value(at);
			snprintf(below, sizeof(below), "%s%s%s", path, *path ? "." : "", key);
			put_tree(t, below, member);
		}
		return;
	}
	for (i = 0; i < json_array_size(value); i++) {
		snprintf(below, sizeof(below), "%s.%zu", path, i);
		put_tree(t, below, json_array_get(value, i));
	}
	if (!json_is_array(value))
		put_value(t, path, value);
}

void report_put_csv(struct text *t, const json_t *report)
{
	text_puts(t, "\"figure\",\"value\"\r\n");
	put_tree(t, "", report);
}
