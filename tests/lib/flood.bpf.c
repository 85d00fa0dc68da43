/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet generator's inner loop. BPF_PROG_TEST_RUN with live frames hands it one frame after
 * another, each a copy of a template or, just as often, a recycled frame of earlier: so whatever
 * varies is written anew in every frame, and checksums are computed from sums over the template, not
 * from what the frame holds. Then the frame goes out through the interface.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flood.h"

const volatile struct flood_config config;
struct flood_progress progress;

/* Key: index below config.sources. Written before the first packet. 1 MiB, if sized in full. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flood_source);
} listed SEC(".maps");

/* Sums are over 16-bit words as they lie in memory; RFC 1071 (2)(B): the byte order cancels out. */
static __always_inline __u16 folded(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline __u32 next_index(void)
{
	__u32 index = progress.next;

	if (config.random) {
		/* Knuth's MMIX; its upper half is random enough, and a helper would cost 10 ns. */
		progress.random = progress.random * 6364136223846793005ULL + 1442695040888963407ULL;
		return ((progress.random >> 32) * config.sources) >> 32;
	}
	progress.next += config.step;
	if (progress.next >= config.sources)
		progress.next -= config.sources;
	return index;
}

/* The source of this packet in network order, as two halves; IPv4 in the first 32 bits. */
static __always_inline int next_source(__u32 ret[4])
{
	__u32 index = next_index();
	__u64 high = config.base_high, low = config.base_low;

	if (config.listed) {
		struct flood_source *s = bpf_map_lookup_elem(&listed, &index);

		if (!s)
			return -1;
		__builtin_memcpy(ret, s->address, sizeof(s->address));
		return 0;
	}
	if (!config.ipv6) {
		ret[0] = bpf_htonl((__u32)low + (index << config.shift));
		return 0;
	}
	if (config.shift >= 64) {
		high += (__u64)index << (config.shift - 64);
	} else {
		low += (__u64)index << config.shift;
		high += low < config.base_low;
	}
	ret[0] = bpf_htonl(high >> 32);
	ret[1] = bpf_htonl(high);
	ret[2] = bpf_htonl(low >> 32);
	ret[3] = bpf_htonl(low);
	return 0;
}

static __always_inline void stamp(void)
{
	if (progress.attempts++ & config.stamp_mask)
		return;
	progress.last_ns = bpf_ktime_get_ns();
	if (!progress.first_ns)
		progress.first_ns = progress.last_ns;
}

/* All headers are the template's, so a length check for what is written is all that is needed. */
#define IN_FRAME(offset, size) (data + (offset) + (size) <= data_end)

SEC("xdp")
int flood(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	const __u32 source_size = config.ipv6 ? 16 : 4;
	__u64 l4_sum = config.l4_sum, source_sum;
	__u32 source[4] = {};

	stamp();
	if (next_source(source) < 0 || !IN_FRAME(config.source_at, source_size))
		return XDP_ABORTED;
	__builtin_memcpy(data + config.source_at, source, 4);
	if (config.ipv6)
		__builtin_memcpy(data + config.source_at + 4, source + 1, 12);

	source_sum = (__u64)source[0] + source[1] + source[2] + source[3];
	if (config.ip_checksum_at) {
		if (!IN_FRAME(config.ip_checksum_at, 2))
			return XDP_ABORTED;
		*(__u16 *)(data + config.ip_checksum_at) = folded(config.ip_sum + source_sum);
	}
	if (config.port_at) {
		/* 32768 to 65535: consecutive packets of a source are of different flows */
		__u16 port = bpf_htons(0x8000 | (progress.attempts & 0x7fff));

		if (!IN_FRAME(config.port_at, 2))
			return XDP_ABORTED;
		*(__u16 *)(data + config.port_at) = port;
		l4_sum += port;
	}
	if (config.l4_checksum_at) {
		__u16 sum = folded(l4_sum + (config.source_summed ? source_sum : 0));

		if (!IN_FRAME(config.l4_checksum_at, 2))
			return XDP_ABORTED;
		*(__u16 *)(data + config.l4_checksum_at) = sum ?: 0xffff;
	}
	return bpf_redirect(config.ifindex, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
