/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a limit's word means and how a packet changes it. Pure: the caller brings word and clock, so
 * the tests and the reference model's opponents run these very lines. All algorithms have in common
 *
 *   - a word is a moment in time (1/256 ns) with some bits of count below it; at that moment the
 *     state is as if there had never been any, so whoever finds `word <= now` may forget it, without
 *     knowing the algorithm. 0 stands for never used;
 *   - times are compared as differences, so the wrap after 2.3 years is harmless;
 *   - charging only ever moves the word up, and by nothing but what was charged;
 *   - no division.
 *
 * Bucket (token bucket and leaky bucket): the generic cell rate algorithm (ITU-T I.371, virtual
 * scheduling form). The word is the theoretical arrival time (TAT), the moment the bucket is full again.
 * A leaky bucket has a burst of 0: whoever comes must find it at rest, and may then be of any size.
 *
 * Fixed window: it begins with the first packet after an idle time. The word is its end, rounded up to
 * 2^count_bits, and below that the units used.
 *
 * Sliding window: two windows, of which the previous one counts for as much as it still overlaps the
 * `interval` before now. The word is the end of the window after the current one, below it
 * previous_bits with the previous window's units (in steps of 2^previous_shift, rounded up), and below
 * those the current one's.
 *
 * Quota: periods of the calendar, which userspace tells ahead, so that the turn needs nobody. The word's
 * lowest QUOTA_COUNT_BITS are the units used, above them are 8 bits of the period's number, and above
 * those the moment to forget it at: one period after its end, so that a clock that is set back finds
 * what was used. A period that begins, and only that, begins at 0 units: the number tells, and a
 * lower one is none that begins. Where no more are told, QUOTA_LENGTHS more follow, each of `length`, the
 * longest that one can be; then each lasts from its first packet until what it used is forgotten.
 *
 * Two clocks, and why the result is still exact. The coarse clock (up to one policy tick behind, which
 * is two of the kernel's: bpf/lib/clock.h) suffices for a word that stays busy beyond the tick: the packet's cost is added whatever the
 * time is, and refusing by a time in the past only errs towards refusing, by at most one tick. But
 * where a bucket may be idle or a window may have ended, the new word is taken from the clock, and a
 * late clock would give away up to rate * tick: algorithm_wants_exact_time() says so.
 */
#ifndef WEIR_ALGORITHM_H
#define WEIR_ALGORITHM_H

#include <weir/policy.h>
#include <weir/vocabulary.h>

#define algorithm_inline static inline __attribute__((always_inline))

/** What is at @word has passed at @time: it may be forgotten. */
algorithm_inline int algorithm_is_idle(__u64 word, __u64 time)
{
	return !word || (__s64)(word - time) <= 0;
}

algorithm_inline __u64 algorithm_round_up(__u64 value, __u8 bits)
{
	return (value + (1ULL << bits) - 1) >> bits;
}

/** Time that @units take to leak out of a bucket. Rounded up: never too cheap. */
algorithm_inline __u64 bucket_cost(const struct weir_limit *limit, __u64 units)
{
	return algorithm_round_up(units * limit->interval, limit->shift & 31);
}

/** As algorithm_next(). */
algorithm_inline int bucket_next(const struct weir_limit *limit, __u64 word, __u64 time,
				 __u64 units, __u64 *ret_next)
{
	__u64 cost = bucket_cost(limit, units);
	__u64 next = ((__s64)(word - time) > 0 ? word : time) + cost;

	*ret_next = next + !next; /* on its way round, a full bucket must not look like a new one */
	return (__s64)(next - time) <= (__s64)(limit->burst ? limit->burst : cost);
}

algorithm_inline int fixed_next(const struct weir_limit *limit, __u64 word, __u64 time, __u64 units,
				__u64 *ret_next)
{
	__u8 bits = limit->count_bits & 63;
	__u64 count_mask = (1ULL << bits) - 1;
	__u64 used = algorithm_round_up(units, limit->shift & 31) + (word & count_mask);
	__u64 end = word & ~count_mask;

	if ((__s64)(end - time) <= 0) {
		used -= word & count_mask;
		end = algorithm_round_up(time + limit->interval, bits) << bits;
	}
	*ret_next = end + used;
	return used <= limit->burst;
}

algorithm_inline int sliding_next(const struct weir_limit *limit, __u64 word, __u64 time,
				  __u64 units, __u64 *ret_next)
{
	__u8 bits = limit->count_bits & 63, current_bits = (bits - limit->previous_bits) & 63;
	__u64 current_mask = (1ULL << current_bits) - 1;
	__u64 used = word & current_mask;
	__u64 previous = (word & ((1ULL << bits) - 1)) >> current_bits;
	__u64 end = (word >> bits << bits) - limit->interval;
	__u64 left, overlap;

	if ((__s64)(end + limit->interval - time) <= 0) { /* both windows are over */
		end = algorithm_round_up(time + limit->interval, bits) << bits;
		used = previous = 0;
	} else if ((__s64)(end - time) <= 0) {
		end += limit->interval;
		previous = algorithm_round_up(used, limit->previous_shift & 63);
		used = 0;
	}
	used += algorithm_round_up(units, limit->shift & 31);
	left = ((end - time) >> (limit->elapsed_shift & 63)) + 1;
	overlap = (previous * left * limit->weight + (1ULL << (limit->weight_shift & 63)) - 1) >>
		  (limit->weight_shift & 63);
	*ret_next = end + limit->interval + (previous << current_bits) + used;
	return used + overlap <= limit->burst;
}

#define QUOTA_COUNT_BITS  44 /* 17 T units */
#define QUOTA_NUMBER_BITS 8
#define QUOTA_BITS	  (QUOTA_COUNT_BITS + QUOTA_NUMBER_BITS)
#define QUOTA_LENGTHS	  32 /* periods that follow by length */

/** The period at @time, as WEIR_PERIOD() has it. */
algorithm_inline __u64 quota_period(const struct weir_limit *limit, __u64 time)
{
	__u64 period = *(const volatile __u64 *)&limit->interval;

	if ((__s64)(WEIR_PERIOD_END(period) - time) > 0)
		return period;
	period = *(const volatile __u64 *)&limit->next;
	for (int i = 0; i < QUOTA_LENGTHS && (__s64)(WEIR_PERIOD_END(period) - time) <= 0; i++)
		period = WEIR_PERIOD_END(period + limit->length) | WEIR_PERIOD_NUMBER(period + 1);
	return period;
}

/** The units in @word of the period of @number: 0, if it is of one before. */
algorithm_inline __u64 quota_used(__u64 word, __u64 time, __u8 number)
{
	__u8 later = (__u8)(number - (__u8)(word >> QUOTA_COUNT_BITS));

	if (algorithm_is_idle(word, time) || (later && later < 128))
		return 0;
	return word & ((1ULL << QUOTA_COUNT_BITS) - 1);
}

/** What charging @units at @time would make of a quota's @word. */
algorithm_inline __u64 quota_charged(const struct weir_limit *limit, __u64 word, __u64 time,
				     __u64 units)
{
	__u64 period = quota_period(limit, time), end = WEIR_PERIOD_END(period);
	__u8 number = WEIR_PERIOD_NUMBER(period);
	__u64 had = quota_used(word, time, number);
	__u64 used = had + algorithm_round_up(units, limit->shift & 31);

	if (had)
		return word - had + used;
	if ((__s64)(end - time) < 0)
		end = time; /* of the last one that was told; what is used must not look forgotten */
	return algorithm_round_up(end + limit->length, QUOTA_BITS) << QUOTA_BITS |
	       (__u64)number << QUOTA_COUNT_BITS | used;
}

/** Whether that conforms: @charged is what it came to. The compiler sees to it that there is room to tell. */
algorithm_inline int quota_conforms(const struct weir_limit *limit, __u64 charged)
{
	return (charged & ((1ULL << QUOTA_COUNT_BITS) - 1)) <= limit->burst;
}

/** What charging @units to any word but a quota's would make of it; see algorithm_next(). */
algorithm_inline int window_next(const struct weir_limit *limit, __u64 word, __u64 time,
				 __u64 units, __u64 *ret_next)
{
	if (!word)
		word = time; /* never used: idle, wherever on its circle the clock stands */
	if (limit->algorithm == WEIR_ALGORITHM_FIXED)
		return fixed_next(limit, word, time, units, ret_next);
	if (limit->algorithm == WEIR_ALGORITHM_SLIDING)
		return sliding_next(limit, word, time, units, ret_next);
	return bucket_next(limit, word, time, units, ret_next);
}

/**
 * What charging @units at @time would make of @word. Whether that conforms; if not, *@ret_next means
 * nothing.
 */
algorithm_inline int algorithm_next(const struct weir_limit *limit, __u64 word, __u64 time,
				    __u64 units, __u64 *ret_next)
{
	if (limit->algorithm == WEIR_ALGORITHM_QUOTA) {
		*ret_next = quota_charged(limit, word, time, units);
		return quota_conforms(limit, *ret_next);
	}
	return window_next(limit, word, time, units, ret_next);
}

/** Before the next tick another period may have begun. */
algorithm_inline int quota_wants_exact_time(const struct weir_limit *limit, __u64 time, __u64 tick)
{
	return (__s64)(WEIR_PERIOD_END(quota_period(limit, time)) - time) <= (__s64)tick;
}

/** A coarse @time, up to @tick behind, is not good enough to charge @word, which is no quota's. */
algorithm_inline int algorithm_wants_exact_time(const struct weir_limit *limit, __u64 word,
						__u64 time, __u64 tick)
{
	__u8 bits = limit->count_bits & 63;
	__u64 change = word >> bits << bits;

	if (limit->algorithm == WEIR_ALGORITHM_SLIDING)
		change -= limit->interval; /* a window ends here, too */
	return limit->precise || (__s64)(change - time) < (__s64)tick;
}

/**
 * How much to subtract from the word, which is @word now, to give back @units whose charge moved it to
 * @charged. Of a bucket, only what lies ahead of @exact_time: what lies behind, an idle bucket would
 * have taken from the clock, and giving that back, too, would admit more than burst + rate * t from
 * now on. @exact_time must be read after @word. Of a window, only while it is the same one.
 */
algorithm_inline __u64 algorithm_refund(const struct weir_limit *limit, __u64 charged, __u64 word,
					__u64 exact_time, __u64 units)
{
	__s64 ahead = (__s64)(charged - exact_time);
	__u64 cost;

	if (limit->algorithm != WEIR_ALGORITHM_BUCKET) {
		if ((word ^ charged) >> (limit->count_bits & 63))
			return 0;
		return algorithm_round_up(units, limit->shift & 31);
	}
	if (ahead <= 0)
		return 0;
	cost = bucket_cost(limit, units);
	return (__u64)ahead < cost ? (__u64)ahead : cost;
}

/** What a packet of @class and @length uses up. */
algorithm_inline __u64 algorithm_units(const struct weir_limit *limit, __u32 class, __u32 length)
{
	if (limit->unit == WEIR_UNIT_BYTES)
		return length;
	return limit->costs[class & (WEIR_CLASSES - 1)] + ((__u64)length * limit->size_step >> 32);
}

#endif
