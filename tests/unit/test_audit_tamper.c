/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whatever is done to the bytes of a segment, verification says so and names the record: flipped
 * bits, with and without a right checksum; records and batches removed, swapped, repeated,
 * inserted, rewritten.
 */
#include "test_audit.h"

/* Write @name with the parts in the given order; SIZE_MAX ends it. */
static void put_parts(const struct log *l, const char *name, const struct bytes *b,
		      const struct part *parts, const size_t *order)
{
	_cleanup_(bytes_done) struct bytes out = {.data = malloc(2 * b->length)};

	assert_non_null(out.data);
	memcpy(out.data, b->data, SEGMENT_HEADER_SIZE);
	out.length = SEGMENT_HEADER_SIZE;
	for (; *order != SIZE_MAX; order++) {
		memcpy(out.data + out.length, b->data + parts[*order].at, parts[*order].size);
		out.length += parts[*order].size;
	}
	file_put(l, name, out.data, out.length);
}

/* Every bit of frames and fields; of a long padding one bit of every fifth byte. */
static void flip_bits(const struct log *l, const char *name, const struct bytes *b, size_t from,
		      size_t to, uint64_t lowest, uint64_t highest)
{
	for (size_t at = from; at < to; at++) {
		bool padding = at % 4096 >= 224 && at % 4096 < 4064 &&
			       (at < SEGMENT_HEADER_SIZE || strcmp(name, "state") == 0);

		if (padding && at % 5)
			continue;
		for (unsigned int bit = padding ? at % 8 : 0; bit < 8; bit += padding ? 8 : 1) {
			struct audit_verdict v;

			file_poke(l, name, at, (uint8_t)(b->data[at] ^ 1U << bit));
			v = verdict(l);
			if (v.status == AUDIT_OK || v.index < lowest || v.index > highest)
				fail_msg("%s byte %zu bit %u: %s, index %llu: %s", name, at, bit,
					 audit_finding_to_str(v.finding),
					 (unsigned long long)v.index, v.words);
		}
		file_poke(l, name, at, b->data[at]);
	}
}

static void any_bit(void **state)
{
	static const struct {
		const char *name;
		uint64_t first;
	} segments[] = {{FIRST_SEGMENT, 0}, {SECOND_SEGMENT, 4}};
	const struct log *l = *state;

	make_small_log(l);
	for (size_t s = 0; s < ARRAY_SIZE(segments); s++) {
		_cleanup_(bytes_done) struct bytes b = file_get(l, segments[s].name);
		uint64_t unsealed = segments[s].first;
		struct part parts[16];
		size_t count = take_apart(&b, parts);

		flip_bits(l, segments[s].name, &b, 0, SEGMENT_HEADER_SIZE, unsealed, unsealed);
		for (size_t i = 0; i < count; i++) {
			size_t end = parts[i].at + parts[i].size;

			if (parts[i].type == FRAME_RECORD) {
				/* A wrong length may look as if the file ended in the batch. */
				flip_bits(l, segments[s].name, &b, parts[i].at, parts[i].at + 4,
					  unsealed, parts[i].index);
				flip_bits(l, segments[s].name, &b, parts[i].at + 4, end,
					  parts[i].index, parts[i].index);
				continue;
			}
			flip_bits(l, segments[s].name, &b, parts[i].at, end, unsealed,
				  parts[i].index);
			unsealed = parts[i].index;
		}
	}
	assert_in_order(l, RECORDS);
}

static void any_bit_of_state(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes b = {0};

	make_small_log(l);
	b = file_get(l, "state");
	flip_bits(l, "state", &b, 0, b.length, RECORDS, RECORDS);
	assert_in_order(l, RECORDS);
}

/* Every bit of the payloads, with the checksum made right again. */
static void any_bit_with_checksum(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes b = {0};
	struct part parts[16];
	size_t count;

	make_small_log(l);
	b = file_get(l, FIRST_SEGMENT);
	count = take_apart(&b, parts);
	for (size_t i = 0; i < count; i++) {
		uint8_t *frame = b.data + parts[i].at;
		size_t length = payload_length(frame);
		bool record = parts[i].type == FRAME_RECORD;

		for (size_t at = 8; at < FRAME_HEADER_SIZE + length; at++) {
			unsigned int bit = (unsigned int)at % 8;
			struct audit_verdict v;

			frame[at] ^= (uint8_t)(1U << bit);
			fix_checksum(frame, length);
			file_put(l, FIRST_SEGMENT, b.data, b.length);
			v = verdict(l);
			/* In the index of a frame or record any smaller number may be named. */
			if (v.status == AUDIT_OK || v.index > parts[i].index ||
			    (record && at >= FRAME_HEADER_SIZE && v.index != parts[i].index))
				fail_msg("frame %zu byte %zu bit %u: %s, index %llu: %s", i, at,
					 bit, audit_finding_to_str(v.finding),
					 (unsigned long long)v.index, v.words);
			frame[at] ^= (uint8_t)(1U << bit);
			fix_checksum(frame, length);
		}
	}
}

