/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: limits. All limits that apply are looked at first and charged only if every one of them has
 * room, so a refused flood costs no other limit anything and no bucket has to be undone; only when
 * two CPUs race for the last token is a charge given back. The word is changed by compare-and-swap:
 * what was admitted can never exceed burst + rate * t, on any number of CPUs.
 */
#ifndef LIB_LIMITS_H
#define LIB_LIMITS_H

#include "lib/clock.h"
#include "lib/gcra.h"
#include "lib/maps.h"
#include "lib/packet.h"
#include "lib/wire.h"

/* Attempts at one word before the strict side wins. Each failure means another CPU succeeded. */
#define LIMITS_ATTEMPTS 8

/* One limit's part in deciding a packet. */
struct charge {
	__u64 *word;
	__u64 tat; /* the word when it was read; once it is charged, what it became */
};

/* The lowest limit in @mask, which is not 0: the ones below its lowest bit, counted side by side.
 * (clang 14 cannot compile __builtin_ctzll for BPF here.) */
static __always_inline const struct weir_limit *limits_first(const struct weir_policy *policy,
							     __u64 mask)
{
	__u64 below = ~mask & (mask - 1);

	below -= (below >> 1) & 0x5555555555555555ULL;
	below = (below & 0x3333333333333333ULL) + ((below >> 2) & 0x3333333333333333ULL);
	below = (below + (below >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return &policy->limits[(below * 0x0101010101010101ULL >> 56) & (WEIR_LIMITS_MAX - 1)];
}

static __always_inline __u64 limits_cost(const struct weir_limit *limit,
					 const struct packet *packet)
{
	return gcra_cost(limit, limit->unit == WEIR_UNIT_BYTES ? packet->length : 1);
}

/* Limits that apply, one bit each. */
static __always_inline __u64 limits_match(const struct weir_policy *policy, __u32 copy,
					  const struct packet *packet)
{
	__u64 mask = policy->protocol_limits[packet->protocol];

	if (packet->is_later_fragment) {
		mask |= policy->fragment_limits;
	} else if (packet->has_port) {
		__u32 index = copy * WEIR_PORTS + packet->destination_port;
		const struct weir_port_limits *ports = bpf_map_lookup_elem(&weir_ports, &index);

		if (ports)
			mask = packet->protocol == PROTOCOL_TCP ? ports->tcp : ports->udp;
	}
	if (mask && policy->flags & WEIR_POLICY_BY_DESTINATION) {
		struct weir_destination_key key = {.prefix_bits = 32 + 128, .copy = copy};
		const __u64 *accepts;

		__builtin_memcpy(key.address, packet->destination, sizeof(key.address));
		accepts = bpf_map_lookup_elem(&weir_dests, &key);
		mask &= accepts ? *accepts : policy->any_destination;
	}
	return mask;
}

/* The source's word under @limit, created full if it is new. NULL: no memory. */
static __always_inline __u64 *limits_word(const struct weir_limit *limit,
					  const struct packet *packet)
{
	struct weir_bucket_key key = {.limit = limit->key};
	__u64 *word, full = 0;

	__builtin_memcpy(key.source, packet->source, sizeof(key.source));
	if (packet->is_ip6) /* a site's /64 is one source: its addresses are free to choose */
		__builtin_memset(key.source + 8, 0, 8);
	word = bpf_map_lookup_elem(&weir_buckets, &key);
	if (word)
		return word;
	/* Another CPU may have been faster; whoever came second finds the first one's word. */
	bpf_map_update_elem(&weir_buckets, &key, &full, BPF_NOEXIST);
	return bpf_map_lookup_elem(&weir_buckets, &key);
}

/*
 * The functions below that are not static are global to the verifier: it checks each once by itself
 * instead of again for every way that leads to it, which keeps the program far from its limits.
 */

__noinline int limits_make_time_exact(struct packet *packet)
{
	__u32 zero = 0;
	__u64 *latest = bpf_map_lookup_elem(&weir_clock, &zero);

	if (!packet || !latest)
		return 0;
	packet->time = bpf_ktime_get_ns() << WEIR_TIME_SHIFT;
	packet->time_is_exact = 1;
	*latest = packet->time;
	return 0;
}

/* What charging the packet would make of a word that is @tat. A word of 0 is a bucket never used: full,
 * wherever on its circle the clock stands. */
static __always_inline __u64 limits_next(__u64 tat, const struct weir_limit *limit,
					 const struct packet *packet)
{
	return gcra_next(tat ? tat : packet->time, packet->time, limits_cost(limit, packet));
}

/*
 * The coarse clock refuses a charge to the word @tat: ask again by the latest exact time that this
 * CPU has read, which is never ahead of now but may be later. It lets a whole burst pass at once: the
 * burst's first packet found the bucket idle and started it at the exact time, which the coarse clock
 * reaches only with its next tick. 0: no, again.
 */
__noinline int limits_weigh_again(const struct weir_limit *limit, struct packet *packet, __u64 tat)
{
	__u32 zero = 0;
	__u64 *latest = bpf_map_lookup_elem(&weir_clock, &zero);

	if (!limit || !packet || !latest || (__s64)(*latest - packet->time) <= 0)
		return 0;
	packet->time = *latest;
	return gcra_conforms(limits_next(tat, limit, packet), packet->time, limit);
}

/* Whether the packet conforms to the word as it is now. */
static __always_inline int limits_weigh(struct charge *charge, const struct weir_limit *limit,
					__u64 tick, struct packet *packet)
{
	charge->tat = *(volatile __u64 *)charge->word;
	if (!packet->time_is_exact &&
	    (!charge->tat || gcra_wants_exact_time(charge->tat, limit, packet->time, tick)))
		limits_make_time_exact(packet);
	if (gcra_conforms(limits_next(charge->tat, limit, packet), packet->time, limit))
		return 1;
	return !packet->time_is_exact && limits_weigh_again(limit, packet, charge->tat);
}

/* Charge, unless another CPU changed the word since it was weighed. The time may have become exact
 * since then, for another limit's sake: a later time conforms all the more. */
static __always_inline int limits_swap(struct charge *charge, const struct weir_limit *limit,
				       const struct packet *packet)
{
	__u64 next = limits_next(charge->tat, limit, packet);

	if (__sync_val_compare_and_swap(charge->word, charge->tat, next) != charge->tat)
		return 0;
	charge->tat = next;
	return 1;
}

static __always_inline int limits_over(const struct weir_limit *limit)
{
	return limit->unit == WEIR_UNIT_BYTES ? WEIR_REASON_OVER_BYTES : WEIR_REASON_OVER_PACKETS;
}

/* The word changed since it was weighed. WEIR_NEXT: charged all the same, and *@ret_tat is the new
 * word. Otherwise the reason to refuse. */
__noinline int limits_charge_contended(const struct weir_limit *limit, struct packet *packet,
				       __u64 tick, __u64 *ret_tat)
{
	struct charge charge;

	if (!limit || !packet || !ret_tat)
		return WEIR_REASON_CONTENDED;
	charge.word = limits_word(limit, packet);
	if (!charge.word)
		return WEIR_REASON_CONTENDED;
	for (int i = 1; i < LIMITS_ATTEMPTS; i++) {
		if (!limits_weigh(&charge, limit, tick, packet))
			return limits_over(limit);
		if (limits_swap(&charge, limit, packet)) {
			*ret_tat = charge.tat;
			return WEIR_NEXT;
		}
	}
	return WEIR_REASON_CONTENDED;
}

/* Give back what moved the word to @charged. */
__noinline int limits_refund(const struct weir_limit *limit, struct packet *packet, __u64 charged)
{
	__u64 *word, cost;

	if (!limit || !packet)
		return 0;
	word = limits_word(limit, packet);
	if (!word)
		return 0;
	cost = limits_cost(limit, packet);
	for (int i = 0; i < LIMITS_ATTEMPTS; i++) {
		__u64 seen = *(volatile __u64 *)word;
		__u64 back = gcra_refund(charged, cost, bpf_ktime_get_ns() << WEIR_TIME_SHIFT);

		if (!back || __sync_val_compare_and_swap(word, seen, seen - back) == seen)
			break;
	}
	return 0;
}

static __always_inline struct weir_limit_count *limits_count(const struct weir_limit *limit)
{
	__u32 slot = limit->slot;

	return bpf_map_lookup_elem(&weir_lim_counts, &slot);
}

static __always_inline int limits_refuse(const struct weir_limit *limit, int reason,
					 const struct weir_policy *policy, struct packet *packet)
{
	struct weir_limit_count *count = limits_count(limit);

	packet->limit_slot = limit->slot;
	if (count && policy->mode == WEIR_MODE_ENFORCE)
		count->dropped++;
	else if (count)
		count->would_drop++;
	return reason;
}

static __always_inline void limits_count_passed(const struct weir_limit *limit, __u64 difference)
{
	struct weir_limit_count *count = limits_count(limit);

	if (count)
		count->passed += difference;
}

/* Weigh the packet by every limit that applies, then charge them all or none. */
__noinline int limits_check(const struct weir_policy *policy, struct packet *packet, __u32 copy)
{
	struct charge charges[WEIR_LIMITS_PER_PACKET];
	const struct weir_limit *limit;
	__u64 mask, rest;

	if (!policy || !packet)
		return WEIR_REASON_UNCONFIGURED;
	if (packet->is_later_fragment && policy->flags & WEIR_POLICY_DROP_FRAGMENTS)
		return WEIR_REASON_FRAGMENT;
	mask = limits_match(policy, copy, packet);
	if (!mask)
		return WEIR_REASON_UNLIMITED;
	clock_now_ns(packet);

	rest = mask;
#pragma unroll
	for (int i = 0; i < WEIR_LIMITS_PER_PACKET; i++) {
		charges[i].word = NULL; /* also marks the end for the second loop */
		if (!rest)
			break;
		limit = limits_first(policy, rest);
		rest &= rest - 1;
		charges[i].word = limits_word(limit, packet);
		if (!charges[i].word)
			return WEIR_REASON_NO_STATE;
		if (!limits_weigh(&charges[i], limit, policy->tick, packet))
			return limits_refuse(limit, limits_over(limit), policy, packet);
	}

	rest = mask;
#pragma unroll
	for (int i = 0; i < WEIR_LIMITS_PER_PACKET; i++) {
		int reason = WEIR_NEXT;

		if (!charges[i].word)
			break;
		limit = limits_first(policy, rest);
		rest &= rest - 1;
		if (!limits_swap(&charges[i], limit, packet))
			reason = limits_charge_contended(limit, packet, policy->tick,
							 &charges[i].tat);
		if (reason != WEIR_NEXT) {
			const struct weir_limit *earlier;

			rest = mask;
			for (int j = 0; j < i; j++) {
				earlier = limits_first(policy, rest);
				rest &= rest - 1;
				limits_refund(earlier, packet, charges[j].tat);
				limits_count_passed(earlier, -1);
			}
			return limits_refuse(limit, reason, policy, packet);
		}
		limits_count_passed(limit, 1);
	}
	return WEIR_REASON_WITHIN_LIMIT;
}

#endif
