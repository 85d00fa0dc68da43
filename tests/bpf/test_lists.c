/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lists in the kernel, whatever their history: for every address the program's verdict is what a plain
 * model says. Prefixes of all lengths lie within each other, so that index, table and pushed-down
 * values have something to get wrong; deadlines and a daemon that starts over are thrown in.
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <weir/list.h>

#include "base/clock.h"

#define PREFIXES  160
#define ADDRESSES 120
#define ROUNDS	  60
#define MANY	  20000

enum want { ABSENT, BLOCKED, ALLOWED, BLOCKED_FOR_AN_HOUR, ALLOWED_FOR_AN_HOUR, EXPIRED, WANTS };

static struct prefix prefixes[PREFIXES];
static enum want wants[PREFIXES];
static uint8_t addresses[ADDRESSES][16];
static uint64_t random_state;

static uint32_t next_random(uint32_t below)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(random_state >> 33) % below;
}

static int set_up(void **state)
{
	(void)state;
	runner_open(&runner);
	runner_policy(&runner, RUNNER_UNLIMITED);
	memset(wants, 0, sizeof(wants));
	return 0;
}

/* An address near few others: of each byte only two or three values are used. */
static void choose_address(bool ip6, uint8_t ret[static 16])
{
	static const uint8_t ip4_start[12] = {[10] = 0xff, [11] = 0xff};

	for (unsigned int i = 0; i < 16; i++)
		ret[i] = (uint8_t)(next_random(4) ? 0x0a : 0x0a ^ 1U << next_random(8));
	if (ip6)
		ret[0] = 0x20;
	else
		memcpy(ret, ip4_start, sizeof(ip4_start));
}

static void choose_prefixes(void)
{
	static const uint8_t ip4_bits[] = {0, 8, 12, 16, 17, 20, 23, 24, 25, 28, 31, 32};
	static const uint8_t ip6_bits[] = {0, 3, 32, 48, 63, 64, 65, 96, 127, 128};

	for (unsigned int i = 0; i < PREFIXES; i++) {
		bool ip6 = i % 2, again;

		do {
			choose_address(ip6, prefixes[i].address);
			prefixes[i].bits = ip6 ? ip6_bits[next_random(sizeof(ip6_bits))]
					       : 96 + ip4_bits[next_random(sizeof(ip4_bits))];
			address_mask(prefixes[i].address, prefixes[i].bits);
			again = false;
			for (unsigned int j = 0; j < i; j++)
				again |= prefix_compare(&prefixes[i], &prefixes[j]) == 0;
		} while (again);
	}
	for (unsigned int i = 0; i < ADDRESSES; i++)
		choose_address(i % 2, addresses[i]);
}

static void enter(struct list_set *set, const struct prefix *prefix, enum want want)
{
	const struct list_now now = {clock_real_ns(), clock_monotonic_ns()};
	bool allow = want == ALLOWED || want == ALLOWED_FOR_AN_HOUR;
	bool hour = want == BLOCKED_FOR_AN_HOUR || want == ALLOWED_FOR_AN_HOUR;
	struct list_entry entry = {
		.key = {.kind = allow ? LIST_ALLOW : LIST_BLOCK,
			.prefix = *prefix,
			.origin = LIST_OPERATOR},
		.until_ns = hour	      ? now.real_ns + 3600 * NSEC_PER_SEC
			    : want == EXPIRED ? now.real_ns + NSEC_PER_MSEC
					      : WEIR_FOREVER,
	};

	assert_int_equal(list_set_add(set, &entry, &now, NULL), 0);
}

/* Make the kernel hold what `wants` says, by the steps that a daemon takes. */
static void apply(void)
{
	list_set_free(runner.lists);
	assert_int_equal(list_set_new(&runner.lists), 0);
	for (unsigned int i = 0; i < PREFIXES; i++)
		if (wants[i] != ABSENT)
			enter(runner.lists, &prefixes[i], wants[i]);
	runner_apply_lists(&runner, clock_monotonic_ns());
}

/* What the lists say: any entry that covers the address counts, and allow wins. */
static unsigned int model(const uint8_t address[static 16])
{
	struct prefix self = {.bits = 128};
	bool blocked = false;

	memcpy(self.address, address, 16);
	for (unsigned int i = 0; i < PREFIXES; i++) {
		if (!prefix_covers(&prefixes[i], &self) ||
		    (address_is_ipv4(address) && prefixes[i].bits < 96))
			continue;
		if (wants[i] == ALLOWED || wants[i] == ALLOWED_FOR_AN_HOUR)
			return WEIR_REASON_ALLOWED;
		blocked |= wants[i] == BLOCKED || wants[i] == BLOCKED_FOR_AN_HOUR;
	}
	return blocked ? WEIR_REASON_BLOCKED : WEIR_REASON_UNLIMITED;
}

static void check(const uint8_t address[static 16], const char *when)
{
	char from[ADDRESS_TEXT_SIZE], promise[128];
	unsigned int reason = model(address);
	struct packets_frame frame;

	address_format(address, from);
	snprintf(promise, sizeof(promise), "%s, %s", from, when);
	if (address_is_ipv4(address))
		packets_build(LAYERS(IP4(.from = from), UDP()), &frame);
	else
		packets_build(
			(const struct packets_layer[PACKETS_LAYERS_MAX]){IP6(.from = from), UDP()},
			&frame);
	runner_expect(&runner, promise, &frame,
		      reason == WEIR_REASON_BLOCKED ? WEIR_VERDICT_DROP : WEIR_VERDICT_PASS,
		      reason);
}

