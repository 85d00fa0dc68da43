/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the stages know of the packet in hand. */
#ifndef LIB_PACKET_H
#define LIB_PACKET_H

#include <weir/cpu.h>
#include <weir/types.h>

/* A stage returns the reason that decides the packet (enum weir_reason), or that it has no opinion. */
#define WEIR_NEXT (-1)

#define PACKET_NO_LIMIT 0xff

struct packet {
	union {
		__u8 source[16]; /* IPv4 as ::ffff:a.b.c.d; zero before parsing got there */
		__u64 source_words[2];
		__u32 source_quads[4];
	};
	union {
		__u8 destination[16];
		__u64 destination_words[2];
		__u32 destination_quads[4];
	};
	/* Now, in bucket units (WEIR_TIME_SHIFT); never ahead of the true time, exact if time_is_exact; 0 until
	 * somebody asks (lib/clock.h). */
	__u64 time;
	__u32 length; /* of the frame, all buffers */
	__u16 source_port;
	__u16 destination_port;
	__u16 network_offset; /* of the IP header */
	__u16 tenant;	      /* 0 = none */
	__u8 protocol;	      /* after IPv6 extension headers */
	__u8 has_port;	      /* TCP or UDP, and not a later fragment */
	__u8 is_ip6;
	__u8 is_later_fragment;
	__u8 class; /* enum weir_class */
	__u8 time_is_exact;
	__u8 limit;	  /* that refused: its bit, or PACKET_NO_LIMIT */
	__u8 lacks_state; /* some limit had no room for the source and let it pass */
	__u32 ifindex;
};
_Static_assert(sizeof(struct packet) <= WEIR_PACKET_BYTES, "there is no room in struct weir_cpu");

#endif
