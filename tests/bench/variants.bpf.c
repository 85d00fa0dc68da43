/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The datapath as it is measured, and the same cut short: after the parser, after a list in the kernel's own
 * trie, or at once. Each first gives the packet another source, since BPF_PROG_TEST_RUN repeats one frame;
 * and each drops what it let pass, so that a pass costs the host's stack nothing. Built twice: with the
 * product's state, and with the one of lru/lib.
 */
#include "limiter.bpf.c"

/* Sources: base + (index * step & spread) for each index below this; 0: the packet's own. */
const volatile __u32 bench_sources = 0;
const volatile __u32 bench_base = 0;
const volatile __u32 bench_step = 1;
const volatile __u32 bench_spread = 0;

/* 0 -> state of the random numbers; this program on its CPU */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} bench_random SEC(".maps");

struct bench_prefix {
	__u32 bits;
	__u32 address; /* network order */
};

/* prefix -> until when it is blocked; userspace */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, WEIR_LIST_IP4_MAX);
	__type(key, struct bench_prefix);
	__type(value, __u64);
} bench_trie SEC(".maps");

#define BENCH_SOURCE_AT (14 + 12) /* Ethernet, IPv4 */

static __always_inline void vary_source(struct xdp_md *ctx)
{
	__u8 *data = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	__u32 zero = 0, index;
	__u64 *state;

	if (!bench_sources || data + BENCH_SOURCE_AT + 4 > end)
		return;
	state = bpf_map_lookup_elem(&bench_random, &zero);
	if (!state)
		return;
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	index = (__u32)((*state >> 32) * bench_sources >> 32);
	*(__u32 *)(data + BENCH_SOURCE_AT) =
		__builtin_bswap32(bench_base + (index * bench_step & bench_spread));
}

static __always_inline int parse(struct xdp_md *ctx, struct packet *packet)
{
	struct parse_payload payload = {};
	int reason = network_check(ctx, packet, &payload);

	return reason == WEIR_NEXT ? transport_check(ctx, packet, &payload) : reason;
}

SEC("xdp.frags")
int bench_bare(struct xdp_md *ctx)
{
	vary_source(ctx);
	return XDP_DROP;
}

SEC("xdp.frags")
int bench_parse(struct xdp_md *ctx)
{
	struct packet packet = {.limit = PACKET_NO_LIMIT, .ifindex = ctx->ingress_ifindex};

	vary_source(ctx);
	return parse(ctx, &packet) == WEIR_NEXT ? XDP_DROP : XDP_ABORTED;
}

/* What no table of such a size gets around: the parser, then one line of it, read and no more. */
#ifndef STATE_IS_LRU
SEC("xdp.frags")
int bench_touch_cell(struct xdp_md *ctx)
{
	struct packet packet = {.limit = PACKET_NO_LIMIT, .ifindex = ctx->ingress_ifindex};
	__u32 index;
	__u64 *word;

	vary_source(ctx);
	if (parse(ctx, &packet) != WEIR_NEXT)
		return XDP_ABORTED;
	index = weir_cell_set_index(weir_cell_tag(0, packet.source_words[1], 0, weir_seed),
				    weir_cell_mask);
	word = bpf_map_lookup_elem(&weir_cells, &index);
	return word && *(volatile __u64 *)word != 1 ? XDP_DROP : XDP_ABORTED;
}

#endif

SEC("xdp.frags")
int bench_touch_entry(struct xdp_md *ctx)
{
	struct packet packet = {.limit = PACKET_NO_LIMIT, .ifindex = ctx->ingress_ifindex};
	__u32 index;
	__u64 *word;

	vary_source(ctx);
	if (parse(ctx, &packet) != WEIR_NEXT)
		return XDP_ABORTED;
	index = (__u32)weir_hash(0, packet.source_words[1], 128, weir_seed) & weir_entry_mask;
	word = bpf_map_lookup_elem(&weir_entries, &index);
	return word && *(volatile __u64 *)word != 1 ? XDP_DROP : XDP_ABORTED;
}

/* The parser and one look at the exact clock. */
SEC("xdp.frags")
int bench_clock(struct xdp_md *ctx)
{
	struct packet packet = {.limit = PACKET_NO_LIMIT, .ifindex = ctx->ingress_ifindex};

	vary_source(ctx);
	if (parse(ctx, &packet) != WEIR_NEXT)
		return XDP_ABORTED;
	return bpf_ktime_get_ns() ? XDP_DROP : XDP_ABORTED;
}

SEC("xdp.frags")
int bench_lpm(struct xdp_md *ctx)
{
	struct packet packet = {.limit = PACKET_NO_LIMIT, .ifindex = ctx->ingress_ifindex};
	struct bench_prefix key = {.bits = 32};
	const __u64 *until;

	vary_source(ctx);
	if (parse(ctx, &packet) != WEIR_NEXT)
		return XDP_ABORTED;
	key.address = packet.source_quads[3];
	until = bpf_map_lookup_elem(&bench_trie, &key);
	return until && *until ? XDP_DROP : XDP_ABORTED;
}

SEC("xdp.frags")
int bench_full(struct xdp_md *ctx)
{
	vary_source(ctx);
	ingress(ctx);
	return XDP_DROP;
}
