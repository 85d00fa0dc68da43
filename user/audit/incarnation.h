/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which segments, tree and checkpoints belong to which incarnation of a log: each is a log of its own. */
#ifndef AUDIT_INCARNATION_H
#define AUDIT_INCARNATION_H

#include "audit/scan.h"

struct incarnation {
	uint64_t *segments; /* ascending; from malloc() */
	size_t count;
	uint64_t next;	      /* the first segment of the next one; SEGMENT_NONE: there is none */
	uint32_t next_number; /* its number */
};

/**
 * The segments of incarnation @number of the log in @dir: from the first one that says so to the one before the next
 * incarnation. One whose header cannot be read belongs to those before it, as does the very first of all to incarnation 0.
 * 0 or -errno; end with incarnation_done(). ret->count is 0 if there is no such incarnation.
 */
int incarnation_load(int dir, struct hasher *hasher, uint32_t number, struct incarnation *ret);
/* Accepts a zeroed one. */
void incarnation_done(struct incarnation *i);

/** Index of the first record of incarnation @number, whose tree is in @path, as written there. -ENOENT; -errno. */
int incarnation_first(const char *path, uint32_t number, uint64_t *ret);
/* The number at the end of an origin: N of "name/N"; 0: it has none, so it may be that of incarnation 0. */
uint32_t incarnation_of_origin(const char *origin);

#endif
