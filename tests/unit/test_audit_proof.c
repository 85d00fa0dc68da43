/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What checkpoints add to verification, and proofs for those who have not got the log: signed logs, changed by somebody
 * who has not got the key, in every way there is.
 */
#include "test_audit.h"

#include "audit/proof.h"
#include "audit/rewrite.h"
#include "audit/sealing.h"
#include "audit/tlog.h"

/* Sign all that is there, as the daemon would. */
static void seal(const struct log *l)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct keyring keyring = {0};
	struct sealing sealing;
	struct fault f = {0};
	struct tip tip;
	char keys[80];

	snprintf(keys, sizeof(keys), "%s/keys", l->root);
	assert_int_equal(sealing_init(&sealing, l->path, &keyring, &lock, &f), 0);
	assert_int_equal(sealing_tip(&sealing, &tip, &f), 0);
	if (keyring_open(keys, l->path, tip.chain_id, &keyring, &f) < 0 ||
	    sealing_turn(&sealing, &tip, &f) != 0)
		fail_msg("%s", f.text);
	sealing_done(&sealing);
	keyring_done(&keyring);
}

static struct note_verifier own_key(const struct log *l)
{
	_cleanup_(keyring_list_done) struct keyring_list list = {0};

	assert_int_equal(keyring_list_read(l->path, &list, NULL), 0);
	return list.keys[list.count - 1].verifier;
}

static struct audit_verdict verdict_with(const struct log *l,
					 const struct audit_verify_options *options)
{
	struct audit_verdict v;
	struct fault f = {0};

	if (audit_verify_with(l->path, options, &v, &f) < 0)
		fail_msg("%s", f.text);
	return v;
}

static void assert_found(const struct audit_verdict *v, enum audit_finding finding, uint64_t index)
{
	if (v->finding != finding || v->index != index)
		fail_msg("%s at %llu instead of %s at %llu: %s", audit_finding_to_str(v->finding),
			 (unsigned long long)v->index, audit_finding_to_str(finding),
			 (unsigned long long)index, v->words);
	assert_int_equal(v->status, audit_finding_status(finding));
}

/* A log of @count records in segments of @segment_bytes, signed. */
static void make_signed(const struct log *l, uint64_t segment_bytes, unsigned int count)
{
	struct chain *c = log_open(l, segment_bytes);

	for (unsigned int done = 0; done < count;) {
		unsigned int some = count - done < 100 ? count - done : 100;

		add(c, some);
		commit(c);
		done += some;
	}
	chain_close(c);
	seal(l);
}

static void more(const struct log *l, unsigned int count)
{
	struct chain *c = log_open(l, 0);

	add(c, count);
	commit(c);
	chain_close(c);
}

static void copy_log(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s && cp -a %s %s", to, from, to);
	assert_int_equal(system(command), 0); /* NOLINT: the paths are ours */
}

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

/* A signed log of @first records, of which one was changed, and a second incarnation of @second behind it, signed too. */
static uint64_t make_two(const struct log *l, unsigned int first, unsigned int second)
{
	struct chain *c;
	uint64_t from;

	make_signed(l, 9000, first);
	file_poke(l, FIRST_SEGMENT, 5000, 'X');
	file_remove(l, "state");
	c = log_open(l, 9000);
	assert_int_equal(chain_origin(c), CHAIN_VIOLATED);
	from = chain_length(c);
	for (unsigned int done = 0; done < second; done += 50) {
		add(c, second - done < 50 ? second - done : 50);
		commit(c);
	}
	chain_close(c);
	seal(l);
	return from;
}

struct verdicts {
	struct audit_verdict of[4];
	size_t count;
};

static void keep(const struct audit_verdict *v, void *userdata)
{
	struct verdicts *all = userdata;

	assert_true(all->count < ARRAY_SIZE(all->of));
	all->of[all->count++] = *v;
}

static struct verdicts verdicts_with(const struct log *l, const struct bytes *checkpoint)
{
	struct verdicts all = {0};
	const struct audit_verify_options options = {
		.incarnation = keep,
		.userdata = &all,
		.checkpoint = checkpoint ? (const char *)checkpoint->data : NULL,
		.checkpoint_length = checkpoint ? checkpoint->length : 0,
	};
	struct audit_verdict v = verdict_with(l, &options);

	assert_int_equal(v.incarnation, 0);
	assert_int_not_equal(v.status, AUDIT_OK);
	assert_int_equal(all.of[0].finding, v.finding);
	return all;
}

