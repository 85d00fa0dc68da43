/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bpf/lib/reply.h in the kernel: what a refused packet is answered, which ones are not, and what a mark
 * changes. Answers are taken apart by tests/lib/answers.c, which shares no line with what made them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/answers.h"
#include "../lib/runner.h"
#include "base/cleanup.h"
#include "tests/lib/replies.skel.h"

#define TX   3 /* enum xdp_action */
#define PASS 2
#define DROP 1

#define MUTATIONS 20000
#define SEED	  0x7265706cULL
#define QUOTE_MAX 128

static struct replies_bpf *programs;
static int reject, mark;

/* Two VLAN tags at most, in front of one network header. */
static const struct packets_layer tags[] = {QINQ(), VLAN()};
#define TAG_COUNTS 3

static int set_up(void **state)
{
	(void)state;
	programs = replies_bpf__open_and_load();
	if (!programs)
		return -1;
	reject = bpf_program__fd(programs->progs.reject);
	mark = bpf_program__fd(programs->progs.mark);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	replies_bpf__destroy(programs);
	return 0;
}

/* Put @count tags in front of the layers; they have to be fewer than PACKETS_LAYERS_MAX. */
static void build(unsigned int count, const struct packets_layer *layers, struct packets_frame *ret)
{
	struct packets_layer all[PACKETS_LAYERS_MAX] = {0};
	unsigned int i = 0;

	for (; i < count; i++)
		all[i] = tags[2 - count + i];
	for (; layers->kind != PACKETS_END; layers++)
		all[i++] = *layers;
	packets_build(all, ret);
	memcpy(ret->data, (const uint8_t[]){2, 0, 0, 0, 0, 10, 2, 0, 0, 0, 0, 12}, 12);
}

static void no_answer(const char *promise, const struct packets_frame *frame)
{
	struct packets_frame answer;
	int action = answers_run(reject, frame, 0, &answer);

	if (action != DROP)
		fail_msg("%s: action %d", promise, action);
}

struct segment_case {
	const char *promise;
	unsigned int flags;
	unsigned int want_flags;
	bool acknowledges;   /* the reset has no number of its own and acknowledges the segment */
	unsigned int counts; /* SYN and FIN take a number each */
};

static const struct segment_case segments[] = {
	{"a SYN", ANSWERS_SYN, ANSWERS_RST | ANSWERS_ACK, true, 1},
	{"a SYN with ECN", ANSWERS_SYN | 0xc0, ANSWERS_RST | ANSWERS_ACK, true, 1},
	{"a SYN and FIN", ANSWERS_SYN | ANSWERS_FIN, ANSWERS_RST | ANSWERS_ACK, true, 2},
	{"a FIN alone", ANSWERS_FIN, ANSWERS_RST | ANSWERS_ACK, true, 1},
	{"no flag at all", 0, ANSWERS_RST | ANSWERS_ACK, true, 0},
	{"an ACK", ANSWERS_ACK, ANSWERS_RST, false, 0},
	{"a SYN-ACK", ANSWERS_SYN | ANSWERS_ACK, ANSWERS_RST, false, 0},
	{"a FIN-ACK", ANSWERS_FIN | ANSWERS_ACK, ANSWERS_RST, false, 0},
};

/* RFC 9293, 3.10.7.1: as if there were no connection. */
static void expect_reset(const struct segment_case *c, const struct packets_frame *frame,
			 size_t payload)
{
	const uint32_t sequence = 0xffffff80, acknowledgement = 0x01020304;
	struct packets_frame sent = *frame, answer;
	uint8_t *tcp = sent.data + answers_network(&sent) + answers_header(&sent);
	struct answers_segment got;

	answers_put32(tcp + 4, sequence);
	answers_put32(tcp + 8, acknowledgement);
	tcp[13] = (uint8_t)c->flags;
	if (answers_run(reject, &sent, 0, &answer) != TX)
		fail_msg("%s: no answer", c->promise);
	answers_expect_segment(c->promise, &sent, &answer, &got);
	assert_int_equal(got.from, answers_get16(tcp + 2));
	assert_int_equal(got.to, answers_get16(tcp));
	assert_int_equal(got.flags, c->want_flags);
	assert_int_equal(got.header, 20);
	assert_int_equal(got.payload, 0);
	if (c->acknowledges) {
		assert_int_equal(got.sequence, 0);
		assert_int_equal(got.acknowledgement, (uint32_t)(sequence + payload + c->counts));
	} else {
		assert_int_equal(got.sequence, acknowledgement);
		assert_int_equal(got.acknowledgement, 0);
	}
}

