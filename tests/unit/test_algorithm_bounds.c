/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What limits promise, looked at from outside: how much passes in any stretch of time, on a clock
 * that lags behind up to a tick, and what giving back may undo.
 */
#include "test_algorithm.h"

#ifdef __SANITIZE_ADDRESS__
#define SEEDS 4
#define STEPS 5000
#else
#define SEEDS 20
#define STEPS 20000
#endif

/* One packet as the datapath charges it. */
static bool charge(uint64_t *word, const struct weir_limit *limit, model_time time, uint64_t units)
{
	uint64_t now = (uint64_t)(time - time % TICK);
	__u64 next;

	if (!*word || algorithm_wants_exact_time(limit, *word, now, (uint64_t)TICK))
		now = (uint64_t)time;
	if (!algorithm_next(limit, *word, now, units, &next))
		return false;
	*word = next;
	return true;
}

/* Steps of time that never go back. */
static model_time forward(uint64_t *random, const struct weir_limit *limit, uint64_t units)
{
	model_time step = random_step(random, limit, units);

	return step < 0 ? -step : step;
}

/* Whatever a clock that lags admits, an exact one does, and both leave the same behind. */
static void follow_with_model(const struct subject *s, uint64_t *random)
{
	const struct weir_limit *limit = &s->limit;
	model_time time = random_start(random, limit);
	uint64_t word = 0;
	struct model m;

	model_init(&m, limit);
	for (unsigned int i = 0; i < STEPS; i++) {
		uint64_t units = random_units(random, limit);

		if (charge(&word, limit, time, units)) {
			if (!model_offer(&m, time, units))
				fail_msg("%s: step %u is too much", s->text, i);
			assert_true(word == model_word(&m));
		}
		time += forward(random, limit, units);
	}
}

static void a_clock_that_lags_never_admits_more_than_an_exact_one(void **state)
{
	(void)state;
	each_edge(follow_with_model);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		for (unsigned int kind = BUCKET; kind <= SLIDING; kind++) {
			uint64_t random = seed * 0x9e3779b97f4a7c15ULL + kind;
			struct subject s = {0};

			random_subject(&s, (enum kind)kind, &random);
			follow_with_model(&s, &random);
		}
	}
}

/* A full count below a window's end makes its word look later than the end. */
static void near_its_end_a_window_wants_the_exact_time(void **state)
{
	struct subject s = {.text = "algorithm: fixed_window, rate: 100M/s"};
	uint64_t tick = (uint64_t)TICK, count, end;

	(void)state;
	assert_int_equal(subject_make(&s), 0);
	count = s.limit.burst - 1;
	end = (uint64_t)1 << 50;
	assert_true(algorithm_wants_exact_time(&s.limit, end + count, end + count - tick, tick));
	assert_true(algorithm_wants_exact_time(&s.limit, end + count, end - tick + 1, tick));
	assert_false(algorithm_wants_exact_time(&s.limit, end + count, end - tick, tick));
}

/* No stretch of time, whenever it begins, may see more than burst + rate * its length. With A the
 * sum of what was admitted so far, in scaled time: A(j) - t(j) - burst <= A(i) - t(i) for all i
 * before j. A leaky bucket's burst is whatever came last. */
static void watch_bucket(const struct subject *s, uint64_t *random)
{
	const struct weir_limit *limit = &s->limit;
	model_time time = random_start(random, limit), admitted = 0, lowest = 0;
	uint64_t word = 0;
	bool begun = false;

	for (unsigned int i = 0; i < STEPS && limit->algorithm == WEIR_ALGORITHM_BUCKET; i++) {
		uint64_t units = random_units(random, limit);
		model_time burst = (model_time)(limit->burst ?: bucket_cost(limit, units));
		wide at = (wide)time << limit->shift;

		if (charge(&word, limit, time, units)) {
			if (!begun || admitted - (model_time)at < lowest)
				lowest = admitted - (model_time)at;
			begun = true;
			admitted += (model_time)((wide)units * limit->interval);
			assert_true(admitted - (model_time)at - (burst << limit->shift) <= lowest);
		}
		time += forward(random, limit, units);
	}
}

static void no_stretch_of_time_sees_more_than_burst_and_rate(void **state)
{
	(void)state;
	each_edge(watch_bucket);
}

/* What windows admitted lately, to add up by hand. */
struct admission {
	model_time at;
	uint64_t units;
};

/* A stretch as long as a window lies within two of them. And with a clock that does not lag, a
 * sliding window never has more in it than its limit, the previous one's share counted in exact
 * fractions. */
static void watch_window(const struct subject *s, uint64_t *random)
{
	static struct admission past[STEPS];
	const struct weir_limit *limit = &s->limit;
	model_time time = random_start(random, limit);
	uint64_t word = 0, sum = 0;
	size_t first = 0, count = 0;

	for (unsigned int i = 0; i < STEPS && limit->algorithm != WEIR_ALGORITHM_BUCKET; i++) {
		uint64_t units = random_units(random, limit);

		if (charge(&word, limit, time, units)) {
			past[count++] = (struct admission){time, units};
			sum += units;
			while (time - past[first].at >= (model_time)limit->interval)
				sum -= past[first++].units;
			assert_true(sum <= (2 * limit->burst) << limit->shift);
		}
		time += forward(random, limit, units);
	}
}

static void a_window_s_length_sees_at_most_two_windows(void **state)
{
	(void)state;
	each_edge(watch_window);
}

