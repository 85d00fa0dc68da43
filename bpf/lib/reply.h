/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers: the packet in hand becomes the RST or the ICMP error that refuses it, ready for XDP_TX, or
 * gets another DSCP. Refuses to answer what must not be answered: errors, fragments, groups and
 * broadcasts, addresses that no host has (RFC 1122, 3.2.2; RFC 4443, 2.4), and what hides behind
 * IPv6 extension headers. Only the first buffer of a frame is read; all of it is cut to length.
 *
 * This is the slow path: global functions, which the verifier checks once each and which cost the
 * program that calls them nothing but the call. They trust no length but check each themselves.
 */
#ifndef LIB_REPLY_H
#define LIB_REPLY_H

#include "lib/kernel.h"
#include "lib/wire.h"

/* No answer: the caller drops. The frame may be longer in front than it was. */
#define REPLY_CANNOT (-1)

#define REPLY_HOPS	  64
#define REPLY_CHECKSUM_AT 10 /* in the IPv4 header */
/* What of the offending packet an ICMP error quotes: its headers and some more to tell it by. RFC 1812
 * would have up to 548 bytes, but an answer should not be much larger than what asked for it. */
#define REPLY_QUOTE_MAX	  128
/* The shortest Ethernet frame. Answers are not cut below it, where the frame was not. */
#define REPLY_FRAME_MIN	  60
#define REPLY_ANSWER_MIN  54 /* and what an answer is at least: link, IPv4 and TCP headers */
#define REPLY_LINK_MIN	  14
#define REPLY_LINK_MAX	  (14 + 2 * 4) /* two VLAN tags */

#define reply_u32(field) __builtin_bswap32(field) /* to and from network order */

/* Nothing is read from further behind the frame's beginning. */
#define REPLY_REACH_MASK 255

/* Any two or four bytes: the compiler must not think that they are no part of a header. */
typedef __u16 __attribute__((may_alias)) reply_half;
typedef __u32 __attribute__((may_alias)) reply_word;

#define REPLY_TCP_FIN 0x01
#define REPLY_TCP_SYN 0x02
#define REPLY_TCP_RST 0x04
#define REPLY_TCP_ACK 0x10

#define REPLY_ICMP_UNREACHABLE	3
#define REPLY_ICMP_PROHIBITED	13 /* RFC 1812, 5.2.7.1 */
#define REPLY_ICMP_ECHO		8
#define REPLY_ICMP6_UNREACHABLE 1
#define REPLY_ICMP6_PROHIBITED	1 /* RFC 4443, 3.1 */
#define REPLY_ICMP6_ECHO	128

struct reply_error { /* RFC 792 and RFC 4443: what both kinds of "unreachable" begin with */
	struct wire_icmp icmp;
	__be32 unused;
};

struct reply_reset4 {
	struct wire_ip4 ip;
	struct wire_tcp tcp;
};

struct reply_reset6 {
	struct wire_ip6 ip;
	struct wire_tcp tcp;
};

struct reply_error4 {
	struct wire_ip4 ip;
	struct reply_error error;
};

struct reply_error6 {
	struct wire_ip6 ip;
	struct reply_error error;
};

/** @size bytes at @offset of the first buffer; NULL if it ends before them. */
static __always_inline void *reply_at(const struct xdp_md *ctx, __u32 offset, __u32 size)
{
	__u8 *at;

	/* The verifier wants to see the bound, which the compiler would reason away, and knows only the
	 * very pointer that was checked, of which the compiler would make another. */
	__asm__ volatile("" : "+r"(offset));
	at = (__u8 *)(long)ctx->data + (offset & REPLY_REACH_MASK);
	__asm__ volatile("" : "+r"(at));
	return at + size > (__u8 *)(long)ctx->data_end ? 0 : at;
}

/** How many bytes the first buffer has from @offset on, which it is known to have. */
static __always_inline __u32 reply_bytes_from(const struct xdp_md *ctx, __u32 offset)
{
	__u64 bytes = (__u64)(long)ctx->data_end - (__u64)(long)ctx->data;

	__asm__ volatile("" : "+r"(bytes)); /* pointers must be subtracted whole, and only once */
	return (__u32)bytes - offset;
}

/* Sums for the Internet checksum (RFC 1071), over words of 32 bits and not folded. */
static __always_inline __u64 reply_sum(const void *from, __u32 size)
{
	const reply_word *words = from;
	__u64 sum = 0;

#pragma unroll
	for (__u32 i = 0; i < size / sizeof(*words); i++)
		sum += words[i];
	return sum;
}

