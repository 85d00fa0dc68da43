/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes batches durable: the current segment, its rotation, the state file, and what to do when the
 * disk refuses. A batch counts as written when fdatasync() has returned, as acknowledged when the
 * state file says so; the next batch is not begun before that.
 */
#ifndef AUDIT_WRITER_H
#define AUDIT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/directory.h"
#include "audit/recover.h"

struct writer {
	int dir;
	struct hasher *hasher;
	uint64_t segment_bytes;
	bool rotate; /* the next batch begins a segment, however short this one is */
	int (*datasync)(int fd);
	uint8_t boot_id[AUDIT_ID_SIZE];

	struct state state;	       /* its tip: the end of the last durable batch */
	bool state_stale;	       /* ... which the state file does not say yet */
	bool state_lost;	       /* the state file has to be made */
	int fd;			       /* the current segment; -1 = start one */
	uint64_t segment;	       /* its first index */
	uint64_t offset;	       /* where its next frame goes */
	uint8_t seal[AUDIT_HASH_SIZE]; /* running */
	struct segment_link previous;  /* of the current or else of the next segment */
};

/* Take over what recovery found, its descriptor included. @dir and @hasher stay the caller's. */
void writer_init(struct writer *w, int dir, struct hasher *hasher, struct recovery *found);
void writer_done(struct writer *w);

/**
 * Write @count records, framed in the @length bytes of @batch, and a COMMIT frame behind them, for
 * which @batch has FRAME_SEAL_SIZE more bytes. On -errno nothing of it counts: call again.
 */
int writer_commit(struct writer *w, uint8_t *batch, size_t length, size_t count,
		  const uint8_t last_hash[static AUDIT_HASH_SIZE]);
/** Bring the state file up to date, if it isn't. */
int writer_acknowledge(struct writer *w);

#endif
