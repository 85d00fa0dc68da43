/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: limits. All limits that apply are weighed first and charged only if every one of them has
 * room, so a refused flood costs no other limit anything and nothing has to be undone; only when two
 * CPUs race for the last token is a charge given back. Words are changed by compare-and-swap: what
 * was admitted can never exceed the limit, on any number of CPUs.
 */
#ifndef LIB_LIMITS_H
#define LIB_LIMITS_H

#include "lib/algorithm.h"
#include "lib/bits.h"
#include "lib/cells.h"
#include "lib/clock.h"
#include "lib/maps.h"
#include "lib/match.h"
#include "lib/packet.h"
#include "lib/settings.h"

/* Attempts at one word before the strict side wins. Each failure means another CPU succeeded. */
#define LIMITS_ATTEMPTS 8

static __always_inline const struct weir_limit *limits_at(const struct weir_policy *policy,
							  __u32 number)
{
	return &policy->limits[number & (WEIR_LIMITS_MAX - 1)];
}

static __always_inline struct weir_cell_set *limits_set(const struct charge *charge)
{
	__u32 index = charge->set;

	return bpf_map_lookup_elem(&weir_cells, &index);
}

static __always_inline struct weir_limit_count *limits_count(const struct weir_limit *limit)
{
	__u32 slot = limit->slot;

	return bpf_map_lookup_elem(&weir_lim_counts, &slot);
}

static __always_inline __u64 limits_units(const struct weir_limit *limit,
					  const struct packet *packet)
{
	if (settings_has(WEIR_FEATURE_COSTS))
		return algorithm_units(limit, packet->class, packet->length);
	return limit->unit == WEIR_UNIT_BYTES ? packet->length : 1;
}

/* What charging the packet at its time would make of @word, and whether that conforms. */
static __always_inline int limits_next(const struct weir_limit *limit, const struct packet *packet,
				       __u64 word, __u64 *ret_next)
{
	__u64 units = limits_units(limit, packet);

	if (settings_has(WEIR_FEATURE_WINDOWS))
		return algorithm_next(limit, word, packet->time, units, ret_next);
	return bucket_next(limit, word ? word : packet->time, packet->time, units, ret_next);
}

/*
 * The functions below that are not static are global to the verifier: it checks each once by itself
 * instead of again for every way that leads to it, which keeps the program far from its limits.
 */

/* The packet's time becomes exact. */
__noinline int limits_make_time_exact(struct packet *packet)
{
	__u32 zero = 0;
	__u64 *latest = bpf_map_lookup_elem(&weir_clock, &zero);

	if (!packet || !latest)
		return 0;
	packet->time = clock_exact_ns() << WEIR_TIME_SHIFT;
	packet->time_is_exact = 1;
	*latest = packet->time;
	return 0;
}

/*
 * The coarse clock refuses. Ask again by a better one: the exact time, where the word may be idle by now;
 * otherwise the latest exact time that this CPU has read, which is never ahead of now but may be later
 * than the coarse one. That lets a whole burst pass at once: its first packet found the bucket idle and
 * started it at the exact time, which the coarse clock reaches only with its next tick. 0: no, again.
 */
__noinline int limits_weigh_again(const struct weir_limit *limit, struct packet *packet, __u64 word,
				  __u64 tick)
{
	__u32 zero = 0;
	__u64 *latest, next;

	if (!limit || !packet)
		return 0;
	if (!word || algorithm_wants_exact_time(limit, word, packet->time, tick)) {
		limits_make_time_exact(packet);
		return limits_next(limit, packet, word, &next);
	}
	latest = bpf_map_lookup_elem(&weir_clock, &zero);
	if (!latest || (__s64)(*latest - packet->time) <= 0)
		return 0;
	packet->time = *latest;
	return limits_next(limit, packet, word, &next);
}

static __always_inline int limits_weigh(const struct weir_limit *limit, struct packet *packet,
					__u64 word, __u64 tick)
{
	__u64 next;

	if (limits_next(limit, packet, word, &next))
		return 1;
	return !packet->time_is_exact && limits_weigh_again(limit, packet, word, tick);
}

