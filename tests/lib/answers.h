/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The answers that XDP programs make of frames, taken apart: knows the formats by the RFCs and by
 * nothing of bpf/. Everything here ends the running cmocka test if it fails.
 */
#ifndef TESTS_ANSWERS_H
#define TESTS_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packets.h"

#define ANSWERS_FIN 0x01
#define ANSWERS_SYN 0x02
#define ANSWERS_RST 0x04
#define ANSWERS_ACK 0x10

/* A TCP segment with an IP header before it. */
struct answers_segment {
	uint16_t from, to; /* ports */
	uint32_t sequence, acknowledgement;
	unsigned int flags, window;
	unsigned int mss; /* 0 = no option */
	size_t header;
	size_t payload;
};

/**
 * Run @program once on @frame, the first @linear bytes of which lie in the first buffer (0: as much as
 * fits). Returns the XDP action, and in @ret what the frame has become; or -EINVAL where the kernel
 * cannot split a frame like that.
 */
int answers_run(int program, const struct packets_frame *frame, size_t linear,
		struct packets_frame *ret);

uint16_t answers_get16(const uint8_t *at);
uint32_t answers_get32(const uint8_t *at);
void answers_put16(uint8_t *at, unsigned int value);
void answers_put32(uint8_t *at, uint32_t value);

/** Where the IP header of a frame is, behind its tags. */
size_t answers_network(const struct packets_frame *frame);
bool answers_is_ip6(const struct packets_frame *frame);
/** Of the IPv4 or IPv6 header, without extension headers. */
size_t answers_header(const struct packets_frame *frame);

/** Whether words of 16 bits sum to what a right checksum among them makes of them (RFC 1071). */
bool answers_is_summed(const uint8_t *at, size_t size, uint32_t sum);

/**
 * @answer goes back to where @frame came from: addresses of both layers swapped, tags kept, a fresh IP
 * header of @protocol that is right in every field, no byte too many, and zeros for padding. Returns
 * the length of what the IP header carries.
 */
size_t answers_expect_return(const char *promise, const struct packets_frame *frame,
			     const struct packets_frame *answer, uint8_t protocol);

/** Its payload is a TCP segment with a right checksum: that, taken apart. */
void answers_expect_segment(const char *promise, const struct packets_frame *frame,
			    const struct packets_frame *answer, struct answers_segment *ret);

/** It is an ICMP error of @type and @code with a right checksum that quotes the first @quote bytes. */
void answers_expect_error(const char *promise, const struct packets_frame *frame,
			  const struct packets_frame *answer, unsigned int type, unsigned int code,
			  size_t quote);

#endif
