/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whatever is done to the files of a log as a whole, verification says so: cut, extended, removed,
 * exchanged, put back from yesterday. And no damage may confuse the reader or the next writer.
 */
#include "test_audit.h"

static void truncated(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes first = {0}, second = {0};
	struct part parts[16];

	make_small_log(l);
	first = file_get(l, FIRST_SEGMENT);
	second = file_get(l, SECOND_SEGMENT);
	take_apart(&second, parts);
	for (size_t length = 0; length < second.length; length++) {
		/* Nothing proves a record without its commit: {4, 5}, then {6}. */
		uint64_t index = length < parts[3].at ? 4 : 6;

		file_put(l, SECOND_SEGMENT, second.data, length);
		assert_bad(l, index, "last segment cut");
		assert_int_equal(verdict(l).status, AUDIT_INCOMPLETE);
	}
	file_put(l, SECOND_SEGMENT, second.data, second.length);
	for (size_t length = 0; length < first.length; length++) {
		struct audit_verdict v;

		file_put(l, FIRST_SEGMENT, first.data, length);
		v = verdict(l);
		assert_int_not_equal(v.status, AUDIT_OK);
		assert_true(v.index <= 4); /* 4: only the END frame is missing */
	}
}

static void files_missing(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes b = {0};

	/* A file for each batch: 0, 2, 4, 6. */
	log_make(l, 4096, 4, 2);
	b = file_get(l, FIRST_SEGMENT);
	file_remove(l, FIRST_SEGMENT);
	assert_finding(l, AUDIT_FINDING_SEGMENT_MISSING, 0);
	file_put(l, FIRST_SEGMENT, b.data, b.length);
	bytes_done(&b);
	b = file_get(l, "00000000000000000002.seg");
	file_remove(l, "00000000000000000002.seg");
	assert_finding(l, AUDIT_FINDING_SEGMENT_MISSING, 2);
	assert_string_equal(verdict(l).segment, "00000000000000000002.seg");
	file_put(l, "00000000000000000002.seg", b.data, b.length);
	assert_in_order(l, 8);
	file_remove(l, "00000000000000000006.seg");
	assert_finding(l, AUDIT_FINDING_TRUNCATED, 6);
	file_remove(l, "00000000000000000004.seg");
	file_remove(l, "00000000000000000002.seg");
	file_remove(l, FIRST_SEGMENT);
	assert_finding(l, AUDIT_FINDING_TRUNCATED, 0);
}

static void state_file(void **state)
{
	static uint8_t swapped_slots[STATE_SLOTS * STATE_SLOT_SIZE];
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes old = {0}, new = {0};

	log_make(l, 0, 2, 2);
	old = file_get(l, "state");
	log_make(l, 0, 2, 2);
	new = file_get(l, "state");
	file_put(l, "state", old.data, old.length);
	assert_finding(l, AUDIT_FINDING_STATE, 4);
	file_put(l, "state", new.data, new.length - 1);
	assert_finding(l, AUDIT_FINDING_STATE, 8);
	/* The slots exchanged, then an old one next to a new one. */
	memcpy(swapped_slots, new.data + STATE_SLOT_SIZE, STATE_SLOT_SIZE);
	memcpy(swapped_slots + STATE_SLOT_SIZE, new.data, STATE_SLOT_SIZE);
	file_put(l, "state", swapped_slots, sizeof(swapped_slots));
	assert_finding(l, AUDIT_FINDING_STATE, 8);
	memcpy(new.data, old.data, STATE_SLOT_SIZE);
	file_put(l, "state", new.data, new.length);
	assert_int_equal(verdict(l).finding, AUDIT_FINDING_STATE);
	file_remove(l, "state");
	assert_finding(l, AUDIT_FINDING_STATE_MISSING, 8);
}

static void added_bytes(void **state)
{
	static const char garbage[] = "\x10\x00\x00\x00 and some more bytes that mean nothing";
	const char *const names[] = {FIRST_SEGMENT, SECOND_SEGMENT, "state"};
	const uint64_t index[] = {4, RECORDS, RECORDS};
	const struct log *l = *state;

	make_small_log(l);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(bytes_done) struct bytes b = file_get(l, names[i]);

		b.data = realloc(b.data, b.length + sizeof(garbage));
		assert_non_null(b.data);
		memcpy(b.data + b.length, garbage, sizeof(garbage));
		file_put(l, names[i], b.data, b.length + sizeof(garbage));
		assert_bad(l, index[i], "bytes added");
		memset(b.data + b.length, 0, sizeof(garbage));
		file_put(l, names[i], b.data, b.length + 24);
		assert_bad(l, index[i], "zeros added");
		file_put(l, names[i], b.data, b.length);
	}
	assert_in_order(l, RECORDS);
}

