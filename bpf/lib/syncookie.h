/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SYN cookies in the driver: a SYN becomes the SYN-ACK that the listener would have sent, with the
 * kernel's own cookie for a sequence number. The ACK that comes back passes, and the kernel takes it
 * for its own: nothing is kept here or there for a client that never answers.
 *
 * The listener is asked each time (bpf_tcp_gen_syncookie, since 5.3). That notes on the listener that
 * cookies are out, without which it refuses the ACK; it leaves alone what the kernel alone can
 * answer, such as a SYN for a connection that is in TIME_WAIT, and ports that nobody listens on; and
 * it obeys net.ipv4.tcp_syncookies: 0 never, 1 while the listener's queue is full, 2 always. The raw
 * helpers of 6.0 would save a third of the time and know nothing of that.
 *
 * Of the options only MSS is sent, as by the kernel itself to clients without timestamps: scale and
 * SACK would have to be hidden in the timestamp, behind an offset that is the kernel's secret.
 */
#ifndef LIB_SYNCOOKIE_H
#define LIB_SYNCOOKIE_H

#include "lib/kernel.h"
#include "lib/reply.h"
#include "lib/wire.h"

/* Why there is no cookie. The frame is what it was and goes its way as if nobody had asked. */
enum syncookie_refusal {
	SYNCOOKIE_NO_SYN = -1,	    /* none, or one that must not be answered from here */
	SYNCOOKIE_NO_LISTENER = -2, /* or the SYN belongs to a connection that there is */
	SYNCOOKIE_NOT_WANTED = -3,  /* by tcp_syncookies, or the accept queue is full */
	SYNCOOKIE_CANNOT = -4,	    /* a kernel without SYN cookies, a driver that cuts no frame */
};

#define SYNCOOKIE_ENOENT       2 /* errno(3), which programs have no header for */
#define SYNCOOKIE_EINVAL       22
#define SYNCOOKIE_IP6_MORE     20			 /* bytes of header than IPv4 */
#define SYNCOOKIE_MSS_MIN      (88 + SYNCOOKIE_IP6_MORE) /* Linux sends no smaller segments */
#define SYNCOOKIE_MSS_MAX      65495
#define SYNCOOKIE_OPTIONS_MAX  10 /* words that TCP has room for */
#define SYNCOOKIE_OPTIONS_MASK 63 /* of their bytes */
#define SYNCOOKIE_SEGMENTS     10 /* the client may send at once (RFC 6928); the next ACK says more */

struct syncookie_tcp {
	struct wire_tcp tcp;
	reply_word options[SYNCOOKIE_OPTIONS_MAX];
	reply_word unused[6]; /* up to SYNCOOKIE_OPTIONS_MASK */
};
_Static_assert(sizeof(struct syncookie_tcp) == sizeof(struct wire_tcp) + SYNCOOKIE_OPTIONS_MASK + 1,
	       "the kernel is given no more than there is");

/*
 * A twin of the program (user/datapath/twin.c) asks nobody, as the listener would take note: .rodata says so, and .data
 * has what it is told instead, and what it would have asked about. Otherwise this is no code.
 */
const volatile __u32 weir_twin = 0;
volatile __s64 weir_twin_told = SYNCOOKIE_NOT_WANTED;
__u8 weir_twin_tuple[sizeof(struct bpf_sock_tuple)] SEC(".data") = {0};
volatile __u32 weir_twin_asked SEC(".data") = 0; /* bytes of it */

struct syncookie_answer {
	struct wire_tcp tcp;
	__be32 mss;
};

/* Copy the header of a SYN at @offset of the packet, which the kernel then reads. Its length; 0 if it
 * is none, or not wholly in the first buffer. */
static __always_inline __u32 syncookie_load(const struct xdp_md *ctx, __u32 offset,
					    struct syncookie_tcp *ret)
{
	const __u8 control = REPLY_TCP_FIN | REPLY_TCP_SYN | REPLY_TCP_RST | REPLY_TCP_ACK;
	const struct wire_tcp *tcp = reply_at(ctx, offset, sizeof(*tcp));
	__u32 options;

	if (!tcp || (tcp->flags & control) != REPLY_TCP_SYN)
		return 0;
	ret->tcp = *tcp;
	options = (tcp->data_offset >> 4) - (__u32)sizeof(*tcp) / 4;
	if (options > SYNCOOKIE_OPTIONS_MAX)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < SYNCOOKIE_OPTIONS_MAX; i++) {
		const reply_word *word;

		if (i >= options)
			break;
		word = reply_at(ctx, offset + (__u32)sizeof(*tcp) + 4 * i, sizeof(*word));
		if (!word)
			return 0;
		ret->options[i] = *word;
	}
	return (__u32)sizeof(*tcp) + 4 * options;
}

