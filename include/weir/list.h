/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Allow and block lists. Exact addresses live in hashes, prefixes in a longest-prefix trie; all map to
 * the same value. An entry carries what holds for every address under it, shorter prefixes that
 * cover it included ("pushed down" by userspace), so one lookup decides and an expired long prefix
 * never hides a short one. Allow wins over block.
 */
#ifndef WEIR_LIST_H
#define WEIR_LIST_H

#include <weir/types.h>

#define WEIR_LIST_ENTRIES_MAX 65536 /* both lists together */
/* Each of the two maps has room for an old and a new image side by side, and for the one entry that
 * stops short IPv6 prefixes from covering IPv4. Memory is taken as entries come. */
#define WEIR_LIST_MAP_ENTRIES (2 * WEIR_LIST_ENTRIES_MAX + 2)
#define WEIR_FOREVER	      (~0ULL)

struct weir_list_key {
	__u32 prefix_bits; /* 0..128; an IPv4 prefix counts its 96 mapped bits */
	__u8 address[16];  /* network order, IPv4 as ::ffff:a.b.c.d, host bits zero */
};
_Static_assert(sizeof(struct weir_list_key) == 20,
	       "the trie reads the address right after the length");

struct weir_list_value {
	__u64 allow_until_ns; /* CLOCK_MONOTONIC; 0 = not allowed, WEIR_FOREVER = for ever */
	__u64 block_until_ns;
};
WEIR_LAYOUT(struct weir_list_value, 16);

#endif
