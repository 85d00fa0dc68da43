/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The single exit. Every packet passes here once: its reason becomes a verdict by policy and mode, is
 * counted, and if it is a drop is accounted for. Accounting never changes a verdict.
 */
#ifndef LIB_VERDICT_H
#define LIB_VERDICT_H

#include "lib/limits.h"
#include "lib/maps.h"
#include "lib/mode.h"
#include "lib/packet.h"
#include "lib/sample.h"
#include "lib/settings.h"
#include "lib/tally.h"
#include "lib/trace.h"
#include "lib/usage.h"

/* The number ranges of tbl/reason.def. */
#define REASON_CLASS_PASS(number)      ((number) < 15)
#define REASON_CLASS_OTHER(number)     ((number) == 15)
#define REASON_CLASS_DROP(number)      ((number) >= 16 && (number) < 32)
#define REASON_CLASS_MALFORMED(number) ((number) >= 32 && (number) < WEIR_REASON_MAX)
#define WEIR_R(name, number, text, class, words)                                                   \
	_Static_assert(REASON_CLASS_##class(number), #name " is outside the range of its class");
#include <weir/tbl/reason.def>
#undef WEIR_R

static __always_inline int verdict_refuses(int reason, const struct weir_policy *policy)
{
	if (REASON_CLASS_DROP(reason))
		return 1;
	if (REASON_CLASS_PASS(reason))
		return 0;
	if (REASON_CLASS_OTHER(reason))
		return policy->flags & WEIR_POLICY_DROP_NOT_IP;
	return policy->flags & WEIR_POLICY_DROP_MALFORMED;
}

static __always_inline void verdict_count(struct weir_cpu *cpu, int reason, int verdict,
					  __u32 bytes)
{
	__u32 index = verdict * WEIR_REASON_MAX + reason;

	if (index >= WEIR_COUNTS)
		return; /* cannot happen, but the verifier does not know */
	cpu->counts[index].packets++;
	cpu->counts[index].bytes += bytes;
}

/* Answer one in so many of the packets that the limit refuses on this CPU. */
static __always_inline int verdict_rejects(const struct weir_cpu *cpu,
					   const struct weir_limit *limit)
{
	const struct weir_limit_count *count = &cpu->limits[limit->slot & (WEIR_LIMIT_SLOTS - 1)];

	return limit->reject_share && (count->dropped + count->replied) % limit->reject_share == 0;
}

/* The limit wants more than a drop for the packet that it refuses. */
static __always_inline int verdict_wants_answer(const struct weir_cpu *cpu,
						const struct weir_limit *limit)
{
	if (settings_has(WEIR_FEATURE_MARK) && limit->action == WEIR_ACTION_MARK)
		return 1;
	if (settings_has(WEIR_FEATURE_COOKIES) && limit->action == WEIR_ACTION_COOKIE)
		return 1;
	return settings_has(WEIR_FEATURE_REJECT) && verdict_rejects(cpu, limit);
}

/* What a limit makes of a packet that it refuses if nothing more can be done about it. */
static __always_inline int verdict_of_limit(const struct weir_limit *limit)
{
	if (limit->action == WEIR_ACTION_DROP)
		return WEIR_VERDICT_DROP;
	return limit->action == WEIR_ACTION_MONITOR ? WEIR_VERDICT_WOULD_DROP : WEIR_VERDICT_PASS;
}

static __always_inline void verdict_count_limit(struct weir_cpu *cpu,
						const struct weir_limit *limit, int verdict)
{
	struct weir_limit_count *count = state_count(cpu, limit);

	if (verdict == WEIR_VERDICT_DROP)
		count->dropped++;
	else if (verdict == WEIR_VERDICT_WOULD_DROP)
		count->would_drop++;
	else if (verdict == WEIR_VERDICT_MARK)
		count->marked++;
	else if (verdict == WEIR_VERDICT_REPLY)
		count->replied++;
	else
		count->passed++;
}

static __always_inline int verdict_action(int verdict)
{
	if (verdict == WEIR_VERDICT_DROP)
		return XDP_DROP;
	return verdict == WEIR_VERDICT_REPLY ? XDP_TX : XDP_PASS;
}

/* Account for a packet that was refused, by @limit unless that is NULL. */
static __always_inline void verdict_account(struct weir_cpu *cpu, const struct weir_policy *policy,
					    struct packet *packet, const struct weir_limit *limit,
					    int reason, int verdict)
{
	__u32 half = weir_config.live.tally_half & 1;
	__u64 what = tally_what(policy, limit ? limit->slot : WEIR_NO_LIMIT, (__u8)reason,
				(__u8)verdict);

	if (limit)
		verdict_count_limit(cpu, limit, verdict);
	if (verdict != WEIR_VERDICT_PASS && !tally_skips(cpu, half) &&
	    !tally_hit(cpu, packet, half, what))
		tally_drop(packet, half, what);
}

/** @policy may be NULL as long as @reason is one that passes. */
static __always_inline int verdict_exit(struct xdp_md *ctx, struct weir_cpu *cpu,
					const struct weir_policy *policy, struct packet *packet,
					int reason)
{
	int verdict = WEIR_VERDICT_PASS;

	if (policy && verdict_refuses(reason, policy)) {
		const struct weir_limit *limit = NULL;

		verdict = mode_now(policy) == WEIR_MODE_ENFORCE ? WEIR_VERDICT_DROP
								: WEIR_VERDICT_WOULD_DROP;
		if (packet->limit != PACKET_NO_LIMIT)
			limit = limits_at(policy, packet->limit);
		if (limit && verdict == WEIR_VERDICT_DROP) {
			if (verdict_wants_answer(cpu, limit)) {
				*(struct packet *)cpu->packet = *packet;
				cpu->reason = (__u8)reason;
				cpu->generation = policy->generation;
				bpf_tail_call(ctx, &weir_answers, 0);
			}
			verdict = verdict_of_limit(limit);
		}
		verdict_account(cpu, policy, packet, limit, reason, verdict);
	}
	verdict_count(cpu, reason, verdict, packet->length);
	if (policy) {
		usage_count(policy, packet, verdict);
		sample_packet(cpu, packet, reason, verdict);
	}
	trace_packet(ctx, cpu, policy, packet, reason, verdict, 0);
	return verdict_action(verdict);
}

#endif
