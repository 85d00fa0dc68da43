/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an adaptive limit makes of what is measured: step by step, and in the long run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "detect/adaptive.h"

#define START_NS (1000 * NSEC_PER_SEC)

static const struct policy_adaptive rule = {
	.target = POLICY_TARGET_POSTED,
	.threshold = 100,
	.min = 100,
	.max = 1000,
	.increase = 50,
	.decrease = 500,
	.interval_ns = NSEC_PER_SEC,
};

static unsigned int step(struct adaptive *a, int error, uint64_t measured)
{
	return adaptive_step(a, a->next_ns, error, measured);
}

static void above_the_target_it_halves_below_it_grows(void **unused)
{
	static const struct {
		uint64_t measured;
		unsigned int factor, changed;
	} steps[] = {
		{100, 1000, 0}, /* at the target is not above it */
		{101, 500, ADAPTIVE_FACTOR | ADAPTIVE_LEFT_MAX},
		{5000, 250, ADAPTIVE_FACTOR},
		{5000, 125, ADAPTIVE_FACTOR},
		{5000, 100, ADAPTIVE_FACTOR}, /* min */
		{5000, 100, 0},
		{0, 150, ADAPTIVE_FACTOR},
		{101, 100, ADAPTIVE_FACTOR},
	};
	struct adaptive a;

	(void)unused;
	adaptive_init(&a, &rule, 1000, START_NS);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		assert_int_equal(step(&a, 0, steps[i].measured), steps[i].changed);
		assert_int_equal(a.factor, steps[i].factor);
		assert_int_equal(a.measured, steps[i].measured);
	}
	for (unsigned int factor = 150; factor < 1000; factor += 50) {
		assert_int_equal(step(&a, 0, 0), ADAPTIVE_FACTOR);
		assert_int_equal(a.factor, factor);
	}
	assert_int_equal(step(&a, 0, 0), ADAPTIVE_FACTOR | ADAPTIVE_REACHED_MAX);
	assert_int_equal(step(&a, 0, 0), 0);
}

/* A load that is offered at full rate, of which the limit lets its factor pass: what is measured follows
 * the factor, and the factor saws around where it meets the target. */
static void it_oscillates_around_the_target_within_its_step(void **unused)
{
	unsigned int lowest = 1000, highest = 0, left_max = 0;
	struct adaptive a;

	(void)unused;
	adaptive_init(&a, &rule, 1000, START_NS);
	for (int i = 0; i < 1000; i++) {
		uint64_t measured = 200ULL * a.factor / 1000; /* 100 at a factor of 500 */
		unsigned int changed = step(&a, 0, measured);

		left_max += !!(changed & ADAPTIVE_LEFT_MAX);
		assert_false(changed & ADAPTIVE_REACHED_MAX);
		if (i < 20)
			continue;
		lowest = a.factor < lowest ? a.factor : lowest;
		highest = a.factor > highest ? a.factor : highest;
	}
	/* Never more than one increase above the target, which 504 still rounds down to; never below half
	 * of what is just above it. */
	assert_in_range(highest, 500, 554);
	assert_in_range(lowest, 252, 277);
	assert_int_equal(left_max, 1); /* one record, not a thousand */
}

static void what_cannot_be_measured_changes_nothing(void **unused)
{
	struct adaptive a;

	(void)unused;
	adaptive_init(&a, &rule, 400, START_NS);
	assert_int_equal(step(&a, -ENODATA, 0), 0); /* nothing yet is no loss */
	assert_false(a.measured_yet);
	assert_int_equal(step(&a, 0, 500), ADAPTIVE_FACTOR);
	assert_int_equal(step(&a, -ENODEV, 0), ADAPTIVE_LOST);
	assert_int_equal(step(&a, -ENODEV, 0), 0); /* said once */
	assert_int_equal(step(&a, -ENODATA, 0), 0);
	assert_int_equal(a.error, -ENODEV);
	assert_int_equal(a.factor, 200);
	assert_int_equal(a.measured, 500);
	assert_int_equal(step(&a, 0, 500), ADAPTIVE_FOUND | ADAPTIVE_FACTOR);
	assert_int_equal(a.error, 0);
	assert_int_equal(a.factor, 100);
}

static void it_steps_once_an_interval_however_late(void **unused)
{
	struct adaptive a;

	(void)unused;
	adaptive_init(&a, &rule, 1000, START_NS);
	assert_false(adaptive_is_due(&a, START_NS + NSEC_PER_SEC - 1));
	assert_true(adaptive_is_due(&a, START_NS + NSEC_PER_SEC));
	/* A little late: the pace stays. */
	adaptive_step(&a, START_NS + NSEC_PER_SEC + 300 * NSEC_PER_MSEC, 0, 0);
	assert_int_equal(a.next_ns, START_NS + 2 * NSEC_PER_SEC);
	/* An hour late: one step. */
	adaptive_step(&a, START_NS + 3600 * NSEC_PER_SEC, 0, 1000);
	assert_int_equal(a.factor, 500);
	assert_int_equal(a.next_ns, START_NS + 3601 * NSEC_PER_SEC);
}

static void a_factor_of_before_is_brought_within_the_limits_of_now(void **unused)
{
	struct adaptive a;

	(void)unused;
	adaptive_init(&a, &rule, 50, START_NS);
	assert_int_equal(a.factor, 100);
	adaptive_init(&a, &rule, 2000, START_NS);
	assert_int_equal(a.factor, 1000);
	adaptive_init(&a, &rule, 333, START_NS);
	assert_int_equal(a.factor, 333);
}

static void the_factor_is_read_back_from_the_word_in_the_kernel(void **unused)
{
	const struct weir_limit bucket = {.algorithm = WEIR_ALGORITHM_BUCKET, .interval = 256000};
	const struct weir_limit window = {.algorithm = WEIR_ALGORITHM_SLIDING, .burst = 100000};
	const struct weir_limit few = {.algorithm = WEIR_ALGORITHM_FIXED, .burst = 10};
	uint64_t word;

	(void)unused;
	for (unsigned int factor = rule.min; factor <= rule.max; factor++) {
		assert_int_equal(policy_scale(&bucket, factor, &word), 0);
		assert_int_equal(adaptive_factor_of(&rule, &bucket, word), factor);
		assert_int_equal(policy_scale(&window, factor, &word), 0);
		assert_int_equal(adaptive_factor_of(&rule, &window, word), factor);
	}
	/* 3 of 10 is what 300 to 399 make. */
	assert_int_equal(adaptive_factor_of(&rule, &few, 3), 399);
	assert_int_equal(adaptive_factor_of(&rule, &few, 0), 0);
	assert_int_equal(adaptive_factor_of(&rule, &bucket, 255999), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(above_the_target_it_halves_below_it_grows),
		cmocka_unit_test(it_oscillates_around_the_target_within_its_step),
		cmocka_unit_test(what_cannot_be_measured_changes_nothing),
		cmocka_unit_test(it_steps_once_an_interval_however_late),
		cmocka_unit_test(a_factor_of_before_is_brought_within_the_limits_of_now),
		cmocka_unit_test(the_factor_is_read_back_from_the_word_in_the_kernel),
	};

	return cmocka_run_group_tests_name("adaptive", tests, NULL, NULL);
}
