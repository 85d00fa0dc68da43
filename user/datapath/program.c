/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Loading the program, and putting another one in its place while packets flow. Maps whose size or
 * meaning stays the same are handed on; the others are made anew, filled by the caller, and take over
 * together with the program that knows them.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fault_point.h"
#include "base/text.h"
#include "bpf/limiter.skel.h"
#include "datapath/fold.h"
#include "datapath/internal.h"

/* libbpf talks; the last thing it complained about explains a refusal better than the errno does. */
static char last_complaint[256];

static int keep_complaint(enum libbpf_print_level level, const char *format, va_list ap)
{
	char line[256];
	size_t length;

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), format, ap);
	length = strcspn(line, "\n");
	line[length] = '\0';
	/* Verifier logs end in a marker that says nothing. */
	if (length && !strstr(line, "END PROG LOAD LOG") && !strstr(line, "failed to load object"))
		snprintf(last_complaint, sizeof(last_complaint), "%s",
			 strncmp(line, "libbpf: ", 8) == 0 ? line + 8 : line);
	return 0;
}

/* An area of a map's memory that we share, and how long it is. */
struct area {
	const struct bpf_map *map;
	size_t bytes;
	void **at;
};

#define AREAS 11

static uint32_t cells_was_size(const struct shape *shape)
{
	return shape->cell_sets_was ? WEIR_CELL_FIXED + shape->cell_sets_was : 1;
}

static void list_areas(struct program *p, struct area ret[static AREAS])
{
	const struct area areas[AREAS] = {
		{p->skeleton->maps.bss, sizeof(*p->config), (void **)&p->config},
		{p->skeleton->maps.weir_meta, sizeof(*p->meta), (void **)&p->meta},
		{p->skeleton->maps.weir_tenants, sizeof(*p->tenants), (void **)&p->tenants},
		{p->skeleton->maps.weir_usage, p->cpus * sizeof(*p->usage), (void **)&p->usage},
		{p->skeleton->maps.weir_use_slots, sizeof(*p->usage_slots),
		 (void **)&p->usage_slots},
		{p->skeleton->maps.weir_entries, p->shape.entry_sets * sizeof(*p->entries),
		 (void **)&p->entries},
		{p->skeleton->maps.weir_cells,
		 (WEIR_CELL_FIXED + (size_t)p->shape.cell_sets) * sizeof(*p->cells),
		 (void **)&p->cells},
		{p->skeleton->maps.weir_cells_was,
		 cells_was_size(&p->shape) * sizeof(*p->cells_was), (void **)&p->cells_was},
		{p->skeleton->maps.weir_cpu, p->cpus * sizeof(*p->cpu), (void **)&p->cpu},
		{p->skeleton->maps.weir_trace, sizeof(*p->trace), (void **)&p->trace},
		{p->skeleton->maps.weir_trace_cpu, p->cpus * sizeof(*p->trace_cpu),
		 (void **)&p->trace_cpu},
	};

	memcpy(ret, areas, sizeof(areas));
}

/* The name that a map is pinned by: its own, but libbpf chooses the name of .bss, and renames a map that
 * reuses another one's descriptor, which only the table that is left ever does. */
const char *program_map_name(const struct program *p, const struct bpf_map *map)
{
	if (map == p->skeleton->maps.bss)
		return "weir_config";
	return map == p->skeleton->maps.weir_cells_was ? "weir_cells_was" : bpf_map__name(map);
}

/* What a program of another shape cannot take over. */
static bool is_handed_on(const struct program *from, const struct shape *shape, const char *name)
{
	if (strcmp(name, "weir_entries") == 0)
		return from->shape.entry_sets == shape->entry_sets;
	if (strcmp(name, "weir_cells") == 0)
		return from->shape.cell_sets == shape->cell_sets;
	if (strcmp(name, "weir_cells_was") == 0)
		return from->shape.cell_sets_was == shape->cell_sets_was;
	if (strcmp(name, "weir_traces") == 0)
		return !((from->shape.features ^ shape->features) & WEIR_FEATURE_TRACE);
	return true;
}