static __always_inline __be16 reply_checksum(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__be16)~sum;
}

/* What the pseudo headers (RFC 9293, 3.1 and RFC 8200, 8.1) add to the addresses' sum. */
static __always_inline __u64 reply_sum_pseudo(__u8 protocol, __u16 length)
{
	return (__u64)wire_u16(protocol) + wire_u16(length);
}

/* An address that a host may have and others may know it by: not "this network", loopback, a group, a
 * reserved one or the broadcast address. A subnet's broadcast address arrives in a broadcast frame. */
static __always_inline int reply_is_host4(__be32 address)
{
	__u8 first = (__u8)address;

	return first != 0 && first != 127 && first < 224;
}

/* Likewise: neither a group nor one of the special addresses under ::/64. */
static __always_inline int reply_is_host6(const __be32 address[4])
{
	return (__u8)address[0] != 0xff && (address[0] | address[1]);
}

static __always_inline int reply_is_same6(const __be32 one[4], const __be32 other[4])
{
	return one[0] == other[0] && one[1] == other[1] && one[2] == other[2] && one[3] == other[3];
}

/* From one host to another, as far as the addresses tell. */
static __always_inline int reply_is_between_hosts4(const struct wire_ip4 *ip)
{
	return reply_is_host4(ip->source) && reply_is_host4(ip->destination) &&
	       ip->source != ip->destination;
}

static __always_inline int reply_is_between_hosts6(const struct wire_ip6 *ip)
{
	return reply_is_host6(ip->source) && reply_is_host6(ip->destination) &&
	       !reply_is_same6(ip->source, ip->destination);
}

/** Whether the link layer carried the frame from one station to this one, and to nobody else. */
static __always_inline int reply_is_between_stations(const struct xdp_md *ctx, __u32 network)
{
	const struct wire_ethernet *ethernet = reply_at(ctx, 0, sizeof(*ethernet));

	return ethernet && network >= REPLY_LINK_MIN && network <= REPLY_LINK_MAX &&
	       !((ethernet->destination[0] | ethernet->source[0]) & 1);
}

/* The header of an answer to @ip with @length bytes behind it. */
static __always_inline void reply_head4(struct wire_ip4 *ret, const struct wire_ip4 *ip,
					__u8 protocol, __u32 length)
{
	*ret = (struct wire_ip4){
		.version_ihl = 4 << 4 | sizeof(*ret) / 4,
		.total_length = wire_u16((__u16)(sizeof(*ret) + length)),
		.fragment = wire_u16(0x4000), /* atomic, so the id may be 0 (RFC 6864) */
		.ttl = REPLY_HOPS,
		.protocol = protocol,
		.source = ip->destination,
		.destination = ip->source,
	};
	ret->checksum = reply_checksum(reply_sum(ret, sizeof(*ret)));
}

static __always_inline void reply_head6(struct wire_ip6 *ret, const struct wire_ip6 *ip,
					__u8 protocol, __u32 length)
{
	*ret = (struct wire_ip6){
		.version_class_flow = {6 << 4},
		.payload_length = wire_u16((__u16)length),
		.next_header = protocol,
		.hop_limit = REPLY_HOPS,
	};
	__builtin_memcpy(ret->source, ip->destination, sizeof(ret->source));
	__builtin_memcpy(ret->destination, ip->source, sizeof(ret->destination));
}

/**
 * Cut the frame of @length bytes down to @wanted, but not below the shortest frame that Ethernet sends,
 * and clear what that leaves behind the packet; to be called before the answer is written. 0 or
 * negative.
 */
static __always_inline int reply_cut(struct xdp_md *ctx, __u32 length, __u32 wanted)
{
	__u32 kept =
		wanted < REPLY_FRAME_MIN && length >= REPLY_FRAME_MIN ? REPLY_FRAME_MIN : wanted;

	if (length < wanted)
		return REPLY_CANNOT;
	if (length > kept && bpf_xdp_adjust_tail(ctx, (int)(kept - length)))
		return REPLY_CANNOT;
	if (kept != wanted) {
		reply_half *end = reply_at(ctx, REPLY_ANSWER_MIN, 3 * sizeof(*end));

		if (end)
			end[0] = end[1] = end[2] = 0;
	}
	return 0;
}

