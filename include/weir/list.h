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
/* Each of the list maps has room for an old and a new image side by side, and for the one entry that
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

/*
 * What stands before the hash of exact IPv4 addresses: every entry of it has a cell here, and most
 * packets are decided by the one cache line that is their bucket, listed or not. Cells are filled
 * from the first on; an empty one ends the search. A cell is one word, so it changes at once:
 * the address as in the packet, and above it what to do. Entries with a deadline, and those that
 * found their bucket full, are looked up in the hash.
 */
/* Bits of the bucket's index. 256 KiB in all, which the TLB covers; 2 MiB cost 10 ns more a packet. */
#define WEIR_FRONT_BITS	 12
#define WEIR_FRONT_CELLS 8

enum weir_front {
	WEIR_FRONT_EMPTY,
	WEIR_FRONT_ALLOW,     /* for ever */
	WEIR_FRONT_BLOCK,     /* for ever */
	WEIR_FRONT_ELSEWHERE, /* the hash knows */
	WEIR_FRONT_REMOVED,   /* and what is greater holds no address: search on */
	WEIR_FRONT_FULL, /* last cell of a bucket: whoever is not found here may be in the hash */
};

struct weir_front_bucket {
	__u64 cells[WEIR_FRONT_CELLS];
};
WEIR_LAYOUT(struct weir_front_bucket, 64);

/* The bucket of an address; Fibonacci hashing (Knuth, TAOCP 6.4). */
static inline __u32 weir_front_index(__u32 address)
{
	return (address * 2654435769U) >> (32 - WEIR_FRONT_BITS);
}

#endif
