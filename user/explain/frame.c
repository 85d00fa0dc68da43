/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet as a frame, and a frame as it was captured. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/address.h"
#include "explain/packet.h"

#define LINK	    sizeof(struct ether_header)
#define FRAGMENT_AT 1480 /* bytes: behind a first fragment that fills an Ethernet frame */
#define VLANS_MAX   2
#define TAG	    4

/* Internet checksum, RFC 1071. */
static uint32_t sum_bytes(const uint8_t *from, size_t length, uint32_t sum)
{
	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)from[i] << 8 | from[i + 1];
	return length & 1 ? sum + ((uint32_t)from[length - 1] << 8) : sum;
}

static uint16_t checksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static size_t transport_size(const struct explain_packet *p)
{
	if (p->fragment)
		return 8; /* of data */
	switch (p->protocol) {
	case IPPROTO_TCP:
		return sizeof(struct tcphdr);
	case IPPROTO_UDP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 8;
	case IPPROTO_SCTP:
		return 12; /* the common header: ports, tag, checksum */
	default:
		return 0;
	}
}

static size_t network_size(const struct explain_packet *p)
{
	if (address_is_ipv4(p->source))
		return sizeof(struct iphdr);
	return sizeof(struct ip6_hdr) + (p->fragment ? sizeof(struct ip6_frag) : 0);
}

static void put_network4(const struct explain_packet *p, uint8_t *to, size_t length)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons((uint16_t)length),
		.frag_off = htons(p->fragment ? FRAGMENT_AT / 8 : 0),
		.ttl = 64,
		.protocol = p->protocol,
	};

	memcpy(&ip.saddr, p->source + 12, sizeof(ip.saddr));
	memcpy(&ip.daddr, p->destination + 12, sizeof(ip.daddr));
	memcpy(to, &ip, sizeof(ip));
	ip.check = checksum(sum_bytes(to, sizeof(ip), 0));
	memcpy(to, &ip, sizeof(ip));
}

static void put_network6(const struct explain_packet *p, uint8_t *to, size_t length)
{
	struct ip6_hdr ip = {
		.ip6_flow = htonl(6U << 28),
		.ip6_plen = htons((uint16_t)(length - sizeof(ip))),
		.ip6_nxt = p->fragment ? IPPROTO_FRAGMENT : p->protocol,
		.ip6_hlim = 64,
	};
	struct ip6_frag fragment = {.ip6f_nxt = p->protocol, .ip6f_offlg = htons(FRAGMENT_AT)};

	memcpy(&ip.ip6_src, p->source, sizeof(ip.ip6_src));
	memcpy(&ip.ip6_dst, p->destination, sizeof(ip.ip6_dst));
	memcpy(to, &ip, sizeof(ip));
	if (p->fragment)
		memcpy(to + sizeof(ip), &fragment, sizeof(fragment));
}

/* Over the pseudo header and all that follows, which must have a checksum of 0. */
static uint16_t transport_checksum(const struct explain_packet *p, const uint8_t *from,
				   size_t length)
{
	size_t skip = address_is_ipv4(p->source) ? 12 : 0;
	uint32_t sum = 0;

	if (p->protocol != IPPROTO_ICMP) {
		sum = sum_bytes(p->source + skip, 16 - skip, (uint32_t)length + p->protocol);
		sum = sum_bytes(p->destination + skip, 16 - skip, sum);
	}
	return checksum(sum_bytes(from, length, sum));
}

static void put_tcp(const struct explain_packet *p, uint8_t *to, size_t length)
{
	struct tcphdr tcp = {
		.th_sport = htons(p->source_port),
		.th_dport = htons(p->destination_port),
		.th_off = sizeof(tcp) / 4,
		.th_flags = p->tcp_flags,
		.th_win = htons(65535),
	};

	memcpy(to, &tcp, sizeof(tcp));
	tcp.th_sum = transport_checksum(p, to, length);
	memcpy(to, &tcp, sizeof(tcp));
}

static void put_udp(const struct explain_packet *p, uint8_t *to, size_t length)
{
	struct udphdr udp = {
		.uh_sport = htons(p->source_port),
		.uh_dport = htons(p->destination_port),
		.uh_ulen = htons((uint16_t)length),
	};

	memcpy(to, &udp, sizeof(udp));
	udp.uh_sum = transport_checksum(p, to, length);
	memcpy(to, &udp, sizeof(udp));
}