/** Back to where the frame came from. */
static __always_inline int reply_turn(struct xdp_md *ctx)
{
	struct wire_ethernet *ethernet = reply_at(ctx, 0, sizeof(*ethernet)), was;

	if (!ethernet)
		return REPLY_CANNOT;
	was = *ethernet;
	__builtin_memcpy(ethernet->destination, was.source, sizeof(was.source));
	__builtin_memcpy(ethernet->source, was.destination, sizeof(was.destination));
	return XDP_TX;
}

/* The RST for a segment with @left bytes from its header on (RFC 9293, 3.10.7.1), but for the checksum.
 * 0 or negative. */
static __always_inline int reply_reset_tcp(struct wire_tcp *ret, const struct wire_tcp *tcp,
					   __u32 left)
{
	__u32 header = (tcp->data_offset >> 4) * 4, length;

	if (header < sizeof(*tcp) || header > left || tcp->flags & REPLY_TCP_RST)
		return REPLY_CANNOT;
	*ret = (struct wire_tcp){
		.source_port = tcp->destination_port,
		.destination_port = tcp->source_port,
		.data_offset = sizeof(*tcp) / 4 << 4,
		.flags = REPLY_TCP_RST,
	};
	if (tcp->flags & REPLY_TCP_ACK) {
		ret->sequence = tcp->acknowledgement;
		return 0;
	}
	length = left - header + !!(tcp->flags & REPLY_TCP_SYN) + !!(tcp->flags & REPLY_TCP_FIN);
	ret->acknowledgement = reply_u32(reply_u32(tcp->sequence) + length);
	ret->flags |= REPLY_TCP_ACK;
	return 0;
}

__noinline int reply_reset4(struct xdp_md *ctx, __u32 network, __u32 length)
{
	const struct wire_ip4 *ip;
	const struct wire_tcp *tcp;
	struct reply_reset4 answer, *to;
	__u32 header, total;

	if (network > REPLY_LINK_MAX)
		return REPLY_CANNOT;
	ip = reply_at(ctx, network, sizeof(*ip));
	if (!ip)
		return REPLY_CANNOT;
	header = (ip->version_ihl & 0x0f) * 4;
	total = wire_u16(ip->total_length);
	/* Of a segment in fragments nobody here knows the length. */
	if (header < sizeof(*ip) || total < header || ip->fragment & wire_u16(0x3fff))
		return REPLY_CANNOT;
	tcp = reply_at(ctx, network + header, sizeof(*tcp));
	if (!tcp || reply_reset_tcp(&answer.tcp, tcp, total - header))
		return REPLY_CANNOT;
	reply_head4(&answer.ip, ip, PROTOCOL_TCP, sizeof(answer.tcp));
	answer.tcp.checksum = reply_checksum(reply_sum(&answer.ip.source, 8) +
					     reply_sum(&answer.tcp, sizeof(answer.tcp)) +
					     reply_sum_pseudo(PROTOCOL_TCP, sizeof(answer.tcp)));

	if (reply_cut(ctx, length, network + sizeof(answer)))
		return REPLY_CANNOT;
	to = reply_at(ctx, network, sizeof(*to));
	if (!to)
		return REPLY_CANNOT;
	*to = answer;
	return reply_turn(ctx);
}

__noinline int reply_reset6(struct xdp_md *ctx, __u32 network, __u32 length)
{
	struct reply_reset6 answer, *to;

	if (network > REPLY_LINK_MAX)
		return REPLY_CANNOT;
	to = reply_at(ctx, network, sizeof(*to));
	if (!to || reply_reset_tcp(&answer.tcp, &to->tcp, wire_u16(to->ip.payload_length)))
		return REPLY_CANNOT;
	reply_head6(&answer.ip, &to->ip, PROTOCOL_TCP, sizeof(answer.tcp));
	answer.tcp.checksum = reply_checksum(reply_sum(answer.ip.source, 32) +
					     reply_sum(&answer.tcp, sizeof(answer.tcp)) +
					     reply_sum_pseudo(PROTOCOL_TCP, sizeof(answer.tcp)));

	if (reply_cut(ctx, length, network + sizeof(answer)))
		return REPLY_CANNOT;
	to = reply_at(ctx, network, sizeof(*to));
	if (!to)
		return REPLY_CANNOT;
	*to = answer;
	return reply_turn(ctx);
}

