/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the sealer does, turn by turn, without its thread: find the tree that was signed, read what was acknowledged
 * since, sign. sealer.h says what it is for.
 */
#ifndef AUDIT_SEALING_H
#define AUDIT_SEALING_H

#include <pthread.h>

#include "audit/keyring.h"
#include "audit/reader.h"
#include "audit/segment.h"
#include "audit/tile.h"

#define SEALING_TURN_RECORDS (1U << 18)

/** The directory of the tree of @incarnation: @audit_dir itself for 0. -ENAMETOOLONG. */
int sealing_path(const char *audit_dir, uint32_t incarnation, char ret[static PATH_MAX]);
/** The note that was signed last there, from malloc(). -ENOENT "audit.checkpoint": none; -errno. */
int sealing_read_note(const char *path, char **ret, size_t *ret_length, struct fault *reterr);
/** The same of the incarnation that the log in @audit_dir is in now. */
int sealing_read_latest(const char *audit_dir, char **ret, size_t *ret_length,
			struct fault *reterr);

struct sealing {
	const char *audit_dir;
	struct keyring *keys; /* borrowed, as is what guards it */
	pthread_mutex_t *keys_lock;
	const bool *stop; /* NULL: never; set by another thread, atomically */
	struct hasher hasher;
	int dir;      /* of the log */
	int tree_dir; /* of the tree */

	bool loaded;
	uint32_t incarnation;
	char path[PATH_MAX];   /* of tree_dir */
	uint64_t first;	       /* index of leaf 0 */
	struct reader *reader; /* stands behind the last leaf */
	struct tile_tree tree;
	bool has_last;
	uint8_t last_hash[AUDIT_HASH_SIZE]; /* of the last leaf */

	struct checkpoint signed_last;		 /* origin "": nothing was */
	bool met;				 /* the tree passes through it */
	uint64_t rebuilt;			 /* how often tiles were computed again */
	uint64_t signed_ns, signed_monotonic_ns; /* when; 0 = not by this process */
	bool resign;				 /* the keys changed */
};

/** -ENOMEM, or what opening the log's directory says. End with sealing_done(), which accepts a half-built one. */
int sealing_init(struct sealing *s, const char *audit_dir, struct keyring *keys,
		 pthread_mutex_t *keys_lock, struct fault *reterr);
void sealing_done(struct sealing *s);
/* Forget what is known of the tree: the next turn begins with the checkpoint. */
void sealing_reset(struct sealing *s);

/** What the state file acknowledges. -ENOENT: nothing yet. */
int sealing_tip(struct sealing *s, struct tip *ret, struct fault *reterr);
/**
 * Take in records up to @tip, at most SEALING_TURN_RECORDS, and sign. 1: there are more; 0: all are covered. On errors
 * begin anew by sealing_reset(): -EBADMSG "audit.contradiction": the log is not what was signed, or not what was
 * written; other -errno: files or libcrypto failed.
 */
int sealing_turn(struct sealing *s, const struct tip *tip, struct fault *reterr);

#endif
