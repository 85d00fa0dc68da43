/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Take out of the log's files what names somebody in the clear: records become stubs, archives are made anew
 * without them, files of events go. Each is recorded before it is done, so that verification has its explanation.
 */
#ifndef ENGINE_ERASE_RECORDS_H
#define ENGINE_ERASE_RECORDS_H

#include <pthread.h>

#include "audit/mention.h"
#include "base/fault.h"
#include "engine/engine.h"

#define REMOVAL_FAILED_MAX  16
#define REMOVAL_INDEXES_MAX 2000 /* bytes of the list of indexes in a record */

struct removal {
	struct engine *engine;
	const char *request; /* its id */
	const struct mention *mention;
	const bool *stop;
	pthread_mutex_t *lock; /* of `stop`: held while a file is replaced */
	int (*wait_durable)(void *userdata, struct fault *reterr);
	void *userdata;
	int dir;		    /* of the log */
	const uint64_t *statements; /* indexes of what is said of such records; ascending */
	size_t statement_count;

	uint64_t removed, archives, evidence, kept;
	uint64_t kept_next;			 /* index: records before it were counted */
	struct fault failed[REMOVAL_FAILED_MAX]; /* files that stay as they are, and why */
	size_t failed_count;

	/* Of the segment that is read: the indexes, as ranges. */
	char indexes[REMOVAL_INDEXES_MAX + 48];
	uint64_t range_first, range_last;
	bool in_range, indexes_full;
};

/** Complete segments. What fails for one of them is in `failed`, and the others go on; -ECANCELED, or nothing works. */
int removal_segments(struct removal *x, struct fault *reterr);
int removal_archives(struct removal *x, struct fault *reterr);
int removal_evidence(struct removal *x, struct fault *reterr);

struct errand_result;
/* Record what was found, before anything is taken out. */
void removal_announce(struct engine *e, const char *request, const struct errand_result *found);

#endif