/* The key of the packet under @limit: the tag of its cell and the set that has it, or would. */
static __always_inline void limits_locate(const struct weir_limit *limit,
					  const struct packet *packet, struct charge *ret)
{
	__u64 high = 0, low = 0;
	__u32 fixed = limit->fixed_set;

	if (limit->key_parts & WEIR_KEY_SOURCE) {
		high = packet->source_words[0] & limit->source_mask6;
		low = (__u64)(packet->source_quads[3] & limit->source_mask4) << 32;
		if (packet->is_ip6)
			low = limit->whole_ip6 ? packet->source_words[1] : 0;
	} else if (limit->key_parts & WEIR_KEY_DESTINATION) {
		high = packet->destination_words[0];
		low = packet->destination_words[1];
	} else if (limit->key_parts & WEIR_KEY_TENANT) {
		low = (__u64)packet->tenant << 32;
		fixed += packet->tenant;
	}
	ret->tag = weir_cell_tag(high, low, limit->key, weir_seed);
	ret->set = fixed ? fixed : weir_cell_set_index(ret->tag, weir_cell_mask);
}

/* The cell that a source shares with its neighbours when its own set is full. */
static __always_inline void limits_locate_coarse(const struct weir_limit *limit,
						 const struct packet *packet, struct charge *ret)
{
	__u64 high = packet->source_words[0] & limit->coarse_mask6;
	__u64 low = (__u64)(packet->source_quads[3] & limit->coarse_mask4) << 32;

	/* Keys are even: the coarse cells' keys are the odd ones. */
	ret->tag = weir_cell_tag(high, packet->is_ip6 ? 0 : low, limit->key | 1, weir_seed);
	ret->set = weir_cell_set_index(ret->tag, weir_cell_mask);
}

/* Read the cell that @charge says into it; 0 = it is there and being taken over, look again. */
static __always_inline int limits_read(struct charge *charge, const struct packet *packet)
{
	struct weir_cell_set *set = limits_set(charge);

	charge->word = 0;
	charge->way = CELLS_NONE;
	if (!set)
		return 1;
	charge->way = (__u8)cells_find(set, charge->tag);
	if (charge->way < CELLS_NONE)
		charge->word = cells_read(&set->cells[charge->way & (WEIR_CELL_WAYS - 1)].word);
	return !cells_is_marked(charge->word, packet->time);
}

static __always_inline int limits_has_idle(const struct charge *charge, const struct packet *packet)
{
	struct weir_cell_set *set = limits_set(charge);

	return set && cells_find_idle(set, packet->time) < WEIR_CELL_WAYS;
}

/*
 * Find the cell of a key that is not in its place, or is about to be: @charge is its own cell if there
 * is room for it, otherwise the coarse one. 0: found; 1: no room for that either.
 */
__noinline int limits_find_room(const struct weir_limit *limit, struct packet *packet,
				struct charge *charge)
{
	struct weir_limit_count *count;

	if (!limit || !packet || !charge)
		return 1;
	if (limits_has_idle(charge, packet))
		return 0;
	/* What is idle by now may not be by the coarse clock. */
	if (!packet->time_is_exact)
		limits_make_time_exact(packet);
	if (limits_has_idle(charge, packet))
		return 0;
	count = limits_count(limit);
	if (!(limit->key_parts & WEIR_KEY_SOURCE)) {
		if (count)
			count->full++;
		return 1;
	}
	limits_locate_coarse(limit, packet, charge);
	limits_read(charge, packet);
	if (charge->way < CELLS_NONE || limits_has_idle(charge, packet)) {
		if (count)
			count->coarse++;
		return 0;
	}
	if (count)
		count->full++;
	return 1;
}

/* Charge a cell that was there when it was weighed, unless its word or owner changed since. */
static __always_inline int limits_swap(struct charge *charge, __u64 next)
{
	struct weir_cell_set *set = limits_set(charge);
	struct weir_cell *cell;

	if (!set || charge->way >= CELLS_NONE)
		return 0;
	cell = &set->cells[charge->way & (WEIR_CELL_WAYS - 1)];
	if (!cells_swap(&cell->word, charge->word, next))
		return 0;
	charge->word = next;
	/* Read the tag, then the word, while another key came between: that key was charged, once. */
	return cells_read(&cell->tag) == charge->tag;
}

static __always_inline int limits_over(const struct weir_limit *limit)
{
	if (limit->unit == WEIR_UNIT_BYTES)
		return WEIR_REASON_OVER_BYTES;
	return limit->unit == WEIR_UNIT_CONNECTIONS ? WEIR_REASON_OVER_CONNECTIONS
						    : WEIR_REASON_OVER_PACKETS;
}

#define LIMITS_AGAIN (-2) /* another CPU was faster */

/* One attempt of limits_charge_slowly(), which has the words. */
__noinline int limits_try_to_charge(const struct weir_limit *limit, struct packet *packet,
				    struct charge *charge, __u64 tick)
{
	struct weir_cell_set *set;
	__u64 next;
	int way;

