/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Committed records in order, also while a daemon is writing. Reading checks checksums and batch
 * ends, so that it never shows a torn record; it does not check the hash chain, which is verify's
 * job. Batches that are not committed are not shown.
 */
#ifndef AUDIT_READER_H
#define AUDIT_READER_H

#include <stddef.h>
#include <stdint.h>

#include "audit/record.h"
#include "base/cleanup.h"
#include "base/fault.h"

struct reader;

struct reader_record {
	const char *
		data; /* the hashed bytes, no newline, no NUL; valid until the next call. NULL: it expired */
	size_t length;
	struct record_view view;
	uint8_t hash[AUDIT_HASH_SIZE];
};

/** Open the chain in directory @path at its first record. -errno "audit.read". */
int reader_open(const char *path, struct reader **ret, struct fault *reterr);
void reader_close(struct reader *r);
DEFINE_CLEANUP(struct reader *, reader_close)

/* Let what is sealed in records be opened by @opener, which outlives the reader, when they are rendered
 * (record_put_view()). NULL, as at first: it stays sealed. */
void reader_set_opener(struct reader *r, const struct personal_opener *opener);

/* Have views show what is said of records, which outlives the reader. NULL, as at first: they do not. */
void reader_set_rectified(struct reader *r, const struct rectified *rectified);

/**
 * Continue at record @index or the first one after it. Reads at most one segment from its start.
 */
int reader_seek(struct reader *r, uint64_t index, struct fault *reterr);
/** Continue at the last @count committed records, or at the first if there are fewer. */
int reader_seek_tail(struct reader *r, uint64_t count, struct fault *reterr);

/**
 * Pass over segments of which the index says that no record is of [@since_ns, @until_ns). Of others records of any time
 * come: who asks looks at each. Before the first record is read.
 */
void reader_set_range(struct reader *r, uint64_t since_ns, uint64_t until_ns);

/* Have reader_next() give expired records, too: of these `hash`, `view.index` and
 * `view.event_id` are set and nothing else. */
void reader_with_expired(struct reader *r);

/**
 * The hash of committed record @index, also if it expired. -ENOENT: there is none (any more); others as for
 * reader_next(). Where the reader stands is undefined afterwards.
 */
int reader_hash_at(struct reader *r, uint64_t index, uint8_t ret[static AUDIT_HASH_SIZE],
		   struct fault *reterr);

/**
 * The next committed record; expired ones are left out, unless asked for. 1: @ret is filled; 0: no more yet (a later call sees what was
 * committed meanwhile); -EBADMSG "audit.damaged": something here is not a log, run verify.
 */
int reader_next(struct reader *r, struct reader_record *ret, struct fault *reterr);

#endif
