/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/configured.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/credentials_internal.h"

#define PLACE_SIZE 256

static void __attribute__((format(printf, 2, 3)))
found(struct configured *c, const char *format, ...)
{
	char place[PLACE_SIZE];
	va_list args;

	if (json_array_size(c->places) >= CONFIGURED_PLACES_MAX) {
		c->more++;
		return;
	}
	va_start(args, format);
	vsnprintf(place, sizeof(place), format, args);
	va_end(args);
	json_array_append_new(c->places, json_string(place));
}

/* Calls for each line that names them. The text ends with a NUL. */
static bool in_lines(struct configured *c, const char *text, const char *name)
{
	unsigned int line = 1;
	bool any = false;

	/* Most texts have it nowhere, and are not taken apart. */
	if (!mention_in_text(&c->mention, text))
		return false;
	for (const char *at = text; *at; line++) {
		size_t length = strcspn(at, "\n");
		_cleanup_free_ char *copy = strndup(at, length);

		if (copy && mention_in_text(&c->mention, copy)) {
			any = true;
			if (name)
				found(c, "%s line %u", name, line);
		}
		at += length + (at[length] == '\n');
	}
	return any;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void in_policy(const struct engine *e, struct configured *c)
{
	const struct policy *p = e->policy;

	if (!p)
		return;
	for (size_t i = 0; i < p->file_count; i++)
		in_lines(c, p->files[i]->text, base_name(p->files[i]->name));
	if (!p->file_count)
		in_lines(c, p->text, "the policy in force:");
}

static int in_flag(const struct store_flag_row *row, void *userdata)
{
	struct configured *c = userdata;

	if (row->sources && mention_in_text(&c->mention, row->sources))
		found(c, "flag %s: its sources", row->name);
	if (row->tenants && mention_in_text(&c->mention, row->tenants))
		found(c, "flag %s: its tenants", row->name);
	if (mention_in_text(&c->mention, row->reason) || mention_in_text(&c->mention, row->set_by))
		found(c, "flag %s: who set it and why", row->name);
	return 0;
}

static int in_list_row(const struct store_list_row *row, void *userdata)
{
	struct configured *c = userdata;
	const char *list = list_kind_to_str((enum list_kind)row->kind);

	if (c->mention.is_prefix && prefix_compare(&row->prefix, &c->mention.prefix) == 0)
		found(c, "%s list: an operator's entry", list);
	else if (mention_in_text(&c->mention, row->reason) ||
		 mention_in_text(&c->mention, row->added_by))
		found(c, "%s list: who added an entry and why", list);
	return 0;
}

/* Keys have names that somebody gave them, makers and prefixes; sessions have users. */
static int in_document(const struct store_document *document, void *userdata)
{
	struct configured *c = userdata;
	bool is_key = strcmp(document->kind, API_KEY) == 0;

	if ((is_key || strcmp(document->kind, SESSION) == 0) &&
	    mention_in_text(&c->mention, document->body))
		found(c, "%s %s: %s", is_key ? "API key" : "session", document->id,
		      is_key ? "its name, its prefixes or who made it" : "whose it is");
	return 0;
}

/* Entries of files. Those of the policy were found in its text, those of operators in the store. */
static void in_feeds(const struct engine *e, struct configured *c)
{
	struct list_entry entries[LIST_COVERING_MAX];
	const struct prefix *p = &c->mention.prefix;
	size_t count;

	if (!c->mention.is_prefix)
		return;
	count = list_set_covering(e->lists, p->address, clock_monotonic_ns(), entries);
	for (size_t i = 0; i < count; i++)
		if (entries[i].key.origin == LIST_FEED &&
		    prefix_compare(&entries[i].key.prefix, p) == 0)
			found(c, "%s list: feed %s line %u", list_kind_to_str(entries[i].key.kind),
			      entries[i].feed ?: "", entries[i].line);
}

static void in_former(const struct engine *e, struct configured *c, const struct history_item *item,
		      size_t *ret_length)
{
	const struct history_item *current = history_current(&e->history);
	_cleanup_free_ char *text = NULL;

	*ret_length = 0;
	if (mention_in_text(&c->mention, item->reason) ||
	    mention_in_text(&c->mention, item->username))
		found(c, "policy generation %u: who applied it and why", item->generation);
	if (current && strcmp(current->sha256, item->sha256) == 0)
		return;
	if (history_text(&e->history, item->generation, &text, ret_length, NULL) == 0 &&
	    in_lines(c, text, NULL))
		found(c, "policy generation %u, which the history keeps", item->generation);
}

bool configured_step(struct engine *e, struct configured *c)
{
	size_t bytes = 0, length;

	if (!c->begun) {
		c->begun = true;
		in_policy(e, c);
		if (e->store) {
			store_flag_each(e->store, in_flag, c, NULL);
			store_list_each(e->store, in_list_row, c, NULL);
			store_document_each(e->store, in_document, c, NULL);
		}
		in_feeds(e, c);
		return true;
	}
	for (size_t i = 0; i < e->history.count; i++) {
		const struct history_item *item = &e->history.items[i];

		if (item->generation <= c->after)
			continue;
		if (bytes >= CONFIGURED_STEP_BYTES)
			return true;
		c->after = item->generation;
		in_former(e, c, item, &length);
		bytes += length;
	}
	if (c->more)
		json_array_append_new(c->places, json_sprintf("and %u more", c->more));
	c->more = 0;
	return false;
}
