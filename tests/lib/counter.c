/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "counter.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <weir/live.h>

#include "base/cleanup.h"
#include "lib/connections.h"

#define CPUS_MAX 256

static uint32_t own_netns(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/thread-self/ns/net", &st), 0);
	return (uint32_t)st.st_ino;
}

static void *map_of(const struct bpf_map *map)
{
	size_t bytes = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}

void counter_load(struct counter *ret, const struct counter *shared, uint32_t sets, uint32_t netns)
{
	struct weir_config *config;

	*ret = (struct counter){.bpf = connections_bpf__open(), .set_mask = sets - 1};
	assert_non_null(ret->bpf);
	ret->bpf->rodata->weir_netns = netns ? netns : own_netns();
	ret->bpf->rodata->weir_seed = COUNTER_SEED;
	ret->bpf->rodata->weir_conn_mask = sets - 1;
	assert_int_equal(bpf_map__set_max_entries(ret->bpf->maps.weir_conns, sets), 0);
	if (shared) {
		struct bpf_map *from, *to;

		bpf_object__for_each_map(to, ret->bpf->obj)
		{
			from = bpf_object__find_map_by_name(shared->bpf->obj, bpf_map__name(to));
			if (!bpf_map__is_internal(to) || to == ret->bpf->maps.bss)
				assert_int_equal(bpf_map__reuse_fd(to, bpf_map__fd(from)), 0);
		}
	}
	assert_int_equal(connections_bpf__load(ret->bpf), 0);
	config = map_of(ret->bpf->maps.bss);
	ret->policy = &config->policies[0];
	ret->sets = map_of(ret->bpf->maps.weir_conns);
	ret->ports = config->ports[0];
	config->live.generation = ret->policy->generation = 2; /* even: the first copy */
}

void counter_attach(struct counter *c)
{
	c->link = bpf_program__attach(c->bpf->progs.weir_conn_state);
	assert_non_null(c->link);
}

void counter_close(struct counter *c)
{
	bpf_link__destroy(c->link);
	connections_bpf__destroy(c->bpf); /* the mappings stay, and keep their maps */
	*c = (struct counter){};
}

uint32_t counter_count(const struct counter *c, uint64_t tag)
{
	return connections_sum(&c->sets[weir_conn_index(tag, c->set_mask)], weir_conn_tag(tag));
}

bool counter_is_empty(const struct counter *c)
{
	static const struct weir_conn_set empty;

	for (size_t i = 0; i <= c->set_mask; i++)
		if (memcmp(&c->sets[i], &empty, sizeof(empty)) != 0)
			return false;
	return true;
}

struct weir_conn_stats counter_stats(const struct counter *c)
{
	struct weir_conn_stats each[CPUS_MAX] = {}, sum = {};
	uint32_t zero = 0;

	assert_true(libbpf_num_possible_cpus() <= CPUS_MAX);
	assert_int_equal(
		bpf_map__lookup_elem(c->bpf->maps.weir_conn_stats, &zero, sizeof(zero), each,
				     sizeof(each[0]) * (size_t)libbpf_num_possible_cpus(), 0),
		0);
	for (size_t i = 0; i < ARRAY_SIZE(each); i++) {
		sum.opened += each[i].opened;
		sum.closed += each[i].closed;
		sum.untracked += each[i].untracked;
		sum.full += each[i].full;
		sum.lost += each[i].lost;
	}
	return sum;
}
