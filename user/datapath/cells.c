/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of cells seen from userspace: one key's cell, how full the table is, and a table of another
 * size in its place while packets flow. The words are read and moved by the very code of the datapath.
 */
#include <errno.h>
#include <string.h>
#include <weir/algorithm.h>
#include <weir/cells.h>
#include <weir/key.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "datapath/internal.h"

/* Cells that have not been busy for so long that their word may soon look like one of the future. */
#define STALE (1ULL << 60) /* 52 days */

#define SAMPLE_SETS 4096 /* to estimate how full the table is */

static uint64_t now(void)
{
	return clock_monotonic_ns() << WEIR_TIME_SHIFT;
}

/* How many units @word lets pass at @time. */
static uint64_t units_available(const struct weir_limit *limit, uint64_t word, uint64_t time)
{
	uint64_t low = 0, high = 1ULL << 41; /* more than a burst may be */
	uint64_t whole = UINT64_MAX;
	__u64 next;

	if (limit->algorithm == WEIR_ALGORITHM_QUOTA)
		high = (limit->burst << limit->shift) + 1;
	/* What would overflow is too much. */
	if (limit->algorithm == WEIR_ALGORITHM_BUCKET)
		whole = (UINT64_MAX >> 1) / limit->interval;
	if (whole < high)
		high = whole + 1;
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (algorithm_next(limit, word, time, middle, &next))
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Until @units pass. When the word's moment has come, surely, or it is more than ever passes at once. */
static uint64_t wait_for_units(const struct weir_limit *limit, uint64_t word, uint64_t time,
			       uint64_t units)
{
	uint64_t low = 0, high;
	__u64 next;

	if (algorithm_next(limit, word, time, units, &next))
		return 0;
	high = word - time;
	if (!word || (int64_t)high <= 0 || !algorithm_next(limit, word, word, units, &next))
		return UINT64_MAX;
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (algorithm_next(limit, word, time + middle, units, &next))
			high = middle;
		else
			low = middle;
	}
	return (high >> WEIR_TIME_SHIFT) + 1;
}

void cells_read_bucket(const struct datapath *d, const struct weir_limit *limit, uint32_t set,
		       uint64_t tag, uint64_t units, struct datapath_bucket *ret)
{
	const struct weir_cell_set *at = &d->program.cells[set];
	uint32_t way = cells_find(at, tag);
	uint64_t word = 0, time = now();

	if (way < CELLS_NONE)
		word = cells_read(&at->cells[way].word);
	ret->known = way < CELLS_NONE;
	ret->burst = units_available(limit, 0, time);
	ret->available = word ? units_available(limit, word, time) : ret->burst;
	ret->wait_ns = wait_for_units(limit, word, time, units);
}

int datapath_read_bucket(const struct datapath *d, const struct weir_limit *limit,
			 const uint8_t source[static 16], struct datapath_bucket *ret)
{
	const struct program *p = &d->program;
	const struct weir_policy *live = &p->config->policies[d->policy.generation & 1];
	struct weir_limit current = *limit;
	uint64_t tag;
	__u64 address[2];
	struct weir_key_parts parts = {.source = address, .is_ip6 = !address_is_ipv4(source)};

	if (limit->key_parts & ~WEIR_KEY_SOURCE || limit->algorithm == WEIR_ALGORITHM_OPEN)
		return -ENODATA;
	memcpy(address, source, sizeof(address));
	for (uint32_t i = 0; i < d->policy.limit_count; i++)
		if (d->policy.limits[i].slot == limit->slot) {
			current.interval = live->limits[i].interval; /* an adaptive one's */
			current.burst = live->limits[i].burst;
		}
	tag = weir_key_tag(limit, &parts, p->seed);
	cells_read_bucket(d, &current, weir_key_set(limit, 0, tag, p->shape.cell_sets - 1), tag, 1,
			  ret);
	return 0;
}

