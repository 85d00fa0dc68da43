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

/* Counting exactly costs a search for every prefix: only where it may decide. */
static int check_room(const struct list_set *s, unsigned int feed, const struct list_delta *delta,
		      struct fault *reterr)
{
	struct room room;

	room_begin(&room, s);
	room.entries += delta->add_count;
	room.ip4 += delta->add_count;
	room.ip6 += delta->add_count;
	if (room_check(&room, NULL) == 0)
		return 0;
	room_begin(&room, s);
	for (size_t i = 0; i < delta->add_count; i++) {
		struct node_key key = node_key(&delta->adds[i]);

		room_add(&room, s, &key);
	}
	for (size_t i = 0; i < delta->remove_count; i++) {
		struct place p =
			place_of(&s->sources[SOURCE_FEEDS + feed], feed, &delta->removes[i]);

		room_remove(&room, s, &p);
	}
	return room_check(&room, reterr);
}

int list_set_update_feed(struct list_set *s, unsigned int feed, struct list_content **content,
			 const struct list_delta *delta, uint64_t until_ns,
			 const struct list_now *now, struct fault *reterr)
{
	struct source *source = &s->sources[SOURCE_FEEDS + feed];
	const struct item item = {.added_ns = now->real_ns,
				  .source = (uint16_t)(SOURCE_FEEDS + feed)};
	int r = check_room(s, feed, delta, reterr);

	assert(source->used);
	if (r < 0)
		return r;
	for (size_t i = 0; i < delta->add_count; i++) {
		struct place p = place_of(source, feed, &delta->adds[i]);

		if (place_add(s, &p, &item) == 0)
			continue;
		while (i-- > 0) {
			p = place_of(source, feed, &delta->adds[i]);
			place_remove(s, &p);
		}
		return no_memory(reterr);
	}
	for (size_t i = 0; i < delta->remove_count; i++) {
		struct place p = place_of(source, feed, &delta->removes[i]);

		place_remove(s, &p);
	}
	if (until_ns != source->until_ns) {
		source->until_ns = until_ns;
		source->until_monotonic_ns = deadline_to_monotonic(until_ns, now);
		s->all_dirty = true;
	}
	list_content_free(source->content);
	source->content = take_ptr(*content);
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
