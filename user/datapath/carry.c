/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The content of maps whose elements have another layout, as structs of ours: nothing here knows what
 * theirs look like. Tables keep their sizes and seed, so everything keeps its place. Twice adds nothing
 * twice: what has been added is gone from theirs, or the later of two is taken.
 */
#include "datapath/carry.h"

#include <sched.h>
#include <string.h>
#include <weir/cells.h>

#include "base/clock.h"

static uint64_t now(void)
{
	return clock_monotonic_ns() << WEIR_TIME_SHIFT;
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
void carry_translate(const struct source *s, uint32_t index, void *ret)
{
	const char *from = s->memory + (size_t)index * s->change->from_bytes;

	memset(ret, 0, s->change->to_bytes);
	for (size_t i = 0; i < SEGMENTS_MAX; i++) {
		const struct segment *g = &s->change->segments[i];

		memcpy((char *)ret + g->to, from + g->from, g->bytes);
	}
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
void carry_copy_cells(struct migration *m)
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
		    policy->limits[i].algorithm == WEIR_ALGORITHM_SLIDING ||
		    policy->limits[i].algorithm == WEIR_ALGORITHM_QUOTA)
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
		carry_translate(&m->entries, i, &set);
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

	carry_translate(&m->cpu, number, then);
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

void carry_fill(struct migration *m)
{
	if (m->config.memory)
		carry_translate(&m->config, 0, m->d->program.config);
	if (m->entries.memory)
		copy_entries(m);
	if (m->cells.memory) {
		copy_cells_was(m);
		carry_copy_cells(m);
	}
}

void carry_add_up(struct migration *m, uint64_t swapped)
{
	if (m->cpu.memory)
		move_cpus(m);
	if (m->entries.memory)
		add_hits(m);
	if (m->cells.memory)
		add_cells(m, swapped);
}
