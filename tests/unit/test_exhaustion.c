/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When a limit counts as out of room for its sources, and when no longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "detect/exhaustion.h"

#define STEP_NS (NSEC_PER_SEC / 2)
#define START	1000

/* A look at the counters, and what it leads to. */
struct look {
	uint64_t coarse, full;
	enum exhaustion_level level;
	bool changed;
};

static void run(struct exhaustion *x, const struct look *looks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t now_ns = START * NSEC_PER_SEC + i * STEP_NS;

		assert_int_equal(exhaustion_step(x, looks[i].coarse, looks[i].full, now_ns),
				 looks[i].changed);
		assert_int_equal(x->level, looks[i].level);
	}
}

static void what_was_counted_before_is_no_news(void **unused)
{
	static const struct look looks[] = {
		{700, 70, EXHAUSTION_NORMAL, false},
		{700, 70, EXHAUSTION_NORMAL, false},
	};
	struct exhaustion x;

	(void)unused;
	exhaustion_init(&x, 700, 70);
	run(&x, looks, ARRAY_SIZE(looks));
}

static void a_level_is_entered_at_once_and_left_after_five_quiet_seconds(void **unused)
{
	static const struct look looks[] = {
		{0, 0, EXHAUSTION_NORMAL, false},
		{1, 0, EXHAUSTION_SHARING, true}, /* one packet is enough */
		{2, 1, EXHAUSTION_FULL, true},	  /* at 1.0 s */
		{2, 1, EXHAUSTION_FULL, false},
		{3, 1, EXHAUSTION_FULL, false}, /* at 2.0 s: somebody still shares */
		{3, 1, EXHAUSTION_FULL, false},
		{3, 1, EXHAUSTION_FULL, false},
		{3, 1, EXHAUSTION_FULL, false},
		{3, 1, EXHAUSTION_FULL, false},
		{3, 1, EXHAUSTION_FULL, false},
		{3, 1, EXHAUSTION_FULL, false},
		{3, 1, EXHAUSTION_FULL, false},
		{3, 1, EXHAUSTION_SHARING, true}, /* at 6.0 s */
		{3, 1, EXHAUSTION_SHARING, false},
		{3, 1, EXHAUSTION_NORMAL, true}, /* at 7.0 s */
		{3, 1, EXHAUSTION_NORMAL, false},
	};
	struct exhaustion x;

	(void)unused;
	exhaustion_init(&x, 0, 0);
	run(&x, looks, ARRAY_SIZE(looks));
}

static void a_flood_with_pauses_is_one_episode(void **unused)
{
	struct exhaustion x;
	unsigned int changes = 0;

	(void)unused;
	exhaustion_init(&x, 0, 0);
	for (uint64_t i = 0; i < 200; i++) /* a packet every 4.5 s */
		changes += exhaustion_step(&x, 1 + i / 9, 0, START * NSEC_PER_SEC + i * STEP_NS);
	assert_int_equal(changes, 1);
	assert_int_equal(x.level, EXHAUSTION_SHARING);
	assert_int_equal(x.coarse, 1 + 199 / 9);
}

static void an_episode_counts_its_own_packets(void **unused)
{
	struct exhaustion x;

	(void)unused;
	exhaustion_init(&x, 10, 10);
	exhaustion_step(&x, 15, 12, START * NSEC_PER_SEC);
	exhaustion_step(&x, 16, 12, (START + 1) * NSEC_PER_SEC);
	assert_true(exhaustion_step(&x, 16, 12, (START + 10) * NSEC_PER_SEC));
	/* There to be told of at the end, and gone at the next beginning. */
	assert_int_equal(x.coarse, 6);
	assert_int_equal(x.full, 2);
	assert_true(exhaustion_step(&x, 17, 12, (START + 20) * NSEC_PER_SEC));
	assert_int_equal(x.coarse, 1);
	assert_int_equal(x.full, 0);
}

static void counters_that_begin_anew_are_counted_from_zero(void **unused)
{
	struct exhaustion x;

	(void)unused;
	exhaustion_init(&x, 1000, 1000);
	assert_true(exhaustion_step(&x, 3, 0, START * NSEC_PER_SEC));
	assert_int_equal(x.coarse, 3);
	assert_int_equal(x.full, 0);
	assert_int_equal(x.level, EXHAUSTION_SHARING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_counted_before_is_no_news),
		cmocka_unit_test(a_level_is_entered_at_once_and_left_after_five_quiet_seconds),
		cmocka_unit_test(a_flood_with_pauses_is_one_episode),
		cmocka_unit_test(an_episode_counts_its_own_packets),
		cmocka_unit_test(counters_that_begin_anew_are_counted_from_zero),
	};

	return cmocka_run_group_tests_name("exhaustion", tests, NULL, NULL);
}