/* All packets that one fixed window admits, from the first of them on. */
static void watch_fixed(const struct subject *s, uint64_t *random)
{
	const struct weir_limit *limit = &s->limit;
	model_time time = random_start(random, limit), begin = time;
	uint64_t word = 0, sum = 0;

	for (unsigned int i = 0; i < STEPS && limit->algorithm == WEIR_ALGORITHM_FIXED; i++) {
		uint64_t units = random_units(random, limit), before = word;

		if (charge(&word, limit, time, units)) {
			if (!before || (before ^ word) >> limit->count_bits) {
				assert_true(!before || time - begin >= (model_time)limit->interval);
				begin = time;
				sum = 0;
			}
			sum += units;
			assert_true(sum <= limit->burst << limit->shift);
		}
		time += forward(random, limit, units);
	}
}

static void a_fixed_window_never_admits_more_than_its_limit(void **state)
{
	(void)state;
	each_edge(watch_fixed);
}

static void watch_sliding(const struct subject *s, uint64_t *random)
{
	const struct weir_limit *limit = &s->limit;
	model_time time = random_start(random, limit);
	struct model m;

	model_init(&m, limit);
	for (unsigned int i = 0; i < STEPS && limit->algorithm == WEIR_ALGORITHM_SLIDING; i++) {
		uint64_t units = random_units(random, limit), parts, before;
		uint64_t steps = algorithm_round_up(units, limit->shift);
		bool admitted;

		before = (uint64_t)(model_sliding_parts(&m, time, &parts) / limit->interval);
		admitted = model_offer(&m, time, units);
		if (admitted)
			assert_true(model_sliding_parts(&m, time, &parts) <=
				    (wide)limit->burst * parts);
		/* Nor much less: the word's rounding costs 1/256 of the previous window and a step
		 * of its time at most. */
		else if (before + steps + limit->burst / 128 + 2 < limit->burst)
			fail_msg("%s: refused at %llu of %llu", s->text, (unsigned long long)before,
				 (unsigned long long)limit->burst);
		time += forward(random, limit, units);
	}
}

static void a_sliding_window_admits_its_limit_by_weight(void **state)
{
	(void)state;
	each_edge(watch_sliding);
}

/* Under constant overload a bucket is never idle, so all that may be missing at the end is what the
 * late clock still holds back: one tick, and the packet that did not fit. */
static void overload(const struct subject *s, uint64_t *random)
{
	const struct weir_limit *limit = &s->limit;
	uint32_t length = limit->unit == WEIR_UNIT_BYTES ? 1500 : 0;
	uint64_t units = algorithm_units(limit, WEIR_CLASS_OTHER, length);
	uint64_t cost = bucket_cost(limit, units), word = 0, step = cost / 4 + 1;
	model_time time = random_start(random, limit), start = time, admitted = 0, lost = 0;

	if (limit->algorithm != WEIR_ALGORITHM_BUCKET)
		return;
	if (limit->burst < cost + step)
		lost = (model_time)step; /* from free to taken, a step passes each time */
	for (unsigned int i = 0; i < STEPS; i++, time += (model_time)step)
		admitted += charge(&word, limit, time, units);
	assert_true(admitted * ((model_time)cost + lost) + (model_time)(cost + step) + TICK >=
		    time - start);
}

static void an_overloaded_bucket_keeps_its_rate(void **state)
{
	(void)state;
	each_edge(overload);
}

/* The first of several charges is given back later. Then the state must not be emptier of charges
 * than if it had never been made; and where it was busy all the time, exactly the same. */
static void give_back(const struct subject *s, uint64_t *random)
{
	const struct weir_limit *limit = &s->limit;
	bool bucket = limit->algorithm == WEIR_ALGORITHM_BUCKET;

	for (unsigned int i = 0; i < STEPS / 8; i++) {
		uint64_t units = random_units(random, limit), cost = duration_of(limit, units);
		uint64_t time = (uint64_t)random_start(random, limit), back, before;
		__u64 with, without, charged;

		if (!algorithm_next(limit, 0, time, 1, &without))
			continue;
		before = without;
		time += next_random(random, cost + 1);
		if (!algorithm_next(limit, without, time, units, &charged))
			continue;
		with = charged;
		for (uint64_t others = next_random(random, 4); others; others--) {
			uint64_t other = random_units(random, limit);
			__u64 next_with, next_without;

			time += next_random(random, cost + 1);
			if (!algorithm_next(limit, with, time, other, &next_with) ||
			    !algorithm_next(limit, without, time, other, &next_without))
				continue;
			with = next_with;
			without = next_without;
		}
		back = algorithm_refund(limit, charged, with, time, units);
		assert_true(back <= (bucket ? cost : algorithm_round_up(units, limit->shift)));
		with -= back;
		if (algorithm_is_idle(without, time))
			continue;
		assert_true((int64_t)(with - without) >= 0);
		if (bucket ? (int64_t)(before - time) >= 0
			   : !((without ^ charged) >> limit->count_bits))
			assert_true(with == without);
	}
}

static void a_refund_never_gives_more_than_was_taken(void **state)
{
	(void)state;
	each_edge(give_back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clock_that_lags_never_admits_more_than_an_exact_one),
		cmocka_unit_test(near_its_end_a_window_wants_the_exact_time),
		cmocka_unit_test(no_stretch_of_time_sees_more_than_burst_and_rate),
		cmocka_unit_test(a_window_s_length_sees_at_most_two_windows),
		cmocka_unit_test(a_fixed_window_never_admits_more_than_its_limit),
		cmocka_unit_test(a_sliding_window_admits_its_limit_by_weight),
		cmocka_unit_test(an_overloaded_bucket_keeps_its_rate),
		cmocka_unit_test(a_refund_never_gives_more_than_was_taken),
	};

	return cmocka_run_group_tests_name("algorithm_bounds", tests, NULL, NULL);
}
