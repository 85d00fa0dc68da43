/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whom this host talks to: its default gateways, and the hosts that have a TCP connection with it now.
 * Both as the kernel tells, through netlink, of the network namespace that the caller is in.
 */
#ifndef DETECT_PEERS_H
#define DETECT_PEERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define PEERS_GATEWAYS_MAX 8
#define PEERS_MAX	   65536 /* hosts; those beyond are not looked at */
#define PEERS_MESSAGES_MAX 262144

struct peers_gateways {
	uint8_t addresses[PEERS_GATEWAYS_MAX][16];
	size_t count;
};

/** Add the gateways of default routes that leave by @ifindex to *ret; IPv4 and IPv6. -errno. */
int peers_gateways(uint32_t ifindex, struct peers_gateways *ret);

struct peers {
	uint8_t (*addresses)[16]; /* in order, each once */
	size_t count;
};

/** The other ends of TCP connections that are established; not this host's own. -errno. */
int peers_connected(struct peers *ret);
/** Add those of @more to *@p, in any order before and in order, each once, after. -ENOMEM: as before. */
int peers_join(struct peers *p, const struct peers *more);
void peers_done(struct peers *p);

struct prefix;
/** The first of those that @prefix covers, which follow each other; *@ret_count: how many. */
size_t peers_covered(const struct peers *p, const struct prefix *prefix, size_t *ret_count);

#endif
