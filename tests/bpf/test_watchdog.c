/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The watchdog in the kernel: real packets through the real program, looks at times of the tests' own; and
 * once the timer itself, whose clock nobody can set. The arithmetic alone is tests/unit/test_watchdog.c's.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "datapath/panic.h"
#include "datapath/watchdog.h"

#define LIMIT(settings) RUNNER_UNLIMITED "limits:\n  - {name: a, " settings "}\n"
#define TIGHT		LIMIT("scope: source, rate: 1/h, burst: 1")
#define SECOND		WEIR_NSEC_PER_SEC

static uint64_t now_ns;

/* Orders as watchdog_set() gives them, but the timer is not started. */
static void begin(uint32_t permille, uint64_t hold, uint64_t recover, uint64_t minimum)
{
	struct weir_watchdog *w;
	struct fault f = {0};

	if (watchdog_prepare(runner.datapath, true, &f) < 0)
		fail_msg("%s: %s", f.code, f.text);
	w = watchdog_state(runner.datapath);
	w->drop_permille = permille;
	w->hold_ns = hold * SECOND;
	w->recover_ns = recover * SECOND;
	w->minimum = minimum;
	w->enabled = 1;
	now_ns = 1000 * SECOND;
	assert_int_equal(watchdog_look(runner.datapath, now_ns), 0);
}

static void send_many(const char *from, unsigned int packets)
{
	struct packets_frame frame;

	packets_build(LAYERS(IP4(.from = from), UDP()), &frame);
	while (packets--)
		assert_true(runner_run(&runner, frame.data, frame.length, 0) >= 0);
}

static bool is_tripped(void)
{
	const struct weir_live *live = datapath_live(runner.datapath);
	const struct weir_watchdog *w = watchdog_state(runner.datapath);

	assert_int_equal(live->watchdog, w->tripped ? WEIR_OVERRIDE(WEIR_MODE_MONITOR) : 0);
	return w->tripped;
}

/* A second in which so many packets come; whether the watchdog has the mode at monitor after it. */
static bool second(const char *from, unsigned int packets)
{
	send_many(from, packets);
	now_ns += SECOND;
	assert_int_equal(watchdog_look(runner.datapath, now_ns), 0);
	return is_tripped();
}

static unsigned int verdict_of(const char *from)
{
	unsigned int verdict, reason;
	struct packets_frame frame;

	packets_build(LAYERS(IP4(.from = from), UDP()), &frame);
	runner_count_from_here(&runner);
	runner_run(&runner, frame.data, frame.length, 0);
	runner_counted(&runner, frame.length, &verdict, &reason);
	return verdict;
}

static void too_many_refused_for_too_long_make_it_monitor_until_they_are_few(void **state)
{
	const struct weir_watchdog *w;

	(void)state;
	runner_policy(&runner, TIGHT);
	begin(950, 3, 4, 100);
	assert_false(second("192.0.2.1", 200));
	assert_false(second("192.0.2.1", 200));
	assert_int_equal(verdict_of("192.0.2.1"), WEIR_VERDICT_DROP);
	assert_true(second("192.0.2.1", 200));
	assert_int_equal(verdict_of("192.0.2.1"), WEIR_VERDICT_WOULD_DROP);
	/* What would be dropped is as much as before: it stays. */
	for (unsigned int i = 0; i < 20; i++)
		assert_true(second("192.0.2.1", 200));
	for (unsigned int i = 0; i < 3; i++)
		assert_true(second("192.0.2.1", 1));
	assert_false(second("192.0.2.1", 1));
	assert_int_equal(verdict_of("192.0.2.1"), WEIR_VERDICT_DROP);

	w = watchdog_state(runner.datapath);
	assert_int_equal(w->noted, 2);
	assert_int_equal(w->notes[0].event, WEIR_WATCHDOG_TRIPPED);
	assert_int_equal(w->notes[0].at_ns, 1003 * SECOND);
	assert_in_range(w->notes[0].examined, 200, 201);
	assert_in_range(w->notes[0].refused, 200, 201);
	assert_int_equal(w->notes[0].generation, datapath_generation(runner.datapath));
	assert_int_equal(w->notes[1].event, WEIR_WATCHDOG_RECOVERED);
}