/* In a batch of five there are neighbours on both sides. */
static void any_record(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes b = {0};
	struct part parts[16];

	log_make(l, 0, 2, 5);
	b = file_get(l, FIRST_SEGMENT);
	take_apart(&b, parts);
	for (size_t i = 0; i < 12; i++) {
		uint8_t *frame = b.data + parts[i].at;
		uint8_t *field = memmem(frame, parts[i].size, "198.51.100.7", 12);

		if (parts[i].type != FRAME_RECORD)
			continue;
		assert_non_null(field);
		field[11] = '8';
		fix_checksum(frame, payload_length(frame));
		file_put(l, FIRST_SEGMENT, b.data, b.length);
		assert_finding(l, AUDIT_FINDING_RECORD_CHANGED, parts[i].index);
		field[11] = '7';
		fix_checksum(frame, payload_length(frame));
	}
}

static void removed(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes b = {0};
	struct part parts[16];
	size_t order[16], count;

	make_small_log(l);
	b = file_get(l, FIRST_SEGMENT);
	count = take_apart(&b, parts);
	for (size_t gone = 0; gone < count; gone++) {
		size_t n = 0;

		for (size_t i = 0; i < count; i++)
			if (i != gone)
				order[n++] = i;
		order[n] = SIZE_MAX;
		put_parts(l, FIRST_SEGMENT, &b, parts, order);
		if (parts[gone].type == FRAME_RECORD)
			assert_bad(l, parts[gone].index, "removed");
		else
			assert_int_not_equal(verdict(l).status, AUDIT_OK);
	}
	/* A whole batch with its commit: {0, 1}, then {2, 3}. */
	put_parts(l, FIRST_SEGMENT, &b, parts, (size_t[]){3, 4, 5, 6, SIZE_MAX});
	assert_finding(l, AUDIT_FINDING_RECORD_ORDER, 0);
	put_parts(l, FIRST_SEGMENT, &b, parts, (size_t[]){0, 1, 2, 6, SIZE_MAX});
	assert_bad(l, 2, "last batch removed");
}

static void swapped(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes b = {0};
	struct part parts[16];

	make_small_log(l);
	b = file_get(l, FIRST_SEGMENT);
	take_apart(&b, parts);
	put_parts(l, FIRST_SEGMENT, &b, parts, (size_t[]){1, 0, 2, 3, 4, 5, 6, SIZE_MAX});
	assert_finding(l, AUDIT_FINDING_RECORD_ORDER, 0);
	put_parts(l, FIRST_SEGMENT, &b, parts, (size_t[]){0, 3, 2, 1, 4, 5, 6, SIZE_MAX});
	assert_finding(l, AUDIT_FINDING_RECORD_ORDER, 1);
	put_parts(l, FIRST_SEGMENT, &b, parts, (size_t[]){0, 1, 2, 4, 3, 5, 6, SIZE_MAX});
	assert_finding(l, AUDIT_FINDING_RECORD_ORDER, 2);
	/* Whole batches. */
	put_parts(l, FIRST_SEGMENT, &b, parts, (size_t[]){3, 4, 5, 0, 1, 2, 6, SIZE_MAX});
	assert_finding(l, AUDIT_FINDING_RECORD_ORDER, 0);
}

static void repeated(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes b = {0};
	struct part parts[16];

	make_small_log(l);
	b = file_get(l, FIRST_SEGMENT);
	take_apart(&b, parts);
	put_parts(l, FIRST_SEGMENT, &b, parts, (size_t[]){0, 0, 1, 2, 3, 4, 5, 6, SIZE_MAX});
	assert_finding(l, AUDIT_FINDING_RECORD_ORDER, 0);
	put_parts(l, FIRST_SEGMENT, &b, parts, (size_t[]){0, 1, 2, 3, 4, 4, 5, 6, SIZE_MAX});
	assert_finding(l, AUDIT_FINDING_RECORD_ORDER, 3);
	put_parts(l, FIRST_SEGMENT, &b, parts, (size_t[]){0, 1, 1, 2, 3, 4, 5, 6, SIZE_MAX});
	assert_finding(l, AUDIT_FINDING_RECORD_ORDER, 1);
	put_parts(l, FIRST_SEGMENT, &b, parts, (size_t[]){0, 1, 2, 0, 1, 2, 3, 4, 5, 6, SIZE_MAX});
	assert_finding(l, AUDIT_FINDING_RECORD_ORDER, 0);
	put_parts(l, FIRST_SEGMENT, &b, parts, (size_t[]){0, 1, 2, 2, 3, 4, 5, 6, SIZE_MAX});
	assert_int_not_equal(verdict(l).status, AUDIT_OK);
}

/*
 * A record that was never written, with a right checksum, before, between and after the true ones.
 */
