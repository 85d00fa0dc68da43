/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tiles: where c2sp.org/tlog-tiles wants them, and none that was changed is believed. */
#include "test_audit.h"

#include "audit/merkle.h"
#include "audit/tile.h"

#define SPEC_SIZE 70000 /* the example of c2sp.org/tlog-tiles */

static struct hasher hasher;
static int dir = -1;

static void leaf_hash(uint64_t index, uint8_t *ret)
{
	hash_leaf(&hasher, &index, sizeof(index), ret);
}

static int leaf(uint64_t index, uint8_t *ret, void *userdata)
{
	(void)userdata;
	leaf_hash(index, ret);
	return 0;
}

static const struct tile_leaves leaves = {leaf, NULL};

static int set_up(void **state)
{
	const struct log *l;

	log_set_up(state);
	l = *state;
	mkdir(l->path, 0700);
	dir = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : hasher_init(&hasher);
}

static int tear_down(void **state)
{
	close(dir);
	hasher_done(&hasher);
	return log_tear_down(state);
}

/* The tree of @size leaves, with its tiles in the directory. */
static void build(struct tile_builder *b, uint64_t size, uint8_t *ret_root)
{
	uint8_t hash[AUDIT_HASH_SIZE];

	tile_builder_init(b, dir, &hasher);
	while (b->edge.size < size) {
		leaf_hash(b->edge.size, hash);
		assert_int_equal(tile_builder_append(b, hash), 0);
	}
	merkle_root(&b->edge, &hasher, ret_root);
}

static void paths_are_those_of_the_specification(void **state)
{
	static const struct {
		unsigned int level;
		uint64_t number;
		const char *want;
	} rows[] = {
		{0, 0, "tile/0/000"},
		{0, 999, "tile/0/999"},
		{1, 1000, "tile/1/x001/000"},
		{0, 1234067, "tile/0/x001/x234/067"},
		{0, AUDIT_INDEX_MAX / 256, "tile/0/x035/x184/x372/x088/831"},
		{6, 31, "tile/6/031"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char path[TILE_PATH_SIZE];

		tile_path(rows[i].level, rows[i].number, path);
		assert_string_equal(path, rows[i].want);
	}
}

static unsigned int count_tiles(unsigned int level)
{
	struct tile tile;
	unsigned int n = 0;

	while (tile_read(dir, level, n, &tile) == 0)
		n++;
	return n;
}

static void full_tiles_are_written_and_only_those(void **state)
{
	static struct tile_builder b;
	uint8_t root[AUDIT_HASH_SIZE], hash[AUDIT_HASH_SIZE];
	struct tile tile;

	(void)state;
	build(&b, 255, root);
	assert_int_equal(count_tiles(0), 0);
	build(&b, SPEC_SIZE, root);
	assert_int_equal(count_tiles(0), 273);
	assert_int_equal(count_tiles(1), 1);
	assert_int_equal(count_tiles(2), 0);
	assert_int_equal(tile_read(dir, 0, 272, &tile), 0);
	leaf_hash(272 * 256 + 3, hash);
	assert_memory_equal(tile.hashes[3], hash, sizeof(hash));
	tile_hash(&hasher, &tile, hash);
	assert_memory_equal(b.right[1].hashes[272 % 256], hash, sizeof(hash));
}

static void a_loaded_builder_goes_on_as_if_it_had_never_stopped(void **state)
{
	static const uint64_t sizes[] = {0, 1, 255, 256, 257, 511, 4096, 65535, 65536, 65537};
	static struct tile_builder b, loaded;
	uint8_t root[AUDIT_HASH_SIZE], hash[AUDIT_HASH_SIZE];

	(void)state;
	build(&b, 66000, root);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct merkle plain = {0};

		tile_builder_init(&loaded, dir, &hasher);
		assert_int_equal(tile_builder_load(&loaded, sizes[i], &leaves), 0);
		for (uint64_t n = 0; n < sizes[i]; n++) {
			leaf_hash(n, hash);
			merkle_append(&plain, &hasher, hash);
		}
		assert_int_equal(loaded.edge.size, plain.size);
		for (unsigned int bit = 0; bit < MERKLE_LEVELS; bit++)
			if (plain.size >> bit & 1)
				assert_memory_equal(loaded.edge.subtrees[bit], plain.subtrees[bit],
						    AUDIT_HASH_SIZE);
		while (loaded.edge.size < 66000) {
			leaf_hash(loaded.edge.size, hash);
			assert_int_equal(tile_builder_append(&loaded, hash), 0);
		}
		merkle_root(&loaded.edge, &hasher, hash);
		assert_memory_equal(hash, root, sizeof(hash));
	}
}

