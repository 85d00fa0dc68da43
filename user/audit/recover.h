/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What to do with the log that an earlier process left. Batches are written one at a time, and the
 * next one only after the state file has acknowledged the one before. So at most one batch can be
 * torn or unacknowledged; anything more than that is no accident.
 */
#ifndef AUDIT_RECOVER_H
#define AUDIT_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/chain.h"
#include "audit/directory.h"

struct recovery {
	enum chain_origin origin;
	char words[256]; /* "" if there is nothing to say */

	struct state state; /* its tip: where to continue */
	bool state_stale;   /* it says more than the state file */
	bool state_lost;    /* the state file must be made anew */

	int fd;			       /* continue in state.tip.segment, or -1: in a new one */
	uint8_t seal[AUDIT_HASH_SIZE]; /* running, for fd */
	struct segment_link previous;  /* for a new one */

	/* Segments without a commit that were moved to quarantine/. */
	uint64_t set_aside_files, set_aside_bytes;
	uint8_t set_aside_hash[AUDIT_HASH_SIZE]; /* of the last one */

	/* Of the chain that was violated: its last good record, if any is known. */
	uint8_t old_chain_id[AUDIT_ID_SIZE];
	uint64_t old_next_index;
	uint64_t acknowledged; /* records that the state file knows of */
};

/**
 * Look at the log in @dir and decide. Changes nothing but quarantine/. @missing: as in struct chain_options.
 * End with recovery_done().
 */
int recover(int dir, const char *missing, struct hasher *hasher, struct recovery *ret,
	    struct fault *reterr);
void recovery_done(struct recovery *r);

#endif