static void segments_are_answered_by_the_reset_of_rfc_9293(void **state)
{
	static const struct packets_layer networks[] = {IP4(), IP6(), IP4(.size = 40)};
	static const unsigned int options[] = {0, 4, 40};
	static const unsigned int payloads[] = {0, 1, 8, 1400, 8000};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(segments) * TAG_COUNTS * 3 * 3 * 5; i++) {
		unsigned int payload = payloads[i % 5];
		struct packets_layer layers[] = {networks[i / 5 % 3],
						 TCP(.size = options[i / 15 % 3]), DATA(payload),
						 PADDING(i % 2 ? 18 : 0), PACKETS_LAYER(END, )};
		struct packets_frame frame;

		build(i / 45 % TAG_COUNTS, layers, &frame);
		expect_reset(&segments[i / 45 / TAG_COUNTS], &frame, payload);
	}
}

/* What is quoted of a packet of @length bytes: whole words, and no more than QUOTE_MAX. */
static size_t quoted(size_t length)
{
	return (length < QUOTE_MAX ? length : QUOTE_MAX) & ~(size_t)3;
}

static void expect_prohibited(const char *promise, const struct packets_frame *frame, size_t quote)
{
	struct packets_frame answer;
	int action = answers_run(reject, frame, 0, &answer);

	if (action != TX)
		fail_msg("%s: action %d", promise, action);
	if (answers_is_ip6(frame))
		answers_expect_error(promise, frame, &answer, 1, 1, quote);
	else
		answers_expect_error(promise, frame, &answer, 3, 13, quote);
}

static void datagrams_are_told_that_they_are_prohibited(void **state)
{
	static const struct packets_layer networks[] = {IP4(), IP6(), IP4(.size = 40)};

	(void)state;
	for (unsigned int i = 0; i < 3 * TAG_COUNTS * 200; i++) {
		unsigned int payload = i % 200 < 190 ? i % 200 : (i % 200 - 180) * 400;
		struct packets_layer layers[] = {networks[i / 200 % 3], UDP(), DATA(payload),
						 PADDING(i % 2 ? 18 : 0), PACKETS_LAYER(END, )};
		struct packets_frame frame;
		size_t header;

		build(i / 600, layers, &frame);
		header = answers_header(&frame);
		expect_prohibited("a UDP datagram", &frame, quoted(header + 8 + payload));
	}
}

struct datagram_case {
	const char *promise;
	struct packets_layer layers[6];
	size_t quote;
};

static void other_protocols_are_told_as_well(void **state)
{
	static const struct datagram_case cases[] = {
		{"an echo request", {IP4(), ICMP(), DATA(56)}, 84},
		{"an ICMPv6 echo request", {IP6(), ICMP6(), DATA(56)}, 104},
		{"SCTP", {IP4(), DATA(12, .number = 132)}, 32},
		{"GRE over IPv6", {IP6(), DATA(20, .number = 47)}, 60},
		{"ICMPv6 over IPv4 is just a protocol", {IP4(), ICMP6(.number = 1)}, 28},
		{"ICMP over IPv6 is just a protocol", {IP6(), ICMP(.number = 3)}, 48},
		{"a first fragment",
		 {IP4(.fragment = FRAGMENT4(0, 1)), UDP(.lie = 1000), DATA(16)},
		 44},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct packets_frame frame;

		build(0, cases[i].layers, &frame);
		expect_prohibited(cases[i].promise, &frame, cases[i].quote);
	}
}

