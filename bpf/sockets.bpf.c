/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of TCP connections, where the kernel changes a socket's state: when it began, was established, brought the
 * first byte, and ended. What is known of one is kept with its socket and goes with it; what became of the
 * connections of a service is added up when they end. Two iterators walk over the sockets when somebody asks: one lists
 * them, the other ends those it is told to. Decides nothing about packets.
 */
#include <weir/socket.h>

#include "lib/kernel.h"

#include <bpf/bpf_endian.h>

#define FAMILY_INET   2
#define PROTOCOL_TCP  6
#define STATE_LISTEN  10
#define STATE_NEW_SYN 12

/* Inode number of the network namespace whose sockets count. */
const volatile __u32 weir_netns = 0;

/* socket -> its life so far; this program; 32 bytes and some a connection */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct weir_socket_life);
} weir_sock_lives SEC(".maps");

/* service -> what became of its connections; this program; 700 KiB. Port 0 is put there by userspace. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WEIR_SOCKET_SERVICES);
	__type(key, struct weir_service_key);
	__type(value, struct weir_service);
} weir_services SEC(".maps");

/* 0 -> zeros, for new entries there: too large for the stack */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_service);
} weir_service_new SEC(".maps");

/* cookie -> 1 + errno of ending that socket; 0 = not met yet; userspace, then this program; 4 MiB when full */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, WEIR_SOCKET_DOOMED);
	__type(key, __u64);
	__type(value, __u64);
} weir_sock_doomed SEC(".maps");

/* Connections that ended and are sampled; this program, then userspace; 64 KiB. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WEIR_SOCKET_ENDS_BYTES);
} weir_sock_ends SEC(".maps");

/* Written by userspace: a connection is sampled if its hash is not above it; 0 = none is. */
__u32 weir_sample_most = 0;
/* Sampled ones that found no room in the ring. */
__u64 weir_sample_lost = 0;

extern int bpf_sock_destroy(struct sock_common *sk) __ksym __weak; /* 6.5 */

static __always_inline __u32 bucket_of(__u64 us)
{
	__u32 bucket = 0;

#pragma unroll
	for (int shift = 32; shift; shift /= 2)
		if (us >> shift) {
			us >>= shift;
			bucket += shift;
		}
	bucket += us ? 1 : 0;
	return bucket < WEIR_SOCKET_BUCKETS ? bucket : WEIR_SOCKET_BUCKETS - 1;
}

static __always_inline void note(__u64 *buckets, __u64 us)
{
	__sync_fetch_and_add(&buckets[bucket_of(us)], 1);
}

static __always_inline struct weir_service *service_of(const struct weir_socket_life *life)
{
	struct weir_service_key key = {.port = life->port, .direction = life->direction};
	struct weir_service *service = bpf_map_lookup_elem(&weir_services, &key);
	__u32 zero = 0;
	void *fresh;

	if (service)
		return service;
	fresh = bpf_map_lookup_elem(&weir_service_new, &zero);
	if (fresh)
		bpf_map_update_elem(&weir_services, &key, fresh, BPF_NOEXIST);
	service = bpf_map_lookup_elem(&weir_services, &key);
	if (service)
		return service;
	key.port = 0;
	return bpf_map_lookup_elem(&weir_services, &key);
}

static __always_inline struct weir_socket_life *life_of(struct sock *sk, __u64 flags)
{
	return bpf_sk_storage_get(&weir_sock_lives, sk, NULL, flags);
}

static __always_inline void read_pair(const struct sock_common *common, __u8 local[16],
				      __u8 remote[16])
{
	if (common->skc_family == FAMILY_INET) {
		__be32 ours = common->skc_rcv_saddr, theirs = common->skc_daddr;

		local[10] = local[11] = remote[10] = remote[11] = 0xff;
		__builtin_memcpy(local + 12, &ours, 4);
		__builtin_memcpy(remote + 12, &theirs, 4);
		return;
	}
#pragma unroll
	for (int i = 0; i < 4; i++) {
		__be32 ours = common->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
		__be32 theirs = common->skc_v6_daddr.in6_u.u6_addr32[i];

		__builtin_memcpy(local + 4 * i, &ours, 4);
		__builtin_memcpy(remote + 4 * i, &theirs, 4);
	}
}

