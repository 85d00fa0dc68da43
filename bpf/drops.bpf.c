/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts what the kernel drops after XDP let it pass, by the kernel's own reason, and TCP resets. Runs once
 * per packet that is dropped, never for one that arrives, and decides nothing. Of all network namespaces the host has,
 * only packets of one count (weir_netns).
 */
#include <weir/drop.h>

#include "lib/kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define PROTOCOL_TCP   6
#define PROTOCOL_UDP   17
#define HEADER_UNSET   0xffff
#define STATE_LISTEN   10

/* Inode number of the network namespace whose packets count. */
const volatile __u32 weir_netns = 0;
/* The first reason that means a loss: below are "not dropped yet" and "consumed". */
const volatile __u32 weir_first_reason = 2;
/* What the tracepoints of this kernel tell: the socket that a packet was for (6.11), and why a reset is sent (6.10). */
const volatile __u32 weir_tells_socket = 0;
const volatile __u32 weir_tells_reset = 0;
/* "Nobody listens", and "who listens has no room"; 0 = this kernel has no such reason. */
const volatile __u32 weir_no_socket = 0;
const volatile __u32 weir_no_room = 0;

/* Where the kernel frees packets, not frames, for an XDP program: on veth, and in the generic mode. 0 = there is none. */
const volatile __u64 weir_xdp_begin[WEIR_DROP_XDP_PLACES] = {};
const volatile __u64 weir_xdp_end[WEIR_DROP_XDP_PLACES] = {};

/* what was dropped -> how often; this program; 32 bytes an entry and CPU */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, WEIR_DROP_KEYS);
	__type(key, struct weir_drop_key);
	__type(value, struct weir_drop_count);
} weir_drops SEC(".maps");

/* whose packets they were, as far as there is room; this program; 1 MiB */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, WEIR_DROP_FLOWS);
	__type(key, struct weir_drop_flow_key);
	__type(value, struct weir_drop_flow);
} weir_drop_flows SEC(".maps");

/* 0 -> how it went; this program; 48 bytes per CPU */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_drop_stats);
} weir_drop_stats SEC(".maps");

/* The least that IPv4 and IPv6 have in common, and what is behind. */
struct headers {
	union {
		struct {
			__u8 version_ihl, tos;
			__be16 length, id, fragment;
			__u8 ttl, protocol;
			__be16 checksum;
			__be32 source, destination;
		} ip4;
		struct {
			__be32 version_flow;
			__be16 length;
			__u8 next_header, hop_limit;
			__u8 source[16], destination[16];
		} ip6;
		__u8 bytes[40];
	};
};

static __always_inline struct weir_drop_stats *stats(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&weir_drop_stats, &zero);
}

static __always_inline __u32 netns_of(const struct sock *sk)
{
	return sk->__sk_common.skc_net.net->ns.inum;
}

/*
 * While a packet waits in a UDP socket its dev is something else, which reads as zero, and nothing else tells: it is
 * dropped then by whoever reads the socket (a checksum that only that verifies), who is taken to be at home.
 */
static __always_inline __u32 netns_of_skb(const struct sk_buff *skb)
{
	__u32 netns = skb->dev->nd_net.net->ns.inum;
	const struct sock *sk = skb->sk;
	const struct dst_entry *route;

	if (netns)
		return netns;
	if (sk)
		netns = netns_of(sk);
	if (netns)
		return netns;
	route = (const struct dst_entry *)(skb->_skb_refdst & ~1UL);
	netns = BPF_CORE_READ(route, dev, nd_net.net, ns.inum);
	if (!netns && skb->dev)
		netns = bpf_get_current_task_btf()->nsproxy->net_ns->ns.inum;
	return netns;
}

/* Frames that a merged packet was made of. */
static __always_inline __u64 packets_of(const struct sk_buff *skb)
{
	const struct skb_shared_info *info = (const void *)(skb->head + skb->end);
	__u16 segments = BPF_CORE_READ(info, gso_segs);

	return segments ? segments : 1;
}

