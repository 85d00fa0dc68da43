/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the maps of an older ABI to ours, while its program goes on deciding. A map whose layout stays is
 * handed on: both programs share it, and nothing of it can be lost. What another layout has is made anew
 * and filled from the old one, as the table of a step says: which bytes of an element go where.
 * What packets have changed since is added once the links have our program and no packet has the old
 * one.
 *
 * Whoever dies on the way leaves what the next one can go on from. Until ours are complete the old maps are
 * the current ones, and ours are begun anew. Then one rename (pins_write_head()) makes ours current, and
 * says what is still to be added from where; doing that twice adds nothing twice. An older weir refuses
 * them from there on.
 */
#include "datapath/migrate.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "bpf/limiter.skel.h"
#include "datapath/carry.h"

/* The way from one ABI to ours. Maps that are not named stay as they are. */
struct step {
	uint32_t from;
	const struct change *changes;
	size_t count;
};

#ifdef WEIR_ABI_TEST
#include "steps.h" /* tests/abi */
#else
/* ABI 3, of which there is no release, had its maps in one directory, which had one link. Those that are ours
 * by kind and size are handed on; with others its program stays as it is, and the start says why. */
static const struct step steps[] = {{3, NULL, 0}};
#endif

static uint64_t now(void)
{
	return clock_monotonic_ns() << WEIR_TIME_SHIFT;
}

static const struct step *find_step(uint32_t from)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (steps[i].from == from)
			return &steps[i];
	return NULL;
}

bool migrate_is_possible(uint32_t abi)
{
	return find_step(abi);
}

static const struct change *find_change(const struct migration *m, const char *map)
{
	for (size_t i = 0; i < m->step->count; i++)
		if (strcmp(m->step->changes[i].map, map) == 0)
			return &m->step->changes[i];
	return NULL;
}

static int open_source(const struct migration *m, const char *map, const struct change *change,
		       struct source *ret, struct fault *reterr)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);
	char path[PATH_MAX];
	void *memory;
	_cleanup_close_ int fd = -1;
	int r = pin_path(m->dir, map, path);

	if (!change)
		return 0;
	if (r == 0) {
		r = fault_point(reterr, "migrate.source");
		if (r < 0)
			return r;
	}
	fd = r < 0 ? -1 : bpf_obj_get(path);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		return fault(reterr, -errno, "datapath.migrate", "cannot open %s: %s", path,
			     strerror(errno));
	if (info.value_size != change->from_bytes)
		return fault(reterr, -EPROTO, "datapath.migrate",
			     "%s has elements of %u bytes, ABI %u had %u", path, info.value_size,
			     m->from, change->from_bytes);
	ret->bytes = (size_t)info.value_size * info.max_entries;
	memory = mmap(NULL, ret->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return fault(reterr, -errno, "datapath.migrate", "cannot map %s: %s", path,
			     strerror(errno));
	ret->memory = memory;
	ret->count = info.max_entries;
	ret->change = change;
	return 0;
}

static void close_source(struct source *s)
{
	if (s->memory)
		munmap(s->memory, s->bytes);
}

/* Whose it is, and how far reading has come, each has to himself. */
static const struct change meta_stays = {
	"weir_meta",
	sizeof(struct weir_meta),
	sizeof(struct weir_meta),
	{{0, 0, sizeof(struct weir_meta)}},
};

static int open_sources(struct migration *m, struct fault *reterr)
{
	const struct change *cells = find_change(m, "weir_cells");
	int r = 0;

	if (!m->resumed)
		r = open_source(m, "weir_meta", find_change(m, "weir_meta") ?: &meta_stays,
				&m->meta, reterr);
	r = r ?: open_source(m, "weir_config", find_change(m, "weir_config"), &m->config, reterr);
	r = r
		    ?: open_source(m, "weir_entries", find_change(m, "weir_entries"), &m->entries,
				   reterr);
	r = r ?: open_source(m, "weir_cells", cells, &m->cells, reterr);
	r = r ?: open_source(m, "weir_cells_was", cells, &m->cells_was, reterr);
	r = r ?: open_source(m, "weir_cpu", find_change(m, "weir_cpu"), &m->cpu, reterr);
	if (r < 0)
		return r;
	m->cpu_then = m->cpu.memory ? calloc(1, sizeof(*m->cpu_then)) : NULL;
	m->copied = m->cells.memory && !m->resumed
			    ? calloc((size_t)m->cells.count * WEIR_CELL_WAYS, sizeof(*m->copied))
			    : NULL;
	if ((m->cpu.memory && !m->cpu_then) || (m->cells.memory && !m->resumed && !m->copied))
		return fault(reterr, -ENOMEM, "datapath.migrate", "out of memory");
	return 0;
}

static void migration_done(struct migration *m)
{
	close_source(&m->meta);
	close_source(&m->config);
	close_source(&m->entries);
	close_source(&m->cells);
	close_source(&m->cells_was);
	close_source(&m->cpu);
	free(m->copied);
	free(m->cpu_then);
}

/* What stays as it is, is pinned beside ours as well. Each program has its own answers. */
static bool is_handed_on(const struct migration *m, const char *name)
{
	if (strncmp(name, "weir_", 5) != 0 || strncmp(name, "weir_next_", 10) == 0 ||
	    strcmp(name, "weir_meta") == 0 || strcmp(name, "weir_answers") == 0)
		return false;
	return !find_change(m, strcmp(name, "weir_cells_was") == 0 ? "weir_cells" : name);
}

