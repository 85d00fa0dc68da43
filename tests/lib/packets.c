/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Builds frames front to back; a header's length field is the size of all that follows it. */
#include "packets.h"

#include <assert.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"

#define LINK_BYTES 14

const struct packets_case packets_cases[] = {
#define PACKET(verdict_name, reason_name, words, ...)                                              \
	{                                                                                          \
		.promise = (words),                                                                \
		.verdict = WEIR_VERDICT_##verdict_name,                                            \
		.reason = WEIR_REASON_##reason_name,                                               \
		.layers = {__VA_ARGS__},                                                           \
	},
#include "packets.def"
#undef PACKET
};
const size_t packets_case_count = ARRAY_SIZE(packets_cases);

static unsigned int whole_size(const struct packets_layer *l)
{
	static const unsigned int headers[] = {
		[PACKETS_VLAN] = 4, [PACKETS_IP4] = 20, [PACKETS_IP6] = 40,    [PACKETS_TCP] = 20,
		[PACKETS_UDP] = 8,  [PACKETS_ICMP] = 8, [PACKETS_PADDING] = 0, [PACKETS_ICMP6] = 8,
	};

	if (l->kind == PACKETS_EXTENSION)
		return l->size ? l->size : 8;
	return l->kind < ARRAY_SIZE(headers) ? headers[l->kind] + l->size : l->size;
}

static unsigned int layer_size(const struct packets_layer *l)
{
	return l->only ? l->only : whole_size(l);
}

/* Bytes of @l and of what follows it within the IP packet. */
static unsigned int size_from(const struct packets_layer *l)
{
	unsigned int size = 0;

	for (; l->kind != PACKETS_END; l++)
		if (l->kind != PACKETS_PADDING)
			size += layer_size(l);
	return size;
}

static unsigned int ethertype_of(const struct packets_layer *l)
{
	switch (l->kind) {
	case PACKETS_IP4:
		return 0x0800;
	case PACKETS_IP6:
		return 0x86dd;
	default:
		return l->number;
	}
}

static uint8_t protocol_of(const struct packets_layer *l)
{
	switch (l->kind) {
	case PACKETS_TCP:
		return 6;
	case PACKETS_UDP:
		return 17;
	case PACKETS_ICMP:
		return 1;
	case PACKETS_ICMP6:
		return 58;
	case PACKETS_EXTENSION:
		return (uint8_t)l->number;
	case PACKETS_DATA:
		return (uint8_t)(l->number ? l->number : 253);
	default:
		return 59; /* no next header */
	}
}

static void put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put_address(uint8_t *at, const char *text, size_t length)
{
	uint8_t address[16];

	assert(address_parse(text, address) == 0);
	memcpy(at, address + 16 - length, length);
}

static void put_ip4(uint8_t *at, const struct packets_layer *l)
{
	unsigned int words = whole_size(l) / 4;

	at[0] = (uint8_t)((unsigned int)(4 + l->version_lie) << 4 |
			  ((words + (unsigned int)l->header_lie) & 0x0f));
	put16(at + 2, size_from(l) - layer_size(l) + whole_size(l) + (unsigned int)l->lie);
	put16(at + 6, l->fragment);
	at[8] = (uint8_t)(l->hop_limit ? l->hop_limit : 64);
	at[9] = protocol_of(l + 1);
	put_address(at + 12, l->from ? l->from : PACKETS_FROM4, 4);
	put_address(at + 16, l->to ? l->to : PACKETS_TO4, 4);
	memset(at + 20, 1, l->size); /* NOP options */
}

static void put_ip6(uint8_t *at, const struct packets_layer *l)
{
	at[0] = (uint8_t)((unsigned int)(6 + l->version_lie) << 4);
	put16(at + 4, size_from(l + 1) + (unsigned int)l->lie);
	at[6] = protocol_of(l + 1);
	at[7] = (uint8_t)(l->hop_limit ? l->hop_limit : 64);
	put_address(at + 8, l->from ? l->from : PACKETS_FROM6, 16);
	put_address(at + 24, l->to ? l->to : PACKETS_TO6, 16);
}

