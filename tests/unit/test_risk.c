/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Risk: bounded, monotone in each input, halved each half-life, and no flood drives out who is worse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <weir/event.h>
#include <weir/vocabulary.h>

#include "base/clock.h"
#include "risk/sources.h"

#define T0 (1000 * NSEC_PER_SEC)

static uint32_t state = 1;

static uint32_t draw(uint32_t below)
{
	state = state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(state >> 8) * below >> 24);
}

static struct risk_inputs draw_inputs(void)
{
	return (struct risk_inputs){draw(101), draw(101), RISK_ASSET_MIN + draw(101),
				    30 + draw(121)};
}

static void assert_no_less(const struct risk_inputs *less, const struct risk_inputs *more)
{
	assert_true(risk_score(less) <= risk_score(more));
	assert_true(risk_score(more) <= RISK_SCORE_MAX);
}

static void test_a_score_grows_with_each_of_its_inputs(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < 100000; i++) {
		struct risk_inputs in = draw_inputs(), more = in;

		more.base++;
		assert_no_less(&in, &more);
		more = in;
		more.confidence++;
		assert_no_less(&in, &more);
		more = in;
		more.asset++;
		assert_no_less(&in, &more);
		more = in;
		more.reputation++;
		assert_no_less(&in, &more);
	}
	assert_int_equal(risk_score(&(struct risk_inputs){75, 90, 120, 100}), 81);
	assert_int_equal(risk_score(&(struct risk_inputs){95, 100, 150, 150}), 100);
	for (unsigned int severity = 2; severity <= 5; severity++)
		assert_true(risk_base(severity) > risk_base(severity - 1));
	assert_int_equal(risk_confidence(WEIR_REASON_BLOCKED), 100);
	assert_int_equal(risk_confidence(WEIR_REASON_IP4_LENGTH), 50);
}

static void test_points_are_halved_each_half_life_and_never_grow_with_time(void **unused)
{
	(void)unused;
	assert_int_equal(risk_decay(80000, 0), 80000);
	assert_int_equal(risk_decay(80000, RISK_STEPS), 40000);
	assert_int_equal(risk_decay(80000, 2 * RISK_STEPS), 20000);
	assert_int_equal(risk_decay(RISK_POINTS_MAX, UINT64_MAX), 0);
	for (unsigned int i = 0; i < 1000; i++) {
		uint32_t points = draw(RISK_POINTS_MAX + 1), steps = draw(2000);

		assert_true(risk_decay(points, steps + 1) <= risk_decay(points, steps));
		assert_true(risk_decay(points, steps) <= points);
		if (points < RISK_POINTS_MAX)
			assert_true(risk_decay(points, steps) <= risk_decay(points + 1, steps));
	}
}

static void test_points_stay_in_bounds_and_repeats_weigh_less(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < 100000; i++) {
		uint32_t points = draw(RISK_POINTS_MAX + 1), score = draw(101), repeat = draw(1000);
		uint32_t after = risk_add(points, score, repeat);

		assert_true(after >= points && after <= RISK_POINTS_MAX);
		assert_true(risk_add(points, score, repeat + 1) <= after);
		if (score < RISK_SCORE_MAX)
			assert_true(risk_add(points, score + 1, repeat) >= after);
		if (points < RISK_POINTS_MAX)
			assert_true(risk_add(points + 1, score, repeat) >= after);
	}
	assert_int_equal(risk_add(0, 50, 0), 50000);
	assert_int_equal(risk_add(50000, 50, 0), 75000);
	assert_int_equal(risk_add(50000, 50, 1), 62500);
	assert_int_equal(risk_add(RISK_POINTS_MAX, 100, UINT32_MAX), RISK_POINTS_MAX);
}

static void test_levels_begin_where_they_are_said_to(void **unused)
{
	(void)unused;
	assert_int_equal(risk_level_of(0), RISK_NONE);
	assert_int_equal(risk_level_of(24999), RISK_NONE);
	assert_int_equal(risk_level_of(25000), RISK_LOW);
	assert_int_equal(risk_level_of(50000), RISK_MEDIUM);
	assert_int_equal(risk_level_of(75000), RISK_HIGH);
	assert_int_equal(risk_level_of(90000), RISK_CRITICAL);
	assert_int_equal(risk_level_from_str("critical"), RISK_CRITICAL);
	assert_true(risk_level_from_str("grave") < 0);
}

static void source_of(uint32_t number, uint8_t ret[static 16])
{
	memset(ret, 0, 16);
	ret[10] = ret[11] = 0xff;
	for (unsigned int i = 0; i < 4; i++)
		ret[12 + i] = (uint8_t)(number >> (24 - 8 * i));
}

static struct risk_change hit(struct risk_sources *s, uint32_t source, unsigned int score,
			      uint64_t time_ns)
{
	uint8_t address[16];
	struct risk_change change;
	struct risk_event event = {.source = address,
				   .rule = risk_rule("over_packets", "dns"),
				   .score = score,
				   .packets = 10,
				   .time_ns = time_ns};

	source_of(source, address);
	risk_sources_add(s, &event, &change);
	return change;
}

static uint32_t points_of(struct risk_sources *s, uint32_t source, uint64_t time_ns)
{
	struct risk_source view;
	uint8_t address[16];

	source_of(source, address);
	return risk_sources_get(s, address, time_ns, &view) ? view.points : 0;
}

