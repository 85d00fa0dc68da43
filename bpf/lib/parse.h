/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bytes to struct packet. Pure: takes memory and lengths, calls nothing, so the tests run these very
 * lines. Every length is checked against the frame and against what the outer header claims; a
 * header that lies gets a reason by its name. Ports are only ever read where they really are: not
 * in later fragments, not behind headers we do not walk.
 */
#ifndef LIB_PARSE_H
#define LIB_PARSE_H

#include <weir/policy.h>
#include <weir/vocabulary.h>

#include "lib/packet.h"
#include "lib/wire.h"

#define PARSE_VLAN_TAGS_MAX  2
#define PARSE_EXTENSIONS_MAX 8

#define PORT_DNS 53

/* Not a reason: the frame needs the thorough way (see struct parse_bytes). */
#define PARSE_THOROUGHLY (-2)

/* On the direct way the transport header begins below 14 + 2 * 4 + 60. */
#define PARSE_DIRECT_OFFSET_MASK 127

/* Headers may lie unaligned (see wire.h), and the sanitizer of the host tests need not say so. */
#define parse_inline static inline __attribute__((always_inline, no_sanitize("alignment")))

/*
 * The frame. There are two ways through the same parser, chosen by a constant at the call site: the
 * direct way reads packet memory and serves nearly every packet; the thorough way copies each header
 * out first (parse_load(), which the includer provides), whichever buffer of the frame it is in, and
 * alone walks IPv6 extension headers. That leaves the direct way without a loop.
 */
struct parse_bytes {
	const __u8 *data; /* direct */
	const __u8 *end;
	void *frame; /* thorough: what parse_load() reads from */
	int direct;
};

/* Copy @size bytes at @offset of @bytes->frame to @to. 0, or negative if the frame ends before. */
parse_inline int parse_load(const struct parse_bytes *bytes, __u32 offset, void *to, __u32 size);

/* What the IP header says of its payload. */
struct parse_payload {
	__u32 offset;
	__u32 left; /* bytes from there on, padding of the frame not counted */
	__u8 is_first_fragment;
	__u8 hop_limit;
	__u8 thoroughly; /* the direct way did not do */
};

/* @size bytes at @offset, possibly in @copy; NULL if the frame ends before them. */
parse_inline const void *parse_at(const struct parse_bytes *bytes, __u32 offset, void *copy,
				  __u32 size)
{
	const __u8 *at;

	if (!bytes->direct)
		return parse_load(bytes, offset, copy, size) ? 0 : copy;
	at = bytes->data + offset;
	/* The verifier knows only this very pointer as checked; keep the compiler from making another. */
	__asm__ volatile("" : "+r"(at));
	return at + size > bytes->end ? 0 : at;
}

/* Eight bytes of an address as the one word that later stages read: a load that spans two stores
 * which are still under way would have to wait for both. */
parse_inline __u64 parse_word(__be32 first, __be32 second)
{
	return first | (__u64)second << 32;
}

/* First fragments must hold all headers: a shorter one is an evasion, not an accident. */
parse_inline int parse_cut(const struct parse_payload *payload, int reason)
{
	return payload->is_first_fragment ? WEIR_REASON_FRAGMENT_TINY : reason;
}

parse_inline int parse_tcp(const struct parse_bytes *bytes, const struct parse_payload *payload,
			   struct packet *packet)
{
	struct wire_tcp copy;
	const struct wire_tcp *tcp = parse_at(bytes, payload->offset, &copy, sizeof(copy));
	__u32 header;

