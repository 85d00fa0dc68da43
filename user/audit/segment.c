/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Encoding and decoding of segment and state files. Blocks of 4 KiB (segment header, state slot)
 * end in their own SHA-256, frames carry a CRC-32C; whatever is not a field is zero and checked to
 * be.
 */
#include "audit/segment.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit/crc32c.h"
#include "base/cleanup.h"

#define BLOCK_SIZE    4096
#define BLOCK_HASH_AT (BLOCK_SIZE - AUDIT_HASH_SIZE)
static_assert(SEGMENT_HEADER_SIZE == BLOCK_SIZE && STATE_SLOT_SIZE == BLOCK_SIZE, "one block each");
static_assert(FRAME_STUB_SIZE == (FRAME_HEADER_SIZE + FRAME_STUB_LENGTH + 7) / 8 * 8, "padded");
static_assert(FRAME_SEAL_SIZE == (FRAME_HEADER_SIZE + FRAME_SEAL_LENGTH + 7) / 8 * 8, "padded");

static const uint8_t header_magic[8] = "WEIRSEG1";
static const uint8_t state_magic[8] = "WEIRSTA1";

/* Fields are written one after the other, so the order of the calls is the layout. */
struct pen {
	uint8_t *at;
};

static void put(struct pen *p, const void *data, size_t length)
{
	memcpy(p->at, data, length);
	p->at += length;
}

static void put_u32(struct pen *p, uint32_t value)
{
	uint32_t le = htole32(value);

	put(p, &le, sizeof(le));
}

static void put_u64(struct pen *p, uint64_t value)
{
	uint64_t le = htole64(value);

	put(p, &le, sizeof(le));
}

struct eye {
	const uint8_t *at;
};

static void get(struct eye *e, void *ret, size_t length)
{
	memcpy(ret, e->at, length);
	e->at += length;
}

static uint32_t get_u32(struct eye *e)
{
	uint32_t le;

	get(e, &le, sizeof(le));
	return le32toh(le);
}

static uint64_t get_u64(struct eye *e)
{
	uint64_t le;

	get(e, &le, sizeof(le));
	return le64toh(le);
}

static bool all_zero(const uint8_t *from, const uint8_t *to)
{
	while (from < to)
		if (*from++)
			return false;
	return true;
}

/* Zero the rest of the block behind the fields and close it with its hash. */
static void block_finish(uint8_t *block, const struct pen *p, struct hasher *hasher)
{
	memset(p->at, 0, (size_t)(block + BLOCK_HASH_AT - p->at));
	hash_bytes(hasher, block, BLOCK_HASH_AT, block + BLOCK_HASH_AT);
}

static bool block_intact(const uint8_t *block, const uint8_t magic[static 8], struct hasher *hasher)
{
	uint8_t hash[AUDIT_HASH_SIZE];

	hash_bytes(hasher, block, BLOCK_HASH_AT, hash);
	return memcmp(block, magic, 8) == 0 &&
	       memcmp(block + BLOCK_HASH_AT, hash, AUDIT_HASH_SIZE) == 0;
}

bool tip_equal(const struct tip *a, const struct tip *b)
{
	return a->incarnation == b->incarnation && a->segment == b->segment &&
	       a->offset == b->offset && a->next_index == b->next_index &&
	       memcmp(a->chain_id, b->chain_id, AUDIT_ID_SIZE) == 0 &&
	       memcmp(a->last_hash, b->last_hash, AUDIT_HASH_SIZE) == 0 &&
	       memcmp(a->seal, b->seal, AUDIT_HASH_SIZE) == 0;
}

void segment_name(uint64_t first_index, char ret[static SEGMENT_NAME_SIZE])
{
	snprintf(ret, SEGMENT_NAME_SIZE, "%020llu.seg", (unsigned long long)first_index);
}

int segment_name_parse(const char *name, uint64_t *ret_first_index)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < 20; i++) {
		unsigned int digit = (unsigned int)name[i] - '0';

		if (digit > 9 || value > AUDIT_INDEX_MAX / 10)
			return -EINVAL;
		value = value * 10 + digit;
	}
	if (strcmp(name + 20, ".seg") != 0 || value > AUDIT_INDEX_MAX)
		return -EINVAL;
	*ret_first_index = value;
	return 0;
}

