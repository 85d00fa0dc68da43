/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of cells (include/weir/cell.h), one set at a time. Pure, apart from atomics that gcc and
 * clang both know: the datapath, the daemon (which moves cells to a larger table while packets flow)
 * and a test with threads run these very lines.
 *
 * The word is what decides races. A cell that is found is charged by compare-and-swap of its word. A
 * cell that is idle is taken over by first swapping the word for a mark that no one else uses, so that
 * a charge by the owner before, or another claim, fails from then on; then comes the tag, and last
 * the word that the first charge makes. While it is marked, a cell is neither charged nor idle.
 *
 * That one key never gets two cells: whoever claims writes its tag and then looks for the same tag
 * in the other cells. Of two who do so at once, at least one sees the other (the exchange of the tag is
 * a full barrier). Who sees another's mark invalidates it, and its owner starts over; who sees
 * a finished cell gives up its own. So at most one of them finishes.
 */
#ifndef WEIR_CELLS_H
#define WEIR_CELLS_H

#include <weir/algorithm.h>
#include <weir/cell.h>

#define cells_inline static inline __attribute__((always_inline))

/* A mark lies further ahead than any word may (the compiler keeps bursts below 2^61), names its CPU,
 * and is odd once it was invalidated. */
#define CELLS_MARK_AHEAD (3ULL << 61)
#define CELLS_MARK_LEAST (1ULL << 62)
#define CELLS_MARK_CPUS	 4096

#define CELLS_NONE WEIR_CELL_WAYS /* no cell has the tag */
#define CELLS_FULL (-1)		  /* no cell is idle */
#define CELLS_LOST (-2)		  /* somebody else was faster: look again */

cells_inline __u64 cells_read(const __u64 *word)
{
	return *(const volatile __u64 *)word;
}

cells_inline int cells_swap(__u64 *word, __u64 from, __u64 to)
{
	return __sync_val_compare_and_swap(word, from, to) == from;
}

/* A store and a full barrier. */
cells_inline void cells_exchange(__u64 *word, __u64 to)
{
	__atomic_exchange_n(word, to, __ATOMIC_SEQ_CST);
}

/* Where a key's cell is unless that was taken: found without looking at the others. */
cells_inline __u32 cells_favourite(__u64 tag)
{
	return tag & (WEIR_CELL_WAYS - 1);
}

/** The way that has @tag, or CELLS_NONE. */
cells_inline __u32 cells_search(const struct weir_cell_set *set, __u64 tag)
{
	__u64 at0 = weir_equal(cells_read(&set->cells[0].tag), tag);
	__u64 at1 = weir_equal(cells_read(&set->cells[1].tag), tag);
	__u64 at2 = weir_equal(cells_read(&set->cells[2].tag), tag);
	__u64 at3 = weir_equal(cells_read(&set->cells[3].tag), tag);

	__u32 way = (__u32)(((at0 | at1 | at2 | at3) ^ 1) << 2 | (at2 | at3) << 1 | (at1 | at3));

	__asm__("" : "+r"(way)); /* older verifiers need the mask that a caller puts on it */
	return way;
}

cells_inline __u32 cells_find(const struct weir_cell_set *set, __u64 tag)
{
	__u32 way = cells_favourite(tag);

	return cells_read(&set->cells[way].tag) == tag ? way : cells_search(set, tag);
}

cells_inline int cells_is_marked(__u64 word, __u64 time)
{
	return word && (__s64)(word - time) >= (__s64)CELLS_MARK_LEAST;
}

/** A way for @tag that is idle at @time, or CELLS_NONE. */
cells_inline __u32 cells_find_idle(const struct weir_cell_set *set, __u64 tag, __u64 time)
{
	for (__u32 i = 0; i < WEIR_CELL_WAYS; i++) {
		__u32 way = (cells_favourite(tag) + i) & (WEIR_CELL_WAYS - 1);

		if (algorithm_is_idle(cells_read(&set->cells[way].word), time))
			return way;
	}
	return CELLS_NONE;
}