static void test_what_a_change_tells_is_enough_to_compute_it_again(void **unused)
{
	_cleanup_(risk_sources_freep) struct risk_sources *s = NULL;
	uint64_t now = T0;
	uint32_t last = 0;

	(void)unused;
	assert_int_equal(risk_sources_new(&s), 0);
	for (unsigned int i = 0; i < 2000; i++) {
		unsigned int score = draw(101);
		struct risk_change c = hit(s, 7, score, now);

		assert_int_equal(c.last, last);
		assert_int_equal(c.after, risk_add(risk_decay(c.last, c.steps), score, c.repeat));
		assert_int_equal(points_of(s, 7, now), c.after);
		last = c.after;
		now += draw(1000) * NSEC_PER_SEC;
	}
}

static void test_short_pauses_add_up_to_decay(void **unused)
{
	_cleanup_(risk_sources_freep) struct risk_sources *s = NULL;
	uint64_t steps = 0;

	(void)unused;
	assert_int_equal(risk_sources_new(&s), 0);
	hit(s, 1, 80, T0);
	for (unsigned int i = 1; i <= 720; i++)
		steps += hit(s, 1, 0, T0 + i * 5 * NSEC_PER_SEC).steps;
	assert_int_equal(steps, RISK_STEPS);
	assert_in_range(points_of(s, 1, T0 + 3600 * NSEC_PER_SEC), 39000, 40000);
}

static void test_a_clock_that_is_set_back_changes_no_points(void **unused)
{
	_cleanup_(risk_sources_freep) struct risk_sources *s = NULL;

	(void)unused;
	assert_int_equal(risk_sources_new(&s), 0);
	hit(s, 1, 80, 100 * T0);
	assert_int_equal(points_of(s, 1, T0), 80000);
	assert_int_equal(hit(s, 1, 0, T0).after, 80000);
	assert_int_equal(points_of(s, 1, T0 + RISK_HALF_LIFE_NS), 40000);
}

static void test_a_level_is_told_once_and_again_only_after_a_fall(void **unused)
{
	_cleanup_(risk_sources_freep) struct risk_sources *s = NULL;
	struct risk_change c;

	(void)unused;
	assert_int_equal(risk_sources_new(&s), 0);
	c = hit(s, 1, 51, T0);
	assert_true(c.rose && c.level == RISK_MEDIUM && c.from == RISK_NONE);
	/* A step later it is at 50.4, three later below 50: swaying is no news. */
	for (unsigned int i = 1; i < 10; i++)
		assert_false(hit(s, 1, 2, T0 + i * 4 * RISK_STEP_NS).rose);
	assert_true(hit(s, 1, 90, T0 + 110 * RISK_STEP_NS).rose);
	c = hit(s, 1, 60, T0 + 100 * RISK_HALF_LIFE_NS);
	assert_true(c.rose && c.repeat == 0 && c.from == RISK_NONE);
}

static void test_a_flood_of_sources_drives_out_none_that_is_worse(void **unused)
{
	_cleanup_(risk_sources_freep) struct risk_sources *s = NULL;
	struct risk_source worst[10];
	uint64_t counts[RISK_LEVEL_MAX], sum = 0;

	(void)unused;
	assert_int_equal(risk_sources_new(&s), 0);
	for (uint32_t i = 0; i < 10; i++)
		hit(s, i, 90 + i, T0);
	for (uint32_t i = 100; i < 1000000; i++)
		hit(s, i, 22, T0);
	risk_sources_count(s, T0, counts);
	for (enum risk_level i = 0; i < RISK_LEVEL_MAX; i++)
		sum += counts[i];
	assert_int_equal(sum, RISK_SOURCES_MAX);
	assert_int_equal(counts[RISK_CRITICAL], 10);
	assert_int_equal(risk_sources_list(s, T0, RISK_NONE, worst, 10), RISK_SOURCES_MAX);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(worst[i].source[15], 9 - i);
	assert_int_equal(risk_sources_list(s, T0, RISK_CRITICAL, worst, 0), 10);
}

static void test_what_was_recorded_is_taken_back(void **unused)
{
	_cleanup_(risk_sources_freep) struct risk_sources *s = NULL, *again = NULL;
	struct risk_change c, d;
	uint8_t address[16];
	struct risk_event event = {.source = address, .rule = risk_rule("over_packets", "dns")};

	(void)unused;
	assert_int_equal(risk_sources_new(&s), 0);
	assert_int_equal(risk_sources_new(&again), 0);
	hit(s, 3, 40, T0);
	c = hit(s, 3, 40, T0 + NSEC_PER_SEC);
	source_of(3, address);
	event.time_ns = T0 + NSEC_PER_SEC;
	risk_sources_restore(again, &event, c.after, c.repeat);
	c = hit(s, 3, 40, T0 + RISK_STEP_NS / 2);
	d = hit(again, 3, 40, T0 + RISK_STEP_NS / 2);
	assert_int_equal(c.after, d.after);
	assert_int_equal(c.repeat, d.repeat);
	assert_int_equal(d.repeat, 2);
	assert_false(d.rose);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_score_grows_with_each_of_its_inputs),
		cmocka_unit_test(test_points_are_halved_each_half_life_and_never_grow_with_time),
		cmocka_unit_test(test_points_stay_in_bounds_and_repeats_weigh_less),
		cmocka_unit_test(test_levels_begin_where_they_are_said_to),
		cmocka_unit_test(test_what_a_change_tells_is_enough_to_compute_it_again),
		cmocka_unit_test(test_short_pauses_add_up_to_decay),
		cmocka_unit_test(test_a_clock_that_is_set_back_changes_no_points),
		cmocka_unit_test(test_a_level_is_told_once_and_again_only_after_a_fall),
		cmocka_unit_test(test_a_flood_of_sources_drives_out_none_that_is_worse),
		cmocka_unit_test(test_what_was_recorded_is_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
