/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a data subject asks for, done by a thread of its own, one after the other: finding the subject in the vault and
 * the log, taking clear records and files out. The loop decides and keeps the ledger
 * (requests.c); the thread has it called for that, and waits.
 */
#ifndef ENGINE_ERRAND_H
#define ENGINE_ERRAND_H

#include <jansson.h>

#include "audit/mention.h"
#include "engine/configured.h"
#include "engine/subject.h"

#define ERRAND_ID_SIZE 17

enum errand_kind {
	ERRAND_FIND,	/* numbers in the vault, places that are configured */
	ERRAND_ERASE,	/* the same, then take all out */
	ERRAND_RECTIFY, /* is there such a record? */
};

/* What was found and done. The thread's while it runs, the loop's in its calls and when it is over. */
struct errand_result {
	uint64_t numbers[SUBJECT_NUMBERS_MAX]; /* in the vault, ascending */
	size_t count;
	struct configured configured;
	uint64_t removed;   /* records that became stubs */
	uint64_t archives;  /* that were made anew */
	uint64_t evidence;  /* files of events that were removed */
	uint64_t kept;	    /* records that name them and have to stay */
	uint64_t erased;    /* rows of the vault */
	json_t *left;	    /* what could not be reached, and why; strings */
	struct fault fault; /* why it failed; err 0 = it did not */
};

struct errand;

/* Called on the loop. */
struct errand_calls {
	/* What there is was found: write it down and do what has to come before. Below 0 ends it. */
	int (*found)(struct engine *e, const char *id, struct errand_result *r,
		     struct fault *reterr);
	void (*over)(struct engine *e, const char *id, struct errand_result *r);
};

/** -ENOMEM. */
int errand_new(struct engine *e, const struct errand_calls *calls, struct errand **ret);
/* The recorder was stopped, so that nobody calls any more. */
void errand_free(struct errand *r);

struct errand_order {
	enum errand_kind kind;
	const char *id; /* of the request */
	const char *subject;
	const char *event; /* ERRAND_RECTIFY */
};

/** Faults: request.busy (-EBUSY), request.subject (-EINVAL), request.start. */
int errand_begin(struct errand *r, const struct errand_order *order, struct fault *reterr);
bool errand_is_busy(const struct errand *r);
/** The one that runs is about this request. */
bool errand_is_about(const struct errand *r, const char *id);
const char *errand_subject(const struct errand *r);
/* Nothing is taken out after this returns; -ECANCELED is why it failed. */
void errand_stop(struct errand *r);
void errand_join(struct errand *r);

#endif
