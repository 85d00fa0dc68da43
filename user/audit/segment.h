/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bytes of segment and state files: encoding and decoding, no I/O. All integers are
 * little-endian. README.md describes the format for those who write their own verifier.
 *
 * A seal is a running hash over everything that no record covers: each header and each commit
 * hashes the seal before it, so that a segment cannot be exchanged nor a commit altered alone.
 */
#ifndef AUDIT_SEGMENT_H
#define AUDIT_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/hash.h"

#define SEGMENT_FORMAT	    1
#define SEGMENT_HEADER_SIZE 4096
#define SEGMENT_NAME_SIZE   25 /* "00000000000000000000.seg" and the NUL */
#define SEGMENT_NONE	    UINT64_MAX

#define FRAME_HEADER_SIZE 20
#define FRAME_SEAL_LENGTH 96	     /* payload of COMMIT and END */
#define FRAME_SEAL_SIZE	  120	     /* the whole frame */
#define FRAME_STUB_LENGTH 36	     /* payload of STUB */
#define FRAME_STUB_SIZE	  56	     /* the whole frame */
#define FRAME_GONE_FIXED  56	     /* payload of GONE before the hashes */
#define BATCH_BYTES	  (4U << 20) /* RECORD frames of one batch */
#define BATCH_RECORDS	  16384

#define STATE_SLOT_SIZE 4096
#define STATE_SLOTS	2

/* The end of the last committed batch; what the state file acknowledges. */
struct tip {
	uint8_t chain_id[AUDIT_ID_SIZE];
	uint32_t incarnation;
	uint64_t segment; /* its first index; SEGMENT_NONE before the first commit of all */
	uint64_t offset;  /* in the segment, after the COMMIT frame */
	uint64_t next_index;
	uint8_t last_hash[AUDIT_HASH_SIZE];
	uint8_t seal[AUDIT_HASH_SIZE];
};

bool tip_equal(const struct tip *a, const struct tip *b);

/* How a segment continues the one before it. */
struct segment_link {
	uint64_t segment;		    /* SEGMENT_NONE: this is the first of all */
	uint64_t end;			    /* its bytes up to here count */
	uint64_t tail;			    /* so many follow that were set aside */
	uint8_t tail_hash[AUDIT_HASH_SIZE]; /* their SHA-256; zeros if there are none */
	uint8_t seal[AUDIT_HASH_SIZE];	    /* at `end` */
};

struct segment_header {
	uint8_t chain_id[AUDIT_ID_SIZE];
	uint32_t incarnation; /* counts violations: 0 unless acknowledged records were damaged */
	uint64_t first_index;
	uint8_t previous_hash[AUDIT_HASH_SIZE]; /* of record first_index - 1 */
	uint64_t real_ns;			/* CLOCK_REALTIME of its creation */
	uint8_t boot_id[AUDIT_ID_SIZE];
	struct segment_link previous;
};

enum frame_type {
	FRAME_RECORD = 1,
	FRAME_COMMIT = 2,
	FRAME_END = 3,
	FRAME_STUB = 4, /* in the place of a RECORD that expired */
	FRAME_GONE = 5, /* in the place of whole batches that expired, with their COMMIT frames */
};

struct frame {
	enum frame_type type;
	/* Of the record, expired or not; of the first one in GONE; of the next record in COMMIT and END. */
	uint64_t index;
	const uint8_t *payload;
	size_t length;
	size_t size; /* header, payload and padding */
};

/* Payload of COMMIT (count >= 1) and END (count = 0). */
struct frame_seal {
	uint64_t first; /* index of the first record of the batch */
	uint64_t count;
	uint8_t last_hash[AUDIT_HASH_SIZE]; /* of record first + count - 1 */
	uint64_t real_ns;		    /* CLOCK_REALTIME */
	uint64_t boot_ns;		    /* CLOCK_BOOTTIME */
	uint8_t seal[AUDIT_HASH_SIZE];
};

