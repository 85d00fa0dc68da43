/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where limits keep their state: one word per key {limit, source or whatever its scope says}, in a
 * table of cache lines of four cells each. A word is a moment in time with some bits of count below
 * it (bpf/lib/algorithm.h), and once that moment has passed, the word says no more than an absent
 * one. So an idle cell is a free cell: nothing needs to be evicted, and nothing that matters can be.
 */
#ifndef WEIR_CELL_H
#define WEIR_CELL_H

#include <weir/hash.h>
#include <weir/types.h>

struct weir_cell {
	__u64 tag;  /* weir_cell_tag() of the key; 0 = never used */
	__u64 word; /* time in 2^-WEIR_TIME_SHIFT ns */
};
WEIR_LAYOUT(struct weir_cell, 16);

#define WEIR_CELL_WAYS 4

struct weir_cell_set { /* a cache line */
	WEIR_TEST_PAD(_test)
	struct weir_cell cells[WEIR_CELL_WAYS];
};
WEIR_LAYOUT(struct weir_cell_set, 64 + WEIR_TEST_PADDING);

/* The first sets belong to keys that are few and must never lack room (one per limit or tenant) and
 * are found by number; the rest, a power of two, by hash. */
#define WEIR_CELL_FIXED	     8320
/* The last of them, one per slot of a limit, have a single word: until when cells that sources share for
 * lack of room may be busy. Before that, who gets a cell of his own starts it with what the shared one
 * says, or he would have two bursts. */
#define WEIR_CELL_COARSE     (WEIR_CELL_FIXED - 128)
#define WEIR_CELL_SETS_MIN   1024
#define WEIR_CELL_SETS_MAX   (1U << 24)
#define WEIR_SOURCES_DEFAULT 262144 /* hashed sets: one per source that is to be remembered */

/** The key's tag. @address: masked as the limit says. Never 0. */
static inline __u64 weir_cell_tag(__u64 high, __u64 low, __u64 key, __u64 seed)
{
	__u64 tag = weir_hash(high, low, key, seed);

	return tag ? tag : 1;
}

/** The set among the hashed ones; @mask is their number minus one. */
static inline __u32 weir_cell_set_index(__u64 tag, __u32 mask)
{
	return WEIR_CELL_FIXED + ((__u32)(tag >> 32) & mask);
}

#endif
