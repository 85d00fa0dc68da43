/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames through the real program in the kernel: each row of tests/lib/packets.def in one piece, cut
 * at every length and split over two buffers, and thousands of bent ones, which must be read as the
 * same parser reads them on the host. After each frame exactly one counter has moved.
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>

#include "../lib/host_parse.h"
#include "base/words.h"

#define MUTATIONS 20000
#define SEED	  0x6b65726eULL
#define ETHERNET  14 /* the kernel runs no program on less */
#define LINEAR_MAX                                                                                 \
	3000 /* that fits any kernel's first buffer; longer frames come in pieces anyway */
#define SHORT_FRAME 300 /* every length of it is tried; of longer ones, the ends */

static int take_limits_away(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED);
	return 0;
}

static unsigned int host_reason(const uint8_t *data, size_t length)
{
	struct packet packet;
	int reason = host_parse_thoroughly(data, length, &packet);

	return reason == WEIR_NEXT ? WEIR_REASON_UNLIMITED : (unsigned int)reason;
}

/* The lengths worth trying: all of a short frame; of a long one, both ends. */
static size_t next_length(size_t length, size_t end)
{
	return ++length == SHORT_FRAME && end > 2 * SHORT_FRAME ? end - SHORT_FRAME : length;
}

static void frames_get_their_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < packets_case_count; i++) {
		const struct packets_case *c = &packets_cases[i];
		struct packets_frame frame;

		packets_build(c->layers, &frame);
		runner_expect(&runner, c->promise, &frame, c->verdict, c->reason);
	}
}

static void each_protocol_is_seen_behind_tags(void **state)
{
	static const struct packets_layer networks[] = {IP4(), IP6(), IP4(.size = 40)};
	static const struct packets_layer payloads[] = {
		TCP(),	 UDP(), ICMP(), ICMP6(), DATA(12, .number = 132), DATA(4, .number = 47),
		DATA(0),
	};
	static const struct packets_layer tags[] = {VLAN(), QINQ()};

	(void)state;
	for (unsigned int i = 0; i < 3 * 7 * 4 * 2; i++) {
		unsigned int depth = i / 21 % 4;
		struct packets_layer layers[PACKETS_LAYERS_MAX] = {0};
		struct packets_frame frame;
		char name[64];

		for (unsigned int tag = 0; tag < depth; tag++)
			layers[tag] = tags[tag == 0 && i >= 84];
		layers[depth] = networks[i % 3];
		layers[depth + 1] = payloads[i / 3 % 7];
		packets_build(layers, &frame);
		snprintf(name, sizeof(name), "network %u, protocol %u, %u tags", i % 3, i / 3 % 7,
			 depth);
		if (depth < 3)
			runner_expect(&runner, name, &frame, WEIR_VERDICT_PASS,
				      WEIR_REASON_UNLIMITED);
		else
			runner_expect(&runner, name, &frame, WEIR_VERDICT_DROP,
				      WEIR_REASON_VLAN_TOO_DEEP);
	}
}

static void frames_cut_anywhere_are_dropped_as_malformed(void **state)
{
	(void)state;
	for (size_t i = 0; i < packets_case_count; i++) {
		const struct packets_case *c = &packets_cases[i];
		struct packets_frame frame;
		size_t end;

		packets_build(c->layers, &frame);
		end = frame.length;
		for (size_t length = ETHERNET; length < end; length = next_length(length, end)) {
			unsigned int reason = host_reason(frame.data, length);
			unsigned int verdict = PACKETS_IS_MALFORMED(reason) ? WEIR_VERDICT_DROP
									    : WEIR_VERDICT_PASS;

			if (length < frame.needed)
				assert_int_equal(verdict, WEIR_VERDICT_DROP);
			frame.length = length;
			runner_expect(&runner, c->promise, &frame, verdict, reason);
		}
	}
}

/* Whether the kernel lets test runs split frames where we like. */
static bool kernel_splits(void)
{
	struct packets_frame frame;

	packets_build(packets_cases[0].layers, &frame);
	return runner_run(&runner, frame.data, frame.length, ETHERNET) >= 0;
}

static void frames_in_pieces_get_the_same_verdict(void **state)
{
	(void)state;
	if (!kernel_splits()) {
		print_message("skipped: this kernel splits no frames in test runs\n");
		skip();
	}
	for (size_t i = 0; i < packets_case_count; i++) {
		const struct packets_case *c = &packets_cases[i];
		struct packets_frame frame;
		size_t end;

		packets_build(c->layers, &frame);
		end = frame.length < LINEAR_MAX ? frame.length : LINEAR_MAX;
		runner_count_from_here(&runner);
		for (size_t linear = ETHERNET; linear < end; linear = next_length(linear, end)) {
			unsigned int verdict, reason;
			int action = runner_run(&runner, frame.data, frame.length, linear);

			if (action < 0)
				fail_msg("%s, %zu + %zu bytes: error %d", c->promise, linear,
					 frame.length - linear, action);
			runner_counted(&runner, frame.length, &verdict, &reason);
			if (verdict != c->verdict || reason != c->reason)
				fail_msg("%s, %zu + %zu bytes: want %s, got %s", c->promise, linear,
					 frame.length - linear, reason_to_str(c->reason),
					 reason_to_str(reason));
		}
	}
}

static void bent_frames_are_read_as_on_the_host(void **state)
{
	struct weir_count before[RUNNER_COUNTERS];
	bool splits = kernel_splits();
	uint64_t random = SEED, total = 0;

	(void)state;
	runner_count_from_here(&runner);
	memcpy(before, runner.counts, sizeof(before));
	for (unsigned int i = 0; i < MUTATIONS; i++) {
		unsigned int want, verdict, reason;
		struct packets_frame frame;
		size_t linear = 0;

		packets_mutate(&random, &frame);
		if (splits && i % 2 && frame.length > ETHERNET && frame.length < LINEAR_MAX)
			linear = ETHERNET + i / 2 % (frame.length - ETHERNET);
		want = host_reason(frame.data, frame.length);
		assert_true(runner_run(&runner, frame.data, frame.length, linear) >= 0);
		runner_counted(&runner, frame.length, &verdict, &reason);
		if (reason != want)
			fail_msg("mutation %u of seed %#llx (%zu bytes, %zu in the first buffer): "
				 "host %s, kernel %s",
				 i, SEED, frame.length, linear, reason_to_str(want),
				 reason_to_str(reason));
	}
	for (unsigned int i = 0; i < RUNNER_COUNTERS; i++)
		total += runner.counts[i].packets - before[i].packets;
	assert_int_equal(total, MUTATIONS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(frames_get_their_verdicts, take_limits_away),
		cmocka_unit_test_setup(each_protocol_is_seen_behind_tags, take_limits_away),
		cmocka_unit_test_setup(frames_cut_anywhere_are_dropped_as_malformed,
				       take_limits_away),
		cmocka_unit_test_setup(frames_in_pieces_get_the_same_verdict, take_limits_away),
		cmocka_unit_test_setup(bent_frames_are_read_as_on_the_host, take_limits_away),
	};

	return runner_run_group("packets", tests, open_runner, close_runner);
}
