/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What tenants used, by day, UTC. The kernel has counters that only grow; a row per tenant and day in the store has what
 * they grew by, and a row per tenant up to where that is, in one transaction: so nothing is counted twice, and nothing is
 * lost as long as the pins live. What was counted while no daemon ran belongs to the day on which one reads it, and
 * says since when it may be.
 */
#ifndef ENGINE_USAGE_H
#define ENGINE_USAGE_H

#include "engine/engine.h"

#define USAGE_KEEP_DAYS 760 /* unless the policy says otherwise: two years and a month */
#define USAGE_DAYS_MAX	400 /* of one question */

struct usage;

/* Of one day, since 1970. */
struct engine_usage {
	int64_t day;
	int64_t since; /* it may be of earlier days, from this one on; day: it is not */
	struct weir_usage_count count;
};

/** The day that it is. */
int64_t engine_usage_today(void);
/**
 * The days of @tenant from @first to @last, at most USAGE_DAYS_MAX, the latest first, up to this moment; days without a
 * daemon are missing. The caller frees *@ret. Faults: tenants.absent (-ENOENT: neither the policy has it, nor is there
 * any usage of it), store.none (-EIO), those of the store.
 */
int engine_usage_read(struct engine *e, const char *tenant, int64_t first, int64_t last,
		      struct engine_usage **ret, size_t *ret_count, struct fault *reterr);

/* For the engine itself: once the store is open and before a policy is put in force. */
void usage_start(struct engine *e);
/* Another policy is about to be put in force, enforcement to end, or the daemon: keep what was counted so far. */
void usage_keep(struct engine *e);
/* It is in force: remember its tenants. */
void usage_take_policy(struct engine *e);
/* Whenever usage_due_ns() says, CLOCK_MONOTONIC; more often does no harm. */
void usage_tick(struct engine *e);
uint64_t usage_due_ns(const struct engine *e);
void usage_free(struct usage *u);

#endif
