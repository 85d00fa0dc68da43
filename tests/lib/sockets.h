/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP over the loopback of a network namespace of this process's own. Everything here ends the running
 * cmocka test if it fails.
 */
#ifndef TESTS_SOCKETS_H
#define TESTS_SOCKETS_H

/** Leave for a new network namespace, where loopback is up and has, besides its own addresses,
 * 2001:db8:1::1, 2001:db8:1::2 and 2001:db8:2::1. -1: not allowed. */
int sockets_leave(void);

/** net.ipv4.tcp_syncookies: 0 never, 1 if need be, 2 always. */
void sockets_set_cookies(const char *value);

/** A listener on a free port of all addresses of both versions. */
int sockets_listen(unsigned int *ret_port);

/** Connect from @source (and @from_port; 0 = any) to the loopback address of its version; -1 on failure,
 * which may happen in any thread. */
int sockets_connect(const char *source, unsigned int from_port, unsigned int to_port);

#endif
