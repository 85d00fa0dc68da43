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
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weir/cells.h>

#include "base/clock.h"
#include "bpf/limiter.skel.h"

#define SEGMENTS_MAX 4

/* Bytes of an element that stay together. */
struct segment {
	uint32_t from, to, bytes;
};

/* A map whose elements have another layout: their size then and now, and what of them goes where. What is
 * not named is zero. */
struct change {
	const char *map;
	uint32_t from_bytes, to_bytes;
	struct segment segments[SEGMENTS_MAX];
};

/* The way from one ABI to ours. Maps that are not named stay as they are. */
struct step {
	uint32_t from;
	const struct change *changes;
	size_t count;
};

#ifdef WEIR_ABI_TEST
#include "steps.h" /* tests/abi */
#else
/* ABI 3 had the same maps, all in one directory, which had one link. */
static const struct step steps[] = {{3, NULL, 0}};
#endif

/* A map of theirs whose content has to be carried over; memory NULL: it is handed on. */
struct source {
	const struct change *change;
	char *memory;
	size_t bytes; /* of all elements */
	uint32_t count;
};

struct migration {
	struct datapath *d;
	uint32_t from;	    /* ABI */
	char dir[PATH_MAX]; /* of its maps */
	const struct step *step;
	bool resumed; /* an earlier attempt made ours complete */
	struct source meta, config, entries, cells, cells_was, cpu;
	struct weir_cell *copied; /* of each cell, what was copied last; NULL: not known */
	struct weir_cpu *cpu_then;
};

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

/* Where the byte at @offset of our element @index is in theirs; NULL: they have no such. */
static void *field(const struct source *s, uint32_t index, size_t offset)
{
	for (size_t i = 0; i < SEGMENTS_MAX; i++) {
		const struct segment *g = &s->change->segments[i];

		if (offset >= g->to && offset < (size_t)g->to + g->bytes)
			return s->memory + (size_t)index * s->change->from_bytes + g->from +
			       (offset - g->to);
	}
	return NULL;
}

/* Their element @index as one of ours. */
static void translate(const struct source *s, uint32_t index, void *ret)
{
	const char *from = s->memory + (size_t)index * s->change->from_bytes;

	memset(ret, 0, s->change->to_bytes);
	for (size_t i = 0; i < SEGMENTS_MAX; i++) {
		const struct segment *g = &s->change->segments[i];

		memcpy((char *)ret + g->to, from + g->from, g->bytes);
	}
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

/* Cells */

static const uint64_t *cell_field(const struct source *s, uint32_t set, uint32_t way, size_t offset)
{
	return field(s, set,
		     offsetof(struct weir_cell_set, cells) + way * sizeof(struct weir_cell) +
			     offset);
}

static struct weir_cell read_cell(const struct source *s, uint32_t set, uint32_t way)
{
	return (struct weir_cell){
		.tag = cells_read(
			(const __u64 *)cell_field(s, set, way, offsetof(struct weir_cell, tag))),
		.word = cells_read(
			(const __u64 *)cell_field(s, set, way, offsetof(struct weir_cell, word))),
	};
}

/* Nobody has the new table yet. What changes from now on is found by comparing. */
static void copy_cells(struct migration *m)
{
	uint64_t time = now();

	for (uint32_t i = 0; i < m->cells.count; i++)
		for (uint32_t way = 0; way < WEIR_CELL_WAYS; way++) {
			struct weir_cell cell = read_cell(&m->cells, i, way);
			struct weir_cell *copied = &m->copied[(size_t)i * WEIR_CELL_WAYS + way];

			if (algorithm_is_idle(cell.word, time) ||
			    cells_is_marked(cell.word, time) ||
			    (cell.word == copied->word && cell.tag == copied->tag))
				continue;
			*copied = cell;
			m->d->program.cells[i].cells[way] = cell;
		}
}

/* Theirs was being replaced when their daemon died: what had not been moved. */
static void copy_cells_was(struct migration *m)
{
	uint32_t mask = m->d->program.shape.cell_sets - 1;
	uint64_t time = now();

	for (uint32_t i = 0; m->cells_was.count > 1 && i < m->cells_was.count; i++)
		for (uint32_t way = 0; way < WEIR_CELL_WAYS; way++) {
			struct weir_cell cell = read_cell(&m->cells_was, i, way);
			uint32_t to = i < WEIR_CELL_FIXED ? i : weir_cell_set_index(cell.tag, mask);
			struct weir_cell_set *set = &m->d->program.cells[to];

			if (!cell.tag || algorithm_is_idle(cell.word, time) ||
			    cells_is_marked(cell.word, time) ||
			    cells_find(set, cell.tag) < CELLS_NONE)
				continue;
			cells_claim(set, cell.tag, cell.word, time, CELLS_MARK_CPUS - 1);
		}
}

/* How far ahead of @time a word is: what is used up. */
static uint64_t used(uint64_t word, uint64_t time)
{
	return algorithm_is_idle(word, time) ? 0 : word - time;
}

/* The later of the two. */
static uint64_t later(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) > 0 ? a : b;
}

