/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What checkpoints add to verification, and proofs for those who have not got the log: signed logs, changed by somebody
 * who has not got the key, in every way there is.
 */
#include "test_audit_signed.h"

static void verify_says_what_a_checkpoint_covers(void **state)
{
	const struct log *l = *state;

	for (unsigned int count = 1; count < 1100; count += count < 250 ? 83 : 97) {
		struct audit_verdict v;

		make_signed(l, 20000, count);
		more(l, 3);
		v = verdict_with(l, NULL);
		assert_found(&v, AUDIT_FINDING_NONE, 0);
		assert_true(v.own.there && v.own.covers && !v.given.there);
		assert_int_equal(v.own.size, count);
		assert_int_equal(v.length, count + 3);
		assert_int_equal(v.own.signature, AUDIT_SIGNATURE_OWN);
		assert_int_equal(v.tiles_equal, count / TILE_WIDTH);
		log_clear(l);
	}
}

static void a_checkpoint_kept_elsewhere_is_covered_or_the_log_was_rolled_back(void **state)
{
	const struct log *l = *state;
	struct audit_verify_options options = {0};
	struct bytes early, late;
	struct note_verifier key;
	struct audit_verdict v;
	char old[80];

	make_signed(l, 30000, 300);
	key = own_key(l);
	early = file_get(l, "checkpoint");
	snprintf(old, sizeof(old), "%s/old", l->root);
	copy_log(l->path, old);
	more(l, 400);
	seal(l);
	late = file_get(l, "checkpoint");
	options.checkpoint = (const char *)early.data;
	options.checkpoint_length = early.length;
	options.key = &key;
	v = verdict_with(l, &options);
	assert_found(&v, AUDIT_FINDING_NONE, 0);
	assert_true(v.given.covers && v.own.covers);
	assert_int_equal(v.given.size, 300);
	assert_int_equal(v.given.signature, AUDIT_SIGNATURE_GIVEN);
	copy_log(old, l->path);
	assert_in_order(l, 300);
	options.checkpoint = (const char *)late.data;
	options.checkpoint_length = late.length;
	v = verdict_with(l, &options);
	assert_found(&v, AUDIT_FINDING_ROLLED_BACK, 300);
	bytes_done(&early);
	bytes_done(&late);
}

