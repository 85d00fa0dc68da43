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
#include <weir/key.h>

#include "lib/bits.h"
#include "lib/connections.h"
#include "lib/kernel.h"
#include "lib/maps.h"
#include "lib/packet.h"
#include "lib/settings.h"
#include "lib/wire.h"

#define FAMILY_INET  2
#define FAMILY_INET6 10

/* Inode number of the network namespace whose sockets count. */
const volatile __u32 weir_netns = 0;

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

static __always_inline struct weir_conn_set *set_of(__u64 tag)
{
	__u32 index = weir_conn_index(tag, weir_conn_mask);

	return bpf_map_lookup_elem(&weir_conns, &index);
}

/* Global functions are checked once each by the verifier. These two are one attempt each. */
__noinline int try_up(__u64 tag)
{
	struct weir_conn_set *set = set_of(tag);

	return set ? connections_try_add(set, weir_conn_tag(tag)) : CONNECTIONS_FULL;
}

__noinline int try_down(__u64 tag)
{
	struct weir_conn_set *set = set_of(tag);

	return set ? connections_try_remove(set, weir_conn_tag(tag)) : CONNECTIONS_FULL;
}

static __always_inline int count_up(__u64 tag)
{
	int outcome = CONNECTIONS_AGAIN;

#pragma clang loop unroll(disable)
	for (int i = 0; i < CONNECTIONS_ATTEMPTS && outcome == CONNECTIONS_AGAIN; i++)
		outcome = try_up(tag);
	return outcome;
}

__noinline int count_down(__u64 tag)
{
	int outcome = CONNECTIONS_AGAIN;

#pragma clang loop unroll(disable)
	for (int i = 0; i < CONNECTIONS_ATTEMPTS && outcome == CONNECTIONS_AGAIN; i++)
		outcome = try_down(tag);
	return outcome;
}

static __always_inline __u64 match_prefix(void *prefixes, const struct weir_policy *policy,
					  const __u64 address[2], __u64 any, struct packet *packet)
{
	struct weir_prefix_key key = {.prefix_bits = 32 + 128, .copy = policy->generation & 1};
	const struct weir_prefix_value *value;

	__builtin_memcpy(key.address, address, sizeof(key.address));
	value = bpf_map_lookup_elem(prefixes, &key);
	if (!value)
		return any;
	if (!packet->tenant)
		packet->tenant = (__u16)value->tenant;
	return value->limits;
}

/* The limits that the SYN of this connection came under, as in lib/match.h but for what that remembers
 * per CPU: a packet may come between the steps of what a process does to a socket. */
__noinline __u64 match_connection(const struct weir_policy *policy, struct packet *packet)
{
	__u64 mask;

	if (!policy || !packet)
		return 0;
	mask = weir_config.ports[policy->generation & 1][packet->destination_port].tcp &
	       policy->connection_limits & policy->active;
	if (mask && policy->flags & WEIR_POLICY_BY_DESTINATION)
		mask &= match_prefix(&weir_dests, policy, packet->destination_words,
				     policy->any_destination, packet);
	if (mask && policy->flags & WEIR_POLICY_BY_SOURCE)
		mask &= match_prefix(&weir_sources, policy, packet->source_words,
				     policy->any_source, packet);
	if (mask && policy->flags & WEIR_POLICY_BY_TENANT)
		mask &= policy->tenant_limits[packet->tenant & (WEIR_TENANTS_MAX - 1)];
	return mask;
}

/* Count a connection, and note that with its socket. */
__noinline int count_under(struct weir_conn_socket *socket, __u64 tag)
{
	if (!socket || socket->count >= WEIR_CONN_PER_SOCKET || count_up(tag) != CONNECTIONS_DONE)
		return CONNECTIONS_FULL;
	socket->hashes[socket->count++ & (WEIR_CONN_PER_SOCKET - 1)] = tag;
	return CONNECTIONS_DONE;
}

/* The connection as the SYN that began it. 0 = of neither IP version. */
static __always_inline int describe(const struct sock *sk, struct packet *ret)
{
	const struct sock_common *common = &sk->__sk_common;

	ret->destination_port = common->skc_num;
	if (common->skc_family == FAMILY_INET) {
		ret->source_quads[2] = ret->destination_quads[2] = WIRE_MAPPED_PREFIX;
		ret->source_quads[3] = common->skc_daddr;
		ret->destination_quads[3] = common->skc_rcv_saddr;
		return 1;
	}
#pragma unroll
	for (int i = 0; i < 4; i++) {
		ret->source_quads[i] = common->skc_v6_daddr.in6_u.u6_addr32[i];
		ret->destination_quads[i] = common->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
	}
	ret->is_ip6 = ret->source_words[0] || ret->source_quads[2] != WIRE_MAPPED_PREFIX;
	return common->skc_family == FAMILY_INET6;
}

static __always_inline void opened(struct sock *sk)
{
	const struct weir_policy *policy = policy_now();
	struct weir_conn_stats *s = stats();
	struct weir_conn_socket *socket;
	struct packet packet = {};
	__u64 mask;

	if (!policy || !s || !describe(sk, &packet))
		return;
	mask = match_connection(policy, &packet);
	if (!mask)
		return;
	socket = bpf_sk_storage_get(&weir_conn_socks, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!socket) {
		s->untracked++;
		return;
	}
	if (socket->count) /* by another copy of this program */
		return;
#pragma clang loop unroll(disable)
	for (int i = 0; i < WEIR_LIMITS_PER_PACKET && mask; i++, mask &= mask - 1) {
		__u32 number = bits_lowest(mask) & (WEIR_LIMITS_MAX - 1);
		const struct weir_limit *limit = &policy->limits[number];
		struct weir_key_parts parts = {
			.source = packet.source_words,
			.destination = packet.destination_words,
			.tenant = packet.tenant,
			.is_ip6 = packet.is_ip6,
		};

		if (limit->algorithm == WEIR_ALGORITHM_OPEN &&
		    count_under(socket, weir_key_tag(limit, &parts, weir_seed)) != CONNECTIONS_DONE)
			s->full++;
	}
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

	if (sk->sk_protocol != PROTOCOL_TCP)
		return 0;
	if (new_state == BPF_TCP_CLOSE) {
		closed(sk);
		return 0;
	}
	/* Only what was accepted comes this way; connections of our own are established from SYN_SENT. */
	if (old_state != BPF_TCP_SYN_RECV || new_state != BPF_TCP_ESTABLISHED)
		return 0;
	if (sk->__sk_common.skc_net.net->ns.inum == weir_netns)
		opened(sk);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
