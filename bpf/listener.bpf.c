/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looks who would get a SYN, and whether he has room: what the kernel goes by when it is asked for a SYN cookie, but the listener
 * does not learn of it. Never attached: it is run for somebody who asks (user/datapath/listener.c), on a frame that
 * does not matter, and in the asker's network namespace. Reads the kernel by CO-RE, so it is no part of the limiter, which must
 * load without BTF.
 */
#include <weir/listener.h>

#include "lib/kernel.h"

#define STATE_LISTEN 10

_Static_assert(sizeof(struct bpf_sock_tuple) == WEIR_TUPLE_BYTES, "the tuple of the kernel");
_Static_assert(sizeof(((struct bpf_sock_tuple *)0)->ipv4) == WEIR_TUPLE_IP4, "that of IPv4");

/* The question, as it would be put to bpf_skc_lookup_tcp(), and the answer. */
__u8 weir_tuple[WEIR_TUPLE_BYTES];
__u32 weir_tuple_size;
struct weir_listener weir_found;

static __always_inline void read_listener(const struct tcp_sock *tcp)
{
	const struct inet_connection_sock *connection = &tcp->inet_conn;
	const struct sock *sk = &connection->icsk_inet.sk;

	weir_found.half_open = (__u32)connection->icsk_accept_queue.qlen.counter;
	weir_found.waiting = sk->sk_ack_backlog;
	weir_found.backlog = sk->sk_max_ack_backlog;
	weir_found.cookies = sk->__sk_common.skc_net.net->ipv4.sysctl_tcp_syncookies;
}

SEC("xdp")
int weir_listen(struct xdp_md *ctx)
{
	struct bpf_sock_tuple tuple;
	const struct tcp_sock *tcp;
	struct bpf_sock *sk;

	weir_found = (struct weir_listener){0};
	__builtin_memcpy(&tuple, weir_tuple, sizeof(tuple));
	sk = bpf_skc_lookup_tcp(
		ctx, &tuple, weir_tuple_size == WEIR_TUPLE_IP4 ? WEIR_TUPLE_IP4 : WEIR_TUPLE_BYTES,
		(__u64)BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return XDP_PASS;
	weir_found.state = sk->state;
	tcp = sk->state == STATE_LISTEN ? bpf_skc_to_tcp_sock(sk) : NULL;
	if (tcp)
		read_listener(tcp);
	bpf_sk_release(sk);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
