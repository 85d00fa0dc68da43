/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One run of taking out what is past its time: a thread, and what it was told. */
#ifndef ENGINE_RETENTION_H
#define ENGINE_RETENTION_H

#include <stdbool.h>

#include "audit/event.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "engine/engine.h"

#define RETENTION_NEEDLE_MAX 512
#define RETENTION_NEEDLES    4 /* the value, and what stands for it: as address, name, text */

/* What must stay: all of these fit. */
struct retention_hold {
	bool all;
	enum audit_category category;
	char since[CLOCK_RFC3339_SIZE], until[CLOCK_RFC3339_SIZE]; /* "" = no bound */
	char needles[RETENTION_NEEDLES][RETENTION_NEEDLE_MAX];	   /* as one stands in the record */
	unsigned int needle_count;				   /* 0 = whatever it is about */
};

struct retention_order {
	uint64_t keep_s[AUDIT_CATEGORY_MAX]; /* 0 = for ever */
	bool archive;			     /* before anything is taken out */
	uint64_t keep_archives_s;     /* 0 = for ever; while there is a hold, none is removed */
	struct retention_hold *holds; /* taken over */
	size_t hold_count;
	uid_t uid;
	char username[33], role[16];
};

struct retention_report {
	bool running, stopped;
	uint64_t started_ns, ended_ns; /* CLOCK_REALTIME; 0 = never */
	uint64_t segments, rewritten, expired, bytes_saved;
	uint64_t archives_removed;
	struct fault trouble; /* the last; err 0 = none */
};

struct retention;

/** -ENOMEM. */
int retention_new(struct engine *e, struct retention **ret);
/* Nothing may run; the recorder was stopped, so that nobody will answer any more. */
void retention_free(struct retention *r);
DEFINE_CLEANUP(struct retention *, retention_free)
/** Faults: as engine_retention_apply(). */
int retention_begin(struct retention *r, const struct retention_order *order, struct fault *reterr);
/* No record is taken out after this returns, before the next begin. The thread may still be ending. */
void retention_stop(struct retention *r);
/* Wait for the thread. */
void retention_join(struct retention *r);
void retention_get_report(struct retention *r, struct retention_report *ret);

#endif