static void each_incarnation_is_verified_and_says_what_is_covered(void **state)
{
	const struct log *l = *state;
	uint64_t from = make_two(l, 300, 700);
	struct verdicts all;
	struct bytes early = file_get(l, "1/checkpoint"), tile = file_get(l, "1/tile/0/001");

	more(l, 5);
	all = verdicts_with(l, NULL);
	assert_int_equal(all.count, 2);
	assert_int_equal(all.of[0].status, AUDIT_TAMPERED);
	assert_found(&all.of[1], AUDIT_FINDING_NONE, 0);
	assert_int_equal(all.of[1].incarnation, 1);
	assert_int_equal(all.of[1].base, from);
	assert_int_equal(all.of[1].records, 701 + 5);
	assert_int_equal(all.of[1].own.size, 701);
	assert_true(all.of[1].own.covers && !all.of[1].given.there);
	assert_int_equal(all.of[1].tiles_equal, 2);
	seal(l);
	all = verdicts_with(l, &early);
	assert_false(all.of[0].given.there);
	assert_true(all.of[1].given.covers && all.of[1].own.covers);
	assert_int_equal(all.of[1].given.size, 701);
	assert_int_equal(all.of[1].own.size, 706);
	file_poke(l, "1/tile/0/001", 3 * 32, (uint8_t)~tile.data[3 * 32]);
	all = verdicts_with(l, NULL);
	assert_found(&all.of[1], AUDIT_FINDING_TILE, from + 256 + 3);
	assert_string_equal(all.of[1].segment, "1/tile/0/001");
	file_put(l, "1/tile/0/001", tile.data, tile.length);
	bytes_done(&early);
	bytes_done(&tile);
}

/* What is changed in a later incarnation is found there, as it would be in a first one. */
static void a_change_in_a_later_incarnation_is_found(void **state)
{
	const struct log *l = *state;
	uint64_t from = make_two(l, 100, 300);
	char name[SEGMENT_NAME_SIZE];
	struct verdicts all;
	struct bytes segment, note = file_get(l, "1/checkpoint");

	segment_name(from, name);
	segment = file_get(l, name);
	for (size_t at = 0; at < segment.length; at += 97) {
		file_poke(l, name, at, segment.data[at] ^ 1);
		all = verdicts_with(l, NULL);
		/* A header that cannot be read leaves nothing that says that there is another incarnation. */
		if (all.count == 2 ? all.of[1].status == AUDIT_OK : at >= 4096)
			fail_msg("byte %zu", at);
		file_poke(l, name, at, segment.data[at]);
	}
	/* Without the key, the whole incarnation anew: its own checkpoint knows. */
	file_remove(l, "1/tile/0/000");
	bytes_done(&segment);
	segment = file_get(l, "checkpoint");
	file_put(l, "1/checkpoint", segment.data, segment.length);
	all = verdicts_with(l, NULL);
	assert_int_equal(all.of[1].finding, AUDIT_FINDING_CHECKPOINT_ROOT);
	assert_int_equal(all.of[1].index, from);
	all = verdicts_with(l, &note);
	assert_int_equal(all.of[1].finding, AUDIT_FINDING_CHECKPOINT_ORIGIN);
	bytes_done(&segment);
	bytes_done(&note);
}

static void assert_proved(const struct log *l, uint64_t index, uint64_t leaf, bool expired)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_(proof_done) struct proof p = {0};
	struct note_verifier key = own_key(l);
	struct fault f = {0};
	size_t length;

	if (proof_make(l->path, index, &text, &length, &f) < 0 ||
	    proof_parse(text, length, &p, &f) < 0 || proof_check(&p, &f) < 0 ||
	    note_verify(&p.note, &key, &f) < 0)
		fail_msg("%llu: %s", (unsigned long long)index, f.text);
	assert_int_equal(p.leaf, leaf);
	assert_int_equal(p.expired, expired);
	assert_int_equal(p.record_length == AUDIT_HASH_SIZE, expired);
}

static void a_record_of_a_later_incarnation_is_found_and_proved(void **state)
{
	const struct log *l = *state;
	_cleanup_(reader_closep) struct reader *r = NULL;
	uint64_t from = make_two(l, 600, 300), found;
	struct reader_record record;
	struct fault f = {0};

	assert_int_equal(reader_open(l->path, &r, &f), 0);
	assert_int_equal(reader_seek(r, from, &f), 0);
	for (uint64_t leaf = 0; leaf <= 300; leaf++) {
		assert_int_equal(reader_next(r, &record, &f), 1);
		assert_int_equal(proof_find(l->path, record.view.event_id, &found, &f), 0);
		assert_int_equal(found, from + leaf);
		assert_proved(l, found, leaf, false);
	}
	/* Of the first one, what is not damaged. */
	assert_proved(l, 599, 599, false);
	memset(record.view.event_id, 7, AUDIT_ID_SIZE);
	assert_int_equal(proof_find(l->path, record.view.event_id, &found, &f), -ENOENT);
	assert_non_null(strstr(f.text, "as far as the log can be read"));
}