/* By the socket's cookie, which is a number that goes up: multiplied by 2^64 / phi its upper half is spread evenly. */
static __always_inline int is_sampled(struct sock *sk)
{
	__u32 most = weir_sample_most;

	return most && (__u32)(bpf_get_socket_cookie(sk) * 0x9e3779b97f4a7c15ULL >> 32) <= most;
}

static __always_inline void sample(struct sock *sk, const struct weir_socket_life *life,
				   const struct tcp_sock *tcp)
{
	struct weir_socket_end *end;

	if (!is_sampled(sk))
		return;
	end = bpf_ringbuf_reserve(&weir_sock_ends, sizeof(*end), 0);
	if (!end) {
		__sync_fetch_and_add(&weir_sample_lost, 1);
		return;
	}
	__builtin_memset(end, 0, sizeof(*end));
	end->established_ns = life->established_ns;
	end->closed_ns = bpf_ktime_get_ns();
	end->first_byte_ns = life->first_byte_ns;
	end->bytes_received = tcp->bytes_received;
	end->bytes_acked = tcp->bytes_acked;
	read_pair(&sk->__sk_common, end->local, end->remote);
	end->local_port = life->local_port;
	end->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	end->srtt_us = tcp->srtt_us >> 3;
	end->retransmits = tcp->total_retrans;
	end->direction = life->direction;
	end->reset = life->reset;
	bpf_ringbuf_submit(end, 0);
}

static __always_inline void established(struct sock *sk, int was)
{
	struct weir_socket_life *life = life_of(sk, BPF_SK_STORAGE_GET_F_CREATE);
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct weir_service *service;
	__u64 now_ns = bpf_ktime_get_ns();

	if (!life || !tcp || life->established_ns)
		return;
	life->direction = was == BPF_TCP_SYN_RECV ? WEIR_SOCKET_INCOMING : WEIR_SOCKET_OUTGOING;
	life->established_ns = now_ns;
	if (!life->opened_ns)
		life->opened_ns = now_ns;
	life->local_port = sk->__sk_common.skc_num;
	life->port = life->direction == WEIR_SOCKET_INCOMING ? sk->__sk_common.skc_num
							     : bpf_ntohs(sk->__sk_common.skc_dport);
	service = service_of(life);
	if (!service)
		return;
	__sync_fetch_and_add(&service->established, 1);
	/* The socket of an incoming one is made by its last ACK: what came before, only the first sample of the RTT tells. */
	note(service->handshake, life->direction == WEIR_SOCKET_INCOMING
					 ? tcp->srtt_us >> 3
					 : (now_ns - life->opened_ns) / 1000);
}

static __always_inline void closed(struct sock *sk)
{
	struct weir_socket_life *life = life_of(sk, 0);
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct weir_service *service;

	if (!life || !tcp || !life->established_ns)
		return;
	sample(sk, life, tcp);
	service = service_of(life);
	if (!service)
		return;
	__sync_fetch_and_add(&service->closed, 1);
	if (life->reset)
		__sync_fetch_and_add(&service->reset, 1);
	__sync_fetch_and_add(&service->retransmits, tcp->total_retrans);
	__sync_fetch_and_add(&service->bytes_received, tcp->bytes_received);
	__sync_fetch_and_add(&service->bytes_acked, tcp->bytes_acked);
	note(service->duration, (bpf_ktime_get_ns() - life->established_ns) / 1000);
	if (life->first_byte_ns)
		note(service->first_byte, (life->first_byte_ns - life->established_ns) / 1000);
	if (tcp->srtt_us)
		note(service->rtt, tcp->srtt_us >> 3);
	life->established_ns = 0; /* it may be connected once more */
	life->opened_ns = life->first_byte_ns = 0;
	life->reset = 0;
}