void segment_header_encode(const struct segment_header *h, struct hasher *hasher,
			   uint8_t ret[static SEGMENT_HEADER_SIZE],
			   uint8_t ret_seal[static AUDIT_HASH_SIZE])
{
	struct pen p = {ret};

	put(&p, header_magic, sizeof(header_magic));
	put_u32(&p, SEGMENT_FORMAT);
	put_u32(&p, h->incarnation);
	put(&p, h->chain_id, AUDIT_ID_SIZE);
	put_u64(&p, h->first_index);
	put(&p, h->previous_hash, AUDIT_HASH_SIZE);
	put_u64(&p, h->real_ns);
	put(&p, h->boot_id, AUDIT_ID_SIZE);
	put_u64(&p, h->previous.segment);
	put_u64(&p, h->previous.end);
	put_u64(&p, h->previous.tail);
	put(&p, h->previous.tail_hash, AUDIT_HASH_SIZE);
	put(&p, h->previous.seal, AUDIT_HASH_SIZE);
	block_finish(ret, &p, hasher);
	memcpy(ret_seal, ret + BLOCK_HASH_AT, AUDIT_HASH_SIZE);
}

int segment_header_decode(const uint8_t data[static SEGMENT_HEADER_SIZE], struct hasher *hasher,
			  struct segment_header *ret, uint8_t ret_seal[static AUDIT_HASH_SIZE])
{
	struct eye e = {data + sizeof(header_magic)};
	struct segment_header h;

	if (!block_intact(data, header_magic, hasher) || get_u32(&e) != SEGMENT_FORMAT)
		return -EBADMSG;
	h.incarnation = get_u32(&e);
	get(&e, h.chain_id, AUDIT_ID_SIZE);
	h.first_index = get_u64(&e);
	get(&e, h.previous_hash, AUDIT_HASH_SIZE);
	h.real_ns = get_u64(&e);
	get(&e, h.boot_id, AUDIT_ID_SIZE);
	h.previous.segment = get_u64(&e);
	h.previous.end = get_u64(&e);
	h.previous.tail = get_u64(&e);
	get(&e, h.previous.tail_hash, AUDIT_HASH_SIZE);
	get(&e, h.previous.seal, AUDIT_HASH_SIZE);
	if (!all_zero(e.at, data + BLOCK_HASH_AT))
		return -EBADMSG;
	*ret = h;
	memcpy(ret_seal, data + BLOCK_HASH_AT, AUDIT_HASH_SIZE);
	return 0;
}

size_t frame_size(size_t length)
{
	return (FRAME_HEADER_SIZE + length + 7) / 8 * 8;
}

/* The checksum covers the frame's length and everything behind the checksum itself. */
static uint32_t frame_checksum(const uint8_t *at, size_t length)
{
	return crc32c(crc32c(0, at, 4), at + 8, FRAME_HEADER_SIZE - 8 + length);
}

void frame_encode(uint8_t *at, enum frame_type type, uint64_t index, size_t length)
{
	const uint8_t kind[4] = {(uint8_t)type}; /* type, flags, two reserved */
	size_t used = FRAME_HEADER_SIZE + length;
	struct pen p = {at};

	put_u32(&p, (uint32_t)length);
	put_u32(&p, 0);
	put(&p, kind, sizeof(kind));
	put_u64(&p, index);
	memset(at + used, 0, frame_size(length) - used);
	p.at = at + 4;
	put_u32(&p, frame_checksum(at, length));
}

static bool length_fits(uint8_t type, size_t length)
{
	switch (type) {
	case FRAME_RECORD:
		return length >= 1 && length <= AUDIT_RECORD_MAX;
	case FRAME_STUB:
		return length == FRAME_STUB_LENGTH;
	case FRAME_GONE:
		return length > FRAME_GONE_FIXED &&
		       length <= FRAME_GONE_FIXED + BATCH_RECORDS * AUDIT_HASH_SIZE &&
		       (length - FRAME_GONE_FIXED) % AUDIT_HASH_SIZE == 0;
	default:
		return (type == FRAME_COMMIT || type == FRAME_END) && length == FRAME_SEAL_LENGTH;
	}
}