/* What GONE says of the batches it stands for. */
struct frame_gone {
	uint64_t bytes;	       /* that they took */
	uint64_t real_ns;      /* of the last one's COMMIT */
	uint64_t boot_ns;      /* likewise */
	const uint8_t *seal;   /* likewise */
	const uint8_t *hashes; /* of the records, one after the other */
	size_t count;
};

void segment_name(uint64_t first_index, char ret[static SEGMENT_NAME_SIZE]);
/** -EINVAL: not the name of a segment. */
int segment_name_parse(const char *name, uint64_t *ret_first_index);

/** @ret_seal is the seal that the first commit continues. */
void segment_header_encode(const struct segment_header *h, struct hasher *hasher,
			   uint8_t ret[static SEGMENT_HEADER_SIZE],
			   uint8_t ret_seal[static AUDIT_HASH_SIZE]);
/** -EBADMSG: not a header of this format, or damaged. */
int segment_header_decode(const uint8_t data[static SEGMENT_HEADER_SIZE], struct hasher *hasher,
			  struct segment_header *ret, uint8_t ret_seal[static AUDIT_HASH_SIZE]);

/* Bytes that a frame with a payload of @length takes. */
size_t frame_size(size_t length);
/*
 * Write header and padding around the payload of @length bytes that stands at @at +
 * FRAME_HEADER_SIZE.
 */
void frame_encode(uint8_t *at, enum frame_type type, uint64_t index, size_t length);
/** Read the size of the frame that begins with these bytes. -EBADMSG: no frame begins so. */
int frame_measure(const uint8_t header[static FRAME_HEADER_SIZE], size_t *ret_size);
/* A damaged frame looks like a COMMIT or END frame rather than like a RECORD. */
bool frame_claims_seal(const uint8_t header[static FRAME_HEADER_SIZE]);
/* The record of the frame at @at, if it is one and @available bytes are all of it. Nothing of it is checked. */
bool frame_peek_record(const uint8_t *at, size_t available, struct record_slice *ret);
/** Read a frame of which frame_measure() bytes are there; @ret points into them. -EBADMSG. */
int frame_decode(const uint8_t *at, struct frame *ret);

/**
 * Write a whole COMMIT or END frame of FRAME_SEAL_SIZE bytes; fills in s->seal from @previous_seal.
 */
void frame_seal_encode(uint8_t *at, enum frame_type type, struct frame_seal *s,
		       const uint8_t previous_seal[static AUDIT_HASH_SIZE], struct hasher *hasher);
/** -EBADMSG: the seal does not continue @previous_seal. */
int frame_seal_decode(const struct frame *f, const uint8_t previous_seal[static AUDIT_HASH_SIZE],
		      struct hasher *hasher, struct frame_seal *ret);

/* Write a whole STUB frame of FRAME_STUB_SIZE bytes, for a record of @length bytes that had @hash. */
void frame_stub_encode(uint8_t *at, uint64_t index, const uint8_t hash[static AUDIT_HASH_SIZE],
		       size_t length);
/** -EBADMSG: no record is of that length. */
int frame_stub_decode(const struct frame *f, uint8_t ret_hash[static AUDIT_HASH_SIZE],
		      size_t *ret_length);

/* Write the whole frame around g->count hashes that stand at @at + FRAME_HEADER_SIZE + FRAME_GONE_FIXED. */
void frame_gone_encode(uint8_t *at, uint64_t index, const struct frame_gone *g);
/** Records that the frame with this header stands for; 0: it is none. */
size_t frame_gone_count(const uint8_t header[static FRAME_HEADER_SIZE]);
/** @ret points into the frame. -EBADMSG: no batches take so little. */
int frame_gone_decode(const struct frame *f, struct frame_gone *ret);

void state_encode(uint64_t sequence, const struct tip *tip, struct hasher *hasher,
		  uint8_t ret[static STATE_SLOT_SIZE]);
/** -EBADMSG: damaged, or torn by a concurrent write. */
int state_decode(const uint8_t data[static STATE_SLOT_SIZE], struct hasher *hasher,
		 uint64_t *ret_sequence, struct tip *ret);

#endif