static void check_proofs(struct tile_tree *t, uint64_t size, const uint8_t *root)
{
	struct merkle_source source = tile_tree_source(t);

	for (uint64_t index = 0; index < size; index += 977) {
		uint8_t hash[AUDIT_HASH_SIZE];
		struct merkle_proof proof;

		assert_int_equal(merkle_prove_inclusion(&source, &hasher, index, size, &proof), 0);
		leaf_hash(index, hash);
		assert_int_equal(merkle_check_inclusion(&hasher, hash, index, size, &proof, root),
				 0);
		assert_int_equal(source.subtree(0, index, proof.hashes[0], t), 0);
		assert_memory_equal(proof.hashes[0], hash, sizeof(hash));
	}
	for (uint64_t old = 1; old <= size; old += 997) {
		uint8_t old_root[AUDIT_HASH_SIZE];
		struct merkle_proof proof;
		struct merkle edge;

		assert_int_equal(merkle_load(&source, old, &edge), 0);
		merkle_root(&edge, &hasher, old_root);
		assert_int_equal(merkle_prove_consistency(&source, &hasher, old, size, &proof), 0);
		assert_int_equal(
			merkle_check_consistency(&hasher, old, old_root, size, root, &proof), 0);
	}
}

static void proofs_come_from_tiles(void **state)
{
	static const uint64_t sizes[] = {1, 300, 65536, SPEC_SIZE};
	static struct tile_builder b;
	static struct tile_tree t;
	uint8_t root[AUDIT_HASH_SIZE], hash[AUDIT_HASH_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		build(&b, sizes[i], root);
		assert_int_equal(tile_tree_open(&t, dir, &hasher, sizes[i], root, &leaves), 0);
		check_proofs(&t, sizes[i], root);
	}
	assert_int_equal(tile_tree_source(&t).subtree(0, SPEC_SIZE, hash, &t), -EINVAL);
	assert_int_equal(tile_tree_source(&t).subtree(60, 0, hash, &t), -EINVAL);
	root[0] ^= 1;
	assert_int_equal(tile_tree_open(&t, dir, &hasher, SPEC_SIZE, root, &leaves), -EBADMSG);
}

/* A tile that was changed: proofs that would use it fail, others do not. */
static void a_changed_tile_is_not_believed(void **state)
{
	const struct log *l = *state;
	static struct tile_builder b;
	static struct tile_tree t;
	uint8_t root[AUDIT_HASH_SIZE];
	struct merkle_proof proof;
	struct merkle_source source;
	struct tile tile;

	build(&b, SPEC_SIZE, root);
	assert_int_equal(tile_tree_open(&t, dir, &hasher, SPEC_SIZE, root, &leaves), 0);
	source = tile_tree_source(&t);
	assert_int_equal(tile_read(dir, 0, 5, &tile), 0);
	tile.hashes[7][0] ^= 1;
	assert_int_equal(tile_write(dir, 0, 5, &tile), 0);
	assert_int_equal(merkle_prove_inclusion(&source, &hasher, 5 * 256, SPEC_SIZE, &proof),
			 -EBADMSG);
	assert_int_equal(merkle_prove_inclusion(&source, &hasher, 6 * 256, SPEC_SIZE, &proof), 0);

	file_remove(l, "tile/0/006");
	tile_tree_open(&t, dir, &hasher, SPEC_SIZE, root, &leaves);
	assert_int_equal(merkle_prove_inclusion(&source, &hasher, 6 * 256, SPEC_SIZE, &proof),
			 -ENOENT);
	file_put(l, "tile/0/006", tile.hashes[0], 100);
	assert_int_equal(merkle_prove_inclusion(&source, &hasher, 6 * 256, SPEC_SIZE, &proof),
			 -EBADMSG);
	/* One that the root itself rests on. */
	assert_int_equal(tile_read(dir, 0, 260, &tile), 0);
	tile.hashes[255][31] ^= 1;
	assert_int_equal(tile_write(dir, 0, 260, &tile), 0);
	assert_int_equal(tile_tree_open(&t, dir, &hasher, SPEC_SIZE, root, &leaves), -EBADMSG);
}

static void what_cannot_be_written_is_an_error(void **state)
{
	const struct log *l = *state;
	static struct tile_builder b;
	uint8_t root[AUDIT_HASH_SIZE], hash[AUDIT_HASH_SIZE] = {0};

	build(&b, 255, root);
	file_put(l, "tile", hash, 1); /* where a directory is needed */
	assert_true(tile_builder_append(&b, hash) < 0);
	assert_int_equal(tile_builder_load(&b, 256, &leaves), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_those_of_the_specification),
		cmocka_unit_test_setup_teardown(full_tiles_are_written_and_only_those, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_loaded_builder_goes_on_as_if_it_had_never_stopped,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(proofs_come_from_tiles, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_changed_tile_is_not_believed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_written_is_an_error, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
