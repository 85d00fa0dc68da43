/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A record as people are shown it: with its hash, what is sealed opened, and what was put beside it. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit/hash.h"
#include "audit/personal.h"
#include "audit/record.h"
#include "audit/rectified.h"
#include "base/cleanup.h"

#define PATH_SIZE 96

/* The path of the value at @at: the section that it stands in, and the key in front of it. */
static void path_of(const struct record_view *v, const char *at, char *ret, size_t size)
{
	const char *end = at - 2, *key = end; /* ":  */
	const char *section = "resource";

	while (key[-1] != '"')
		key--;
	if (at < v->actor.data + v->actor.length)
		section = "actor";
	else if (at < v->details.data + v->details.length)
		section = "details";
	snprintf(ret, size, "%s.%.*s", section, (int)(end - key), key);
}

/* What stands for a value that is sealed: itself, or why it is not known. */
static void put_opened(struct text *t, const struct record_view *v, const char *at,
		       const struct personal_sealed *sealed)
{
	_cleanup_(text_done) struct text value = {.growing = true};
	char path[PATH_SIZE];
	const struct personal_place place = {v->event_id, path};
	int r;

	path_of(v, at, path, sizeof(path));
	r = v->opener->open(sealed, &place, &value, v->opener->userdata);
	if (r == 0 && !value.truncated)
		text_put_json(t, value.data ?: "");
	else
		personal_put_sealed(t, sealed,
				    r == -ENOENT    ? "erased"
				    : r == -EBADMSG ? "altered"
						    : "no_key");
}

/* The bytes of a record from @from to @to, with what is sealed in them opened. */
static void put_span(struct text *t, const char *data, size_t from, size_t to,
		     const struct record_view *v)
{
	for (unsigned int i = 0; v->opener && i < v->sealed_count; i++) {
		const char *at = data + v->sealed[i];
		struct personal_sealed sealed;
		int length;

		if (v->sealed[i] < from || v->sealed[i] >= to)
			continue;
		length = personal_parse_sealed(at, to - v->sealed[i], &sealed);
		assert(length > 0); /* record_parse() has seen it */
		text_put(t, data + from, v->sealed[i] - from);
		put_opened(t, v, at, &sealed);
		from = v->sealed[i] + (size_t)length;
	}
	text_put(t, data + from, to - from);
}

void record_put_view(struct text *t, const char *data, size_t length,
		     const struct record_view *view, const uint8_t hash[static AUDIT_HASH_SIZE])
{
	char digits[AUDIT_HASH_TEXT];
	size_t resource = (size_t)(view->resource.data - data) - strlen(",\"resource\":");

	put_span(t, data, 0, view->hash_offset, view);
	hex_format(hash, AUDIT_HASH_SIZE, digits);
	text_puts(t, ",\"hash\":\"");
	text_puts(t, digits);
	text_puts(t, "\"");
	put_span(t, data, view->hash_offset, resource, view);
	if (view->rectified)
		rectified_put(view->rectified, view, t);
	put_span(t, data, resource, length, view);
}

void record_put_part(struct text *t, const struct record_slice *part,
		     const struct record_view *view)
{
	size_t from = (size_t)(part->data - view->data);

	put_span(t, view->data, from, from + part->length, view);
}