static void the_tree_of_each_incarnation_is_proved_to_grow(void **state)
{
	const struct log *l = *state;
	static const uint64_t sizes[] = {600, 301};

	make_two(l, 600, 300);
	for (uint32_t number = 0; number < 2; number++) {
		_cleanup_(proof_tree_freep) struct proof_tree *t = NULL;
		uint8_t old_root[AUDIT_HASH_SIZE];
		struct merkle_proof p;
		struct fault f = {0};
		uint32_t count;

		assert_int_equal(proof_incarnations(l->path, &count, &f), 0);
		assert_int_equal(count, 2);
		if (proof_tree_open_number(l->path, number, &t, &f) < 0)
			fail_msg("%s", f.text);
		assert_int_equal(t->checkpoint.size, sizes[number]);
		assert_int_equal(proof_tree_root(t, 256, old_root, &f), 0);
		assert_int_equal(proof_tree_consistency(t, 256, sizes[number], &p, &f), 0);
		assert_int_equal(merkle_check_consistency(&t->hasher, 256, old_root, sizes[number],
							  t->checkpoint.root, &p),
				 0);
	}
}

static bool all_expired(const char *data, const struct record_view *view, void *userdata)
{
	(void)data;
	(void)view;
	(void)userdata;
	return true;
}

/* Take all records out of the segments that allow it, and archive them. Returns how many records that were. */
static uint64_t expire(const struct log *l)
{
	_cleanup_free_ uint64_t *segments = NULL;
	struct rewrite w = {0};
	struct fault f = {0};
	size_t count;
	int dir;

	assert_int_equal(directory_open_readonly(l->path, &dir, &f), 0);
	assert_int_equal(rewrite_candidates(dir, &segments, &count, &f), 0);
	for (size_t i = 0; i < count; i++) {
		if (rewrite_stage(dir, segments[i], all_expired, NULL, NULL, &w, &f) != 1 ||
		    rewrite_archive(dir, &w, &f) < 0 || rewrite_commit(dir, &w, &f) < 0)
			fail_msg("%s", f.text);
	}
	close(dir);
	return w.next_index;
}

static void an_expired_record_is_proved_from_its_archive_or_by_its_hash(void **state)
{
	const struct log *l = *state;
	uint64_t gone, found;
	struct reader_record record;
	struct reader *r;
	char command[256];

	make_signed(l, 20000, 300);
	gone = expire(l);
	assert_true(gone > 100 && gone < 300);
	for (uint64_t index = 0; index < 300; index += 7)
		assert_proved(l, index, index, false);
	/* An archive in which something was changed is not believed, and one that is not there is missed by nobody. */
	snprintf(command, sizeof(command),
		 "cd %s/archive && for f in *.gz; do gunzip -c $f | sed 's/198.51/198.52/g' | gzip "
		 ">new; mv new $f; done",
		 l->path);
	assert_int_equal(system(command), 0); /* NOLINT: the paths are ours */
	for (uint64_t index = 0; index < 300; index += 7)
		assert_proved(l, index, index, index < gone);
	snprintf(command, sizeof(command), "rm -r %s/archive", l->path);
	assert_int_equal(system(command), 0); /* NOLINT */
	assert_int_equal(reader_open(l->path, &r, NULL), 0);
	reader_with_expired(r);
	for (uint64_t index = 0; index < 300; index++) {
		assert_int_equal(reader_next(r, &record, NULL), 1);
		assert_int_equal(proof_find(l->path, record.view.event_id, &found, NULL), 0);
		assert_int_equal(found, index);
		assert_proved(l, index, index, index < gone);
	}
	reader_close(r);
}

static void a_tlog_directory_lacks_only_entries_that_nobody_has(void **state)
{
	const struct log *l = *state;
	struct tlog_written w;
	struct fault f = {0};
	struct log out = {0};
	char command[256];
	struct bytes b;

	make_signed(l, 30000, 700);
	expire(l);
	snprintf(out.path, sizeof(out.path), "%s/tlog", l->root);
	if (tlog_write(l->path, 0, out.path, &w, &f) < 0)
		fail_msg("%s", f.text);
	assert_int_equal(w.bundles_left_out, 0);
	snprintf(command, sizeof(command), "rm -r %s/archive %s", l->path, out.path);
	assert_int_equal(system(command), 0); /* NOLINT: the paths are ours */
	if (tlog_write(l->path, 0, out.path, &w, &f) < 0)
		fail_msg("%s", f.text);
	assert_true(w.bundles_left_out >= 2);
	assert_int_equal(w.checkpoint.size, 700);
	b = file_get(&out, "tile/0/002.p/188");
	assert_int_equal(b.length, 188 * 32);
	bytes_done(&b);
	snprintf(command, sizeof(command), "test ! -e %s/tile/entries/000", out.path);
	assert_int_equal(system(command), 0); /* NOLINT */
}

