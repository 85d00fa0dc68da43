/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the generator and its BPF program tell each other. */
#ifndef TESTS_FLOOD_H
#define TESTS_FLOOD_H

#include <linux/types.h>

#define FLOOD_LISTED_MAX 65536 /* sources from a file */

struct flood_source {
	__u8 address[16]; /* network order; IPv4 in the first four bytes */
};

/* Fixed when the program is loaded. Every offset counts from the start of the frame. */
struct flood_config {
	__u64 base_high; /* the first source in host order; IPv4 in the lowest 32 bits */
	__u64 base_low;
	__u32 ifindex; /* where frames go */
	__u32 sources; /* how many there are */
	__u32 first;   /* index of this thread's first source, when they take turns */
	__u32 step;    /* and how far it is to its next one */
	__u32 ip_sum;  /* IPv4 header without source and checksum, as a sum of 16-bit words */
	__u32 l4_sum;  /* what the L4 checksum covers, without source, source port and checksum */
	__u32 stamp_mask; /* packets whose number has none of these bits are stamped with the time */
	__u16 source_at;
	__u16 ip_checksum_at; /* 0: IPv6 */
	__u16 l4_checksum_at; /* 0: no L4 header, which is a later fragment */
	__u16 port_at;	      /* 0: no ports */
	__u8 source_summed;   /* the L4 checksum covers the source (all but ICMPv4) */
	__u8 ipv6;
	__u8 shift; /* sources differ from this bit on, counted from the lowest */
	__u8 random;
	__u8 listed; /* sources are in the map, not counted up from the base */
	__u8 _pad[7];
};

/* Written by the program. One thread runs it, so nothing here is shared. */
struct flood_progress {
	__u64 attempts;
	__u64 first_ns; /* CLOCK_MONOTONIC, at the first packet */
	__u64 last_ns;	/* at the last packet that was stamped */
	__u64 random;	/* state of the random numbers; seeded before the first packet */
	__u32 next;	/* index of the next source */
	__u32 _pad;
};

#endif
