/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers without a policy: each program gives every IP packet that has it the one answer it is for.
 * test_replies.c and test_syncookies.c run them, 80-answers.sh attaches them to a real interface.
 */
#include "lib/kernel.h"
#include "lib/reply.h"
#include "lib/syncookie.h"
#include "lib/wire.h"

const volatile __u32 dscp = 0;
const volatile __u32 mss = 1460;

/* Where the IP header is; 0 if there is none behind at most two tags. */
static __always_inline __u32 network_offset(const struct xdp_md *ctx)
{
	__u32 offset = REPLY_LINK_MIN;

#pragma unroll
	for (int i = 0; i < 3; i++, offset += 4) {
		const __be16 *type = reply_at(ctx, offset - 2, sizeof(*type));

		if (!type)
			return 0;
		if (*type == wire_u16(ETHERTYPE_IP4) || *type == wire_u16(ETHERTYPE_IP6))
			return offset;
		if (*type != wire_u16(ETHERTYPE_VLAN) && *type != wire_u16(ETHERTYPE_QINQ))
			return 0;
	}
	return 0;
}

/* XDP_TX with the answer, XDP_DROP where there is none. */
SEC("xdp.frags")
int reject(struct xdp_md *ctx)
{
	__u32 network = network_offset(ctx);

	if (network && reply_reject(ctx, network, bpf_xdp_get_buff_len(ctx)) == XDP_TX)
		return XDP_TX;
	return XDP_DROP;
}

SEC("xdp.frags")
int mark(struct xdp_md *ctx)
{
	__u32 network = network_offset(ctx);

	return network && reply_mark(ctx, network, dscp) == 0 ? XDP_PASS : XDP_DROP;
}

/* What can be answered by a cookie is, everything else passes. */
SEC("xdp.frags")
int cookie(struct xdp_md *ctx)
{
	__u32 network = network_offset(ctx);

	if (network && syncookie_answer(ctx, network, bpf_xdp_get_buff_len(ctx), mss) == XDP_TX)
		return XDP_TX;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