static __always_inline __u64 bytes_of(const struct sk_buff *skb)
{
	__u16 link = skb->mac_header;
	long pulled = (long)skb->data - (long)skb->head - link;

	return skb->len + (link != HEADER_UNSET && pulled > 0 ? (__u64)pulled : 0);
}

static __always_inline void read_ports(const struct sk_buff *skb, __u32 offset,
				       struct weir_drop_flow_key *flow)
{
	__be16 ports[2] = {};

	if (flow->key.protocol != PROTOCOL_TCP && flow->key.protocol != PROTOCOL_UDP)
		return;
	bpf_probe_read_kernel(ports, sizeof(ports), skb->head + offset);
	flow->source_port = bpf_ntohs(ports[0]);
	flow->destination_port = bpf_ntohs(ports[1]);
}

/* Whose packet it is. Leaves zero what the packet does not tell, or not where it is expected. */
static __always_inline void describe(const struct sk_buff *skb, struct weir_drop_flow_key *flow)
{
	struct headers h = {};
	__u32 offset = skb->network_header;

	flow->key.ethertype = bpf_ntohs(skb->protocol);
	if (!offset || offset == HEADER_UNSET)
		return;
	bpf_probe_read_kernel(&h, sizeof(h), skb->head + offset);
	if (flow->key.ethertype == ETHERTYPE_IPV4 && h.ip4.version_ihl >> 4 == 4) {
		flow->key.protocol = h.ip4.protocol;
		flow->source[10] = flow->source[11] = 0xff;
		flow->destination[10] = flow->destination[11] = 0xff;
		__builtin_memcpy(flow->source + 12, &h.ip4.source, 4);
		__builtin_memcpy(flow->destination + 12, &h.ip4.destination, 4);
		if (!(h.ip4.fragment & bpf_htons(0x1fff)))
			read_ports(skb, offset + (h.ip4.version_ihl & 15) * 4, flow);
	} else if (flow->key.ethertype == ETHERTYPE_IPV6 && h.bytes[0] >> 4 == 6) {
		flow->key.protocol = h.ip6.next_header;
		__builtin_memcpy(flow->source, h.ip6.source, 16);
		__builtin_memcpy(flow->destination, h.ip6.destination, 16);
		read_ports(skb, offset + sizeof(h.ip6), flow);
	}
}

/* A flood of drops from made-up sources must not cost more than the drops themselves. */
static __always_inline int flow_has_room(struct weir_drop_stats *s, __u64 now_ns)
{
	__u64 window = now_ns / WEIR_DROP_WINDOW_NS;

	if (s->window != window) {
		s->window = window;
		s->window_flows = 0;
	}
	return s->window_flows++ < WEIR_DROP_WINDOW_FLOWS;
}

static __always_inline void count_flow(const struct weir_drop_flow_key *key, __u64 packets,
				       struct weir_drop_stats *s)
{
	struct weir_drop_flow fresh = {.packets = packets, .last_ns = bpf_ktime_get_ns()}, *flow;

	if (!flow_has_room(s, fresh.last_ns)) {
		s->flows_skipped += packets;
		return;
	}
	flow = bpf_map_lookup_elem(&weir_drop_flows, key);
	if (!flow) {
		bpf_map_update_elem(&weir_drop_flows, key, &fresh, BPF_NOEXIST);
		return;
	}
	__sync_fetch_and_add(&flow->packets, packets);
	flow->last_ns = fresh.last_ns;
}

static __always_inline void count(const struct sk_buff *skb, struct weir_drop_flow_key *flow,
				  struct weir_drop_stats *s)
{
	__u64 packets = packets_of(skb);
	struct weir_drop_count fresh = {.packets = packets, .bytes = bytes_of(skb)}, *held;