static void what_must_not_be_answered_is_not(void **state)
{
	static const struct datagram_case cases[] = {
		{"ICMP: destination unreachable", {IP4(), ICMP(.number = 3), DATA(28)}, 0},
		{"ICMP: source quench", {IP4(), ICMP(.number = 4), DATA(28)}, 0},
		{"ICMP: redirect", {IP4(), ICMP(.number = 5), DATA(28)}, 0},
		{"ICMP: time exceeded", {IP4(), ICMP(.number = 11), DATA(28)}, 0},
		{"ICMP: parameter problem", {IP4(), ICMP(.number = 12), DATA(28)}, 0},
		{"ICMP: a type that nobody knows", {IP4(), ICMP(.number = 99), DATA(28)}, 0},
		{"ICMPv6: destination unreachable", {IP6(), ICMP6(.number = 1), DATA(48)}, 0},
		{"ICMPv6: packet too big", {IP6(), ICMP6(.number = 2), DATA(48)}, 0},
		{"ICMPv6: an error that nobody knows", {IP6(), ICMP6(.number = 100)}, 0},
		{"ICMPv6: redirect", {IP6(), ICMP6(.number = 137), DATA(40)}, 0},
		{"a later fragment", {IP4(.fragment = FRAGMENT4(8, 1)), DATA(64, .number = 17)}, 0},
		{"the last fragment", {IP4(.fragment = FRAGMENT4(800, 0)), TCP(), DATA(9)}, 0},
		{"a segment in fragments", {IP4(.fragment = FRAGMENT4(0, 1)), TCP(), DATA(24)}, 0},
		{"a fragment of IPv6",
		 {IP6(), EXTENSION(44, .fragment = FRAGMENT6(0, 1)), UDP()},
		 0},
		{"IPv6 extension headers", {IP6(), EXTENSION(60), TCP()}, 0},
		{"from this network", {IP4(.from = "0.0.0.1"), UDP()}, 0},
		{"from loopback", {IP4(.from = "127.0.0.1"), TCP()}, 0},
		{"from a group", {IP4(.from = "224.0.0.1"), TCP()}, 0},
		{"from a reserved address", {IP4(.from = "240.0.0.1"), UDP()}, 0},
		{"from everybody", {IP4(.from = "255.255.255.255"), UDP()}, 0},
		{"to a group", {IP4(.to = "239.255.255.250"), UDP()}, 0},
		{"to everybody", {IP4(.to = "255.255.255.255"), UDP()}, 0},
		{"to itself", {IP4(.to = PACKETS_FROM4), TCP()}, 0},
		{"from nowhere", {IP6(.from = "::"), UDP()}, 0},
		{"from IPv6 loopback", {IP6(.from = "::1"), TCP()}, 0},
		{"from an IPv6 group", {IP6(.from = "ff02::1"), UDP()}, 0},
		{"to an IPv6 group", {IP6(.to = "ff02::fb"), UDP()}, 0},
		{"to itself over IPv6", {IP6(.to = PACKETS_FROM6), TCP()}, 0},
		{"too little to quote", {IP4(), DATA(7)}, 0},
		{"too little of IPv6 to quote", {IP6(), DATA(7)}, 0},
		{"a TCP header cut off", {IP4(), TCP(.only = 19)}, 0},
		{"a TCP header that is too short", {IP4(), TCP(.header_lie = -1)}, 0},
		{"a TCP header longer than its packet",
		 {IP4(), TCP(.header_lie = 1), PADDING(20)},
		 0},
		{"an IPv4 header that is too short", {IP4(.header_lie = -1), TCP()}, 0},
		{"no version of IP", {IP4(.version_lie = 1), TCP()}, 0},
		{"not IP", {DATA(46, .number = 0x88cc)}, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct packets_frame frame;

		build(0, cases[i].layers, &frame);
		no_answer(cases[i].promise, &frame);
	}
}

static void a_reset_is_never_answered(void **state)
{
	static const struct packets_layer networks[] = {IP4(), IP6()};

	(void)state;
	for (unsigned int i = 0; i < 2 * 256; i++) {
		struct packets_layer layers[] = {networks[i / 256], TCP(), PACKETS_LAYER(END, )};
		struct packets_frame frame;

		build(0, layers, &frame);
		frame.data[answers_network(&frame) + answers_header(&frame) + 13] = (uint8_t)i;
		if (i & ANSWERS_RST)
			no_answer("a reset", &frame);
	}
}

static void what_came_to_many_stations_is_not_answered(void **state)
{
	static const struct packets_layer layers[][3] = {{IP4(), UDP()}, {IP6(), TCP()}};

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		struct packets_frame frame;

		build(0, layers[i % 2], &frame);
		frame.data[i < 2 ? 0 : 6] |= 1;
		no_answer(i < 2 ? "to a group of stations" : "from a group of stations", &frame);
	}
}

