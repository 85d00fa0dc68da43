/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an interface says that it lost: the counters of all drivers, and those of its own. */
#ifndef LADDER_NIC_H
#define LADDER_NIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NIC_COUNTERS_MAX 128 /* that are about losses; those beyond are left out */
#define NIC_NAME_SIZE	 40
#define NIC_STATS_MAX	 4096 /* that an interface may have of its own; one with more is not asked */

struct nic_counter {
	char name[NIC_NAME_SIZE];
	uint64_t packets;
	bool first; /* they were lost before XDP, and nobody else counts them */
};

/**
 * Counters of the interface @ifindex called @name that are about losses. Returns how many; 0 also if it cannot be asked.
 */
size_t nic_losses(uint32_t ifindex, const char *name,
		  struct nic_counter ret[static NIC_COUNTERS_MAX]);

/* The part that needs no kernel. */

/** A statistic of this name counts something that was lost on the way in. */
bool nic_is_loss(const char *name);

#endif
