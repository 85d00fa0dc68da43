/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the policy compiler hands to the datapath. There are two copies of everything here, selected
 * by the lowest bit of the generation: a packet reads the generation once and then sees one policy,
 * never a mixture; a new policy is written to the idle copy and takes effect with one store.
 *
 * Which limits apply to a packet is a matter of a few ANDs, however many limits there are: every
 * limit owns one bit, and each table below answers "which limits accept this port (protocol,
 * destination)" (Lakshman and Stiliadis, "High-speed policy-based packet forwarding", SIGCOMM 98).
 */
#ifndef WEIR_POLICY_H
#define WEIR_POLICY_H

#include <weir/types.h>

#define WEIR_LIMITS_MAX	       64     /* bits of a match mask */
#define WEIR_LIMITS_PER_PACKET 6      /* that may apply to one packet; the compiler refuses more */
#define WEIR_DESTINATIONS_MAX  1024   /* prefixes that the services of one policy name */
#define WEIR_BUCKETS_DEFAULT   262144 /* sources remembered, over all limits */
#define WEIR_NAME_BYTES	       32     /* NUL-padded, not necessarily terminated */
#define WEIR_PORTS	       65536
#define WEIR_PROTOCOLS	       256

/* Time in the buckets is counted in 1/256 ns, so that a rate of 99,999 or 30,000,000 per second
 * does not drift by rounding. 64 bits of it wrap after 2.3 years of uptime; only a bucket left
 * untouched for more than one year could misread the wrap, and then on the strict side. */
#define WEIR_TIME_SHIFT 8

/* One bucket rule. A packet of cost c (1, or its bytes) adds (c * interval) >> shift, rounded up,
 * to the bucket's theoretical arrival time (GCRA, ITU-T I.371) and conforms if that stays within
 * `burst` of now. */
struct weir_limit {
	__u64 interval; /* time per unit of cost, in 2^-(WEIR_TIME_SHIFT + shift) ns */
	__u64 burst;	/* in 2^-WEIR_TIME_SHIFT ns; the compiler keeps it below 2^62 */
	__u32 key;	/* stands for the limit's meaning: equal meaning, equal key, kept state */
	__u16 slot;	/* where it is counted; follows {name, unit} from policy to policy */
	__u8 unit;	/* enum weir_unit */
	__u8 shift;
	__u8 precise; /* burst is shorter than a clock tick: the coarse clock would starve it */
	char name[WEIR_NAME_BYTES]; /* not read by the datapath; a later daemon and bpftool do */
	__u8 _pad[7];
};
WEIR_LAYOUT(struct weir_limit, 64);

enum weir_policy_flag {
	WEIR_POLICY_DROP_MALFORMED = 1 << 0,
	WEIR_POLICY_DROP_NOT_IP = 1 << 1,
	WEIR_POLICY_DROP_FRAGMENTS = 1 << 2, /* later fragments; otherwise fragment_limits decide */
	WEIR_POLICY_BY_DESTINATION = 1 << 3, /* some limit names destinations: look them up */
};

struct weir_policy {
	__u32 generation; /* equals the live generation, or this copy is not the live one */
	__u32 mode;	  /* enum weir_mode */
	__u32 flags;	  /* enum weir_policy_flag */
	__u32 limit_count;
	__u64 tick;	       /* of the coarse clock, in 2^-WEIR_TIME_SHIFT ns */
	__u64 any_destination; /* limits that accept a destination not in the table */
	__u64 fragment_limits; /* limits on later fragments */
	__u64 _pad[3];
	__u64 protocol_limits[WEIR_PROTOCOLS]; /* for what has no ports, or hides them */
	struct weir_limit limits[WEIR_LIMITS_MAX];
};
WEIR_LAYOUT(struct weir_policy, 64 + 8 * WEIR_PROTOCOLS + 64 * WEIR_LIMITS_MAX);

/* Limits that accept this destination port, indexed by copy * WEIR_PORTS + port (host order). */
struct weir_port_limits {
	__u64 tcp;
	__u64 udp;
};
WEIR_LAYOUT(struct weir_port_limits, 16);

/* Key of the destination table, a longest-prefix trie that holds both copies. */
struct weir_destination_key {
	__u32 prefix_bits; /* 32 for the copy + 0..128 of the address */
	__u32 copy;	   /* 0 or 1, network order irrelevant: compared as a whole */
	__u8 address[16];  /* IPv4 as ::ffff:a.b.c.d */
};
WEIR_LAYOUT(struct weir_destination_key, 24);

/* A source's bucket: {limit key, source}. IPv4 sources whole, IPv6 sources by /64. */
struct weir_bucket_key {
	__u8 source[16];
	__u32 limit; /* struct weir_limit.key */
	__u32 _pad;
};
WEIR_LAYOUT(struct weir_bucket_key, 24);

/* Two policies' worth, so that a slot leaves the live policy before it is given away again. */
#define WEIR_LIMIT_SLOTS (2 * WEIR_LIMITS_MAX)

/* What one limit did, per CPU. passed: packets that it and every other limit let through; the others:
 * packets that it was the one to refuse. */
struct weir_limit_count {
	__u64 passed;
	__u64 dropped;
	__u64 would_drop;
};
WEIR_LAYOUT(struct weir_limit_count, 24);

#endif
