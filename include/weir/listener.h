/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who would get a SYN, as bpf/listener.bpf.c finds it and user/datapath/listener.c reads it. Nothing of this is pinned,
 * and it is no part of the ABI of the pins.
 */
#ifndef WEIR_LISTENER_H
#define WEIR_LISTENER_H

#include <weir/types.h>

#define WEIR_TUPLE_BYTES 36 /* struct bpf_sock_tuple; only the first 12 if it is IPv4's */
#define WEIR_TUPLE_IP4	 12

struct weir_listener {
	__u32 state;	 /* enum of the kernel's TCP states; 0 = there is no socket */
	__u32 cookies;	 /* net.ipv4.tcp_syncookies; what follows is there if it listens */
	__u32 half_open; /* connections that it waits for */
	__u32 waiting,
		backlog; /* connections that the application has not accepted; it may be one more */
	__u32 _pad;
};
WEIR_LAYOUT(struct weir_listener, 24);

#endif
