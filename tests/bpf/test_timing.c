/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What stages take: counted for the packets that the policy asks for, of the stages in their way, and never their verdict. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include <linux/bpf.h>
#include <weir/timing.h>

#define LIMITED                                                                                    \
	RUNNER_UNLIMITED "limits: [{name: all, scope: source, rate: 1M/s, burst: 1M}]\nmetrics: "

static void send(const char *source, unsigned int count, int action)
{
	struct packets_frame frame;

	packets_build(LAYERS(IP4(.from = source, .to = "203.0.113.1"), UDP(.port = 53)), &frame);
	while (count--)
		assert_int_equal(runner_run(&runner, frame.data, frame.length, 0), action);
}

static uint64_t timed(const struct weir_timing *t, enum weir_stage stage)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < WEIR_TIMING_BUCKETS; i++)
		sum += t->counts[stage][i];
	return sum;
}

static void only_stages_in_the_packets_way_are_counted(void **state)
{
	static const uint64_t want[WEIR_STAGE_MAX] = {
		[WEIR_STAGE_BEGIN] = 15,  [WEIR_STAGE_CLOCK] = 15, [WEIR_STAGE_NETWORK] = 15,
		[WEIR_STAGE_LISTS] = 15,  [WEIR_STAGE_EXIT] = 15,  [WEIR_STAGE_TRANSPORT] = 10,
		[WEIR_STAGE_LIMITS] = 10,
	};
	struct weir_timing t;
	uint64_t parts = 0;

	(void)state;
	runner_policy(&runner, LIMITED "{timing: 1/1}\n");
	runner_list(&runner, LIST_BLOCK, "192.0.2.1", WEIR_FOREVER);
	send("198.51.100.1", 10, XDP_PASS);
	send("192.0.2.1", 5, XDP_DROP);
	assert_true(datapath_read_timing(runner.datapath, &t));
	for (enum weir_stage i = 0; i < WEIR_STAGE_MAX; i++) {
		assert_int_equal(timed(&t, i), want[i]);
		assert_true(t.sums[i] > 0);
		parts += i == WEIR_STAGE_BEGIN ? 0 : t.sums[i];
	}
	assert_int_equal(parts, t.sums[WEIR_STAGE_BEGIN]); /* all of it is some stage's */
	assert_int_equal(t.retries, 0);
}

static void one_packet_in_so_many_is_timed(void **state)
{
	struct weir_timing before, t;

	(void)state;
	runner_policy(&runner, LIMITED "{timing: 1/16}\n");
	send("198.51.100.1", 40, XDP_PASS); /* the distance of the policy before */
	assert_true(datapath_read_timing(runner.datapath, &before));
	send("198.51.100.1", 40000, XDP_PASS);
	assert_true(datapath_read_timing(runner.datapath, &t));
	/* 2500 expected, whose distances are uniform: five sigma are 6 % */
	assert_in_range(timed(&t, WEIR_STAGE_BEGIN) - timed(&before, WEIR_STAGE_BEGIN), 2300, 2700);
}

static void what_was_counted_outlives_the_daemon(void **state)
{
	struct weir_timing before, t;

	(void)state;
	runner_policy(&runner, LIMITED "{timing: 1/1}\n");
	send("198.51.100.1", 10, XDP_PASS);
	assert_true(datapath_read_timing(runner.datapath, &before));
	runner_reopen(&runner);
	assert_true(datapath_read_timing(runner.datapath, &t));
	assert_int_equal(timed(&t, WEIR_STAGE_LIMITS), timed(&before, WEIR_STAGE_LIMITS));
}

static void a_policy_that_does_not_ask_for_it_has_none(void **state)
{
	struct weir_timing before, t;

	(void)state;
	runner_policy(&runner, LIMITED "{timing: 1/1}\n");
	assert_true(datapath_read_timing(runner.datapath, &before));
	runner_policy(&runner, RUNNER_UNLIMITED);
	send("198.51.100.1", 100, XDP_PASS);
	assert_false(datapath_read_timing(runner.datapath, &t));
	runner_policy(&runner, LIMITED "{timing: 1/1}\n");
	assert_true(datapath_read_timing(runner.datapath, &t));
	assert_int_equal(timed(&t, WEIR_STAGE_BEGIN), timed(&before, WEIR_STAGE_BEGIN));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_runner, close_runner)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_stages_in_the_packets_way_are_counted),
		TEST(one_packet_in_so_many_is_timed),
		TEST(what_was_counted_outlives_the_daemon),
		TEST(a_policy_that_does_not_ask_for_it_has_none),
	};

	return runner_run_group("timing", tests, NULL, NULL);
}
