/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Blocks of nodes and the index of them. Nothing in here knows what a prefix is listed for. */
#include "lists/nodes.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define FILL 96 /* nodes in a block that was filled in order: room for what comes later */

_Static_assert(sizeof(struct node) == 40, "a node is larger than it need be");
_Static_assert(NODES_PER_BLOCK <= UINT8_MAX, "a block's counts are bytes");

struct node_block {
	struct node nodes[NODES_PER_BLOCK];
};

void nodes_done(struct nodes *n)
{
	for (size_t i = 0; i < n->blocks; i++)
		free(n->index[i].block);
	free(n->index);
	*n = (struct nodes){0};
}

struct node_key node_key(const struct prefix *prefix)
{
	struct node_key key = {.bits = prefix->bits};

	memcpy(&key.high, prefix->address, 8);
	memcpy(&key.low, prefix->address + 8, 8);
	key.high = be64toh(key.high);
	key.low = be64toh(key.low);
	return key;
}

struct node_key node_key_of(const struct node *node)
{
	return (struct node_key){node->high, node->low, node->bits};
}

void node_prefix(const struct node_key *key, struct prefix *ret)
{
	uint64_t high = htobe64(key->high), low = htobe64(key->low);

	memcpy(ret->address, &high, 8);
	memcpy(ret->address + 8, &low, 8);
	ret->bits = key->bits;
}

/* The highest @bits bits of a word. */
static uint64_t mask_of(unsigned int bits)
{
	return bits == 0 ? 0 : bits >= 64 ? ~0ULL : ~0ULL << (64 - bits);
}

struct node_key node_key_mask(struct node_key key, unsigned int bits)
{
	key.high &= mask_of(bits);
	key.low &= bits > 64 ? mask_of(bits - 64) : 0;
	key.bits = (uint8_t)bits;
	return key;
}

bool node_key_covers(const struct node_key *key, const struct node_key *other)
{
	uint64_t high = (key->high ^ other->high) & mask_of(key->bits);
	uint64_t low = key->bits > 64 ? (key->low ^ other->low) & mask_of(key->bits - 64U) : 0;

	return key->bits <= other->bits && !high && !low;
}

int node_key_compare(const struct node_key *a, const struct node_key *b)
{
	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	return (int)a->bits - (int)b->bits;
}

bool node_key_is_ip4(const struct node_key *key)
{
	return key->bits >= 96 && key->high == 0 && key->low >> 32 == 0xffff;
}

static bool index_before(const struct node_index *i, const struct node_key *key)
{
	struct node_key first = {i->high, i->low, i->bits};

	return node_key_compare(&first, key) <= 0;
}

/* The last block whose first node is not behind @key, or the first block. Changes come in order, so it is
 * often the block of the last search or one of the next few. */
static size_t find_block(struct nodes *n, const struct node_key *key)
{
	size_t low = 0, high = n->blocks, step = 1;

	if (n->finger < n->blocks && index_before(&n->index[n->finger], key)) {
		low = n->finger;
		while (low + step < n->blocks && index_before(&n->index[low + step], key)) {
			low += step;
			step *= 2;
		}
		if (low + step < n->blocks)
			high = low + step;
	}
	while (low + 1 < high) {
		size_t middle = low + (high - low) / 2;

		if (index_before(&n->index[middle], key))
			low = middle;
		else
			high = middle;
	}
	n->finger = low;
	return low;
}

/* Where @key would be in its block if the addresses from this block's first to the next one's were spread evenly:
 * saves most of the cache misses that a binary search has. */
static unsigned int guess_slot(const struct nodes *n, size_t block, const struct node_key *key)
{
	const struct node_index *i = &n->index[block];
	double offset, span;

	if (block + 1 == n->blocks)
		return i->count / 2;
	if (i[1].high != i->high) {
		offset = (double)key->high - (double)i->high;
		span = (double)i[1].high - (double)i->high;
	} else {
		offset = (double)key->low - (double)i->low;
		span = (double)i[1].low - (double)i->low;
	}
	if (!(offset > 0) || !(span > 0))
		return 0;
	return offset < span ? (unsigned int)(offset / span * i->count) : i->count - 1U;
}

