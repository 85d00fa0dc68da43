/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is done about a refused packet beyond dropping it: another exit, in a program of its own that the
 * limiter's exit jumps to, as answers need most of the stack. The packet and its reason come by way of
 * struct weir_cpu.
 */
#ifndef LIB_ANSWER_H
#define LIB_ANSWER_H

#include "lib/packet.h"
#include "lib/reply.h"
#include "lib/settings.h"
#include "lib/syncookie.h"
#include "lib/verdict.h"

/* May change the packet. */
static __always_inline int answer_verdict(struct xdp_md *ctx, const struct weir_limit *limit,
					  const struct packet *packet)
{
	int verdict = verdict_of_limit(limit);
	__u32 network = packet->network_offset;

	if (settings_has(WEIR_FEATURE_MARK) && limit->action == WEIR_ACTION_MARK)
		return reply_mark(ctx, network, limit->dscp) ? verdict : WEIR_VERDICT_MARK;
	if (settings_has(WEIR_FEATURE_COOKIES) && limit->action == WEIR_ACTION_COOKIE)
		return syncookie_answer(ctx, network, packet->length, limit->mss) == XDP_TX
			       ? WEIR_VERDICT_REPLY
			       : verdict;
	if (settings_has(WEIR_FEATURE_REJECT) &&
	    reply_reject(ctx, network, packet->length) == XDP_TX)
		return WEIR_VERDICT_REPLY;
	return verdict;
}

static __always_inline int answer_exit(struct xdp_md *ctx)
{
	struct weir_cpu *cpu = cpu_own();
	const struct weir_policy *policy;
	const struct weir_limit *limit;
	struct packet packet;
	int verdict, reason;

	if (!cpu)
		return XDP_PASS; /* cannot happen: the limiter found it */
	policy = &weir_config.policies[cpu->generation & 1];
	packet = *(const struct packet *)cpu->packet;
	reason = (int)cpu->reason;
	limit = limits_at(policy, packet.limit);
	if (trace_is_due(cpu))
		trace_keep(ctx, packet.length);
	verdict = answer_verdict(ctx, limit, &packet);
	verdict_account(cpu, policy, &packet, limit, reason, verdict);
	verdict_count(cpu, reason, verdict, packet.length);
	usage_count(policy, &packet, verdict);
	sample_packet(cpu, &packet, reason, verdict);
	trace_packet(ctx, cpu, policy, &packet, reason, verdict, 1);
	return verdict_action(verdict);
}

#endif
