/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the datapath tells userspace about drops, without an event per drop. Each CPU keeps tallies:
 * one cache line per {source, limit, reason, verdict}, in two halves. Userspace flips the half twice a
 * second, then takes and clears the half that has gone quiet. Two things go through the ring: BEGIN
 * when a free tally is opened (so that a first drop is seen at once; it carries no packets), and END
 * when a tally has to make room for another one (it carries the packets so far). Ring records have a
 * budget per CPU; a drop that finds no tally and no budget is counted as suppressed. So, exactly:
 *
 *   dropped + would_drop = taken from tallies + delivered by END + lost in END + suppressed
 */
#ifndef WEIR_EVENT_H
#define WEIR_EVENT_H

#include <weir/types.h>

#define WEIR_TALLIES	    4096 /* per CPU and half; a power of two */
#define WEIR_TALLY_WAYS	    2	 /* neighbours that a tally may be found in; a power of two */
#define WEIR_EVENTS_PER_SEC 4096 /* budget of ring records per CPU */
#define WEIR_EVENTS_BURST   1024 /* how many may come at once */
/* A CPU that failed to find a tally this often stops looking for the next so many drops, at most until
 * the half is flipped: a flood from more sources than there are tallies shall not cost memory
 * accesses, too. */
#define WEIR_TALLY_MISSES   64
#define WEIR_TALLY_SKIP	    1024
#define WEIR_RING_BYTES	    (1U << 20) /* 14,563 records of 64 bytes */
#define WEIR_NO_LIMIT	    0xffff     /* the reason involves no limit */

enum weir_event_kind {
	WEIR_EVENT_NONE,
	WEIR_EVENT_BEGIN,
	WEIR_EVENT_END,
};

struct weir_tally {
	__u8 source[16]; /* as in the packet; IPv4 as ::ffff:a.b.c.d */
	union {
		struct {
			__u32 generation; /* of the policy that decided */
			__u16 limit;	  /* struct weir_limit.slot, or WEIR_NO_LIMIT */
			__u8 reason;
			__u8 verdict;
		};
		__u64 what; /* all of them at once, to compare */
	};
	__u64 packets; /* 0 = the tally is free */
	__u64 bytes;
	__u64 first_ns; /* CLOCK_MONOTONIC, coarse */
	__u64 last_ns;	/* may be some packets old, and at most one half */
	__u32 kind;	/* enum weir_event_kind; in a ring record only */
	__u32 ifindex;
};
WEIR_LAYOUT(struct weir_tally, 64);

/* Per CPU; written by the datapath only. offered = delivered + lost + still in the ring. */
struct weir_event_count {
	__u64 offered;		  /* ring records asked for */
	__u64 lost;		  /* ring full */
	__u64 lost_packets;	  /* packets those stood for */
	__u64 suppressed_packets; /* dropped packets with neither tally nor budget */
	__u64 budget_tat_ns;	  /* GCRA word of the budget */
	__u64 misses;	 /* drops that found neither tally nor budget, since the last skip */
	__u64 skip;	 /* drops that will not look for a tally, */
	__u64 skip_half; /* in this half */
};
WEIR_LAYOUT(struct weir_event_count, 64);

#endif
