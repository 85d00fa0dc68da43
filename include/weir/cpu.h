/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What each CPU has to itself: its counters, its clock and its notes on the packet in hand. The datapath
 * writes it on that CPU only, so without atomics; userspace reads it through a mapping and adds up. One
 * place, to be found once per packet.
 */
#ifndef WEIR_CPU_H
#define WEIR_CPU_H

#include <weir/event.h>
#include <weir/list.h>
#include <weir/policy.h>
#include <weir/sample.h>
#include <weir/types.h>
#include <weir/vocabulary.h>

struct weir_count {
	__u64 packets;
	__u64 bytes;
};
WEIR_LAYOUT(struct weir_count, 16);

#define WEIR_COUNTS (WEIR_VERDICT_MAX * WEIR_REASON_MAX)

/* One limit's part in deciding a packet: its cell, and the word in it when it was weighed. */
struct weir_charge {
	__u64 tag;  /* 0 = there is nothing to charge */
	__u64 word; /* once it is charged, what it became */
	__u32 set;
	__u8 way; /* CELLS_NONE: there is no cell yet */
	__u8 limit;
	__u16 _pad;
};
WEIR_LAYOUT(struct weir_charge, 24);

struct weir_clock {
	__u64 jiffies; /* when the coarse clock was read */
	__u64 coarse_ns;
	__u64 latest; /* the latest exact time that was read, in 2^-WEIR_TIME_SHIFT ns */
};
WEIR_LAYOUT(struct weir_clock, 24);

/* What the trie of destinations said of one of them. */
struct weir_destination {
	__u64 address[2];
	struct weir_prefix_value value;
	__u64 generation; /* of the policy; a word, so that no part of it is padding */
};
WEIR_LAYOUT(struct weir_destination, 40);

#define WEIR_DESTINATIONS 256 /* remembered; a power of two */

#define WEIR_PACKET_BYTES 64 /* of struct packet in bpf/lib/packet.h */

struct weir_cpu {
	WEIR_TEST_PAD(_test)
	struct weir_event_count events;
	struct weir_clock clock;
	struct weir_sampling sampling;
	struct weir_hits hits[2]; /* of this table of entries and of the one before, in turn */
	/* Between the two passes over the packet's limits (bpf/lib/limits.h). Not on the stack, which is
	 * short. */
	struct weir_charge charges[WEIR_LIMITS_PER_PACKET];
	/* One that is to be answered, on its way from the limiter to the program that does. */
	__u64 packet[WEIR_PACKET_BYTES / 8];
	__u8 reason; /* enum weir_reason */
	__u8 timed;  /* this one is, see weir/timing.h */
	__u16 _pad;
	__u32 generation;  /* of the policy that decided */
	__u32 timing_left; /* packets until the next one is timed */
	__u32 trace_left;  /* and until the next one that a trace looks at (weir/trace.h) */
	struct weir_count counts[WEIR_COUNTS];		  /* verdict * WEIR_REASON_MAX + reason */
	struct weir_limit_count limits[WEIR_LIMIT_SLOTS]; /* by slot */
	struct weir_destination destinations[WEIR_DESTINATIONS]; /* by hash */
	struct weir_tally tallies[2][WEIR_TALLIES];		 /* see weir/event.h */
	struct weir_sample samples[WEIR_SAMPLES];		 /* a ring, see weir/sample.h */
};
WEIR_LAYOUT(struct weir_cpu, 64 + 32 + 16 + 24 * WEIR_LIMITS_PER_PACKET + WEIR_PACKET_BYTES + 16 +
				     16 * WEIR_COUNTS + 64 * WEIR_LIMIT_SLOTS +
				     40 * WEIR_DESTINATIONS + 2 * 64 * WEIR_TALLIES +
				     56 * WEIR_SAMPLES + WEIR_TEST_PADDING);
_Static_assert(sizeof(struct weir_cpu) % 64 == 0, "CPUs would share a cache line");

#endif