int frame_measure(const uint8_t header[static FRAME_HEADER_SIZE], size_t *ret_size)
{
	struct eye e = {header};
	size_t length = get_u32(&e);

	e.at = header + 8;
	if (!length_fits(e.at[0], length) || !all_zero(e.at + 1, e.at + 4))
		return -EBADMSG;
	*ret_size = frame_size(length);
	return 0;
}

bool frame_claims_seal(const uint8_t header[static FRAME_HEADER_SIZE])
{
	struct eye e = {header};

	return get_u32(&e) == FRAME_SEAL_LENGTH && header[8] != FRAME_RECORD;
}

bool frame_peek_record(const uint8_t *at, size_t available, struct record_slice *ret)
{
	struct eye e = {at};
	size_t size;

	if (available < FRAME_HEADER_SIZE || at[8] != FRAME_RECORD ||
	    frame_measure(at, &size) < 0 || available < size)
		return false;
	ret->data = (const char *)at + FRAME_HEADER_SIZE;
	ret->length = get_u32(&e);
	return true;
}

int frame_decode(const uint8_t *at, struct frame *ret)
{
	struct eye e = {at};
	struct frame f = {.payload = at + FRAME_HEADER_SIZE};
	uint32_t checksum;

	if (frame_measure(at, &f.size) < 0)
		return -EBADMSG;
	f.length = get_u32(&e);
	checksum = get_u32(&e);
	f.type = *e.at;
	e.at += 4;
	f.index = get_u64(&e);
	if (checksum != frame_checksum(at, f.length) ||
	    !all_zero(f.payload + f.length, at + f.size))
		return -EBADMSG;
	*ret = f;
	return 0;
}

/* A seal is SHA-256(frame type || seal before || fields). */
static void seal_compute(struct hasher *hasher, uint8_t type, const uint8_t *previous_seal,
			 const uint8_t *payload, uint8_t *ret)
{
	hash_begin(hasher);
	hash_add(hasher, &type, 1);
	hash_add(hasher, previous_seal, AUDIT_HASH_SIZE);
	hash_add(hasher, payload, FRAME_SEAL_LENGTH - AUDIT_HASH_SIZE);
	hash_end(hasher, ret);
}

void frame_seal_encode(uint8_t *at, enum frame_type type, struct frame_seal *s,
		       const uint8_t previous_seal[static AUDIT_HASH_SIZE], struct hasher *hasher)
{
	uint8_t *payload = at + FRAME_HEADER_SIZE;
	struct pen p = {payload};

	put_u64(&p, s->first);
	put_u64(&p, s->count);
	put(&p, s->last_hash, AUDIT_HASH_SIZE);
	put_u64(&p, s->real_ns);
	put_u64(&p, s->boot_ns);
	seal_compute(hasher, (uint8_t)type, previous_seal, payload, s->seal);
	put(&p, s->seal, AUDIT_HASH_SIZE);
	frame_encode(at, type, s->first + s->count, FRAME_SEAL_LENGTH);
}

int frame_seal_decode(const struct frame *f, const uint8_t previous_seal[static AUDIT_HASH_SIZE],
		      struct hasher *hasher, struct frame_seal *ret)
{
	struct eye e = {f->payload};
	uint8_t seal[AUDIT_HASH_SIZE];

	assert(f->length == FRAME_SEAL_LENGTH);
	ret->first = get_u64(&e);
	ret->count = get_u64(&e);
	get(&e, ret->last_hash, AUDIT_HASH_SIZE);
	ret->real_ns = get_u64(&e);
	ret->boot_ns = get_u64(&e);
	get(&e, ret->seal, AUDIT_HASH_SIZE);
	seal_compute(hasher, (uint8_t)f->type, previous_seal, f->payload, seal);
	return memcmp(seal, ret->seal, AUDIT_HASH_SIZE) == 0 ? 0 : -EBADMSG;
}

void frame_stub_encode(uint8_t *at, uint64_t index, const uint8_t hash[static AUDIT_HASH_SIZE],
		       size_t length)
{
	struct pen p = {at + FRAME_HEADER_SIZE};

	put(&p, hash, AUDIT_HASH_SIZE);
	put_u32(&p, (uint32_t)length);
	frame_encode(at, FRAME_STUB, index, FRAME_STUB_LENGTH);
}

