/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What limits promise, in arithmetic that neither wraps nor runs out of bits: the reference that
 * include/weir/algorithm.h and the running datapath are compared with. It shares nothing with them
 * but the numbers in struct weir_limit. Times never wrap here; the datapath's are their lowest 64
 * bits.
 *
 *   bucket   a level that falls by 1 per unit of time and rises by each packet's cost; what would
 *            lift it above the burst is refused, and so is, of a leaky bucket, whatever finds it
 *            above 0.
 *   fixed    windows that begin with a packet and add up what they admit.
 *   sliding  likewise, but a window follows the one before at once, and what that one admitted
 *            counts for the part of it that still lies less than one window behind.
 */
#ifndef LIB_MODEL_H
#define LIB_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/policy.h>

typedef __int128 model_time; /* 1/256 ns */

struct model {
	const struct weir_limit *limit;
	bool used; /* it has admitted anything */

	/* bucket: as the last packet that was admitted left it */
	model_time level, at;

	/* windows */
	model_time end;		    /* of the current one */
	uint64_t current, previous; /* units admitted, in steps of 2^shift */
};

void model_init(struct model *m, const struct weir_limit *limit);

/** Offer @units at @now. Whether they are admitted. @now may lie before an earlier one. */
bool model_offer(struct model *m, model_time now, uint64_t units);

/** Whether @units would be admitted @now; admit them whatever they find; take back what was admitted last
 * (of a bucket, no more than what still lies ahead @now). */
bool model_conforms(const struct model *m, model_time now, uint64_t units);
void model_charge(struct model *m, model_time now, uint64_t units);
void model_refund(struct model *m, model_time now, uint64_t units);

/** When the state changes by itself for the first time: a bucket is empty, or the current window is over. */
model_time model_changes_at(const struct model *m);

/** The word that a cell in this state holds; meaningless before anything was admitted. */
uint64_t model_word(const struct model *m);

/** When the state is as if there had never been any. */
model_time model_rests_at(const struct model *m);

/**
 * Of a sliding window at @now: how many units of 2^shift count, the current window's and the share
 * of the previous one's, in exact fractions of @ret_parts. Never more than the datapath's figure.
 */
unsigned __int128 model_sliding_parts(const struct model *m, model_time now, uint64_t *ret_parts);

#endif
