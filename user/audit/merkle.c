/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/merkle.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

void merkle_node(struct hasher *h, const uint8_t left[static AUDIT_HASH_SIZE],
		 const uint8_t right[static AUDIT_HASH_SIZE], uint8_t ret[static AUDIT_HASH_SIZE])
{
	uint8_t node[1 + 2 * AUDIT_HASH_SIZE] = {
		1}; /* hashed at once: there is one for each record */

	memcpy(node + 1, left, AUDIT_HASH_SIZE);
	memcpy(node + 1 + AUDIT_HASH_SIZE, right, AUDIT_HASH_SIZE);
	hash_bytes(h, node, sizeof(node), ret);
}

void merkle_fold(struct hasher *h, uint8_t (*hashes)[AUDIT_HASH_SIZE], size_t count,
		 uint8_t ret[static AUDIT_HASH_SIZE])
{
	/* Two that are to be hashed stand one behind the other; what they make is written to where is no need of them. */
	for (; count >= 2; count /= 2) {
		for (size_t i = 0; i < count / 2; i += HASH_MANY_MAX) {
			struct sha256_message nodes[HASH_MANY_MAX];
			unsigned int n = 0;

			for (; n < HASH_MANY_MAX && i + n < count / 2; n++)
				nodes[n] = (struct sha256_message){"\1", hashes[2 * (i + n)], 1,
								   2 * AUDIT_HASH_SIZE};
			hash_many(h, nodes, n, hashes + i);
		}
	}
	memcpy(ret, hashes[0], AUDIT_HASH_SIZE);
}

void merkle_append(struct merkle *m, struct hasher *h, const uint8_t leaf[static AUDIT_HASH_SIZE])
{
	uint8_t hash[AUDIT_HASH_SIZE];
	unsigned int level = 0;

	assert(m->size < MERKLE_SIZE_MAX);
	memcpy(hash, leaf, sizeof(hash));
	for (; m->size >> level & 1; level++)
		merkle_node(h, m->subtrees[level], hash, hash);
	memcpy(m->subtrees[level], hash, sizeof(hash));
	m->size++;
}

void merkle_root(const struct merkle *m, struct hasher *h, uint8_t ret[static AUDIT_HASH_SIZE])
{
	bool any = false;

	if (!m->size)
		return hash_bytes(h, "", 0, ret);
	for (unsigned int level = 0; level < MERKLE_LEVELS; level++) {
		if (!(m->size >> level & 1))
			continue;
		if (any)
			merkle_node(h, m->subtrees[level], ret, ret);
		else
			memcpy(ret, m->subtrees[level], AUDIT_HASH_SIZE);
		any = true;
	}
}

int merkle_load(const struct merkle_source *source, uint64_t size, struct merkle *ret)
{
	struct merkle m = {.size = size};

	if (size > MERKLE_SIZE_MAX)
		return -EINVAL;
	for (unsigned int level = 0; level < MERKLE_LEVELS; level++) {
		int r;

		if (!(size >> level & 1))
			continue;
		/* Larger subtrees come first, so what precedes this one is a multiple of its size. */
		r = source->subtree(level, (size >> level) - 1, m.subtrees[level],
				    source->userdata);
		if (r < 0)
			return r;
	}
	*ret = m;
	return 0;
}

/*
 * The hash of the leaves [@from, @to) where they are a node of a tree: @from is a multiple of a power of two that
 * is not smaller than their count.
 */
static int range_hash(const struct merkle_source *source, struct hasher *h, uint64_t from,
		      uint64_t to, uint8_t ret[static AUDIT_HASH_SIZE])
{
	uint8_t hash[AUDIT_HASH_SIZE], left[AUDIT_HASH_SIZE];
	bool any = false;

	for (unsigned int level = 0; level < MERKLE_LEVELS; level++) {
		uint8_t *at = any ? left : hash;
		int r;

		if (!((to - from) >> level & 1))
			continue;
		r = source->subtree(level, (to >> level) - 1, at, source->userdata);
		if (r < 0)
			return r;
		if (any)
			merkle_node(h, left, hash, hash);
		any = true;
	}
	memcpy(ret, hash, sizeof(hash));
	return 0;
}

/* The largest power of two that is smaller than @n, which is at least 2. */
static uint64_t split(uint64_t n)
{
	return 1ULL << (63 - __builtin_clzll(n - 1));
}

/* Paths are found from the root down and stated from the leaf up. */
static void reverse(struct merkle_proof *p)
{
	for (size_t i = 0; i < p->count / 2; i++) {
		uint8_t hash[AUDIT_HASH_SIZE];

		memcpy(hash, p->hashes[i], sizeof(hash));
		memcpy(p->hashes[i], p->hashes[p->count - 1 - i], sizeof(hash));
		memcpy(p->hashes[p->count - 1 - i], hash, sizeof(hash));
	}
}