static void every_address_has_the_verdict_of_what_covers_it(void **state)
{
	/* beyond the short deadlines, as the kernel rounds them up */
	struct timespec pause = {.tv_nsec = 80000000};

	(void)state;
	random_state = 7;
	choose_prefixes();
	for (int round = 0; round < ROUNDS; round++) {
		unsigned int share = next_random(4);

		for (unsigned int i = 0; i < PREFIXES; i++)
			if (next_random(4) <= share)
				wants[i] = next_random(2) ? next_random(WANTS) : ABSENT;
		apply();
		nanosleep(&pause, NULL);
		for (unsigned int i = 0; i < ADDRESSES; i++)
			check(addresses[i], "after a change");
		if (round % 10 == 9) {
			runner_reopen(&runner);
			for (unsigned int i = 0; i < ADDRESSES; i++)
				check(addresses[i], "after a new start");
		}
	}
}

static void an_empty_list_leaves_nothing_behind_that_costs_time(void **state)
{
	const struct weir_live *live = datapath_live(runner.datapath);
	struct list_image held;

	(void)state;
	random_state = 8;
	choose_prefixes();
	for (unsigned int i = 0; i < PREFIXES; i++)
		wants[i] = BLOCKED;
	apply();
	assert_int_not_equal(live->long_ip4_lengths, 0);
	assert_int_not_equal(live->ip6_lengths[0], 0);
	memset(wants, 0, sizeof(wants));
	apply();
	assert_int_equal(live->long_ip4_lengths, 0);
	for (unsigned int i = 0; i < WEIR_LENGTH_WORDS; i++)
		assert_int_equal(live->ip6_lengths[i], 0);
	assert_int_equal(datapath_read_lists(runner.datapath, &held, NULL), 0);
	assert_int_equal(held.count, 0);
	list_image_done(&held);
}

static uint64_t hits_of(const char *text)
{
	struct prefix prefix;
	uint64_t hits;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	assert_int_equal(datapath_entry_hits(runner.datapath, &prefix, &hits), 0);
	return hits;
}

static void expect_from(const char *from, unsigned int reason)
{
	struct packets_frame frame;

	packets_build(LAYERS(IP4(.from = from), UDP()), &frame);
	runner_expect(&runner, from, &frame,
		      reason == WEIR_REASON_BLOCKED ? WEIR_VERDICT_DROP : WEIR_VERDICT_PASS,
		      reason);
}

static void every_packet_is_counted_at_the_entry_that_decided_it(void **state)
{
	struct prefix absent;
	uint64_t hits;

	(void)state;
	runner_list(&runner, LIST_BLOCK, "10.0.0.0/8", WEIR_FOREVER);
	runner_list(&runner, LIST_BLOCK, "10.1.2.3", WEIR_FOREVER);
	runner_list(&runner, LIST_ALLOW, "10.9.0.0/16", WEIR_FOREVER);
	for (unsigned int i = 0; i < 200; i++) {
		expect_from("10.1.2.3", WEIR_REASON_BLOCKED);
		if (i % 2)
			expect_from("10.1.2.4", WEIR_REASON_BLOCKED);
		if (i % 4)
			expect_from("10.9.1.1", WEIR_REASON_ALLOWED);
	}
	assert_int_equal(hits_of("10.1.2.3"), 200);
	assert_int_equal(hits_of("10.0.0.0/8"), 100);
	assert_int_equal(hits_of("10.9.0.0/16"), 150);
	assert_int_equal(prefix_parse("10.5.5.5", &absent), 0);
	assert_int_equal(datapath_entry_hits(runner.datapath, &absent, &hits), -ENOENT);
}

/* As many as make the table grow more than once, which swaps the program each time. */
static void a_growing_list_keeps_its_entries_and_their_hits(void **state)
{
	struct list_image_entry *upserts = calloc(MANY, sizeof(*upserts));
	struct list_diff diff = {.upserts = upserts};

	(void)state;
	assert_non_null(upserts);
	runner_list(&runner, LIST_BLOCK, "10.1.2.3", WEIR_FOREVER);
	for (unsigned int i = 0; i < 70; i++)
		expect_from("10.1.2.3", WEIR_REASON_BLOCKED);
	for (uint32_t n = MANY, step = 1000; n > 0; n -= step) {
		diff.upsert_count = step;
		for (uint32_t i = 0; i < step; i++) {
			uint32_t address = __builtin_bswap32(0x0b000000 + (n - i) * 977);

			upserts[i] = (struct list_image_entry){
				.prefix = {.address = {[10] = 0xff, [11] = 0xff}, .bits = 128},
				.value.block_until_ns = WEIR_FOREVER,
			};
			memcpy(upserts[i].prefix.address + 12, &address, sizeof(address));
		}
		assert_int_equal(datapath_apply_lists(runner.datapath, &diff, NULL), 0);
		expect_from("10.1.2.3", WEIR_REASON_BLOCKED);
	}
	assert_int_equal(hits_of("10.1.2.3"), 70 + MANY / 1000);
	for (uint32_t n = 1; n <= MANY; n += 97) {
		uint32_t address = 0x0b000000 + n * 977;
		char from[ADDRESS_TEXT_SIZE];

		snprintf(from, sizeof(from), "%u.%u.%u.%u", address >> 24, address >> 16 & 0xff,
			 address >> 8 & 0xff, address & 0xff);
		expect_from(from, WEIR_REASON_BLOCKED);
	}
	expect_from("11.0.0.1", WEIR_REASON_UNLIMITED);
	free(upserts);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, close_runner)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_address_has_the_verdict_of_what_covers_it),
		TEST(an_empty_list_leaves_nothing_behind_that_costs_time),
		TEST(every_packet_is_counted_at_the_entry_that_decided_it),
		TEST(a_growing_list_keeps_its_entries_and_their_hits),
	};

	return runner_run_group("lists", tests, NULL, NULL);
}
