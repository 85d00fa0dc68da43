/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts open TCP connections, for limits on how many a source may have. Looks at every change of a
 * TCP socket's state; decides nothing. A connection counts from the moment that the last ACK of its
 * handshake arrives at a listener of ours until the socket is closed, in whatever way.
 *
 * What a socket is counted under is kept with the socket, and goes with it: so every count is taken
 * back exactly once, by the key it was made with, and what was open before this program was attached
 * is never subtracted. For the same reason two copies of the program may be attached at a time, as
 * long as they share the maps: that is how a new one takes over.
 */
#include "lib/connections.h"
#include "lib/kernel.h"

#define FAMILY_INET  2
#define FAMILY_INET6 10
#define PROTOCOL_TCP 6

/* The first half of the lower half of an IPv4 address: ::ffff:a.b.c.d */
#define MAPPED_PREFIX 0xffff0000U

/* local TCP port -> limits that count connections to it, one bit each; userspace, memory-mapped;
 * 512 KiB */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WEIR_CONN_PORTS);
	__type(key, __u32);
	__type(value, __u64);
} weir_conn_ports SEC(".maps");

/* socket -> what it is counted under; this program; 72 bytes and some a connection */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct weir_conn_socket);
} weir_conn_socks SEC(".maps");

/* 0 -> how it went; this program; 64 bytes per CPU */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_conn_stats);
} weir_conn_stats SEC(".maps");

static __always_inline struct weir_conn_stats *stats(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&weir_conn_stats, &zero);
}

static __always_inline struct weir_conn_set *set_of(__u64 hash)
{
	__u32 zero = 0, index;
	const struct weir_conn_conf *conf = bpf_map_lookup_elem(&weir_conn_conf, &zero);

	if (!conf)
		return NULL;
	index = weir_conn_index(hash, conf->set_mask);
	return bpf_map_lookup_elem(&weir_conns, &index);
}

/* Global functions are checked once each by the verifier. These two are one attempt each. */
__noinline int try_up(__u64 hash)
{
	struct weir_conn_set *set = set_of(hash);

	return set ? connections_try_add(set, weir_conn_tag(hash)) : CONNECTIONS_FULL;
}

__noinline int try_down(__u64 hash)
{
	struct weir_conn_set *set = set_of(hash);

	return set ? connections_try_remove(set, weir_conn_tag(hash)) : CONNECTIONS_FULL;
}

static __always_inline int count_up(__u64 hash)
{
	int outcome = CONNECTIONS_AGAIN;

#pragma clang loop unroll(disable)
	for (int i = 0; i < CONNECTIONS_ATTEMPTS && outcome == CONNECTIONS_AGAIN; i++)
		outcome = try_up(hash);
	return outcome;
}

__noinline int count_down(__u64 hash)
{
	int outcome = CONNECTIONS_AGAIN;

#pragma clang loop unroll(disable)
	for (int i = 0; i < CONNECTIONS_ATTEMPTS && outcome == CONNECTIONS_AGAIN; i++)
		outcome = try_down(hash);
	return outcome;
}

