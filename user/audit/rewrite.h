/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Take expired records out of a complete segment: the file is written anew beside it with STUB frames in their
 * place, or one GONE frame for batches of which all is taken out (gone.h), read back and checked, and then takes the former one's place. Hashes, seals and what the next segment's
 * header says of this one stay true. Decides neither what expires nor who may know: the caller records it between
 * the two steps, as README.md says.
 */
#ifndef AUDIT_REWRITE_H
#define AUDIT_REWRITE_H

#include <stdbool.h>

#include "audit/record.h"
#include "base/fault.h"

struct rewrite {
	uint64_t segment;    /* its first index */
	uint64_t next_index; /* of the record after its last */
	uint64_t expired;    /* records that are taken out now */
	uint64_t stubs;	     /* that are gone then, with those taken out earlier */
	uint64_t bytes_before, bytes_after;
	uint8_t hash_before[AUDIT_HASH_SIZE], hash_after[AUDIT_HASH_SIZE]; /* of the whole file */
	uint8_t last_hash[AUDIT_HASH_SIZE];
};

/**
 * The segments of the log in directory @dir from which records can be taken out, ascending; the caller's to free. Not
 * the one that is written to, and none from before a violation: these are evidence.
 */
int rewrite_candidates(int dir, uint64_t **ret, size_t *ret_count, struct fault *reterr);

/**
 * Write @segment anew without the records that @expired says are. 1: it is ready, durable and checked; 0: nothing
 * expired, nothing was written; -ECANCELED "retention.stopped": *@stop became true. Faults: audit.damaged (-EBADMSG: the
 * segment is not in order and stays as it is), audit.write, audit.read.
 */
int rewrite_stage(int dir, uint64_t segment,
		  bool (*expired)(const char *data, const struct record_view *view, void *userdata),
		  void *userdata, const bool *stop, struct rewrite *ret, struct fault *reterr);
/** Put it in the former one's place. Faults: audit.write; audit.changed (-ESTALE: that is another one now). */
int rewrite_commit(int dir, const struct rewrite *r, struct fault *reterr);
void rewrite_abort(int dir, uint64_t segment);

/**
 * Compress the segment as it is to archive/<first index>-<16 digits of its SHA-256>.seg.gz in @dir, with a
 * manifest (.json) beside it; read it back and compare. One that is there and intact is left. Faults: audit.archive.
 */
int rewrite_archive(int dir, const struct rewrite *r, struct fault *reterr);
#define REWRITE_ARCHIVE_NAME_SIZE 64
void rewrite_archive_name(const struct rewrite *r, char ret[static REWRITE_ARCHIVE_NAME_SIZE]);

struct archive;
/**
 * Make the archive @a (archives.h) anew without the records that @expired says are gone: under another name
 * (rewrite_archive_name() of @ret), whose manifest says what it "replaces", and is as old. 1: it is there, durable and
 * checked, and the former one too, until archives_remove(); 0: there is none such record in it. Faults: audit.archive, and as rewrite_stage().
 */
int rewrite_archived(int dir, const struct archive *a,
		     bool (*expired)(const char *data, const struct record_view *view,
				     void *userdata),
		     void *userdata, const bool *stop, struct rewrite *ret, struct fault *reterr);
/* Remove what one that was killed left unpacked. */
void rewrite_sweep(int dir);

#endif
