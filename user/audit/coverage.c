/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/coverage.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void coverage_init(struct coverage *c, int dir, struct hasher *hasher)
{
	*c = (struct coverage){.dir = dir, .hasher = hasher};
}

static int leaf_of_tile(uint64_t index, uint8_t ret[static AUDIT_HASH_SIZE], void *userdata)
{
	const struct coverage *c = userdata;
	struct tile tile;
	int r = tile_read(c->dir, 0, index / TILE_WIDTH, &tile);

	if (r == 0)
		memcpy(ret, tile.hashes[index % TILE_WIDTH], AUDIT_HASH_SIZE);
	return r;
}

int coverage_begin(struct coverage *c, uint64_t size)
{
	const struct tile_leaves leaves = {leaf_of_tile, c};
	struct tile_builder builder;
	int r;

	tile_builder_init(&builder, c->dir, c->hasher);
	r = tile_builder_load(&builder, size, &leaves);
	if (r < 0)
		return r;
	c->edge = builder.edge;
	memcpy(c->open, builder.right, sizeof(c->open));
	return 0;
}

static void meet_points(struct coverage *c)
{
	for (size_t i = 0; i < c->point_count; i++) {
		struct coverage_point *p = &c->points[i];
		uint8_t root[AUDIT_HASH_SIZE];

		if (p->size != c->edge.size)
			continue;
		merkle_root(&c->edge, c->hasher, root);
		p->met = true;
		p->equal = memcmp(root, p->root, sizeof(root)) == 0;
	}
}

size_t coverage_expect(struct coverage *c, uint64_t size,
		       const uint8_t root[static AUDIT_HASH_SIZE])
{
	struct coverage_point *p = &c->points[c->point_count];

	assert(c->point_count < COVERAGE_POINTS_MAX);
	*p = (struct coverage_point){.size = size};
	memcpy(p->root, root, AUDIT_HASH_SIZE);
	c->point_count++;
	meet_points(c);
	return c->point_count - 1;
}

void coverage_join(struct coverage_tiles *left, const struct coverage_tiles *right)
{
	uint64_t equal = left->equal + right->equal, missing = left->missing + right->missing;

	if (right->wrong && (!left->wrong || right->leaf < left->leaf))
		*left = *right;
	left->equal = equal;
	left->missing = missing;
}

void coverage_compare(struct coverage_tiles *tiles, int dir, unsigned int level, uint64_t number,
		      const struct tile *tile)
{
	struct coverage_tiles found = {.wrong = true, .level = level, .number = number};
	struct tile there;
	unsigned int i = 0;
	int r = tile_read(dir, level, number, &there);

	if (r < 0 && r != -EBADMSG) {
		tiles->missing++;
		return;
	}
	if (r == 0 && memcmp(&there, tile, sizeof(there)) == 0) {
		tiles->equal++;
		return;
	}
	/* One of another size is wrong from its first hash on. */
	while (r == 0 && memcmp(there.hashes[i], tile->hashes[i], AUDIT_HASH_SIZE) == 0)
		i++;
	found.leaf = (number * TILE_WIDTH + i) << TILE_HEIGHT * level;
	coverage_join(tiles, &found);
}

/* Hash number @number of @level is known. Above the leaves, each stands for a tile one level below. */
static void put(struct coverage *c, unsigned int level, uint64_t number,
		const uint8_t hash[static AUDIT_HASH_SIZE])
{
	uint8_t above[AUDIT_HASH_SIZE];

	memcpy(above, hash, sizeof(above));
	for (; level < TILE_LEVELS; level++, number /= TILE_WIDTH) {
		memcpy(c->open[level].hashes[number % TILE_WIDTH], above, sizeof(above));
		if (number % TILE_WIDTH != TILE_WIDTH - 1)
			return;
		coverage_compare(&c->tiles, c->dir, level, number / TILE_WIDTH, &c->open[level]);
		tile_hash(c->hasher, &c->open[level], above);
	}
}

void coverage_add_leaf(struct coverage *c, const uint8_t leaf[static AUDIT_HASH_SIZE])
{
	merkle_append(&c->edge, c->hasher, leaf);
	put(c, 0, c->edge.size - 1, leaf);
	meet_points(c);
}

void coverage_add_tile(struct coverage *c, const uint8_t hash[static AUDIT_HASH_SIZE])
{
	unsigned int level = TILE_HEIGHT;
	uint8_t subtree[AUDIT_HASH_SIZE];

	assert(c->edge.size % TILE_WIDTH == 0 && c->edge.size <= MERKLE_SIZE_MAX - TILE_WIDTH);
	memcpy(subtree, hash, sizeof(subtree));
	for (; c->edge.size >> level & 1; level++)
		merkle_node(c->hasher, c->edge.subtrees[level], subtree, subtree);
	memcpy(c->edge.subtrees[level], subtree, sizeof(subtree));
	c->edge.size += TILE_WIDTH;
	put(c, 1, c->edge.size / TILE_WIDTH - 1, hash);
	meet_points(c);
}
