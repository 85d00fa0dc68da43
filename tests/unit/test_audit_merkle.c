/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Merkle tree against the definitions of RFC 6962 section 2.1, written down again here as they stand there
 * (recursive and slow), and against the roots that other implementations publish.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "audit/merkle.h"
#include "base/cleanup.h"

#define LEAVES	   257
#define PAIRS_UPTO 64

static struct hasher hasher;
static uint8_t leaves[LEAVES][AUDIT_HASH_SIZE];

static int setup(void **state)
{
	(void)state;
	if (hasher_init(&hasher) < 0)
		return -1;
	for (size_t i = 0; i < LEAVES; i++)
		hash_leaf(&hasher, &i, sizeof(i), leaves[i]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	hasher_done(&hasher);
	return 0;
}

static size_t split(size_t n)
{
	size_t k = 1;

	while (2 * k < n)
		k *= 2;
	return k;
}

/* MTH(D[from:to]) */
static void naive_root(size_t from, size_t to, uint8_t *ret)
{
	uint8_t left[AUDIT_HASH_SIZE], right[AUDIT_HASH_SIZE];
	size_t k;

	if (to == from)
		return hash_bytes(&hasher, "", 0, ret);
	if (to - from == 1) {
		memcpy(ret, leaves[from], AUDIT_HASH_SIZE);
		return;
	}
	k = split(to - from);
	naive_root(from, from + k, left);
	naive_root(from + k, to, right);
	merkle_node(&hasher, left, right, ret);
}

static void push(struct merkle_proof *p, size_t from, size_t to)
{
	naive_root(from, to, p->hashes[p->count++]);
}

/* PATH(m, D[from:to]) */
static void naive_path(size_t m, size_t from, size_t to, struct merkle_proof *p)
{
	size_t k;

	if (to - from == 1)
		return;
	k = split(to - from);
	if (m < k) {
		naive_path(m, from, from + k, p);
		push(p, from + k, to);
	} else {
		naive_path(m - k, from + k, to, p);
		push(p, from, from + k);
	}
}

/* SUBPROOF(m, D[from:to], b) */
static void naive_subproof(size_t m, size_t from, size_t to, int b, struct merkle_proof *p)
{
	size_t k;

	if (m == to - from) {
		if (!b)
			push(p, from, to);
		return;
	}
	k = split(to - from);
	if (m <= k) {
		naive_subproof(m, from, from + k, b, p);
		push(p, from + k, to);
	} else {
		naive_subproof(m - k, from + k, to, 0, p);
		push(p, from, from + k);
	}
}

static int subtree(unsigned int level, uint64_t number, uint8_t *ret, void *userdata)
{
	const size_t *size = userdata;

	/* Nothing outside the tree is asked for. */
	assert_true(((number + 1) << level) <= *size);
	naive_root((size_t)(number << level), (size_t)((number + 1) << level), ret);
	return 0;
}

static void assert_same(const struct merkle_proof *a, const struct merkle_proof *b)
{
	assert_int_equal(a->count, b->count);
	assert_memory_equal(a->hashes, b->hashes, a->count * AUDIT_HASH_SIZE);
}

static void published_roots(void **state)
{
	static const struct {
		const char *data;
		size_t length;
		const char *root;
	} rows[] = {
		{"", 0, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
		{"\x00", 1, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
		{"\x10", 1, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
		{"\x20\x21", 2, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
		{"\x30\x31", 2, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
		{"\x40\x41\x42\x43", 4,
		 "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
		{"\x50\x51\x52\x53\x54\x55\x56\x57", 8,
		 "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
		{"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16,
		 "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
	};
	struct merkle m = {0};
	uint8_t hash[AUDIT_HASH_SIZE];
	char hex[AUDIT_HASH_TEXT];

	(void)state;
	merkle_root(&m, &hasher, hash);
	hex_format(hash, sizeof(hash), hex);
	assert_string_equal(hex,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		hash_leaf(&hasher, rows[i].data, rows[i].length, hash);
		merkle_append(&m, &hasher, hash);
		merkle_root(&m, &hasher, hash);
		hex_format(hash, sizeof(hash), hex);
		assert_string_equal(hex, rows[i].root);
	}
}

static void a_growing_tree_has_the_root_of_the_definition(void **state)
{
	struct merkle m = {0};

	(void)state;
	for (size_t size = 0; size <= LEAVES; size++) {
		struct merkle_source source = {subtree, &size};
		uint8_t want[AUDIT_HASH_SIZE], got[AUDIT_HASH_SIZE];
		struct merkle loaded;

		naive_root(0, size, want);
		merkle_root(&m, &hasher, got);
		assert_memory_equal(got, want, sizeof(want));
		assert_int_equal(merkle_load(&source, size, &loaded), 0);
		merkle_root(&loaded, &hasher, got);
		assert_memory_equal(got, want, sizeof(want));
		if (size < LEAVES)
			merkle_append(&m, &hasher, leaves[size]);
	}
}

static void check_one_inclusion(size_t index, size_t size)
{
	struct merkle_source source = {subtree, &size};
	struct merkle_proof p, want = {0};
	uint8_t root[AUDIT_HASH_SIZE];
	const uint8_t *leaf = leaves[index];

	naive_root(0, size, root);
	naive_path(index, 0, size, &want);
	assert_int_equal(merkle_prove_inclusion(&source, &hasher, index, size, &p), 0);
	assert_same(&p, &want);
	assert_int_equal(merkle_check_inclusion(&hasher, leaf, index, size, &p, root), 0);

	for (size_t other = 0; other <= size; other++)
		if (other != index)
			assert_int_equal(
				merkle_check_inclusion(&hasher, leaf, other, size, &p, root),
				-EBADMSG);
	if (size > 1)
		assert_int_equal(merkle_check_inclusion(&hasher, leaves[(index + 1) % size], index,
							size, &p, root),
				 -EBADMSG);
	for (size_t i = 0; i < p.count; i++) {
		p.hashes[i][i % AUDIT_HASH_SIZE] ^= 1;
		assert_int_equal(merkle_check_inclusion(&hasher, leaf, index, size, &p, root),
				 -EBADMSG);
		p.hashes[i][i % AUDIT_HASH_SIZE] ^= 1;
	}
	p.count++;
	assert_int_equal(merkle_check_inclusion(&hasher, leaf, index, size, &p, root), -EBADMSG);
	p.count = want.count - 1;
	if (want.count)
		assert_int_equal(merkle_check_inclusion(&hasher, leaf, index, size, &p, root),
				 -EBADMSG);
}

static void every_leaf_of_every_tree_can_be_proved(void **state)
{
	(void)state;
	for (size_t size = 1; size <= PAIRS_UPTO; size++)
		for (size_t index = 0; index < size; index++)
			check_one_inclusion(index, size);
	for (size_t index = 0; index < LEAVES; index += 8)
		check_one_inclusion(index, LEAVES);
}

static void check_one_consistency(size_t old, size_t size)
{
	struct merkle_source source = {subtree, &size};
	struct merkle_proof p, want = {0};
	uint8_t old_root[AUDIT_HASH_SIZE], root[AUDIT_HASH_SIZE];

	naive_root(0, old, old_root);
	naive_root(0, size, root);
	if (old && old < size)
		naive_subproof(old, 0, size, 1, &want);
	assert_int_equal(merkle_prove_consistency(&source, &hasher, old, size, &p), 0);
	assert_same(&p, &want);
	assert_int_equal(merkle_check_consistency(&hasher, old, old_root, size, root, &p), 0);

	old_root[7] ^= 1;
	assert_int_equal(merkle_check_consistency(&hasher, old, old_root, size, root, &p),
			 -EBADMSG);
	old_root[7] ^= 1;
	root[9] ^= 1;
	if (old)
		assert_int_equal(merkle_check_consistency(&hasher, old, old_root, size, root, &p),
				 -EBADMSG);
	root[9] ^= 1;
	for (size_t i = 0; i < p.count; i++) {
		p.hashes[i][i % AUDIT_HASH_SIZE] ^= 1;
		assert_int_equal(merkle_check_consistency(&hasher, old, old_root, size, root, &p),
				 -EBADMSG);
		p.hashes[i][i % AUDIT_HASH_SIZE] ^= 1;
	}
	p.count++;
	assert_int_equal(merkle_check_consistency(&hasher, old, old_root, size, root, &p),
			 -EBADMSG);
	p.count = want.count - 1;
	if (want.count)
		assert_int_equal(merkle_check_consistency(&hasher, old, old_root, size, root, &p),
				 -EBADMSG);
}

static void every_tree_can_be_proved_to_begin_with_every_smaller_one(void **state)
{
	(void)state;
	for (size_t size = 0; size <= PAIRS_UPTO; size++)
		for (size_t old = 0; old <= size; old++)
			check_one_consistency(old, size);
	for (size_t old = 0; old <= LEAVES; old += 16)
		check_one_consistency(old, LEAVES);
}

static void a_changed_leaf_cannot_be_proved_away(void **state)
{
	uint8_t old_root[AUDIT_HASH_SIZE], root[AUDIT_HASH_SIZE];

	(void)state;
	for (size_t old = 1; old < PAIRS_UPTO; old++) {
		size_t size = PAIRS_UPTO;
		struct merkle_source source = {subtree, &size};
		struct merkle_proof p;

		naive_root(0, old, old_root);
		leaves[old - 1][0] ^= 1;
		naive_root(0, size, root);
		assert_int_equal(merkle_prove_consistency(&source, &hasher, old, size, &p), 0);
		leaves[old - 1][0] ^= 1;
		assert_int_equal(merkle_check_consistency(&hasher, old, old_root, size, root, &p),
				 -EBADMSG);
	}
}

static int refuse(unsigned int level, uint64_t number, uint8_t *ret, void *userdata)
{
	(void)level;
	(void)number;
	(void)ret;
	(void)userdata;
	return -ENODATA;
}

static void what_cannot_be_proved_is_an_error(void **state)
{
	struct merkle_source source = {refuse, NULL};
	uint8_t hash[AUDIT_HASH_SIZE] = {0};
	struct merkle_proof p = {.count = MERKLE_PROOF_MAX + 1};
	struct merkle m;

	(void)state;
	assert_int_equal(merkle_check_inclusion(&hasher, hash, 0, 1, &p, hash), -EBADMSG);
	assert_int_equal(merkle_check_consistency(&hasher, 1, hash, 2, hash, &p), -EBADMSG);
	p.count = 0;
	assert_int_equal(merkle_check_inclusion(&hasher, hash, 0, 0, &p, hash), -EBADMSG);
	assert_int_equal(merkle_check_inclusion(&hasher, hash, 0, UINT64_MAX, &p, hash), -EBADMSG);
	assert_int_equal(merkle_check_consistency(&hasher, 3, hash, 2, hash, &p), -EBADMSG);
	assert_int_equal(merkle_prove_inclusion(&source, &hasher, 5, 5, &p), -EINVAL);
	assert_int_equal(merkle_prove_inclusion(&source, &hasher, 0, UINT64_MAX, &p), -EINVAL);
	assert_int_equal(merkle_prove_consistency(&source, &hasher, 6, 5, &p), -EINVAL);
	assert_int_equal(merkle_prove_inclusion(&source, &hasher, 1, 5, &p), -ENODATA);
	assert_int_equal(merkle_prove_consistency(&source, &hasher, 3, 5, &p), -ENODATA);
	assert_int_equal(merkle_load(&source, 5, &m), -ENODATA);
}

static void a_full_subtree_is_folded_to_the_root_of_its_leaves(void **state)
{
	(void)state;
	for (size_t count = 1; count <= 256; count *= 2) {
		uint8_t copy[256][AUDIT_HASH_SIZE], wanted[AUDIT_HASH_SIZE], got[AUDIT_HASH_SIZE];

		memcpy(copy, leaves, sizeof(copy));
		merkle_fold(&hasher, copy, count, got);
		naive_root(0, count, wanted);
		assert_memory_equal(got, wanted, sizeof(got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_roots),
		cmocka_unit_test(a_growing_tree_has_the_root_of_the_definition),
		cmocka_unit_test(every_leaf_of_every_tree_can_be_proved),
		cmocka_unit_test(every_tree_can_be_proved_to_begin_with_every_smaller_one),
		cmocka_unit_test(a_changed_leaf_cannot_be_proved_away),
		cmocka_unit_test(what_cannot_be_proved_is_an_error),
		cmocka_unit_test(a_full_subtree_is_folded_to_the_root_of_its_leaves),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
