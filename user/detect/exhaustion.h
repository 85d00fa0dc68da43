/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a limit has run out of cells for its sources, from two counters of the datapath: packets
 * charged to a cell that several sources share, and packets for which there was no cell at all. Knows
 * nothing of who reads the counters or hears of the change.
 */
#ifndef DETECT_EXHAUSTION_H
#define DETECT_EXHAUSTION_H

#include <stdbool.h>
#include <stdint.h>

#define EXHAUSTION_QUIET_NS 5000000000ULL /* without such a packet, until it counts as over */

enum exhaustion_level {
	EXHAUSTION_NORMAL,
	EXHAUSTION_SHARING, /* newcomers are charged to a cell of their neighbourhood */
	EXHAUSTION_FULL,    /* on_full decides on some of them */
	EXHAUSTION_LEVEL_MAX,
};

const char *exhaustion_level_str(enum exhaustion_level level); /* "normal", "sharing", "full" */

struct exhaustion {
	enum exhaustion_level level;
	uint64_t coarse, full; /* packets since it was last normal */
	uint64_t coarse_seen, full_seen;
	uint64_t coarse_ns, full_ns; /* CLOCK_MONOTONIC of the last step that saw some */
};

/* Begin as normal, with the counters as they stand. */
void exhaustion_init(struct exhaustion *x, uint64_t coarse, uint64_t full);
/** The counters at @now_ns. True: the level changed. Counters that went back began anew. */
bool exhaustion_step(struct exhaustion *x, uint64_t coarse, uint64_t full, uint64_t now_ns);

#endif
