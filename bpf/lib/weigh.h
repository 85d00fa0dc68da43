/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether a packet conforms to a word: the algorithms with the right units and the right clock. */
#ifndef LIB_WEIGH_H
#define LIB_WEIGH_H

#include <weir/algorithm.h>
#include <weir/vocabulary.h>

#include "lib/clock.h"
#include "lib/maps.h"
#include "lib/packet.h"
#include "lib/settings.h"

static __always_inline __u64 weigh_units(const struct weir_limit *limit,
					 const struct packet *packet)
{
	if (settings_has(WEIR_FEATURE_COSTS))
		return algorithm_units(limit, packet->class, packet->length);
	return limit->unit == WEIR_UNIT_BYTES ? packet->length : 1;
}

/* Global for the verifier's sake, see lib/limits.h. */
__noinline __u64 weigh_quota(const struct weir_limit *limit, const struct packet *packet,
			     __u64 word, __u64 units)
{
	if (!limit || !packet)
		return word;
	return quota_charged(limit, word, packet->time, units);
}

__noinline int weigh_quota_wants_exact_time(const struct weir_limit *limit,
					    const struct packet *packet, __u64 tick)
{
	return limit && packet && quota_wants_exact_time(limit, packet->time, tick);
}

/* What charging the packet at its time would make of @word, and whether that conforms. */
static __always_inline int weigh_next(const struct weir_limit *limit, const struct packet *packet,
				      __u64 word, __u64 *ret_next)
{
	__u64 units = weigh_units(limit, packet);

	if (settings_has(WEIR_FEATURE_QUOTA) && limit->algorithm == WEIR_ALGORITHM_QUOTA) {
		*ret_next = weigh_quota(limit, packet, word, units);
		return quota_conforms(limit, *ret_next);
	}
	if (settings_has(WEIR_FEATURE_WINDOWS))
		return window_next(limit, word, packet->time, units, ret_next);
	return bucket_next(limit, word ? word : packet->time, packet->time, units, ret_next);
}

/* Further ahead of the coarse clock than that ever lags, a remembered time is none: the CPU has not read
 * the exact clock for so long that the past looks like the future. 4 s. */
#define WEIGH_LAG_MOST (1ULL << 40)

/*
 * Time for the limits: the coarse clock's, or the latest exact time that this CPU has read, if that is later.
 * Neither is ahead of now. The second lets a whole burst pass at once: its first packet found the
 * bucket idle and started it at the exact time, which the coarse clock reaches only with its next tick.
 */
static __always_inline void weigh_start(struct weir_cpu *cpu, struct packet *packet)
{
	__u64 latest = cpu->clock.latest;

	clock_now_ns(cpu, packet);
	if (latest && latest - packet->time < WEIGH_LAG_MOST)
		packet->time = latest;
}

/* The packet's time becomes exact. */
static __always_inline int weigh_make_time_exact(struct packet *packet)
{
	struct weir_cpu *cpu = cpu_own();

	if (!packet || !cpu)
		return 0;
	packet->time = clock_exact_ns() << WEIR_TIME_SHIFT;
	packet->time_is_exact = 1;
	cpu->clock.latest = packet->time;
	return 0;
}

/* The packet does not conform to a word that may be idle by now: ask again by the exact time. */
__noinline int weigh_exactly(const struct weir_limit *limit, struct packet *packet, __u64 word)
{
	__u64 next;

	if (!limit || !packet)
		return 0;
	weigh_make_time_exact(packet);
	return weigh_next(limit, packet, word, &next);
}

static __always_inline int weigh_wants_exact_time(const struct weir_limit *limit,
						  const struct packet *packet, __u64 word,
						  __u64 tick)
{
	if (settings_has(WEIR_FEATURE_QUOTA) && limit->algorithm == WEIR_ALGORITHM_QUOTA)
		return !packet->time_is_exact && weigh_quota_wants_exact_time(limit, packet, tick);
	return !packet->time_is_exact &&
	       (!word || algorithm_wants_exact_time(limit, word, packet->time, tick));
}

/* Whether the packet conforms to @word. */
static __always_inline int weigh(const struct weir_limit *limit, struct packet *packet, __u64 word,
				 __u64 tick)
{
	__u64 next;

	if (weigh_next(limit, packet, word, &next))
		return 1;
	return weigh_wants_exact_time(limit, packet, word, tick) &&
	       weigh_exactly(limit, packet, word);
}

/* Why a packet is refused that does not conform. */
static __always_inline int weigh_over(const struct weir_limit *limit)
{
	if (settings_has(WEIR_FEATURE_QUOTA) && limit->algorithm == WEIR_ALGORITHM_QUOTA)
		return WEIR_REASON_OVER_QUOTA;
	if (limit->unit == WEIR_UNIT_BYTES)
		return WEIR_REASON_OVER_BYTES;
	return limit->unit == WEIR_UNIT_CONNECTIONS ? WEIR_REASON_OVER_CONNECTIONS
						    : WEIR_REASON_OVER_PACKETS;
}

#endif
