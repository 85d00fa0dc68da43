/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hashes of leaves from the records themselves, for tile.h; unchecked, as who asks knows a root. */
#ifndef AUDIT_LEAVES_H
#define AUDIT_LEAVES_H

#include "audit/reader.h"
#include "audit/tile.h"

struct leaves {
	struct reader *reader;
	uint64_t first; /* index of leaf 0 */
	uint64_t next;	/* leaf that the reader stands at */
};

/** Read the log in @audit_dir, in which leaf 0 is record @first. Errors of reader_open(). */
int leaves_open(struct leaves *l, const char *audit_dir, uint64_t first, struct fault *reterr);
/* Accepts a zeroed one. */
void leaves_done(struct leaves *l);
/* Quick if leaves are asked for one after the other. -EBADMSG: the record is not there, or damaged. */
struct tile_leaves leaves_source(struct leaves *l);

#endif