/* Whether the kernel lets test runs split frames where we like. */
static bool kernel_splits(void)
{
	struct packets_frame frame, answer;

	packets_build(packets_cases[0].layers, &frame);
	return answers_run(reject, &frame, 14, &answer) >= 0;
}

static void frames_in_pieces_get_the_same_answer_or_none(void **state)
{
	static const struct packets_layer layers[][4] = {
		{IP4(), TCP(.size = 8), DATA(100)},
		{IP4(), UDP(), DATA(150)},
		{IP6(), TCP(), DATA(100)},
		{IP6(), UDP(), DATA(150)},
	};

	(void)state;
	if (!kernel_splits()) {
		print_message("skipped: this kernel splits no frames in test runs\n");
		skip();
	}
	for (unsigned int i = 0; i < 4; i++) {
		struct packets_frame frame, whole, answer;
		size_t headers = i % 2 ? 28 : 40, answered = 0;

		build(0, layers[i], &frame);
		assert_int_equal(answers_run(reject, &frame, 0, &whole), TX);
		headers += 14 + (i < 2 ? 0 : 20);
		for (size_t linear = 14; linear < frame.length; linear++) {
			int action = answers_run(reject, &frame, linear, &answer);

			if (action == DROP && linear < headers)
				continue;
			if (action != TX)
				fail_msg("frame %u in %zu + %zu bytes: action %d", i, linear,
					 frame.length - linear, action);
			answered++;
			if (i % 2)
				answers_expect_error("a datagram in pieces", &frame, &answer,
						     i < 2 ? 3 : 1, i < 2 ? 13 : 1,
						     quoted(linear - 14));
			else
				assert_memory_equal(answer.data, whole.data, whole.length);
		}
		assert_true(answered == frame.length - headers);
	}
}

/* Whatever comes, an answer is a reset or an error that is right in every field. */
static void bent_frames_get_right_answers_or_none(void **state)
{
	uint64_t random = SEED, answered = 0;

	(void)state;
	for (unsigned int i = 0; i < MUTATIONS; i++) {
		struct packets_frame frame, answer;
		struct answers_segment segment;
		size_t network;
		char name[48];

		packets_mutate(&random, &frame);
		if (answers_run(reject, &frame, 0, &answer) != TX)
			continue;
		answered++;
		snprintf(name, sizeof(name), "mutation %u of seed %#llx", i, SEED);
		network = answers_network(&frame);
		if (answer.data[network + (answers_is_ip6(&frame) ? 6 : 9)] != 6) {
			size_t quote = answer.length - network - answers_header(&answer) - 8;

			answers_expect_error(name, &frame, &answer, answers_is_ip6(&frame) ? 1 : 3,
					     answers_is_ip6(&frame) ? 1 : 13, quote);
			continue;
		}
		answers_expect_segment(name, &frame, &answer, &segment);
		assert_true(segment.flags & ANSWERS_RST);
	}
	assert_true(answered > MUTATIONS / 10);
}

