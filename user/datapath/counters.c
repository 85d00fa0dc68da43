/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading: what the CPUs counted, summed up. */
#include <string.h>

#include "datapath/internal.h"

/* Add the @words 64-bit words at @from to those at @ret. The CPUs go on counting meanwhile. */
static void add(const void *from, void *ret, size_t words)
{
	const uint64_t *counted = from;
	uint64_t *sums = ret;

	for (size_t i = 0; i < words; i++)
		sums[i] += __atomic_load_n(&counted[i], __ATOMIC_RELAXED);
}

void datapath_read_counts(const struct datapath *d, struct weir_count ret[static WEIR_COUNTS])
{
	memset(ret, 0, WEIR_COUNTS * sizeof(*ret));
	for (unsigned int i = 0; i < d->program.cpus; i++)
		add(d->program.cpu[i].counts, ret, WEIR_COUNTS * sizeof(*ret) / sizeof(uint64_t));
}

void datapath_read_event_counts(const struct datapath *d, struct weir_event_count *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned int i = 0; i < d->program.cpus; i++)
		add(&d->program.cpu[i].events, ret, sizeof(*ret) / sizeof(uint64_t));
}

void datapath_read_limit_count(const struct datapath *d, uint16_t slot,
			       struct weir_limit_count *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned int i = 0; i < d->program.cpus && slot < WEIR_LIMIT_SLOTS; i++)
		add(&d->program.cpu[i].limits[slot], ret, sizeof(*ret) / sizeof(uint64_t));
}
