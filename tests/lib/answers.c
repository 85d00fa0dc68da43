/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "answers.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define FRAME_MIN 60 /* Ethernet's shortest, checksum not counted */

int answers_run(int program, const struct packets_frame *frame, size_t linear,
		struct packets_frame *ret)
{
	struct xdp_md ctx = {.data_end = (uint32_t)linear};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->data,
		    .data_size_in = (uint32_t)frame->length, .data_out = ret->data,
		    .data_size_out = sizeof(ret->data), .repeat = 1);

	if (linear) {
		options.ctx_in = &ctx;
		options.ctx_size_in = sizeof(ctx);
	}
	if (bpf_prog_test_run_opts(program, &options) < 0)
		return -errno;
	ret->length = options.data_size_out;
	return (int)options.retval;
}

uint16_t answers_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

uint32_t answers_get32(const uint8_t *at)
{
	return (uint32_t)answers_get16(at) << 16 | answers_get16(at + 2);
}

void answers_put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

void answers_put32(uint8_t *at, uint32_t value)
{
	answers_put16(at, value >> 16);
	answers_put16(at + 2, value & 0xffff);
}

size_t answers_network(const struct packets_frame *frame)
{
	size_t type = 12;

	while (answers_get16(frame->data + type) == 0x8100 ||
	       answers_get16(frame->data + type) == 0x88a8)
		type += 4;
	return type + 2;
}

bool answers_is_ip6(const struct packets_frame *frame)
{
	return frame->data[answers_network(frame)] >> 4 == 6;
}

size_t answers_header(const struct packets_frame *frame)
{
	return answers_is_ip6(frame) ? 40 : (frame->data[answers_network(frame)] & 15) * 4;
}

bool answers_is_summed(const uint8_t *at, size_t size, uint32_t sum)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* The pseudo header's words, added up. */
static uint32_t pseudo_sum(const uint8_t *ip, bool is_ip6, uint8_t protocol, size_t length)
{
	const uint8_t *addresses = ip + (is_ip6 ? 8 : 12);
	uint32_t sum = protocol + (uint32_t)length;

	for (size_t i = 0; i < (is_ip6 ? 32 : 8); i += 2)
		sum += answers_get16(addresses + i);
	return sum;
}

static void expect(const char *promise, const char *what, bool is_true)
{
	if (!is_true)
		fail_msg("%s: %s", promise, what);
}

static void expect_ip4(const char *promise, const uint8_t *ip, const uint8_t *was, uint8_t protocol)
{
	expect(promise, "IPv4 without options, no precedence", ip[0] == 0x45 && ip[1] == 0);
	expect(promise, "an atomic datagram", answers_get32(ip + 4) == 0x4000);
	expect(promise, "64 hops", ip[8] == 64);
	expect(promise, "the protocol", ip[9] == protocol);
	expect(promise, "the IPv4 checksum", answers_is_summed(ip, 20, 0));
	expect(promise, "the IPv4 source", memcmp(ip + 12, was + 16, 4) == 0);
	expect(promise, "the IPv4 destination", memcmp(ip + 16, was + 12, 4) == 0);
}

static void expect_ip6(const char *promise, const uint8_t *ip, const uint8_t *was, uint8_t protocol)
{
	expect(promise, "IPv6, no class and flow", answers_get32(ip) == 0x60000000);
	expect(promise, "64 hops", ip[7] == 64);
	expect(promise, "the next header", ip[6] == protocol);
	expect(promise, "the IPv6 source", memcmp(ip + 8, was + 24, 16) == 0);
	expect(promise, "the IPv6 destination", memcmp(ip + 24, was + 8, 16) == 0);
}

size_t answers_expect_return(const char *promise, const struct packets_frame *frame,
			     const struct packets_frame *answer, uint8_t protocol)
{
	size_t network = answers_network(frame), length, shortest;
	const uint8_t *ip = answer->data + network, *was = frame->data + network;

	expect(promise, "the link destination", memcmp(answer->data, frame->data + 6, 6) == 0);
	expect(promise, "the link source", memcmp(answer->data + 6, frame->data, 6) == 0);
	expect(promise, "tags and type",
	       memcmp(answer->data + 12, frame->data + 12, network - 12) == 0);
	if (answers_is_ip6(frame)) {
		expect_ip6(promise, ip, was, protocol);
		length = 40 + answers_get16(ip + 4);
	} else {
		expect_ip4(promise, ip, was, protocol);
		length = answers_get16(ip + 2);
	}
	shortest = frame->length < FRAME_MIN ? 0 : FRAME_MIN;
	expect(promise, "the frame's length",
	       answer->length == (network + length < shortest ? shortest : network + length));
	for (size_t i = network + length; i < answer->length; i++)
		expect(promise, "zeros behind the packet", answer->data[i] == 0);
	return length - answers_header(answer);
}

void answers_expect_segment(const char *promise, const struct packets_frame *frame,
			    const struct packets_frame *answer, struct answers_segment *ret)
{
	size_t length = answers_expect_return(promise, frame, answer, 6);
	const uint8_t *ip = answer->data + answers_network(answer);
	const uint8_t *tcp = ip + answers_header(answer);
	bool is_ip6 = answers_is_ip6(answer);

	expect(promise, "the TCP checksum",
	       answers_is_summed(tcp, length, pseudo_sum(ip, is_ip6, 6, length)));
	*ret = (struct answers_segment){
		.from = answers_get16(tcp),
		.to = answers_get16(tcp + 2),
		.sequence = answers_get32(tcp + 4),
		.acknowledgement = answers_get32(tcp + 8),
		.flags = tcp[13],
		.window = answers_get16(tcp + 14),
		.header = (tcp[12] >> 4) * 4U,
	};
	expect(promise, "no reserved bits, nothing urgent",
	       (tcp[12] & 15) == 0 && answers_get16(tcp + 18) == 0);
	expect(promise, "a TCP header", ret->header >= 20 && ret->header <= length);
	ret->payload = length - ret->header;
	if (ret->header == 20)
		return;
	expect(promise, "MSS and no other option",
	       ret->header == 24 && answers_get16(tcp + 20) == 0x0204);
	ret->mss = answers_get16(tcp + 22);
}

void answers_expect_error(const char *promise, const struct packets_frame *frame,
			  const struct packets_frame *answer, unsigned int type, unsigned int code,
			  size_t quote)
{
	bool is_ip6 = answers_is_ip6(frame);
	uint8_t protocol = is_ip6 ? 58 : 1;
	size_t length = answers_expect_return(promise, frame, answer, protocol);
	const uint8_t *ip = answer->data + answers_network(answer), *icmp = ip + (is_ip6 ? 40 : 20);

	expect(promise, "ICMP type and code", icmp[0] == type && icmp[1] == code);
	expect(promise, "the ICMP checksum",
	       answers_is_summed(icmp, length,
				 is_ip6 ? pseudo_sum(ip, true, protocol, length) : 0));
	expect(promise, "four unused bytes", answers_get32(icmp + 4) == 0);
	if (length != 8 + quote)
		fail_msg("%s: %zu bytes are quoted, not %zu", promise, length - 8, quote);
	expect(promise, "the quote",
	       memcmp(icmp + 8, frame->data + answers_network(frame), quote) == 0);
}
