/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A packet that somebody asks about: from words as people write them down, to a frame that a NIC could have received. README.md
 * has the grammar. Knows nothing of policies.
 */
#ifndef EXPLAIN_PACKET_H
#define EXPLAIN_PACKET_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define EXPLAIN_WORDS_MAX  255	/* bytes */
#define EXPLAIN_LENGTH_MAX 9216 /* of a frame: a jumbo one */
#define EXPLAIN_TEXT_SIZE  256
#define EXPLAIN_FRAME	   "frame " /* goes before a frame where words of a packet might stand */
#define EXPLAIN_PORT	   40000    /* of the source, unless it is said */

/* What was not said, and so was assumed; a bit each. */
enum explain_assumed {
	EXPLAIN_PROTOCOL = 1 << 0,
	EXPLAIN_DESTINATION = 1 << 1,
	EXPLAIN_PORT_TO = 1 << 2,
};

struct explain_packet {
	uint8_t source[16], destination[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t source_port, destination_port;
	uint8_t protocol;  /* of IP */
	uint8_t tcp_flags; /* as in the header */
	uint8_t icmp_type, icmp_code;
	bool fragment;		 /* a later one: it has no transport header */
	uint32_t length;	 /* of the frame; 0 = as short as it can be */
	char iface[IF_NAMESIZE]; /* "" = any */
	unsigned int assumed;	 /* enum explain_assumed */
};

/**
 * Read @words. What they do not say is assumed: TCP with SYN, and no destination, which is left zero (EXPLAIN_DESTINATION) for
 * the caller to fill in. -EINVAL "explain.packet": which word is wrong, and what it may be.
 */
int explain_parse(const char *words, struct explain_packet *ret, struct fault *reterr);
/** In the same words, all said. */
void explain_format(const struct explain_packet *packet, char ret[static EXPLAIN_TEXT_SIZE]);
/** enum weir_class of what explain_build() makes of it. */
unsigned int explain_class(const struct explain_packet *packet);
/**
 * The frame, from one station to another and with checksums. -EINVAL "explain.packet": addresses of two families, or a length
 * too short for its headers.
 */
int explain_build(const struct explain_packet *packet, uint8_t ret[static EXPLAIN_LENGTH_MAX],
		  size_t *ret_length, struct fault *reterr);

/**
 * A frame from hexadecimal digits; spaces, colons and line ends between bytes are left out. -EINVAL "explain.frame": something
 * else, or not EXPLAIN_LENGTH_MAX bytes at most.
 */
int explain_frame_parse(const char *hex, uint8_t ret[static EXPLAIN_LENGTH_MAX], size_t *ret_length,
			struct fault *reterr);
/** Its addresses, where the program finds them; zero where it is no IP, or cut off before. Whether it is IPv6. */
bool explain_frame_addresses(const uint8_t *frame, size_t length, uint8_t ret_source[static 16],
			     uint8_t ret_destination[static 16]);

#endif