/* A mark needs the program loaded anew: it is fixed then. */
static void marked(struct replies_bpf *marking, const struct packets_frame *frame, size_t linear,
		   struct packets_frame *ret)
{
	int action = answers_run(bpf_program__fd(marking->progs.mark), frame, linear, ret);

	if (action != PASS)
		fail_msg("%zu bytes, %zu in the first buffer: action %d", frame->length, linear,
			 action);
	assert_int_equal(ret->length, frame->length);
}

static void expect_marked4(const struct packets_frame *frame, const struct packets_frame *got,
			   unsigned int dscp)
{
	size_t network = answers_network(frame);
	struct packets_frame want = *frame;

	want.data[network + 1] = (uint8_t)(dscp << 2 | (want.data[network + 1] & 3));
	memcpy(want.data + network + 10, got->data + network + 10, 2);
	assert_memory_equal(got->data, want.data, want.length);
	assert_true(answers_is_summed(got->data + network, answers_header(got), 0));
}

static void expect_marked6(const struct packets_frame *frame, const struct packets_frame *got,
			   unsigned int dscp)
{
	size_t network = answers_network(frame);
	struct packets_frame want = *frame;
	uint32_t first = answers_get32(want.data + network);

	answers_put32(want.data + network, (first & 0xf03fffff) | dscp << 22);
	assert_memory_equal(got->data, want.data, want.length);
}

/* Give the IPv4 header this TOS, and then the right checksum. */
static void set_tos(struct packets_frame *frame, unsigned int tos)
{
	uint8_t *ip = frame->data + answers_network(frame);
	uint32_t sum = 0;

	ip[1] = (uint8_t)tos;
	answers_put16(ip + 10, 0);
	for (size_t i = 0; i < answers_header(frame); i += 2)
		sum += answers_get16(ip + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	answers_put16(ip + 10, ~sum & 0xffff);
}

static void a_mark_changes_the_dscp_and_nothing_else(void **state)
{
	static const struct packets_layer ip4[] = {IP4(.size = 8), UDP(), DATA(99), {0}};
	static const struct packets_layer ip6[] = {IP6(), TCP(), DATA(99), {0}};
	static const unsigned int values[] = {0, 1, 8, 10, 46, 63};
	bool splits = kernel_splits();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		struct replies_bpf *marking = replies_bpf__open();
		struct packets_frame frame, got;

		assert_non_null(marking);
		marking->rodata->dscp = values[i];
		assert_int_equal(replies_bpf__load(marking), 0);
		for (unsigned int tos = 0; tos < 256; tos++) {
			build(tos % TAG_COUNTS, ip4, &frame);
			set_tos(&frame, tos);
			answers_put16(frame.data + answers_network(&frame) + 4, tos * 257);
			set_tos(&frame, tos);
			marked(marking, &frame, splits ? 14 + 8 + 28 : 0, &got);
			expect_marked4(&frame, &got, values[i]);

			build(tos % TAG_COUNTS, ip6, &frame);
			answers_put32(frame.data + answers_network(&frame), 0x6000b33f | tos << 20);
			marked(marking, &frame, splits ? 14 + 8 + 2 : 0, &got);
			expect_marked6(&frame, &got, values[i]);
		}
		replies_bpf__destroy(marking);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_are_answered_by_the_reset_of_rfc_9293),
		cmocka_unit_test(datagrams_are_told_that_they_are_prohibited),
		cmocka_unit_test(other_protocols_are_told_as_well),
		cmocka_unit_test(what_must_not_be_answered_is_not),
		cmocka_unit_test(a_reset_is_never_answered),
		cmocka_unit_test(what_came_to_many_stations_is_not_answered),
		cmocka_unit_test(frames_in_pieces_get_the_same_answer_or_none),
		cmocka_unit_test(bent_frames_get_right_answers_or_none),
		cmocka_unit_test(a_mark_changes_the_dscp_and_nothing_else),
	};

	return runner_run_group("replies", tests, set_up, tear_down);
}
