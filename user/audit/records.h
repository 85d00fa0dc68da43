/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The committed records of one segment by number, in any order: where they stand is said by the segment's
 * index, as far as it goes, and found by hopping from frame to frame behind that. Wherever it came from, a
 * place is checked when it is read, and a hash against what the chain says.
 */
#ifndef AUDIT_RECORDS_H
#define AUDIT_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/reader.h"
#include "audit/segment.h"
#include "audit/sidecar.h"

struct records {
	struct hasher *hasher;
	int fd;
	struct segment_header header;
	struct window window;
	struct sidecar sidecar; /* fd -1 = is not used */
	uint32_t indexed;	/* the first so many are in it */
	uint32_t *walked;	/* offsets of the others, in units of 8 */
	uint32_t walked_count, walked_size;
	uint32_t count; /* of both, with those that expired */
	uint64_t end;	/* of the last batch */
};

/**
 * Open segment @first, which @successor (or SEGMENT_NONE) follows, in the log @dir. With @index, its index is
 * used if there is one that can be. -ENODATA: its header is still being written; -ESTALE: the index
 * contradicts the segment: open it without; -EBADMSG: the segment is damaged; other -errno. End with
 * records_done(), which accepts a zeroed one only if its descriptors are -1.
 */
int records_open(int dir, uint64_t first, uint64_t successor, bool index, struct hasher *hasher,
		 struct records *ret);
void records_done(struct records *r);

/**
 * Read record @number, counted from 0, without its hash; data NULL: it expired. Valid until the next call. -ESTALE: it is not where
 * the index says; -EBADMSG: it is damaged; other -errno.
 */
int records_get(struct records *r, uint32_t number, struct reader_record *ret);
/**
 * Compute the hash of the record that was read last, @number, and compare it with what the record or commit
 * after it says; then as above. @ret is read again.
 */
int records_confirm(struct records *r, uint32_t number, struct reader_record *ret);

#endif
