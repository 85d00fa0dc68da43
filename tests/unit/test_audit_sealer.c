/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is signed is what is on disk; what contradicts it is found and signed no more. Turn by turn without the
 * thread, and at the end with it.
 */
#include "test_audit.h"

#include <time.h>

#include "audit/sealer.h"
#include "audit/sealing.h"

struct seal {
	const struct log *log;
	char keys[80];
	pthread_mutex_t lock;
	struct keyring keyring;
	struct sealing sealing;
};

static void seal_open(struct seal *s, const struct log *l)
{
	struct fault f = {0};
	struct tip tip;

	*s = (struct seal){.log = l};
	snprintf(s->keys, sizeof(s->keys), "%s/keys", l->root);
	pthread_mutex_init(&s->lock, NULL);
	assert_int_equal(sealing_init(&s->sealing, l->path, &s->keyring, &s->lock, &f), 0);
	assert_int_equal(sealing_tip(&s->sealing, &tip, &f), 0);
	if (keyring_open(s->keys, l->path, tip.chain_id, &s->keyring, &f) < 0)
		fail_msg("%s", f.text);
	assert_true(!f.err && !*f.text);
}

static void seal_close(struct seal *s)
{
	sealing_done(&s->sealing);
	keyring_done(&s->keyring);
	pthread_mutex_destroy(&s->lock);
}

static int seal_turn(struct seal *s, struct fault *reterr)
{
	struct tip tip;
	int r = sealing_tip(&s->sealing, &tip, reterr);

	return r ?: sealing_turn(&s->sealing, &tip, reterr);
}

/* Open, seal all, close. Returns how often tiles were computed again. */
static uint64_t seal_all(const struct log *l)
{
	struct fault f = {0};
	struct seal s;
	uint64_t rebuilt;

	seal_open(&s, l);
	if (seal_turn(&s, &f) != 0)
		fail_msg("%s", f.text);
	assert_true(!f.err && !*f.text);
	rebuilt = s.sealing.rebuilt;
	seal_close(&s);
	return rebuilt;
}

static void assert_contradiction(const struct log *l, const char *words)
{
	struct bytes before = file_get(l, "checkpoint"), after;
	struct fault f = {0};
	struct seal s;

	seal_open(&s, l);
	assert_int_equal(seal_turn(&s, &f), -EBADMSG);
	assert_string_equal(f.code, "audit.contradiction");
	if (!strstr(f.text, words))
		fail_msg("'%s' instead of '%s'", f.text, words);
	seal_close(&s);
	after = file_get(l, "checkpoint");
	assert_int_equal(after.length, before.length);
	assert_memory_equal(after.data, before.data, before.length);
	bytes_done(&before);
	bytes_done(&after);
}

/* The root by the definition: all records, one after the other. */
static void root_of_records(const struct log *l, uint64_t from, uint64_t size, uint8_t *ret)
{
	_cleanup_(reader_closep) struct reader *r = NULL;
	struct reader_record record;
	struct merkle m = {0};
	struct hasher h;

	assert_int_equal(hasher_init(&h), 0);
	assert_int_equal(reader_open(l->path, &r, NULL), 0);
	assert_int_equal(reader_seek(r, from, NULL), 0);
	while (m.size < size && reader_next(r, &record, NULL) == 1)
		merkle_append(&m, &h, record.hash);
	assert_int_equal(m.size, size);
	merkle_root(&m, &h, ret);
	hasher_done(&h);
}

/* The checkpoint below @prefix is good, and of records @from on. Returns their count. */
static uint64_t assert_checkpoint(const struct log *l, const char *prefix, uint64_t from,
				  size_t signatures)
{
	char name[64], path[160];
	struct bytes data;
	struct checkpoint c;
	struct keyring_list list;
	uint8_t root[AUDIT_HASH_SIZE];
	struct note note;

	snprintf(name, sizeof(name), "%scheckpoint", prefix);
	data = file_get(l, name);
	assert_int_equal(note_parse((char *)data.data, data.length, &note, NULL), 0);
	assert_int_equal(checkpoint_parse(&note, &c, NULL), 0);
	snprintf(path, sizeof(path), "%s", l->path);
	assert_int_equal(keyring_list_read(path, &list, NULL), 0);
	assert_int_equal(note.count, signatures);
	for (size_t i = 0; i < signatures; i++)
		assert_int_equal(note_verify(&note, &list.keys[list.count - 1 - i].verifier, NULL),
				 0);
	root_of_records(l, from, c.size, root);
	assert_memory_equal(c.root, root, sizeof(root));
	keyring_list_done(&list);
	bytes_done(&data);
	return c.size;
}