/* Sets that tell the table: spread evenly over it. */
double datapath_cells_busy(const struct datapath *d)
{
	const struct program *p = &d->program;
	uint32_t step = p->shape.cell_sets > SAMPLE_SETS ? p->shape.cell_sets / SAMPLE_SETS : 1;
	uint64_t time = now(), seen = 0, busy = 0;

	for (uint32_t i = 0; i < p->shape.cell_sets; i += step)
		for (unsigned int way = 0; way < WEIR_CELL_WAYS; way++, seen++)
			busy += !algorithm_is_idle(
				cells_read(&p->cells[WEIR_CELL_FIXED + i].cells[way].word), time);
	return (double)busy / (double)seen;
}

uint64_t datapath_cells_bytes(uint32_t sources)
{
	return (WEIR_CELL_FIXED + (uint64_t)sources) * sizeof(struct weir_cell_set);
}

uint32_t datapath_sources(const struct datapath *d)
{
	return d->program.shape.cell_sets;
}

void datapath_forget_stale_cells(struct datapath *d)
{
	const struct program *p = &d->program;
	uint64_t time = now();

	for (uint32_t i = 0; i < WEIR_CELL_FIXED + p->shape.cell_sets; i++)
		for (unsigned int way = 0; way < WEIR_CELL_WAYS; way++) {
			__u64 *word = &p->cells[i].cells[way].word;
			uint64_t seen = cells_read(word);

			if (seen && (int64_t)(seen - time) < -(int64_t)STALE)
				cells_swap(word, seen, 0);
		}
}

/* Bring what packets have not brought along themselves. */
static void move_all(const struct program *p)
{
	uint32_t was = p->shape.cell_sets_was;

	for (uint32_t i = WEIR_CELL_COARSE; i < WEIR_CELL_FIXED; i++)
		if (!p->cells[i].cells[0].word) /* no packet has said a later one yet */
			p->cells[i].cells[0].word = p->cells_was[i].cells[0].word;
	for (uint32_t i = 0; i < WEIR_CELL_FIXED + was; i++)
		for (unsigned int way = 0; way < WEIR_CELL_WAYS; way++) {
			struct weir_cell_set *from = &p->cells_was[i];
			uint64_t tag = cells_read(&from->cells[way].tag), time = now();
			uint32_t to = i < WEIR_CELL_FIXED
					      ? i
					      : weir_cell_set_index(tag, p->shape.cell_sets - 1);
			__u64 word;

			if (!tag || algorithm_is_idle(cells_read(&from->cells[way].word), time))
				continue;
			/* Lost means that a packet is bringing it; full, that there is no room: a
			 * smaller table has none for all. */
			for (int attempt = 0; attempt < 8; attempt++)
				if (cells_move(from, &p->cells[to], tag, time, CELLS_MARK_CPUS - 1,
					       &word) != CELLS_LOST)
					break;
		}
}

/* Go on with the table alone. */
static int stop_moving(struct datapath *d, struct fault *reterr)
{
	struct shape shape = d->program.shape;

	shape.cell_sets_was = 0;
	shape.features &= ~WEIR_FEATURE_MOVING;
	return program_reshape(d, &shape, reterr);
}

int cells_finish_moving(struct datapath *d, struct fault *reterr)
{
	if (!d->program.shape.cell_sets_was)
		return 0;
	grace_wait_here();		 /* of the program that did not know the new table */
	fault_point(NULL, "cells.move"); /* to die at: nothing can fail */
	move_all(&d->program);
	fault_point(NULL, "cells.moved");
	return stop_moving(d, reterr);
}

int cells_resize(struct datapath *d, uint32_t sets, struct fault *reterr)
{
	struct shape shape = d->program.shape;
	int r;

	if (sets == shape.cell_sets)
		return 0;
	shape.cell_sets = sets;
	if (d->program.config->live.generation) {
		shape.cell_sets_was = d->program.shape.cell_sets;
		shape.features |= WEIR_FEATURE_MOVING;
	}
	r = program_reshape(d, &shape, reterr);
	return r < 0 ? r : cells_finish_moving(d, reterr);
}
