/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The writer of the audit chain in one directory. Records are appended to a batch in memory; a
 * commit makes the batch durable. Not thread safe by design: one thread (the recorder) owns it.
 * That only one process writes is enforced with a lock file.
 *
 * A failed commit loses nothing: the batch stays in memory and the next commit tries again. What
 * does not fit into the batch meanwhile is refused and counted, and once writing works again the
 * chain itself records how long it failed (audit.storage_error) and how many records it had to
 * refuse (audit.loss).
 *
 * When the disk is full, a reserve is given up, and what fits into its room begins with audit.storage_full.
 * The chain counts as full until there is room for another reserve, which audit.storage_restored says.
 */
#ifndef AUDIT_CHAIN_H
#define AUDIT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/record.h"
#include "base/cleanup.h"
#include "base/fault.h"

#define CHAIN_SEGMENT_BYTES	(64ULL << 20)
#define CHAIN_BATCH_BYTES_MIN	(256U << 10) /* room for the chain's own records beside a large one */
#define CHAIN_SEGMENT_BYTES_MIN 4096	     /* the header alone: a file for each batch */

struct chain;

struct chain_options {
	uint64_t segment_bytes; /* start a new file beyond this size; 0 = CHAIN_SEGMENT_BYTES */
	size_t batch_bytes; /* so many fill a batch: chain_append() asks for a commit; 0 = BATCH_BYTES */
	int (*datasync)(int fd); /* for tests of a failing disk; NULL = fdatasync */
	/* Not NULL: records that were acknowledged once are missing in what is here, for this reason, though it
	 * looks whole (a backup took the place of a longer log). It is a violation like any other. */
	const char *missing;
	/* Who seals what records say about people, until chain_close(); NULL: records are clear. Nothing is
	 * committed whose values it has not made durable. */
	const struct personal_keeper *keeper;
};

/* How the chain was found by chain_open(). */
enum chain_origin {
	CHAIN_CREATED,	 /* the directory was empty or not there */
	CHAIN_CONTINUED, /* it ends where the last daemon said */
	CHAIN_RECOVERED, /* the end of an unacknowledged batch, torn by a crash, was set aside */
	CHAIN_VIOLATED,	 /* acknowledged records are gone or changed; a new incarnation begins */
	CHAIN_ORIGIN_MAX,
};

/**
 * Open the chain in @path and lock it; create both if need be. The parent of @path must exist, and
 * @path must be a directory (no symlink) of ours that nobody else may write to. @options may be
 * NULL.
 *
 * After a crash or a violation the records that tell of it are already appended: commit soon. On a
 * full disk opening an existing chain works, only commits fail.
 *
 * -EBUSY "audit.locked": another process writes here; -EPERM "audit.owner": not ours or not safe;
 * other -errno "audit.open": cannot be opened or created.
 */
int chain_open(const char *path, const struct chain_options *options, struct chain **ret,
	       struct fault *reterr);

/* Closes without a commit: what is pending is dropped. Accepts NULL. */
void chain_close(struct chain *c);
DEFINE_CLEANUP(struct chain *, chain_close)

enum chain_origin chain_origin(const struct chain *c);
/* What was found, for the log: one sentence, "" if there is nothing to say. */
const char *chain_origin_words(const struct chain *c);

/**
 * Append to the batch in memory. -ENOBUFS: the batch is full, commit first; -EMSGSIZE: the record
 * exceeds AUDIT_RECORD_MAX. Both count as lost, and the chain will say so in an audit.loss record.
 */
int chain_append(struct chain *c, const struct audit_record *record);

/**
 * Make everything appended so far durable: write, fdatasync, acknowledge in the state file. Returns
 * 0 when it is (also if nothing was pending). On -errno ("audit.write") the batch is kept, call
 * again later; chain_is_degraded() until a commit succeeds.
 */
int chain_commit(struct chain *c, struct fault *reterr);

/* What is committed next begins a new segment: the one before is complete, and records may be taken out of it. */
void chain_rotate(struct chain *c);

bool chain_is_degraded(const struct chain *c);
bool chain_is_full(const struct chain *c);    /* written, at the cost of the reserve */
uint64_t chain_lost(const struct chain *c);   /* records refused since chain_open() */
size_t chain_pending(const struct chain *c);  /* records appended and not yet durable */
uint64_t chain_bytes(const struct chain *c);  /* written by this object, all segments */
uint64_t chain_length(const struct chain *c); /* index of the next record to become durable */
void chain_last_hash(const struct chain *c,
		     uint8_t ret[static AUDIT_HASH_SIZE]); /* of the last durable */

#endif
