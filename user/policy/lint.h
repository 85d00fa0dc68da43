/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Warnings, for this module only: what lint.c and lint_lists.c share. */
#ifndef POLICY_LINT_H
#define POLICY_LINT_H

#include "policy/load.h"

#define POLICY_ICMP  1
#define POLICY_ICMP6 58

#define LINT_PPS_MAX 2000000000ULL   /* what no NIC delivers: packets per second, */
#define LINT_BPS_MAX 125000000000ULL /* and bytes per second: 1 Tbit/s */

struct lint {
	const struct policy *policy;
	struct policy_report *report;
	int64_t unix_time;
	struct prefix *prefixes; /* room for those of all tenants */
	struct prefix *decided;	 /* of both lists, for ever; sorted */
	size_t decided_count;
};

/** -ENOMEM. End with lint_done(), also then. */
int lint_init(struct lint *l);
void lint_done(struct lint *l);

/** Look at the entries of both lists. -ENOMEM. */
int lint_lists(struct lint *l);

/* Assets that nothing belongs to. */
void lint_assets(const struct policy *policy, struct policy_report *report);
/* What the audit log is told to do and to keep, taken together. */
void lint_audit(const struct policy *policy, struct policy_report *report);

/* Order prefixes by address, shorter first. */
void lint_sort(struct prefix *prefixes, size_t count);
/** The sorted @others cover all of @p together; @longer: only those count that are longer than it. */
bool lint_is_covered(const struct prefix *p, const struct prefix *others, size_t count,
		     bool longer);
/** What becomes of all these sources, the lists decide. */
bool lint_is_decided(const struct lint *l, const struct prefix *sources, size_t count);

#endif
