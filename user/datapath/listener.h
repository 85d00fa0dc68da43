/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether the kernel would answer a SYN by a cookie, found out without asking it: the listener would take note. */
#ifndef DATAPATH_LISTENER_H
#define DATAPATH_LISTENER_H

#include <stddef.h>
#include <stdint.h>

#include <weir/listener.h>

#include "base/cleanup.h"

enum listener_cookie {
	LISTENER_UNKNOWN,  /* cannot be told here, or it is about to change */
	LISTENER_NONE,	   /* nobody listens, or there is such a connection already */
	LISTENER_OFF,	   /* net.ipv4.tcp_syncookies is 0 */
	LISTENER_HAS_ROOM, /* for another half-open connection: it needs none */
	LISTENER_IS_FULL,  /* too many wait to be accepted: it takes nobody */
	LISTENER_WANTS,	   /* a cookie */
	LISTENER_COOKIE_MAX,
};

const char *listener_cookie_to_str(enum listener_cookie cookie); /* "has_room" */

struct listener;

/** -errno: the kernel refuses the program, as it has no BTF. */
int listener_open(struct listener **ret);
void listener_close(struct listener *l); /* accepts NULL */
DEFINE_CLEANUP(struct listener *, listener_close)

/** @tuple is a struct bpf_sock_tuple of @size bytes. In the network namespace of the caller. */
enum listener_cookie listener_ask(struct listener *l, const uint8_t tuple[static WEIR_TUPLE_BYTES],
				  uint32_t size);

/** What the kernel would make of what was found. The part that needs no kernel. */
enum listener_cookie listener_judge(const struct weir_listener *found);

#endif
