/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What verify.c, which joins segments, verify_link.c, which compares them, and verify_cover.c, which knows checkpoints, have in common. */
#ifndef AUDIT_VERIFY_INTERNAL_H
#define AUDIT_VERIFY_INTERNAL_H

#include <limits.h>

#include "audit/incarnation.h"
#include "audit/rotation.h"
#include "audit/stretch.h"
#include "audit/verify.h"

struct verification {
	const char *path;
	const struct audit_verify_options *options;
	int dir;
	uint32_t incarnation;
	char tree_path[PATH_MAX];
	int tree_dir; /* -1: there is none */
	bool given_here; /* the checkpoint that was given is of this incarnation, if it is of this log */
	struct hasher hasher;
	struct audit_problem problem;
	struct audit_verdict verdict;
	struct state acknowledged; /* when we began */
	struct incarnation own_segments;
	const uint64_t *segments; /* of this incarnation */
	size_t count;
	size_t from, to; /* those that are looked at: [from, to) */
	uint64_t total;	 /* bytes of them */

	struct stretch_job job;
	struct stretch *last;	/* joined so far */
	bool met;		/* the chain passes through the acknowledged tip */
	struct tip tip, before; /* the end of the last batch, and of the one before it */
	struct account account;
	struct audit_problem unaccounted;
	struct audit_problem forged; /* what is wrong with the checkpoints themselves */

	struct rotation_list *rotations; /* of this incarnation and those before it */
	size_t earlier_rotations;	 /* of those before it */
	const struct rotation_list *all; /* and after it; not verified */
	struct stub_list stubs;
	struct coverage coverage;
	bool growing; /* the tree is known up to the last stretch */
	struct cover_note {
		char *text; /* of a note that is ours; NULL */
		struct note *note;
		struct checkpoint checkpoint;
		bool unsigned_by_key; /* the key given is to lead to who signed it */
		int point;	      /* of the coverage; -1: its tree is not met by what is read */
	} own, given;
};

/**
 * Verify one incarnation; the fields up to `dir` are set, and own_segments.next and dirs to none. 0: v->verdict is;
 * *@ret_again: what it found may be explained by what was written meanwhile; *@ret_next: the number of the next one, 0: there
 * is none. Errors of audit_verify_with().
 */
int verify_once(struct verification *v, bool *ret_again, uint32_t *ret_next, struct fault *reterr);
void verification_done(struct verification *v);
DEFINE_CLEANUP(struct verification *, verification_done)

/* No other incarnation follows. */
static inline bool verification_is_last(const struct verification *v)
{
	return v->own_segments.next == SEGMENT_NONE;
}

/* Index of the record that is due. */
uint64_t link_due(const struct verification *v);
/** The header of segment @at. 1; 0: it is still being written; -errno or -EBADMSG: v->problem. */
int link_enter(struct verification *v, size_t at, const struct stretch *s);
/* Problems; -EBADMSG. Records up to @end were committed; something is wrong at the very end. */
int link_missing_end(struct verification *v, enum audit_finding finding, uint64_t end);
int link_judge_tail(struct verification *v);

/**
 * Read the checkpoints and check their signatures. Before the state file is read: what is signed was acknowledged.
 * 0; -EBADMSG: v->problem; other -errno, with @reterr set.
 */
int cover_load(struct verification *v, struct fault *reterr);
void cover_done(struct verification *v);
/**
 * The rotations are read: does the key that was given lead to who signed what it did not? 0; -EBADMSG: v->problem. Only if
 * cover_load() found nothing.
 */
int cover_follow(struct verification *v);
/** What is read begins with record @first; sets what stretches need. 0 or -errno; what is missing ends v->growing. */
int cover_begin(struct verification *v, uint64_t first);
/** The leaves of the stretch that was joined last. */
void cover_add(struct verification *v, const struct stretch *s);
/** All is read, and in order: is it what was signed? 0; -EBADMSG: v->problem; other -errno. */
int cover_judge(struct verification *v);

#endif
