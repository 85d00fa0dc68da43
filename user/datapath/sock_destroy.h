/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ending sockets through netlink (SOCK_DESTROY), where the kernel lets no program do it. */
#ifndef DATAPATH_SOCK_DESTROY_H
#define DATAPATH_SOCK_DESTROY_H

#include <stddef.h>

#include <weir/socket.h>

/**
 * End these TCP sockets of the caller's network namespace; one that is gone is no failure. *@ret_ended: how many were
 * ended. -errno if none could be: -EOPNOTSUPP where the kernel was built without CONFIG_INET_DIAG_DESTROY.
 */
int sock_destroy(const struct weir_socket_row *rows, size_t count, size_t *ret_ended);

#endif