/* The same number of other records, chained anew; keys, tiles and checkpoint are those of the true ones. */
static void a_log_that_was_chained_anew_without_the_key_is_found_by_its_own_checkpoint(void **state)
{
	const struct log *l = *state;
	static const char *const kept[] = {"checkpoint", "keys", "tile/0/000"};
	struct bytes files[ARRAY_SIZE(kept)];
	struct audit_verdict v;
	char path[160];

	make_signed(l, 0, 600);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		files[i] = file_get(l, kept[i]);
	log_clear(l);
	log_make(l, 0, 6, 100);
	snprintf(path, sizeof(path), "%s/tile", l->path);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/tile/0", l->path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_in_order(l, 600);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		file_put(l, kept[i], files[i].data, files[i].length);
	v = verdict_with(l, NULL);
	assert_found(&v, AUDIT_FINDING_CHECKPOINT_ROOT, 0);
	/* Without the checkpoint only somebody with the key notices. */
	file_remove(l, "checkpoint");
	file_remove(l, "tile/0/000");
	assert_in_order(l, 600);
	{
		struct note_verifier key = own_key(l);
		const struct audit_verify_options options = {.key = &key};

		v = verdict_with(l, &options);
		assert_found(&v, AUDIT_FINDING_CHECKPOINT_MISSING, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		bytes_done(&files[i]);
}

static void every_changed_tile_is_named(void **state)
{
	const struct log *l = *state;
	struct audit_verdict v;
	struct bytes tile;

	make_signed(l, 4U << 20, 66000);
	v = verdict_with(l, NULL);
	assert_found(&v, AUDIT_FINDING_NONE, 0);
	assert_int_equal(v.tiles_equal, 66000 / 256 + 1);
	tile = file_get(l, "tile/0/100");
	file_poke(l, "tile/0/100", 7 * 32 + 5, (uint8_t)~tile.data[7 * 32 + 5]);
	v = verdict_with(l, NULL);
	assert_found(&v, AUDIT_FINDING_TILE, 100 * 256 + 7);
	assert_string_equal(v.segment, "tile/0/100");
	file_put(l, "tile/0/100", tile.data, tile.length);
	bytes_done(&tile);
	tile = file_get(l, "tile/1/000");
	file_poke(l, "tile/1/000", 3 * 32, (uint8_t)~tile.data[3 * 32]);
	v = verdict_with(l, NULL);
	assert_found(&v, AUDIT_FINDING_TILE, 3 * 256);
	assert_string_equal(v.segment, "tile/1/000");
	bytes_done(&tile);
	file_remove(l, "tile/1/000");
	v = verdict_with(l, NULL);
	assert_found(&v, AUDIT_FINDING_NONE, 0);
	assert_int_equal(v.tiles_missing, 1);
}

static void a_checkpoint_that_was_changed_is_not_believed(void **state)
{
	const struct log *l = *state;
	struct note_signer other = {0};
	struct audit_verify_options options = {0};
	struct audit_verdict v;
	struct bytes note;

	make_signed(l, 0, 5);
	note = file_get(l, "checkpoint");
	for (size_t i = 0; i < note.length; i++) {
		file_poke(l, "checkpoint", i, note.data[i] ^ 1);
		v = verdict_with(l, NULL);
		assert_found(&v, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0);
		file_poke(l, "checkpoint", i, note.data[i]);
	}
	assert_int_equal(key_generate(own_key(l).name, &other, NULL), 0);
	options.key = &other.verifier;
	v = verdict_with(l, &options);
	assert_found(&v, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0);
	note_signer_done(&other);
	bytes_done(&note);
}

/* Whatever is wrong with a log of many segments, any number of threads finds the same. */
static void any_number_of_threads_finds_the_same(void **state)
{
	const struct log *l = *state;
	static const unsigned int threads[] = {1, 2, 7};
	struct bytes segment;
	unsigned int seed = 1;

	make_signed(l, 6000, 800);
	assert_true(verdict(l).segments > 5);
	segment = file_get(l, FIRST_SEGMENT);
	for (unsigned int round = 0; round < 300; round++) {
		size_t at;
		struct audit_verdict first = {0};

		seed = seed * 1103515245 + 12345;
		at = seed / 65536 % segment.length;
		file_poke(l, FIRST_SEGMENT, at, segment.data[at] ^ (uint8_t)(1 << round % 8));
		for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
			const struct audit_verify_options options = {.threads = threads[i]};
			struct audit_verdict v = verdict_with(l, &options);

			assert_int_not_equal(v.status, AUDIT_OK);
			if (!i)
				first = v;
			assert_int_equal(v.finding, first.finding);
			assert_int_equal(v.index, first.index);
			assert_string_equal(v.words, first.words);
			assert_int_equal(v.records, first.records);
		}
		file_poke(l, FIRST_SEGMENT, at, segment.data[at]);
	}
	bytes_done(&segment);
}

static uint64_t began_ns(const struct log *l, uint64_t segment)
{
	struct segment_header h;
	uint8_t seal_of_it[AUDIT_HASH_SIZE];
	char name[SEGMENT_NAME_SIZE];
	struct hasher hasher;
	struct bytes b;

	segment_name(segment, name);
	b = file_get(l, name);
	assert_int_equal(hasher_init(&hasher), 0);
	assert_int_equal(segment_header_decode(b.data, &hasher, &h, seal_of_it), 0);
	hasher_done(&hasher);
	bytes_done(&b);
	return h.real_ns;
}

/* A changed record is found by who looks at its part, and that part alone is held against the checkpoint. */
static void a_part_of_the_log_is_verified_and_says_what_was_left_out(void **state)
{
	const struct log *l = *state;
	_cleanup_free_ uint64_t *segments = NULL;
	struct audit_verify_options options = {0};
	struct audit_verdict v;
	struct bytes early;
	size_t count;
	int dir;

	make_signed(l, 30000, 500);
	early = file_get(l, "checkpoint");
	more(l, 1500);
	seal(l);
	assert_int_equal(directory_open_readonly(l->path, &dir, NULL), 0);
	assert_int_equal(directory_segments(dir, &segments, &count), 0);
	close(dir);
	assert_true(count > 4);
	options.since_ns = began_ns(l, segments[2]);
	options.until_ns = began_ns(l, segments[4]);
	options.checkpoint = (const char *)early.data;
	options.checkpoint_length = early.length;
	v = verdict_with(l, &options);
	assert_found(&v, AUDIT_FINDING_NONE, 0);
	assert_int_equal(v.first, segments[2]);
	assert_int_equal(v.records, segments[4] - segments[2]);
	assert_int_equal(v.length, 2000);
	assert_true(v.own.covers && v.given.covers);
	/* What is wrong before the part is not its business, but a tile before it is needed. */
	file_poke(l, FIRST_SEGMENT, 5000, 1);
	v = verdict_with(l, &options);
	assert_found(&v, AUDIT_FINDING_NONE, 0);
	file_poke(l, "tile/0/000", 5000, 1);
	v = verdict_with(l, &options);
	assert_int_not_equal(v.status, AUDIT_OK);
	bytes_done(&early);
}

static void every_record_is_proved_by_a_file_of_its_own(void **state)
{
	const struct log *l = *state;
	struct note_verifier key;

	make_signed(l, 20000, 300);
	key = own_key(l);
	for (uint64_t index = 0; index < 300; index++) {
		_cleanup_free_ char *text = NULL;
		_cleanup_(proof_done) struct proof p = {0};
		struct fault f = {0};
		uint64_t found;
		struct record_view view;
		size_t length;

		if (proof_make(l->path, index, &text, &length, &f) < 0 ||
		    proof_parse(text, length, &p, &f) < 0 || proof_check(&p, &f) < 0 ||
		    note_verify(&p.note, &key, &f) < 0)
			fail_msg("%llu: %s", (unsigned long long)index, f.text);
		assert_int_equal(p.leaf, index);
		assert_int_equal(record_parse((char *)p.record, p.record_length, &view), 0);
		assert_int_equal(view.index, index);
		assert_int_equal(proof_find(l->path, view.event_id, &found, &f), 0);
		assert_int_equal(found, index);
	}
	{
		struct fault f = {0};
		char *text;
		size_t length;

		assert_int_equal(proof_make(l->path, 300, &text, &length, &f), -ENOENT);
		assert_string_equal(f.code, "proof.record");
	}
}

static bool proves(char *text, size_t length, const struct note_verifier *key)
{
	_cleanup_(proof_done) struct proof p = {0};

	return proof_parse(text, length, &p, NULL) == 0 && proof_check(&p, NULL) == 0 &&
	       note_verify(&p.note, key, NULL) == 0;
}

static void a_proof_with_one_changed_bit_or_a_missing_end_proves_nothing(void **state)
{
	const struct log *l = *state;
	_cleanup_free_ char *text = NULL;
	struct note_verifier key;
	size_t length;

	make_signed(l, 0, 13);
	key = own_key(l);
	assert_int_equal(proof_make(l->path, 11, &text, &length, NULL), 0);
	assert_true(proves(text, length, &key));
	for (size_t i = 0; i < length * 8; i++) {
		text[i / 8] ^= (char)(1 << i % 8);
		if (proves(text, length, &key))
			fail_msg("bit %zu of byte %zu: '%c'", i % 8, i / 8, text[i / 8]);
		text[i / 8] ^= (char)(1 << i % 8);
	}
	for (size_t i = 0; i < length; i++)
		assert_false(proves(text, i, &key));
}

static void each_tree_is_proved_to_begin_with_each_earlier_one(void **state)
{
	const struct log *l = *state;
	_cleanup_(proof_tree_freep) struct proof_tree *t = NULL;
	struct fault f = {0};

	make_signed(l, 9000, 270);
	assert_int_equal(proof_tree_open(l->path, UINT64_MAX, &t, &f), 0);
	for (uint64_t size = 0; size <= 270; size += 9) {
		for (uint64_t old = 0; old <= size; old += 3) {
			uint8_t old_root[AUDIT_HASH_SIZE], root[AUDIT_HASH_SIZE];
			struct merkle_proof p;

			if (proof_tree_root(t, old, old_root, &f) < 0 ||
			    proof_tree_root(t, size, root, &f) < 0 ||
			    proof_tree_consistency(t, old, size, &p, &f) < 0)
				fail_msg("%s", f.text);
			assert_int_equal(
				merkle_check_consistency(&t->hasher, old, old_root, size, root, &p),
				0);
		}
	}
	assert_int_equal(proof_tree_root(t, 271, (uint8_t[AUDIT_HASH_SIZE]){0}, &f), -EINVAL);
}

static void a_tlog_directory_has_the_tiles_and_entries_of_its_checkpoint(void **state)
{
	const struct log *l = *state;
	static const struct {
		const char *name;
		size_t size;
	} files[] = {
		{"tile/0/000", 8192},
		{"tile/0/001", 8192},
		{"tile/0/002.p/88", 88 * 32},
		{"tile/1/000.p/2", 2 * 32},
	};
	struct tlog_written c;
	struct fault f = {0};
	struct log out = {0};
	struct bytes b;

	make_signed(l, 20000, 600);
	snprintf(out.path, sizeof(out.path), "%s/tlog", l->root);
	for (unsigned int twice = 0; twice < 2; twice++)
		if (tlog_write(l->path, 0, out.path, &c, &f) < 0)
			fail_msg("%s", f.text);
	assert_int_equal(c.checkpoint.size, 600);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		b = file_get(&out, files[i].name);
		assert_int_equal(b.length, files[i].size);
		bytes_done(&b);
	}
	b = file_get(&out, "tile/entries/002.p/88");
	for (size_t at = 0, n = 0; at < b.length; n++) {
		uint8_t hash[AUDIT_HASH_SIZE];
		struct bytes tile = file_get(&out, "tile/0/002.p/88");
		size_t length = (size_t)b.data[at] << 8 | b.data[at + 1];
		struct hasher h;

		assert_int_equal(hasher_init(&h), 0);
		hash_leaf(&h, b.data + at + 2, length, hash);
		assert_memory_equal(hash, tile.data + n * 32, 32);
		hasher_done(&h);
		bytes_done(&tile);
		at += 2 + length;
	}
	bytes_done(&b);
}

