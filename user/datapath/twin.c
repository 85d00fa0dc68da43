/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The twin of the program: what it shares with it, and that it shares nothing else. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fault_point.h"
#include "bpf/limiter.skel.h"
#include "datapath/twin_internal.h"

#define RING_BYTES 4096 /* nobody reads it */
#define MAPS_MAX   32	/* that a program may have */

void twin_free(struct twin *t)
{
	if (!t)
		return;
	if (t->cells)
		munmap(t->cells, (WEIR_CELL_FIXED + (size_t)t->cell_sets) * sizeof(*t->cells));
	if (t->cpu)
		munmap(t->cpu, t->cpus * sizeof(*t->cpu));
	limiter_bpf__destroy(t->skeleton);
	free(t->before);
	free(t);
}
DEFINE_CLEANUP(struct twin *, twin_free)

/* What the program only reads, and what all packets are judged by. Of entries it writes the hits that a CPU has
 * added up, of which the twin's never has any: see prepare(). */
static bool is_shared(const struct limiter_bpf *s, const struct bpf_map *map)
{
	return map == s->maps.bss || map == s->maps.weir_dests || map == s->maps.weir_sources ||
	       map == s->maps.weir_tenants || map == s->maps.weir_entries ||
	       map == s->maps.weir_conns;
}

static int choose_maps(struct twin *t, const struct program *p)
{
	const struct bpf_map *theirs = NULL;
	struct bpf_map *map;
	int r = 0;

	bpf_object__for_each_map(map, t->skeleton->obj)
	{
		theirs = bpf_object__next_map(p->skeleton->obj, theirs);
		if (r == 0 && is_shared(t->skeleton, map))
			r = bpf_map__reuse_fd(map, bpf_map__fd(theirs));
	}
	r = r ?: bpf_map__set_autocreate(t->skeleton->maps.weir_meta, false);
	r = r ?: bpf_map__set_max_entries(t->skeleton->maps.weir_events, RING_BYTES);
	r = r ?: bpf_map__set_max_entries(t->skeleton->maps.weir_cpu, t->cpus);
	return r
		       ?: bpf_map__set_max_entries(t->skeleton->maps.weir_cells,
						   WEIR_CELL_FIXED + t->cell_sets);
}

static int read_maps(const struct bpf_program *program, uint32_t ret[static MAPS_MAX],
		     uint32_t *ret_count)
{
	struct bpf_prog_info info = {.nr_map_ids = MAPS_MAX, .map_ids = (uint64_t)(uintptr_t)ret};
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length) < 0)
		return -errno;
	*ret_count = info.nr_map_ids;
	return info.nr_map_ids > MAPS_MAX ? -E2BIG : 0;
}

static bool shares_map(const struct limiter_bpf *s, uint32_t id)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, s->obj)
	{
		struct bpf_map_info info = {0};
		uint32_t length = sizeof(info);

		if (is_shared(s, map) &&
		    bpf_obj_get_info_by_fd(bpf_map__fd(map), &info, &length) == 0 && info.id == id)
			return true;
	}
	return false;
}

/* The kernel says which maps a program can reach: no two may reach one that is not to be shared. */
static int check_apart(const struct limiter_bpf *s, const struct bpf_program *own,
		       const struct bpf_program *live)
{
	uint32_t mine[MAPS_MAX], theirs[MAPS_MAX], mine_count, their_count;
	int r = read_maps(own, mine, &mine_count);

	r = r ?: read_maps(live, theirs, &their_count);
	for (uint32_t i = 0; r == 0 && i < mine_count; i++)
		for (uint32_t j = 0; j < their_count; j++)
			if (mine[i] == theirs[j] && !shares_map(s, mine[i]))
				return -EPERM;
	return r;
}

static int map_own(struct twin *t)
{
	size_t bytes = (WEIR_CELL_FIXED + (size_t)t->cell_sets) * sizeof(*t->cells);
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			    bpf_map__fd(t->skeleton->maps.weir_cells), 0);

	if (memory == MAP_FAILED)
		return -errno;
	t->cells = memory;
	memory = mmap(NULL, t->cpus * sizeof(*t->cpu), PROT_READ | PROT_WRITE, MAP_SHARED,
		      bpf_map__fd(t->skeleton->maps.weir_cpu), 0);
	if (memory == MAP_FAILED)
		return -errno;
	t->cpu = memory;
	return 0;
}

/* The exit goes on to answer. */
static int join_answers(const struct twin *t)
{
	int program = bpf_program__fd(t->skeleton->progs.weir_answer);
	uint32_t zero = 0;

	return bpf_map_update_elem(bpf_map__fd(t->skeleton->maps.weir_answers), &zero, &program,
				   BPF_ANY) < 0
		       ? -errno
		       : 0;
}

static int load(struct twin *t, const struct program *p)
{
	const struct limiter_bpf *live = p->skeleton;
	int r = choose_maps(t, p);

	memcpy(t->skeleton->rodata, live->rodata, sizeof(*live->rodata));
	t->skeleton->rodata->weir_twin = true;
	t->skeleton->rodata->weir_cell_mask = t->cell_sets - 1;
	r = r ?: fault_point(NULL, "twin.load");
	r = r ?: limiter_bpf__load(t->skeleton);
	r = r
		    ?: check_apart(t->skeleton, t->skeleton->progs.weir_ingress,
				   live->progs.weir_ingress);
	r = r ?: check_apart(t->skeleton, t->skeleton->progs.weir_answer, live->progs.weir_answer);
	r = r ?: map_own(t);
	return r ?: join_answers(t);
}

int twin_make(struct datapath *d, uint32_t sets, struct fault *reterr)
{
	_cleanup_(twin_freep) struct twin *t = calloc(1, sizeof(*t));
	int r;

	twin_free(take_ptr(d->twin));
	if (!t)
		return fault(reterr, -ENOMEM, "datapath.load", "out of memory");
	t->cpus = d->program.cpus;
	t->cell_sets = sets < d->program.shape.cell_sets ? sets : d->program.shape.cell_sets;
	t->before = calloc(t->cpus, WEIR_LIMIT_SLOTS * sizeof(*t->before));
	t->skeleton = limiter_bpf__open();
	if (!t->before || !t->skeleton)
		return fault(reterr, -ENOMEM, "datapath.load", "out of memory");
	r = load(t, &d->program);
	if (r < 0)
		return fault(reterr, r, r == -EPERM ? "datapath.twin" : "datapath.load",
			     "cannot load the program once more: %s", strerror(-r));
	d->twin = take_ptr(t);
	return 0;
}
