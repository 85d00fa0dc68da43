/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whatever is done to whole segments is found, with the first record that is missing or in a wrong place; whatever is done to a
 * checkpoint or a tile is found by verification, and by the sealer before it signs again. Frames and bytes of segments are test_audit_tamper's.
 *
 * WEIR_TORTURE=full flips a bit of every byte of a tile, not of every 61st.
 */
#include "test_audit.h"

#include "audit/sealing.h"

#define SEGMENTS 4
#define EACH	 2 /* records in a segment: one batch */

struct seal {
	char keys[80];
	pthread_mutex_t lock;
	struct keyring keyring;
	struct sealing sealing;
};

static void segment(unsigned int i, char ret[static SEGMENT_NAME_SIZE])
{
	segment_name(i * EACH, ret);
}

static void make_segments(const struct log *l, struct bytes ret[static SEGMENTS])
{
	char name[SEGMENT_NAME_SIZE];

	log_make(l, CHAIN_SEGMENT_BYTES_MIN, SEGMENTS, EACH);
	assert_in_order(l, SEGMENTS * EACH);
	for (unsigned int i = 0; i < SEGMENTS; i++) {
		segment(i, name);
		ret[i] = file_get(l, name);
	}
}

static void put_segment(const struct log *l, unsigned int at, const struct bytes *b)
{
	char name[SEGMENT_NAME_SIZE];

	segment(at, name);
	file_put(l, name, b->data, b->length);
}

static void any_segment(void **state)
{
	const struct log *l = *state;
	struct bytes files[SEGMENTS], foreign[SEGMENTS];
	char name[SEGMENT_NAME_SIZE];
	struct log other = *l;

	snprintf(other.path, sizeof(other.path), "%s/other", l->root);
	make_segments(l, files);
	make_segments(&other, foreign);
	for (unsigned int i = 0; i < SEGMENTS; i++) {
		segment(i, name);
		file_remove(l, name);
		assert_bad(l, i * EACH, "removed");
		put_segment(l, i, &foreign[i]);
		/* Without another one it would be the beginning of that log. */
		assert_bad(l, i ? i * EACH : EACH, "of another log");
		put_segment(l, i, &files[i]);
		for (unsigned int other_one = i + 1; other_one < SEGMENTS; other_one++) {
			put_segment(l, i, &files[other_one]);
			assert_bad(l, i * EACH, "repeated earlier");
			put_segment(l, other_one, &files[i]);
			assert_bad(l, i * EACH, "exchanged");
			put_segment(l, i, &files[i]);
			assert_bad(l, other_one * EACH, "repeated later");
			put_segment(l, other_one, &files[other_one]);
		}
		segment_name(SEGMENTS * EACH, name);
		file_put(l, name, files[i].data, files[i].length);
		assert_bad(l, SEGMENTS * EACH, "repeated at the end");
		file_remove(l, name);
	}
	assert_in_order(l, SEGMENTS * EACH);
	for (unsigned int i = 0; i < SEGMENTS; i++) {
		bytes_done(&files[i]);
		bytes_done(&foreign[i]);
	}
}

/* All files of another log of this form, but for one; and the state file of that. */
static void any_splice(void **state)
{
	const struct log *l = *state;
	struct bytes files[SEGMENTS], foreign[SEGMENTS], ours, theirs;
	struct log other = *l;

	snprintf(other.path, sizeof(other.path), "%s/other", l->root);
	make_segments(l, files);
	make_segments(&other, foreign);
	ours = file_get(l, "state");
	theirs = file_get(&other, "state");
	for (unsigned int from = 1; from < SEGMENTS; from++) {
		for (unsigned int i = from; i < SEGMENTS; i++)
			put_segment(l, i, &foreign[i]);
		assert_bad(l, from * EACH, "the end of another log");
		file_put(l, "state", theirs.data, theirs.length);
		assert_bad(l, from * EACH, "the end of another log, with its state");
		file_put(l, "state", ours.data, ours.length);
		for (unsigned int i = from; i < SEGMENTS; i++)
			put_segment(l, i, &files[i]);
	}
	file_put(l, "state", theirs.data, theirs.length);
	assert_int_not_equal(verdict(l).status, AUDIT_OK);
	bytes_done(&ours);
	bytes_done(&theirs);
	for (unsigned int i = 0; i < SEGMENTS; i++) {
		bytes_done(&files[i]);
		bytes_done(&foreign[i]);
	}
}

/* What the sealer says of the log as it is now: 0, or an error. */
static int seal(const struct log *l, struct fault *reterr)
{
	struct seal s = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct tip tip;
	int r;

	snprintf(s.keys, sizeof(s.keys), "%s/keys", l->root);
	r = sealing_init(&s.sealing, l->path, &s.keyring, &s.lock, reterr);
	r = r ?: sealing_tip(&s.sealing, &tip, reterr);
	r = r ?: keyring_open(s.keys, l->path, tip.chain_id, &s.keyring, reterr);
	r = r ?: sealing_turn(&s.sealing, &tip, reterr);
	sealing_done(&s.sealing);
	keyring_done(&s.keyring);
	return r;
}

