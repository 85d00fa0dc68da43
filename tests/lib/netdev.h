/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a test has to ask the kernel about an interface of its own network namespace. */
#ifndef TESTS_NETDEV_H
#define TESTS_NETDEV_H

#include <stdint.h>

#include "base/fault.h"

/* Cumulative counters of one end of a veth pair; see netdev.c for what the kernel counts when. */
struct netdev_counters {
	uint64_t redirected;	  /* frames that the peer's ring took from ndo_xdp_xmit */
	uint64_t redirect_errors; /* and those it did not take, because it was full */
	uint64_t processed;	  /* frames the peer has processed, from the stack or redirected */
};

/** -ENODEV or an error of ioctl(2), as all others: with words in @reterr. */
int netdev_mac(const char *iface, uint8_t ret[static 6], struct fault *reterr);

/** The link-layer address of @address (base/address.h) in the neighbour table. -ENOENT: none. */
int netdev_neighbour(const char *iface, const uint8_t address[static 16], uint8_t ret[static 6],
		     struct fault *reterr);

/** -EOPNOTSUPP: no veth. */
int netdev_counters_read(const char *iface, struct netdev_counters *ret, struct fault *reterr);

#endif
