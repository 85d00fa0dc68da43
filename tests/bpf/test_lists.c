/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lists in the kernel, whatever their history: for every address the program's verdict is what a plain
 * model says. The addresses are chosen to meet in a few buckets of the front, which then overflow,
 * lose entries and gain others; deadlines, prefixes and a daemon that starts over are thrown in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <weir/list.h>

#include "../lib/packets.h"
#include "../lib/runner.h"
#include "base/clock.h"

#define BUCKETS	   6
#define PER_BUCKET 14 /* more than a bucket has cells */
#define ADDRESSES  (BUCKETS * PER_BUCKET)
#define ROUNDS	   60

enum want { ABSENT, BLOCKED, ALLOWED, BLOCKED_FOR_AN_HOUR, EXPIRED, WANTS };

static struct runner runner;
static uint8_t addresses[ADDRESSES][16];
static enum want wants[ADDRESSES];
static struct list_image image; /* what the kernel holds */
static uint64_t random_state;

static uint32_t next_random(uint32_t below)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(random_state >> 33) % below;
}

static int set_up(void **state)
{
	(void)state;
	image = (struct list_image){0};
	runner_open(&runner);
	runner_policy(&runner, RUNNER_UNLIMITED);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	list_image_done(&image);
	runner_close(&runner);
	return 0;
}

/* Addresses of the first buckets, so many of each. */
static void choose_addresses(void)
{
	unsigned int found[BUCKETS] = {0}, total = 0;

	for (uint32_t host = 1; total < ADDRESSES; host++) {
		uint32_t address = __builtin_bswap32(0x0a000000 + host);
		uint32_t bucket = weir_front_index(address);

		if (bucket >= BUCKETS || found[bucket] == PER_BUCKET)
			continue;
		memset(addresses[total], 0, 10);
		memset(addresses[total] + 10, 0xff, 2);
		memcpy(addresses[total] + 12, &address, 4);
		found[bucket]++;
		total++;
	}
}

static void enter(struct list_set *set, const uint8_t *address, enum want want)
{
	const struct list_now now = {clock_real_ns(), clock_monotonic_ns()};
	struct list_entry entry = {
		.key = {.kind = want == ALLOWED ? LIST_ALLOW : LIST_BLOCK,
			.prefix.bits = 128,
			.origin = LIST_OPERATOR},
		.until_ns = want == BLOCKED_FOR_AN_HOUR ? now.real_ns + 3600 * NSEC_PER_SEC
			    : want == EXPIRED		? now.real_ns + NSEC_PER_MSEC
							: WEIR_FOREVER,
	};

	memcpy(entry.key.prefix.address, address, 16);
	assert_int_equal(list_set_add(set, &entry, &now, NULL), 0);
}

/* Make the kernel hold what `wants` says, by the steps that a daemon takes. */
static void apply(void)
{
	struct list_set *set;
	struct list_image next;
	struct list_diff diff;

	assert_int_equal(list_set_new(&set), 0);
	for (unsigned int i = 0; i < ADDRESSES; i++)
		if (wants[i] != ABSENT)
			enter(set, addresses[i], wants[i]);
	assert_int_equal(list_image_build(set, clock_monotonic_ns(), &next), 0);
	assert_int_equal(list_image_diff(&image, &next, &diff), 0);
	assert_int_equal(datapath_apply_lists(runner.datapath, &diff, NULL), 0);
	list_diff_done(&diff);
	list_image_done(&image);
	list_set_free(set);
	image = next;
}

static void check(unsigned int i, const char *when)
{
	char from[ADDRESS_TEXT_SIZE], promise[128];
	unsigned int verdict = WEIR_VERDICT_PASS, reason = WEIR_REASON_UNLIMITED;
	struct packets_frame frame;

	if (wants[i] == BLOCKED || wants[i] == BLOCKED_FOR_AN_HOUR) {
		verdict = WEIR_VERDICT_DROP;
		reason = WEIR_REASON_BLOCKED;
	} else if (wants[i] == ALLOWED) {
		reason = WEIR_REASON_ALLOWED;
	}
	address_format(addresses[i], from);
	snprintf(promise, sizeof(promise), "%s, state %d, %s", from, wants[i], when);
	packets_build((const struct packets_layer[PACKETS_LAYERS_MAX]){IP4(.from = from), UDP()},
		      &frame);
	runner_expect(&runner, promise, &frame, verdict, reason);
}

static void every_address_has_the_verdict_of_its_entry(void **state)
{
	struct timespec pause = {.tv_nsec = 10000000}; /* beyond the short deadlines and a tick */

	(void)state;
	random_state = 7;
	choose_addresses();
	for (int round = 0; round < ROUNDS; round++) {
		unsigned int share = next_random(4);

		for (unsigned int i = 0; i < ADDRESSES; i++)
			if (next_random(4) <= share)
				wants[i] = next_random(WANTS);
		apply();
		nanosleep(&pause, NULL);
		for (unsigned int i = 0; i < ADDRESSES; i++)
			check(i, "after a change");
		if (round % 10 == 9) {
			runner_reopen(&runner);
			for (unsigned int i = 0; i < ADDRESSES; i++)
				check(i, "after a new start");
		}
	}
}

static void a_front_that_a_dying_daemon_left_behind_is_mended(void **state)
{
	uint32_t address;
	struct weir_list_value blocked = {.block_until_ns = WEIR_FOREVER};
	char path[128];
	int fd;

	(void)state;
	choose_addresses();
	memset(wants, 0, sizeof(wants));
	wants[0] = BLOCKED;
	apply();
	/* It wrote to the hash and died before it wrote to the front; and the other way round. */
	memcpy(&address, addresses[1] + 12, 4);
	snprintf(path, sizeof(path), "%s/weir_ip4", runner.pin_dir);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(fd, &address, &blocked, BPF_ANY), 0);
	memcpy(&address, addresses[0] + 12, 4);
	assert_int_equal(bpf_map_delete_elem(fd, &address), 0);
	close(fd);
	runner_reopen(&runner);
	wants[0] = ABSENT;
	wants[1] = BLOCKED;
	check(0, "in the front only");
	check(1, "in the hash only");
}

static void cannot_run_here(void **state)
{
	(void)state;
	print_message("skipped: %s\n", runner_obstacle());
	skip();
}

int main(void)
{
	const struct CMUnitTest obstacle[] = {cmocka_unit_test(cannot_run_here)};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_address_has_the_verdict_of_its_entry, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_front_that_a_dying_daemon_left_behind_is_mended,
						set_up, tear_down),
	};

	if (runner_obstacle())
		return cmocka_run_group_tests_name("lists", obstacle, NULL, NULL);
	return cmocka_run_group_tests_name("lists", tests, NULL, NULL);
}