SEC("tp_btf/inet_sock_set_state")
int weir_sock_state(__u64 *arguments)
{
	struct sock *sk = (struct sock *)arguments[0];
	int was = (int)arguments[1], is = (int)arguments[2];
	struct weir_socket_life *life;

	if (sk->sk_protocol != PROTOCOL_TCP || sk->__sk_common.skc_net.net->ns.inum != weir_netns)
		return 0;
	if (is == BPF_TCP_SYN_SENT) {
		life = life_of(sk, BPF_SK_STORAGE_GET_F_CREATE);
		if (life)
			life->opened_ns = bpf_ktime_get_ns();
	} else if (is == BPF_TCP_ESTABLISHED) {
		established(sk, was);
	} else if (is == BPF_TCP_CLOSE) {
		closed(sk);
	}
	return 0;
}

SEC("tp_btf/tcp_rcv_space_adjust")
int weir_sock_read(__u64 *arguments)
{
	struct weir_socket_life *life = life_of((struct sock *)arguments[0], 0);

	if (life && life->established_ns && !life->first_byte_ns)
		life->first_byte_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int was_reset(struct sock *sk)
{
	struct weir_socket_life *life = life_of(sk, 0);

	if (life)
		life->reset = 1;
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int weir_sock_reset(__u64 *arguments)
{
	return was_reset((struct sock *)arguments[0]);
}

SEC("tp_btf/tcp_send_reset")
int weir_sock_resets(__u64 *arguments)
{
	struct sock *sk = (struct sock *)arguments[0];

	return sk ? was_reset(sk) : 0;
}

static __always_inline void read_addresses(const struct sock_common *common,
					   struct weir_socket_row *row)
{
	row->local_port = common->skc_num;
	row->remote_port = bpf_ntohs(common->skc_dport);
	read_pair(common, row->local, row->remote);
}

static __always_inline void read_numbers(struct tcp_sock *tcp, struct weir_socket_row *row)
{
	struct weir_socket_life *life = bpf_sk_storage_get(&weir_sock_lives, tcp, NULL, 0);

	if (life)
		row->life = *life;
	row->bytes_received = tcp->bytes_received;
	row->bytes_acked = tcp->bytes_acked;
	row->srtt_us = tcp->srtt_us >> 3;
	row->rttvar_us = tcp->mdev_us >> 2;
	row->min_rtt_us = tcp->rtt_min.s[0].v;
	row->retransmits = tcp->total_retrans;
	row->congestion_window = tcp->snd_cwnd;
}

/** Write a struct weir_socket_row for each TCP socket of the reader's network namespace that does not listen. */
SEC("iter/tcp")
int weir_sock_list(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct weir_socket_row row = {};
	struct tcp_timewait_sock *waiting;
	struct tcp_sock *tcp;

	if (!common || common->skc_state == STATE_LISTEN)
		return 0;
	row.state = common->skc_state;
	row.cookie = bpf_get_socket_cookie(common);
	row.min_rtt_us = ~0U;
	read_addresses(common, &row);
	waiting = bpf_skc_to_tcp_timewait_sock(common);
	if (waiting)
		row.state = waiting->tw_sk.tw_substate;
	tcp = bpf_skc_to_tcp_sock(common);
	if (tcp)
		read_numbers(tcp, &row);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

/** End each TCP socket of the reader's network namespace whose cookie is in weir_sock_doomed. */
SEC("iter/tcp")
int weir_sock_kill(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	__u64 cookie, *outcome;

	if (!common)
		return 0;
	cookie = bpf_get_socket_cookie(common);
	outcome = bpf_map_lookup_elem(&weir_sock_doomed, &cookie);
	if (outcome && !*outcome)
		*outcome = (__u64)(1 - bpf_sock_destroy(common));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