static void a_checkpoint_is_of_the_records(void **state)
{
	static const unsigned int more[] = {1, 254, 1, 1, 255, 256, 700};
	const struct log *l = *state;
	struct fault f = {0};
	struct bytes before, after;
	uint64_t size = 0;
	struct seal s;

	log_make(l, 20000, 1, 0);
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		log_make(l, 20000, 1, more[i]);
		size += more[i];
		assert_int_equal(seal_all(l), 0);
		assert_int_equal(assert_checkpoint(l, "", 0, 1), size);
	}
	/* The same within one process, and nothing is signed twice. */
	seal_open(&s, l);
	assert_int_equal(seal_turn(&s, &f), 0);
	before = file_get(l, "checkpoint");
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		log_make(l, 20000, 1, more[i]);
		size += more[i];
		assert_int_equal(seal_turn(&s, &f), 0);
		assert_int_equal(assert_checkpoint(l, "", 0, 1), size);
	}
	after = file_get(l, "checkpoint");
	assert_true(before.length != after.length ||
		    memcmp(before.data, after.data, after.length) != 0);
	bytes_done(&before);
	before = file_get(l, "checkpoint");
	assert_int_equal(seal_turn(&s, &f), 0);
	assert_memory_equal(before.data, after.data, after.length);
	bytes_done(&before);
	bytes_done(&after);
	seal_close(&s);
}

static void tiles_that_are_missing_or_wrong_are_computed_again(void **state)
{
	const struct log *l = *state;
	struct bytes good, now;

	log_make(l, 0, 1, 1000);
	assert_int_equal(seal_all(l), 0);
	good = file_get(l, "tile/0/001");
	file_remove(l, "tile/0/001");
	assert_int_equal(seal_all(l), 1);
	now = file_get(l, "tile/0/001");
	assert_int_equal(now.length, good.length);
	assert_memory_equal(now.data, good.data, good.length);
	bytes_done(&now);
	file_poke(l, "tile/0/002", 5000, (uint8_t)(good.data[0] + 1));
	log_make(l, 0, 1, 10);
	assert_int_equal(seal_all(l), 1);
	assert_int_equal(assert_checkpoint(l, "", 0, 1), 1010);
	assert_int_equal(seal_all(l), 0);
	bytes_done(&good);
}

/* Copy the log's files of an earlier moment back over it. */
static void put_back(const struct log *l, const struct bytes *segment, const struct bytes *at)
{
	file_put(l, FIRST_SEGMENT, segment->data, segment->length);
	file_put(l, "state", at->data, at->length);
}

static void a_log_that_was_rolled_back_is_not_signed(void **state)
{
	const struct log *l = *state;
	struct bytes segment, at;

	log_make(l, 0, 1, 300);
	segment = file_get(l, FIRST_SEGMENT);
	at = file_get(l, "state");
	log_make(l, 0, 1, 10);
	seal_all(l);
	put_back(l, &segment, &at);
	assert_int_equal(verdict(l).finding, AUDIT_FINDING_ROLLED_BACK);
	assert_contradiction(l, "310 records were signed, and only 300 are there");
	/* Nor if it grows beyond what was signed. */
	log_make(l, 0, 1, 20);
	assert_contradiction(l, "the first 310 records are not those that were signed");
	bytes_done(&segment);
	bytes_done(&at);
}

/* All records written anew, with another one in between: only the signature tells. */
static void a_log_that_was_chained_anew_is_not_signed(void **state)
{
	static const unsigned int sizes[] = {5, 256, 512, 700};
	const struct log *l = *state;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct bytes checkpoint, keys;

		log_clear(l);
		log_make(l, 0, 1, sizes[i]);
		seal_all(l);
		checkpoint = file_get(l, "checkpoint");
		keys = file_get(l, "keys");
		/* Tiles stay as they were, or the forger makes them anew. */
		file_remove(l, FIRST_SEGMENT);
		file_remove(l, "state");
		log_make(l, 0, 1, sizes[i] + (unsigned int)i);
		assert_int_equal(verdict(l).finding, AUDIT_FINDING_CHECKPOINT_ROOT);
		assert_contradiction(l, "not");
		file_remove(l, "checkpoint");
		file_remove(l, "keys");
		file_put(l, "keys", keys.data, keys.length);
		seal_all(l);
		file_put(l, "checkpoint", checkpoint.data, checkpoint.length);
		assert_contradiction(l, "are not those that were signed");
		bytes_done(&checkpoint);
		bytes_done(&keys);
	}
}

