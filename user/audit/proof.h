/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Proofs for those who have not got the log. A proof of inclusion is text as c2sp.org/tlog-proof has it: where a
 * record stands, the hashes on its way to the root, and the checkpoint that signed that root; its extra data is the
 * record itself, so that one file is all that it takes, or of one that expired its hash, and the notes of the rotations
 * that lead from earlier keys to who signed.
 */
#ifndef AUDIT_PROOF_H
#define AUDIT_PROOF_H

#include <limits.h>

#include "audit/leaves.h"
#include "audit/note.h"
#include "audit/rotation.h"
#include "audit/tile.h"

#define PROOF_SIZE_MAX                                                                             \
	(256U << 10) /* bytes of a proof's text; a record of 65,000 bytes takes 87,000 */
#define PROOF_NOTES_MAX (64U << 10) /* bytes of rotations' notes: the newest that fit, about 100 */
#define PROOF_EXTRA_MAX (AUDIT_RECORD_MAX + 1 + PROOF_NOTES_MAX)

/* The signed tree of one incarnation of a log. */
struct proof_tree {
	char path[PATH_MAX];
	uint32_t incarnation;
	uint64_t first; /* index of leaf 0 */
	int dir;
	struct hasher hasher;
	char *text; /* the checkpoint */
	size_t length;
	struct note note;
	struct checkpoint checkpoint;
	struct leaves leaves;
	struct tile_tree tree;
};

/**
 * Open the tree of the log in @audit_dir with record @index in it, or the one of now: UINT64_MAX. -ENOENT
 * "audit.checkpoint": nothing is signed; -EBADMSG "proof.tree": its tiles and records do not make the root that was
 * signed, 'weir audit verify' says where; -ENOENT "proof.tree": a tile is missing; -errno. Does not check who signed.
 * End with proof_tree_free().
 */
int proof_tree_open(const char *audit_dir, uint64_t index, struct proof_tree **ret,
		    struct fault *reterr);
/** The same for incarnation @number. -ENOENT "audit.checkpoint": nothing of it is signed. */
int proof_tree_open_number(const char *audit_dir, uint32_t number, struct proof_tree **ret,
			   struct fault *reterr);
/** How many incarnations the log has. -errno "audit.read". */
int proof_incarnations(const char *audit_dir, uint32_t *ret, struct fault *reterr);
/* Accepts NULL. */
void proof_tree_free(struct proof_tree *t);
DEFINE_CLEANUP(struct proof_tree *, proof_tree_free)

/** The root of the first @size leaves. -EINVAL "proof.size": there are fewer; -EBADMSG, -ENOENT "proof.tree". */
int proof_tree_root(struct proof_tree *t, uint64_t size, uint8_t ret[static AUDIT_HASH_SIZE],
		    struct fault *reterr);
/** That the tree of @size leaves begins with that of @old. Errors as above. */
int proof_tree_consistency(struct proof_tree *t, uint64_t old, uint64_t size,
			   struct merkle_proof *ret, struct fault *reterr);

/**
 * The proof that record @index is in the log, from malloc(). One that expired is taken from its archive; if that is gone, too,
 * the proof has its hash. -ENOENT "proof.record": there is no such record, or no
 * checkpoint covers it yet; errors of proof_tree_open().
 */
int proof_make(const char *audit_dir, uint64_t index, char **ret, size_t *ret_length,
	       struct fault *reterr);
/**
 * The index of the record with this event_id, in any incarnation, also if it expired. -ENOENT "proof.record"; -errno. Reads the
 * log until it is found; of a segment that is damaged, what is before the damage.
 */
int proof_find(const char *audit_dir, const uint8_t event_id[static AUDIT_ID_SIZE], uint64_t *ret,
	       struct fault *reterr);

/* A proof that was read. Strings point into its text. */
struct proof {
	uint64_t leaf;
	struct merkle_proof path;
	uint8_t *record; /* NULL: there is no extra data */
	size_t record_length;
	size_t extra_length; /* with a newline and the notes behind it, if there are any */
	bool expired;	     /* `record` is not the record but its leaf hash */
	struct rotation_list rotations;
	struct note note;
	struct checkpoint checkpoint;
};

/** Parse @data, which must outlive @ret. -EINVAL "proof.format", "note.format", "checkpoint.format"; -ENOMEM. */
int proof_parse(const char *data, size_t length, struct proof *ret, struct fault *reterr);
void proof_done(struct proof *p);
/**
 * Does it prove that its record is in the tree of its checkpoint? 0; -EBADMSG "proof.wrong". Who signed the
 * checkpoint is to be checked by rotation_signer(), with its rotations and UINT64_MAX as end.
 */
int proof_check(const struct proof *p, struct fault *reterr);

#endif
