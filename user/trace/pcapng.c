/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "trace/pcapng.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

enum block_type {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_STATISTICS = 5,
	BLOCK_PACKET = 6,
};

enum option_code {
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	SECTION_APPLICATION = 4,
	INTERFACE_NAME = 2,
	INTERFACE_RESOLUTION = 9,
	PACKET_FLAGS = 2,
	PACKET_DROPCOUNT = 4,
	STATISTICS_END_TIME = 3,
	STATISTICS_RECEIVED = 4,
	STATISTICS_DROPPED = 5,
};

#define BYTE_ORDER_MAGIC  0x1a2b3c4dU
#define LINKTYPE_ETHERNET 1
#define RESOLUTION_NS	  9
#define DIRECTION_INBOUND 1
#define COMMENT_BYTES_MAX 1024

static void put_number(struct text *t, uint64_t value, size_t bytes)
{
	char data[8];

	for (size_t i = 0; i < bytes; i++)
		data[i] = (char)(value >> 8 * i & 0xff);
	text_put(t, data, bytes);
}

static void put_padded(struct text *t, const void *data, size_t length)
{
	text_put(t, data, length);
	text_put(t, "\0\0\0", -length & 3);
}

static void put_option(struct text *t, enum option_code code, const void *data, size_t length)
{
	put_number(t, code, 2);
	put_number(t, length, 2);
	put_padded(t, data, length);
}

static void put_option_number(struct text *t, enum option_code code, uint64_t value, size_t bytes)
{
	put_number(t, code, 2);
	put_number(t, bytes, 2);
	put_number(t, value, bytes);
	text_put(t, "\0\0\0", -bytes & 3);
}

/* A block's type, length, @body, and length again. */
static void put_block(struct pcapng *p, enum block_type type, const struct text *body)
{
	uint64_t length = body->length + 12;

	if (body->truncated)
		p->out.truncated = true;
	put_number(&p->out, (uint32_t)type, 4);
	put_number(&p->out, length, 4);
	text_put(&p->out, body->data ?: "", body->length);
	put_number(&p->out, length, 4);
}

void pcapng_init(struct pcapng *p, uint32_t snap)
{
	_cleanup_(text_done) struct text body = {.growing = true};

	*p = (struct pcapng){.out.growing = true, .snap = snap};
	put_number(&body, BYTE_ORDER_MAGIC, 4);
	put_number(&body, 1, 2); /* version 1.0 */
	put_number(&body, 0, 2);
	put_number(&body, UINT64_MAX, 8); /* of a section whose length is not known */
	put_option(&body, SECTION_APPLICATION, "weir " WEIR_VERSION, strlen("weir " WEIR_VERSION));
	put_number(&body, OPTION_END, 4);
	put_block(p, BLOCK_SECTION, &body);
}

void pcapng_done(struct pcapng *p)
{
	text_done(&p->out);
}

/* The interface's number; it is described first if it is new. */
static uint32_t find_interface(struct pcapng *p, const char *name)
{
	_cleanup_(text_done) struct text body = {.growing = true};
	uint32_t i = 0;

	while (i < p->interfaces && strncmp(p->interface[i].name, name, PCAPNG_NAME_SIZE - 1) != 0)
		i++;
	if (i < p->interfaces)
		return i;
	if (i == PCAPNG_INTERFACES_MAX)
		return i - 1;
	snprintf(p->interface[i].name, PCAPNG_NAME_SIZE, "%s", name);
	put_number(&body, LINKTYPE_ETHERNET, 2);
	put_number(&body, 0, 2);
	put_number(&body, p->snap, 4);
	put_option(&body, INTERFACE_NAME, p->interface[i].name, strlen(p->interface[i].name));
	put_option_number(&body, INTERFACE_RESOLUTION, RESOLUTION_NS, 1);
	put_number(&body, OPTION_END, 4);
	put_block(p, BLOCK_INTERFACE, &body);
	return p->interfaces++;
}

/* Times are two halves, the high one first. */
static void put_time(struct text *t, uint64_t ns)
{
	put_number(t, ns >> 32, 4);
	put_number(t, ns & UINT32_MAX, 4);
}

void pcapng_put(struct pcapng *p, const struct pcapng_packet *packet, uint64_t lost)
{
	_cleanup_(text_done) struct text body = {.growing = true};
	uint32_t number = find_interface(p, packet->interface);
	size_t comment = strnlen(packet->comment, COMMENT_BYTES_MAX);

	p->interface[number].packets++;
	put_number(&body, number, 4);
	put_time(&body, packet->time_ns);
	put_number(&body, packet->captured, 4);
	put_number(&body, packet->length, 4);
	put_padded(&body, packet->data, packet->captured);
	put_option(&body, OPTION_COMMENT, packet->comment, comment);
	put_option_number(&body, PACKET_FLAGS, DIRECTION_INBOUND, 4);
	if (lost > p->lost)
		put_option_number(&body, PACKET_DROPCOUNT, lost - p->lost, 8);
	p->lost = lost > p->lost ? lost : p->lost;
	put_number(&body, OPTION_END, 4);
	put_block(p, BLOCK_PACKET, &body);
}

static void put_statistics(struct pcapng *p, uint32_t number, uint64_t time_ns, uint64_t received,
			   uint64_t lost)
{
	_cleanup_(text_done) struct text body = {.growing = true};

	put_number(&body, number, 4);
	put_time(&body, time_ns);
	put_number(&body, STATISTICS_END_TIME, 2);
	put_number(&body, 8, 2);
	put_time(&body, time_ns);
	put_option_number(&body, STATISTICS_RECEIVED, received, 8);
	put_option_number(&body, STATISTICS_DROPPED, lost, 8);
	put_number(&body, OPTION_END, 4);
	put_block(p, BLOCK_STATISTICS, &body);
}

void pcapng_end(struct pcapng *p, uint64_t time_ns, uint64_t received, uint64_t lost)
{
	uint64_t others = 0;

	/* What was lost is not known by interface: it is told of the first one, and no packet twice. */
	for (uint32_t i = 1; i < p->interfaces; i++)
		others += p->interface[i].packets;
	for (uint32_t i = 0; i < p->interfaces; i++)
		put_statistics(p, i, time_ns, i ? p->interface[i].packets : received - others,
			       i ? 0 : lost);
}
