/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Allow and block lists. Every listed address or prefix is one entry of one hash table, found by
 * {prefix, length}. An entry carries what holds for every address under it, shorter prefixes that
 * cover it included ("pushed down" by userspace), so the longest match decides alone and an expired
 * long prefix never hides a short one. Allow wins over block.
 *
 * Which lengths to look for: IPv4 has an index of one byte per /16, and of one per /24 where a /16
 * needs it, that says which prefix is the longest match there and whether there is anything longer
 * than /24. So an address is decided by one or two bytes of index and, if it is listed, one cache line
 * of the table, whatever the size of the lists (after DIR-24-8: Gupta, Lin and McKeown, "Routing
 * lookups in hardware at memory access speeds", INFOCOM 98, with the hash in place of its second
 * table). For IPv6 every length that is in use is looked for, the longest first.
 *
 * Userspace writes, through a mapping, in an order in which every packet sees what was or what shall
 * be: an entry before the index that leads to it, and its length, which makes it visible, last.
 */
#ifndef WEIR_LIST_H
#define WEIR_LIST_H

#include <weir/hash.h>
#include <weir/types.h>

#define WEIR_LIST_IP4_MAX     1000000 /* entries, both lists together */
#define WEIR_LIST_IP6_MAX     250000
#define WEIR_LIST_ENTRIES_MAX (WEIR_LIST_IP4_MAX + WEIR_LIST_IP6_MAX)
#define WEIR_FOREVER	      (~0ULL)

/* Deadlines in the table: CLOCK_MONOTONIC in 2^26 ns (67 ms), so that two of them change at once.
 * Nine years of uptime; rounded up. */
#define WEIR_UNTIL_SHIFT   26
#define WEIR_UNTIL_FOREVER 0xffffffffU

struct weir_until {
	__u32 allow; /* in force before this; 0 = not allowed */
	__u32 block;
};
WEIR_LAYOUT(struct weir_until, 8);

struct weir_entry {
	__u64 address[2]; /* as in a packet, IPv4 as ::ffff:a.b.c.d; host bits zero */
	union {
		struct weir_until until;
		__u64 until_word; /* both, to be written in one store */
	};
	__u64 state; /* see below */
	WEIR_TEST_PAD(_test)
};
WEIR_LAYOUT(struct weir_entry, 32 + WEIR_TEST_PADDING);

/* struct weir_entry.state: the prefix length + 1 in the highest byte (0 = the entry is free), below it
 * packets that this entry decided, which the datapath adds to. */
#define WEIR_ENTRY_LENGTH_SHIFT 56
#define WEIR_ENTRY_SPILLED                                                                         \
	(1ULL << 55) /* entry 1 of a set: what belongs here may be in the next set */
#define WEIR_ENTRY_HITS_MASK (WEIR_ENTRY_SPILLED - 1)

#define WEIR_ENTRY_WAYS	     2
/* Sets that an entry may be found in: its own and those that follow. Only half full, few need a second
 * one. */
#define WEIR_ENTRY_SPILL_MAX 32
#define WEIR_ENTRY_SETS_MIN  1024 /* a power of two, as all numbers of sets */

struct weir_entry_set { /* a cache line */
	struct weir_entry entries[WEIR_ENTRY_WAYS];
};
WEIR_LAYOUT(struct weir_entry_set, 64 + WEIR_ENTRY_WAYS * WEIR_TEST_PADDING);

/* Packets that an entry decided and that were not added to its state yet; per CPU. Packets of one source
 * come in rows, and those of one prefix may come on all CPUs. */
#define WEIR_HITS_MAX 64 /* added at the latest when they are this many */

struct weir_hits {
	__u32 entry; /* set * WEIR_ENTRY_WAYS + way */
	__u32 packets;
};
WEIR_LAYOUT(struct weir_hits, 8);

/** The set that {address, bits} belongs in; @mask is the number of sets minus one. */
static inline __u32 weir_entry_set_index(const __u64 address[2], __u32 bits, __u64 seed, __u32 mask)
{
	return (__u32)weir_hash(address[0], address[1], bits, seed) & mask;
}

/*
 * The index of IPv4. Each byte: in its low bits the longest prefix of up to 24 bits that covers the
 * whole /16 or /24 (its length + 1; 0 = none does), above them what else to look for.
 */
#define WEIR_INDEX_COVER     0x1f
#define WEIR_INDEX_EXACT     0x20 /* some address in this /24 is an entry */
#define WEIR_INDEX_LONGEST   0x40 /* some prefix of 28 to 31 bits in this /24 is */
#define WEIR_INDEX_LONG	     0x80 /* some prefix of 25 to 27 bits in this /24 is */
#define WEIR_INDEX_DESCEND   0x80 /* of a /16: it has prefixes longer than that, ask for the /24 */
/* Of weir_live.long_ip4_lengths, what the two are about. */
#define WEIR_LENGTHS_LONGEST 0x1e
#define WEIR_LENGTHS_LONG    0xe0

/* The lengths that IPv6 entries have, one bit each, so that the lowest bit is the longest. */
#define WEIR_LENGTH_WORDS      3
#define WEIR_LENGTH_WORD(bits) ((128 - (bits)) / 64)
#define WEIR_LENGTH_BIT(bits)  (1ULL << ((128 - (bits)) % 64))

#endif