static void put_extension(uint8_t *at, const struct packets_layer *l)
{
	at[0] = protocol_of(l + 1);
	if (l->number == 44)
		put16(at + 2, l->fragment);
	else if (l->number == 51)
		at[1] = (uint8_t)((int)whole_size(l) / 4 - 2 + l->lie);
	else
		at[1] = (uint8_t)((int)whole_size(l) / 8 - 1 + l->lie);
}

static void put_layer(uint8_t *at, const struct packets_layer *l)
{
	switch (l->kind) {
	case PACKETS_VLAN:
		at[1] = 7; /* the tag: VLAN 7 */
		put16(at + 2, ethertype_of(l + 1));
		break;
	case PACKETS_IP4:
		put_ip4(at, l);
		break;
	case PACKETS_IP6:
		put_ip6(at, l);
		break;
	case PACKETS_EXTENSION:
		put_extension(at, l);
		break;
	case PACKETS_TCP:
		put16(at, 40000);
		put16(at + 2, l->port ? l->port : 53);
		at[12] = (uint8_t)((whole_size(l) / 4 + (unsigned int)l->header_lie) << 4);
		at[13] = 0x02; /* SYN */
		break;
	case PACKETS_UDP:
		put16(at, 40000);
		put16(at + 2, l->port ? l->port : 53);
		put16(at + 4, 8 + size_from(l + 1) + (unsigned int)l->lie);
		break;
	case PACKETS_ICMP:
		at[0] = (uint8_t)(l->number ? l->number : 8);
		at[1] = (uint8_t)l->code;
		break;
	case PACKETS_ICMP6:
		at[0] = (uint8_t)(l->number ? l->number : 128);
		at[1] = (uint8_t)l->code;
		break;
	case PACKETS_DATA:
		memset(at, 0xda, l->size);
		break;
	case PACKETS_PADDING:
	case PACKETS_END:
		break;
	}
}

/* Where the frame has to reach for what the layer at @at claims. */
static size_t claim_of(const uint8_t *at, const struct packets_layer *l)
{
	switch (l->kind) {
	case PACKETS_VLAN:
		return 4;
	case PACKETS_IP4:
		return (size_t)at[2] << 8 | at[3];
	case PACKETS_IP6:
		return 40 + ((size_t)at[4] << 8 | at[5]);
	default:
		return 0;
	}
}

void packets_build(const struct packets_layer *layers, struct packets_frame *ret)
{
	*ret = (struct packets_frame){.length = LINK_BYTES};
	memset(ret->data, 0x02, 12); /* locally administered MAC addresses */
	put16(ret->data + 12, ethertype_of(layers));
	for (const struct packets_layer *l = layers; l->kind != PACKETS_END; l++) {
		size_t needed;

		assert(ret->length + whole_size(l) <= sizeof(ret->data));
		put_layer(ret->data + ret->length, l);
		needed = ret->length + claim_of(ret->data + ret->length, l);
		ret->needed = needed > ret->needed ? needed : ret->needed;
		ret->length += layer_size(l);
		memset(ret->data + ret->length, 0, whole_size(l) - layer_size(l));
	}
}

/* xorshift64 (Marsaglia 2003): the same everywhere, which a failure's seed needs. */
static uint64_t next_random(uint64_t *random, uint64_t below)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random % below;
}

void packets_mutate(uint64_t *random, struct packets_frame *ret)
{
	/* What decides stands at the front and on edges. */
	static const uint8_t edges[] = {0,  1,	4,  5,	  6,	17,   43, 44,
					51, 60, 58, 0x45, 0x60, 0x81, 255};
	size_t changes = next_random(random, 5);

	packets_build(packets_cases[next_random(random, packets_case_count)].layers, ret);
	while (changes--) {
		size_t most = ret->length < 110 ? ret->length : 110;
		size_t at = 12 + next_random(random, most - 12);

		ret->data[at] = next_random(random, 2) ? edges[next_random(random, sizeof(edges))]
						       : (uint8_t)next_random(random, 256);
	}
	switch (next_random(random, 4)) {
	case 0:
		ret->length = LINK_BYTES + next_random(random, ret->length - LINK_BYTES + 1);
		break;
	case 1:
		ret->length += next_random(random, 64);
		break;
	}
	if (ret->length > sizeof(ret->data))
		ret->length = sizeof(ret->data);
}