/* The number of the lowest bit in @mask, which is not 0: the ones below it, counted side by side. */
static __always_inline __u32 lowest_bit(__u64 mask)
{
	__u64 below = ~mask & (mask - 1);

	below -= (below >> 1) & 0x5555555555555555ULL;
	below = (below & 0x3333333333333333ULL) + ((below >> 2) & 0x3333333333333333ULL);
	below = (below + (below >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return (__u32)(below * 0x0101010101010101ULL >> 56);
}

/* Count a connection of the source under limit number @number, and note that with its socket. */
__noinline int count_under(struct weir_conn_socket *socket, __u64 high, __u64 low, __u32 number)
{
	__u32 zero = 0;
	const struct weir_conn_conf *conf = bpf_map_lookup_elem(&weir_conn_conf, &zero);
	const struct weir_conn_limit *limit;
	__u64 hash;

	if (!conf || !socket || socket->count >= WEIR_CONN_PER_SOCKET)
		return CONNECTIONS_FULL;
	limit = &conf->limits[number & (WEIR_CONN_LIMITS_MAX - 1)];
	if (!high && (__u32)low == MAPPED_PREFIX) {
		low &= (__u64)limit->source_mask4 << 32 | MAPPED_PREFIX;
	} else {
		high &= limit->source_mask6;
		low = limit->whole_ip6 ? low : 0;
	}
	hash = weir_conn_hash(high, low, limit->key, conf->seed);
	if (count_up(hash) != CONNECTIONS_DONE)
		return CONNECTIONS_FULL;
	socket->hashes[socket->count++ & (WEIR_CONN_PER_SOCKET - 1)] = hash;
	return CONNECTIONS_DONE;
}

/* The other end's address, by halves. 0 = of neither IP version. */
static __always_inline int peer_of(const struct sock *sk, __u64 *ret_high, __u64 *ret_low)
{
	const struct sock_common *common = &sk->__sk_common;
	const __be32 *ip6 = common->skc_v6_daddr.in6_u.u6_addr32;

	if (common->skc_family == FAMILY_INET) {
		*ret_high = 0;
		*ret_low = MAPPED_PREFIX | (__u64)common->skc_daddr << 32;
		return 1;
	}
	*ret_high = ip6[0] | (__u64)ip6[1] << 32;
	*ret_low = ip6[2] | (__u64)ip6[3] << 32;
	return common->skc_family == FAMILY_INET6;
}

static __always_inline void opened(struct sock *sk, __u64 limits)
{
	struct weir_conn_stats *s = stats();
	struct weir_conn_socket *socket;
	__u64 high, low;

	if (!s || !peer_of(sk, &high, &low))
		return;
	socket = bpf_sk_storage_get(&weir_conn_socks, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!socket) {
		s->untracked++;
		return;
	}
	if (socket->count) /* by another copy of this program */
		return;
#pragma clang loop unroll(disable)
	for (int i = 0; i < WEIR_CONN_PER_SOCKET && limits; i++, limits &= limits - 1)
		if (count_under(socket, high, low, lowest_bit(limits)) != CONNECTIONS_DONE)
			s->full++;
	if (socket->count)
		s->opened++;
}

static __always_inline void closed(struct sock *sk)
{
	struct weir_conn_stats *s = stats();
	struct weir_conn_socket *counted;

	counted = bpf_sk_storage_get(&weir_conn_socks, sk, NULL, 0);
	if (!s || !counted || !counted->count)
		return;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < WEIR_CONN_PER_SOCKET; i++)
		if (i < counted->count && count_down(counted->hashes[i]) != CONNECTIONS_DONE)
			s->lost++;
	counted->count = 0;
	s->closed++;
}

SEC("tp_btf/inet_sock_set_state")
int weir_conn_state(__u64 *arguments)
{
	struct sock *sk = (struct sock *)arguments[0];
	int old_state = (int)arguments[1], new_state = (int)arguments[2];
	const struct weir_conn_conf *conf;
	__u32 zero = 0, port;
	const __u64 *mask;

	if (sk->sk_protocol != PROTOCOL_TCP)
		return 0;
	if (new_state == BPF_TCP_CLOSE) {
		closed(sk);
		return 0;
	}
	/* Only what was accepted comes this way; connections of our own are established from SYN_SENT. */
	if (old_state != BPF_TCP_SYN_RECV || new_state != BPF_TCP_ESTABLISHED)
		return 0;
	conf = bpf_map_lookup_elem(&weir_conn_conf, &zero);
	port = sk->__sk_common.skc_num;
	mask = bpf_map_lookup_elem(&weir_conn_ports, &port);
	if (conf && mask && *mask && sk->__sk_common.skc_net.net->ns.inum == conf->netns)
		opened(sk, *mask);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
