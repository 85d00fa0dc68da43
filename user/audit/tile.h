/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hashes of a Merkle tree in files, as c2sp.org/tlog-tiles has them: a tile holds 256 hashes; on level 0 of
 * leaves, above of the tiles one level below. Only full tiles are written; what is to the right of them follows
 * from them and from at most 255 leaves, which the records give.
 *
 * A tile proves nothing by itself. A builder that was loaded is checked by its root, a tile_tree checks each
 * tile that it reads against the tile above and in the end against a root that the caller knows to be good.
 */
#ifndef AUDIT_TILE_H
#define AUDIT_TILE_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/merkle.h"

#define TILE_HEIGHT    8
#define TILE_WIDTH     256 /* hashes */
#define TILE_LEVELS    7   /* more than MERKLE_SIZE_MAX leaves need */
#define TILE_PATH_SIZE 40

struct tile {
	uint8_t hashes[TILE_WIDTH][AUDIT_HASH_SIZE];
};

/** "tile/<level>/<number>", the number in groups of three digits: tile/0/x001/x234/067. */
void tile_path(unsigned int level, uint64_t number, char ret[static TILE_PATH_SIZE]);
/**
 * Put a full tile in its place below @dir, in one step, and make directories as needed; a file that is the same
 * already is left alone. Synced before: a tile that a power cut tore would look like one that was changed. One
 * writer at a time.
 */
int tile_write(int dir, unsigned int level, uint64_t number, const struct tile *tile);
/** Read a full tile. -ENOENT; -EBADMSG: it is no file of the right size. Its content is not checked. */
int tile_read(int dir, unsigned int level, uint64_t number, struct tile *ret);
/* The hash of the complete subtree over a full tile. */
void tile_hash(struct hasher *h, const struct tile *tile, uint8_t ret[static AUDIT_HASH_SIZE]);

/* Hashes of leaves that are in no full tile. 0 or -errno. */
struct tile_leaves {
	int (*leaf)(uint64_t index, uint8_t ret[static AUDIT_HASH_SIZE], void *userdata);
	void *userdata;
};

/* A tree that grows, and writes its tiles as they become full. */
struct tile_builder {
	int dir;	       /* borrowed */
	struct hasher *hasher; /* borrowed */
	struct merkle edge;
	struct tile right[TILE_LEVELS]; /* the tile of each level that is not full yet */
};

/* The empty tree. */
void tile_builder_init(struct tile_builder *b, int dir, struct hasher *hasher);
/**
 * The tree of the first @size leaves, from tiles and leaves, none of which is checked: compare the root. -ENOENT,
 * -EBADMSG: a tile is missing or none; the builder is not to be used then.
 */
int tile_builder_load(struct tile_builder *b, uint64_t size, const struct tile_leaves *leaves);
/**
 * Append a leaf. On -errno a tile could not be written, and the builder is not to be used any more: load again.
 */
int tile_builder_append(struct tile_builder *b, const uint8_t leaf[static AUDIT_HASH_SIZE]);

/* A tree of which the root is known, for proofs. */
struct tile_tree {
	struct tile_builder known; /* with a root that was checked, so that all in it is */
	struct tile_cached {
		bool valid;
		uint64_t number;
		struct tile tile;
	} full[TILE_LEVELS];
};

/**
 * The tree of @size leaves in @dir. @leaves is needed only here. -EBADMSG: tiles and leaves do not make @root;
 * -ENOENT: a tile is missing; what @leaves says.
 */
int tile_tree_open(struct tile_tree *t, int dir, struct hasher *hasher, uint64_t size,
		   const uint8_t root[static AUDIT_HASH_SIZE], const struct tile_leaves *leaves);
/**
 * For merkle_prove_inclusion() and merkle_prove_consistency(), up to the size of the tree: its complete subtrees,
 * those of one leaf included, each proved to be in it. -EBADMSG: a tile was changed; -ENOENT; -EINVAL: not in the tree.
 */
struct merkle_source tile_tree_source(struct tile_tree *t);

#endif
