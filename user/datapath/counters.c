/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading: what the CPUs counted, summed up. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include <weir/timing.h>

#include "bpf/limiter.skel.h"
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

bool datapath_read_timing(const struct datapath *d, struct weir_timing *ret)
{
	const struct program *p = &d->program;
	_cleanup_free_ struct weir_timing *values = calloc(p->cpus, sizeof(*values));
	uint32_t zero = 0;

	memset(ret, 0, sizeof(*ret));
	if (!d->policy.timing || !values ||
	    bpf_map_lookup_elem(bpf_map__fd(p->skeleton->maps.weir_timing), &zero, values) < 0)
		return false;
	for (unsigned int i = 0; i < p->cpus; i++)
		add(&values[i], ret, sizeof(*ret) / sizeof(uint64_t));
	return true;
}
