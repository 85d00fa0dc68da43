/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The controller of one adaptive limit: when to step, and what a step changed. The arithmetic of a step
 * is the policy's (policy_adaptive_step()); measuring is the sensors'; the word in the kernel and the
 * audit record are the engine's.
 */
#ifndef DETECT_ADAPTIVE_H
#define DETECT_ADAPTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/policy.h>

#include "policy/policy.h"

struct adaptive {
	const struct policy_adaptive *rule; /* the policy's own */
	unsigned int factor;		    /* per mille of the limit's rate */
	bool measured_yet;
	uint64_t measured; /* what the last step was told; meaningful if measured_yet */
	int error;	   /* -errno: why the last step learned nothing; 0 = it did */
	uint64_t next_ns;  /* CLOCK_MONOTONIC of the next step */
};

enum adaptive_change {
	ADAPTIVE_FACTOR = 1 << 0,      /* the factor is another one */
	ADAPTIVE_LEFT_MAX = 1 << 1,    /* and was at its maximum, */
	ADAPTIVE_REACHED_MAX = 1 << 2, /* or is now */
	ADAPTIVE_LOST = 1 << 3,	       /* nothing can be measured any more, */
	ADAPTIVE_FOUND = 1 << 4,       /* or again */
};

/* Begin at @factor, or what of it is within the rule's limits; the first step is an interval away. */
void adaptive_init(struct adaptive *a, const struct policy_adaptive *rule, unsigned int factor,
		   uint64_t now_ns);
bool adaptive_is_due(const struct adaptive *a, uint64_t now_ns);
/**
 * The step that is due: @measured, or @error (-errno) if there is nothing to go by, which leaves the
 * factor alone. -ENODATA means that there is nothing yet, and is no loss. What changed, of enum
 * adaptive_change.
 */
unsigned int adaptive_step(struct adaptive *a, uint64_t now_ns, int error, uint64_t measured);

/** The factor by which policy_scale() makes @word of @limit; the largest, if several do. 0: none within
 * @rule's limits does. */
unsigned int adaptive_factor_of(const struct policy_adaptive *rule, const struct weir_limit *limit,
				uint64_t word);

#endif