static void any_bit_of_a_checkpoint(void **state)
{
	const struct log *l = *state;
	struct bytes b;

	log_make(l, 0, 2, 3);
	assert_int_equal(seal(l, NULL), 0);
	b = file_get(l, "checkpoint");
	for (size_t at = 0; at < b.length; at++)
		for (unsigned int bit = 0; bit < 8; bit++) {
			struct fault f = {0};

			file_poke(l, "checkpoint", at, (uint8_t)(b.data[at] ^ 1U << bit));
			if (seal(l, &f) != -EBADMSG || strcmp(f.code, "audit.contradiction") != 0)
				fail_msg("byte %zu bit %u: %s", at, bit, f.text);
			file_poke(l, "checkpoint", at, b.data[at]);
		}
	for (size_t length = 0; length < b.length; length++) {
		file_put(l, "checkpoint", b.data, length);
		assert_int_equal(seal(l, NULL), -EBADMSG);
	}
	file_put(l, "checkpoint", b.data, b.length);
	assert_int_equal(seal(l, NULL), 0);
	bytes_done(&b);
}

static void a_foreign_checkpoint(void **state)
{
	const struct log *l = *state;
	struct log other = *l;
	struct bytes b;

	snprintf(other.path, sizeof(other.path), "%s/other", l->root);
	log_make(l, 0, 2, 3);
	log_make(&other, 0, 2, 3);
	assert_int_equal(seal(l, NULL), 0);
	assert_int_equal(seal(&other, NULL), 0); /* by the same key */
	b = file_get(&other, "checkpoint");
	file_put(l, "checkpoint", b.data, b.length);
	assert_int_equal(seal(l, NULL), -EBADMSG);
	bytes_done(&b);
}

static void any_bit_of_a_tile(void **state)
{
	const char *torture = getenv("WEIR_TORTURE");
	bool full = torture && strcmp(torture, "full") == 0;
	const struct log *l = *state;
	struct bytes tile, note, now;

	log_make(l, 0, 2, 140);
	assert_int_equal(seal(l, NULL), 0);
	tile = file_get(l, "tile/0/000");
	note = file_get(l, "checkpoint");
	assert_int_equal(tile.length, TILE_WIDTH * AUDIT_HASH_SIZE);
	for (size_t at = 0; at < tile.length; at += full ? 1 : 61) {
		file_poke(l, "tile/0/000", at, (uint8_t)(tile.data[at] ^ 1U << at % 8));
		assert_int_equal(seal(l, NULL), 0);
		now = file_get(l, "tile/0/000");
		if (now.length != tile.length || memcmp(now.data, tile.data, tile.length) != 0)
			fail_msg("byte %zu was not put right", at);
		bytes_done(&now);
	}
	now = file_get(l, "checkpoint");
	assert_int_equal(now.length, note.length);
	assert_memory_equal(now.data, note.data, note.length);
	bytes_done(&now);
	bytes_done(&note);
	bytes_done(&tile);
}

/* The first leaf that it does not fit is named; of a tile of another size its first one. */
static void any_bit_of_a_tile_verified(void **state)
{
	const char *torture = getenv("WEIR_TORTURE");
	bool full = torture && strcmp(torture, "full") == 0;
	const struct log *l = *state;
	struct bytes tile;

	log_make(l, 0, 2, 140);
	assert_int_equal(seal(l, NULL), 0);
	tile = file_get(l, "tile/0/000");
	for (size_t at = 0; at < tile.length; at += full ? 1 : 61) {
		file_poke(l, "tile/0/000", at, (uint8_t)(tile.data[at] ^ 1U << at % 8));
		assert_finding(l, AUDIT_FINDING_TILE, at / AUDIT_HASH_SIZE);
		file_poke(l, "tile/0/000", at, tile.data[at]);
	}
	for (size_t length = 0; length < tile.length; length += full ? 31 : 1000) {
		file_put(l, "tile/0/000", tile.data, length);
		assert_finding(l, AUDIT_FINDING_TILE, 0);
	}
	file_remove(l, "tile/0/000");
	assert_in_order(l, 280);
	bytes_done(&tile);
}

static void any_bit_of_a_checkpoint_verified(void **state)
{
	const struct log *l = *state;
	struct bytes b;

	log_make(l, 0, 2, 3);
	assert_int_equal(seal(l, NULL), 0);
	b = file_get(l, "checkpoint");
	for (size_t at = 0; at < b.length; at++)
		for (unsigned int bit = 0; bit < 8; bit++) {
			file_poke(l, "checkpoint", at, (uint8_t)(b.data[at] ^ 1U << bit));
			assert_finding(l, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0);
			file_poke(l, "checkpoint", at, b.data[at]);
		}
	for (size_t length = 0; length < b.length; length++) {
		file_put(l, "checkpoint", b.data, length);
		assert_finding(l, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0);
	}
	bytes_done(&b);
}

int main(void)
{
#define TEST(words, function)                                                                      \
	{                                                                                          \
		(words), (function), log_set_up, log_tear_down, NULL                               \
	}
	static const struct CMUnitTest tests[] = {
		TEST("a segment removed, repeated, exchanged or of another log is found, with its "
		     "index",
		     any_segment),
		TEST("a log that goes on as another one does is found, with the index", any_splice),
		TEST("any flipped bit of a checkpoint, and any part of it, keeps the sealer from "
		     "signing",
		     any_bit_of_a_checkpoint),
		TEST("a checkpoint of another log by the same key does, too", a_foreign_checkpoint),
		TEST("a flipped bit of any byte of a tile is put right and never signed",
		     any_bit_of_a_tile),
		TEST("a flipped bit of any byte of a tile, and a part of it, is found, with the first leaf",
		     any_bit_of_a_tile_verified),
		TEST("any flipped bit of a checkpoint, and any part of it, is found",
		     any_bit_of_a_checkpoint_verified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
