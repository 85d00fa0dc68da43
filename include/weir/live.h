/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The few words that userspace changes while packets flow, and what a later daemon needs to adopt. */
#ifndef WEIR_LIVE_H
#define WEIR_LIVE_H

#include <weir/types.h>

/* One cache line, memory-mapped by the daemon, read by every packet. */
struct weir_live {
	__u32 generation;   /* of the policy; its lowest bit selects the copy; 0 = none loaded */
	__u32 tally_half;   /* 0 or 1: where the datapath counts drops now */
	__u32 has_ip4;	    /* the list of exact IPv4 addresses is not empty */
	__u32 has_ip6;	    /* the list of exact IPv6 addresses is not empty */
	__u32 has_prefixes; /* the list of prefixes is not empty */
	__u32 _pad[11];
};
WEIR_LAYOUT(struct weir_live, 64);

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
	char version[24]; /* of the daemon that created the maps, NUL-terminated */
};
WEIR_LAYOUT(struct weir_meta, 96);

struct weir_count {
	__u64 packets;
	__u64 bytes;
};
WEIR_LAYOUT(struct weir_count, 16);

#endif
