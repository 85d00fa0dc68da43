/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The distinct prefixes of a set in order, for this folder only: blocks of up to 128 nodes, and a sorted
 * index of the blocks. A lookup is a binary search of the index and of one block, an insertion moves half a
 * block, and a walk in order, which is what most of this folder does, goes through memory in order. A
 * million nodes are 10,000 blocks, so the index (32 bytes each) stays in the cache. What a node's entries
 * mean is the set's business, its value the image's.
 */
#ifndef LISTS_NODES_H
#define LISTS_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "lists/image.h"

#define NODES_PER_BLOCK 128
#define NODE_NO_PARENT	255
#define NO_ITEM		UINT32_MAX

/* A prefix whose order is that of numbers: prefix_compare() on words of the host's byte order. */
struct node_key {
	uint64_t high, low;
	uint8_t bits;
};

struct node {
	uint64_t high, low;
	struct list_value value; /* of itself and all that cover it, as of the last sweep */
	uint32_t items;		 /* the first of its entries; NO_ITEM: none */
	uint8_t bits;
	uint8_t parent; /* length of the longest node that covers it, as of the last sweep */
	uint8_t kinds;	/* a bit for each kind that it has an entry of */
	bool held;	/* the kernel has it, with this value */
};

struct node_index {
	uint64_t high, low; /* of the block's first node */
	struct node_block *block;
	uint8_t bits;
	uint8_t count;
	uint8_t listed[LIST_KIND_MAX]; /* nodes that have an entry of a kind */
};

struct nodes {
	struct node_index *index;
	size_t blocks, size;
	size_t count;
	size_t lengths[129];	     /* nodes of each */
	size_t finger;		     /* the block of the last search: the next one is often near */
	struct node_block *appended; /* where the last insertion was at the end */
};

/* A place in the order. Any insertion or erasure makes all others invalid. */
struct node_at {
	size_t block;
	unsigned int slot; /* may be one behind the last of its block */
};

void nodes_done(struct nodes *n);

struct node_key node_key(const struct prefix *prefix);
struct node_key node_key_of(const struct node *node);
struct node_key node_key_mask(struct node_key key, unsigned int bits);
void node_prefix(const struct node_key *key, struct prefix *ret);
bool node_key_covers(const struct node_key *key, const struct node_key *other);
int node_key_compare(const struct node_key *a, const struct node_key *b);
bool node_key_is_ip4(const struct node_key *key); /* as long as all of IPv4, or longer */

/** The place of @key, or where it belongs. Whether it is there. */
bool nodes_seek(struct nodes *n, const struct node_key *key, struct node_at *ret);
/** The node of @key, or NULL. */
struct node *nodes_find(struct nodes *n, const struct node_key *key);
/** The node at @at, which moves to the next block if it is behind its last; NULL at the end. */
struct node *nodes_get(struct nodes *n, struct node_at *at);
/** The one before @at, or NULL. */
struct node *nodes_before(struct nodes *n, struct node_at at);
/** The next node at or behind @at that has an entry of @kind; blocks without any are skipped. */
struct node *nodes_next_listed(struct nodes *n, struct node_at *at, unsigned int kind);

/** Put a node without entries at @at, where nodes_seek() said it belongs. NULL: no memory. */
struct node *nodes_insert(struct nodes *n, struct node_at *at, const struct node_key *key);
/* @at is that of the next node afterwards. */
void nodes_erase(struct nodes *n, struct node_at *at);
/* The node at @at got its first, or lost its last entry of @kind. */
void nodes_listed(struct nodes *n, struct node_at at, unsigned int kind, bool listed);
/* Pack half-empty blocks together if there are many. */
void nodes_compact(struct nodes *n);

#endif
