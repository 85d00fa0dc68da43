/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The datapath's parser on the host: each row of tests/lib/packets.def both ways, cut at every length
 * and bent at random, in memory that ends at a page nobody may touch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/host_parse.h"
#include "../lib/packets.h"
#include "base/address.h"

#define MUTATIONS 20000
#define SEED	  0x77656972ULL

/* Memory for two frames (the parser may be asked about the whole and its first buffer in turn), each
 * with a forbidden page behind it. */
struct fence {
	uint8_t *map;
	size_t size;
};

static int set_up(void **state)
{
	static struct fence fence;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	fence.size = (PACKETS_SIZE + page - 1) / page * page;
	fence.map = mmap(NULL, 2 * (fence.size + page), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fence.map == MAP_FAILED)
		return -1;
	*state = &fence;
	return mprotect(fence.map + fence.size, page, PROT_NONE) |
	       mprotect(fence.map + 2 * fence.size + page, page, PROT_NONE);
}

static int tear_down(void **state)
{
	struct fence *fence = *state;

	return munmap(fence->map, 2 * (fence->size + (size_t)sysconf(_SC_PAGESIZE)));
}

/* Copy @length bytes to right before a forbidden page. */
static const uint8_t *fenced(const struct fence *fence, unsigned int which, const uint8_t *data,
			     size_t length)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *end = fence->map + fence->size + which * (fence->size + page);

	return memcpy(end - length, data, length);
}

static void assert_same_packet(const char *promise, const struct packet *a, const struct packet *b)
{
	if (memcmp(a->source, b->source, 16) != 0 ||
	    memcmp(a->destination, b->destination, 16) != 0 || a->protocol != b->protocol ||
	    a->has_port != b->has_port || a->destination_port != b->destination_port ||
	    a->is_ip6 != b->is_ip6 || a->is_later_fragment != b->is_later_fragment)
		fail_msg("%s: the two ways see different packets", promise);
}

/* Parse both ways, as far as the direct one goes; they must agree. Returns the reason. */
static int parse_both_ways(const struct fence *fence, const char *promise, const uint8_t *frame,
			   size_t length, struct packet *ret)
{
	const uint8_t *data = fenced(fence, 0, frame, length);
	int thorough = host_parse_thoroughly(data, length, ret);
	struct packet packet;
	int direct = host_parse_directly(data, length, &packet);

	if (direct != PARSE_THOROUGHLY) {
		if (direct != thorough)
			fail_msg("%s, %zu bytes: directly %d, thoroughly %d", promise, length,
				 direct, thorough);
		assert_same_packet(promise, &packet, ret);
	}
	return thorough == WEIR_NEXT ? WEIR_REASON_UNLIMITED : thorough;
}

static void every_frame_gets_its_reason(void **state)
{
	for (size_t i = 0; i < packets_case_count; i++) {
		const struct packets_case *c = &packets_cases[i];
		struct packets_frame frame;
		struct packet packet;
		int reason;

		packets_build(c->layers, &frame);
		reason = parse_both_ways(*state, c->promise, frame.data, frame.length, &packet);
		if (reason != (int)c->reason)
			fail_msg("%s: want reason %u, got %d", c->promise, c->reason, reason);
	}
}

static void a_frame_cut_anywhere_is_malformed_not_misread(void **state)
{
	for (size_t i = 0; i < packets_case_count; i++) {
		const struct packets_case *c = &packets_cases[i];
		struct packets_frame frame;
		struct packet packet;

		packets_build(c->layers, &frame);
		for (size_t length = 0; length < frame.length; length++) {
			int reason =
				parse_both_ways(*state, c->promise, frame.data, length, &packet);

			if (!PACKETS_IS_MALFORMED(c->reason) && length >= 14 &&
			    length >= frame.needed)
				assert_int_equal(reason, c->reason);
			else if (!PACKETS_IS_MALFORMED(reason))
				fail_msg("%s, cut to %zu bytes: reason %d", c->promise, length,
					 reason);
		}
	}
}

/* The direct way is shown the first buffer as if it were all. What it finds good must be right; what it
 * doubts is looked at again the thorough way. */
static void a_frame_in_pieces_is_the_same_frame(void **state)
{
	for (size_t i = 0; i < packets_case_count; i++) {
		const struct packets_case *c = &packets_cases[i];
		struct packets_frame frame;
		struct packet whole, packet;
		int want;

		packets_build(c->layers, &frame);
		want = host_parse_thoroughly(frame.data, frame.length, &whole);
		for (size_t linear = 1; linear < frame.length; linear++) {
			const uint8_t *first = fenced(*state, 1, frame.data, linear);
			int reason = host_parse_directly(first, linear, &packet);

			if (reason == PARSE_THOROUGHLY || PACKETS_IS_MALFORMED(reason))
				continue;
			if (reason != want)
				fail_msg("%s, %zu bytes in the first buffer: want %d, got %d",
					 c->promise, linear, want, reason);
			packet.length = whole.length;
			assert_same_packet(c->promise, &packet, &whole);
		}
	}
}

