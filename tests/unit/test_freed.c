/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A place of the table of list entries is not given away while packets may look at what was there; others are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "datapath/freed.h"

static void a_place_that_was_freed_waits_for_its_packets_and_no_other_does(void **state)
{
	struct freed f = {0};

	(void)state;
	freed_add(&f, 7);
	freed_begun(&f, 1);
	freed_add(&f, 8);
	freed_begun(&f, 2);
	assert_int_equal(freed_ticket(&f, 7, 0), 1);
	assert_int_equal(freed_ticket(&f, 8, 0), 2);
	assert_int_equal(freed_ticket(&f, 9, 0), 0);
	assert_int_equal(freed_ticket(&f, 7, 1), 0);
	assert_int_equal(freed_ticket(&f, 8, 1), 2);
	assert_int_equal(freed_ticket(&f, 8, 2), 0);
	assert_int_equal(f.count, 0);
}

static void a_place_that_is_freed_again_waits_for_the_later_packets(void **state)
{
	struct freed f = {0};

	(void)state;
	for (uint64_t ticket = 1; ticket <= 3; ticket++) {
		freed_add(&f, 7);
		freed_begun(&f, ticket);
	}
	assert_int_equal(freed_ticket(&f, 7, 2), 3);
	assert_int_equal(f.last, 3);
}

static void of_more_than_are_told_apart_all_places_wait(void **state)
{
	struct freed f = {0};

	(void)state;
	for (uint32_t place = 0; place < FREED_MAX; place++)
		freed_add(&f, place);
	freed_begun(&f, 1);
	assert_int_equal(freed_ticket(&f, FREED_MAX, 0), 0);
	freed_add(&f, FREED_MAX);
	freed_begun(&f, 2);
	assert_int_equal(freed_ticket(&f, FREED_MAX, 1), 2);
	assert_int_equal(freed_ticket(&f, 0, 1), 2);
	assert_int_equal(freed_ticket(&f, 12345, 1), 2);
	assert_int_equal(freed_ticket(&f, 12345, 2), 0);
}

static void after_a_start_all_places_wait_for_the_packets_of_before(void **state)
{
	struct freed f = {0};

	(void)state;
	freed_reset(&f, 1);
	assert_int_equal(freed_ticket(&f, 5, 0), 1);
	freed_add(&f, 5);
	freed_begun(&f, 2);
	assert_int_equal(freed_ticket(&f, 5, 1), 2);
	assert_int_equal(freed_ticket(&f, 6, 1), 0);
	freed_reset(&f, 0);
	assert_int_equal(freed_ticket(&f, 5, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_place_that_was_freed_waits_for_its_packets_and_no_other_does),
		cmocka_unit_test(a_place_that_is_freed_again_waits_for_the_later_packets),
		cmocka_unit_test(of_more_than_are_told_apart_all_places_wait),
		cmocka_unit_test(after_a_start_all_places_wait_for_the_packets_of_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