static void open_keys(const struct log *l, struct keyring *ret)
{
	struct hasher hasher;
	struct state acknowledged;
	struct fault f = {0};
	char keys[80];
	int dir;

	assert_int_equal(hasher_init(&hasher), 0);
	assert_int_equal(directory_open_readonly(l->path, &dir, &f), 0);
	assert_int_equal(state_load(dir, &hasher, &acknowledged), 0);
	hasher_done(&hasher);
	close(dir);
	snprintf(keys, sizeof(keys), "%s/keys", l->root);
	if (keyring_open(keys, l->path, acknowledged.tip.chain_id, ret, &f) < 0)
		fail_msg("%s", f.text);
}

static void record_rotation(const struct log *l, const char *note)
{
	struct audit_details d = {0};
	const struct audit_record record = {.event = AUDIT_EVENT_AUDIT_KEY_ROTATED, .details = &d};
	struct chain *c = log_open(l, 0);

	audit_details_string(&d, "note", note);
	assert_int_equal(chain_append(c, &record), 0);
	commit(c);
	chain_close(c);
}

/* Another key signs from now on; the former one does not sign along any more, as after 30 days. */
static void rotate(const struct log *l, const char *other_note)
{
	struct keyring k = {0};
	_cleanup_free_ char *note = NULL;
	struct fault f = {0};
	char path[160];

	open_keys(l, &k);
	if (keyring_prepare(&k, &note, &f) < 0)
		fail_msg("%s", f.text);
	record_rotation(l, other_note ?: note);
	if (keyring_activate(&k, &f) < 0)
		fail_msg("%s", f.text);
	keyring_done(&k);
	snprintf(path, sizeof(path), "%s/keys/audit.former.pem", l->root);
	assert_int_equal(unlink(path), 0);
	more(l, 20);
	seal(l);
}

static struct audit_verdict verdict_by(const struct log *l, const struct note_verifier *key,
				       const struct bytes *checkpoint)
{
	const struct audit_verify_options options = {
		.key = key,
		.checkpoint = checkpoint ? (const char *)checkpoint->data : NULL,
		.checkpoint_length = checkpoint ? checkpoint->length : 0,
	};

	return verdict_with(l, &options);
}

/* Signed by four keys, one after the other; the checkpoint of each is kept. */
static void make_rotated(const struct log *l, struct note_verifier keys[static 4],
			 struct bytes checkpoints[static 4])
{
	make_signed(l, 9000, 100);
	for (unsigned int i = 0; i < 4; i++) {
		if (i)
			rotate(l, NULL);
		keys[i] = own_key(l);
		checkpoints[i] = file_get(l, "checkpoint");
	}
}

static void any_key_of_the_log_leads_to_the_others(void **state)
{
	const struct log *l = *state;
	struct note_verifier keys[4];
	struct bytes checkpoints[4];
	struct audit_verdict v;

	make_rotated(l, keys, checkpoints);
	for (uint64_t key = 0; key < 4; key++) {
		v = verdict_by(l, &keys[key], NULL);
		assert_found(&v, AUDIT_FINDING_NONE, 0);
		assert_int_equal(v.own.signature,
				 key == 3 ? AUDIT_SIGNATURE_GIVEN : AUDIT_SIGNATURE_FOLLOWED);
		assert_true(v.own.covers);
		assert_int_equal(v.key_announced, key > 0);
		/* The log is 100 records, and 21 for each rotation, which is the first of them. */
		assert_int_equal(v.key_announced_at, key ? 79 + 21 * key : 0);
		if (key < 3)
			assert_int_equal(v.own.rotation, 79 + 21 * 3);
		for (uint64_t i = 0; i < 4; i++) {
			v = verdict_by(l, &keys[key], &checkpoints[i]);
			assert_found(&v, AUDIT_FINDING_NONE, 0);
			assert_true(v.given.covers);
			assert_int_equal(v.given.signature, key == i ? AUDIT_SIGNATURE_GIVEN
								     : AUDIT_SIGNATURE_FOLLOWED);
		}
	}
	for (unsigned int i = 0; i < 4; i++)
		bytes_done(&checkpoints[i]);
}

