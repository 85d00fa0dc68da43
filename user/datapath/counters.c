/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading: per-CPU counters summed up, and buckets as they are at this moment. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "bpf/limiter.skel.h"
#include "datapath/internal.h"

/* Add up the first @words 64-bit words that each CPU has under @key. */
static int sum_cpus(const struct datapath *d, const struct bpf_map *map, uint32_t key,
		    uint64_t *ret, size_t words)
{
	size_t stride = (bpf_map__value_size(map) + 7) / 8;
	_cleanup_free_ uint64_t *values = calloc(d->program.cpus, stride * sizeof(*values));

	if (!values)
		return -ENOMEM;
	if (bpf_map_lookup_elem(bpf_map__fd(map), &key, values) < 0)
		return -errno;
	memset(ret, 0, words * sizeof(*ret));
	for (size_t cpu = 0; cpu < d->program.cpus; cpu++)
		for (size_t i = 0; i < words; i++)
			ret[i] += values[cpu * stride + i];
	return 0;
}

int datapath_read_counts(const struct datapath *d,
			 struct weir_count ret[static WEIR_VERDICT_MAX * WEIR_REASON_MAX])
{
	for (uint32_t i = 0; i < WEIR_VERDICT_MAX * WEIR_REASON_MAX; i++) {
		int r = sum_cpus(d, d->program.skeleton->maps.weir_counts, i, (uint64_t *)&ret[i],
				 sizeof(ret[i]) / sizeof(uint64_t));

		if (r < 0)
			return r;
	}
	return 0;
}

int datapath_read_event_counts(const struct datapath *d, struct weir_event_count *ret)
{
	return sum_cpus(d, d->program.skeleton->maps.weir_cpu, 0, (uint64_t *)ret,
			sizeof(*ret) / sizeof(uint64_t));
}

int datapath_read_limit_count(const struct datapath *d, uint16_t slot, struct weir_limit_count *ret)
{
	return sum_cpus(d, d->program.skeleton->maps.weir_lim_counts, slot, (uint64_t *)ret,
			sizeof(*ret) / sizeof(uint64_t));
}