/* How much to quote of a packet of @total bytes with headers of @least: whole words, so that no byte
 * is left over when they are summed. 0: too little of it is in reach. */
static __always_inline __u32 reply_quote(const struct xdp_md *ctx, __u32 network, __u32 least,
					 __u32 total)
{
	__u32 quote = reply_bytes_from(ctx, network);

	if (quote > total)
		quote = total;
	if (quote > REPLY_QUOTE_MAX)
		quote = REPLY_QUOTE_MAX;
	quote &= ~3U;
	return quote < least + 8 ? 0 : quote;
}

/* Make room for @size bytes between the link header, which ends at @network, and the packet. */
static __always_inline int reply_make_room(struct xdp_md *ctx, __u32 network, int size)
{
	if (bpf_xdp_adjust_head(ctx, -size))
		return REPLY_CANNOT;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < REPLY_LINK_MAX / 2 && i < network / 2; i++) {
		const reply_half *from = reply_at(ctx, size + 2 * i, sizeof(*from));
		reply_half *to = reply_at(ctx, 2 * i, sizeof(*to));

		if (!from || !to)
			return REPLY_CANNOT;
		*to = *from;
	}
	return 0;
}

/* The sum of @size bytes at @offset. They are there. */
static __always_inline __u64 reply_sum_quote(const struct xdp_md *ctx, __u32 offset, __u32 size)
{
	__u64 sum = 0;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < REPLY_QUOTE_MAX / 4 && i < size / 4; i++) {
		const reply_word *word = reply_at(ctx, offset + 4 * i, sizeof(*word));

		if (word)
			sum += *word;
	}
	return sum;
}

__noinline int reply_prohibited4(struct xdp_md *ctx, __u32 network, __u32 length)
{
	const struct wire_ip4 *ip;
	struct reply_error4 answer = {}, *to;
	const struct wire_icmp *icmp;
	__u32 header, quote;

	if (network > REPLY_LINK_MAX)
		return REPLY_CANNOT;
	ip = reply_at(ctx, network, sizeof(*ip));
	if (!ip || ip->fragment & wire_u16(IP4_OFFSET_MASK))
		return REPLY_CANNOT;
	header = (ip->version_ihl & 0x0f) * 4;
	quote = reply_quote(ctx, network, header, wire_u16(ip->total_length));
	icmp = reply_at(ctx, network + header, sizeof(*icmp));
	if (header < sizeof(*ip) || !quote || !icmp)
		return REPLY_CANNOT;
	/* Errors cause no errors, and of all else only this is known to be none. */
	if (ip->protocol == PROTOCOL_ICMP && icmp->type != REPLY_ICMP_ECHO)
		return REPLY_CANNOT;
	reply_head4(&answer.ip, ip, PROTOCOL_ICMP, sizeof(answer.error) + quote);
	answer.error.icmp.type = REPLY_ICMP_UNREACHABLE;
	answer.error.icmp.code = REPLY_ICMP_PROHIBITED;
	answer.error.icmp.checksum = reply_checksum(reply_sum(&answer.error, sizeof(answer.error)) +
						    reply_sum_quote(ctx, network, quote));

	if (reply_make_room(ctx, network, sizeof(answer)) ||
	    reply_cut(ctx, length + sizeof(answer), network + sizeof(answer) + quote))
		return REPLY_CANNOT;
	to = reply_at(ctx, network, sizeof(*to));
	if (!to)
		return REPLY_CANNOT;
	*to = answer;
	return reply_turn(ctx);
}

__noinline int reply_prohibited6(struct xdp_md *ctx, __u32 network, __u32 length)
{
	const struct wire_ip6 *ip;
	struct reply_error6 answer = {}, *to;
	const struct wire_icmp *icmp;
	__u32 quote;

	if (network > REPLY_LINK_MAX)
		return REPLY_CANNOT;
	ip = reply_at(ctx, network, sizeof(*ip) + sizeof(*icmp));
	if (!ip)
		return REPLY_CANNOT;
	icmp = (const void *)(ip + 1);
	quote = reply_quote(ctx, network, sizeof(*ip), sizeof(*ip) + wire_u16(ip->payload_length));
	if (!quote || (ip->next_header == PROTOCOL_ICMP6 && icmp->type != REPLY_ICMP6_ECHO))
		return REPLY_CANNOT;
	reply_head6(&answer.ip, ip, PROTOCOL_ICMP6, sizeof(answer.error) + quote);
	answer.error.icmp.type = REPLY_ICMP6_UNREACHABLE;
	answer.error.icmp.code = REPLY_ICMP6_PROHIBITED;
	answer.error.icmp.checksum = reply_checksum(
		reply_sum(answer.ip.source, 32) +
		reply_sum_pseudo(PROTOCOL_ICMP6, (__u16)(sizeof(answer.error) + quote)) +
		reply_sum(&answer.error, sizeof(answer.error)) +
		reply_sum_quote(ctx, network, quote));

	if (reply_make_room(ctx, network, sizeof(answer)) ||
	    reply_cut(ctx, length + sizeof(answer), network + sizeof(answer) + quote))
		return REPLY_CANNOT;
	to = reply_at(ctx, network, sizeof(*to));
	if (!to)
		return REPLY_CANNOT;
	*to = answer;
	return reply_turn(ctx);
}

