/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One segment of a log, checked by itself: as if what its header claims of the records before were true, so that
 * many can be checked at the same time. What must hold between them is verify's to join; a stretch keeps what that
 * needs, and no records.
 *
 * A crew is the threads that do it: stretches come out in the order of the segments, and only so many are held
 * that memory is bounded.
 */
#ifndef AUDIT_STRETCH_H
#define AUDIT_STRETCH_H

#include <stdatomic.h>

#include "audit/account.h"
#include "audit/coverage.h"
#include "audit/scan.h"
#include "audit/stubs.h"

/* What all stretches of a log have in common. */
struct stretch_job {
	int dir, tree_dir;	  /* of the log; of the incarnation's tree, or -1 */
	uint64_t base;		  /* index of leaf 0 */
	const uint64_t *segments; /* ascending */
	size_t count;
	struct tip acknowledged;
	bool last_is_open; /* nothing follows the last one: read it as long as it is now */
	uint64_t after;	   /* the segment behind the last one, if there is one */
	uint64_t points
		[COVERAGE_POINTS_MAX]; /* sizes of the tree at which its root will be needed */
	size_t point_count;
	atomic_uint_fast64_t bytes; /* read so far, by all */
};

/* The leaves of a stretch, as far as its tree needs them: only tiles at the seams and at points by their leaves. */
struct stretch_tree {
	struct coverage_tiles tiles;
	struct tile head, tail; /* leaves before the first and behind the last full tile */
	size_t head_count, tail_count;
	uint64_t first; /* number of the first full tile */
	uint8_t (*hashes)[AUDIT_HASH_SIZE];
	size_t count, size;
	struct stretch_kept {
		uint64_t number;
		struct tile tile;
	} kept[COVERAGE_POINTS_MAX];
	size_t kept_count;
};

struct stretch {
	int entered; /* reading its header: 0, or as scan_open() fails; then nothing else is set */
	int result;  /* 0; -EBADMSG: problem says what is wrong; other -errno */
	struct scan scan; /* after its last batch, without buffers */
	struct audit_problem problem;
	struct account account;
	struct audit_problem unaccounted; /* the first thing that does not add up */
	uint64_t records, batches;
	uint64_t evidence, evidence_gone; /* files of events that are there, and that are not */
	bool stubs_seen;
	struct stub_segment stubs; /* if scan.stubs: where records expired, and the file's hash */
	struct text
		archived; /* the retention.archived records, each followed by a NUL: they explain stubs before */
	struct text rotated; /* likewise the audit.key_rotated records */
	bool passed, met;    /* it reaches the acknowledged index; with that very tip */
	struct {
		bool there;
		uint64_t index, size, real_ns;
	} anchor; /* the last audit.anchored */
	struct stretch_tree tree;
};

void stretch_free(struct stretch *s);
DEFINE_CLEANUP(struct stretch *, stretch_free)

struct crew;

/** Begin to check the segments of @job, which outlives the crew, by @threads threads. -ENOMEM, -EAGAIN. */
int crew_start(struct stretch_job *job, unsigned int threads, struct crew **ret);
/**
 * The next stretch, now the caller's. While it is awaited, @tick is called five times a second; it may be NULL. 0;
 * -ENOMEM: a thread had no memory.
 */
int crew_next(struct crew *c, void (*tick)(void *userdata), void *userdata, struct stretch **ret);
/* End the threads, also before all is checked. Accepts NULL. */
void crew_stop(struct crew *c);
DEFINE_CLEANUP(struct crew *, crew_stop)

#endif
