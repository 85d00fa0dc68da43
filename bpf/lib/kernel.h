/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one door to the kernel's and libbpf's headers. XDP programs see the kernel through its stable
 * UAPI only, so no generated vmlinux.h is needed; kernel-internal types that a tracing program
 * reads belong here, cut down to the fields it uses and marked preserve_access_index (CO-RE).
 */
#ifndef LIB_KERNEL_H
#define LIB_KERNEL_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr; /* of this host */
	__u16 skc_num;	      /* local port, host order */
	unsigned short skc_family;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
};

#pragma clang attribute pop

#endif