static void a_checkpoint_that_is_not_ours_is_not_followed(void **state)
{
	const struct log *l = *state;
	struct bytes data;
	char *size;

	log_make(l, 0, 1, 20);
	seal_all(l);
	data = file_get(l, "checkpoint");
	size = memchr(data.data, '\n', data.length);
	size[1] = '1'; /* 20 records become 10 */
	file_put(l, "checkpoint", data.data, data.length);
	assert_contradiction(l, "none that weir signed");
	file_put(l, "checkpoint", data.data, 0);
	assert_contradiction(l, "none that weir signed");
	bytes_done(&data);
}

static void a_changed_record_is_not_signed(void **state)
{
	const struct log *l = *state;
	struct bytes segment;

	log_make(l, 0, 2, 10);
	seal_all(l);
	segment = file_get(l, FIRST_SEGMENT);
	log_make(l, 0, 1, 10);
	file_poke(l, FIRST_SEGMENT, segment.length + 200, 'X');
	assert_contradiction(l, "damaged near record 20");
	bytes_done(&segment);
}

/* The same with a checksum that is right: the next record names another hash, or the state file does. */
static void a_changed_record_with_a_right_checksum_is_not_signed(void **state)
{
	const struct log *l = *state;
	static const char *const words[] = {
		"record 3 does not name the hash that record 2 has",
		"record 3 is not the one that was acknowledged",
	};

	for (unsigned int i = 0; i < 2; i++) {
		struct part parts[16];
		struct bytes segment;
		uint8_t *frame;
		size_t count;

		log_clear(l);
		log_make(l, 0, 1, 2);
		seal_all(l);
		log_make(l, 0, 1, 2);
		segment = file_get(l, FIRST_SEGMENT);
		count = take_apart(&segment, parts);
		assert_int_equal(count, 6); /* 0, 1, commit, 2, 3, commit */
		frame = segment.data + parts[3 + i].at;
		*(char *)memmem(frame, parts[3 + i].size, "198.51.100.7", 12) = '2';
		fix_checksum(frame, payload_length(frame));
		file_put(l, FIRST_SEGMENT, segment.data, segment.length);
		assert_contradiction(l, words[i]);
		bytes_done(&segment);
	}
}

/* After a violation a new incarnation is another tree, under another name, and the old one stays. */
static void each_incarnation_is_a_tree_of_its_own(void **state)
{
	const struct log *l = *state;
	struct chain *c;
	struct bytes first;
	uint64_t from;

	log_make(l, 0, 2, 10);
	seal_all(l);
	first = file_get(l, "checkpoint");
	file_poke(l, FIRST_SEGMENT, 5000, 'X');
	c = log_open(l, 0);
	assert_int_equal(chain_origin(c), CHAIN_VIOLATED);
	from = chain_length(c);
	add(c, 300);
	commit(c);
	chain_close(c);
	assert_int_equal(seal_all(l), 0);
	assert_int_equal(assert_checkpoint(l, "1/", from, 1), 301);
	assert_int_equal(seal_all(l), 0);
	{
		struct bytes now = file_get(l, "checkpoint"), second = file_get(l, "1/checkpoint");
		size_t name = strcspn((char *)first.data, "\n");

		assert_int_equal(now.length, first.length);
		assert_memory_equal(now.data, first.data, first.length);
		assert_memory_equal(second.data, first.data, name);
		assert_memory_equal(second.data + name, "/1\n", 3);
		bytes_done(&now);
		bytes_done(&second);
	}
	bytes_done(&first);
}

/* Segments at the beginning are gone; tiles carry on. */
static void pruned_records_are_no_hindrance(void **state)
{
	const struct log *l = *state;
	_cleanup_free_ uint64_t *list = NULL;
	char name[SEGMENT_NAME_SIZE];
	struct fault f = {0};
	struct seal s;
	size_t count;
	int dir;

	for (unsigned int i = 0; i < 8; i++)
		log_make(l, 50000, 1, 300);
	seal_all(l);
	dir = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(directory_segments(dir, &list, &count), 0);
	assert_true(count > 4);
	close(dir);
	for (size_t i = 0; i < 3; i++) {
		segment_name(list[i], name);
		file_remove(l, name);
	}
	assert_int_equal(seal_all(l), 0);
	file_remove(l, "tile/0/007"); /* of records that are left */
	assert_int_equal(seal_all(l), 1);
	file_remove(l, "tile/0/000"); /* of records that are gone */
	seal_open(&s, l);
	assert_int_equal(seal_turn(&s, &f), -ENOENT);
	assert_string_equal(f.code, "audit.tiles");
	seal_close(&s);
}

