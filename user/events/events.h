/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the datapath's tallies and ring to windows: what was dropped per {source, limit, reason,
 * verdict} in a few seconds. Everything the datapath tells ends up in exactly one window, so the sum
 * over closed windows and what was counted as lost or suppressed is the number of packets dropped. At
 * most EVENTS_WINDOWS_MAX windows are kept apart; further sources go into windows of their /24 or /48, of
 * which there are EVENTS_CROWDS_MAX, and beyond those into windows of "other sources", one per {limit, reason,
 * verdict}: so nobody can fill memory or disk.
 *
 * One thread at a time.
 */
#ifndef EVENTS_EVENTS_H
#define EVENTS_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/cpu.h>
#include <weir/event.h>
#include <weir/live.h>

#include "base/cleanup.h"
#include "base/fault.h"

#define EVENTS_WINDOWS_MAX 4096
#define EVENTS_CROWDS_MAX  4096
#define EVENTS_EXEMPLARS   3

struct events;

/* Borrowed from the datapath; must outlive the struct events. Of meta, events_delivered and taken_packets
 * are kept here. */
struct events_source {
	struct weir_live *live;
	struct weir_meta *meta;
	struct weir_cpu *cpu; /* [cpus] */
	unsigned int cpus;
	int ring_fd;
};

/* The sources that share a window. */
struct events_crowd {
	uint64_t seen[4];
	uint32_t sources; /* how many were seen; if not exact, at least */
	bool exact;
	uint8_t exemplars[EVENTS_EXEMPLARS][16]; /* the first of them */
};

struct events_window {
	uint8_t source[16]; /* all zero and `others` set: sources beyond the maximum */
	bool others;
	uint8_t bits;			  /* not 0: of a prefix, as in struct prefix, and */
	const struct events_crowd *crowd; /* who was in it */
	uint16_t limit;			  /* slot, or WEIR_NO_LIMIT */
	uint8_t reason;
	uint8_t verdict;
	uint32_t generation; /* of the policy, at the last drop */
	uint64_t packets;    /* may be 0: a drop was announced, its count is still in the kernel */
	uint64_t bytes;
	uint64_t first_ns; /* CLOCK_MONOTONIC */
	uint64_t last_ns;
};

int events_open(const struct events_source *source, struct events **ret, struct fault *reterr);
void events_close(struct events *e);
DEFINE_CLEANUP(struct events *, events_close)

/** Have @fn called with everything that is taken from the kernel from now on; NULL = nothing. */
void events_watch(struct events *e, void (*fn)(const struct weir_tally *event, void *userdata),
		  void *userdata);

/** Empty the ring. Returns how many records it held, or -errno. */
int events_drain(struct events *e);

/**
 * Take the half of the tallies that has been quiet since the last call, then let the datapath change
 * to it. Call at intervals that are long compared with a packet's way through the program: a second.
 */
void events_harvest(struct events *e);
/** Take both halves, with whatever a packet under way may add afterwards; for the start and the end. */
void events_harvest_all(struct events *e);

/** Hand out every window that has packets, and begin anew. @fn must not use @e. */
void events_close_windows(struct events *e,
			  void (*fn)(const struct events_window *window, void *userdata),
			  void *userdata);
size_t events_window_count(const struct events *e);
/** Copy the open windows, those of other sources excepted; at most @size. Returns how many. */
size_t events_windows(const struct events *e, struct events_window *ret, size_t size);
/** Packets in open windows. */
uint64_t events_pending_packets(const struct events *e);

/** The open windows of @source, at most @size of them. Returns how many. */
size_t events_of_source(const struct events *e, const uint8_t source[static 16],
			struct events_window *ret, size_t size);

/* Bytes in the ring that are not consumed yet, and its size. */
void events_ring_use(const struct events *e, uint64_t *ret_used, uint64_t *ret_size);

#endif
