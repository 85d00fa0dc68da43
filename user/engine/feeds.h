/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The feeds of the policy in force. Once a second their files are looked at; one that changed and then stayed
 * the same for a second is read and compared on a thread of its own, and what came and went is applied. A file
 * that is gone, that cannot be trusted or that makes no sense changes nothing: what it listed before stays in
 * force, and log, audit chain and status say so.
 *
 * Feeds are not kept in the store: the file is the truth. After a restart the kernel still enforces what the
 * feeds listed before. As long as some feed's file cannot be read, everything of its kind that the kernel has
 * stays as entries of the origin "kept"; when all have been read they go. After a reboot there is nothing to
 * keep, and such a feed lists nothing until its file is there.
 */
#ifndef ENGINE_FEEDS_H
#define ENGINE_FEEDS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/outlook.h"
#include "lists/feed.h"
#include "lists/image.h"
#include "policy/policy.h"

struct engine;
struct feed;
struct feed_job;

/* Twice as many as a policy may have, for as long as one takes the other's place. */
struct feeds {
	struct feed *items[LIST_FEEDS_MAX];
	size_t count;
	struct feed_job *job; /* the reading under way, or NULL */
	bool keeping;	      /* there may be entries of the origin "kept" */
	unsigned int kept;    /* of these kinds, a bit each */
};

/**
 * Make the feeds of @policy that are not there yet and read them. The old ones stay beside them until
 * feeds_commit() or feeds_abort(). @must: fail if one cannot be read; otherwise that is recorded, and what
 * @held has of its kind is kept.
 */
int feeds_prepare(struct engine *e, const struct policy *policy, bool must,
		  const struct list_image *held, struct fault *reterr);
/* @policy is in force: drop the feeds that it does not have. Call lists_synchronise() afterwards. */
void feeds_commit(struct engine *e, const struct policy *policy);
/* @policy, which may be NULL, stays in force: drop the feeds that it does not have. Likewise. */
void feeds_abort(struct engine *e, const struct policy *policy);
/**
 * What the lists would say if @policy were in force: for that the files of those feeds that are not there yet are
 * read; what is wrong with one is in the outlook. Changes nothing. -ENOMEM.
 */
int feeds_outlook(struct engine *e, const struct policy *policy, struct outlook **ret,
		  struct fault *reterr);

/* Once a second: look at the files, end what is over. */
void feeds_tick(struct engine *e);
/* Take the result of a reading, if there is one. */
void feeds_collect(struct engine *e);
void feeds_done(struct engine *e);

#endif