int merkle_prove_inclusion(const struct merkle_source *source, struct hasher *h, uint64_t index,
			   uint64_t size, struct merkle_proof *ret)
{
	uint64_t from = 0, to = size;
	struct merkle_proof p = {0};

	if (index >= size || size > MERKLE_SIZE_MAX)
		return -EINVAL;
	while (to - from > 1) {
		uint64_t middle = from + split(to - from);
		bool left = index < middle;
		int r = range_hash(source, h, left ? middle : from, left ? to : middle,
				   p.hashes[p.count]);

		if (r < 0)
			return r;
		p.count++;
		if (left)
			to = middle;
		else
			from = middle;
	}
	reverse(&p);
	*ret = p;
	return 0;
}

int merkle_prove_consistency(const struct merkle_source *source, struct hasher *h, uint64_t old,
			     uint64_t size, struct merkle_proof *ret)
{
	uint64_t from = 0, to = size;
	struct merkle_proof p = {0};
	int r;

	if (old > size || size > MERKLE_SIZE_MAX)
		return -EINVAL;
	while (old && old != to) {
		uint64_t middle = from + split(to - from);
		bool left = old <= middle;

		r = range_hash(source, h, left ? middle : from, left ? to : middle,
			       p.hashes[p.count]);
		if (r < 0)
			return r;
		p.count++;
		if (left)
			to = middle;
		else
			from = middle;
	}
	/* Where the old tree ends in a subtree of its own, that is where the proof begins. */
	if (old && from) {
		r = range_hash(source, h, from, to, p.hashes[p.count]);
		if (r < 0)
			return r;
		p.count++;
	}
	reverse(&p);
	*ret = p;
	return 0;
}

int merkle_check_inclusion(struct hasher *h, const uint8_t leaf[static AUDIT_HASH_SIZE],
			   uint64_t index, uint64_t size, const struct merkle_proof *proof,
			   const uint8_t root[static AUDIT_HASH_SIZE])
{
	uint64_t fn = index, sn = size - 1;
	uint8_t hash[AUDIT_HASH_SIZE];

	if (index >= size || size > MERKLE_SIZE_MAX || proof->count > MERKLE_PROOF_MAX)
		return -EBADMSG;
	memcpy(hash, leaf, sizeof(hash));
	for (size_t i = 0; i < proof->count; i++) {
		if (!sn)
			return -EBADMSG;
		if (fn & 1 || fn == sn) {
			merkle_node(h, proof->hashes[i], hash, hash);
			for (; !(fn & 1) && fn; fn >>= 1)
				sn >>= 1;
		} else {
			merkle_node(h, hash, proof->hashes[i], hash);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return !sn && memcmp(hash, root, sizeof(hash)) == 0 ? 0 : -EBADMSG;
}

/* What can be said without a proof, and then there must be none. */
static int check_trivial(struct hasher *h, uint64_t old, const uint8_t *old_root, uint64_t size,
			 const uint8_t *root, const struct merkle_proof *proof)
{
	uint8_t empty[AUDIT_HASH_SIZE];

	hash_bytes(h, "", 0, empty);
	if (proof->count)
		return -EBADMSG;
	if (!old && memcmp(old_root, empty, sizeof(empty)) != 0)
		return -EBADMSG;
	if (old == size && memcmp(old_root, root, AUDIT_HASH_SIZE) != 0)
		return -EBADMSG;
	return 0;
}

int merkle_check_consistency(struct hasher *h, uint64_t old,
			     const uint8_t old_root[static AUDIT_HASH_SIZE], uint64_t size,
			     const uint8_t root[static AUDIT_HASH_SIZE],
			     const struct merkle_proof *proof)
{
	uint8_t first[AUDIT_HASH_SIZE], second[AUDIT_HASH_SIZE];
	uint64_t fn = old - 1, sn = size - 1;
	size_t next = 0;

	if (old > size || size > MERKLE_SIZE_MAX || proof->count > MERKLE_PROOF_MAX)
		return -EBADMSG;
	if (!old || old == size)
		return check_trivial(h, old, old_root, size, root, proof);
	for (; fn & 1; fn >>= 1)
		sn >>= 1;
	/* An old tree that is one complete subtree is where the proof begins, and not repeated in it. */
	if (fn && !proof->count)
		return -EBADMSG;
	memcpy(first, fn ? proof->hashes[next++] : old_root, sizeof(first));
	memcpy(second, first, sizeof(second));
	for (; next < proof->count; next++) {
		const uint8_t *hash = proof->hashes[next];

		if (!sn)
			return -EBADMSG;
		if (fn & 1 || fn == sn) {
			merkle_node(h, hash, first, first);
			merkle_node(h, hash, second, second);
			for (; !(fn & 1) && fn; fn >>= 1)
				sn >>= 1;
		} else {
			merkle_node(h, second, hash, second);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return !sn && memcmp(first, old_root, sizeof(first)) == 0 &&
			       memcmp(second, root, sizeof(second)) == 0
		       ? 0
		       : -EBADMSG;
}
