/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's own sums of what sockets had no room for, of the caller's network namespace. */
#ifndef LADDER_STACK_H
#define LADDER_STACK_H

#include <stddef.h>
#include <stdint.h>

/* Our name for what the kernel has none for: a SYN that it calls consumed. */
#define LADDER_SYN_REFUSED "SYN_REFUSED"

/* X(constant, in which group of /proc/net/{snmp,netstat}, name there, words) */
#define STACK_COUNTERS(X)                                                                          \
	X(UDP_RCVBUF, "Udp", "RcvbufErrors",                                                       \
	  "of IPv4; the kernel's own count of SOCKET_RCVBUFF and more")                            \
	X(UDP_MEMORY, "Udp", "MemErrors", "of IPv4; the kernel's own count of PROTO_MEM")          \
	X(LISTEN_OVERFLOWS, "TcpExt", "ListenOverflows",                                           \
	  "the application does not accept fast enough: its listen() backlog, net.core.somaxconn") \
	X(LISTEN_DROPS, "TcpExt", "ListenDrops",                                                   \
	  "handshakes refused by a listener, at their beginning or end: " LADDER_SYN_REFUSED       \
	  " and TCP_LISTEN_OVERFLOW")                                                              \
	X(TCP_BACKLOG, "TcpExt", "TCPBacklogDrop", "the kernel's own count of SOCKET_BACKLOG")     \
	X(TCP_QUEUE, "TcpExt", "TCPRcvQDrop", "no room in the queue of a connection")

enum stack_counter {
#define X(constant, group, name, words) STACK_##constant,
	STACK_COUNTERS(X)
#undef X
		STACK_COUNTER_MAX
};

struct stack_counts {
	uint64_t counts[STACK_COUNTER_MAX];
};

/** Read them. What cannot be read is zero. */
void stack_read(struct stack_counts *ret);
/** "UdpRcvbufErrors", as nstat calls it. */
const char *stack_name(enum stack_counter counter);
const char *stack_words(enum stack_counter counter);

/** Add what @text, a file of that form, has of them. The part that needs no kernel. */
void stack_parse(const char *text, struct stack_counts *ret);

#endif
