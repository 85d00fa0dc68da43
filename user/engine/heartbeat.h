/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The account that goes into the chain every ten seconds, and the watch over the clock on the wall. A
 * heartbeat says how many packets were dropped by the datapath's own counters, up to which of them
 * all are in records (settled), and what was recorded and lost so far; user/audit/account.h is how it is checked.
 * For the recorder's thread only.
 */
#ifndef ENGINE_HEARTBEAT_H
#define ENGINE_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/cpu.h>
#include <weir/live.h>

#include "audit/chain.h"
#include "events/events.h"

#define HEARTBEAT_MSEC	    10000
#define HEARTBEAT_LATE_MSEC 20000		 /* after so long one says that it is late */
#define CLOCK_STEP_MIN_NS   (50 * NSEC_PER_MSEC) /* what slewing cannot do between two looks */

struct heartbeat {
	const struct events_source *events;
	uint64_t run; /* CLOCK_BOOTTIME of its beginning */
	uint64_t beats;
	uint64_t said_ns; /* CLOCK_MONOTONIC of the last; 0 = none yet */
	uint64_t said_dropped;
	uint64_t harvested; /* the datapath's count of drops before the last harvest */
	uint64_t taken;	    /* all up to this one have been taken out of the tallies */
	uint64_t settled;   /* and are in records */
	uint64_t recorded[WEIR_REASON_MAX]; /* packets in windows of this run */
	char boot_id[40];
	int64_t clock_offset_ns; /* CLOCK_REALTIME - CLOCK_BOOTTIME at the last look */
};

/** Begin a run. Tells the chain first if the maps, and so the counters, are new. */
void heartbeat_init(struct heartbeat *h, const struct events_source *events, struct chain *chain);

/* Right before events_harvest(), or, if @all, events_harvest_all(). */
void heartbeat_before_harvest(struct heartbeat *h, bool all);
/* A window's record was appended. */
void heartbeat_window(struct heartbeat *h, const struct events_window *w);
/* All windows were closed; @complete: each has a record, and so has what was lost. */
void heartbeat_closed(struct heartbeat *h, bool complete);

/** Is it time, and is what was dropped before the last one settled? */
bool heartbeat_is_due(const struct heartbeat *h);
/** Append one. @recorded, @unseen: packets in records so far, by all daemons. */
void heartbeat_append(struct heartbeat *h, struct chain *chain, uint64_t recorded, uint64_t unseen);

/** Look at the clock; append a record if it was set since the last look. */
void heartbeat_watch_clock(struct heartbeat *h, struct chain *chain);
/** The same with the clocks given. Returns whether it was set. */
bool heartbeat_clock_step(struct heartbeat *h, struct chain *chain, uint64_t real_ns,
			  uint64_t boot_ns);

#endif
