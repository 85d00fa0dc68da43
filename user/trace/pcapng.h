/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes captures as pcapng (draft-ietf-opsawg-pcapng): a section, an interface when its first packet comes, packets with
 * a comment each, and what was lost at the end. Little-endian on every host. The caller has the blocks written, so
 * nothing here fails but for want of memory, which shows in the text.
 */
#ifndef TRACE_PCAPNG_H
#define TRACE_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

#define PCAPNG_INTERFACES_MAX 32
#define PCAPNG_NAME_SIZE      16

struct pcapng {
	struct text out; /* blocks that are to be written; the caller empties it */
	uint32_t snap;	 /* bytes of a packet, at most */
	uint32_t interfaces;
	struct {
		char name[PCAPNG_NAME_SIZE];
		uint64_t packets;
	} interface[PCAPNG_INTERFACES_MAX]; /* the last one stands for all that do not fit */
	uint64_t lost;			    /* told in an earlier block */
};

struct pcapng_packet {
	uint64_t time_ns; /* CLOCK_REALTIME */
	const char *interface;
	const char *comment; /* UTF-8 */
	const void *data;
	uint32_t captured; /* bytes of data */
	uint32_t length;   /* that the packet had */
};

/** Begin a section. End it with pcapng_done(). */
void pcapng_init(struct pcapng *p, uint32_t snap);
void pcapng_done(struct pcapng *p);
/** Add a packet. @lost: how many were lost until now; what is new goes to this one (epb_dropcount). */
void pcapng_put(struct pcapng *p, const struct pcapng_packet *packet, uint64_t lost);
/** Say of each interface what it had at @time_ns: of @received that were looked for, @lost are not here. */
void pcapng_end(struct pcapng *p, uint64_t time_ns, uint64_t received, uint64_t lost);

#endif
