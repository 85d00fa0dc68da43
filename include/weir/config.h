/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What userspace tells the datapath, all in one place: one area of memory whose address is part of the
 * program, so that no packet has to look anything of it up. Userspace writes it through a mapping, and the
 * watchdog in the kernel one byte of live; packets only read. Sized for the largest policy.
 */
#ifndef WEIR_CONFIG_H
#define WEIR_CONFIG_H

#include <weir/list.h>
#include <weir/live.h>
#include <weir/policy.h>

struct weir_config {
	struct weir_live live;
	/* Both by copy, live.generation & 1. Written is the idle one; of the other, single words (see
	 * there). */
	struct weir_policy policies[2];
	struct weir_port_limits ports[2][WEIR_PORTS];
	/* The index of IPv4 (weir/list.h): a byte per /16, and per /24. */
	__u8 index16[1 << 16];
	__u8 index24[1 << 24];
};
WEIR_LAYOUT(struct weir_config, sizeof(struct weir_live) + 2 * sizeof(struct weir_policy) +
					2 * WEIR_PORTS * sizeof(struct weir_port_limits) +
					(1 << 16) + (1 << 24));

#endif