/* The cookie, or enum syncookie_refusal. @tcp_size is 20 to 60. */
static __always_inline __s64 syncookie_ask(struct xdp_md *ctx, struct bpf_sock_tuple *tuple,
					   __u32 tuple_size, void *ip, __u32 ip_size,
					   struct syncookie_tcp *syn, __u32 tcp_size)
{
	__u32 options = tcp_size - (__u32)sizeof(syn->tcp);
	struct bpf_sock *listener;
	__s64 cookie;

	if (weir_twin) {
		__builtin_memcpy(weir_twin_tuple, tuple, sizeof(*tuple));
		weir_twin_asked = tuple_size;
		return weir_twin_told;
	}
	listener = bpf_skc_lookup_tcp(ctx, tuple, tuple_size, (__u64)BPF_F_CURRENT_NETNS, 0);
	if (!listener)
		return SYNCOOKIE_NO_LISTENER;
	/* It is within bounds, but older verifiers forget those of a value that was on the stack. */
	__asm__ volatile("" : "+r"(options));
	tcp_size = (__u32)sizeof(syn->tcp) + (options & SYNCOOKIE_OPTIONS_MASK);
	cookie = bpf_tcp_gen_syncookie(listener, ip, ip_size, (void *)syn, tcp_size);
	bpf_sk_release(listener);
	if (cookie >= 0)
		return (__u32)cookie; /* above it, the MSS that it stands for */
	if (cookie == -SYNCOOKIE_ENOENT)
		return SYNCOOKIE_NOT_WANTED;
	return cookie == -SYNCOOKIE_EINVAL ? SYNCOOKIE_NO_LISTENER : SYNCOOKIE_CANNOT;
}

/* The SYN-ACK, but for the checksum. A SYN without options gets an answer without: so the answer is
 * never longer than the SYN, and no frame has to grow. Returns the length of the header. */
static __always_inline __u32 syncookie_make(struct syncookie_answer *ret,
					    const struct syncookie_tcp *syn, __u32 cookie,
					    __u32 mss, __u32 tcp_size)
{
	__u32 window = mss * SYNCOOKIE_SEGMENTS;
	__u32 size = tcp_size < sizeof(*ret) ? sizeof(ret->tcp) : sizeof(*ret);

	*ret = (struct syncookie_answer){
		.tcp =
			{
				.source_port = syn->tcp.destination_port,
				.destination_port = syn->tcp.source_port,
				.sequence = reply_u32(cookie),
				.acknowledgement = reply_u32(reply_u32(syn->tcp.sequence) + 1),
				.data_offset = (__u8)(size / 4 << 4),
				.flags = REPLY_TCP_SYN | REPLY_TCP_ACK,
				.window = wire_u16((__u16)(window > 65535 ? 65535 : window)),
			},
		.mss = size == sizeof(*ret) ? reply_u32(2 << 24 | 4 << 16 | mss) : 0,
	};
	return size;
}

/* Put the header of an answer, @size bytes of @answer, at @offset. */
static __always_inline int syncookie_put(struct xdp_md *ctx, __u32 offset,
					 const struct syncookie_answer *answer, __u32 size)
{
	struct wire_tcp *tcp = reply_at(ctx, offset, sizeof(*tcp));
	__be32 *mss = reply_at(ctx, offset + (__u32)sizeof(*tcp), sizeof(*mss));

	if (!tcp)
		return SYNCOOKIE_CANNOT;
	*tcp = answer->tcp;
	if (mss && size == sizeof(*answer))
		*mss = answer->mss;
	return reply_turn(ctx);
}