int frame_stub_decode(const struct frame *f, uint8_t ret_hash[static AUDIT_HASH_SIZE],
		      size_t *ret_length)
{
	struct eye e = {f->payload};
	uint8_t hash[AUDIT_HASH_SIZE];
	size_t length;

	assert(f->length == FRAME_STUB_LENGTH);
	get(&e, hash, AUDIT_HASH_SIZE);
	length = get_u32(&e);
	/* A shorter record would have taken no more room than its stub, which has to make it smaller. */
	if (length < FRAME_STUB_LENGTH || length > AUDIT_RECORD_MAX)
		return -EBADMSG;
	memcpy(ret_hash, hash, AUDIT_HASH_SIZE);
	*ret_length = length;
	return 0;
}

void frame_gone_encode(uint8_t *at, uint64_t index, const struct frame_gone *g)
{
	struct pen p = {at + FRAME_HEADER_SIZE};

	put_u64(&p, g->bytes);
	put_u64(&p, g->real_ns);
	put_u64(&p, g->boot_ns);
	put(&p, g->seal, AUDIT_HASH_SIZE);
	frame_encode(at, FRAME_GONE, index, FRAME_GONE_FIXED + g->count * AUDIT_HASH_SIZE);
}

size_t frame_gone_count(const uint8_t header[static FRAME_HEADER_SIZE])
{
	struct eye e = {header};
	size_t length = get_u32(&e);

	return header[8] == FRAME_GONE && length_fits(FRAME_GONE, length)
		       ? (length - FRAME_GONE_FIXED) / AUDIT_HASH_SIZE
		       : 0;
}

int frame_gone_decode(const struct frame *f, struct frame_gone *ret)
{
	struct eye e = {f->payload};

	assert(f->type == FRAME_GONE);
	ret->bytes = get_u64(&e);
	ret->real_ns = get_u64(&e);
	ret->boot_ns = get_u64(&e);
	ret->seal = e.at;
	ret->hashes = f->payload + FRAME_GONE_FIXED;
	ret->count = (f->length - FRAME_GONE_FIXED) / AUDIT_HASH_SIZE;
	/* Each record had at least a stub's room, and a COMMIT was behind the last. */
	return ret->bytes % 8 || ret->bytes > INT64_MAX ||
			       ret->bytes < ret->count * FRAME_STUB_SIZE + FRAME_SEAL_SIZE
		       ? -EBADMSG
		       : 0;
}

void state_encode(uint64_t sequence, const struct tip *tip, struct hasher *hasher,
		  uint8_t ret[static STATE_SLOT_SIZE])
{
	struct pen p = {ret};

	put(&p, state_magic, sizeof(state_magic));
	put_u32(&p, SEGMENT_FORMAT);
	put_u32(&p, tip->incarnation);
	put_u64(&p, sequence);
	put(&p, tip->chain_id, AUDIT_ID_SIZE);
	put_u64(&p, tip->segment);
	put_u64(&p, tip->offset);
	put_u64(&p, tip->next_index);
	put(&p, tip->last_hash, AUDIT_HASH_SIZE);
	put(&p, tip->seal, AUDIT_HASH_SIZE);
	block_finish(ret, &p, hasher);
}

int state_decode(const uint8_t data[static STATE_SLOT_SIZE], struct hasher *hasher,
		 uint64_t *ret_sequence, struct tip *ret)
{
	struct eye e = {data + sizeof(state_magic)};
	struct tip t;

	if (!block_intact(data, state_magic, hasher) || get_u32(&e) != SEGMENT_FORMAT)
		return -EBADMSG;
	t.incarnation = get_u32(&e);
	*ret_sequence = get_u64(&e);
	get(&e, t.chain_id, AUDIT_ID_SIZE);
	t.segment = get_u64(&e);
	t.offset = get_u64(&e);
	t.next_index = get_u64(&e);
	get(&e, t.last_hash, AUDIT_HASH_SIZE);
	get(&e, t.seal, AUDIT_HASH_SIZE);
	if (!all_zero(e.at, data + BLOCK_HASH_AT))
		return -EBADMSG;
	*ret = t;
	return 0;
}
