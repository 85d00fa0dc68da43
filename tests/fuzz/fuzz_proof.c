/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A tree of up to 2,000 leaves with its tiles in files, and an input of: kind, a size and an index in it (2 bytes each,
 * little-endian), then damage. Proofs that the tree gives are believed, and only those: whatever else is read as one
 * (count and hashes from the input, or the true one changed) is refused unless it is the true one. Tiles of which a byte
 * was changed give no proof that is not true.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "audit/tile.h"
#include "fuzz.h"
#include "scratch.h"

#define LEAVES 2000

static struct hasher hasher;
static uint8_t leaves[LEAVES][AUDIT_HASH_SIZE], roots[LEAVES + 1][AUDIT_HASH_SIZE];
static struct tile_builder builder;
static struct tile_tree tree;
static int dir = -1;

static int leaf(uint64_t index, uint8_t *ret, void *userdata)
{
	(void)userdata;
	memcpy(ret, leaves[index], AUDIT_HASH_SIZE);
	return 0;
}

static const struct tile_leaves source_leaves = {leaf, NULL};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	REQUIRE(hasher_init(&hasher) == 0, "no memory");
	dir = open(scratch_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tile_builder_init(&builder, dir, &hasher);
	merkle_root(&builder.edge, &hasher, roots[0]);
	for (unsigned int i = 0; i < LEAVES; i++) {
		hash_leaf(&hasher, &i, sizeof(i), leaves[i]);
		REQUIRE(tile_builder_append(&builder, leaves[i]) == 0, "no tiles");
		merkle_root(&builder.edge, &hasher, roots[i + 1]);
	}
	return 0;
}

static bool same(const struct merkle_proof *a, const struct merkle_proof *b)
{
	return a->count == b->count &&
	       memcmp(a->hashes, b->hashes, a->count * AUDIT_HASH_SIZE) == 0;
}

/* A proof as the input has it; or the true one with some bytes changed. */
static struct merkle_proof claimed(const struct merkle_proof *truth, const uint8_t *data,
				   size_t size)
{
	struct merkle_proof p = *truth;

	if (!size)
		return p;
	if (data[0] & 1) {
		p.count = data[0] / 2;
		memset(p.hashes, 0, sizeof(p.hashes));
		memcpy(p.hashes, data + 1,
		       size - 1 < sizeof(p.hashes) ? size - 1 : sizeof(p.hashes));
		return p;
	}
	for (size_t i = 1; i + 1 < size; i += 2)
		p.hashes[data[i] % (p.count ? p.count : 1)][data[i] / 8] ^= data[i + 1];
	p.count += data[0] / 2 % 3;
	p.count -= p.count ? data[0] / 8 % 2 : 0;
	return p;
}

static void check_inclusion(uint64_t index, uint64_t size, const uint8_t *data, size_t left)
{
	struct merkle_source source = tile_tree_source(&tree);
	struct merkle_proof truth, claim;
	int r = merkle_prove_inclusion(&source, &hasher, index, size, &truth);

	REQUIRE(r == (index < size ? 0 : -EINVAL), "%d", r);
	if (r < 0)
		truth = (struct merkle_proof){0};
	else
		REQUIRE(merkle_check_inclusion(&hasher, leaves[index], index, size, &truth,
					       roots[size]) == 0,
			"the true proof is refused");
	claim = claimed(&truth, data, left);
	if (merkle_check_inclusion(&hasher, leaves[index % LEAVES], index, size, &claim,
				   roots[size]) == 0)
		REQUIRE(r == 0 && same(&claim, &truth), "another proof is believed");
}

static void check_consistency(uint64_t old, uint64_t size, const uint8_t *data, size_t left)
{
	struct merkle_source source = tile_tree_source(&tree);
	struct merkle_proof truth = {0}, claim;
	int r = merkle_prove_consistency(&source, &hasher, old, size, &truth);

	REQUIRE(r == (old <= size ? 0 : -EINVAL), "%d", r);
	if (r == 0)
		REQUIRE(merkle_check_consistency(&hasher, old, roots[old], size, roots[size],
						 &truth) == 0,
			"the true proof is refused");
	claim = claimed(&truth, data, left);
	if (merkle_check_consistency(&hasher, old, roots[old], size, roots[size], &claim) == 0)
		REQUIRE(r == 0 && same(&claim, &truth), "another proof is believed");
}

/* Change one tile, prove, and put it back. */
static void check_tiles(uint64_t index, uint64_t size, const uint8_t *data, size_t left)
{
	uint64_t number = left ? data[0] % (LEAVES / TILE_WIDTH) : 0;
	struct merkle_source source;
	struct merkle_proof proof;
	struct tile good, bad;
	int r;

	REQUIRE(tile_read(dir, 0, number, &good) == 0, "no tile");
	bad = good;
	for (size_t i = 1; i + 1 < left; i += 2)
		bad.hashes[data[i]][data[i + 1] / 8] ^= (uint8_t)(1 << data[i + 1] % 8);
	REQUIRE(tile_write(dir, 0, number, &bad) == 0, "cannot write");
	r = tile_tree_open(&tree, dir, &hasher, size, roots[size], &source_leaves);
	REQUIRE(r == 0 || r == -EBADMSG, "%d", r);
	source = tile_tree_source(&tree);
	if (r == 0)
		r = merkle_prove_inclusion(&source, &hasher, index, size, &proof);
	if (r == 0)
		REQUIRE(merkle_check_inclusion(&hasher, leaves[index], index, size, &proof,
					       roots[size]) == 0,
			"a proof that is not true");
	else
		REQUIRE(r == -EBADMSG || index >= size, "%d", r);
	REQUIRE(tile_write(dir, 0, number, &good) == 0, "cannot write");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t n, index;

	if (size < 5)
		return 0;
	n = (data[1] | (uint64_t)data[2] << 8) % (LEAVES + 1);
	index = (data[3] | (uint64_t)data[4] << 8) % (LEAVES + 1);
	if (data[0] % 3 == 2) {
		check_tiles(index, n, data + 5, size - 5);
		return 0;
	}
	REQUIRE(tile_tree_open(&tree, dir, &hasher, n, roots[n], &source_leaves) == 0, "no tree");
	if (data[0] % 3 == 0)
		check_inclusion(index, n, data + 5, size - 5);
	else
		check_consistency(index, n, data + 5, size - 5);
	return 0;
}