/** Some way is idle at @time. */
cells_inline int cells_has_idle(const struct weir_cell_set *set, __u64 time)
{
	for (__u32 way = 0; way < WEIR_CELL_WAYS; way++)
		if (algorithm_is_idle(cells_read(&set->cells[way].word), time))
			return 1;
	return 0;
}

/* Nobody else has the tag, or will have. */
cells_inline int cells_is_only(struct weir_cell_set *set, __u32 own, __u64 tag, __u64 time)
{
	for (__u32 way = 0; way < WEIR_CELL_WAYS; way++) {
		__u64 word;

		if (way == own || cells_read(&set->cells[way].tag) != tag)
			continue;
		word = cells_read(&set->cells[way].word);
		if (!cells_is_marked(word, time))
			return 0;
		if (!(word & 1) && !cells_swap(&set->cells[way].word, word, word | 1))
			return 0;
	}
	return 1;
}

/**
 * Take an idle cell of @set over for @tag, which was not found in it, with @word. @cpu: who claims.
 * The way, CELLS_FULL or CELLS_LOST.
 */
cells_inline int cells_claim(struct weir_cell_set *set, __u64 tag, __u64 word, __u64 time,
			     __u32 cpu)
{
	__u64 mark = ((time + CELLS_MARK_AHEAD) & ~(2ULL * CELLS_MARK_CPUS - 1)) |
		     (cpu & (CELLS_MARK_CPUS - 1)) << 1;
	__u32 way = cells_find_idle(set, tag, time);
	struct weir_cell *cell;
	__u64 seen;

	if (way >= WEIR_CELL_WAYS)
		return CELLS_FULL;
	cell = &set->cells[way];
	seen = cells_read(&cell->word);
	if (!algorithm_is_idle(seen, time) || !cells_swap(&cell->word, seen, mark))
		return CELLS_LOST;
	cells_exchange(&cell->tag, tag);
	if (cells_is_only(set, way, tag, time) && cells_swap(&cell->word, mark, word))
		return (int)way;
	/* In this order: a cell with the tag must not look idle. */
	cells_exchange(&cell->tag, 0);
	cells_exchange(&cell->word, 0);
	return CELLS_LOST;
}

/* Who finds its cell marked in the table that is being left waits this long for it to appear in the new
 * one; later it was used there, forgotten and is nothing more. 100 ms. */
#define CELLS_TRANSIT (100000000ULL << WEIR_TIME_SHIFT)

/**
 * Move the cell of @tag, if it says anything at @time, from @from to @to, where it is not. *@ret_word:
 * what it says. The way in @to; CELLS_NONE: there is nothing to move; CELLS_LOST: somebody else is
 * moving it, look again; CELLS_FULL: @to has no idle cell, and nothing was moved.
 */
cells_inline int cells_move(struct weir_cell_set *from, struct weir_cell_set *to, __u64 tag,
			    __u64 time, __u32 cpu, __u64 *ret_word)
{
	__u32 way = cells_find(from, tag);
	__u64 *word, seen, mark = time + CELLS_MARK_AHEAD;
	int claimed;

	if (way >= CELLS_NONE)
		return CELLS_NONE;
	word = &from->cells[way & (WEIR_CELL_WAYS - 1)].word;
	seen = cells_read(word);
	if (cells_is_marked(seen, time))
		return (__s64)(time - (seen - CELLS_MARK_AHEAD)) < (__s64)CELLS_TRANSIT
			       ? CELLS_LOST
			       : (int)CELLS_NONE;
	if (algorithm_is_idle(seen, time))
		return CELLS_NONE;
	if (!cells_swap(word, seen, mark))
		return CELLS_LOST;
	claimed = cells_claim(to, tag, seen, time, cpu);
	if (claimed < 0)
		cells_swap(word, mark, seen);
	else
		*ret_word = seen;
	return claimed;
}

#endif