static void rotation_is_signed_by_both_keys(void **state)
{
	const struct log *l = *state;
	_cleanup_free_ char *note = NULL;
	struct keyring_list list;
	struct fault f = {0};
	struct note parsed;
	struct seal s;

	log_make(l, 0, 1, 3);
	seal_all(l);
	seal_open(&s, l);
	assert_int_equal(keyring_prepare(&s.keyring, &note, &f), 0);
	assert_int_equal(note_parse(note, strlen(note), &parsed, &f), 0);
	assert_int_equal(note_verify(&parsed, &s.keyring.current.verifier, &f), 0);
	assert_int_equal(note_verify(&parsed, &s.keyring.next.verifier, &f), 0);
	assert_int_equal(keyring_activate(&s.keyring, &f), 0);
	s.sealing.resign = true;
	assert_int_equal(seal_turn(&s, &f), 0);
	assert_int_equal(assert_checkpoint(l, "", 0, 2), 3);
	seal_close(&s);

	/* After a restart both still sign; after 30 days only the new one, and the old key is gone. */
	log_make(l, 0, 1, 1);
	seal_all(l);
	assert_int_equal(assert_checkpoint(l, "", 0, 2), 4);
	seal_open(&s, l);
	assert_int_equal(keyring_list_read(l->path, &list, &f), 0);
	assert_int_equal(list.count, 2);
	keyring_list_done(&list);
	{
		uint64_t end_ns = s.keyring.former_until_ns;
		struct note_signer signers[2];
		char path[160];

		snprintf(path, sizeof(path), "%s/audit.former.pem", s.keys);
		assert_true(end_ns > clock_real_ns() + KEYRING_OVERLAP_NS - 60 * NSEC_PER_SEC);
		assert_int_equal(keyring_signers(&s.keyring, end_ns - 1, signers), 2);
		assert_int_equal(access(path, F_OK), 0);
		assert_int_equal(keyring_signers(&s.keyring, end_ns, signers), 1);
		assert_int_equal(access(path, F_OK), -1);
	}
	seal_close(&s);
}

/* Every state that a rotation can die in is one that a start goes on from. */
static void a_rotation_that_died_half_way_goes_on(void **state)
{
	const struct log *l = *state;

	for (unsigned int died = 0; died < 3; died++) {
		_cleanup_free_ char *note = NULL;
		char from[160], to[160];
		struct note_verifier before, next;
		struct fault f = {0};
		struct seal s;

		log_clear(l);
		log_make(l, 0, 1, 3);
		seal_open(&s, l);
		keyring_abandon(&s.keyring); /* of the round before */
		before = s.keyring.current.verifier;
		assert_int_equal(keyring_prepare(&s.keyring, &note, &f), 0);
		next = s.keyring.next.verifier;
		snprintf(from, sizeof(from), "%s/audit.pem", s.keys);
		snprintf(to, sizeof(to), "%s/audit.former.pem", s.keys);
		if (died >= 1)
			assert_int_equal(rename(from, to), 0);
		snprintf(to, sizeof(to), "%s/audit.next.pem", s.keys);
		if (died >= 2)
			assert_int_equal(rename(to, from), 0);
		seal_close(&s);
		seal_open(&s, l);
		assert_memory_equal(s.keyring.current.verifier.key, died ? next.key : before.key,
				    NOTE_KEY_SIZE);
		assert_int_equal(!!s.keyring.next.key, died == 0);
		assert_int_equal(s.keyring.added, died > 0);
		assert_int_equal(seal_turn(&s, &f), 0);
		seal_close(&s);
	}
}

struct seen {
	pthread_mutex_t lock;
	unsigned int events[AUDIT_EVENT_MAX];
};

static void see(const struct audit_record *record, void *userdata)
{
	struct seen *seen = userdata;

	pthread_mutex_lock(&seen->lock);
	seen->events[record->event]++;
	pthread_mutex_unlock(&seen->lock);
}

static struct sealer_stats wait_for(struct sealer *s, enum sealer_state state, uint64_t size)
{
	const struct timespec pause = {.tv_nsec = 5 * NSEC_PER_MSEC};
	struct sealer_stats stats;

	for (unsigned int i = 0; i < 4000; i++) { /* 20 s, never needed */
		sealer_get_stats(s, &stats);
		if (stats.state == state && stats.size == size)
			break;
		nanosleep(&pause, NULL);
	}
	assert_int_equal(stats.state, state);
	assert_int_equal(stats.size, size);
	return stats;
}

