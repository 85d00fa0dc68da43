/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Builds Ethernet frames byte by byte in network order. What the generator's BPF program fills in
 * (source address, source port, checksums) stays zero, so that the sums over everything else can be
 * taken here, once.
 */
#include "frame.h"

#include <assert.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/address.h"

#define LATER_FRAGMENT 185 /* in units of 8 bytes: the second packet of 1500 */
#define FRAGMENT_ID    0x7765
#define HOP_LIMIT      64

struct writer {
	uint8_t *data;
	size_t length;
};

static void put(struct writer *w, const void *bytes, size_t length)
{
	assert(w->length + length <= FRAME_SIZE);
	memcpy(w->data + w->length, bytes, length);
	w->length += length;
}

static void put8(struct writer *w, uint8_t value)
{
	put(w, &value, 1);
}

static void put16(struct writer *w, uint16_t value)
{
	put8(w, value >> 8);
	put8(w, value & 0xff);
}

static void put32(struct writer *w, uint32_t value)
{
	put16(w, value >> 16);
	put16(w, value & 0xffff);
}

static void put_zeros(struct writer *w, size_t length)
{
	while (length--)
		put8(w, 0);
}

/* A sum of 16-bit words as they lie in memory, the last byte padded with zero (RFC 1071). */
static uint32_t words_sum(const uint8_t *bytes, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i += 2) {
		uint8_t pair[2] = {bytes[i], i + 1 < length ? bytes[i + 1] : 0};
		uint16_t word;

		memcpy(&word, pair, 2);
		sum += word;
	}
	return sum;
}

static void put_link(struct writer *w, const struct frame_spec *spec, bool ipv6)
{
	put(w, spec->destination_mac, 6);
	put(w, spec->source_mac, 6);
	for (unsigned int i = 0; i < spec->vlans; i++) {
		put16(w, spec->vlans == 2 && i == 0 ? 0x88a8 : ETHERTYPE_VLAN);
		put16(w, spec->vlan[i]);
	}
	put16(w, ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
}

/* @length of everything behind the IPv4 header */
static void put_ipv4(struct writer *w, const struct frame_spec *spec, uint8_t protocol,
		     size_t length, struct flood_config *config)
{
	size_t start = w->length;

	put8(w, 0x45);
	put8(w, 0);
	put16(w, 20 + length);
	put16(w, spec->fragment ? FRAGMENT_ID : 0);
	put16(w, spec->fragment ? LATER_FRAGMENT : 0);
	put8(w, HOP_LIMIT);
	put8(w, protocol);
	config->ip_checksum_at = w->length;
	put_zeros(w, 2);
	config->source_at = w->length;
	put_zeros(w, 4);
	put(w, spec->to + 12, 4);
	config->ip_sum = words_sum(w->data + start, 20);
}

static void put_ipv6(struct writer *w, const struct frame_spec *spec, uint8_t protocol,
		     size_t length, struct flood_config *config)
{
	put32(w, 0x60000000);
	put16(w, length + (spec->fragment ? 8 : 0));
	put8(w, spec->fragment ? IPPROTO_FRAGMENT : protocol);
	put8(w, HOP_LIMIT);
	config->source_at = w->length;
	put_zeros(w, 16);
	put(w, spec->to, 16);
	config->ip_checksum_at = 0;
	if (spec->fragment) {
		put8(w, protocol);
		put8(w, 0);
		put16(w, LATER_FRAGMENT << 3);
		put32(w, FRAGMENT_ID);
	}
}

static void put_udp(struct writer *w, const struct frame_spec *spec, struct flood_config *config)
{
	config->port_at = w->length;
	put16(w, 0);
	put16(w, spec->port);
	put16(w, 8 + spec->payload);
	config->l4_checksum_at = w->length;
	put16(w, 0);
}

static void put_syn(struct writer *w, const struct frame_spec *spec, struct flood_config *config)
{
	config->port_at = w->length;
	put16(w, 0);
	put16(w, spec->port);
	put32(w, 0x77656972); /* sequence number */
	put32(w, 0);
	put16(w, 0x5002); /* 20 bytes, SYN */
	put16(w, 64240);
	config->l4_checksum_at = w->length;
	put32(w, 0);
}

static void put_echo(struct writer *w, bool ipv6, struct flood_config *config)
{
	put16(w, ipv6 ? 0x8000 : 0x0800);
	config->l4_checksum_at = w->length;
	put16(w, 0);
	put32(w, 0x77650001); /* identifier, sequence number */
}

void frame_build(const struct frame_spec *spec, uint8_t ret_frame[static FRAME_SIZE],
		 size_t *ret_length, struct flood_config *ret_config)
{
	static const uint8_t header[] = {[FRAME_UDP] = 8, [FRAME_SYN] = 20, [FRAME_ICMP] = 8};
	struct writer w = {.data = ret_frame};
	bool ipv6 = !address_is_ipv4(spec->to);
	uint8_t icmp = ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	uint8_t protocol = spec->protocol == FRAME_UDP	 ? IPPROTO_UDP
			   : spec->protocol == FRAME_SYN ? IPPROTO_TCP
							 : icmp;
	size_t length = (spec->fragment ? 0 : header[spec->protocol]) + spec->payload, start;

	assert(spec->payload <= FRAME_PAYLOAD_MAX && spec->vlans <= FRAME_VLANS_MAX);
	put_link(&w, spec, ipv6);
	if (ipv6)
		put_ipv6(&w, spec, protocol, length, ret_config);
	else
		put_ipv4(&w, spec, protocol, length, ret_config);

	start = w.length;
	ret_config->port_at = 0;
	ret_config->l4_checksum_at = 0;
	if (!spec->fragment && spec->protocol == FRAME_UDP)
		put_udp(&w, spec, ret_config);
	else if (!spec->fragment && spec->protocol == FRAME_SYN)
		put_syn(&w, spec, ret_config);
	else if (!spec->fragment)
		put_echo(&w, ipv6, ret_config);
	put_zeros(&w, spec->payload);

	ret_config->ipv6 = ipv6;
	ret_config->source_summed = protocol != IPPROTO_ICMP;
	ret_config->l4_sum = words_sum(w.data + start, w.length - start);
	if (ret_config->source_summed)
		ret_config->l4_sum += words_sum(spec->to + (ipv6 ? 0 : 12), ipv6 ? 16 : 4) +
				      htons(protocol) + htons(length);
	*ret_length = w.length;
}
