/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets one by one, while somebody traces. Userspace says in struct weir_trace what is looked for, each CPU
 * counts in its struct weir_trace_cpu what became of the packets that it saw, and what was found goes through a
 * ring of its own. Of the packets since the beginning, exactly:
 *
 *   seen    = skipped by sampling + looked at
 *   looked at = not what is looked for + matched
 *   matched = in the ring + over the budget + lost because the ring was full
 *
 * None of it is pinned: it ends with the daemon that began it, or earlier, when nobody says for
 * WEIR_TRACE_LEASE_NS that it is still wanted.
 */
#ifndef WEIR_TRACE_H
#define WEIR_TRACE_H

#include <weir/policy.h>
#include <weir/types.h>

#define WEIR_TRACE_RING_BYTES (1U << 20)
#define WEIR_TRACE_SNAP_MAX   1024 /* bytes of a packet */
#define WEIR_TRACE_SAMPLE_MAX (1U << 30)
#define WEIR_TRACE_LEASE_NS   (5 * WEIR_NSEC_PER_SEC)
/* How much of its budget a CPU may use at once: what it would have in so long a time. */
#define WEIR_TRACE_BURST_NS   (200 * WEIR_NSEC_PER_SEC / 1000)
/* What an event costs beyond the packet's path: the daemon reads it, puts it into words and sends it, and a
 * client takes them apart. Measured: 10 to 15 us of all CPUs together. The budget pays for that, too. */
#define WEIR_TRACE_READING_NS 12000

/* An address whose bits under the mask are these; a mask of zeros: any. Words as in the packet. */
struct weir_trace_prefix {
	__u64 value[2];
	__u64 mask[2];
};
WEIR_LAYOUT(struct weir_trace_prefix, 32);

/* Port numbers, both included; 0 to 65535: any, also none at all. */
struct weir_trace_ports {
	__u16 first;
	__u16 last;
};

/* What is looked for: all of it has to be so. */
struct weir_trace_filter {
	struct weir_trace_prefix source;
	struct weir_trace_prefix destination;
	struct weir_trace_prefix either; /* one of the two */
	__u64 reasons;			 /* a bit per enum weir_reason */
	__u64 protocols[4];		 /* a bit per number; see any_protocol */
	__u64 limits[2];		 /* a bit per struct weir_limit.slot; see any_limit */
	struct weir_trace_ports source_ports;
	struct weir_trace_ports destination_ports;
	struct weir_trace_ports either_ports;
	__u32 verdicts;	   /* a bit per enum weir_verdict */
	__u32 ifindex;	   /* 0: any interface */
	__u32 generation;  /* of the policy that gave the tenant its number */
	__u16 tenant;	   /* 0: any, or none */
	__u8 any_limit;	   /* also where none refused */
	__u8 any_protocol; /* also what is no IP */
	__u32 _pad;
};
WEIR_LAYOUT(struct weir_trace_filter, 3 * 32 + 8 + 32 + 16 + 12 + 20);

struct weir_trace {
	__u64 until_ns; /* CLOCK_MONOTONIC; 0: nobody traces */
	__u32 selected; /* its lowest bit: of the filters */
	__u32 period;	/* one packet of so many is looked at */
	__u32 snap;	/* bytes of each that are wanted */
	__u32 factor;	/* what costs 1 ns keeps a CPU from tracing for so many */
	struct weir_trace_filter filters[2];
};
WEIR_LAYOUT(struct weir_trace, 24 + 2 * sizeof(struct weir_trace_filter));

enum weir_trace_flag {
	WEIR_TRACE_IP = 1 << 0, /* there are addresses and a protocol */
	WEIR_TRACE_IP6 = 1 << 1,
	WEIR_TRACE_PORTS = 1 << 2,
	WEIR_TRACE_LATER_FRAGMENT = 1 << 3,
};

/* In the ring; behind it are `snapped` bytes of the packet as it came in. */
struct weir_trace_event {
	__u64 time_ns;	 /* CLOCK_MONOTONIC, exact */
	__u64 source[2]; /* as in the packet, IPv4 as ::ffff:a.b.c.d */
	__u64 destination[2];
	union {
		struct {
			__u32 generation; /* of the policy that decided; 0 = none did */
			__u16 limit;	  /* struct weir_limit.slot, or WEIR_NO_LIMIT */
			__u8 reason;
			__u8 verdict;
		};
		__u64 what;
	};
	__u32 length; /* of the frame */
	__u32 ifindex;
	__u16 source_port;
	__u16 destination_port;
	__u16 tenant;
	__u16 snapped;
	__u8 protocol;
	__u8 flags; /* enum weir_trace_flag */
	__u16 _pad[3];
};
WEIR_LAYOUT(struct weir_trace_event, 72);

/* Of one CPU, which alone writes it. */
struct weir_trace_count {
	__u64 seen; /* up to the last one that was looked at */
	__u64 looked_at;
	__u64 matched;
	__u64 delivered; /* are in the ring, or were */
	__u64 over_budget;
	__u64 lost;
	__u64 cost_ns; /* of what was delivered, on the packet's path */
	__u64 _pad;
};
WEIR_LAYOUT(struct weir_trace_count, 64);

struct weir_trace_cpu {
	struct weir_trace_count count;
	__u64 budget_tat_ns; /* GCRA word of the budget */
	__u32 distance; /* from the last packet that was looked at to the next; 0: there is none */
	__u32 kept;	/* bytes of the packet in hand that are below already */
	__u64 _pad[6];
	struct weir_trace_event event; /* on its way to the ring, with the bytes behind it */
	__u8 bytes[WEIR_TRACE_SNAP_MAX];
	__u64 _tail[7];
};
WEIR_LAYOUT(struct weir_trace_cpu, 64 + 64 + 72 + WEIR_TRACE_SNAP_MAX + 56);
_Static_assert(sizeof(struct weir_trace_cpu) % 64 == 0, "CPUs would share a cache line");

#endif