/* The map of @from that @map, of the same name, continues; NULL: none, it starts empty. */
static const struct bpf_map *ancestor(const struct program *from, const struct program *to,
				      const struct bpf_map *map)
{
	const struct bpf_map *mine, *theirs = NULL;

	/* The table that is being replaced was the table. */
	if (map == to->skeleton->maps.weir_cells_was && to->shape.cell_sets_was &&
	    !from->shape.cell_sets_was)
		return from->skeleton->maps.weir_cells;
	if (!is_handed_on(from, &to->shape, program_map_name(to, map)))
		return NULL;
	/* Side by side, as names change. */
	mine = bpf_object__next_map(to->skeleton->obj, NULL);
	theirs = bpf_object__next_map(from->skeleton->obj, NULL);
	while (mine && mine != map) {
		mine = bpf_object__next_map(to->skeleton->obj, mine);
		theirs = bpf_object__next_map(from->skeleton->obj, theirs);
	}
	return theirs;
}

static size_t whole_pages(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

/* What @from has mapped already of the maps that it hands on stays where it is: others hold pointers. */
static int map_shared(struct program *p, const struct program *from)
{
	struct area areas[AREAS], theirs[AREAS];

	list_areas(p, areas);
	if (from)
		list_areas((struct program *)(uintptr_t)from, theirs);
	for (size_t i = 0; i < AREAS; i++) {
		void *memory;

		if (from && ancestor(from, p, areas[i].map) == theirs[i].map) {
			*areas[i].at = *theirs[i].at;
			continue;
		}
		if (fault_point(NULL, "program.map") < 0)
			return -EIO;
		memory = mmap(NULL, whole_pages(areas[i].bytes), PROT_READ | PROT_WRITE, MAP_SHARED,
			      bpf_map__fd(areas[i].map), 0);
		if (memory == MAP_FAILED)
			return -errno;
		*areas[i].at = memory;
	}
	return 0;
}

/* Forget the mappings that @other has, too. */
static void leave_mappings(struct program *p, const struct program *other)
{
	struct area areas[AREAS], theirs[AREAS];

	list_areas(p, areas);
	list_areas((struct program *)(uintptr_t)other, theirs);
	for (size_t i = 0; i < AREAS; i++)
		if (*areas[i].at == *theirs[i].at)
			*areas[i].at = NULL;
}

void program_discard(struct program *p, const struct program *from)
{
	if (p->skeleton && from)
		leave_mappings(p, from);
	program_done(p);
}

void program_done(struct program *p)
{
	struct area areas[AREAS];

	if (!p->skeleton)
		return;
	list_areas(p, areas);
	for (size_t i = 0; i < AREAS; i++)
		if (*areas[i].at)
			munmap(*areas[i].at, whole_pages(areas[i].bytes));
	limiter_bpf__destroy(p->skeleton);
	*p = (struct program){0};
}

/* .rodata and .data are each program's own. */
static bool is_its_own(const struct program *p, const struct bpf_map *map)
{
	return bpf_map__is_internal(map) && map != p->skeleton->maps.bss;
}

/* A trace ends with the daemon, so the next one does not look for it. */
bool program_is_pinned(const struct program *p, const struct bpf_map *map)
{
	return !is_its_own(p, map) && map != p->skeleton->maps.weir_trace &&
	       map != p->skeleton->maps.weir_trace_cpu && map != p->skeleton->maps.weir_traces;
}

/* Give each map the one of @from, or its pin: libbpf adopts what is there and creates and pins what is
 * not. */
static int choose_maps(struct program *p, const struct program *from, const char *pin_dir)
{
	const struct bpf_map *old;
	struct bpf_map *map;
	char path[PATH_MAX];
	int r;

	bpf_object__for_each_map(map, p->skeleton->obj)
	{
		if (is_its_own(p, map))
			continue;
		r = 0;
		if (from) {
			old = ancestor(from, p, map);
			r = fault_point(NULL, "program.reuse");
			if (r < 0)
				return r;
			r = old ? bpf_map__reuse_fd(map, bpf_map__fd(old)) : 0;
		} else if (program_is_pinned(p, map)) {
			r = pin_path(pin_dir, program_map_name(p, map), path);
			r = r ?: bpf_map__set_pin_path(map, path);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static uint32_t traces_bytes(const struct shape *shape)
{
	return shape->features & WEIR_FEATURE_TRACE ? WEIR_TRACE_RING_BYTES
						    : (uint32_t)sysconf(_SC_PAGESIZE);
}

static int set_sizes(struct program *p)
{
	int r = fault_point(NULL, "program.size");

	r = r ?: bpf_map__set_max_entries(p->skeleton->maps.weir_cpu, p->cpus);
	r = r ?: bpf_map__set_max_entries(p->skeleton->maps.weir_usage, p->cpus);
	r = r ?: bpf_map__set_max_entries(p->skeleton->maps.weir_trace_cpu, p->cpus);
	r = r ?: bpf_map__set_max_entries(p->skeleton->maps.weir_traces, traces_bytes(&p->shape));
	r = r ?: bpf_map__set_max_entries(p->skeleton->maps.weir_entries, p->shape.entry_sets);
	r = r
		    ?: bpf_map__set_max_entries(p->skeleton->maps.weir_cells,
						WEIR_CELL_FIXED + p->shape.cell_sets);
	return r
		       ?: bpf_map__set_max_entries(p->skeleton->maps.weir_cells_was,
						   cells_was_size(&p->shape));
}

static int set_answers(const struct program *p)
{
	uint32_t zero = 0;
	int fd = bpf_program__fd(p->skeleton->progs.weir_answer);
	int r = fault_point(NULL, "program.answers");

	if (r < 0 || p->shape.maps_only)
		return r;
	return bpf_map_update_elem(bpf_map__fd(p->skeleton->maps.weir_answers), &zero, &fd,
				   BPF_ANY) < 0
		       ? -errno
		       : 0;
}

static int load(struct program *p, const struct program *from, const char *pin_dir,
		struct fault *reterr)
{
	int r = set_sizes(p);

	if (r < 0)
		return fault(reterr, r, "datapath.load", "cannot size the maps: %s", strerror(-r));
	r = choose_maps(p, from, pin_dir);
	if (r < 0)
		return fault(reterr, r, "datapath.bpffs", "cannot use the pins in %s: %s", pin_dir,
			     strerror(-r));
	if (p->shape.maps_only) {
		bpf_program__set_autoload(p->skeleton->progs.weir_ingress, false);
		bpf_program__set_autoload(p->skeleton->progs.weir_answer, false);
	}
	p->skeleton->rodata->weir_seed = p->seed;
	weir_features_unpack(p->shape.features,
			     (__u8 *)(uintptr_t)p->skeleton->rodata->weir_features);
	p->skeleton->rodata->weir_test_clock = p->shape.test_clock;
	p->skeleton->rodata->weir_hits_slot = p->shape.hits_slot;
	p->skeleton->rodata->weir_entry_mask = p->shape.entry_sets - 1;
	p->skeleton->rodata->weir_cell_mask = p->shape.cell_sets - 1;
	p->skeleton->rodata->weir_cell_was_mask = p->shape.cell_sets_was - 1;
	r = fault_point(NULL, "program.load") ?: limiter_bpf__load(p->skeleton);
	if (r < 0)
		return fault(reterr, r, "datapath.load",
			     "the kernel refused the program or its maps: %s%s%s", strerror(-r),
			     last_complaint[0] ? ": " : "", last_complaint);
	r = map_shared(p, from);
	if (r < 0)
		return fault(reterr, r, "datapath.load", "cannot map shared memory: %s",
			     strerror(-r));
	if (!from)
		r = set_answers(p);
	if (r < 0)
		return fault(reterr, r, "datapath.load", "cannot set up the answers: %s",
			     strerror(-r));
	return 0;
}

int program_load(const char *pin_dir, const struct program *from, const struct shape *shape,
		 uint64_t seed, struct program *ret, struct fault *reterr)
{
	struct program p = {.shape = *shape, .seed = seed};
	int cpus = libbpf_num_possible_cpus();
	int r;

	if (cpus < 0)
		return fault(reterr, cpus, "datapath.load", "cannot count the CPUs: %s",
			     strerror(-cpus));
	p.cpus = (unsigned int)cpus;
	fold_register();
	libbpf_set_print(keep_complaint);
	last_complaint[0] = '\0';
	p.skeleton = limiter_bpf__open();
	if (!p.skeleton)
		return fault(reterr, -errno, "datapath.load", "cannot open the program: %s",
			     strerror(errno));
	r = load(&p, from, pin_dir, reterr);
	if (r < 0) {
		program_discard(&p, from);
		return r;
	}
	*ret = p;
	return 0;
}

/* 0: nothing is pinned under @name. */
static int pinned_size(const char *pin_dir, const char *name, uint32_t *ret, struct fault *reterr)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r = pin_path(pin_dir, name, path);

	if (r < 0)
		return fault(reterr, r, "datapath.bpffs", "%s is too long a path", pin_dir);
	fd = bpf_obj_get(path);
	if (fd < 0 && errno == ENOENT) {
		*ret = 0;
		return 0;
	}
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		return fault(reterr, -errno, "datapath.bpffs", "cannot open %s: %s", path,
			     strerror(errno));
	*ret = info.max_entries;
	return 0;
}

int program_pinned_shape(const char *pin_dir, struct shape *ret, struct fault *reterr)
{
	uint32_t entries, cells, cells_was;
	int r = pinned_size(pin_dir, "weir_entries", &entries, reterr);

	r = r ?: pinned_size(pin_dir, "weir_cells", &cells, reterr);
	r = r ?: pinned_size(pin_dir, "weir_cells_was", &cells_was, reterr);
	if (r < 0)
		return r;
	*ret = (struct shape){
		.entry_sets = entries ?: WEIR_ENTRY_SETS_MIN,
		.cell_sets = cells > WEIR_CELL_FIXED ? cells - WEIR_CELL_FIXED : WEIR_CELL_SETS_MIN,
		.cell_sets_was = cells_was > WEIR_CELL_FIXED ? cells_was - WEIR_CELL_FIXED : 0,
	};
	return 0;
}

/* The pins follow the link: who dies between the two leaves maps without the latest change, and a link
 * that the next daemon brings back to them. */
static int pin_what_is_new(struct datapath *d, const struct program *old, struct fault *reterr)
{
	struct bpf_map *map;
	int r = 0;

	bpf_object__for_each_map(map, d->program.skeleton->obj)
	{
		if (r == 0 && program_is_pinned(&d->program, map) &&
		    !is_handed_on(old, &d->program.shape, program_map_name(&d->program, map)))
			r = pin(bpf_map__fd(map), d->pin_dir, program_map_name(&d->program, map),
				reterr);
	}
	if (r == 0 && datapath_is_attached(d))
		r = pin(bpf_program__fd(d->program.skeleton->progs.weir_ingress), d->pin_dir,
			"program", reterr);
	return r;
}

int program_swap(struct datapath *d, struct program *next, struct program *ret_old,
		 struct fault *reterr)
{
	struct program old = d->program;
	int r = set_answers(next); /* the old program may ask them for a moment, too */

	r = r ?: fault_point(NULL, "program.link");
	if (r < 0)
		return fault(reterr, r, "datapath.attach", "cannot swap the program: %s",
			     strerror(-r));
	r = links_swap(d, bpf_program__fd(next->skeleton->progs.weir_ingress),
		       bpf_program__fd(old.skeleton->progs.weir_ingress), reterr);
	if (r < 0) {
		set_answers(&old);
		return r;
	}
	twin_free(take_ptr(d->twin));
	d->program = *next;
	*next = (struct program){0};
	r = pin_what_is_new(d, &old, reterr);
	if (r < 0) {
		*next = d->program;
		d->program = old;
		set_answers(&d->program);
		links_swap(d, bpf_program__fd(old.skeleton->progs.weir_ingress),
			   bpf_program__fd(next->skeleton->progs.weir_ingress), NULL);
		return r;
	}
	leave_mappings(&old, &d->program);
	*ret_old = old;
	return 0;
}

int program_reshape(struct datapath *d, const struct shape *shape, struct fault *reterr)
{
	struct program next, old;
	int r = program_load(d->pin_dir, &d->program, shape, d->program.seed, &next, reterr);

	if (r < 0)
		return r;
	r = program_swap(d, &next, &old, reterr);
	if (r < 0)
		program_discard(&next, &d->program);
	else
		program_done(&old);
	return r;
}

int program_share_maps(const struct datapath *d, struct bpf_object *object, struct bpf_map *bss,
		       bool (*is_own)(const char *name), bool (*is_shared)(const char *name))
{
	const struct limiter_bpf *limiter = d->program.skeleton;
	char path[PATH_MAX];
	struct bpf_map *map;
	int r = bpf_map__reuse_fd(bss, bpf_map__fd(limiter->maps.bss));

	bpf_object__for_each_map(map, object)
	{
		const char *name = bpf_map__name(map);

		if (bpf_map__is_internal(map) || r < 0)
			continue;
		if (is_own(name)) {
			r = pin_path(d->pin_dir, name, path);
			r = r ?: bpf_map__set_pin_path(map, path);
		} else if (is_shared(name)) {
			r = bpf_map__reuse_fd(map,
					      bpf_object__find_map_fd_by_name(limiter->obj, name));
		} else {
			r = bpf_map__set_autocreate(map, false);
		}
	}
	return r;
}
