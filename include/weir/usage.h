/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What each tenant had of the host: counters that only ever grow, by CPU and slot. A slot is a tenant's as long as a
 * policy has him, and after that until another one needs it; its epoch says since when, so that who adds up over
 * restarts knows counters that begin anew from those that went on.
 */
#ifndef WEIR_USAGE_H
#define WEIR_USAGE_H

#include <weir/policy.h>
#include <weir/types.h>

/* Slot 0 is nobody's. Two policies' worth, so that there is always one that no packet uses. */
#define WEIR_USAGE_SLOTS (2 * WEIR_TENANTS_MAX)

/* Packets that came as far as the lists. Connections are TCP SYN, as limits see them: what a list decides is not
 * looked at so closely. */
struct weir_usage_count {
	__u64 passed_packets;
	__u64 passed_bytes; /* of frames */
	__u64 passed_connections;
	__u64 refused_packets; /* dropped, answered or not */
	__u64 refused_bytes;
	__u64 refused_connections;
	__u64 _pad[2];
};
WEIR_LAYOUT(struct weir_usage_count, 64);

/* Of one CPU, which alone writes it; 128 KiB. */
struct weir_usage {
	struct weir_usage_count counts[WEIR_USAGE_SLOTS];
};
WEIR_LAYOUT(struct weir_usage, 64 * WEIR_USAGE_SLOTS);

struct weir_usage_slots {
	__u16 slots[2][WEIR_TENANTS_MAX]; /* by copy of the policy and tenant number */
	__u64 owners[WEIR_USAGE_SLOTS];	  /* hash of the name; 0 = free */
	__u64 epochs[WEIR_USAGE_SLOTS];	  /* CLOCK_REALTIME in ns when it became his */
};
WEIR_LAYOUT(struct weir_usage_slots, 2 * 2 * WEIR_TENANTS_MAX + 2 * 8 * WEIR_USAGE_SLOTS);

#endif
