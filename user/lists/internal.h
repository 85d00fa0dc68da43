/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of this folder share: the set itself. */
#ifndef LISTS_INTERNAL_H
#define LISTS_INTERNAL_H

#include "lists/deadlines.h"
#include "lists/image.h"
#include "lists/nodes.h"
#include "lists/set.h"
#include "lists/strings.h"

/* Where an entry comes from, as one number: an origin, or one of the feeds. */
enum {
	SOURCE_POLICY = LIST_POLICY,
	SOURCE_OPERATOR = LIST_OPERATOR,
	SOURCE_FEEDS = LIST_FEED,
	SOURCE_KEPT = SOURCE_FEEDS + LIST_FEEDS_MAX,
	SOURCE_RECOVERED,
	SOURCE_MAX,
};

/* An entry. The entries of a node are a chain in the order of kind and source. */
struct item {
	uint64_t until_ns, until_monotonic_ns; /* of a feed's: see its source */
	uint64_t added_ns;
	uint32_t next;
	uint32_t line;
	uint32_t reason, added_by; /* numbers of strings */
	uint16_t source;
	uint8_t kind;
};

#define ITEMS_PER_CHUNK 4096

struct items {
	struct item **chunks;
	size_t chunk_count;
	uint32_t used; /* handed out at some time */
	uint32_t free; /* chain of those that came back */
};

struct source {
	bool used; /* feeds only */
	enum list_kind kind;
	char *name, *file, *reason;
	struct list_content *content;
	uint64_t until_ns, until_monotonic_ns;
	struct list_count count[LIST_KIND_MAX];
};

struct list_set {
	struct nodes nodes;
	struct items items;
	struct strings strings;
	struct deadlines deadlines;
	size_t timed; /* entries that have a deadline of their own */
	struct source sources[SOURCE_MAX];
	size_t entries, ip4, ip6; /* the last two: prefixes that have an entry */

	struct list_value ip4_value; /* of the node all_of_ip4, as of the last sweep */
	struct node_key *dirty;	     /* prefixes that changed since the last update of the image */
	size_t dirty_count, dirty_size;
	bool all_dirty;
};

extern const struct node_key all_of_ip4; /* ::ffff:0:0/96, always a node of a set */

/* The nodes are searched through a cache in them, which is no change to whoever looks from outside. */
static inline struct nodes *set_nodes(const struct list_set *s)
{
	return (struct nodes *)(uintptr_t)&s->nodes;
}

static inline struct item *item_of(const struct list_set *s, uint32_t number)
{
	return &s->items.chunks[number / ITEMS_PER_CHUNK][number % ITEMS_PER_CHUNK];
}

unsigned int source_of(const struct list_key *key);
uint64_t item_until(const struct list_set *s, const struct item *i); /* CLOCK_MONOTONIC */
/** The number of the entry, or NO_ITEM. */
uint32_t item_find(const struct list_set *s, const struct node *node, unsigned int kind,
		   unsigned int source);

/* The entry as it is shown. */
void entry_view(const struct list_set *s, const struct node_key *key, const struct item *i,
		struct list_entry *ret);

/* An entry's place. */
struct place {
	struct node_key key;
	unsigned int kind, source;
};

/** Add what is not there yet. -ENOMEM. */
int place_add(struct list_set *s, const struct place *p, const struct item *item);
/* Remove what is there. */
void place_remove(struct list_set *s, const struct place *p);

/* Whether there is room for a change: tally what it adds and removes, then check. */
struct room {
	size_t ip4, ip6, entries; /* as they will be */
	struct node_key last;	  /* added: another entry of it takes no room */
};

void room_begin(struct room *r, const struct list_set *s);
void room_add(struct room *r, const struct list_set *s, const struct node_key *key);
void room_remove(struct room *r, const struct list_set *s, const struct place *p);
int room_check(const struct room *r, struct fault *reterr);

void set_mark(struct list_set *s, const struct node_key *key); /* as dirty */
uint64_t deadline_to_monotonic(uint64_t until_ns, const struct list_now *now);
int no_memory(struct fault *reterr);

#endif