	if (!limit || !packet || !charge)
		return WEIR_REASON_CONTENDED;
	if (!limits_read(charge, packet))
		return LIMITS_AGAIN;
	if (!packet->time_is_exact &&
	    (!charge->word || algorithm_wants_exact_time(limit, charge->word, packet->time, tick)))
		limits_make_time_exact(packet);
	if (!limits_weigh(limit, packet, charge->word, tick))
		return limits_over(limit);
	limits_next(limit, packet, charge->word, &next);
	if (charge->way < CELLS_NONE)
		return limits_swap(charge, next) ? WEIR_NEXT : LIMITS_AGAIN;
	set = limits_set(charge);
	if (!set)
		return WEIR_REASON_CONTENDED;
	way = cells_claim(set, charge->tag, next, packet->time, bpf_get_smp_processor_id());
	if (way >= 0) {
		charge->way = (__u8)way;
		charge->word = next;
		return WEIR_NEXT;
	}
	/* CELLS_FULL: the last idle cell went to somebody else. */
	return way == CELLS_FULL && limits_find_room(limit, packet, charge) ? WEIR_REASON_CONTENDED
									    : LIMITS_AGAIN;
}

/*
 * Charge what limits_swap() does not do for: a key without a cell, or a word that changed. @tick: of the
 * coarse clock. WEIR_NEXT: charged. Otherwise the reason to refuse.
 */
__noinline int limits_charge_slowly(const struct weir_limit *limit, struct packet *packet,
				    struct charge *charge, __u64 tick)
{
	for (int i = 0; i < LIMITS_ATTEMPTS; i++) {
		int reason = limits_try_to_charge(limit, packet, charge, tick);

		if (reason != LIMITS_AGAIN)
			return reason;
	}
	return WEIR_REASON_CONTENDED;
}

/* Give back what was charged. */
__noinline int limits_refund(const struct weir_limit *limit, struct packet *packet,
			     struct charge *charge)
{
	struct weir_cell_set *set;
	struct weir_cell *cell;

	if (!limit || !packet || !charge)
		return 0;
	set = limits_set(charge);
	if (!set || charge->way >= CELLS_NONE)
		return 0;
	cell = &set->cells[charge->way & (WEIR_CELL_WAYS - 1)];
	for (int i = 0; i < LIMITS_ATTEMPTS; i++) {
		__u64 seen = cells_read(&cell->word);
		__u64 back = algorithm_refund(limit, charge->word, seen,
					      clock_exact_ns() << WEIR_TIME_SHIFT,
					      limits_units(limit, packet));

		if (!back || cells_read(&cell->tag) != charge->tag ||
		    cells_swap(&cell->word, seen, seen - back))
			break;
	}
	return 0;
}

/* The limit applies to this source only if its hash is in the share that the rollout has reached. */
static __always_inline int limits_is_rolled_out(const struct weir_limit *limit,
						const struct packet *packet)
{
	__u64 hash;

	if (!settings_has(WEIR_FEATURE_ROLLOUT) || !limit->rollout)
		return 1;
	hash = weir_hash(packet->source_words[0], packet->is_ip6 ? 0 : packet->source_words[1],
			 ~limit->key, weir_seed);
	return (__u32)hash < limit->rollout;
}

/* Weigh the packet against one limit. WEIR_NEXT: there is room, @charge is ready to be made (no tag:
 * there is nothing to charge); otherwise the reason to refuse. */
static __always_inline int limits_consider(const struct weir_policy *policy,
					   const struct weir_limit *limit, struct packet *packet,
					   struct charge *charge)
{
	charge->tag = 0;
	if (!limits_is_rolled_out(limit, packet))
		return WEIR_NEXT;
	limits_locate(limit, packet, charge);
	if ((!limits_read(charge, packet) || charge->way >= CELLS_NONE) &&
	    limits_find_room(limit, packet, charge)) {
		if (limit->on_full == WEIR_ON_FULL_DROP)
			return WEIR_REASON_STATE_FULL;
		packet->lacks_state = 1;
		charge->tag = 0;
		return WEIR_NEXT;
	}
	return limits_weigh(limit, packet, charge->word, policy->tick) ? WEIR_NEXT
								       : limits_over(limit);
}

/* Make the charge that was weighed. WEIR_NEXT or the reason to refuse, as another CPU was faster. */
static __always_inline int limits_charge(const struct weir_policy *policy,
					 const struct weir_limit *limit, struct packet *packet,
					 struct charge *charge)
{
	__u64 next;

