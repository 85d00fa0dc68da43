/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Entries as such: where they are kept, how one is put in its place and taken away, and what they are
 * counted by. What may be added, and what an entry means, is the business of the other files.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lists/internal.h"

_Static_assert(sizeof(struct item) == 48, "an entry is larger than it need be");

unsigned int source_of(const struct list_key *key)
{
	switch (key->origin) {
	case LIST_FEED:
		return SOURCE_FEEDS + key->feed % LIST_FEEDS_MAX;
	case LIST_KEPT:
		return SOURCE_KEPT;
	case LIST_RECOVERED:
		return SOURCE_RECOVERED;
	default:
		return key->origin;
	}
}

static bool is_feed(unsigned int source)
{
	return source >= SOURCE_FEEDS && source < SOURCE_KEPT;
}

uint64_t item_until(const struct list_set *s, const struct item *i)
{
	return is_feed(i->source) ? s->sources[i->source].until_monotonic_ns
				  : i->until_monotonic_ns;
}

static uint32_t item_new(struct list_set *s)
{
	struct items *items = &s->items;
	uint32_t number = items->free;

	if (number != NO_ITEM) {
		items->free = item_of(s, number)->next;
		return number;
	}
	if (items->used == items->chunk_count * ITEMS_PER_CHUNK) {
		struct item **chunks =
			reallocarray(items->chunks, items->chunk_count + 1, sizeof(struct item *));

		if (!chunks)
			return NO_ITEM;
		items->chunks = chunks;
		chunks[items->chunk_count] = calloc(ITEMS_PER_CHUNK, sizeof(struct item));
		if (!chunks[items->chunk_count])
			return NO_ITEM;
		items->chunk_count++;
	}
	return items->used++;
}

static bool item_before(const struct item *i, unsigned int kind, unsigned int source)
{
	return i->kind < kind || (i->kind == kind && i->source < source);
}

uint32_t item_find(const struct list_set *s, const struct node *node, unsigned int kind,
		   unsigned int source)
{
	for (uint32_t n = node->items; n != NO_ITEM; n = item_of(s, n)->next)
		if (item_of(s, n)->kind == kind && item_of(s, n)->source == source)
			return n;
	return NO_ITEM;
}

void set_mark(struct list_set *s, const struct node_key *key)
{
	if (s->all_dirty)
		return;
	/* Past a point it is cheaper to go over everything. */
	if (s->dirty_count > s->nodes.count / 4 + 1024) {
		s->all_dirty = true;
		return;
	}
	if (s->dirty_count == s->dirty_size) {
		size_t size = s->dirty_size ? 2 * s->dirty_size : 64;
		struct node_key *dirty = reallocarray(s->dirty, size, sizeof(*dirty));

		if (!dirty) {
			s->all_dirty = true;
			return;
		}
		s->dirty = dirty;
		s->dirty_size = size;
	}
	s->dirty[s->dirty_count++] = *key;
}

static void count_entry(struct list_set *s, const struct place *p, int by)
{
	struct list_count *count = &s->sources[p->source].count[p->kind];
	size_t *what = p->key.bits == 128 ? &count->addresses : &count->prefixes;

	*what += (size_t)by;
	s->entries += (size_t)by;
}

static void count_prefix(struct list_set *s, const struct node_key *key, int by)
{
	size_t *what = node_key_is_ip4(key) ? &s->ip4 : &s->ip6;

	*what += (size_t)by;
}

static bool is_timed(const struct item *i)
{
	return !is_feed(i->source) && i->until_ns != WEIR_FOREVER;
}

