/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP connections as bpf/sockets.bpf.c sees them and user/ladder reads them: a row for each that there is,
 * and what became of those of a service. Nothing of this is pinned: it lives as long as a daemon does,
 * and is no part of the ABI of the pins.
 */
#ifndef WEIR_SOCKET_H
#define WEIR_SOCKET_H

#include <weir/types.h>

#define WEIR_SOCKET_SERVICES 512 /* those beyond share the row of port 0 */
#define WEIR_SOCKET_BUCKETS                                                                        \
	40 /* of microseconds: bucket i counts what is below 2^i and not below 2^(i-1) */
#define WEIR_SOCKET_DOOMED 65536 /* that can be ended at once */

enum weir_socket_direction {
	WEIR_SOCKET_UNKNOWN, /* it was there before we were, or has only half begun */
	WEIR_SOCKET_INCOMING,
	WEIR_SOCKET_OUTGOING,
	WEIR_SOCKET_DIRECTION_MAX,
};

/* What is kept with a socket. Times are CLOCK_MONOTONIC, 0 = not yet. */
struct weir_socket_life {
	__u64 opened_ns; /* outgoing: the SYN was sent */
	__u64 established_ns;
	__u64 first_byte_ns; /* the application read something for the first time */
	__u8 direction;
	__u8 reset;	  /* somebody ended it by a reset */
	__u16 port;	  /* of the service; when it is closed the socket has none any more */
	__u16 local_port; /* likewise, ours */
	__u8 _pad[2];
};
WEIR_LAYOUT(struct weir_socket_life, 32);

struct weir_socket_row {
	__u64 cookie;
	struct weir_socket_life life; /* all zero: it was there before we were */
	__u64 bytes_received, bytes_acked;
	__u8 local[16], remote[16]; /* IPv4 is mapped */
	__u16 local_port, remote_port;
	__u32 srtt_us, rttvar_us; /* smoothed; 0 = no sample */
	__u32 min_rtt_us;	  /* ~0 = likewise */
	__u32 retransmits;	  /* segments */
	__u32 congestion_window;  /* segments */
	__u8 state;		  /* of TCP: 1 = established ... 12 = new SYN_RECV */
	__u8 _pad[3];
};
WEIR_LAYOUT(struct weir_socket_row, 120);

#define WEIR_SOCKET_ENDS_BYTES                                                                     \
	65536 /* the ring: 680 connections that ended and were not read yet */

/* A connection that ended, of those that are sampled. Times are CLOCK_MONOTONIC. */
struct weir_socket_end {
	__u64 established_ns, closed_ns;
	__u64 first_byte_ns; /* 0 = nothing was read */
	__u64 bytes_received, bytes_acked;
	__u8 local[16], remote[16]; /* IPv4 is mapped */
	__u16 local_port, remote_port;
	__u32 srtt_us; /* 0 = no sample */
	__u32 retransmits;
	__u8 direction;
	__u8 reset;
	__u8 _pad[2];
};
WEIR_LAYOUT(struct weir_socket_end, 88);

struct weir_service_key {
	__u16 port; /* incoming: ours; outgoing: theirs; 0 = all that found no room */
	__u8 direction;
	__u8 _pad[5];
};
WEIR_LAYOUT(struct weir_service_key, 8);

/* What became of a service's connections. Handshakes are counted when a connection is established, the rest when it
 * is closed. */
struct weir_service {
	__u64 established, closed;
	__u64 reset; /* of those closed */
	__u64 retransmits;
	__u64 bytes_received, bytes_acked;
	__u64 handshake
		[WEIR_SOCKET_BUCKETS]; /* incoming: SYN-ACK to ACK; outgoing: SYN to SYN-ACK */
	__u64 first_byte[WEIR_SOCKET_BUCKETS]; /* established to the first byte that is read */
	__u64 duration[WEIR_SOCKET_BUCKETS];   /* established to closed */
	__u64 rtt[WEIR_SOCKET_BUCKETS];	       /* smoothed, as it was at the end */
};
WEIR_LAYOUT(struct weir_service, 1328);

#endif
