/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets that the kernel dropped after XDP let them pass, and TCP resets, as bpf/drops.bpf.c counts
 * them and user/ladder reads them. Nothing of this is pinned: it lives as long as a daemon does, and is
 * no part of the ABI of the pins.
 */
#ifndef WEIR_DROP_H
#define WEIR_DROP_H

#include <weir/types.h>

#define WEIR_DROP_KEYS	       2048 /* counts; what finds no room is in weir_drop_stats.unnamed */
#define WEIR_DROP_FLOWS	       8192 /* the least recently hit makes room */
#define WEIR_DROP_WINDOW_NS    (1ULL << 20)
/* In such a window a CPU notes the flows of so many drops; those of the others are counted without. */
#define WEIR_DROP_WINDOW_FLOWS 32

#define WEIR_DROP_XDP_PLACES 6 /* functions of the kernel that free what an XDP program drops */

enum weir_drop_kind {
	WEIR_DROP_PACKET,	  /* the reason is one of the kernel's enum skb_drop_reason */
	WEIR_DROP_RESET_SENT,	  /* of enum sk_rst_reason; 0 = this kernel does not say */
	WEIR_DROP_RESET_RECEIVED, /* 0 */
	WEIR_DROP_KIND_MAX,
};

struct weir_drop_key {
	__u32 reason;
	__u32 ifindex;	 /* where it came in, or was to leave; 0 = nothing tells */
	__u16 ethertype; /* host order */
	__u8 protocol;	 /* of IP; 0 = not known */
	__u8 kind;	 /* enum weir_drop_kind */
	__u8 outgoing;	 /* it was made on this host */
	__u8 by_xdp;	 /* an XDP program said so: whose that was counts it, too */
	__u8 _pad[2];
};
WEIR_LAYOUT(struct weir_drop_key, 16);

struct weir_drop_count {
	__u64 packets; /* on the wire: a merged one counts as those it was merged from */
	__u64 bytes;   /* of frames, from the link header on */
};
WEIR_LAYOUT(struct weir_drop_count, 16);

struct weir_drop_flow_key {
	__u8 source[16]; /* IPv4 is mapped */
	__u8 destination[16];
	__u16 source_port; /* host order; 0 = has none, or a later fragment */
	__u16 destination_port;
	struct weir_drop_key key;
	__u32 _pad;
};
WEIR_LAYOUT(struct weir_drop_flow_key, 56);

struct weir_drop_flow {
	__u64 packets;
	__u64 last_ns; /* CLOCK_MONOTONIC */
};
WEIR_LAYOUT(struct weir_drop_flow, 16);

/* Per CPU. */
struct weir_drop_stats {
	__u64 unnamed;	     /* packets that found no room among the counts */
	__u64 elsewhere;     /* packets of other network namespaces: not counted */
	__u64 unattributed;  /* packets that nothing tells the namespace of: likewise */
	__u64 flows_skipped; /* packets whose flow was not noted */
	__u64 window;	     /* number of the window of WEIR_DROP_WINDOW_NS */
	__u64 window_flows;  /* noted in it */
};
WEIR_LAYOUT(struct weir_drop_stats, 48);

#endif