static __always_inline int reply_is_extension(__u8 next_header)
{
	return next_header == PROTOCOL_HOP_BY_HOP || next_header == PROTOCOL_ROUTING ||
	       next_header == PROTOCOL_FRAGMENT || next_header == PROTOCOL_DESTINATION ||
	       next_header == PROTOCOL_AH || next_header == PROTOCOL_MOBILITY ||
	       next_header == PROTOCOL_HIP || next_header == PROTOCOL_SHIM6;
}

static __always_inline int reply_reject4(struct xdp_md *ctx, __u32 network, __u32 length)
{
	const struct wire_ip4 *ip = reply_at(ctx, network, sizeof(*ip));

	if (!ip || !reply_is_between_hosts4(ip))
		return REPLY_CANNOT;
	if (ip->protocol == PROTOCOL_TCP)
		return reply_reset4(ctx, network, length);
	return reply_prohibited4(ctx, network, length);
}

static __always_inline int reply_reject6(struct xdp_md *ctx, __u32 network, __u32 length)
{
	const struct wire_ip6 *ip = reply_at(ctx, network, sizeof(*ip));

	if (!ip || !reply_is_between_hosts6(ip) || reply_is_extension(ip->next_header))
		return REPLY_CANNOT;
	if (ip->next_header == PROTOCOL_TCP)
		return reply_reset6(ctx, network, length);
	return reply_prohibited6(ctx, network, length);
}

/**
 * Turn the frame, @length bytes in all buffers and with its IP header at @network, into its refusal: TCP
 * becomes a RST, everything else "communication administratively prohibited". XDP_TX, or
 * REPLY_CANNOT. Either way no pointer into the packet is valid any more.
 */
__noinline int reply_reject(struct xdp_md *ctx, __u32 network, __u32 length)
{
	const __u8 *version;

	if (!reply_is_between_stations(ctx, network))
		return REPLY_CANNOT;
	version = reply_at(ctx, network, 1);
	if (!version)
		return REPLY_CANNOT;
	if (*version >> 4 == 4)
		return reply_reject4(ctx, network, length);
	if (*version >> 4 == 6)
		return reply_reject6(ctx, network, length);
	return REPLY_CANNOT;
}

/**
 * Set the DSCP (RFC 2474), 0 to 63, of the packet whose IP header is at @network, and leave the ECN bits
 * (RFC 3168) alone. 0, or REPLY_CANNOT if the first buffer ends before them.
 */
__noinline int reply_mark(struct xdp_md *ctx, __u32 network, __u32 dscp)
{
	__be16 *first, *checksum, now;
	__u16 was;

	if (network > REPLY_LINK_MAX || dscp > 63)
		return REPLY_CANNOT;
	first = reply_at(ctx, network, sizeof(*first));
	if (!first)
		return REPLY_CANNOT;
	was = wire_u16(*first);
	if (was >> 12 == 6) { /* version, 8 bits of traffic class, and some of the flow label */
		*first = wire_u16((__u16)((was & 0xf03f) | dscp << 6));
		return 0;
	}
	checksum = reply_at(ctx, network + REPLY_CHECKSUM_AT, sizeof(*checksum));
	if (was >> 12 != 4 || !checksum)
		return REPLY_CANNOT;
	now = wire_u16((__u16)((was & 0xff03) | dscp << 2));
	/* RFC 1624, equation 3 */
	*checksum = reply_checksum((__u64)(__be16) ~*checksum + (__be16) ~*first + now);
	*first = now;
	return 0;
}

#endif