static int hand_on(const struct migration *m, struct fault *reterr)
{
	_cleanup_closedir_ DIR *dir = opendir(m->dir);
	const struct dirent *entry;
	char path[PATH_MAX];
	int r = dir ? 0 : -errno;

	while (r == 0 && (entry = readdir(dir))) {
		_cleanup_close_ int fd = -1;

		if (!is_handed_on(m, entry->d_name))
			continue;
		r = pin_path(m->dir, entry->d_name, path);
		fd = r < 0 ? -1 : bpf_obj_get(path);
		if (r == 0 && fd < 0)
			r = -errno;
		if (r == 0)
			r = pin(fd, m->d->pin_dir, entry->d_name, reterr);
	}
	if (r < 0)
		return fault(reterr, r, "datapath.migrate", "cannot hand on what is in %s: %s",
			     m->dir, strerror(-r));
	return 0;
}

/* All of it */

/* As theirs, but that a table which is carried over need not be moved any more. */
static int load(struct migration *m, const struct weir_meta *meta, struct fault *reterr)
{
	struct shape shape;
	int r = program_pinned_shape(m->resumed ? m->d->pin_dir : m->dir, &shape, reterr);

	if (r < 0)
		return r;
	if (m->cells.memory)
		shape.cell_sets_was = 0;
	shape.hits_slot = meta->hits_slot;
	shape.features = WEIR_FEATURE_ALL | (shape.cell_sets_was ? WEIR_FEATURE_MOVING : 0);
	return program_load(m->d->pin_dir, NULL, &shape, meta->hash_seed, &m->d->program, reterr);
}

static void fill(struct migration *m, const struct weir_meta *theirs)
{
	struct weir_meta *meta = m->d->program.meta;

	*meta = *theirs;
	snprintf(meta->version, sizeof(meta->version), "%s", WEIR_VERSION);
	carry_fill(m);
	__atomic_store_n(&meta->abi, WEIR_ABI, __ATOMIC_RELEASE);
}

/* Make ours complete, and the current ones. */
static int prepare(struct migration *m, struct fault *reterr)
{
	struct weir_meta theirs;
	int r = pins_sweep_other(m->d->base_dir, m->from, reterr);

	r = r ?: pins_prepare(m->d->pin_dir, reterr);
	r = r ?: open_sources(m, reterr);
	r = r ?: hand_on(m, reterr);
	if (r < 0)
		return r;
	carry_translate(&m->meta, 0, &theirs);
	r = load(m, &theirs, reterr);
	r = r ?: fault_point(reterr, "migrate.fill");
	if (r < 0)
		return r;
	fill(m, &theirs);
	r = fault_point(reterr, "migrate.head");
	return r ?: pins_write_head(m->d->base_dir, m->from, reterr);
}

/* Ours are complete already. */
static int resume(struct migration *m, struct fault *reterr)
{
	struct weir_meta ours = {0};
	int r = datapath_read_meta(m->d, &ours, reterr);

	r = r ?: open_sources(m, reterr);
	return r ?: load(m, &ours, reterr);
}

static int take_over(struct migration *m, struct fault *reterr)
{
	struct datapath *d = m->d;
	int program = bpf_program__fd(d->program.skeleton->progs.weir_ingress);
	uint64_t swapped;
	int r = pin(program, d->pin_dir, "program", reterr);

	if (m->copied)
		carry_copy_cells(m); /* the later, the less is to be added up */
	swapped = now();
	r = r ?: fault_point(reterr, "migrate.swap");
	r = r ?: links_swap_pinned(d->base_dir, program, reterr);
	if (r < 0)
		return r;
	m->swapped = true;
	fault_point(NULL, "migrate.swapped"); /* to die at: nothing can fail */
	grace_wait_here();		      /* for packets of their program */
	carry_add_up(m, swapped);
	r = fault_point(reterr, "migrate.added");
	return r ?: pins_write_head(d->base_dir, 0, reterr);
}

/* What was current is current again. */
static void give_back(const struct migration *m, int head)
{
	if (pin(head, m->d->base_dir, "weir_meta", NULL) == 0)
		pins_sweep_other(m->d->base_dir, m->from, NULL);
}

static int open_head(const struct datapath *d, int *ret_fd, struct fault *reterr)
{
	char path[PATH_MAX];
	int r = pin_path(d->base_dir, "weir_meta", path);

	*ret_fd = r < 0 ? -1 : bpf_obj_get(path);
	if (*ret_fd < 0)
		return fault(reterr, -errno, "datapath.bpffs", "cannot open %s: %s", path,
			     strerror(errno));
	return 0;
}

int migrate(struct datapath *d, const struct pins *pins, struct fault *reterr)
{
	struct migration m = {
		.d = d,
		.resumed = pins->head.abi == WEIR_ABI,
		.from = pins->head.from ?: pins->head.abi,
	};
	_cleanup_close_ int head = -1;
	int r = open_head(d, &head, reterr);

	m.step = find_step(m.from);
	if (r == 0 && !m.step)
		r = fault(reterr, -EPROTONOSUPPORT, "datapath.abi",
			  "no way leads from ABI %u to %u", m.from, WEIR_ABI);
	if (r == 0 && pins_abi_dir(d->base_dir, m.from, m.dir) < 0)
		r = fault(reterr, -ENAMETOOLONG, "datapath.bpffs", "%s is too long a path",
			  d->base_dir);
	if (r < 0)
		return r;
	r = m.resumed ? resume(&m, reterr) : prepare(&m, reterr);
	r = r ?: take_over(&m, reterr);
	migration_done(&m);
	if (r < 0) {
		program_done(&d->program);
		/* Once packets are judged by ours, only going on leads anywhere. */
		if (!m.resumed && !m.swapped)
			give_back(&m, head);
		return r;
	}
	return pins_sweep(d->base_dir, WEIR_ABI, reterr);
}
