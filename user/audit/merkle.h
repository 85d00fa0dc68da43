/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Merkle tree of RFC 6962 over leaf hashes: its root while it grows, and proofs that a leaf is in it
 * (inclusion) or that one tree begins with another (consistency). Nothing here reads files; where the
 * hashes of complete subtrees come from is the caller's to say (tile.h).
 */
#ifndef AUDIT_MERKLE_H
#define AUDIT_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#include "audit/hash.h"

#define MERKLE_SIZE_MAX	 AUDIT_INDEX_MAX /* leaves; 2^53 - 1 */
#define MERKLE_LEVELS	 54		 /* of complete subtrees: 2^0 to 2^53 leaves */
#define MERKLE_PROOF_MAX 64		 /* hashes; what a tree of MERKLE_SIZE_MAX needs is less */

/*
 * The right edge of a tree: all that is needed to append. subtrees[n] is the hash of the complete subtree of
 * 2^n leaves and is there if bit n of size is set. Start zeroed.
 */
struct merkle {
	uint64_t size;
	uint8_t subtrees[MERKLE_LEVELS][AUDIT_HASH_SIZE];
};

/* SHA-256(0x01 || left || right). @ret may be one of them. */
void merkle_node(struct hasher *h, const uint8_t left[static AUDIT_HASH_SIZE],
		 const uint8_t right[static AUDIT_HASH_SIZE], uint8_t ret[static AUDIT_HASH_SIZE]);
/* The hash over @count hashes, a power of two, which are overwritten. */
void merkle_fold(struct hasher *h, uint8_t (*hashes)[AUDIT_HASH_SIZE], size_t count,
		 uint8_t ret[static AUDIT_HASH_SIZE]);
/** Append a leaf. More than MERKLE_SIZE_MAX is a programmer's error. */
void merkle_append(struct merkle *m, struct hasher *h, const uint8_t leaf[static AUDIT_HASH_SIZE]);
/* The root; of the empty tree SHA-256 of nothing. */
void merkle_root(const struct merkle *m, struct hasher *h, uint8_t ret[static AUDIT_HASH_SIZE]);

/*
 * Where hashes of complete subtrees come from: of the one over the leaves [number << level,
 * (number + 1) << level). 0 or -errno, which the functions below hand on.
 */
struct merkle_source {
	int (*subtree)(unsigned int level, uint64_t number, uint8_t ret[static AUDIT_HASH_SIZE],
		       void *userdata);
	void *userdata;
};

struct merkle_proof {
	size_t count;
	uint8_t hashes[MERKLE_PROOF_MAX][AUDIT_HASH_SIZE];
};

/** The right edge of the tree of the first @size leaves. */
int merkle_load(const struct merkle_source *source, uint64_t size, struct merkle *ret);
/** The audit path of leaf @index in the tree of @size leaves. -EINVAL: it is not in there. */
int merkle_prove_inclusion(const struct merkle_source *source, struct hasher *h, uint64_t index,
			   uint64_t size, struct merkle_proof *ret);
/**
 * That the tree of @size leaves begins with that of @old. -EINVAL: @old is larger. Empty if they are of one
 * size, or @old is 0.
 */
int merkle_prove_consistency(const struct merkle_source *source, struct hasher *h, uint64_t old,
			     uint64_t size, struct merkle_proof *ret);

/** Does @proof lead from @leaf at @index to @root? 0, or -EBADMSG. RFC 9162, 2.1.3.2. */
int merkle_check_inclusion(struct hasher *h, const uint8_t leaf[static AUDIT_HASH_SIZE],
			   uint64_t index, uint64_t size, const struct merkle_proof *proof,
			   const uint8_t root[static AUDIT_HASH_SIZE]);
/**
 * Does @proof show that the tree of @size leaves and @root begins with that of @old leaves and @old_root? 0, or
 * -EBADMSG. RFC 9162, 2.1.4.2. Every tree begins with the empty one, which has only one root.
 */
int merkle_check_consistency(struct hasher *h, uint64_t old,
			     const uint8_t old_root[static AUDIT_HASH_SIZE], uint64_t size,
			     const uint8_t root[static AUDIT_HASH_SIZE],
			     const struct merkle_proof *proof);

#endif
