/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The datapath: a flat list of stages and one exit. A stage either decides the packet by returning
 * the reason, or has no opinion (WEIR_NEXT). The policy is picked once, by generation, so a packet
 * is never judged by a mixture of two.
 */
#include "lib/kernel.h"
#include "lib/limits.h"
#include "lib/lists.h"
#include "lib/maps.h"
#include "lib/packet.h"
#include "lib/parse.h"
#include "lib/verdict.h"

static __always_inline int parse_load(const struct parse_bytes *bytes, __u32 offset, void *to,
				      __u32 size)
{
	return (int)bpf_xdp_load_bytes(bytes->frame, offset, to, size);
}

/* Global for the verifier's sake, see lib/limits.h. */
__noinline int parse_thoroughly(struct xdp_md *ctx, struct packet *packet)
{
	struct parse_bytes bytes = {.frame = ctx};
	int reason;

	if (!packet)
		return WEIR_REASON_UNCONFIGURED;
	reason = parse_frame(&bytes, packet);
	return reason == PARSE_THOROUGHLY ? WEIR_REASON_IP6_EXT_TOO_DEEP : reason;
}

static __always_inline int parse_packet(struct xdp_md *ctx, struct packet *packet)
{
	struct parse_bytes bytes = {
		.data = (const __u8 *)(long)ctx->data,
		.end = (const __u8 *)(long)ctx->data_end,
		.direct = 1,
	};
	int reason;

	/* A driver may split a frame anywhere; parsing only what the first buffer holds would either
	 * drop good frames or be evaded. */
	if (ctx->data_end - ctx->data < packet->length &&
	    ctx->data + PARSE_DIRECT_BYTES > ctx->data_end)
		return parse_thoroughly(ctx, packet);
	reason = parse_frame(&bytes, packet);
	return reason == PARSE_THOROUGHLY ? parse_thoroughly(ctx, packet) : reason;
}

SEC("xdp.frags")
int weir_ingress(struct xdp_md *ctx)
{
	struct packet packet = {.limit_slot = WEIR_NO_LIMIT, .ifindex = ctx->ingress_ifindex};
	const struct weir_policy *policy;
	const struct weir_live *live;
	__u32 zero = 0, generation, copy;
	int reason;

	live = bpf_map_lookup_elem(&weir_live, &zero);
	if (!live)
		return XDP_PASS; /* cannot happen: an array has its first element */
	generation = *(volatile const __u32 *)&live->generation;
	copy = generation & 1;
	policy = bpf_map_lookup_elem(&weir_policy, &copy);
	packet.length = bpf_xdp_get_buff_len(ctx);
	if (!generation || !policy || policy->generation != generation)
		return verdict_exit(live, NULL, &packet, WEIR_REASON_UNCONFIGURED);
	if (policy->mode == WEIR_MODE_OFF)
		return verdict_exit(live, NULL, &packet, WEIR_REASON_OFF);

	reason = parse_packet(ctx, &packet);
	if (reason == WEIR_NEXT)
		reason = lists_check(live, &packet);
	if (reason == WEIR_NEXT)
		reason = limits_check(policy, &packet, copy);
	return verdict_exit(live, policy, &packet, reason);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
