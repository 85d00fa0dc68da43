/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stage: limits. All limits that apply are weighed first and charged only if every one of them has
 * room, so a refused flood costs no other limit anything and nothing has to be undone; only when two
 * CPUs race for the last token is a charge given back. Words are changed by compare-and-swap: what
 * was admitted can never exceed the limit, on any number of CPUs.
 */
#ifndef LIB_LIMITS_H
#define LIB_LIMITS_H

#include "lib/bits.h"
#include "lib/clock.h"
#include "lib/connections.h"
#include "lib/maps.h"
#include "lib/match.h"
#include "lib/packet.h"
#include "lib/settings.h"
#include "lib/state.h"
#include "lib/weigh.h"

/*
 * The functions here that are not static are global to the verifier: it checks each once by itself
 * instead of again for every way that leads to it, which keeps the program far from its limits.
 */

static __always_inline const struct weir_limit *limits_at(const struct weir_policy *policy,
							  __u32 number)
{
	const struct weir_limit *limit = &policy->limits[number & (WEIR_LIMITS_MAX - 1)];

	/* One pointer, instead of the same sum in front of every load. */
	__asm__ volatile("" : "+r"(limit));
	return limit;
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

/* Whether the source may open one more connection. */
__noinline int limits_weigh_open(const struct weir_limit *limit, struct packet *packet)
{
	struct weir_charge charge;

	if (!limit || !packet || !limits_is_rolled_out(limit, packet))
		return WEIR_NEXT;
	state_locate(limit, packet, &charge);
	return (__u64)connections_count(charge.tag) < limit->burst ? WEIR_NEXT
								   : WEIR_REASON_OVER_OPEN;
}

/* Weigh the packet against one limit. WEIR_NEXT: there is room, @charge is ready to be made (no tag:
 * there is nothing to charge); otherwise the reason to refuse. */
static __always_inline int limits_consider(const struct weir_policy *policy, __u32 number,
					   struct packet *packet, struct weir_charge *charge)
{
	const struct weir_limit *limit = limits_at(policy, number);
	struct weir_charge own = {.limit = (__u8)number};

	if (!limits_is_rolled_out(limit, packet)) {
		*charge = own;
		return WEIR_NEXT;
	}
	/* Whatever is nearly always true stays in registers. */
	if (state_find(limit, packet, &own)) {
		if (!weigh(limit, packet, own.word, policy->tick))
			return weigh_over(limit);
		*charge = own;
		return WEIR_NEXT;
	}
	*charge = own;
	if (settings_has(WEIR_FEATURE_MOVING))
		state_bring(packet, charge);
	if (charge->way >= CELLS_NONE && state_find_room(limit, packet, charge, policy->tick)) {
		if (limit->on_full == WEIR_ON_FULL_DROP)
			return WEIR_REASON_STATE_FULL;
		packet->lacks_state = 1;
		charge->tag = 0;
		return WEIR_NEXT;
	}
	return weigh(limit, packet, charge->word, policy->tick) ? WEIR_NEXT : weigh_over(limit);
}

/* The first @made of the charges are to be undone. */
__noinline int limits_undo(const struct weir_policy *policy, struct packet *packet, __u32 made)
{
	struct weir_cpu *cpu = cpu_own();

	if (!policy || !packet || !cpu)
		return 0;
	for (__u32 i = 0; i < WEIR_LIMITS_PER_PACKET && i < made; i++) {
		const struct weir_limit *limit = limits_at(policy, cpu->charges[i].limit);

		state_count(cpu, limit)->passed--;
		if (cpu->charges[i].tag)
			state_refund(limit, packet, &cpu->charges[i]);
	}
	return 0;
}

static __always_inline int limits_is_on_open(const struct weir_limit *limit)
{
	return settings_has(WEIR_FEATURE_OPEN) && limit->algorithm == WEIR_ALGORITHM_OPEN;
}

/* The same apart, where it need not be fast but the stack is short. */
__noinline int limits_consider_apart(const struct weir_policy *policy, __u32 number,
				     struct packet *packet, struct weir_charge *charge)
{
	if (!policy || !packet || !charge)
		return WEIR_NEXT;
	return limits_consider(policy, number, packet, charge);
}

/*
 * The limits in @mask, each for itself, as if it were the next to be asked, on a packet that the others let
 * through. Returns whether the last of them would refuse.
 */
__noinline int limits_ask(const struct weir_policy *policy, struct packet *packet, __u64 mask)
{
	struct weir_cpu *cpu = cpu_own();
	int refuses = 0;

	if (!policy || !packet || !cpu)
		return 0;
	for (__u32 i = 0; i < WEIR_LIMITS_PER_PACKET && mask; i++) {
		__u32 number = bits_lowest(mask);
		const struct weir_limit *limit = limits_at(policy, number);
		struct weir_limit_count *count = state_count(cpu, limit);
		struct weir_charge *charge = &cpu->charges[i];
		int reason;

		mask &= mask - 1;
		charge->tag = 0;
		reason = limits_is_on_open(limit)
				 ? limits_weigh_open(limit, packet)
				 : limits_consider_apart(policy, number, packet, charge);
		if (reason == WEIR_NEXT && charge->tag)
			reason = state_charge_slowly(limit, packet, charge, policy->tick);
		refuses = reason != WEIR_NEXT;
		packet->limit = refuses ? (__u8)number : PACKET_NO_LIMIT;
		if (!refuses)
			count->passed++;
		else if (limit->action != WEIR_ACTION_COOKIE)
			count->would_drop++;
	}
	return refuses;
}

/* All limits have room: what those say that only watch, and those on SYN that cookies may answer. */
static __always_inline int limits_ask_the_others(const struct weir_policy *policy,
						 struct packet *packet, __u64 shadow, __u64 cookies)
{
	if (settings_has(WEIR_FEATURE_SHADOW) && shadow) {
		limits_ask(policy, packet, shadow);
		packet->limit = PACKET_NO_LIMIT;
	}
	return settings_has(WEIR_FEATURE_COOKIES) && cookies && limits_ask(policy, packet, cookies);
}

static __always_inline int limits_check(const struct weir_policy *policy, struct weir_cpu *cpu,
					struct packet *packet)
{
	__u32 considered = 0;
	__u64 mask, rest, shadow = 0, cookies = 0;
	int reason;

	if (packet->is_later_fragment && policy->flags & WEIR_POLICY_DROP_FRAGMENTS) {
		if (settings_has(WEIR_FEATURE_USAGE))
			match_tenant(policy, packet);
		return WEIR_REASON_FRAGMENT;
	}
	mask = match_limits(policy, cpu, packet);
	if (settings_has(WEIR_FEATURE_SHADOW)) {
		shadow = mask & policy->shadow_limits;
		mask &= ~shadow;
	}
	if (settings_has(WEIR_FEATURE_COOKIES)) {
		cookies = mask & policy->cookie_limits;
		mask &= ~cookies;
	}
	if (!(mask | shadow | cookies))
		return WEIR_REASON_UNLIMITED;
	weigh_start(cpu, packet);

	rest = mask;
	for (; considered < WEIR_LIMITS_PER_PACKET && rest; considered++) {
		__u32 number = bits_lowest(rest);
		struct weir_charge *charge = &cpu->charges[considered];

		rest &= rest - 1;
		if (limits_is_on_open(limits_at(policy, number))) {
			charge->tag = 0;
			charge->limit = (__u8)number;
			reason = limits_weigh_open(limits_at(policy, number), packet);
		} else {
			reason = limits_consider(policy, number, packet, charge);
		}
		if (reason != WEIR_NEXT) {
			packet->limit = (__u8)number;
			return reason;
		}
	}
	for (__u32 i = 0; i < WEIR_LIMITS_PER_PACKET && i < considered; i++) {
		struct weir_charge *charge = &cpu->charges[i];
		const struct weir_limit *limit = limits_at(policy, charge->limit);

		if (charge->tag) {
			reason = state_charge(limit, packet, charge, policy->tick);
			if (reason != WEIR_NEXT) {
				packet->limit = charge->limit;
				limits_undo(policy, packet, i);
				return reason;
			}
		}
		state_count(cpu, limit)->passed++;
	}
	if (limits_ask_the_others(policy, packet, shadow, cookies))
		return WEIR_REASON_SYN_COOKIE;
	if (!mask)
		return WEIR_REASON_UNLIMITED;
	return packet->lacks_state ? WEIR_REASON_NO_STATE : WEIR_REASON_WITHIN_LIMIT;
}

#endif
