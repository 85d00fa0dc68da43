/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads segments batch by batch and knows everything that must hold inside one. The verifier, the
 * reader and recovery are all built on it; what must hold between segments is theirs to check.
 */
#ifndef AUDIT_SCAN_H
#define AUDIT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/directory.h"
#include "audit/finding.h"
#include "audit/hash.h"
#include "audit/segment.h"

/* A record of the batch that was read last. */
struct scan_record {
	size_t at; /* in the batch */
	size_t length;
	uint8_t hash[AUDIT_HASH_SIZE]; /* not set by a light scan, unless it is a stub */
	/* Not set by a light scan, nor of a stub. */
	uint16_t type_at, type_length, details_at, details_length; /* in the record */
	bool stub; /* the record expired: its hash is all there is, and `length` is what it had */
};

struct scan {
	struct hasher *hasher;
	bool light; /* check framing and checksums, leave hashes alone */

	int fd;
	struct segment_header header;
	uint8_t seal[AUDIT_HASH_SIZE]; /* running */
	uint64_t offset;	       /* of what comes next in the file */
	uint64_t limit; /* bytes of the segment, as it was written, that count; UINT64_MAX = all */
	uint64_t file_limit; /* of the file, that are to be looked at; likewise */
	uint64_t
		saved; /* so many bytes less than were written are before `offset`: expired records */
	uint64_t stubs; /* of this segment, up to there */
	uint64_t tail;	/* bytes of a batch that is not complete, after scan_batch() = 0 */
	bool ended;	/* the END frame was seen */

	struct tip tip;		      /* after the last complete batch */
	struct tip before;	      /* and before it */
	uint64_t last_commit_ns;      /* CLOCK_REALTIME */
	uint64_t last_commit_boot_ns; /* CLOCK_BOOTTIME */

	const uint8_t *batch; /* frames of the last complete batch; valid until the next call */
	struct scan_record *records;
	size_t count;

	/* What was computed along with a record before: of the next `ahead` records, the last of them at the end. */
	unsigned int ahead, ahead_end;
	uint8_t ahead_ids[HASH_MANY_MAX][AUDIT_ID_SIZE],
		ahead_hashes[HASH_MANY_MAX][AUDIT_HASH_SIZE];
	uint64_t batch_saved, batch_stubs; /* of the batch that is being read */
	bool link_broken; /* the last of `records` does not name the hash before it */
	size_t records_size;
	uint8_t *buffer; /* grows with the largest batch */
	size_t buffer_size, start, filled;
};

/** -ENOMEM. End with scan_done(), which accepts a zeroed or half-built object. */
int scan_init(struct scan *s, struct hasher *hasher, bool light);
void scan_done(struct scan *s);

/**
 * Open segment @first_index and read its header into s->header. -ENOENT; -ENODATA: it is shorter
 * than a header; -EBADMSG: it has none. The scan itself is unchanged unless 0 is returned.
 */
int scan_open(struct scan *s, int dir, uint64_t first_index);

/* Believe the header: set the tip's chain, index and hash to what it says precedes the segment. */
void scan_trust_header(struct scan *s);

/**
 * Read the next batch: 1 = it is in s->records and s->tip stands behind it; 0 = no more: s->ended,
 * or s->tail bytes of a batch whose end is not there (yet), call again when it may be; -EBADMSG =
 * @ret_problem says what is wrong; other -errno: reading failed.
 */
int scan_batch(struct scan *s, struct audit_problem *ret_problem);

/**
 * Is there an intact COMMIT frame, after s->offset, that does not belong to the batch that is due?
 */
int scan_later_commit(struct scan *s, bool *ret);

/** Read the header of segment @first_index, errors as for scan_open(). The scan is unchanged. */
int scan_peek(struct scan *s, int dir, uint64_t first_index, struct segment_header *ret);
/**
 * If the header of @successor says that the end of the current segment was set aside, set s->limit
 * to where that begins; else the whole file counts.
 */
int scan_limit(struct scan *s, int dir, uint64_t successor);

#endif
