/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What signed checkpoints say of records that were read: the tree grows leaf by leaf, or tile by tile, each tile
 * that is complete is compared with its file, and where the tree is as large as a checkpoint claims, their roots are.
 * A tile that equals what the records make needs no other check against its parents: they are made in the same way.
 */
#ifndef AUDIT_COVERAGE_H
#define AUDIT_COVERAGE_H

#include "audit/note.h"
#include "audit/tile.h"

#define COVERAGE_POINTS_MAX 2

struct coverage_point {
	uint64_t size;
	uint8_t root[AUDIT_HASH_SIZE];
	bool met;   /* the tree had that size */
	bool equal; /* and that root */
};

struct coverage {
	int dir;	       /* of the tree; borrowed */
	struct hasher *hasher; /* borrowed */
	struct merkle edge;
	struct tile open[TILE_LEVELS]; /* the tile of each level that is not full yet */
	struct coverage_point points[COVERAGE_POINTS_MAX];
	size_t point_count;
	struct coverage_tiles {
		uint64_t equal, missing; /* the sealer can compute missing ones again */
		bool wrong;
		unsigned int level;
		uint64_t
			number; /* the first wrong one: level, number, first leaf below it that differs */
		uint64_t leaf;
	} tiles;
};

/* The empty tree in @dir. */
void coverage_init(struct coverage *c, int dir, struct hasher *hasher);
/**
 * Begin with @size leaves that are not read, as the tiles have them; what is wrong with these shows where the tree
 * meets a checkpoint. -ENOENT, -EBADMSG: a tile is missing or none.
 */
int coverage_begin(struct coverage *c, uint64_t size);
/* Expect the tree of @size leaves to have @root. Returns the number of the point. */
size_t coverage_expect(struct coverage *c, uint64_t size,
		       const uint8_t root[static AUDIT_HASH_SIZE]);

void coverage_add_leaf(struct coverage *c, const uint8_t leaf[static AUDIT_HASH_SIZE]);
/* The 256 leaves of a tile whose file was compared already; the tree's size is a multiple of that. */
void coverage_add_tile(struct coverage *c, const uint8_t hash[static AUDIT_HASH_SIZE]);

/* Compare @tile with its file below @dir. */
void coverage_compare(struct coverage_tiles *tiles, int dir, unsigned int level, uint64_t number,
		      const struct tile *tile);
void coverage_join(struct coverage_tiles *left, const struct coverage_tiles *right);

#endif
