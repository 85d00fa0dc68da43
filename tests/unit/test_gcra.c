/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The datapath's bucket arithmetic on the host, against a reference that has 128 bits and so neither
 * wraps nor rounds. Random arrivals, from starting points around every wrap of the 64-bit clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <weir/vocabulary.h>

#include "../../bpf/lib/gcra.h"
#include "base/cleanup.h"

#define ARRIVALS 20000
#define SEED	 0x67637261ULL
#define SECOND	 (1000000000ULL << WEIR_TIME_SHIFT)
#define TICK	 (4000000ULL << WEIR_TIME_SHIFT)

typedef unsigned __int128 wide;

/* Rounded as the policy compiler does it. */
static struct weir_limit limit_of(uint64_t per_second, uint64_t burst, unsigned int shift)
{
	wide interval = (((wide)SECOND << shift) + per_second - 1) / per_second;
	struct weir_limit limit = {
		.interval = (uint64_t)interval,
		.burst = (uint64_t)((interval * burst + (1ULL << shift) - 1) >> shift),
		.shift = (uint8_t)shift,
		.unit = shift ? WEIR_UNIT_BYTES : WEIR_UNIT_PACKETS,
	};

	limit.precise = limit.burst < TICK;
	return limit;
}

static const struct {
	uint64_t per_second, burst;
	unsigned int shift;
} settings[] = {
	{1, 1, 0},	  {10, 20, 0},		 {1000, 1, 0},
	{99999, 400, 0},  {30000000, 100000, 0}, {100000000, 1, 0},
	{1024, 9216, 12}, {1000003, 65536, 12},	 {12500000000, 1250000000, 12},
};

/* Moments to start at, in bucket time: a fresh machine, and just before bit 63 and bit 64 turn. */
static const uint64_t starts[] = {SECOND, (1ULL << 63) - SECOND / 100, -(SECOND / 100)};

static uint64_t next_random(uint64_t *random, uint64_t below)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random % below;
}

static uint32_t next_units(uint64_t *random, const struct weir_limit *limit)
{
	return limit->unit == WEIR_UNIT_BYTES ? (uint32_t)(14 + next_random(random, 9000)) : 1;
}

/* Mostly about as fast as the limit allows, sometimes at once, sometimes after a long silence. */
static uint64_t next_step(uint64_t *random, const struct weir_limit *limit)
{
	uint64_t cost = gcra_cost(limit, limit->unit == WEIR_UNIT_BYTES ? 4500 : 1);

	switch (next_random(random, 16)) {
	case 0:
		return next_random(random, 2 * limit->burst + 1);
	case 1:
	case 2:
		return 0;
	default:
		return next_random(random, cost + 1);
	}
}

/* No stretch of time, whenever it begins, may see more than burst + rate * its length. With A the sum
 * of what was admitted so far, in scaled time: A(j) - t(j) - burst <= A(i) - t(i) for all i before j. */
struct windows {
	__int128 admitted;
	__int128 lowest;
	bool begun;
};

static void windows_add(struct windows *w, const struct weir_limit *limit, wide time,
			uint32_t units)
{
	__int128 at = (__int128)time << limit->shift;

	if (!w->begun || w->admitted - at < w->lowest)
		w->lowest = w->admitted - at;
	w->begun = true;
	w->admitted += (__int128)units * limit->interval;
	assert_true(w->admitted - at - ((__int128)limit->burst << limit->shift) <= w->lowest);
}

static void each_setting(void (*fn)(const struct weir_limit *limit, uint64_t start))
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		struct weir_limit limit =
			limit_of(settings[i].per_second, settings[i].burst, settings[i].shift);

		for (size_t j = 0; j < ARRAY_SIZE(starts); j++)
			fn(&limit, starts[j]);
	}
}

static void compare_with_reference(const struct weir_limit *limit, uint64_t start)
{
	uint64_t random = SEED, word = start;
	wide time = start, tat = start;

	for (unsigned int i = 0; i < ARRIVALS; i++) {
		uint32_t units = next_units(&random, limit);
		wide scale = (wide)1 << limit->shift;
		wide cost = ((wide)units * limit->interval + scale - 1) / scale;
		wide wanted = (tat > time ? tat : time) + cost;
		uint64_t next = gcra_next(word, (uint64_t)time, gcra_cost(limit, units));

		assert_true(next == (uint64_t)wanted);
		assert_int_equal(gcra_conforms(next, (uint64_t)time, limit),
				 wanted - time <= limit->burst);
		if (wanted - time <= limit->burst) {
			tat = wanted;
			word = next;
		}
		time += next_step(&random, limit);
	}
}

