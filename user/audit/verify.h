/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Recompute the whole chain from its files: read-only, offline, also while a daemon is writing.
 * Every byte of every segment is either hashed, compared with a computed value or proven to be
 * zero.
 *
 * Nothing here is keyed: who can write to the directory and recomputes everything that follows a
 * change is only found out with a copy of `last_hash` kept elsewhere.
 */
#ifndef AUDIT_VERIFY_H
#define AUDIT_VERIFY_H

#include <stdint.h>

#include "audit/finding.h"
#include "audit/record.h"
#include "base/fault.h"

struct audit_verdict {
	enum audit_status status;

	/* Set if status is not AUDIT_OK. */
	enum audit_finding finding;
	uint64_t index;	  /* of the first record that is bad or missing */
	char segment[32]; /* file name below the directory; "" if there is none */
	uint64_t offset;  /* in it */
	char words[256];  /* a sentence for people */

	/* What was found in order, up to there. */
	uint64_t records;
	uint64_t
		expired; /* of these: they were taken out as the retention says, their hashes are there */
	uint64_t batches;
	uint64_t segments;
	uint64_t heartbeats;		  /* between which the records were added up */
	uint64_t evidence, evidence_gone; /* files of events that are there, and that are not */
	uint64_t tail_bytes; /* after the last commit: a batch being written, or cut by a crash */
	uint64_t last_commit_ns; /* CLOCK_REALTIME; 0 = none */
	uint8_t chain_id[AUDIT_ID_SIZE];
	uint8_t last_hash[AUDIT_HASH_SIZE]; /* zeros if there are no records */
};

/**
 * Verify the chain in directory @path. Returns 0 whenever there is a verdict, however bad it is;
 * -errno "audit.read" if the directory or a file in it cannot be read.
 */
int audit_verify(const char *path, struct audit_verdict *ret, struct fault *reterr);

#endif
