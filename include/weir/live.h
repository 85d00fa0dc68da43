/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The few words that userspace changes while packets flow, and what a later daemon needs to adopt. */
#ifndef WEIR_LIVE_H
#define WEIR_LIVE_H

#include <weir/list.h>
#include <weir/types.h>
#include <weir/vocabulary.h>

/* One cache line, read by every packet. */
struct weir_live {
	__u32 generation; /* of the policy; its lowest bit selects the copy; 0 = none loaded */
	__u32 tally_half; /* 0 or 1: where the datapath counts drops now */
	__u64 ip6_lengths[WEIR_LENGTH_WORDS]; /* of list entries; see WEIR_LENGTH_BIT() */
	__u32 long_ip4_lengths;		      /* of 25 to 31 bits: bit 32 - bits */
	__u32 sample_period;		      /* one packet of so many is kept; 0 = none */
	/* What goes before the policy's mode, the first of them before the second; see
	 * weir_mode_now(). Written in one store each, by whoever may. */
	union {
		struct {
			__u8 panic;    /* WEIR_OVERRIDE() of a mode; an operator */
			__u8 watchdog; /* likewise; the watchdog in the kernel */
			__u16 _zero;
		};
		__u32 overrides; /* 0 = there is none, which is all that packets look at */
	};
	__u32 _pad[5];
	WEIR_TEST_PAD(_test)
};
WEIR_LAYOUT(struct weir_live, 64 + WEIR_TEST_PADDING);

#define WEIR_OVERRIDE(mode)	 (1 + (mode))
#define WEIR_OVERRIDE_MODE(byte) ((__u32)(byte)-1)

/** The mode in force where the policy says @mode. What an operator says counts whatever it is; the watchdog
 * only ever takes enforcement back. */
static inline __u32 weir_mode_now(const struct weir_live *live, __u32 mode)
{
	__u8 panic, watchdog;

	if (!*(const volatile __u32 *)&live->overrides)
		return mode;
	panic = *(const volatile __u8 *)&live->panic;
	watchdog = *(const volatile __u8 *)&live->watchdog;
	if (panic)
		return WEIR_OVERRIDE_MODE(panic);
	return watchdog && mode == WEIR_MODE_ENFORCE ? WEIR_OVERRIDE_MODE(watchdog) : mode;
}

/* Written by userspace, kept with the pins: says whose they are and how far reading has come. */
struct weir_meta {
	__u32 abi;
	__u32 cpus;		/* how many the per-CPU areas were made for */
	__u64 events_delivered; /* ring records consumed, by all daemons so far */
	/* Dropped packets: those that daemons took out of tallies and ring; of those, the ones that
	 * durable audit records stand for; and the lost and suppressed ones in such records. What was
	 * taken and is not recorded is in the daemon's memory, or was when it died. */
	__u64 taken_packets;
	__u64 recorded_packets;
	__u64 unseen_packets;
	/* What the last two become once the audit chain is longer than commit_index. Written before
	 * the commit, so that dying after it makes no difference. */
	__u64 commit_index;
	__u64 commit_recorded;
	__u64 commit_unseen;
	__u64 created_ns; /* CLOCK_REALTIME */
	__u64 hash_seed;  /* where keys are in the tables; as old as they are */
	__u32 hits_slot;  /* 0 or 1: of struct weir_cpu.hits, the table's; changes with it */
	__u32 _pad;
	char version[24]; /* of the daemon that created the maps, NUL-terminated */
	WEIR_TEST_PAD(_test)
};
WEIR_LAYOUT(struct weir_meta, 112 + WEIR_TEST_PADDING);

#endif
