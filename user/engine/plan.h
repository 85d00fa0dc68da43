/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a policy would change if it were applied now. Nothing is changed by asking. */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/outlook.h"
#include "engine/traffic.h"
#include "policy/compare.h"
#include "policy/policy.h"

struct engine;

enum plan_state {
	PLAN_KEPT,  /* the limit's meaning stays, and so does what sources have used of it */
	PLAN_ANEW,  /* it begins with full bursts */
	PLAN_ENDED, /* it is in force now and will not be */
	PLAN_STATE_MAX,
};

const char *plan_state_str(enum plan_state state);

struct plan_limit {
	char name[POLICY_NAME_MAX + 1];
	unsigned int unit; /* enum weir_unit */
	enum plan_state state;
};

#define PLAN_LACKS_MAX 4

struct plan {
	struct policy *policy;
	struct policy_changes changes;
	struct plan_limit limits[2 * WEIR_LIMITS_MAX];
	size_t limit_count;
	struct {
		uint64_t sources, cells_bytes, entries, entries_bytes;
	} before, after;
	const char *lacks[PLAN_LACKS_MAX]; /* what the policy needs and this kernel does not have */
	size_t lack_count;
	struct traffic_trial traffic;
	struct outlook *outlook; /* its feeds are those that only this policy has */
	size_t hosts;		 /* that were seen lately, see engine/seen.h */
	uint64_t seconds;
};

struct engine_refusal;

/**
 * Plan @text, or what the policy file holds if it is NULL, with @profile (NULL = the daemon's, "" = none). What is
 * wrong with it goes to @refusal, which may be NULL. End @ret with plan_done(). Faults are those of
 * policy_parse() and policy_compile().
 */
int engine_plan(struct engine *e, const char *text, size_t length, const char *profile,
		struct plan *ret, struct engine_refusal *refusal, struct fault *reterr);
void plan_done(struct plan *plan);

#endif
