/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What can be asked of a set. */
#include <errno.h>
#include <string.h>

#include "lists/internal.h"

void entry_view(const struct list_set *s, const struct node_key *key, const struct item *i,
		struct list_entry *ret)
{
	const struct source *source = &s->sources[i->source];
	const struct list_content_entry *line;

	*ret = (struct list_entry){
		.key = {.kind = i->kind, .origin = i->source},
		.until_ns = i->until_ns,
		.until_monotonic_ns = i->until_monotonic_ns,
		.added_ns = i->added_ns,
		.line = i->line,
		.reason = strings_text(&s->strings, i->reason),
		.added_by = strings_text(&s->strings, i->added_by),
	};
	node_prefix(key, &ret->key.prefix);
	if (i->source == SOURCE_KEPT)
		ret->key.origin = LIST_KEPT;
	if (i->source == SOURCE_RECOVERED)
		ret->key.origin = LIST_RECOVERED;
	if (i->source < SOURCE_FEEDS || i->source >= SOURCE_KEPT)
		return;
	ret->key.origin = LIST_FEED;
	ret->key.feed = i->source - SOURCE_FEEDS;
	ret->until_ns = source->until_ns;
	ret->until_monotonic_ns = source->until_monotonic_ns;
	ret->feed = ret->added_by = source->name;
	ret->file = source->file;
	ret->reason = source->reason;
	line = list_content_find(source->content, &ret->key.prefix);
	if (!line)
		return;
	ret->line = line->line;
	if (line->reason)
		ret->reason = list_content_reason(source->content, line);
}

int list_set_find(const struct list_set *s, const struct list_key *key, struct list_entry *ret)
{
	struct node_key node = node_key(&key->prefix);
	const struct node *found = nodes_find(set_nodes(s), &node);
	uint32_t number = found ? item_find(s, found, key->kind, source_of(key)) : NO_ITEM;

	if (number == NO_ITEM)
		return -ENOENT;
	if (ret)
		entry_view(s, &node, item_of(s, number), ret);
	return 0;
}

bool list_set_next(const struct list_set *s, enum list_kind kind, const struct list_key *after,
		   struct list_entry *ret)
{
	struct nodes *nodes = set_nodes(s);
	struct node_at at = {0};
	const struct node *node;
	bool first = false;

	if (after) {
		struct node_key key = node_key(&after->prefix);

		first = nodes_seek(nodes, &key, &at);
	}
	for (; (node = nodes_next_listed(nodes, &at, kind)); at.slot++, first = false) {
		struct node_key key = node_key_of(node);

		for (uint32_t n = node->items; n != NO_ITEM; n = item_of(s, n)->next) {
			const struct item *i = item_of(s, n);

			if (i->kind != kind || (first && i->source <= source_of(after)))
				continue;
			entry_view(s, &key, i, ret);
			return true;
		}
	}
	return false;
}

size_t list_set_covering(const struct list_set *s, const uint8_t address[static 16],
			 uint64_t now_monotonic_ns, struct list_entry ret[static LIST_COVERING_MAX])
{
	struct prefix whole = {.bits = 128};
	struct node_key key;
	size_t count = 0;

	memcpy(whole.address, address, sizeof(whole.address));
	key = node_key(&whole);
	for (unsigned int kind = 0; kind < LIST_KIND_MAX; kind++) {
		size_t end = count + LIST_COVERING_MAX / LIST_KIND_MAX;

		for (unsigned int bits = address_is_ipv4(address) ? 96 : 0; bits <= 128; bits++) {
			struct node_key masked;
			const struct node *node;
			uint32_t n;

			if (!s->nodes.lengths[bits])
				continue;
			masked = node_key_mask(key, bits);
			node = nodes_find(set_nodes(s), &masked);
			n = node ? node->items : NO_ITEM;

			for (; n != NO_ITEM; n = item_of(s, n)->next)
				if (item_of(s, n)->kind == kind && count < end &&
				    item_until(s, item_of(s, n)) > now_monotonic_ns)
					entry_view(s, &masked, item_of(s, n), &ret[count++]);
		}
	}
	return count;
}

struct list_count list_set_count(const struct list_set *s, enum list_kind kind)
{
	struct list_count count = {0};

	for (size_t i = 0; i < SOURCE_MAX; i++) {
		count.addresses += s->sources[i].count[kind].addresses;
		count.prefixes += s->sources[i].count[kind].prefixes;
	}
	return count;
}

struct list_count list_set_count_of(const struct list_set *s, enum list_kind kind,
				    enum list_origin origin, unsigned int feed)
{
	const struct list_key key = {.origin = origin, .feed = feed};

	return s->sources[source_of(&key)].count[kind];
}