static struct sealer *start(const struct log *l, struct seen *seen)
{
	char keys[80];
	struct sealer_options options = {
		.audit_dir = l->path,
		.key_dir = keys,
		.record = see,
		.userdata = seen,
		.interval_ns = 10 * NSEC_PER_MSEC,
	};
	struct sealer *s;

	snprintf(keys, sizeof(keys), "%s/keys", l->root);
	assert_int_equal(sealer_start(&options, &s, NULL), 0);
	return s;
}

static void the_thread_seals_rotates_halts_and_is_acknowledged(void **state)
{
	const struct log *l = *state;
	struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER};
	char keys[2][NOTE_VERIFIER_SIZE], name[NOTE_NAME_MAX + 1];
	_cleanup_free_ char *note = NULL;
	struct bytes segment, at;
	struct sealer_stats stats;
	struct fault f = {0};
	struct sealer *s;

	log_make(l, 0, 1, 10);
	segment = file_get(l, FIRST_SEGMENT);
	at = file_get(l, "state");
	s = start(l, &seen);
	stats = wait_for(s, SEALER_SEALING, 10);
	assert_int_equal(stats.checkpoints, 1);
	assert_int_equal(sealer_acknowledge(s, name, &f), -EPERM);
	assert_int_equal(sealer_rotate_prepare(s, &note, keys, &f), 0);
	assert_string_not_equal(keys[0], keys[1]);
	assert_int_equal(sealer_rotate_finish(s, &f), 0);
	log_make(l, 0, 1, 5);
	wait_for(s, SEALER_SEALING, 15);
	assert_int_equal(assert_checkpoint(l, "", 0, 2), 15);
	sealer_stop(s);
	log_make(l, 0, 1, 5);
	sealer_close(s); /* seals the rest */
	assert_int_equal(assert_checkpoint(l, "", 0, 2), 20);
	assert_int_equal(seen.events[AUDIT_EVENT_AUDIT_KEY_CREATED], 1);
	assert_int_equal(seen.events[AUDIT_EVENT_AUDIT_VIOLATION], 0);

	put_back(l, &segment, &at);
	s = start(l, &seen);
	stats = wait_for(s, SEALER_HALTED, 0);
	assert_non_null(strstr(stats.because, "20 records were signed, and only 10 are there"));
	log_make(l, 0, 1, 2);
	assert_int_equal(sealer_acknowledge(s, name, &f), 0);
	stats = wait_for(s, SEALER_SEALING, 12);
	assert_string_equal(stats.origin, name);
	assert_string_equal(name + strlen(name) - 2, "-3");
	assert_int_equal(assert_checkpoint(l, "", 0, 1), 12);
	bytes_done(&segment);
	segment = file_get(l, "checkpoint.contradicted-2");
	assert_int_equal(seen.events[AUDIT_EVENT_AUDIT_VIOLATION], 1);
	sealer_stop(s);
	sealer_close(s);
	bytes_done(&segment);
	bytes_done(&at);
}

static void a_disk_that_takes_no_tiles_is_tried_again(void **state)
{
	const struct log *l = *state;
	struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct sealer_stats stats;
	struct sealer *s;

	log_make(l, 0, 1, 300);
	file_put(l, "tile", (const uint8_t *)"", 0); /* where a directory is needed */
	s = start(l, &seen);
	stats = wait_for(s, SEALER_FAILING, 0);
	assert_true(*stats.because && stats.behind_ns);
	log_make(l, 0, 1, 10); /* the log goes on */
	file_remove(l, "tile");
	stats = wait_for(s, SEALER_SEALING, 310);
	assert_true(!*stats.because && !stats.behind_ns);
	sealer_stop(s);
	sealer_close(s);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, log_set_up, log_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_checkpoint_is_of_the_records),
		TEST(tiles_that_are_missing_or_wrong_are_computed_again),
		TEST(a_log_that_was_rolled_back_is_not_signed),
		TEST(a_log_that_was_chained_anew_is_not_signed),
		TEST(a_checkpoint_that_is_not_ours_is_not_followed),
		TEST(a_changed_record_is_not_signed),
		TEST(a_changed_record_with_a_right_checksum_is_not_signed),
		TEST(each_incarnation_is_a_tree_of_its_own),
		TEST(pruned_records_are_no_hindrance),
		TEST(rotation_is_signed_by_both_keys),
		TEST(a_rotation_that_died_half_way_goes_on),
		TEST(the_thread_seals_rotates_halts_and_is_acknowledged),
		TEST(a_disk_that_takes_no_tiles_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
