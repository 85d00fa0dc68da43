/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a network interface says of itself, in the network namespace of the caller. */
#ifndef DOCTOR_ETHTOOL_H
#define DOCTOR_ETHTOOL_H

#include <stdbool.h>
#include <stdint.h>

struct nic {
	uint32_t ifindex, mtu;
	bool up, running;
	char driver[32];	     /* "" = it does not say */
	uint32_t queues, queues_max; /* for receiving; 0 = it does not say */
	bool rx_vlan, lro, gro;
};

/** -ENODEV: no such interface. What an interface does not say is zero. */
int nic_read(const char *name, struct nic *ret);

#endif
