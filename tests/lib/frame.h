/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Builds the frame that the generator sends over and over, and says where in it what varies. */
#ifndef TESTS_FRAME_H
#define TESTS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flood.h"

#define FRAME_VLANS_MAX	  2
#define FRAME_PAYLOAD_MAX 1400 /* fits a frame of 1514 bytes under all headers there are */
#define FRAME_SIZE	  1600 /* of the buffer */

enum frame_protocol {
	FRAME_UDP,
	FRAME_SYN,
	FRAME_ICMP, /* echo request, of either version */
	FRAME_PROTOCOL_MAX,
};

struct frame_spec {
	uint8_t to[16]; /* as base/address.h has it; decides the IP version */
	uint16_t port;	/* UDP and TCP */
	enum frame_protocol protocol;
	size_t payload; /* bytes, all zero */
	uint16_t vlan[FRAME_VLANS_MAX];
	unsigned int vlans; /* 2: the outer tag is IEEE 802.1ad */
	bool fragment;	    /* a later fragment: no L4 header, payload at offset 1480 */
	uint8_t source_mac[6];
	uint8_t destination_mac[6];
};

/**
 * Build the frame of @spec without source address and source port. Fills @ret_frame and its length,
 * and the members of @ret_config that describe the frame; the others are left alone.
 */
void frame_build(const struct frame_spec *spec, uint8_t ret_frame[static FRAME_SIZE],
		 size_t *ret_length, struct flood_config *ret_config);

#endif
