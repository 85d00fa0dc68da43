/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A log as it is at one moment, also while a daemon writes to it: which bytes of which segments hold what was
 * acknowledged, and the state file that goes with exactly these. Segments are only ever appended to, so a copy of
 * those bytes is a log of its own that verifies. And how two logs relate, for who has both.
 */
#ifndef AUDIT_SNAPSHOT_H
#define AUDIT_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "audit/record.h"
#include "audit/segment.h"
#include "base/cleanup.h"
#include "base/fault.h"

struct audit_snapshot {
	int dir; /* the log's directory */
	struct tip tip;
	uint8_t state[STATE_SLOTS * STATE_SLOT_SIZE]; /* content of its state file */
	struct audit_extent {
		uint64_t first_index; /* names the file, by segment_name() */
		uint64_t bytes;
	} * extents;
	size_t count;
};

/**
 * Look at the log in @path. -ENOENT "audit.read": there is none, or nothing was ever committed; -EBADMSG
 * "audit.damaged": its state file is missing or damaged, or a segment that it speaks of; other -errno "audit.read".
 * End with audit_snapshot_done().
 */
int audit_snapshot_take(const char *path, struct audit_snapshot *ret, struct fault *reterr);
/* Accepts a zeroed one that was never taken only if its dir is -1. */
void audit_snapshot_done(struct audit_snapshot *s);
/** Open segment @index of the snapshot for reading. -errno; -EBADMSG: it is no regular file any more. */
int audit_snapshot_open(const struct audit_snapshot *s, size_t index, int *ret_fd);

enum audit_relation {
	AUDIT_RELATION_EMPTY,	  /* the first has no records */
	AUDIT_RELATION_CONTAINS,  /* the first begins with all of the second, or is equal */
	AUDIT_RELATION_CONTAINED, /* the second begins with all of the first and goes on */
	AUDIT_RELATION_DIFFERENT, /* each has a record that the other has not, or the first cannot be read */
};

/**
 * How the logs in @first and @second relate. A record names the hash of the one before it, so equal hashes at
 * one index mean an equal past. @ret_first may be NULL; it gets the tip of the first log, zeros if it has none.
 * Fails only if @second cannot be read.
 */
int audit_compare(const char *first, const char *second, enum audit_relation *ret,
		  struct tip *ret_first, struct fault *reterr);

#endif