static void decisions_are_those_of_unbounded_arithmetic(void **state)
{
	(void)state;
	each_setting(compare_with_reference);
}

/* One packet as bpf/lib/limits.h charges it, by a clock that lags up to a tick behind. */
static bool charge(uint64_t *word, const struct weir_limit *limit, wide time, uint32_t units)
{
	uint64_t now = (uint64_t)(time - time % TICK), next;

	if (!*word || gcra_wants_exact_time(*word, limit, now, TICK))
		now = (uint64_t)time;
	next = gcra_next(*word ? *word : now, now, gcra_cost(limit, units));
	if (!gcra_conforms(next, now, limit))
		return false;
	*word = next;
	return true;
}

static void watch_windows(const struct weir_limit *limit, uint64_t start)
{
	uint64_t random = SEED, word = 0;
	struct windows windows = {0};
	wide time = start;

	for (unsigned int i = 0; i < ARRIVALS; i++) {
		uint32_t units = next_units(&random, limit);

		if (charge(&word, limit, time, units))
			windows_add(&windows, limit, time, units);
		time += next_step(&random, limit);
	}
}

static void no_window_admits_more_than_burst_and_rate(void **state)
{
	(void)state;
	each_setting(watch_windows);
}

/* Under constant overload the bucket is never idle, so all that may be missing at the end is what the
 * late clock still holds back: one tick, and the packet that did not fit. */
static void overload(const struct weir_limit *limit, uint64_t start)
{
	uint32_t units = limit->unit == WEIR_UNIT_BYTES ? 1500 : 1;
	uint64_t cost = gcra_cost(limit, units), word = 0, step = cost / 4 + 1;
	wide time = start, admitted = 0, lost = 0;

	if (limit->burst < cost + step)
		lost = step; /* a burst of one: from free to taken, a step passes each time */
	for (unsigned int i = 0; i < ARRIVALS; i++, time += step)
		admitted += charge(&word, limit, time, units);
	assert_true(admitted * (cost + lost) + cost + step + TICK >= time - start);
}

static void an_overloaded_limit_keeps_its_rate(void **state)
{
	(void)state;
	each_setting(overload);
}

/* The first of two charges is given back later. Then the bucket must not be emptier of charges than
 * if it had never been made, and where the bucket was busy all the time, exactly the same. */
static void give_back(const struct weir_limit *limit, uint64_t start)
{
	uint64_t random = SEED;

	for (unsigned int i = 0; i < ARRIVALS / 4; i++) {
		uint64_t cost = gcra_cost(limit, next_units(&random, limit));
		uint64_t time = start, back;
		uint64_t before = time + next_random(&random, 2 * cost) - cost;
		uint64_t charged = gcra_next(before, time, cost);
		uint64_t with = charged, without = before;
		unsigned int others = (unsigned int)next_random(&random, 4);

		while (others--) {
			uint64_t other = gcra_cost(limit, next_units(&random, limit));

			time += next_random(&random, cost);
			with = gcra_next(with, time, other);
			without = gcra_next(without, time, other);
		}
		time += next_random(&random, cost);
		back = gcra_refund(charged, cost, time);
		assert_true(back <= cost);
		/* A bucket that is idle by then is as good as one that is full now. */
		with = gcra_next(with - back, time, 0);
		without = gcra_next(without, time, 0);
		assert_true((int64_t)(with - without) >= 0);
		if ((int64_t)(before - time) >= 0)
			assert_true(with == without);
	}
}

static void a_refund_never_gives_more_than_was_taken(void **state)
{
	(void)state;
	each_setting(give_back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decisions_are_those_of_unbounded_arithmetic),
		cmocka_unit_test(no_window_admits_more_than_burst_and_rate),
		cmocka_unit_test(an_overloaded_limit_keeps_its_rate),
		cmocka_unit_test(a_refund_never_gives_more_than_was_taken),
	};

	return cmocka_run_group_tests_name("gcra", tests, NULL, NULL);
}