static void a_second_below_the_cap_begins_the_wait_anew(void **state)
{
	(void)state;
	runner_policy(&runner, TIGHT);
	begin(950, 3, 4, 100);
	assert_false(second("192.0.2.1", 200));
	assert_false(second("192.0.2.1", 200));
	assert_false(second("192.0.2.1", 99)); /* fewer than the minimum */
	assert_false(second("192.0.2.1", 200));
	assert_false(second("192.0.2.1", 200));
	assert_true(second("192.0.2.1", 200));
}

static void what_the_block_list_and_the_parser_drop_is_no_reason(void **state)
{
	struct packets_frame frame;

	(void)state;
	runner_policy(&runner, TIGHT);
	runner_list(&runner, LIST_BLOCK, "198.51.100.0/24", WEIR_FOREVER);
	begin(500, 1, 1, 10);
	assert_false(second("198.51.100.1", 500));
	packets_build(LAYERS(IP4(.from = "192.0.2.77"), UDP()), &frame);
	for (unsigned int i = 0; i < 500; i++)
		runner_run(&runner, frame.data, 20, 0); /* cut off in the IP header */
	assert_false(second("198.51.100.1", 500));
	/* And they do not hide what limits do, either. */
	send_many("198.51.100.1", 500);
	assert_true(second("192.0.2.1", 50));
}

static void limits_that_are_not_there_to_drop_are_no_reason(void **state)
{
	(void)state;
	runner_policy(&runner, LIMIT("scope: source, rate: 1/h, burst: 1, shadow: true"));
	begin(500, 1, 1, 10);
	assert_false(second("192.0.2.1", 100));
	assert_false(second("192.0.2.1", 100));
	runner_policy(&runner, LIMIT("scope: source, rate: 1/h, burst: 1, action: monitor"));
	assert_false(second("192.0.2.2", 100));
	assert_false(second("192.0.2.2", 100));
	assert_false(second("192.0.2.2", 100));
	runner_policy(&runner, LIMIT("scope: source, rate: 1/h, burst: 1, action: {mark: af11}"));
	assert_false(second("192.0.2.3", 100));
	assert_false(second("192.0.2.3", 100));
	assert_false(second("192.0.2.3", 100));
}

static void a_new_policy_is_judged_from_its_own_first_second(void **state)
{
	(void)state;
	runner_policy(&runner, TIGHT);
	begin(500, 1, 2, 10);
	send_many("192.0.2.1", 100);
	runner_policy(&runner, LIMIT("scope: source, rate: 1/h, burst: 2"));
	assert_false(second("192.0.2.1", 100));
	assert_true(second("192.0.2.1", 100));
	/* A policy that mends it is in force again once it has shown that it does. */
	runner_policy(&runner, RUNNER_UNLIMITED);
	assert_true(second("192.0.2.1", 100));
	assert_true(second("192.0.2.1", 100));
	assert_false(second("192.0.2.1", 100));
}

static void an_operators_word_goes_first(void **state)
{
	const struct panic_request enforce = {.mode = WEIR_MODE_ENFORCE},
				   clear = {.mode = PANIC_NONE};

	(void)state;
	runner_policy(&runner, TIGHT);
	begin(500, 1, 2, 10);
	panic_set(runner.datapath, &enforce);
	assert_false(second("192.0.2.1", 100));
	assert_false(second("192.0.2.1", 100));
	panic_set(runner.datapath, &clear);
	assert_true(second("192.0.2.1", 100));
	assert_int_equal(verdict_of("192.0.2.1"), WEIR_VERDICT_WOULD_DROP);
	panic_set(runner.datapath, &enforce);
	assert_int_equal(verdict_of("192.0.2.1"), WEIR_VERDICT_DROP);
}