/* What packets charged to a cell of theirs after it was copied last is charged to ours. @sum: they count
 * time, so both can be added up; windows that began apart cannot. */
static void add_cell(const struct weir_cell *theirs, const struct weir_cell *copied,
		     struct weir_cell_set *set, uint64_t swapped, bool sum)
{
	uint64_t had = copied && copied->tag == theirs->tag ? copied->word : 0;
	uint64_t more = used(theirs->word, swapped) - used(had, swapped);

	if (had == theirs->word || (int64_t)more <= 0)
		return;
	for (int attempt = 0; attempt < 64; attempt++) {
		uint64_t time = now(), seen;
		uint32_t way = cells_find(set, theirs->tag);
		int claimed;

		if (way >= CELLS_NONE) {
			claimed = cells_claim(set, theirs->tag, theirs->word, time,
					      CELLS_MARK_CPUS - 1);
			if (claimed != CELLS_LOST)
				return; /* or there is no room: it shares a cell from now on */
			continue;
		}
		seen = cells_read(&set->cells[way].word);
		if (cells_is_marked(seen, time))
			continue;
		if (cells_swap(&set->cells[way].word, seen,
			       (had || sum) && !algorithm_is_idle(seen, time)
				       ? seen + more
				       : later(theirs->word, seen)))
			return;
	}
}

static bool has_windows(const struct weir_config *config)
{
	const struct weir_policy *policy = &config->policies[config->live.generation & 1];

	for (uint32_t i = 0; i < policy->limit_count && i < WEIR_LIMITS_MAX; i++)
		if (policy->limits[i].algorithm == WEIR_ALGORITHM_FIXED ||
		    policy->limits[i].algorithm == WEIR_ALGORITHM_SLIDING)
			return true;
	return false;
}

static void add_cells(struct migration *m, uint64_t swapped)
{
	struct weir_cell_set *cells = m->d->program.cells;
	/* Without knowing what was copied, adding up would charge twice. */
	bool sum = m->copied && !has_windows(m->d->program.config);

	for (uint32_t i = 0; i < m->cells.count; i++)
		for (uint32_t way = 0; way < WEIR_CELL_WAYS; way++) {
			struct weir_cell theirs = read_cell(&m->cells, i, way);
			size_t number = (size_t)i * WEIR_CELL_WAYS + way;

			if (!theirs.word || cells_is_marked(theirs.word, swapped))
				continue;
			if (i >= WEIR_CELL_COARSE && i < WEIR_CELL_FIXED) {
				__u64 seen = cells_read(&cells[i].cells[way].word);

				cells_swap(&cells[i].cells[way].word, seen,
					   later(theirs.word, seen));
			} else if (theirs.tag) {
				add_cell(&theirs, m->copied ? &m->copied[number] : NULL, &cells[i],
					 swapped, sum);
			}
		}
}

/* Entries and hits. Both tables have the same sets, so an entry keeps its place. */

static struct weir_entry *entry_at(const struct program *p, uint32_t number)
{
	return &p->entries[number / WEIR_ENTRY_WAYS].entries[number % WEIR_ENTRY_WAYS];
}

static void copy_entries(struct migration *m)
{
	struct weir_entry_set set;

	for (uint32_t i = 0; i < m->entries.count; i++) {
		translate(&m->entries, i, &set);
		for (uint32_t way = 0; way < WEIR_ENTRY_WAYS; way++)
			set.entries[way].state &= ~WEIR_ENTRY_HITS_MASK;
		m->d->program.entries[i] = set;
	}
}

static void add_hits(struct migration *m)
{
	for (uint32_t i = 0; i < m->entries.count * WEIR_ENTRY_WAYS; i++) {
		uint64_t *state = field(&m->entries, i / WEIR_ENTRY_WAYS,
					offsetof(struct weir_entry_set, entries) +
						i % WEIR_ENTRY_WAYS * sizeof(struct weir_entry) +
						offsetof(struct weir_entry, state));
		uint64_t hits = *state & WEIR_ENTRY_HITS_MASK;

		if (!hits)
			continue;
		__atomic_fetch_add(&entry_at(&m->d->program, i)->state, hits, __ATOMIC_RELAXED);
		*state -= hits; /* who has to do this again adds nothing twice */
	}
}