/* A crash after the END frame and before the next segment. */
static void bytes_after_end(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes b = {0}, before = {0};

	log_make(l, 7000, 2, 2);
	before = file_get(l, "state");
	log_make(l, 7000, 1, 2);
	file_remove(l, SECOND_SEGMENT);
	file_put(l, "state", before.data, before.length);
	assert_in_order(l, 4);
	b = file_get(l, FIRST_SEGMENT);
	b.data = realloc(b.data, b.length + 8);
	assert_non_null(b.data);
	memset(b.data + b.length, 0, 8);
	file_put(l, FIRST_SEGMENT, b.data, b.length + 8);
	assert_finding(l, AUDIT_FINDING_SEGMENT_TAIL, 4);
	file_put(l, FIRST_SEGMENT, b.data, b.length);
	log_make(l, 7000, 1, 2);
	assert_in_order(l, 6);
}

/* What is damaged is not shown, and not skipped either. */
static void reader_stops(void **state)
{
	const struct log *l = *state;
	_cleanup_(reader_closep) struct reader *r = NULL;
	struct reader_record record;
	struct fault f = {0};

	make_small_log(l);
	file_poke(l, FIRST_SEGMENT, SEGMENT_HEADER_SIZE + 40, 0xff);
	assert_int_equal(reader_open(l->path, &r, NULL), 0);
	assert_int_equal(reader_next(r, &record, &f), -EBADMSG);
	assert_string_equal(f.code, "audit.damaged");
	assert_int_equal(reader_seek(r, 5, NULL), 0);
	assert_int_equal(reader_next(r, &record, NULL), 1);
	assert_int_equal(record.view.index, 5);
}

static void set_aside_bytes(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes b = {0}, before = {0};
	size_t good;

	/* A torn batch that recovery left where it was is evidence: it must stay as it is. */
	log_make(l, 0, 1, 2);
	b = file_get(l, FIRST_SEGMENT);
	good = b.length;
	bytes_done(&b);
	before = file_get(l, "state");
	log_make(l, 0, 1, 2);
	b = file_get(l, FIRST_SEGMENT);
	file_put(l, FIRST_SEGMENT, b.data, good + 100);
	file_put(l, "state", before.data, before.length);
	log_make(l, 0, 1, 1);
	assert_in_order(l, 4);
	file_poke(l, FIRST_SEGMENT, good + 50, (uint8_t)(b.data[good + 50] ^ 4));
	assert_finding(l, AUDIT_FINDING_SEGMENT_TAIL, 2);
	file_put(l, FIRST_SEGMENT, b.data, good + 99);
	assert_finding(l, AUDIT_FINDING_SEGMENT_TAIL, 2);
	file_put(l, FIRST_SEGMENT, b.data, good);
	assert_finding(l, AUDIT_FINDING_SEGMENT_TAIL, 2);
	file_put(l, FIRST_SEGMENT, b.data, good + 100);
	assert_in_order(l, 4);
}

/* A batch that never was, with right checksums, where a crash would have left one. */
static void set_aside_batch(void **state)
{
	const struct log *l = *state;
	_cleanup_(reader_closep) struct reader *r = NULL;
	_cleanup_(bytes_done) struct bytes b = {0}, before = {0};
	struct reader_record record;
	struct part parts[16];
	size_t count;

	log_make(l, 0, 1, 2);
	before = file_get(l, "state");
	log_make(l, 0, 1, 1);
	b = file_get(l, FIRST_SEGMENT);
	count = take_apart(&b, parts);
	assert_int_equal(count, 5); /* two records and their commit, one and its own */
	b.data[parts[3].at + FRAME_HEADER_SIZE + 12] ^= 1;
	fix_checksum(b.data + parts[3].at, payload_length(b.data + parts[3].at));
	file_put(l, FIRST_SEGMENT, b.data, b.length);
	file_put(l, "state", before.data, before.length);
	log_make(l, 0, 1, 1);
	assert_in_order(l, 4); /* audit.recovery is one of them */
	assert_int_equal(reader_open(l->path, &r, NULL), 0);
	for (uint64_t index = 0; index < 4; index++) {
		assert_int_equal(reader_next(r, &record, NULL), 1);
		assert_int_equal(record.view.index, index);
	}
	assert_int_equal(reader_next(r, &record, NULL), 0);
	assert_last(l, 2, "audit.recovery", "{\"offset\":");
}