	if (!tcp || payload->left < sizeof(*tcp))
		return parse_cut(payload, WEIR_REASON_TCP_TRUNCATED);
	header = (tcp->data_offset >> 4) * 4;
	if (header < sizeof(*tcp))
		return WEIR_REASON_TCP_HEADER;
	if (header > payload->left)
		return parse_cut(payload, WEIR_REASON_TCP_HEADER);
	packet->source_port = wire_u16(tcp->source_port);
	packet->destination_port = wire_u16(tcp->destination_port);
	packet->has_port = 1;
	if ((tcp->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		packet->class = WEIR_CLASS_SYN;
	return WEIR_NEXT;
}

parse_inline int parse_udp(const struct parse_bytes *bytes, const struct parse_payload *payload,
			   struct packet *packet)
{
	struct wire_udp copy;
	const struct wire_udp *udp = parse_at(bytes, payload->offset, &copy, sizeof(copy));
	__u32 length;

	if (!udp || payload->left < sizeof(*udp))
		return parse_cut(payload, WEIR_REASON_UDP_TRUNCATED);
	length = wire_u16(udp->length);
	/* The length counts the reassembled datagram, so a first fragment may hold less. */
	if (length < sizeof(*udp) || (length > payload->left && !payload->is_first_fragment))
		return WEIR_REASON_UDP_LENGTH;
	packet->source_port = wire_u16(udp->source_port);
	packet->destination_port = wire_u16(udp->destination_port);
	packet->has_port = 1;
	if (packet->destination_port == PORT_DNS || packet->source_port == PORT_DNS)
		packet->class = WEIR_CLASS_DNS;
	return WEIR_NEXT;
}

parse_inline int parse_icmp4(const struct parse_bytes *bytes, const struct parse_payload *payload)
{
	__u8 copy[8]; /* RFC 792: type, code, checksum and four bytes that depend on the type */

	if (!parse_at(bytes, payload->offset, copy, sizeof(copy)) || payload->left < sizeof(copy))
		return parse_cut(payload, WEIR_REASON_ICMP_TRUNCATED);
	return WEIR_NEXT;
}

parse_inline int parse_icmp6(const struct parse_bytes *bytes, const struct parse_payload *payload)
{
	struct wire_icmp copy;
	const struct wire_icmp *icmp = parse_at(bytes, payload->offset, &copy, sizeof(copy));

	if (!icmp || payload->left < sizeof(*icmp))
		return parse_cut(payload, WEIR_REASON_ICMP_TRUNCATED);
	/* RFC 4861: a hop limit of 255 proves that no router forwarded it; nothing else is trusted
	 * to be a neighbour. Fragmented discovery is refused by RFC 6980, here it is just a packet. */
	if (icmp->type >= ICMP6_ROUTER_SOLICIT && icmp->type <= ICMP6_NEIGHBOUR_ADVERT &&
	    !icmp->code && payload->hop_limit == 255 && !payload->is_first_fragment)
		return WEIR_REASON_NEIGHBOUR;
	return WEIR_NEXT;
}

parse_inline int parse_ip4(const struct parse_bytes *bytes, struct parse_payload *payload,
			   struct packet *packet)
{
	struct wire_ip4 copy;
	const struct wire_ip4 *ip = parse_at(bytes, payload->offset, &copy, sizeof(copy));
	__u32 header, total, fragment, start;

	if (!ip)
		return WEIR_REASON_IP4_TRUNCATED;
	header = (ip->version_ihl & 0x0f) * 4;
	if (ip->version_ihl >> 4 != 4 || header < sizeof(*ip))
		return WEIR_REASON_IP4_HEADER;
	if (payload->offset + header > packet->length)
		return WEIR_REASON_IP4_TRUNCATED;
	total = wire_u16(ip->total_length);
	if (total < header || payload->offset + total > packet->length)
		return WEIR_REASON_IP4_LENGTH;

	packet->source_words[1] = parse_word(WIRE_MAPPED_PREFIX, ip->source);
	packet->destination_words[1] = parse_word(WIRE_MAPPED_PREFIX, ip->destination);
	packet->protocol = ip->protocol;

	payload->offset += header;
	payload->left = total - header;
	payload->hop_limit = ip->ttl;
	fragment = wire_u16(ip->fragment);
	if (!(fragment & (IP4_OFFSET_MASK | IP4_MORE_FRAGMENTS)))
		return WEIR_NEXT;
	start = (fragment & IP4_OFFSET_MASK) * 8;
	payload->is_first_fragment = !start;
	packet->is_later_fragment = !!start;
	if (start && header + start + payload->left > 65535)
		return WEIR_REASON_FRAGMENT_RANGE;
	return WEIR_NEXT;
}

/* Headers that RFC 8200 and its successors allow between IPv6 and the transport, and that can be
 * stepped over. Anything else ends the walk: guessing would forge ports. */
parse_inline int parse_is_extension(__u8 protocol)
{
	return protocol == PROTOCOL_HOP_BY_HOP || protocol == PROTOCOL_ROUTING ||
	       protocol == PROTOCOL_FRAGMENT || protocol == PROTOCOL_DESTINATION ||
	       protocol == PROTOCOL_AH || protocol == PROTOCOL_MOBILITY ||
	       protocol == PROTOCOL_HIP || protocol == PROTOCOL_SHIM6;
}

/* Step over the extension header that packet->protocol announces. */
parse_inline int parse_extension(const struct parse_bytes *bytes, struct parse_payload *payload,
				 struct packet *packet)
{
	struct wire_ip6_extension copy;
	const struct wire_ip6_extension *extension =
		parse_at(bytes, payload->offset, &copy, sizeof(copy));
	__u32 size = sizeof(*extension), fragment, start;

	if (!extension || payload->left < sizeof(*extension))
		return parse_cut(payload, WEIR_REASON_IP6_EXT_TRUNCATED);
	if (packet->protocol == PROTOCOL_FRAGMENT) {
		fragment = wire_u16(extension->fragment);
		start = fragment & IP6_OFFSET_MASK;
		packet->is_later_fragment = !!start;
		if (start && start + payload->left - size > 65535)
			return WEIR_REASON_FRAGMENT_RANGE;
		/* Offset 0 and no more: an atomic fragment (RFC 6946) is a whole packet. */
		if (!start && fragment & IP6_MORE_FRAGMENTS)
			payload->is_first_fragment = 1;
	} else if (packet->protocol == PROTOCOL_AH) {
		size = (extension->length + 2) * 4; /* RFC 4302, 2.2 */
	} else {
		size = (extension->length + 1) * 8;
	}
	if (size < sizeof(*extension) || size > payload->left)
		return parse_cut(payload, WEIR_REASON_IP6_EXT_TRUNCATED);
	packet->protocol = extension->next_header;
	payload->offset += size;
	payload->left -= size;
	return WEIR_NEXT;
}

parse_inline int parse_ip6(const struct parse_bytes *bytes, struct parse_payload *payload,
			   struct packet *packet)
{
	struct wire_ip6 copy;
	const struct wire_ip6 *ip = parse_at(bytes, payload->offset, &copy, sizeof(copy));
	int reason;

	if (!ip)
		return WEIR_REASON_IP6_TRUNCATED;
	if (ip->version_class_flow[0] >> 4 != 6)
		return WEIR_REASON_IP6_HEADER;
	payload->offset += sizeof(*ip);
	payload->left = wire_u16(ip->payload_length);
	payload->hop_limit = ip->hop_limit;
	if (payload->offset + payload->left > packet->length)
		return WEIR_REASON_IP6_LENGTH;

	packet->is_ip6 = 1;
	packet->source_words[0] = parse_word(ip->source[0], ip->source[1]);
	packet->source_words[1] = parse_word(ip->source[2], ip->source[3]);
	packet->destination_words[0] = parse_word(ip->destination[0], ip->destination[1]);
	packet->destination_words[1] = parse_word(ip->destination[2], ip->destination[3]);
	packet->protocol = ip->next_header;

	if (bytes->direct)
		return parse_is_extension(packet->protocol) ? PARSE_THOROUGHLY : WEIR_NEXT;

		/* Behind the header of a later fragment comes payload, not another header. */
#pragma clang loop unroll(disable)
	for (int i = 0; i < PARSE_EXTENSIONS_MAX; i++) {
		if (packet->is_later_fragment || !parse_is_extension(packet->protocol))
			return WEIR_NEXT;
		reason = parse_extension(bytes, payload, packet);
		if (reason != WEIR_NEXT)
			return reason;
	}
	if (packet->is_later_fragment || !parse_is_extension(packet->protocol))
		return WEIR_NEXT;
	return WEIR_REASON_IP6_EXT_TOO_DEEP;
}

/**
 * Fill @packet (zeroed but for length) and @payload (zeroed) from @bytes, up to the transport header.
 * WEIR_NEXT, the reason that decides already, or PARSE_THOROUGHLY, which the thorough way never
 * returns.
 */
parse_inline int parse_network(const struct parse_bytes *bytes, struct parse_payload *payload,
			       struct packet *packet)
{
	struct wire_ethernet copy;
	const struct wire_ethernet *ethernet = parse_at(bytes, 0, &copy, sizeof(copy));
	__u32 type;
	int reason;

	if (!ethernet)
		return WEIR_REASON_VLAN_TRUNCATED;
	type = wire_u16(ethernet->type);
	payload->offset = sizeof(*ethernet);
#pragma unroll
	for (int i = 0; i <= PARSE_VLAN_TAGS_MAX; i++) {
		const struct wire_vlan *vlan;
		struct wire_vlan tag;

		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ)
			break;
		if (i == PARSE_VLAN_TAGS_MAX)
			return WEIR_REASON_VLAN_TOO_DEEP;
		vlan = parse_at(bytes, payload->offset, &tag, sizeof(tag));
		if (!vlan)
			return WEIR_REASON_VLAN_TRUNCATED;
		type = wire_u16(vlan->type);
		payload->offset += sizeof(*vlan);
	}
	packet->network_offset = (__u16)payload->offset;
	if (type == ETHERTYPE_IP4)
		return parse_ip4(bytes, payload, packet);
	if (type != ETHERTYPE_IP6)
		return type == ETHERTYPE_ARP ? WEIR_REASON_NEIGHBOUR : WEIR_REASON_NOT_IP;
	reason = parse_ip6(bytes, payload, packet);
	/* Neighbour discovery is told before anything else is asked: no list can cut it off. */
	if (reason == WEIR_NEXT && packet->protocol == PROTOCOL_ICMP6 && !packet->is_later_fragment)
		return parse_icmp6(bytes, payload);
	return reason;
}

/**
 * The transport header, for what parse_network() left undecided. WEIR_NEXT, or the reason that decides.
 * Behind the lists: a source that is blocked, or allowed whatever it sends, need not be read further.
 */
parse_inline int parse_transport(const struct parse_bytes *bytes,
				 const struct parse_payload *payload, struct packet *packet)
{
	if (packet->is_later_fragment) {
		packet->class = WEIR_CLASS_FRAGMENT;
		return WEIR_NEXT;
	}
	if (packet->protocol == PROTOCOL_TCP)
		return parse_tcp(bytes, payload, packet);
	if (packet->protocol == PROTOCOL_UDP)
		return parse_udp(bytes, payload, packet);
	if (packet->protocol != (packet->is_ip6 ? PROTOCOL_ICMP6 : PROTOCOL_ICMP))
		return WEIR_NEXT;
	packet->class = WEIR_CLASS_ICMP;
	return packet->is_ip6 ? WEIR_NEXT : parse_icmp4(bytes, payload);
}

#endif