/* Whoever has a key of the same name, but was announced by nobody. */
static void a_key_that_no_key_of_the_log_announced_leads_nowhere(void **state)
{
	const struct log *l = *state;
	struct note_verifier first, again;
	struct note_signer stranger = {0}, friend = {0};
	char text[2 * NOTE_VERIFIER_SIZE + 32], a[NOTE_VERIFIER_SIZE], b[NOTE_VERIFIER_SIZE];
	struct audit_verdict v;
	char *note;

	make_signed(l, 0, 50);
	first = own_key(l);
	assert_int_equal(key_generate(first.name, &stranger, NULL), 0);
	assert_int_equal(key_generate(first.name, &friend, NULL), 0);
	/* It says that the log's key named it; and only it says so. */
	note_verifier_format(&first, a);
	note_verifier_format(&stranger.verifier, b);
	snprintf(text, sizeof(text), "weir key rotation\n%s\n%s\n", a, b);
	assert_int_equal(note_make(text, &stranger, 1, &note), 0);
	record_rotation(l, note);
	free(note);
	seal(l);
	v = verdict_by(l, &stranger.verifier, NULL);
	assert_found(&v, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0);
	v = verdict_by(l, &first, NULL);
	assert_found(&v, AUDIT_FINDING_NONE, 0);
	assert_false(v.key_announced);
	/* The log's own next key, of which no record tells: whoever has the old one does not believe it. */
	note_verifier_format(&friend.verifier, b);
	snprintf(text, sizeof(text), "weir key rotation\n%s\n%s\n", b, b);
	assert_int_equal(note_make(text, &friend, 1, &note), 0);
	rotate(l, note);
	free(note);
	again = own_key(l);
	v = verdict_by(l, &first, NULL);
	assert_found(&v, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0);
	v = verdict_by(l, &again, NULL);
	assert_found(&v, AUDIT_FINDING_NONE, 0);
	note_signer_done(&stranger);
	note_signer_done(&friend);
}

/* A former key names the next one, and is worth nothing for what is signed with it after that. */
static void what_a_former_key_signs_after_its_rotation_does_not_count(void **state)
{
	const struct log *l = *state;
	struct note_signer former = {0};
	struct note_verifier next;
	struct checkpoint c;
	struct note *note = malloc(sizeof(*note));
	struct bytes now, early;
	struct audit_verdict v;
	char path[160], *text, *forged;

	make_signed(l, 0, 60);
	early = file_get(l, "checkpoint");
	snprintf(path, sizeof(path), "%s/keys/audit.pem", l->root);
	assert_int_equal(key_load(path, own_key(l).name, &former, NULL), 0);
	rotate(l, NULL);
	next = own_key(l);
	now = file_get(l, "checkpoint");
	assert_int_equal(note_parse((char *)now.data, now.length, note, NULL), 0);
	assert_int_equal(checkpoint_parse(note, &c, NULL), 0);
	text = checkpoint_format(&c);
	assert_int_equal(note_make(text, &former, 1, &forged), 0);
	bytes_done(&now);
	now = (struct bytes){.data = (uint8_t *)forged, .length = strlen(forged)};
	v = verdict_by(l, &next, &early);
	assert_found(&v, AUDIT_FINDING_NONE, 0);
	v = verdict_by(l, &next, &now);
	assert_found(&v, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0);
	free(forged);
	free(text);
	free(note);
	bytes_done(&early);
	note_signer_done(&former);
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

#define T(name) cmocka_unit_test_setup_teardown(name, log_set_up, log_tear_down)

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
		T(each_incarnation_is_verified_and_says_what_is_covered),
		T(a_change_in_a_later_incarnation_is_found),
		T(any_key_of_the_log_leads_to_the_others),
		T(a_key_that_no_key_of_the_log_announced_leads_nowhere),
		T(what_a_former_key_signs_after_its_rotation_does_not_count),
		T(every_record_is_proved_by_a_file_of_its_own),
		T(a_record_of_a_later_incarnation_is_found_and_proved),
		T(the_tree_of_each_incarnation_is_proved_to_grow),
		T(an_expired_record_is_proved_from_its_archive_or_by_its_hash),
		T(a_tlog_directory_lacks_only_entries_that_nobody_has),
		T(a_proof_with_one_changed_bit_or_a_missing_end_proves_nothing),
		T(a_number_ends_with_its_line_not_with_a_nul),
		T(each_tree_is_proved_to_begin_with_each_earlier_one),
		T(a_tlog_directory_has_the_tiles_and_entries_of_its_checkpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