__noinline int syncookie_answer4(struct xdp_md *ctx, __u32 network, __u32 length, __u32 mss)
{
	struct bpf_sock_tuple tuple = {};
	struct syncookie_answer answer;
	struct syncookie_tcp syn = {};
	struct wire_ip4 ip, *at;
	__u32 size;
	__s64 cookie;

	if (network > REPLY_LINK_MAX)
		return SYNCOOKIE_NO_SYN;
	at = reply_at(ctx, network, sizeof(*at));
	if (!at || at->version_ihl != (4 << 4 | 5) || at->fragment & wire_u16(0x3fff) ||
	    at->protocol != PROTOCOL_TCP || !reply_is_between_hosts4(at))
		return SYNCOOKIE_NO_SYN;
	ip = *at;
	size = syncookie_load(ctx, network + sizeof(ip), &syn);
	if (!size || wire_u16(ip.total_length) < sizeof(ip) + size)
		return SYNCOOKIE_NO_SYN;
	tuple.ipv4.saddr = ip.source;
	tuple.ipv4.daddr = ip.destination;
	tuple.ipv4.sport = syn.tcp.source_port;
	tuple.ipv4.dport = syn.tcp.destination_port;
	cookie = syncookie_ask(ctx, &tuple, sizeof(tuple.ipv4), &ip, sizeof(ip), &syn, size);
	if (cookie < 0)
		return (int)cookie;

	size = syncookie_make(&answer, &syn, (__u32)cookie, mss, size);
	answer.tcp.checksum =
		reply_checksum(reply_sum(&ip.source, 8) + reply_sum(&answer, sizeof(answer)) +
			       reply_sum_pseudo(PROTOCOL_TCP, (__u16)size));
	if (reply_cut(ctx, length, network + sizeof(ip) + size))
		return SYNCOOKIE_CANNOT;
	at = reply_at(ctx, network, sizeof(*at));
	if (!at)
		return SYNCOOKIE_CANNOT;
	reply_head4(at, &ip, PROTOCOL_TCP, size);
	return syncookie_put(ctx, network + sizeof(ip), &answer, size);
}

__noinline int syncookie_answer6(struct xdp_md *ctx, __u32 network, __u32 length, __u32 mss)
{
	struct bpf_sock_tuple tuple = {};
	struct syncookie_answer answer;
	struct syncookie_tcp syn = {};
	struct wire_ip6 ip, *at;
	__u32 size;
	__s64 cookie;

	if (network > REPLY_LINK_MAX)
		return SYNCOOKIE_NO_SYN;
	at = reply_at(ctx, network, sizeof(*at));
	if (!at || at->version_class_flow[0] >> 4 != 6 || at->next_header != PROTOCOL_TCP ||
	    !reply_is_between_hosts6(at))
		return SYNCOOKIE_NO_SYN;
	ip = *at;
	size = syncookie_load(ctx, network + sizeof(ip), &syn);
	if (!size || wire_u16(ip.payload_length) < size)
		return SYNCOOKIE_NO_SYN;
	__builtin_memcpy(tuple.ipv6.saddr, ip.source, sizeof(ip.source));
	__builtin_memcpy(tuple.ipv6.daddr, ip.destination, sizeof(ip.destination));
	tuple.ipv6.sport = syn.tcp.source_port;
	tuple.ipv6.dport = syn.tcp.destination_port;
	cookie = syncookie_ask(ctx, &tuple, sizeof(tuple.ipv6), &ip, sizeof(ip), &syn, size);
	if (cookie < 0)
		return (int)cookie;

	size = syncookie_make(&answer, &syn, (__u32)cookie, mss - SYNCOOKIE_IP6_MORE, size);
	answer.tcp.checksum =
		reply_checksum(reply_sum(ip.source, 32) + reply_sum(&answer, sizeof(answer)) +
			       reply_sum_pseudo(PROTOCOL_TCP, (__u16)size));
	if (reply_cut(ctx, length, network + sizeof(ip) + size))
		return SYNCOOKIE_CANNOT;
	at = reply_at(ctx, network, sizeof(*at));
	if (!at)
		return SYNCOOKIE_CANNOT;
	reply_head6(at, &ip, PROTOCOL_TCP, size);
	return syncookie_put(ctx, network + sizeof(ip), &answer, size);
}

/**
 * If the frame, @length bytes in all buffers and with its IP header at @network, is a SYN for a listener
 * of this network namespace, turn it into a SYN-ACK with a cookie. @mss: to announce over IPv4; over
 * IPv6 it is 20 less. XDP_TX, or enum syncookie_refusal. Either way no pointer into the packet is
 * valid any more.
 */
__noinline int syncookie_answer(struct xdp_md *ctx, __u32 network, __u32 length, __u32 mss)
{
	const __u8 *version;

	if (mss < SYNCOOKIE_MSS_MIN || mss > SYNCOOKIE_MSS_MAX ||
	    !reply_is_between_stations(ctx, network))
		return SYNCOOKIE_NO_SYN;
	version = reply_at(ctx, network, 1);
	if (!version)
		return SYNCOOKIE_NO_SYN;
	if (*version >> 4 == 4)
		return syncookie_answer4(ctx, network, length, mss);
	if (*version >> 4 == 6)
		return syncookie_answer6(ctx, network, length, mss);
	return SYNCOOKIE_NO_SYN;
}

#endif