int place_add(struct list_set *s, const struct place *p, const struct item *item)
{
	struct node_at at;
	struct node *node;
	uint32_t number, *link;
	struct item *new;

	if (is_timed(item) && deadlines_reserve(&s->deadlines, 1) < 0)
		return -ENOMEM;
	number = item_new(s);
	if (number == NO_ITEM)
		return -ENOMEM;
	new = item_of(s, number);
	if (nodes_seek(&s->nodes, &p->key, &at)) {
		node = nodes_get(&s->nodes, &at);
	} else {
		node = nodes_insert(&s->nodes, &at, &p->key);
		if (!node) {
			new->next = s->items.free;
			s->items.free = number;
			return -ENOMEM;
		}
	}
	if (node->items == NO_ITEM)
		count_prefix(s, &p->key, 1);
	link = &node->items;
	while (*link != NO_ITEM && item_before(item_of(s, *link), p->kind, p->source))
		link = &item_of(s, *link)->next;
	*new = *item;
	new->kind = (uint8_t)p->kind;
	new->source = (uint16_t)p->source;
	new->next = *link;
	*link = number;
	nodes_listed(&s->nodes, at, p->kind, true);
	count_entry(s, p, 1);
	set_mark(s, &p->key);
	if (is_timed(new)) {
		const struct deadline d = {new->until_monotonic_ns, p->key, new->source, new->kind};

		deadlines_push(&s->deadlines, &d);
		s->timed++;
	}
	return 0;
}

void place_remove(struct list_set *s, const struct place *p)
{
	struct node_at at;
	struct node *node;
	struct item *i;
	uint32_t *link, number;
	bool listed = false;

	if (!nodes_seek(&s->nodes, &p->key, &at))
		return;
	node = nodes_get(&s->nodes, &at);
	link = &node->items;
	while (*link != NO_ITEM &&
	       (item_of(s, *link)->kind != p->kind || item_of(s, *link)->source != p->source))
		link = &item_of(s, *link)->next;
	if (*link == NO_ITEM)
		return;
	number = *link;
	i = item_of(s, number);
	*link = i->next;
	s->timed -= is_timed(i);
	strings_release(&s->strings, i->reason);
	strings_release(&s->strings, i->added_by);
	i->next = s->items.free;
	s->items.free = number;

	for (uint32_t n = node->items; n != NO_ITEM; n = item_of(s, n)->next)
		listed |= item_of(s, n)->kind == p->kind;
	nodes_listed(&s->nodes, at, p->kind, listed);
	if (node->items == NO_ITEM)
		count_prefix(s, &p->key, -1);
	count_entry(s, p, -1);
	set_mark(s, &p->key);
}

void room_begin(struct room *r, const struct list_set *s)
{
	*r = (struct room){
		.ip4 = s->ip4,
		.ip6 = s->ip6,
		.entries = s->entries,
		.last = {.bits = 255},
	};
}

static size_t *room_of(struct room *r, const struct node_key *key)
{
	return node_key_is_ip4(key) ? &r->ip4 : &r->ip6;
}

void room_add(struct room *r, const struct list_set *s, const struct node_key *key)
{
	const struct node *node = nodes_find(set_nodes(s), key);

	r->entries++;
	if ((!node || node->items == NO_ITEM) && node_key_compare(key, &r->last) != 0)
		++*room_of(r, key);
	r->last = *key;
}

void room_remove(struct room *r, const struct list_set *s, const struct place *p)
{
	const struct node *node = nodes_find(set_nodes(s), &p->key);

	r->entries--;
	if (node && node->items != NO_ITEM && item_of(s, node->items)->next == NO_ITEM)
		--*room_of(r, &p->key);
}

int room_check(const struct room *r, struct fault *reterr)
{
	if (r->ip4 > WEIR_LIST_IP4_MAX)
		return fault(reterr, -ENOSPC, "list.full",
			     "the lists hold at most %u IPv4 prefixes together, this makes %zu",
			     WEIR_LIST_IP4_MAX, r->ip4);
	if (r->ip6 > WEIR_LIST_IP6_MAX)
		return fault(reterr, -ENOSPC, "list.full",
			     "the lists hold at most %u IPv6 prefixes together, this makes %zu",
			     WEIR_LIST_IP6_MAX, r->ip6);
	if (r->entries > LIST_SET_ENTRIES_MAX)
		return fault(reterr, -ENOSPC, "list.full",
			     "the lists hold at most %u entries together, this makes %zu",
			     LIST_SET_ENTRIES_MAX, r->entries);
	return 0;
}
