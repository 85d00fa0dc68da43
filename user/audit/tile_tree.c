/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tiles that are read for a proof. What is to the right of the full ones is checked by the root, every full tile by
 * its place in the tile above it. Nothing else is handed out: a proof made of unchecked hashes would be refused by
 * others, with nobody knowing why.
 */
#include "audit/tile.h"

#include <errno.h>
#include <string.h>

int tile_tree_open(struct tile_tree *t, int dir, struct hasher *hasher, uint64_t size,
		   const uint8_t root[static AUDIT_HASH_SIZE], const struct tile_leaves *leaves)
{
	uint8_t made[AUDIT_HASH_SIZE];
	int r;

	tile_builder_init(&t->known, dir, hasher);
	for (unsigned int level = 0; level < TILE_LEVELS; level++)
		t->full[level].valid = false;
	r = tile_builder_load(&t->known, size, leaves);
	if (r < 0)
		return r;
	merkle_root(&t->known.edge, hasher, made);
	return memcmp(made, root, sizeof(made)) == 0 ? 0 : -EBADMSG;
}

static bool is_full(const struct tile_tree *t, unsigned int level, uint64_t number)
{
	return number < t->known.edge.size >> TILE_HEIGHT * (level + 1);
}

/* Read full tile @number of @level, which must have the hash that @above has for it. */
static int read_below(struct tile_tree *t, const struct tile *above, unsigned int level,
		      uint64_t number)
{
	struct tile_cached *c = &t->full[level];
	uint8_t hash[AUDIT_HASH_SIZE];
	int r;

	c->valid = false;
	r = tile_read(t->known.dir, level, number, &c->tile);
	if (r < 0)
		return r;
	tile_hash(t->known.hasher, &c->tile, hash);
	if (memcmp(hash, above->hashes[number % TILE_WIDTH], sizeof(hash)) != 0)
		return -EBADMSG;
	c->number = number;
	c->valid = true;
	return 0;
}

/* Find a tile above that is checked, and go down from there. */
static int load(struct tile_tree *t, unsigned int level, uint64_t number, const struct tile **ret)
{
	const struct tile *tile;
	unsigned int top = level;
	uint64_t at = number;

	while (is_full(t, top, at) && !(t->full[top].valid && t->full[top].number == at)) {
		at /= TILE_WIDTH;
		top++;
	}
	tile = is_full(t, top, at) ? &t->full[top].tile : &t->known.right[top];
	while (top > level) {
		int r;

		top--;
		r = read_below(t, tile, top, number >> TILE_HEIGHT * (top - level));
		if (r < 0)
			return r;
		tile = &t->full[top].tile;
	}
	*ret = tile;
	return 0;
}

static int subtree(unsigned int level, uint64_t number, uint8_t ret[static AUDIT_HASH_SIZE],
		   void *userdata)
{
	struct tile_tree *t = userdata;
	unsigned int within = level % TILE_HEIGHT, width = 1U << within;
	uint64_t first = number << within; /* in hashes of the tiles' level */
	const struct tile *tile;
	struct merkle m = {0};
	int r;

	if (level >= MERKLE_LEVELS || number >= t->known.edge.size >> level)
		return -EINVAL;
	r = load(t, level / TILE_HEIGHT, first / TILE_WIDTH, &tile);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < width; i++)
		merkle_append(&m, t->known.hasher, tile->hashes[first % TILE_WIDTH + i]);
	memcpy(ret, m.subtrees[within], AUDIT_HASH_SIZE);
	return 0;
}

struct merkle_source tile_tree_source(struct tile_tree *t)
{
	return (struct merkle_source){subtree, t};
}