static void bent_frames_are_read_alike_and_never_past_the_end(void **state)
{
	uint64_t random = SEED;

	for (unsigned int i = 0; i < MUTATIONS; i++) {
		struct packets_frame frame;
		struct packet packet;
		char name[48];

		packets_mutate(&random, &frame);
		snprintf(name, sizeof(name), "mutation %u of seed %#llx", i, SEED);
		parse_both_ways(*state, name, frame.data, frame.length, &packet);
	}
}

struct view {
	const char *promise;
	struct packets_layer layers[PACKETS_LAYERS_MAX];
	uint8_t protocol;
	uint16_t port; /* 0: none */
	bool is_later_fragment;
	const char *from, *to; /* NULL: the usual */
};

static const struct view views[] = {
	{"a UDP port is read", {IP4(), UDP(.port = 4660)}, .protocol = 17, .port = 4660},
	{"a TCP port is read behind IPv4 options and tags",
	 {QINQ(), VLAN(), IP4(.size = 40), TCP(.port = 22)},
	 .protocol = 6,
	 .port = 22},
	{"addresses are those of the header",
	 {IP4(.from = "192.0.2.7", .to = "203.0.113.9"), UDP(.port = 1)},
	 .protocol = 17,
	 .port = 1,
	 .from = "192.0.2.7",
	 .to = "203.0.113.9"},
	{"a routing header does not change the destination",
	 {IP6(.from = "2001:db8::7", .to = "2001:db8::9"), EXTENSION(43, .size = 24), UDP()},
	 .protocol = 17,
	 .port = 53,
	 .from = "2001:db8::7",
	 .to = "2001:db8::9"},
	{"ports are read behind all extension headers",
	 {IP6(), EXTENSION(0), EXTENSION(60, .size = 64), EXTENSION(51, .size = 24), EXTENSION(44),
	  TCP(.port = 443)},
	 .protocol = 6,
	 .port = 443},
	{"a first fragment has its ports",
	 {IP4(.fragment = FRAGMENT4(0, 1)), UDP(.port = 7, .lie = 900), DATA(16)},
	 .protocol = 17,
	 .port = 7},
	{"a later IPv4 fragment has a protocol and no ports",
	 {IP4(.fragment = FRAGMENT4(8, 0)), UDP()},
	 .protocol = 17,
	 .is_later_fragment = true},
	{"a later IPv6 fragment has a protocol and no ports",
	 {IP6(), EXTENSION(44, .fragment = FRAGMENT6(8, 1)), TCP()},
	 .protocol = 6,
	 .is_later_fragment = true},
	{"an atomic fragment is no fragment",
	 {IP6(), EXTENSION(44), TCP(.port = 7)},
	 .protocol = 6,
	 .port = 7},
	{"what is encrypted has no ports", {IP6(), DATA(20, .number = 50)}, .protocol = 50},
	{"what is in a tunnel has no ports here", {IP4(), DATA(40, .number = 41)}, .protocol = 41},
	{"SCTP ports are not read", {IP4(), DATA(40, .number = 132)}, .protocol = 132},
};

static void packets_are_seen_as_they_are(void **state)
{
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		const struct view *v = &views[i];
		bool ip6 = v->layers[0].kind == PACKETS_IP6;
		uint8_t from[16], to[16];
		struct packets_frame frame;
		struct packet p;

		packets_build(v->layers, &frame);
		assert_int_equal(parse_both_ways(*state, v->promise, frame.data, frame.length, &p),
				 WEIR_REASON_UNLIMITED);
		address_parse(v->from ? v->from : ip6 ? PACKETS_FROM6 : PACKETS_FROM4, from);
		address_parse(v->to ? v->to : ip6 ? PACKETS_TO6 : PACKETS_TO4, to);
		if (p.protocol != v->protocol || p.has_port != !!v->port ||
		    p.destination_port != v->port || p.is_ip6 != ip6 ||
		    p.is_later_fragment != v->is_later_fragment ||
		    memcmp(p.source, from, 16) != 0 || memcmp(p.destination, to, 16) != 0)
			fail_msg("%s: protocol %u, port %u (%u), later fragment %u", v->promise,
				 p.protocol, p.destination_port, p.has_port, p.is_later_fragment);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_frame_gets_its_reason),
		cmocka_unit_test(a_frame_cut_anywhere_is_malformed_not_misread),
		cmocka_unit_test(a_frame_in_pieces_is_the_same_frame),
		cmocka_unit_test(bent_frames_are_read_alike_and_never_past_the_end),
		cmocka_unit_test(packets_are_seen_as_they_are),
	};

	return cmocka_run_group_tests_name("parse", tests, set_up, tear_down);
}
