/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The entries that belong to no person: those of feeds, and those that were found in the kernel. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lists/internal.h"

int list_set_add_feed(struct list_set *s, const struct list_feed *feed, unsigned int *ret,
		      struct fault *reterr)
{
	struct source *source = NULL;
	unsigned int id = 0;

	while (id < LIST_FEEDS_MAX && s->sources[SOURCE_FEEDS + id].used)
		id++;
	if (id == LIST_FEEDS_MAX)
		return fault(reterr, -ENOSPC, "list.feeds", "there are %u feeds already",
			     LIST_FEEDS_MAX);
	source = &s->sources[SOURCE_FEEDS + id];
	*source = (struct source){
		.used = true,
		.kind = feed->kind,
		.name = strdup(feed->name),
		.file = strdup(feed->file),
		.reason = strdup(feed->reason ?: ""),
	};
	if (!source->name || !source->file || !source->reason) {
		list_set_remove_feed(s, id);
		return no_memory(reterr);
	}
	*ret = id;
	return 0;
}

static struct place place_of(const struct source *source, unsigned int feed,
			     const struct prefix *prefix)
{
	return (struct place){node_key(prefix), source->kind, SOURCE_FEEDS + feed};
}

void list_set_remove_feed(struct list_set *s, unsigned int feed)
{
	struct source *source = &s->sources[SOURCE_FEEDS + feed];

	for (size_t i = 0; source->content && i < source->content->count; i++) {
		struct place p = place_of(source, feed, &source->content->entries[i].prefix);

		place_remove(s, &p);
	}
	list_content_free(source->content);
	free(source->name);
	free(source->file);
	free(source->reason);
	*source = (struct source){0};
}

static void remove_all(struct list_set *s, unsigned int feed, const struct prefix *prefixes,
		       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct place p = place_of(&s->sources[SOURCE_FEEDS + feed], feed, &prefixes[i]);

		place_remove(s, &p);
	}
}

/* As far as memory reaches; how many. */
static size_t add_all(struct list_set *s, unsigned int feed, const struct prefix *prefixes,
		      size_t count, uint64_t added_ns)
{
	const struct item item = {.added_ns = added_ns, .source = (uint16_t)(SOURCE_FEEDS + feed)};

	for (size_t i = 0; i < count; i++) {
		struct place p = place_of(&s->sources[SOURCE_FEEDS + feed], feed, &prefixes[i]);

		if (place_add(s, &p, &item) < 0)
			return i;
	}
	return count;
}

/* Since when each was listed, to be put back if need be. */
static void save_added(const struct list_set *s, unsigned int feed, const struct list_delta *delta,
		       uint64_t *ret)
{
	for (size_t i = 0; i < delta->remove_count; i++) {
		const struct list_key key = {s->sources[SOURCE_FEEDS + feed].kind,
					     delta->removes[i], LIST_FEED, feed};
		struct list_entry e;

		ret[i] = list_set_find(s, &key, &e) == 0 ? e.added_ns : 0;
	}
}

/* Removing first makes room, and what was just removed leaves its memory behind, so that putting it back
 * cannot fail. */
static int exchange(struct list_set *s, unsigned int feed, const struct list_delta *delta,
		    uint64_t now_ns, struct fault *reterr)
{
	_cleanup_free_ uint64_t *added_ns = NULL;
	size_t added;
	struct room room;
	int r = 0;

	/* Only where it will be needed: each costs a search. */
	if (s->ip4 + delta->add_count > WEIR_LIST_IP4_MAX + delta->remove_count ||
	    s->ip6 + delta->add_count > WEIR_LIST_IP6_MAX + delta->remove_count)
		added_ns = calloc(delta->remove_count + 1, sizeof(*added_ns));
	if (added_ns)
		save_added(s, feed, delta, added_ns);
	remove_all(s, feed, delta->removes, delta->remove_count);
	added = add_all(s, feed, delta->adds, delta->add_count, now_ns);
	if (added < delta->add_count)
		r = no_memory(reterr);
	room_begin(&room, s);
	if (r == 0)
		r = room_check(&room, reterr);
	if (r == 0)
		return 0;
	remove_all(s, feed, delta->adds, added);
	for (size_t i = 0; i < delta->remove_count; i++)
		add_all(s, feed, &delta->removes[i], 1, added_ns ? added_ns[i] : now_ns);
	return r;
}

int list_set_update_feed(struct list_set *s, unsigned int feed, struct list_content **content,
			 const struct list_delta *delta, uint64_t until_ns,
			 const struct list_now *now, struct fault *reterr)
{
	struct source *source = &s->sources[SOURCE_FEEDS + feed];
	struct list_content *old = source->content;
	int r;

	assert(source->used);
	r = exchange(s, feed, delta, now->real_ns, reterr);
	if (r < 0)
		return r;
	if (until_ns != source->until_ns) {
		source->until_ns = until_ns;
		source->until_monotonic_ns = deadline_to_monotonic(until_ns, now);
		s->all_dirty = true;
	}
	source->content = *content;
	*content = old;
	return 0;
}

const struct list_content *list_set_feed_content(const struct list_set *s, unsigned int feed)
{
	return s->sources[SOURCE_FEEDS + feed].content;
}

int list_set_keep(struct list_set *s, const struct list_image *image, unsigned int kinds,
		  const struct list_now *now, struct fault *reterr)
{
	for (size_t i = 0; i < image->count; i++) {
		for (unsigned int kind = 0; kind < LIST_KIND_MAX; kind++) {
			const struct list_value *value = &image->entries[i].value;
			uint64_t until_ns =
				kind == LIST_ALLOW ? value->allow_until_ns : value->block_until_ns;
			struct place p = {node_key(&image->entries[i].prefix), kind, SOURCE_KEPT};
			struct item item = {.added_ns = now->real_ns, .source = SOURCE_KEPT};
			struct room room;
			int r;

			if (!(kinds >> kind & 1) || until_ns <= now->monotonic_ns)
				continue;
			item.until_monotonic_ns = until_ns;
			item.until_ns = until_ns == WEIR_FOREVER
						? WEIR_FOREVER
						: now->real_ns + (until_ns - now->monotonic_ns);
			room_begin(&room, s);
			room_add(&room, s, &p.key);
			r = room_check(&room, reterr);
			if (r < 0)
				return r;
			if (place_add(s, &p, &item) < 0)
				return no_memory(reterr);
		}
	}
	return 0;
}

size_t list_set_drop_kept(struct list_set *s)
{
	size_t before = s->entries;
	struct node_at at = {0};
	struct node *node;

	for (; (node = nodes_get(&s->nodes, &at)); at.slot++)
		for (unsigned int kind = 0; kind < LIST_KIND_MAX; kind++) {
			struct place p = {node_key_of(node), kind, SOURCE_KEPT};

			if (item_find(s, node, kind, SOURCE_KEPT) != NO_ITEM)
				place_remove(s, &p);
		}
	return before - s->entries;
}
