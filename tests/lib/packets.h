/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames for parser tests, layer by layer. Lengths and protocol numbers come out right by themselves;
 * what a test wants wrong it names: IP4(.header_lie = -1), UDP(.lie = 5), TCP(.only = 19). Checksums
 * stay zero, weir does not look at them. packets.def has the frames that every test of the parser
 * goes through.
 */
#ifndef TESTS_PACKETS_H
#define TESTS_PACKETS_H

#include <stddef.h>
#include <stdint.h>

#include <weir/vocabulary.h>

#define PACKETS_LAYERS_MAX 16
#define LAYERS(...)	   ((const struct packets_layer[PACKETS_LAYERS_MAX]){__VA_ARGS__})
#define PACKETS_SIZE	   9216 /* a jumbo frame and some */

#define PACKETS_FROM4 "198.18.0.1" /* where packets come from and go to unless a layer says else */
#define PACKETS_TO4   "198.18.1.1"
#define PACKETS_FROM6 "2001:db8:1::1"
#define PACKETS_TO6   "2001:db8:2::1"

enum packets_kind {
	PACKETS_END,
	PACKETS_VLAN,
	PACKETS_IP4,
	PACKETS_IP6,
	PACKETS_EXTENSION, /* of IPv6, AH and the fragment header included */
	PACKETS_TCP,
	PACKETS_UDP,
	PACKETS_ICMP,
	PACKETS_ICMP6,
	PACKETS_DATA,	 /* IP payload, or what follows the ethertype */
	PACKETS_PADDING, /* behind the IP packet: no header counts it */
};

struct packets_layer {
	enum packets_kind kind;
	/* VLAN: its ethertype. Extension: its protocol. Data: the ethertype, or the protocol (0 = 253,
	 * experiments). ICMP: the type (0 = echo request). */
	unsigned int number;
	/* Bytes of options, of data, of padding, or of a whole extension header (0 = 8). */
	unsigned int size;
	unsigned int only; /* the frame has just the first bytes of this header; 0 = all */
	int lie;	   /* added to the length that the header states, in the header's unit */
	int header_lie;	   /* added to ihl or data offset, in words */
	int version_lie;   /* added to the IP version */
	unsigned int fragment;	/* the field as on the wire: FRAGMENT4(), FRAGMENT6() */
	unsigned int hop_limit; /* 0 = 64 */
	unsigned int port;	/* destination; 0 = 53 */
	unsigned int code;	/* of ICMP */
	const char *from;
	const char *to;
};

#define PACKETS_LAYER(which, ...)                                                                  \
	{                                                                                          \
		.kind = PACKETS_##which, __VA_ARGS__                                               \
	}
#define VLAN(...)		 PACKETS_LAYER(VLAN, .number = 0x8100, __VA_ARGS__)
#define QINQ(...)		 PACKETS_LAYER(VLAN, .number = 0x88a8, __VA_ARGS__)
#define IP4(...)		 PACKETS_LAYER(IP4, __VA_ARGS__)
#define IP6(...)		 PACKETS_LAYER(IP6, __VA_ARGS__)
#define EXTENSION(protocol, ...) PACKETS_LAYER(EXTENSION, .number = protocol, __VA_ARGS__)
#define TCP(...)		 PACKETS_LAYER(TCP, __VA_ARGS__)
#define UDP(...)		 PACKETS_LAYER(UDP, __VA_ARGS__)
#define ICMP(...)		 PACKETS_LAYER(ICMP, __VA_ARGS__)
#define ICMP6(...)		 PACKETS_LAYER(ICMP6, __VA_ARGS__)
#define DATA(bytes, ...)	 PACKETS_LAYER(DATA, .size = bytes, __VA_ARGS__)
#define PADDING(bytes)		 PACKETS_LAYER(PADDING, .size = bytes, )
#define FRAGMENT4(at, more)	 ((at) / 8 | ((more) ? 0x2000 : 0))
#define FRAGMENT6(at, more)	 ((at) | ((more) ? 1 : 0))

struct packets_frame {
	uint8_t data[PACKETS_SIZE];
	size_t length;
	size_t needed; /* what its headers claim to be there: a shorter frame is a truncated one */
};

/* The last class of tbl/reason.def. */
#define PACKETS_IS_MALFORMED(reason) ((reason) >= WEIR_REASON_VLAN_TRUNCATED)

/** Build the frame of @layers, which end with PACKETS_END. */
void packets_build(const struct packets_layer *layers, struct packets_frame *ret);

/* A row of packets.def: what becomes of the frame where malformed packets are dropped, others passed,
 * and neither limits nor lists apply. */
struct packets_case {
	const char *promise;
	unsigned int verdict; /* enum weir_verdict */
	unsigned int reason;  /* enum weir_reason; UNLIMITED is what the parser has no opinion of */
	struct packets_layer layers[PACKETS_LAYERS_MAX];
};

extern const struct packets_case packets_cases[];
extern const size_t packets_case_count;

/** A random row's frame with up to four bytes of its headers changed, and possibly its end cut off or
 * padded. The same *@random (any number but 0; it moves on) gives the same frame. */
void packets_mutate(uint64_t *random, struct packets_frame *ret);

#endif
