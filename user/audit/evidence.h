/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events one by one, beside the log: a batch of them is a file evidence/<SHA-256 of it>, and its record
 * (traffic.evidence) has that hash, their number and the root of an RFC 6962 tree whose leaves they are, so
 * that one event can be shown without the others. A file that is removed leaves a log that verifies, and
 * verification says that it is gone; one that was changed is found. Events are in the clear.
 */
#ifndef AUDIT_EVIDENCE_H
#define AUDIT_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/chain.h"
#include "audit/finding.h"
#include "audit/hash.h"

#define EVIDENCE_DIR	    "evidence"
#define EVIDENCE_EVENT_SIZE 64
#define EVIDENCE_EVENTS_MAX 65536 /* of a batch: 4 MiB; further ones are counted and left out */

struct evidence {
	int dir;    /* of the log */
	bool named; /* the directory of the files is durable, by name */
	struct hasher hasher;
	uint8_t *events; /* NULL: nothing is kept */
	size_t count;
	uint64_t packets, left_out;
};

/** -ENOMEM or -errno of open(2). End with evidence_done(), which accepts what is zeroed but for dir = -1. */
int evidence_open(struct evidence *e, const char *log_path);
void evidence_done(struct evidence *e);

/* Keep an event, which stands for so many packets. */
void evidence_add(struct evidence *e, const uint8_t event[static EVIDENCE_EVENT_SIZE],
		  uint64_t packets);
/**
 * Write what was kept since the last call, then append its record. Without events, nothing. A failure to write is a
 * record, too; what was kept is lost then.
 */
void evidence_close(struct evidence *e, struct chain *chain);

/** The root of the tree over @count events. */
void evidence_root(struct hasher *h, const uint8_t *events, size_t count,
		   uint8_t ret[static AUDIT_HASH_SIZE]);

/**
 * The file that record @index with these details is about, in the log @dir: 1 = as it was written, 0 = gone or
 * never written; -EBADMSG: changed, as @ret_problem says; other -errno: it cannot be read.
 */
int evidence_check(int dir, struct hasher *h, uint64_t index, const struct record_slice *details,
		   struct audit_problem *ret_problem);

/**
 * Call @fn with the name of each file in which an event is of a source that @is says yes to, and remove the file if it
 * returns 1; below 0 ends it and is returned. Faults: audit.evidence: a file cannot be read or removed.
 */
int evidence_remove(int dir, bool (*is)(const uint8_t source[static 16], const void *userdata),
		    const void *subject,
		    int (*fn)(const char *name, void *userdata, struct fault *reterr),
		    void *userdata, struct fault *reterr);

#endif
