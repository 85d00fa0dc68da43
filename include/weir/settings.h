/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a policy may need beyond the base, and what is left out of the program where none does. */
#ifndef WEIR_SETTINGS_H
#define WEIR_SETTINGS_H

#include <weir/cell.h>
#include <weir/list.h>

enum weir_feature {
	WEIR_FEATURE_DESTINATIONS = 1 << 0, /* limits or tenants name destinations */
	WEIR_FEATURE_SOURCES = 1 << 1,	    /* or sources */
	WEIR_FEATURE_WINDOWS = 1 << 2,	    /* fixed and sliding windows */
	WEIR_FEATURE_SHADOW = 1 << 3,
	WEIR_FEATURE_ROLLOUT = 1 << 4,
	WEIR_FEATURE_COSTS = 1 << 5,   /* packets do not all cost one unit */
	WEIR_FEATURE_OPEN = 1 << 6,    /* limits on open connections */
	WEIR_FEATURE_MARK = 1 << 7,    /* action mark */
	WEIR_FEATURE_REJECT = 1 << 8,  /* refused packets may be answered */
	WEIR_FEATURE_COOKIES = 1 << 9, /* SYN cookies */
	WEIR_FEATURE_FLAGS = 1 << 10,  /* limits that a flag switches */
	WEIR_FEATURE_QUOTA = 1 << 11,  /* quotas */
	WEIR_FEATURE_USAGE = 1 << 12,  /* there are tenants */
	/* not of the policy: the table of cells is being replaced by one of another size */
	WEIR_FEATURE_MOVING = 1 << 13,
	WEIR_FEATURE_TIMING = 1 << 14, /* some packets are timed */
	/* not of the policy either: somebody traces packets */
	WEIR_FEATURE_TRACE = 1 << 15,
	WEIR_FEATURE_ALL = ((1 << 15) - 1) & ~WEIR_FEATURE_MOVING,
};
#define WEIR_FEATURES 16

/** What the program has of them: a byte each, since the verifier leaves the loads of what it found to be
 * constant in the program, and one of a byte to compare with 0 is the least. */
static inline void weir_features_unpack(__u32 features, __u8 ret[WEIR_FEATURES])
{
	for (int i = 0; i < WEIR_FEATURES; i++)
		ret[i] = features >> i & 1;
}

#endif