static void put_icmp(const struct explain_packet *p, uint8_t *to, size_t length)
{
	struct icmphdr icmp = {.type = p->icmp_type, .code = p->icmp_code};

	memcpy(to, &icmp, sizeof(icmp));
	icmp.checksum = transport_checksum(p, to, length);
	memcpy(to, &icmp, sizeof(icmp));
}

static void put_transport(const struct explain_packet *p, uint8_t *to, size_t length)
{
	uint16_t ports[2] = {htons(p->source_port), htons(p->destination_port)};

	if (p->fragment)
		return;
	if (p->protocol == IPPROTO_TCP)
		put_tcp(p, to, length);
	else if (p->protocol == IPPROTO_UDP)
		put_udp(p, to, length);
	else if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6)
		put_icmp(p, to, length);
	else if (p->protocol == IPPROTO_SCTP)
		memcpy(to, ports, sizeof(ports));
}

int explain_build(const struct explain_packet *p, uint8_t ret[static EXPLAIN_LENGTH_MAX],
		  size_t *ret_length, struct fault *reterr)
{
	bool ip4 = address_is_ipv4(p->source);
	size_t network = network_size(p), least = LINK + network + transport_size(p);
	size_t length = p->length ?: least;
	/* Locally administered, neither of a group: from one station to another. */
	struct ether_header ethernet = {
		.ether_dhost = {2, 0, 0, 0, 0, 2},
		.ether_shost = {2, 0, 0, 0, 0, 1},
		.ether_type = htons(ip4 ? ETHERTYPE_IP : ETHERTYPE_IPV6),
	};

	if (ip4 != address_is_ipv4(p->destination))
		return fault(reterr, -EINVAL, "explain.packet",
			     "one address is IPv4, the other IPv6");
	if (length < least || length > EXPLAIN_LENGTH_MAX)
		return fault(reterr, -EINVAL, "explain.packet",
			     "such a frame has %zu to %d bytes, not %zu", least, EXPLAIN_LENGTH_MAX,
			     length);
	memset(ret, 0, length);
	memcpy(ret, &ethernet, LINK);
	if (ip4)
		put_network4(p, ret + LINK, length - LINK);
	else
		put_network6(p, ret + LINK, length - LINK);
	put_transport(p, ret + LINK + network, length - LINK - network);
	*ret_length = length;
	return 0;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int explain_frame_parse(const char *hex, uint8_t ret[static EXPLAIN_LENGTH_MAX], size_t *ret_length,
			struct fault *reterr)
{
	size_t length = 0;

	for (const char *at = hex; *at; at++) {
		int high, low;

		if (*at == ' ' || *at == ':' || *at == '\n')
			continue;
		high = digit(*at);
		low = high < 0 ? -1 : digit(at[1]);
		if (low < 0)
			return fault(
				reterr, -EINVAL, "explain.frame",
				"a frame is hexadecimal digits, two for each byte: '%.4s' is none",
				at);
		if (length == EXPLAIN_LENGTH_MAX)
			return fault(reterr, -EINVAL, "explain.frame",
				     "a frame has at most %d bytes", EXPLAIN_LENGTH_MAX);
		ret[length++] = (uint8_t)(high << 4 | low);
		at++;
	}
	*ret_length = length;
	return 0;
}

bool explain_frame_addresses(const uint8_t *frame, size_t length, uint8_t ret_source[static 16],
			     uint8_t ret_destination[static 16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	size_t at = LINK - sizeof(uint16_t);
	uint16_t type = 0;

	memset(ret_source, 0, 16);
	memset(ret_destination, 0, 16);
	for (int tags = 0; tags <= VLANS_MAX; tags++, at += TAG) {
		if (at + sizeof(type) > length)
			return false;
		type = (uint16_t)(frame[at] << 8 | frame[at + 1]);
		if (type != ETHERTYPE_VLAN && type != 0x88a8)
			break;
	}
	at += sizeof(type);
	if (type == ETHERTYPE_IP && at + sizeof(struct iphdr) <= length) {
		memcpy(ret_source, mapped, sizeof(mapped));
		memcpy(ret_destination, mapped, sizeof(mapped));
		memcpy(ret_source + 12, frame + at + 12, 4);
		memcpy(ret_destination + 12, frame + at + 16, 4);
	} else if (type == ETHERTYPE_IPV6 && at + sizeof(struct ip6_hdr) <= length) {
		memcpy(ret_source, frame + at + 8, 16);
		memcpy(ret_destination, frame + at + 24, 16);
	}
	return type == ETHERTYPE_IPV6;
}
