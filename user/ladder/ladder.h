/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ladder that a packet comes down, and who drops it on which rung: the NIC, XDP, the kernel, the socket. All that
 * counts does so from the same moment, when the ladder was opened. A packet that was lost is in exactly one
 * row that is counted; the other rows say the same again in other words, or what came of it. Changes nothing.
 *
 * For the network namespace that the caller is in.
 */
#ifndef LADDER_LADDER_H
#define LADDER_LADDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "datapath/datapath.h"
#include "datapath/drops.h"

#define LADDER_NAME_SIZE 64

enum ladder_layer {
	LADDER_NIC,
	LADDER_XDP,
	LADDER_KERNEL, /* between XDP and the socket */
	LADDER_SOCKET,
	LADDER_RESET,
	LADDER_COPY, /* of a packet that goes its own way */
	LADDER_LAYER_MAX,
};

const char *ladder_layer_to_str(enum ladder_layer layer);

struct ladder_row {
	enum ladder_layer layer;
	char reason[LADDER_NAME_SIZE]; /* as the layer calls it */
	uint32_t ifindex;	       /* 0 = of no one interface */
	uint16_t ethertype;	       /* 0 = not told apart */
	uint8_t protocol;	       /* of IP; likewise */
	bool outgoing;		       /* it was made on this host */
	bool counted;		       /* it came in and is lost: part of the sum */
	uint64_t packets, bytes;       /* bytes 0 = not known */
	const char *words;	       /* "" = none; live for ever */
};

struct ladder_table {
	struct ladder_row
		*rows; /* from the wire to the socket; the most packets first on each rung */
	size_t count;
	uint64_t lost; /* packets that came in: what the rows that are counted add up to */
	struct drops_stats stats;
};

struct ladder;

/**
 * Begin to count. @ifaces are those whose NIC is looked at, @d counts for XDP. Where the kernel refuses the counter of its
 * drops, or @kernel says to do without, the ladder lacks these rungs: ladder_trouble(). -ENOMEM.
 */
int ladder_open(const struct datapath *d, const char *const *ifaces, size_t iface_count,
		bool kernel, struct ladder **ret);
void ladder_close(struct ladder *l);
DEFINE_CLEANUP(struct ladder *, ladder_close)

/** Why drops of the kernel are not counted; err 0: they are. */
const struct fault *ladder_trouble(const struct ladder *l);
/** Because nobody wants them to be; code drops.off. */
bool ladder_is_off(const struct ladder *l);
/** Since when is counted, CLOCK_REALTIME. */
uint64_t ladder_since_ns(const struct ladder *l);

/** Read all rungs. End it with ladder_table_done(), also one that is zeroed. -ENOMEM. */
int ladder_read(const struct ladder *l, struct ladder_table *ret);
void ladder_table_done(struct ladder_table *t);

struct ladder_flow {
	uint8_t source[16], destination[16];
	uint16_t source_port, destination_port;
	enum ladder_layer layer;
	const char *reason; /* "" = unknown; lives as long as the ladder */
	uint32_t reason_number, ifindex;
	uint16_t ethertype;
	uint8_t protocol;
	bool outgoing;
	uint64_t packets, last_ns; /* CLOCK_MONOTONIC */
};

/**
 * The flows that the kernel dropped most of, the most first, of source or destination in @of and of interface @ifindex
 * (NULL, 0: of any). *@ret is the caller's to free(). -ENOMEM.
 */
int ladder_flows(const struct ladder *l, const struct prefix *of, uint32_t ifindex,
		 struct ladder_flow **ret, size_t *ret_count);

/** "tcp", "udp", "icmp", "arp", a number; "" if nothing tells. */
const char *ladder_protocol(uint16_t ethertype, uint8_t protocol, char buffer[static 16]);

#endif
