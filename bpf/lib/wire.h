/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packet formats, as far as weir reads them, in network order. No bit fields, and natural alignment
 * as in the kernel's own structs: a field is one load. Drivers place the IP header at a multiple of
 * four (NET_IP_ALIGN); elsewhere the machines that run BPF load unaligned words all the same.
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
	__be16 type;
};

struct wire_vlan { /* IEEE 802.1Q, after the type that announced it */
	__be16 tag;
	__be16 type;
};

struct wire_ip4 { /* RFC 791 */
	__u8 version_ihl;
	__u8 tos;
	__be16 total_length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__be32 source;
	__be32 destination;
};

struct wire_ip6 { /* RFC 8200 */
	__u8 version_class_flow[4];
	__be16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	__be32 source[4];
	__be32 destination[4];
};

struct wire_ip6_extension { /* RFC 8200, 4; the fragment header has the same size and more fields */
	__u8 next_header;
	__u8 length; /* reserved in a fragment header */
	__be16 fragment;
	__be32 rest;
};

struct wire_tcp { /* RFC 9293 */
	__be16 source_port;
	__be16 destination_port;
	__be32 sequence;
	__be32 acknowledgement;
	__u8 data_offset;
	__u8 flags;
	__be16 window;
	__be16 checksum;
	__be16 urgent;
};

#define TCP_SYN 0x02
#define TCP_ACK 0x10

struct wire_udp { /* RFC 768 */
	__be16 source_port;
	__be16 destination_port;
	__be16 length;
	__be16 checksum;
};

struct wire_icmp { /* RFC 792 and RFC 4443, the part they share */
	__u8 type;
	__u8 code;
	__be16 checksum;
};

/* To and from network order; what runs BPF here is little-endian, and the build says so otherwise. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "wire_u16() assumes little-endian");
#define wire_u16(field) __builtin_bswap16(field)
#define wire_u32(field) __builtin_bswap32(field)

/* The 32 bits before an IPv4 address in its IPv6-mapped form. */
#define WIRE_MAPPED_PREFIX 0xffff0000U

#endif
