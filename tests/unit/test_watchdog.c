/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The watchdog's arithmetic, on clocks and sums that no kernel would give: tests/bpf/test_watchdog.c has the
 * ordinary ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <weir/watchdog.h>

#define SECOND WEIR_NSEC_PER_SEC

static struct weir_watchdog w;
static struct weir_watchdog_look look;

static int set_up(void **state)
{
	(void)state;
	w = (struct weir_watchdog){.enabled = 1,
				   .drop_permille = 900,
				   .hold_ns = 2 * SECOND,
				   .recover_ns = 3 * SECOND,
				   .minimum = 1000};
	look = (struct weir_watchdog_look){.now_ns = 5 * SECOND, .generation = 1};
	weir_watchdog_step(&w, &look);
	return 0;
}

static uint32_t after(uint64_t ns, uint64_t examined, uint64_t refused)
{
	look.now_ns += ns;
	look.examined += examined;
	look.refused += refused;
	return weir_watchdog_step(&w, &look);
}

static void the_share_itself_is_too_much_and_a_packet_less_is_not(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(after(SECOND, 10000, 8999), WEIR_WATCHDOG_NONE);
	assert_int_equal(after(SECOND, 10000, 9000), WEIR_WATCHDOG_NONE);
	assert_int_equal(after(SECOND, 10000, 9000), WEIR_WATCHDOG_TRIPPED);
}

static void the_minimum_is_of_a_second_however_late_the_timer_is(void **state)
{
	(void)state;
	assert_int_equal(after(4 * SECOND, 3999, 3999), WEIR_WATCHDOG_NONE);
	assert_int_equal(w.since_ns, 0);
	assert_int_equal(after(4 * SECOND, 4000, 4000), WEIR_WATCHDOG_TRIPPED);
}

static void what_holds_for_the_whole_time_counts_from_its_beginning(void **state)
{
	(void)state;
	assert_int_equal(after(2 * SECOND - 1, 1000000, 1000000), WEIR_WATCHDOG_NONE);
	assert_int_equal(after(1, 1000000, 1000000), WEIR_WATCHDOG_TRIPPED);
}

static void without_packets_it_recovers(void **state)
{
	(void)state;
	after(2 * SECOND, 10000, 10000);
	assert_true(w.tripped);
	assert_int_equal(after(SECOND, 0, 0), WEIR_WATCHDOG_NONE);
	assert_int_equal(after(SECOND, 0, 0), WEIR_WATCHDOG_NONE);
	assert_int_equal(after(SECOND, 0, 0), WEIR_WATCHDOG_RECOVERED);
	assert_int_equal(w.noted, 2);
}

static void sums_and_clocks_that_go_back_are_not_judged(void **state)
{
	(void)state;
	after(SECOND, 10000, 10000);
	look.examined = 5;
	look.refused = 5;
	assert_int_equal(after(SECOND, 0, 0), WEIR_WATCHDOG_NONE);
	look.now_ns -= 3 * SECOND;
	assert_int_equal(after(0, 10000, 10000), WEIR_WATCHDOG_NONE);
	look.generation++;
	assert_int_equal(after(SECOND, 10000, 10000), WEIR_WATCHDOG_NONE);
	assert_false(w.tripped);
}

static void a_hundred_million_a_second_overflow_nothing(void **state)
{
	(void)state;
	w.minimum = 100000000;
	assert_int_equal(after(SECOND, 100000000, 100000000), WEIR_WATCHDOG_NONE);
	assert_int_equal(after(SECOND, 100000000, 100000000), WEIR_WATCHDOG_TRIPPED);
	/* After an hour without a look. */
	set_up(NULL);
	w.minimum = 1000;
	assert_int_equal(after(3600 * SECOND, 3600000, 3600000), WEIR_WATCHDOG_TRIPPED);
}

static void notes_are_numbered_and_the_oldest_go(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < WEIR_WATCHDOG_NOTES; i++) {
		assert_int_equal(after(2 * SECOND, 10000, 10000), WEIR_WATCHDOG_TRIPPED);
		assert_int_equal(after(3 * SECOND, 0, 0), WEIR_WATCHDOG_RECOVERED);
	}
	assert_int_equal(w.noted, 2 * WEIR_WATCHDOG_NOTES);
	assert_int_equal(w.notes[WEIR_WATCHDOG_NOTES - 1].at_ns, look.now_ns);
	assert_int_equal(w.notes[WEIR_WATCHDOG_NOTES - 1].event, WEIR_WATCHDOG_RECOVERED);
}

#define WATCHDOG_TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WATCHDOG_TEST(the_share_itself_is_too_much_and_a_packet_less_is_not),
		WATCHDOG_TEST(the_minimum_is_of_a_second_however_late_the_timer_is),
		WATCHDOG_TEST(what_holds_for_the_whole_time_counts_from_its_beginning),
		WATCHDOG_TEST(without_packets_it_recovers),
		WATCHDOG_TEST(sums_and_clocks_that_go_back_are_not_judged),
		WATCHDOG_TEST(a_hundred_million_a_second_overflow_nothing),
		WATCHDOG_TEST(notes_are_numbered_and_the_oldest_go),
	};

	return cmocka_run_group_tests_name("watchdog arithmetic", tests, NULL, NULL);
}
