/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The generic cell rate algorithm (ITU-T I.371, virtual scheduling form): a bucket is one word, its
 * theoretical arrival time (TAT), the moment it will be empty again. Pure: the caller brings the
 * clock. Times are in 1/256 ns and compared as differences, so the wrap after 2.3 years is harmless.
 *
 * Two clocks, and why the result is still exact. The coarse clock (3 ns to read, up to one tick
 * behind) suffices for a bucket that stays busy beyond the tick: the packet's cost is added to the
 * TAT whatever the time is, and refusing by a time in the past only errs towards refusing, by at most
 * one tick, which the burst bridges. A bucket that may be idle takes its new TAT from the clock, and
 * there a late clock would give away up to rate * tick; gcra_wants_exact_time() says so. Limits whose
 * burst is shorter than the tick always want the exact clock.
 */
#ifndef LIB_GCRA_H
#define LIB_GCRA_H

#include <weir/policy.h>

#define gcra_inline static inline __attribute__((always_inline))

/** Time that @units (packets: 1, bytes: the frame's) take to leak out. Rounded up: never too cheap. */
gcra_inline __u64 gcra_cost(const struct weir_limit *limit, __u32 units)
{
	__u8 shift = limit->shift & 31;

	return (units * limit->interval + ((1ULL << shift) - 1)) >> shift;
}

/** A coarse @time is not good enough to charge this bucket. */
gcra_inline int gcra_wants_exact_time(__u64 tat, const struct weir_limit *limit, __u64 time,
				      __u64 tick)
{
	return limit->precise || (__s64)(tat - time) < (__s64)tick;
}

/** The TAT after charging @cost at @time. */
gcra_inline __u64 gcra_next(__u64 tat, __u64 time, __u64 cost)
{
	return ((__s64)(tat - time) > 0 ? tat : time) + cost;
}

/** The packet that would move the TAT to @next conforms. */
gcra_inline int gcra_conforms(__u64 next, __u64 time, const struct weir_limit *limit)
{
	return (__s64)(next - time) <= (__s64)limit->burst;
}

/**
 * How much to subtract from the word to give back @cost, whose charge moved it to @charged. Where the
 * word would have stood without us is a sum only as far as it lies ahead of @exact_time: what lies
 * behind, an idle bucket would have taken from the clock, and giving that back, too, would admit more
 * than burst + rate * t from now on. @exact_time must be read after the word that is subtracted from.
 */
gcra_inline __u64 gcra_refund(__u64 charged, __u64 cost, __u64 exact_time)
{
	__s64 ahead = (__s64)(charged - exact_time);

	if (ahead <= 0)
		return 0;
	return (__u64)ahead < cost ? (__u64)ahead : cost;
}

#endif
