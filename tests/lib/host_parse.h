/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The parser of the datapath, compiled for the host: the very lines that the kernel runs, with a
 * bounded memcpy() in the place of bpf_xdp_load_bytes().
 */
#ifndef TESTS_HOST_PARSE_H
#define TESTS_HOST_PARSE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunknown-pragmas" /* clang's */
#include "../../bpf/lib/parse.h"
#pragma GCC diagnostic pop

struct host_frame {
	const uint8_t *data;
	size_t length;
};

parse_inline int parse_load(const struct parse_bytes *bytes, __u32 offset, void *to, __u32 size)
{
	const struct host_frame *frame = bytes->frame;

	if (offset > frame->length || size > frame->length - offset)
		return -1;
	memcpy(to, frame->data + offset, size);
	return 0;
}

static inline int host_parse(const struct parse_bytes *bytes, struct packet *packet)
{
	struct parse_payload payload = {0};
	int reason = parse_network(bytes, &payload, packet);

	return reason == WEIR_NEXT ? parse_transport(bytes, &payload, packet) : reason;
}

/** The first buffer, @length bytes at @data, is taken for the whole frame. */
static inline int host_parse_directly(const uint8_t *data, size_t length, struct packet *ret)
{
	struct parse_bytes bytes = {.data = data, .end = data + length, .direct = 1};

	*ret = (struct packet){.length = (uint32_t)length};
	return host_parse(&bytes, ret);
}

static inline int host_parse_thoroughly(const uint8_t *data, size_t length, struct packet *ret)
{
	struct host_frame frame = {.data = data, .length = length};
	struct parse_bytes bytes = {.frame = &frame};

	*ret = (struct packet){.length = (uint32_t)length};
	return host_parse(&bytes, ret);
}

#endif
