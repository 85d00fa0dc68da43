/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading: per-CPU counters summed up, and buckets as they are at this moment. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "bpf/limiter.skel.h"
#include "datapath/internal.h"

/* Add up the @words 64-bit words that each CPU has under @key. */
static int sum_cpus(const struct datapath *d, const struct bpf_map *map, uint32_t key,
		    uint64_t *ret, size_t words)
{
	_cleanup_free_ uint64_t *values = calloc(d->cpus, words * sizeof(*values));

	if (!values)
		return -ENOMEM;
	if (bpf_map_lookup_elem(bpf_map__fd(map), &key, values) < 0)
		return -errno;
	memset(ret, 0, words * sizeof(*ret));
	for (size_t i = 0; i < d->cpus * words; i++)
		ret[i % words] += values[i];
	return 0;
}

int datapath_read_counts(const struct datapath *d,
			 struct weir_count ret[static WEIR_VERDICT_MAX * WEIR_REASON_MAX])
{
	for (uint32_t i = 0; i < WEIR_VERDICT_MAX * WEIR_REASON_MAX; i++) {
		int r = sum_cpus(d, d->skeleton->maps.weir_counts, i, (uint64_t *)&ret[i],
				 sizeof(ret[i]) / sizeof(uint64_t));

		if (r < 0)
			return r;
	}
	return 0;
}

int datapath_read_event_counts(const struct datapath *d, struct weir_event_count *ret)
{
	return sum_cpus(d, d->skeleton->maps.weir_ev_counts, 0, (uint64_t *)ret,
			sizeof(*ret) / sizeof(uint64_t));
}

int datapath_read_limit_count(const struct datapath *d, uint16_t slot, struct weir_limit_count *ret)
{
	return sum_cpus(d, d->skeleton->maps.weir_lim_counts, slot, (uint64_t *)ret,
			sizeof(*ret) / sizeof(uint64_t));
}

/* The arithmetic of bpf/lib/gcra.h, asked the other way round: how much would pass? */
static void weigh_bucket(const struct weir_limit *limit, uint64_t tat, struct datapath_bucket *ret)
{
	uint64_t now = clock_monotonic_ns() << WEIR_TIME_SHIFT;
	int64_t ahead = tat ? (int64_t)(tat - now) : 0;
	uint64_t room, unit = (limit->interval + (1ULL << limit->shift) - 1) >> limit->shift;

	if (ahead < 0)
		ahead = 0;
	room = (uint64_t)ahead < limit->burst ? limit->burst - (uint64_t)ahead : 0;
	ret->available = (uint64_t)(((unsigned __int128)room << limit->shift) / limit->interval);
	ret->burst =
		(uint64_t)(((unsigned __int128)limit->burst << limit->shift) / limit->interval);
	ret->wait_ns = room >= unit ? 0 : ((unit - room) >> WEIR_TIME_SHIFT) + 1;
	if ((uint64_t)ahead > limit->burst)
		ret->wait_ns += ((uint64_t)ahead - limit->burst) >> WEIR_TIME_SHIFT;
}

int datapath_read_bucket(const struct datapath *d, const struct weir_limit *limit,
			 const uint8_t source[static 16], struct datapath_bucket *ret)
{
	struct weir_bucket_key key = {.limit = limit->key};
	uint64_t tat = 0;

	memcpy(key.source, source, sizeof(key.source));
	if (!address_is_ipv4(source))
		memset(key.source + 8, 0, 8);
	ret->known = true;
	if (bpf_map_lookup_elem(bpf_map__fd(d->skeleton->maps.weir_buckets), &key, &tat) < 0) {
		if (errno != ENOENT)
			return -errno;
		ret->known = false;
	}
	weigh_bucket(limit, tat, ret);
	return 0;
}
