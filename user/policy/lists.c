/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Readers of what a policy says of lists: entries in the text itself, and feeds, which name a file and how to
 * read it. The file is not looked at here: whether it is there is another matter than whether the
 * policy is correct.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "policy/schema.h"

static const char *const format_names[] = {
	[POLICY_FEED_AUTO] = "auto", [POLICY_FEED_PLAIN] = "plain", [POLICY_FEED_NETSET] = "netset",
	[POLICY_FEED_DROP] = "drop", [POLICY_FEED_CSV] = "csv",
};
_Static_assert(ARRAY_SIZE(format_names) == POLICY_FEED_FORMAT_MAX, "a format has no name");

const char *policy_feed_format_str(enum policy_feed_format format)
{
	return (size_t)format < ARRAY_SIZE(format_names) ? format_names[format] : NULL;
}

int value_list(struct reader *r, const struct node *n, void *into)
{
	struct policy_list *list = into;
	int err = schema_object(r, OBJECT_LIST, n, list);

	if (err == 0 && !list->entries && !list->feeds)
		return refuse(r, n, "policy.key.missing",
			      "a list takes entries, feeds or both, this one has neither");
	return err;
}

static int read_entry(struct reader *r, const struct node *n, struct policy_entry *entry)
{
	entry->place = node_place(n);
	entry->line = n->line;
	if (n->kind == NODE_SEQUENCE)
		return refuse(r, n, "policy.value.kind",
			      "a list entry is a prefix or a mapping, not a list");
	return n->kind == NODE_MAPPING ? schema_object(r, OBJECT_ENTRY, n, entry)
				       : value_cidr(r, n, &entry->prefix);
}

int value_entries(struct reader *r, const struct node *n, void *into)
{
	struct policy_list *list = into;
	int first = 0;

	if (n->count > POLICY_ENTRIES_MAX - r->policy->allow.count)
		return refuse_number(r, n, POLICY_ENTRIES_MAX, "list entries");
	list->entries = calloc(n->count + 1, sizeof(*list->entries));
	if (!list->entries)
		return -ENOMEM;
	for (const struct node *e = n->children; e; e = e->next)
		if (!schema_go_on(r, read_entry(r, e, &list->entries[list->count++]), &first))
			break;
	return first;
}

static const struct policy_feed *find_feed(const struct policy_list *list, const char *name)
{
	/* The last one is being read. */
	for (size_t i = 0; i < list->feed_count; i++)
		if (strcmp(list->feeds[i].name, name) == 0)
			return &list->feeds[i];
	return NULL;
}

int value_feed_name(struct reader *r, const struct node *n, void *into)
{
	const struct policy_feed *other;
	int err = schema_name(r, n);

	if (err < 0)
		return err;
	other = find_feed(&r->policy->allow, n->text) ?: find_feed(&r->policy->block, n->text);
	if (other)
		return refuse(r, n, "policy.name.duplicate",
			      "feed '%s' is already defined in line %u", n->text, other->line);
	memcpy(into, n->text, strlen(n->text) + 1);
	return 0;
}

void pattern_file(struct text *t)
{
	text_puts(t, "^/");
}

int value_feed_file(struct reader *r, const struct node *n, void *into)
{
	return value_path(r, n, "policy.feed.file", into);
}

const char *word_feed_format(unsigned int i)
{
	return policy_feed_format_str((enum policy_feed_format)i);
}

int value_feed_format(struct reader *r, const struct node *n, void *into)
{
	unsigned int word;
	int err = schema_word(r, n, "format", &word);

	if (err == 0)
		*(enum policy_feed_format *)into = (enum policy_feed_format)word;
	return err;
}

/* A number, or the name that the column has in the table's header. */
int value_feed_column(struct reader *r, const struct node *n, void *into)
{
	struct policy_feed *feed = into;
	uint32_t number;

	if (strspn(n->text, "0123456789") != strlen(n->text)) {
		if (strlen(n->text) >= sizeof(feed->column_name))
			return refuse(r, n, "policy.string.long", "'%s' is longer than %zu bytes",
				      r->field->key, sizeof(feed->column_name) - 1);
		memcpy(feed->column_name, n->text, strlen(n->text) + 1);
		return 0;
	}
	if (parse_u32(n->text, 1, POLICY_COLUMN_MAX, &number) < 0)
		return refuse(r, n, "policy.number.range", "'%.64s' is not within 1 to %u", n->text,
			      POLICY_COLUMN_MAX);
	feed->column = number;
	return 0;
}

static int read_feed(struct reader *r, const struct node *n, struct policy_list *list)
{
	struct policy_feed *feed = &list->feeds[list->feed_count];
	int err;

	feed->line = n->line;
	if (n->kind != NODE_MAPPING)
		return refuse(r, n, "policy.value.kind",
			      "a feed is a mapping with a name and a file");
	err = schema_object(r, OBJECT_FEED, n, feed);
	list->feed_count++;
	if (err == 0 && (feed->column || *feed->column_name) && feed->format != POLICY_FEED_CSV)
		return refuse(r, n, "policy.feed.column",
			      "feed '%s' has a column, so its format must be csv", feed->name);
	return err;
}

int value_feeds(struct reader *r, const struct node *n, void *into)
{
	struct policy_list *list = into;
	int first = 0;

	if (n->count > POLICY_FEEDS_MAX - r->policy->allow.feed_count)
		return refuse_number(r, n, POLICY_FEEDS_MAX, "feeds");
	list->feeds = calloc(n->count + 1, sizeof(*list->feeds));
	if (!list->feeds)
		return -ENOMEM;
	for (const struct node *e = n->children; e; e = e->next)
		if (!schema_go_on(r, read_feed(r, e, list), &first))
			break;
	return first;
}

void policy_list_done(struct policy_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->entries[i].reason);
	free(list->entries);
	for (size_t i = 0; i < list->feed_count; i++) {
		free(list->feeds[i].file);
		free(list->feeds[i].reason);
	}
	free(list->feeds);
}
