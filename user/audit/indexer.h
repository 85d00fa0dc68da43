/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A thread that keeps the indexes of a log up to date while a daemon writes it, at idle priority: it takes
 * what nobody else wants of CPU and disk. What it cannot do (a full disk) makes searches slow, not wrong.
 */
#ifndef AUDIT_INDEXER_H
#define AUDIT_INDEXER_H

#include <stdint.h>

#include "base/cleanup.h"
#include "base/fault.h"

#define INDEXER_PERIOD_MSEC  2000
/* The index of the segment that is being written is made anew when so much, and a quarter, is not in it. */
#define INDEXER_BEHIND_BYTES (4U << 20)

struct indexer;

struct indexer_stats {
	uint64_t built; /* indexes, since it started */
	uint64_t failed;
	uint64_t behind;   /* records that no index covers, as it was when it looked last */
	char trouble[160]; /* why the last one failed; "" = it did not */
};

/** -errno "audit.indexer". */
int indexer_start(const char *path, struct indexer **ret, struct fault *reterr);
/* Segments that had their index may lack it: go through all of them, within INDEXER_PERIOD_MSEC. Any thread. */
void indexer_look_again(struct indexer *i);
/* Ends the thread, also in the midst of an index. Accepts NULL. */
void indexer_stop(struct indexer *i);
void indexer_get_stats(struct indexer *i, struct indexer_stats *ret);

#endif
