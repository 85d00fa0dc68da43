/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * XDP programs that do next to nothing: what weir is measured against, and what stands in for it
 * where a test wants to know how many packets arrived. They count per CPU and never look at a packet.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/* Key: always 0. Written by the counting programs, read and summed by whoever attached them. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

static __always_inline int counted(int verdict)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&seen, &key);

	if (count)
		(*count)++;
	return verdict;
}

/* The floor: nothing that receives a packet can be quicker. */
SEC("xdp.frags")
int bare_drop(__attribute__((unused)) struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("xdp.frags")
int count_drop(__attribute__((unused)) struct xdp_md *ctx)
{
	return counted(XDP_DROP);
}

SEC("xdp.frags")
int count_pass(__attribute__((unused)) struct xdp_md *ctx)
{
	return counted(XDP_PASS);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