static void inserted(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes b = {0}, forged = {0};
	struct part parts[16];

	make_small_log(l);
	b = file_get(l, FIRST_SEGMENT);
	take_apart(&b, parts);
	forged = file_get(l, FIRST_SEGMENT);
	for (size_t before = 0; before < 5; before++) {
		size_t at = parts[before].at, source = before == 2 ? 1 : before;
		size_t rest = b.length - at, size = parts[source].size;
		uint8_t *packets;

		if (before == 2) /* in the place of the commit: after record 1 */
			at = parts[2].at, rest = b.length - at;
		forged.data = realloc(forged.data, b.length + size);
		assert_non_null(forged.data);
		memcpy(forged.data, b.data, at);
		memcpy(forged.data + at, b.data + parts[source].at, size);
		packets = memmem(forged.data + at, size, "\"packets\":", 10);
		assert_non_null(packets);
		packets[10] = '7';
		fix_checksum(forged.data + at, payload_length(forged.data + at));
		memcpy(forged.data + at + size, b.data + at, rest);
		file_put(l, FIRST_SEGMENT, forged.data, b.length + size);
		assert_bad(l, parts[source].index, "inserted");
	}
}

/* Change record 2, then make right everything that follows from it, step by step. */
static void rewritten(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes b = {0};
	struct frame_seal c;
	struct hasher h;
	struct part parts[16];
	struct frame f;
	uint8_t *frame, *field, seal[AUDIT_HASH_SIZE], hash[AUDIT_HASH_SIZE];
	char hex[AUDIT_HASH_TEXT];

	make_small_log(l);
	assert_int_equal(hasher_init(&h), 0);
	b = file_get(l, FIRST_SEGMENT);
	take_apart(&b, parts);
	frame = b.data + parts[3].at;
	field = memmem(frame, parts[3].size, "198.51.100.7", 12);
	assert_non_null(field);
	memcpy(field, "198.51.100.8", 12);
	fix_checksum(frame, payload_length(frame));
	file_put(l, FIRST_SEGMENT, b.data, b.length);
	assert_finding(l, AUDIT_FINDING_RECORD_CHANGED, 2);

	hash_leaf(&h, frame + FRAME_HEADER_SIZE, payload_length(frame), hash);
	hex_format(hash, sizeof(hash), hex);
	frame = b.data + parts[4].at;
	field = memmem(frame, parts[4].size, "\"previous_hash\":\"", 17);
	assert_non_null(field);
	memcpy(field + 17, hex, AUDIT_HASH_TEXT - 1);
	fix_checksum(frame, payload_length(frame));
	file_put(l, FIRST_SEGMENT, b.data, b.length);
	assert_finding(l, AUDIT_FINDING_RECORD_CHANGED, 3);

	hash_leaf(&h, frame + FRAME_HEADER_SIZE, payload_length(frame), hash);
	frame = b.data + parts[5].at;
	memcpy(frame + FRAME_HEADER_SIZE + 16, hash, sizeof(hash));
	fix_checksum(frame, FRAME_SEAL_LENGTH);
	file_put(l, FIRST_SEGMENT, b.data, b.length);
	assert_finding(l, AUDIT_FINDING_COMMIT, 2);

	/* The seal, too: then the end of the segment does not follow. */
	memcpy(seal, b.data + parts[2].at + FRAME_HEADER_SIZE + 64, sizeof(seal));
	assert_int_equal(frame_decode(frame, &f), 0);
	assert_int_equal(frame_seal_decode(&f, seal, &h, &c), -EBADMSG);
	frame_seal_encode(frame, FRAME_COMMIT, &c, seal, &h);
	file_put(l, FIRST_SEGMENT, b.data, b.length);
	assert_finding(l, AUDIT_FINDING_COMMIT, 4);

	/* And the end: then the next segment does not. */
	memcpy(seal, c.seal, sizeof(seal));
	frame = b.data + parts[6].at;
	assert_int_equal(frame_decode(frame, &f), 0);
	frame_seal_decode(&f, seal, &h, &c);
	memcpy(c.last_hash, hash, sizeof(hash));
	frame_seal_encode(frame, FRAME_END, &c, seal, &h);
	file_put(l, FIRST_SEGMENT, b.data, b.length);
	assert_finding(l, AUDIT_FINDING_HEADER, 4);
	hasher_done(&h);
}

int main(void)
{
#define TEST(words, function)                                                                      \
	{                                                                                          \
		(words), (function), log_set_up, log_tear_down, NULL                               \
	}
	static const struct CMUnitTest tests[] = {
		TEST("any flipped bit of a segment is found, with its record", any_bit),
		TEST("any flipped bit of the state file is found", any_bit_of_state),
		TEST("a change with a right checksum is found, with its record",
		     any_bit_with_checksum),
		TEST("a changed record is named wherever it stands in its batch", any_record),
		TEST("a removed record or batch is found, with its index", removed),
		TEST("swapped records and batches are found, with their index", swapped),
		TEST("a repeated record or batch is found, with its index", repeated),
		TEST("an inserted record is found, with its index", inserted),
		TEST("a change is found however far its consequences are made right", rewritten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
