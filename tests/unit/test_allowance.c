/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How many requests somebody may make: never more than burst + rate * t, and nobody pays for others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "identity/allowance.h"

#define T0 (1000 * NSEC_PER_SEC)

static const struct allowance_class ten = {1, "ten", 10, 20, 1}, other = {2, "other", 10, 20, 1};

static void test_a_burst_passes_at_once_and_then_the_rate(void **unused)
{
	struct allowance a = {0};
	unsigned int granted = 0;

	(void)unused;
	for (unsigned int i = 0; i < 100; i++)
		granted += allowance_ask(&a, &ten, 1000, T0).granted;
	assert_int_equal(granted, 20);
	for (unsigned int i = 0; i < 10000; i++) /* 10 s, a request per ms */
		granted += allowance_ask(&a, &ten, 1000, T0 + i * NSEC_PER_MSEC).granted;
	assert_in_range(granted, 20 + 98, 20 + 100);
}

static void test_a_rate_may_be_per_hour(void **unused)
{
	static const struct allowance_class hourly = {3, "hourly", 10, 10, 3600};
	struct allowance a = {0};
	unsigned int granted = 0;

	(void)unused;
	for (unsigned int i = 0; i < 100; i++)
		granted += allowance_ask(&a, &hourly, 1000, T0).granted;
	assert_int_equal(granted, 10);
	assert_int_equal(allowance_ask(&a, &hourly, 1000, T0).wait_ms, 360000);
	assert_false(allowance_ask(&a, &hourly, 1000, T0 + 359 * NSEC_PER_SEC).granted);
	assert_true(allowance_ask(&a, &hourly, 1000, T0 + 360 * NSEC_PER_SEC).granted);
}

static void test_the_answer_says_what_is_left_and_how_long_to_wait(void **unused)
{
	struct allowance a = {0};
	struct allowance_answer answer = allowance_ask(&a, &ten, 0, T0);

	(void)unused;
	assert_true(answer.granted);
	assert_int_equal(answer.left, 19);
	assert_int_equal(answer.refill_ms, 100);
	assert_int_equal(answer.wait_ms, 0);
	for (unsigned int i = 0; i < 20; i++)
		answer = allowance_ask(&a, &ten, 0, T0);
	assert_false(answer.granted);
	assert_int_equal(answer.left, 0);
	assert_int_equal(answer.wait_ms, 100);
	assert_false(allowance_ask(&a, &ten, 0, T0 + 99 * NSEC_PER_MSEC).granted);
	assert_true(allowance_ask(&a, &ten, 0, T0 + 100 * NSEC_PER_MSEC).granted);
}

static void test_one_user_does_not_pay_for_another(void **unused)
{
	struct allowance a = {0};

	(void)unused;
	for (unsigned int i = 0; i < 100; i++)
		allowance_ask(&a, &ten, 1000, T0);
	assert_true(allowance_ask(&a, &ten, 1001, T0).granted);
	assert_true(allowance_ask(&a, &ten, (uid_t)-1, T0).granted);
	assert_true(allowance_ask(&a, &other, 1000, T0).granted);
	assert_false(allowance_ask(&a, &ten, 1000, T0).granted);
}

static void test_with_more_users_than_room_the_new_ones_share_and_the_known_ones_keep(void **unused)
{
	struct allowance a = {0};
	unsigned int granted = 0;

	(void)unused;
	for (uid_t uid = 0; uid < ALLOWANCE_USERS_MAX; uid++)
		assert_true(allowance_ask(&a, &ten, uid, T0).granted);
	for (uid_t uid = 0; uid < 1000; uid++)
		granted += allowance_ask(&a, &ten, 100000 + uid, T0).granted;
	assert_int_equal(granted, 20);
	assert_int_equal(allowance_ask(&a, &ten, 7, T0).left, 18);
	/* Once the buckets are full again, there is room. */
	assert_int_equal(allowance_ask(&a, &ten, 100000, T0 + 10 * NSEC_PER_SEC).left, 19);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_burst_passes_at_once_and_then_the_rate),
		cmocka_unit_test(test_a_rate_may_be_per_hour),
		cmocka_unit_test(test_the_answer_says_what_is_left_and_how_long_to_wait),
		cmocka_unit_test(test_one_user_does_not_pay_for_another),
		cmocka_unit_test(
			test_with_more_users_than_room_the_new_ones_share_and_the_known_ones_keep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