static void other_log(void **state)
{
	const struct log *l = *state;
	struct log other = *l;
	_cleanup_(bytes_done) struct bytes segment = {0}, own = {0};

	snprintf(other.path, sizeof(other.path), "%s/other", l->root);
	log_make(l, 4096, 3, 2);
	log_make(&other, 4096, 3, 2);
	segment = file_get(&other, "00000000000000000002.seg");
	own = file_get(l, "00000000000000000002.seg");
	file_put(l, "00000000000000000002.seg", segment.data, segment.length);
	assert_finding(l, AUDIT_FINDING_HEADER, 2);
	/* Also under a name between, and in the place of another one. */
	file_put(l, "00000000000000000002.seg", own.data, own.length);
	file_put(l, "00000000000000000001.seg", own.data, own.length);
	assert_finding(l, AUDIT_FINDING_HEADER, 1);
	file_remove(l, "00000000000000000001.seg");
	file_put(l, "00000000000000000004.seg", own.data, own.length);
	assert_finding(l, AUDIT_FINDING_HEADER, 4);
}

static void put_header(const struct log *l, const char *name, struct bytes *b, struct hasher *h,
		       const struct segment_header *header)
{
	uint8_t seal[AUDIT_HASH_SIZE];

	segment_header_encode(header, h, b->data, seal);
	file_put(l, name, b->data, b->length);
}

/* Headers that are whole but say something else: each field by itself. */
static void forged_headers(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes first = {0}, second = {0};
	_cleanup_(hasher_done) struct hasher h = {0};
	struct segment_header a, b;
	uint8_t seal[AUDIT_HASH_SIZE];

	make_small_log(l);
	assert_int_equal(hasher_init(&h), 0);
	first = file_get(l, FIRST_SEGMENT);
	second = file_get(l, SECOND_SEGMENT);
	assert_int_equal(segment_header_decode(first.data, &h, &a, seal), 0);
	assert_int_equal(segment_header_decode(second.data, &h, &b, seal), 0);
	for (unsigned int i = 0; i < 6; i++) {
		struct segment_header x = a, y = b;

		x.incarnation += i == 0;
		x.previous_hash[0] ^= i == 1;
		x.previous.segment = i == 2 ? 4 : SEGMENT_NONE;
		x.previous.end += i == 3;
		x.previous.tail += i == 4;
		x.previous.seal[0] ^= i == 5;
		put_header(l, FIRST_SEGMENT, &first, &h, &x);
		assert_finding(l, AUDIT_FINDING_HEADER, 0);
		put_header(l, FIRST_SEGMENT, &first, &h, &a);
		y.chain_id[0] ^= i == 0;
		y.previous_hash[0] ^= i == 1;
		y.previous.seal[0] ^= i == 2;
		y.previous.segment += i == 3;
		y.first_index += i == 4;
		y.first_index -= i == 5;
		put_header(l, SECOND_SEGMENT, &second, &h, &y);
		assert_finding(l, AUDIT_FINDING_HEADER, 4);
		put_header(l, SECOND_SEGMENT, &second, &h, &b);
	}
	b.previous.tail = 8;
	put_header(l, SECOND_SEGMENT, &second, &h, &b);
	assert_finding(l, AUDIT_FINDING_SEGMENT_TAIL, 4);
	b.previous.tail = 0;
	b.incarnation++;
	put_header(l, SECOND_SEGMENT, &second, &h, &b);
	assert_finding(l, AUDIT_FINDING_VIOLATION, 4);
}

