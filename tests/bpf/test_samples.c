/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sample of all packets: whatever becomes of them, one of so many is kept, and weights add up. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include <linux/bpf.h>

#include "base/address.h"

static struct datapath_samples at;

struct seen {
	uint64_t count, weight, blocked;
	struct weir_sample last;
};

static int tear_down(void **state)
{
	(void)state;
	datapath_samples_done(&at);
	runner_close(&runner);
	return 0;
}

static void note(const struct weir_sample *sample, void *userdata)
{
	struct seen *seen = userdata;

	seen->count++;
	seen->weight += sample->weight;
	seen->blocked += sample->reason == WEIR_REASON_BLOCKED;
	seen->last = *sample;
}

static struct seen read_all(uint64_t *ret_lost)
{
	struct seen seen = {0};
	uint64_t lost;

	assert_true(datapath_read_samples(runner.datapath, &at, note, &seen, &lost) >= 0);
	if (ret_lost)
		*ret_lost = lost;
	return seen;
}

static void send(const char *source, unsigned int count)
{
	struct packets_frame frame;

	packets_build(LAYERS(IP4(.from = source, .to = "203.0.113.1"), UDP(.port = 53)), &frame);
	while (count--)
		runner_run(&runner, frame.data, frame.length, 0);
}

static void without_a_period_nothing_is_kept(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED);
	read_all(NULL);
	send("198.51.100.1", 5000);
	assert_int_equal(read_all(NULL).count, 0);
}

static void a_period_of_one_keeps_every_packet_and_what_became_of_it(void **state)
{
	struct seen seen;
	uint8_t source[16], destination[16];

	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED);
	runner_list(&runner, LIST_BLOCK, "192.0.2.1", WEIR_FOREVER);
	datapath_set_sampling(runner.datapath, 1);
	send("198.51.100.1", 5000); /* the CPUs look for a new period now and then */
	read_all(NULL);
	send("198.51.100.1", 10);
	send("192.0.2.1", 5);
	seen = read_all(NULL);
	assert_int_equal(seen.count, 15);
	assert_int_equal(seen.weight, 15);
	assert_int_equal(seen.blocked, 5);
	address_parse("192.0.2.1", source);
	address_parse("203.0.113.1", destination);
	assert_memory_equal(seen.last.source, source, 16);
	assert_memory_equal(seen.last.destination, destination, 16);
	assert_int_equal(seen.last.verdict, WEIR_VERDICT_DROP);
	send("198.51.100.1", 1);
	seen = read_all(NULL);
	assert_int_equal(seen.last.destination_port, 53);
	assert_int_equal(seen.last.protocol, 17);
	assert_int_equal(seen.last.class, WEIR_CLASS_DNS);
	assert_true(seen.last.time_ns > 0);
}

static void weights_add_up_to_the_packets(void **state)
{
	struct seen sum = {0};

	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED);
	datapath_set_sampling(runner.datapath, 16);
	send("198.51.100.1", 5000);
	read_all(NULL);
	for (unsigned int i = 0; i < 8; i++) {
		struct seen seen;

		send("198.51.100.1", 5000);
		seen = read_all(NULL);
		sum.count += seen.count;
		sum.weight += seen.weight;
	}
	/* 2500 samples expected, whose distances are uniform: five sigma are 6 % */
	assert_in_range(sum.weight, 37000, 43000);
}

static void what_came_too_fast_is_counted_as_lost(void **state)
{
	uint64_t lost;

	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED);
	datapath_set_sampling(runner.datapath, 1);
	send("198.51.100.1", 5000);
	read_all(NULL);
	send("198.51.100.1", 10 * WEIR_SAMPLES);
	assert_in_range(read_all(&lost).count, 1, 64 * WEIR_SAMPLES);
	assert_true(lost > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_runner, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_period_nothing_is_kept),
		TEST(a_period_of_one_keeps_every_packet_and_what_became_of_it),
		TEST(weights_add_up_to_the_packets),
		TEST(what_came_too_fast_is_counted_as_lost),
	};

	return runner_run_group("samples", tests, NULL, NULL);
}