/* CPUs */

/* On the CPU itself: the datapath adds without atomics there, and cannot be interrupted by us. A CPU that is
 * not there has nobody to disturb. */
static void move_words(void *ours, void *theirs, size_t count)
{
	__u64 *to = ours, *from = theirs;

	for (size_t i = 0; i < count; i++)
		if (from[i]) {
			__atomic_fetch_add(&to[i], from[i], __ATOMIC_RELAXED);
			from[i] = 0;
		}
}

/* Tallies of theirs go into the half that the datapath does not use now. What finds no room there is said
 * to have been suppressed: it stays in the account. */
static void move_tallies(struct migration *m, struct weir_cpu *ours, struct weir_cpu *theirs)
{
	struct weir_tally *quiet = ours->tallies[!(m->d->program.config->live.tally_half & 1)];
	size_t to = 0;

	for (size_t i = 0; i < 2 * WEIR_TALLIES; i++) {
		const struct weir_tally *t = &theirs->tallies[i / WEIR_TALLIES][i % WEIR_TALLIES];

		if (!t->packets)
			continue;
		while (to < WEIR_TALLIES && quiet[to].packets)
			to++;
		if (to < WEIR_TALLIES)
			quiet[to] = *t;
		else
			__atomic_fetch_add(&ours->events.suppressed_packets, t->packets,
					   __ATOMIC_RELAXED);
	}
}

static void move_cpu(struct migration *m, uint32_t number)
{
	struct weir_cpu *ours = &m->d->program.cpu[number], *then = m->cpu_then;
	void *tallies = field(&m->cpu, number, offsetof(struct weir_cpu, tallies));

	translate(&m->cpu, number, then);
	for (int i = 0; i < 2; i++)
		if (then->hits[i].packets)
			__atomic_fetch_add(&entry_at(&m->d->program, then->hits[i].entry)->state,
					   then->hits[i].packets, __ATOMIC_RELAXED);
	memset(field(&m->cpu, number, offsetof(struct weir_cpu, hits)), 0, sizeof(then->hits));
	move_words(ours->counts, field(&m->cpu, number, offsetof(struct weir_cpu, counts)),
		   sizeof(then->counts) / (sizeof(uint64_t)));
	move_words(ours->limits, field(&m->cpu, number, offsetof(struct weir_cpu, limits)),
		   sizeof(then->limits) / (sizeof(uint64_t)));
	move_words(&ours->events, field(&m->cpu, number, offsetof(struct weir_cpu, events)),
		   offsetof(struct weir_event_count, budget_tat_ns) / sizeof(uint64_t));
	move_tallies(m, ours, then);
	memset(tallies, 0, sizeof(then->tallies));
}

static void move_cpus(struct migration *m)
{
	cpu_set_t before, own;
	bool known = sched_getaffinity(0, sizeof(before), &before) == 0;

	for (uint32_t i = 0; i < m->cpu.count && i < m->d->program.cpus; i++) {
		CPU_ZERO(&own);
		if (i < CPU_SETSIZE)
			CPU_SET(i, &own);
		sched_setaffinity(0, sizeof(own), &own);
		move_cpu(m, i);
	}
	if (known)
		sched_setaffinity(0, sizeof(before), &before);
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
	if (m->config.memory)
		translate(&m->config, 0, m->d->program.config);
	if (m->entries.memory)
		copy_entries(m);
	if (m->cells.memory) {
		copy_cells_was(m);
		copy_cells(m);
	}
	__atomic_store_n(&meta->abi, WEIR_ABI, __ATOMIC_RELEASE);
}

static void add_up(struct migration *m, uint64_t swapped)
{
	if (m->cpu.memory)
		move_cpus(m);
	if (m->entries.memory)
		add_hits(m);
	if (m->cells.memory)
		add_cells(m, swapped);
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
	translate(&m->meta, 0, &theirs);
	r = load(m, &theirs, reterr);
	if (r < 0)
		return r;
	fill(m, &theirs);
	return pins_write_head(m->d->base_dir, m->from, reterr);
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
		copy_cells(m); /* the later, the less is to be added up */
	swapped = now();
	r = r ?: links_swap_pinned(d->base_dir, program, reterr);
	if (r < 0)
		return r;
	grace_wait_here(); /* for packets of their program */
	add_up(m, swapped);
	return pins_write_head(d->base_dir, 0, reterr);
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
		if (!m.resumed)
			give_back(&m, head);
		return r;
	}
	return pins_sweep(d->base_dir, WEIR_ABI, reterr);
}