	if (charge->way >= CELLS_NONE)
		return limits_charge_slowly(limit, packet, charge, policy->tick);
	if (!packet->time_is_exact &&
	    algorithm_wants_exact_time(limit, charge->word, packet->time, policy->tick))
		limits_make_time_exact(packet);
	/* The time may be a later one than when it was weighed: it conforms all the more. */
	limits_next(limit, packet, charge->word, &next);
	if (limits_swap(charge, next))
		return WEIR_NEXT;
	return limits_charge_slowly(limit, packet, charge, policy->tick);
}

static __always_inline void limits_count_passed(const struct weir_limit *limit, __u64 difference)
{
	struct weir_limit_count *count = limits_count(limit);

	if (count)
		count->passed += difference;
}

/* The first @made of the charges are to be undone. */
__noinline int limits_undo(const struct weir_policy *policy, struct packet *packet, __u32 made)
{
	__u32 zero = 0;
	struct charges *charges = bpf_map_lookup_elem(&weir_charges, &zero);

	if (!policy || !packet || !charges)
		return 0;
	for (__u32 i = 0; i < WEIR_LIMITS_PER_PACKET && i < made; i++) {
		const struct weir_limit *limit = limits_at(policy, charges->of[i].limit);

		limits_count_passed(limit, -1);
		if (charges->of[i].tag)
			limits_refund(limit, packet, &charges->of[i]);
	}
	return 0;
}

/* Limits that only say what they would do, on a packet that the others let through: each for itself,
 * as if it were the next to be asked. */
__noinline int limits_shadow(const struct weir_policy *policy, struct packet *packet, __u64 mask)
{
	__u32 zero = 0;
	struct charges *charges = bpf_map_lookup_elem(&weir_charges, &zero);

	if (!policy || !packet || !charges)
		return 0;
	for (__u32 i = 0; i < WEIR_LIMITS_PER_PACKET && mask; i++) {
		const struct weir_limit *limit = limits_at(policy, bits_lowest(mask));
		struct weir_limit_count *count = limits_count(limit);
		struct charge *charge = &charges->of[i];
		int reason = limits_consider(policy, limit, packet, charge);

		mask &= mask - 1;
		if (reason == WEIR_NEXT && charge->tag)
			reason = limits_charge(policy, limit, packet, charge);
		if (count && reason == WEIR_NEXT)
			count->passed++;
		else if (count)
			count->would_drop++;
	}
	return 0;
}

__noinline int limits_check(const struct weir_policy *policy, struct packet *packet, __u32 copy)
{
	__u32 zero = 0, considered = 0;
	struct charges *charges = bpf_map_lookup_elem(&weir_charges, &zero);
	__u64 mask, rest, shadow = 0;
	int reason;

	if (!policy || !packet || !charges)
		return WEIR_REASON_UNCONFIGURED;
	if (packet->is_later_fragment && policy->flags & WEIR_POLICY_DROP_FRAGMENTS)
		return WEIR_REASON_FRAGMENT;
	mask = match_limits(policy, copy, packet);
	if (settings_has(WEIR_FEATURE_SHADOW)) {
		shadow = mask & policy->shadow_limits;
		mask &= ~shadow;
	}
	if (!mask && !shadow)
		return WEIR_REASON_UNLIMITED;
	clock_now_ns(packet);

	rest = mask;
	for (; considered < WEIR_LIMITS_PER_PACKET && rest; considered++) {
		__u32 number = bits_lowest(rest);
		struct charge *charge = &charges->of[considered];

		rest &= rest - 1;
		charge->limit = (__u8)number;
		reason = limits_consider(policy, limits_at(policy, number), packet, charge);
		if (reason != WEIR_NEXT) {
			packet->limit = (__u8)number;
			return reason;
		}
	}
	for (__u32 i = 0; i < WEIR_LIMITS_PER_PACKET && i < considered; i++) {
		struct charge *charge = &charges->of[i];
		const struct weir_limit *limit = limits_at(policy, charge->limit);

		if (charge->tag) {
			reason = limits_charge(policy, limit, packet, charge);
			if (reason != WEIR_NEXT) {
				packet->limit = charge->limit;
				limits_undo(policy, packet, i);
				return reason;
			}
		}
		limits_count_passed(limit, 1);
	}
	if (shadow)
		limits_shadow(policy, packet, shadow);
	if (!mask)
		return WEIR_REASON_UNLIMITED;
	return packet->lacks_state ? WEIR_REASON_NO_STATE : WEIR_REASON_WITHIN_LIMIT;
}

#endif