/* The first slot of the block whose node is not before @key. */
static unsigned int find_slot(const struct nodes *n, size_t block, const struct node_key *key)
{
	const struct node *nodes = n->index[block].block->nodes;
	unsigned int low = 0, high = n->index[block].count, step = 1;
	unsigned int at = guess_slot(n, block, key);

	if (at >= high)
		at = high - 1;
	/* From the guess on in growing steps, up or down, until @key is enclosed. */
	while (low < high) {
		struct node_key there = node_key_of(&nodes[at]);

		if (node_key_compare(&there, key) < 0) {
			low = at + 1;
			if (high - low <= step)
				break;
			at = low + step;
		} else {
			high = at;
			if (high - low <= step)
				break;
			at = high - step;
		}
		step *= 2;
	}
	while (low < high) {
		unsigned int middle = (low + high) / 2;
		struct node_key there = node_key_of(&nodes[middle]);

		if (node_key_compare(&there, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool nodes_seek(struct nodes *n, const struct node_key *key, struct node_at *ret)
{
	struct node_key there;

	*ret = (struct node_at){0};
	if (!n->blocks)
		return false;
	ret->block = find_block(n, key);
	ret->slot = find_slot(n, ret->block, key);
	if (ret->slot == n->index[ret->block].count)
		return false;
	there = node_key_of(&n->index[ret->block].block->nodes[ret->slot]);
	return node_key_compare(&there, key) == 0;
}

struct node *nodes_find(struct nodes *n, const struct node_key *key)
{
	struct node_at at;

	return nodes_seek(n, key, &at) ? &n->index[at.block].block->nodes[at.slot] : NULL;
}

struct node *nodes_get(struct nodes *n, struct node_at *at)
{
	if (at->block < n->blocks && at->slot >= n->index[at->block].count)
		*at = (struct node_at){.block = at->block + 1};
	return at->block < n->blocks ? &n->index[at->block].block->nodes[at->slot] : NULL;
}

struct node *nodes_before(struct nodes *n, struct node_at at)
{
	if (at.slot)
		return &n->index[at.block].block->nodes[at.slot - 1];
	if (!at.block)
		return NULL;
	return &n->index[at.block - 1].block->nodes[n->index[at.block - 1].count - 1];
}

struct node *nodes_next_listed(struct nodes *n, struct node_at *at, unsigned int kind)
{
	while (at->block < n->blocks && !n->index[at->block].listed[kind])
		*at = (struct node_at){.block = at->block + 1};
	return nodes_get(n, at);
}

/* A new block at @place of the index. */
static struct node_block *add_block(struct nodes *n, size_t place)
{
	struct node_block *block;

	if (n->blocks == n->size) {
		size_t size = n->size ? 2 * n->size : 16;
		struct node_index *index = reallocarray(n->index, size, sizeof(*index));

		if (!index)
			return NULL;
		n->index = index;
		n->size = size;
	}
	block = malloc(sizeof(*block));
	if (!block)
		return NULL;
	memmove(n->index + place + 1, n->index + place, (n->blocks - place) * sizeof(*n->index));
	n->index[place] = (struct node_index){.block = block};
	n->blocks++;
	return block;
}

static void remove_block(struct nodes *n, size_t place)
{
	if (n->appended == n->index[place].block)
		n->appended = NULL;
	free(n->index[place].block);
	n->blocks--;
	memmove(n->index + place, n->index + place + 1, (n->blocks - place) * sizeof(*n->index));
}

/* What the index says of a block, from the block. */
static void describe(struct node_index *i)
{
	memset(i->listed, 0, sizeof(i->listed));
	for (unsigned int slot = 0; slot < i->count; slot++)
		for (unsigned int kind = 0; kind < LIST_KIND_MAX; kind++)
			i->listed[kind] += i->block->nodes[slot].kinds >> kind & 1;
	i->high = i->block->nodes[0].high;
	i->low = i->block->nodes[0].low;
	i->bits = i->block->nodes[0].bits;
}

/* Divide the full block at @place in two. */
static int split_block(struct nodes *n, size_t place)
{
	const unsigned int half = NODES_PER_BLOCK / 2;
	struct node_block *next = add_block(n, place + 1);
	struct node_index *from = &n->index[place], *to = &n->index[place + 1];

	if (!next)
		return -1;
	memcpy(next->nodes, from->block->nodes + half, half * sizeof(next->nodes[0]));
	from->count = to->count = half;
	describe(from);
	describe(to);
	return 0;
}

/* Make room at @at. An insertion that follows one at the end of the same block is taken for a load in order:
 * it goes on in a block of its own before this one is full. */
static int make_room(struct nodes *n, struct node_at *at)
{
	const struct node_index *i;

	if (!n->blocks)
		return add_block(n, 0) ? 0 : -1;
	i = &n->index[at->block];
	if (at->slot == i->count && n->appended == i->block && i->count >= FILL) {
		*at = (struct node_at){.block = at->block + 1};
		return add_block(n, at->block) ? 0 : -1;
	}
	if (i->count < NODES_PER_BLOCK)
		return 0;
	if (split_block(n, at->block) < 0)
		return -1;
	if (at->slot > NODES_PER_BLOCK / 2) {
		at->block++;
		at->slot -= NODES_PER_BLOCK / 2;
	}
	return 0;
}

struct node *nodes_insert(struct nodes *n, struct node_at *at, const struct node_key *key)
{
	struct node_index *i;
	struct node *node;

	if (make_room(n, at) < 0)
		return NULL;
	i = &n->index[at->block];
	node = &i->block->nodes[at->slot];
	memmove(node + 1, node, (i->count - at->slot) * sizeof(*node));
	*node = (struct node){
		.high = key->high,
		.low = key->low,
		.bits = key->bits,
		.items = NO_ITEM,
		.parent = NODE_NO_PARENT,
	};
	n->appended = at->slot == i->count ? i->block : NULL;
	n->finger = at->block;
	i->count++;
	if (!at->slot) {
		i->high = key->high;
		i->low = key->low;
		i->bits = key->bits;
	}
	n->count++;
	n->lengths[key->bits]++;
	return node;
}

void nodes_erase(struct nodes *n, struct node_at *at)
{
	struct node_index *i = &n->index[at->block];
	struct node *node = &i->block->nodes[at->slot];

	n->count--;
	n->lengths[node->bits]--;
	for (unsigned int kind = 0; kind < LIST_KIND_MAX; kind++)
		nodes_listed(n, *at, kind, false);
	i->count--;
	if (!i->count) {
		remove_block(n, at->block);
		at->slot = 0;
		return;
	}
	memmove(node, node + 1, (i->count - at->slot) * sizeof(*node));
	if (!at->slot) {
		i->high = node->high;
		i->low = node->low;
		i->bits = node->bits;
	}
}

void nodes_listed(struct nodes *n, struct node_at at, unsigned int kind, bool listed)
{
	struct node_index *i = &n->index[at.block];
	struct node *node = &i->block->nodes[at.slot];
	bool was = node->kinds >> kind & 1;

	if (listed && !was)
		i->listed[kind]++;
	else if (!listed && was)
		i->listed[kind]--;
	node->kinds = (uint8_t)((node->kinds & ~(1U << kind)) | (unsigned int)listed << kind);
}

void nodes_compact(struct nodes *n)
{
	size_t to = 0;

	if (n->blocks < 16 || n->count > n->blocks * (NODES_PER_BLOCK / 4))
		return;
	for (size_t from = 1; from < n->blocks; from++) {
		struct node_index *a = &n->index[to], *b = &n->index[from];

		if (a->count + b->count > FILL) {
			n->index[++to] = *b;
			continue;
		}
		memcpy(a->block->nodes + a->count, b->block->nodes,
		       b->count * sizeof(b->block->nodes[0]));
		a->count += b->count;
		describe(a);
		free(b->block);
	}
	n->blocks = to + 1;
	n->finger = 0;
	n->appended = NULL;
}
