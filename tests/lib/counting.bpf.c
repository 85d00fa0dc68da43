/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Asks connections_count() what it is told in the frame: a tag. Shares the map. */
#include "lib/connections.h"
#include "lib/kernel.h"

SEC("xdp")
int ask(struct xdp_md *ctx)
{
	const __u64 *words = (const __u64 *)(long)ctx->data;

	if ((const __u8 *)(words + 1) > (const __u8 *)(long)ctx->data_end)
		return -1;
	return connections_count(words[0]);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
