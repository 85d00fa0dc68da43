/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The single exit. Every packet passes here once: its reason becomes a verdict by policy and mode, is
 * counted, and if it is a drop is accounted for. Accounting never changes a verdict.
 */
#ifndef LIB_VERDICT_H
#define LIB_VERDICT_H

#include "lib/limits.h"
#include "lib/maps.h"
#include "lib/packet.h"
#include "lib/tally.h"

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

/* What becomes of a packet that is refused, as mode and limit say. */
static __always_inline int verdict_of_refusal(const struct weir_policy *policy,
					      const struct weir_limit *limit)
{
	if (policy->mode != WEIR_MODE_ENFORCE)
		return WEIR_VERDICT_WOULD_DROP;
	if (limit && limit->action == WEIR_ACTION_MONITOR)
		return WEIR_VERDICT_WOULD_DROP;
	return WEIR_VERDICT_DROP;
}

static __always_inline void verdict_count_limit(struct weir_cpu *cpu,
						const struct weir_limit *limit, int verdict)
{
	struct weir_limit_count *count = state_count(cpu, limit);

	if (verdict == WEIR_VERDICT_DROP)
		count->dropped++;
	else
		count->would_drop++;
}

/** @policy may be NULL as long as @reason is one that passes. */
static __always_inline int verdict_exit(const struct weir_live *live, struct weir_cpu *cpu,
					const struct weir_policy *policy, struct packet *packet,
					int reason)
{
	int verdict = WEIR_VERDICT_PASS;

	if (policy && verdict_refuses(reason, policy)) {
		const struct weir_limit *limit = NULL;
		__u16 slot = WEIR_NO_LIMIT;
		__u64 what;

		if (packet->limit != PACKET_NO_LIMIT) {
			limit = limits_at(policy, packet->limit);
			slot = limit->slot;
		}
		verdict = verdict_of_refusal(policy, limit);
		if (limit)
			verdict_count_limit(cpu, limit, verdict);
		what = tally_what(policy, slot, (__u8)reason, (__u8)verdict);
		if (!tally_skips(cpu, live->tally_half) &&
		    !tally_hit(cpu, packet, live->tally_half, what))
			tally_drop(packet, live->tally_half, what);
	}
	verdict_count(cpu, reason, verdict, packet->length);
	return verdict == WEIR_VERDICT_DROP ? XDP_DROP : XDP_PASS;
}

#endif
