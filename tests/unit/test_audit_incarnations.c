/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What there is beyond a first log that is whole: later incarnations, each verified and proved as a log of its own, and
 * records that expired, of which a hash is left.
 */
#include "test_audit_signed.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_incarnation_is_verified_and_says_what_is_covered),
		T(a_change_in_a_later_incarnation_is_found),
		T(a_record_of_a_later_incarnation_is_found_and_proved),
		T(the_tree_of_each_incarnation_is_proved_to_grow),
		T(an_expired_record_is_proved_from_its_archive_or_by_its_hash),
		T(a_tlog_directory_lacks_only_entries_that_nobody_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
