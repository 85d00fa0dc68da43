/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packet formats, as far as weir reads them. Byte arrays instead of kernel structs: no alignment to
 * get wrong, no bit fields, and the same lines compile for the kernel, the tests and a fuzzer.
 */
#ifndef LIB_WIRE_H
#define LIB_WIRE_H

#include <weir/types.h>

#define ETHERTYPE_IP4  0x0800
#define ETHERTYPE_ARP  0x0806
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8
#define ETHERTYPE_IP6  0x86dd

#define PROTOCOL_HOP_BY_HOP  0
#define PROTOCOL_ICMP	     1
#define PROTOCOL_TCP	     6
#define PROTOCOL_UDP	     17
#define PROTOCOL_ROUTING     43
#define PROTOCOL_FRAGMENT    44
#define PROTOCOL_AH	     51
#define PROTOCOL_ICMP6	     58
#define PROTOCOL_DESTINATION 60
#define PROTOCOL_MOBILITY    135
#define PROTOCOL_HIP	     139
#define PROTOCOL_SHIM6	     140

#define ICMP6_ROUTER_SOLICIT   133
#define ICMP6_NEIGHBOUR_ADVERT 136

#define IP4_MORE_FRAGMENTS 0x2000
#define IP4_OFFSET_MASK	   0x1fff
#define IP6_MORE_FRAGMENTS 0x0001
#define IP6_OFFSET_MASK	   0xfff8

struct wire_ethernet { /* IEEE 802.3 */
	__u8 destination[6];
	__u8 source[6];
	__u8 type[2];
};

struct wire_vlan { /* IEEE 802.1Q, after the type that announced it */
	__u8 tag[2];
	__u8 type[2];
};

struct wire_ip4 { /* RFC 791 */
	__u8 version_ihl;
	__u8 tos;
	__u8 total_length[2];
	__u8 id[2];
	__u8 fragment[2];
	__u8 ttl;
	__u8 protocol;
	__u8 checksum[2];
	__u8 source[4];
	__u8 destination[4];
};

struct wire_ip6 { /* RFC 8200 */
	__u8 version_class_flow[4];
	__u8 payload_length[2];
	__u8 next_header;
	__u8 hop_limit;
	__u8 source[16];
	__u8 destination[16];
};

struct wire_ip6_extension { /* RFC 8200, 4; the fragment header has the same size and more fields */
	__u8 next_header;
	__u8 length; /* reserved in a fragment header */
	__u8 fragment[2];
	__u8 rest[4];
};

struct wire_tcp { /* RFC 9293 */
	__u8 source_port[2];
	__u8 destination_port[2];
	__u8 sequence[4];
	__u8 acknowledgement[4];
	__u8 data_offset;
	__u8 flags;
	__u8 window[2];
	__u8 checksum[2];
	__u8 urgent[2];
};

struct wire_udp { /* RFC 768 */
	__u8 source_port[2];
	__u8 destination_port[2];
	__u8 length[2];
	__u8 checksum[2];
};

struct wire_icmp { /* RFC 792 and RFC 4443, the part they share */
	__u8 type;
	__u8 code;
	__u8 checksum[2];
};

/* Two bytes in network order as a number. */
static inline __attribute__((always_inline)) __u16 wire_u16(const __u8 bytes[2])
{
	return (__u16)(bytes[0] << 8 | bytes[1]);
}

#endif
