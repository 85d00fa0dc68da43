/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The datapath: a flat list of stages and one exit. A stage either decides the packet by returning
 * the reason, or has no opinion (WEIR_NEXT). The policy is picked once, by generation, so a packet
 * is never judged by a mixture of two.
 */
#include "lib/answer.h"
#include "lib/kernel.h"
#include "lib/limits.h"
#include "lib/lists.h"
#include "lib/maps.h"
#include "lib/mode.h"
#include "lib/packet.h"
#include "lib/parse.h"
#include "lib/timing.h"
#include "lib/verdict.h"

static __always_inline int parse_load(const struct parse_bytes *bytes, __u32 offset, void *to,
				      __u32 size)
{
	return (int)bpf_xdp_load_bytes(bytes->frame, offset, to, size);
}

/*
 * The direct way looks for headers in the first buffer only, where they nearly always are. Whatever it
 * finds wrong is looked at again the thorough way, which knows all buffers: a driver may split a
 * frame anywhere, and to believe the first buffer would either drop good frames or be evaded. Both
 * functions are global for the verifier's sake, see lib/limits.h.
 */
__noinline int parse_network_thoroughly(struct xdp_md *ctx, struct packet *packet,
					struct parse_payload *payload)
{
	struct parse_bytes bytes = {.frame = ctx};
	int reason;

	if (!packet || !payload)
		return WEIR_REASON_UNCONFIGURED;
	payload->thoroughly = 1;
	reason = parse_network(&bytes, payload, packet);
	return reason == PARSE_THOROUGHLY ? WEIR_REASON_IP6_EXT_TOO_DEEP : reason;
}

__noinline int parse_transport_thoroughly(struct xdp_md *ctx, struct packet *packet,
					  struct parse_payload *payload)
{
	struct parse_bytes bytes = {.frame = ctx};

	if (!packet || !payload)
		return WEIR_REASON_UNCONFIGURED;
	return parse_transport(&bytes, payload, packet);
}

static __always_inline int network_check(struct xdp_md *ctx, struct packet *packet,
					 struct parse_payload *payload)
{
	struct parse_bytes bytes = {
		.data = (const __u8 *)(long)ctx->data,
		.end = (const __u8 *)(long)ctx->data_end,
		.direct = 1,
	};
	int reason;

	packet->length = bpf_xdp_get_buff_len(ctx);
	reason = parse_network(&bytes, payload, packet);
	if (reason == PARSE_THOROUGHLY || REASON_CLASS_MALFORMED(reason))
		return parse_network_thoroughly(ctx, packet, payload);
	return reason;
}

static __always_inline int transport_check(struct xdp_md *ctx, struct packet *packet,
					   struct parse_payload *payload)
{
	struct parse_bytes bytes = {
		.data = (const __u8 *)(long)ctx->data,
		.end = (const __u8 *)(long)ctx->data_end,
		.direct = 1,
	};
	struct parse_payload direct = *payload;
	int reason;

	if (payload->thoroughly)
		return parse_transport_thoroughly(ctx, packet, payload);
	/* No more than it is, but older verifiers forget bounds that were on the stack. */
	direct.offset &= PARSE_DIRECT_OFFSET_MASK;
	reason = parse_transport(&bytes, &direct, packet);
	if (REASON_CLASS_MALFORMED(reason))
		return parse_transport_thoroughly(ctx, packet, payload);
	return reason;
}

/* Not examined, but counted by its length. */
static __always_inline int pass_unexamined(struct xdp_md *ctx, struct weir_cpu *cpu,
					   struct packet *packet, int reason)
{
	packet->length = bpf_xdp_get_buff_len(ctx);
	return verdict_exit(ctx, cpu, NULL, packet, reason);
}

/* Behind the network headers; who is decided before the limits is asked whose he is for the count only. */
static __always_inline int judge(struct xdp_md *ctx, const struct weir_policy *policy,
				 struct weir_cpu *cpu, struct packet *packet,
				 struct parse_payload *payload)
{
	int reason = lists_check(cpu, packet);

	timing_stage(cpu, WEIR_STAGE_LISTS);
	if (reason == WEIR_NEXT) {
		reason = transport_check(ctx, packet, payload);
		timing_stage(cpu, WEIR_STAGE_TRANSPORT);
	} else if (trace_is_due(cpu)) {
		/* Who traces wants to see the ports of what a list decides, too. */
		parse_transport_thoroughly(ctx, packet, payload);
	}
	if (reason == WEIR_NEXT) {
		reason = limits_check(policy, cpu, packet);
		timing_stage(cpu, WEIR_STAGE_LIMITS);
		return reason;
	}
	if (settings_has(WEIR_FEATURE_USAGE))
		match_tenant(policy, packet);
	return reason;
}

static __always_inline int ingress(struct xdp_md *ctx)
{
	struct packet packet = {.limit = PACKET_NO_LIMIT, .ifindex = ctx->ingress_ifindex};
	struct parse_payload payload = {};
	struct weir_cpu *cpu = cpu_own();
	const struct weir_policy *policy;
	int reason, action;

	if (!cpu)
		return XDP_PASS; /* a CPU that was not there when the maps were made */
	policy = policy_now();
	if (!policy)
		return pass_unexamined(ctx, cpu, &packet, WEIR_REASON_UNCONFIGURED);
	if (mode_now(policy) == WEIR_MODE_OFF)
		return pass_unexamined(ctx, cpu, &packet, WEIR_REASON_OFF);

	timing_begin(cpu, policy);
	reason = network_check(ctx, &packet, &payload);
	timing_stage(cpu, WEIR_STAGE_NETWORK);
	if (reason == WEIR_NEXT)
		reason = judge(ctx, policy, cpu, &packet, &payload);
	action = verdict_exit(ctx, cpu, policy, &packet, reason);
	timing_end(cpu);
	return action;
}

SEC("xdp.frags")
int weir_ingress(struct xdp_md *ctx)
{
	return ingress(ctx);
}

/* Where the exit of weir_ingress jumps to for what is more than a drop. */
SEC("xdp.frags")
int weir_answer(struct xdp_md *ctx)
{
	return answer_exit(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