	describe(skb, flow);
	held = bpf_map_lookup_elem(&weir_drops, &flow->key);
	if (held) { /* of this CPU, and nothing else of us runs on it meanwhile */
		held->packets += packets;
		held->bytes += fresh.bytes;
	} else if (bpf_map_update_elem(&weir_drops, &flow->key, &fresh, BPF_ANY) < 0) {
		s->unnamed += packets;
	}
	count_flow(flow, packets, s);
}

static __always_inline int is_by_xdp(__u64 place)
{
#pragma unroll
	for (int i = 0; i < WEIR_DROP_XDP_PLACES; i++)
		if (place >= weir_xdp_begin[i] && place < weir_xdp_end[i])
			return 1;
	return 0;
}

/*
 * The end of a handshake by a cookie that finds no room is said to find no socket, although it did. One
 * by a half-open connection has the right reason.
 */
static __always_inline __u32 reason_at(const struct sock *sk, __u32 reason)
{
	return weir_no_room && reason == weir_no_socket && sk->__sk_common.skc_state == STATE_LISTEN
		       ? weir_no_room
		       : reason;
}

SEC("tp_btf/kfree_skb")
int weir_drop(__u64 *arguments)
{
	const struct sk_buff *skb = (const struct sk_buff *)arguments[0];
	struct weir_drop_flow_key flow = {.key.reason = (__u32)arguments[2]};
	struct weir_drop_stats *s = stats();
	__u32 netns = 0;

	if (!s || flow.key.reason < weir_first_reason)
		return 0;
	if (weir_tells_socket) {
		const struct sock *sk = (const struct sock *)arguments[3];

		if (sk) {
			netns = netns_of(sk);
			flow.key.reason = reason_at(sk, flow.key.reason);
		}
	}
	if (!netns)
		netns = netns_of_skb(skb);
	if (netns != weir_netns) {
		if (netns)
			s->elsewhere += packets_of(skb);
		else
			s->unattributed += packets_of(skb);
		return 0;
	}
	flow.key.by_xdp = is_by_xdp(arguments[1]);
	flow.key.ifindex = skb->skb_iif;
	flow.key.outgoing = !skb->skb_iif && skb->sk;
	if (!flow.key.ifindex && skb->dev->nd_net.net->ns.inum == netns)
		flow.key.ifindex = skb->dev->ifindex;
	count(skb, &flow, s);
	return 0;
}

static __always_inline void count_reset(const struct weir_drop_key *key, struct weir_drop_stats *s)
{
	struct weir_drop_count fresh = {.packets = 1}, *held;

	held = bpf_map_lookup_elem(&weir_drops, key);
	if (held)
		held->packets++;
	else if (bpf_map_update_elem(&weir_drops, key, &fresh, BPF_ANY) < 0)
		s->unnamed++;
}

SEC("tp_btf/tcp_send_reset")
int weir_reset_sent(__u64 *arguments)
{
	const struct sock *sk = (const struct sock *)arguments[0];
	const struct sk_buff *skb = (const struct sk_buff *)arguments[1];
	struct weir_drop_key key = {.kind = WEIR_DROP_RESET_SENT, .protocol = PROTOCOL_TCP};
	struct weir_drop_stats *s = stats();
	__u32 netns = 0;

	if (!s)
		return 0;
	if (sk)
		netns = netns_of(sk);
	if (skb) {
		if (!netns)
			netns = netns_of_skb(skb);
		key.ifindex = skb->skb_iif;
	}
	if (netns != weir_netns)
		return 0;
	if (weir_tells_reset)
		key.reason = (__u32)arguments[2];
	key.outgoing = 1;
	count_reset(&key, s);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int weir_reset_got(__u64 *arguments)
{
	const struct sock *sk = (const struct sock *)arguments[0];
	struct weir_drop_key key = {.kind = WEIR_DROP_RESET_RECEIVED, .protocol = PROTOCOL_TCP};
	struct weir_drop_stats *s = stats();

	if (s && netns_of(sk) == weir_netns)
		count_reset(&key, s);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