/* A whole log of one record, every hash in it right, but the event_id is that of another chain. */
static void foreign_event_id(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes b = {0}, slots = {0};
	_cleanup_(hasher_done) struct hasher h = {0};
	uint8_t seal[AUDIT_HASH_SIZE], *frame, *id;
	struct frame_seal c;
	struct part parts[16];
	struct frame f;

	log_make(l, 0, 1, 1);
	assert_int_equal(hasher_init(&h), 0);
	b = file_get(l, FIRST_SEGMENT);
	slots = file_get(l, "state");
	take_apart(&b, parts);
	frame = b.data + parts[0].at;
	id = memmem(frame, parts[0].size, "\"event_id\":\"", 12);
	assert_non_null(id);
	id[12] = id[12] == 'a' ? 'b' : 'a';
	fix_checksum(frame, payload_length(frame));

	memcpy(seal, b.data + SEGMENT_HEADER_SIZE - AUDIT_HASH_SIZE, sizeof(seal));
	assert_int_equal(frame_decode(b.data + parts[1].at, &f), 0);
	assert_int_equal(frame_seal_decode(&f, seal, &h, &c), 0);
	hash_leaf(&h, frame + FRAME_HEADER_SIZE, payload_length(frame), c.last_hash);
	frame_seal_encode(b.data + parts[1].at, FRAME_COMMIT, &c, seal, &h);
	file_put(l, FIRST_SEGMENT, b.data, b.length);
	for (unsigned int i = 0; i < STATE_SLOTS; i++) {
		uint8_t *slot = slots.data + i * STATE_SLOT_SIZE;
		uint64_t sequence;
		struct tip tip;

		assert_int_equal(state_decode(slot, &h, &sequence, &tip), 0);
		memcpy(tip.last_hash, c.last_hash, AUDIT_HASH_SIZE);
		memcpy(tip.seal, c.seal, AUDIT_HASH_SIZE);
		state_encode(sequence, &tip, &h, slot);
	}
	file_put(l, "state", slots.data, slots.length);
	assert_finding(l, AUDIT_FINDING_RECORD_CHANGED, 0);
}

/* None of this may make the reader or a restart crash, or the reader show what is not there. */
static void damage_and_go_on(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes b = {0}, kept = {0};

	make_small_log(l);
	b = file_get(l, SECOND_SEGMENT);
	kept = file_get(l, "state");
	for (size_t at = 0; at < b.length; at += at < 200 || at >= 4060 ? 13 : 307) {
		_cleanup_(reader_closep) struct reader *r = NULL;
		struct chain *c;
		struct reader_record record;
		uint64_t count = 0;
		int result;

		log_clear(l);
		make_small_log(l);
		bytes_done(&b);
		b = file_get(l, SECOND_SEGMENT);
		file_poke(l, SECOND_SEGMENT, at, (uint8_t)(b.data[at] ^ 0x20));
		assert_int_equal(reader_open(l->path, &r, NULL), 0);
		while ((result = reader_next(r, &record, NULL)) == 1)
			assert_int_equal(record.view.index, count++);
		assert_true(result == -EBADMSG || at >= SEGMENT_HEADER_SIZE);
		assert_in_range(count, 4, RECORDS - 1);
		c = log_open(l, 0);
		assert_int_equal(chain_origin(c), CHAIN_VIOLATED);
		add(c, 1);
		commit(c);
		chain_close(c);
		assert_int_not_equal(verdict(l).status, AUDIT_OK);
		assert_in_range(verdict(l).index, 4, RECORDS - 1);
	}
}

static void no_log(void **state)
{
	const struct log *l = *state;
	struct audit_verdict v;
	struct fault f = {0};

	assert_int_equal(audit_verify(l->path, &v, &f), -ENOENT);
	assert_string_equal(f.code, "audit.read");
	assert_int_equal(mkdir(l->path, 0700), 0);
	assert_finding(l, AUDIT_FINDING_STATE_MISSING, 0);
}

int main(void)
{
#define TEST(words, function)                                                                      \
	{                                                                                          \
		(words), (function), log_set_up, log_tear_down, NULL                               \
	}
	static const struct CMUnitTest tests[] = {
		TEST("a segment cut at any byte is found, with the first uncommitted record",
		     truncated),
		TEST("a missing segment is named", files_missing),
		TEST("a missing, old or mixed state file is found", state_file),
		TEST("bytes added to any file are found", added_bytes),
		TEST("bytes after the end of the last segment are found", bytes_after_end),
		TEST("the reader stops at damage instead of skipping it", reader_stops),
		TEST("the bytes of a batch that was set aside cannot be changed either",
		     set_aside_bytes),
		TEST("what recovery set aside is not shown, even if it looks like records",
		     set_aside_batch),
		TEST("a segment of another log or place is found", other_log),
		TEST("a header that says something else is found, field by field", forged_headers),
		TEST("an event_id of another chain is found though all hashes are right",
		     foreign_event_id),
		TEST("a damaged log stops neither reader nor writer in disorder", damage_and_go_on),
		TEST("an empty directory is no log in order", no_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