/* Found by fuzz_tlogproof: what stands behind a NUL would be carried along unread. */
static void a_number_ends_with_its_line_not_with_a_nul(void **state)
{
	static const char good[] = "c2sp.org/tlog-proof@v1\nindex 10\n\n",
			  bad[] = "c2sp.org/tlog-proof@v1\nindex 10\0x\n\n";
	struct proof p;
	struct fault f = {0};

	(void)state;
	assert_int_equal(proof_parse(good, sizeof(good) - 1, &p, &f), -EINVAL);
	assert_string_equal(f.code, "note.format"); /* which is missing */
	assert_int_equal(proof_parse(bad, sizeof(bad) - 1, &p, &f), -EINVAL);
	assert_string_equal(f.code, "proof.format");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(verify_says_what_a_checkpoint_covers),
		T(a_checkpoint_kept_elsewhere_is_covered_or_the_log_was_rolled_back),
		T(a_log_that_was_chained_anew_without_the_key_is_found_by_its_own_checkpoint),
		T(every_changed_tile_is_named),
		T(a_checkpoint_that_was_changed_is_not_believed),
		T(any_number_of_threads_finds_the_same),
		T(a_part_of_the_log_is_verified_and_says_what_was_left_out),
		T(every_record_is_proved_by_a_file_of_its_own),
		T(a_proof_with_one_changed_bit_or_a_missing_end_proves_nothing),
		T(a_number_ends_with_its_line_not_with_a_nul),
		T(each_tree_is_proved_to_begin_with_each_earlier_one),
		T(a_tlog_directory_has_the_tiles_and_entries_of_its_checkpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