static void a_policy_that_enforces_nothing_cannot_trip_it(void **state)
{
	(void)state;
	runner_policy(&runner, "apiVersion: weir/v1\nmode: monitor\n"
			       "limits: [{name: a, scope: source, rate: 1/h, burst: 1}]\n");
	begin(500, 1, 2, 10);
	assert_false(second("192.0.2.1", 100));
	assert_false(second("192.0.2.1", 100));
}

static void switched_off_it_leaves_nothing_behind(void **state)
{
	struct fault f = {0};

	(void)state;
	runner_policy(&runner, TIGHT);
	begin(500, 1, 100, 10);
	assert_true(second("192.0.2.1", 100));
	assert_int_equal(watchdog_set(runner.datapath, NULL, &f), 0);
	assert_false(is_tripped());
	assert_int_equal(verdict_of("192.0.2.1"), WEIR_VERDICT_DROP);
}

static void wait_until(uint32_t tripped, const char *words)
{
	const struct weir_watchdog *w = watchdog_state(runner.datapath);
	const struct timespec pause = {.tv_nsec = 10000000};

	/* Emulated machines are slow: what is asked is that it happens, not when. */
	for (unsigned int i = 0; i < 6000; i++) {
		if (__atomic_load_n(&w->tripped, __ATOMIC_ACQUIRE) == tripped)
			return;
		if (tripped)
			send_many("192.0.2.1", 100);
		nanosleep(&pause, NULL);
	}
	fail_msg("%s", words);
}

static void the_timer_looks_by_itself_also_after_its_daemon_is_gone(void **state)
{
	const struct watchdog_rule rule = {
		.drop_permille = 500, .hold_ns = 1, .recover_ns = 1, .minimum = 1};
	struct fault f = {0};

	(void)state;
	runner_policy(&runner, TIGHT);
	assert_int_equal(watchdog_prepare(runner.datapath, true, &f), 0);
	assert_int_equal(watchdog_set(runner.datapath, &rule, &f), 0);
	wait_until(1, "it does not trip");
	/* Nobody has its program now but the timer, and the timer is held by a pin. */
	runner_reopen(&runner);
	assert_null(watchdog_state(runner.datapath));
	assert_int_equal(watchdog_prepare(runner.datapath, false, &f), 0);
	assert_int_equal(watchdog_state(runner.datapath)->enabled, 1);
	wait_until(0, "it does not recover without a daemon");
	assert_int_equal(watchdog_state(runner.datapath)->noted, 2);
	/* The next daemon's program takes the timer over. */
	runner_policy(&runner, TIGHT);
	assert_int_equal(watchdog_set(runner.datapath, &rule, &f), 0);
	wait_until(1, "it does not trip any more");
}

#define WATCHDOG_TEST(name) cmocka_unit_test_setup_teardown(name, open_runner, close_runner)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WATCHDOG_TEST(too_many_refused_for_too_long_make_it_monitor_until_they_are_few),
		WATCHDOG_TEST(a_second_below_the_cap_begins_the_wait_anew),
		WATCHDOG_TEST(what_the_block_list_and_the_parser_drop_is_no_reason),
		WATCHDOG_TEST(limits_that_are_not_there_to_drop_are_no_reason),
		WATCHDOG_TEST(a_new_policy_is_judged_from_its_own_first_second),
		WATCHDOG_TEST(an_operators_word_goes_first),
		WATCHDOG_TEST(a_policy_that_enforces_nothing_cannot_trip_it),
		WATCHDOG_TEST(switched_off_it_leaves_nothing_behind),
		WATCHDOG_TEST(the_timer_looks_by_itself_also_after_its_daemon_is_gone),
	};

	return runner_run_group("watchdog", tests, NULL, NULL);
}
