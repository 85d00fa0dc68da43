/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a packet costs, stage by stage: of one packet in so many each stage's end is timed, and the difference to the one
 * before counted in a bucket. Only while a policy asks for it (metrics.timing); otherwise this is no code.
 */
#ifndef WEIR_TIMING_H
#define WEIR_TIMING_H

#include <weir/types.h>

/* What ends, in this order. Not all are in each packet's way. */
enum weir_stage {
	WEIR_STAGE_BEGIN, /* nothing: what the others are counted from */
	WEIR_STAGE_CLOCK, /* nothing but reading the clock once more: what each of the others has too much */
	WEIR_STAGE_NETWORK,   /* parsing, up to the source */
	WEIR_STAGE_LISTS,     /* allow and block list */
	WEIR_STAGE_TRANSPORT, /* parsing, the rest */
	WEIR_STAGE_LIMITS,    /* matching and charging */
	WEIR_STAGE_EXIT, /* counting and accounting; not of packets that are answered, marked or rejected */
	WEIR_STAGE_MAX,
};

#define WEIR_TIMING_BUCKETS 32

/* Per CPU; of one that is preempted or interrupted while it times a packet that is part of the time. */
struct weir_timing {
	/* [stage]; bucket n has what took more than 2^(n-1) ns, and at most 2^n. WEIR_STAGE_BEGIN: all stages together */
	__u64 counts[WEIR_STAGE_MAX][WEIR_TIMING_BUCKETS];
	__u64 sums[WEIR_STAGE_MAX]; /* ns */
	__u64 retries; /* charges that were tried again as another CPU was faster, of all packets */
	__u64 ends[WEIR_STAGE_MAX +
		   1]; /* of the packet in hand; 0 = the stage was not in its way */
};
WEIR_LAYOUT(struct weir_timing,
	    8 * (WEIR_STAGE_MAX * WEIR_TIMING_BUCKETS + WEIR_STAGE_MAX + 1 + WEIR_STAGE_MAX + 1));

#endif
