/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Recompute the whole log from its files: read-only, offline, also while a daemon is writing. Every byte of every
 * segment is either hashed, compared with a computed value or proven to be zero; the records must add up to the
 * heartbeats, and make the trees that checkpoints signed.
 *
 * The chain alone is not keyed: who can write to the directory and recomputes everything after a change is found
 * out by a checkpoint, if its key was not there to be used, or by one that was kept elsewhere.
 */
#ifndef AUDIT_VERIFY_H
#define AUDIT_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/finding.h"
#include "audit/note.h"
#include "audit/record.h"
#include "base/fault.h"

#define AUDIT_VERIFY_THREADS_MAX 64

struct audit_verdict;

struct audit_verify_options {
	unsigned int threads;	     /* 0: as many as there are CPUs */
	uint64_t since_ns, until_ns; /* only segments with records of that time; 0 = no bound */
	const char *checkpoint;	     /* a note that was kept elsewhere, not NUL-terminated; NULL */
	size_t checkpoint_length;
	/* Whose signatures count, and those of the keys that it leads to (rotation.h); NULL: those of the log's own keys. */
	const struct note_verifier *key;
	bool indexes; /* compare indexes with records, too: nothing is hidden from searches */
	/* Called about five times a second: bytes of segments that were read, and that there are, of this incarnation. */
	void (*progress)(uint64_t done, uint64_t total, void *userdata);
	/* Called with the verdict on each incarnation, one after another. */
	void (*incarnation)(const struct audit_verdict *verdict, void *userdata);
	bool (*is_cancelled)(void *userdata); /* asked before each segment; NULL: never */
	void *userdata;
};

enum audit_signature {
	AUDIT_SIGNATURE_UNCHECKED, /* it was not looked at */
	AUDIT_SIGNATURE_OWN,	   /* by a key that is only known from the log's own list */
	AUDIT_SIGNATURE_GIVEN,	   /* by the key that was given */
	AUDIT_SIGNATURE_FOLLOWED,  /* by one that it leads to */
	AUDIT_SIGNATURE_MAX
};
const char *audit_signature_to_str(enum audit_signature signature); /* "own" */

/* What a checkpoint says of the records that were read. */
struct audit_covered {
	bool there;
	bool covers; /* the tree of the first `size` records has the root that was signed */
	char origin[NOTE_NAME_MAX + 1];
	uint64_t size;
	enum audit_signature signature;
	char signer[NOTE_VERIFIER_SIZE];
	uint64_t
		rotation; /* AUDIT_SIGNATURE_FOLLOWED: the record of the rotation that has the signer */
};

struct audit_verdict {
	enum audit_status status;

	/* Set if status is not AUDIT_OK. */
	enum audit_finding finding;
	uint64_t index;	  /* of the first record that is bad or missing */
	char segment[48]; /* file name below the directory; "" if there is none */
	uint64_t offset;  /* in it */
	char words[256];  /* a sentence for people */

	uint32_t incarnation;
	uint64_t base; /* index of its first record, which is leaf 0 of its tree */

	/* What was found in order, up to there. */
	uint64_t
		expired; /* of these: they were taken out as the retention says, their hashes are there */
	uint64_t first;	  /* index of the first record that was looked at */
	uint64_t records; /* so many from there on */
	uint64_t
		length; /* index behind its last record, as far as the state file or what was read says */
	uint64_t batches;
	uint64_t segments;
	uint64_t heartbeats;		  /* between which the records were added up */
	uint64_t evidence, evidence_gone; /* files of events that are there, and that are not */
	uint64_t tail_bytes; /* after the last commit: a batch being written, or cut by a crash */
	uint64_t last_commit_ns; /* CLOCK_REALTIME; 0 = none */
	uint8_t chain_id[AUDIT_ID_SIZE];
	uint8_t last_hash[AUDIT_HASH_SIZE]; /* zeros if there are no records */

	struct audit_covered own, given; /* the log's checkpoint; that of the options */
	uint64_t tiles_equal,
		tiles_missing;		    /* files of tiles; missing ones can be computed again */
	uint64_t indexed;		    /* of the records: their indexes are what they make */
	bool anchored;			    /* the last audit.anchored that was read: */
	uint64_t anchor_index, anchor_size; /* its index, and the records it handed out */
	uint64_t anchor_ns;		    /* CLOCK_REALTIME */
	bool key_announced;		    /* the key given is not the log's first: */
	uint64_t
		key_announced_at; /* the record that says so. What was signed before that, others signed. */
};

/**
 * Verify the log in directory @path, all of its incarnations; @options may be NULL. @ret is the verdict on the first
 * one that is not in order; a second incarnation is a finding by itself. Its `given` is what the checkpoint given says of
 * the incarnation that it is of. Returns 0 whenever there is a verdict, however bad it is;
 * -errno "audit.read" if the directory or a file in it cannot be read; -EINVAL "note.format", "checkpoint.format": the
 * checkpoint that was given is none; -ECANCELED.
 */
int audit_verify_with(const char *path, const struct audit_verify_options *options,
		      struct audit_verdict *ret, struct fault *reterr);
int audit_verify(const char *path, struct audit_verdict *ret, struct fault *reterr);

#endif
