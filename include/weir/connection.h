/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many TCP connections each source has open to local ports, counted where the kernel changes a
 * socket's state. There is a number per {limit, masked source}, for every limit that a connection
 * comes under when it is established; it is taken back when the connection is closed, whatever the
 * policy says by then. Who has no connection takes no room.
 *
 * A number is one word, with the tag of its key above the count, in a set of eight, a cache line. It
 * appears, counts and vanishes by compare-and-swap alone. Two CPUs may make two words for one key;
 * the number is their sum.
 */
#ifndef WEIR_CONNECTION_H
#define WEIR_CONNECTION_H

#include <weir/hash.h>
#include <weir/types.h>

#define WEIR_CONN_WAYS	       8
#define WEIR_CONN_COUNT_BITS   20
#define WEIR_CONN_COUNT_MAX    ((1ULL << WEIR_CONN_COUNT_BITS) - 1)
/* A power of two: 4 MiB. With 100,000 keys at once, one of 100,000 finds its set full and is not
 * counted, but counted as such. */
#define WEIR_CONN_SETS_DEFAULT 65536
#define WEIR_CONN_SETS_MAX     (1U << WEIR_CONN_COUNT_BITS)
#define WEIR_CONN_LIMITS_MAX   64 /* bits of a match mask */
#define WEIR_CONN_PER_SOCKET   8  /* limits that one connection may come under */
#define WEIR_CONN_PORTS	       65536

struct weir_conn_set {
	__u64 words[WEIR_CONN_WAYS]; /* tag | count; 0 = free */
};
WEIR_LAYOUT(struct weir_conn_set, 64);

/* Whose connections a limit counts together. */
struct weir_conn_limit {
	__u64 key; /* stands for the limit's meaning: equal meaning, equal key, kept count */
	__u64 source_mask6; /* of the first half of an IPv6 source, network order */
	__u32 source_mask4; /* network order */
	__u32 whole_ip6;    /* the second half counts, too */
};
WEIR_LAYOUT(struct weir_conn_limit, 24);

/* Written by userspace before the program is attached; limits also while it is. */
struct weir_conn_conf {
	__u64 seed;	/* as old as the counts */
	__u32 netns;	/* inode number of the network namespace whose sockets count */
	__u32 set_mask; /* number of sets minus one */
	struct weir_conn_limit limits[WEIR_CONN_LIMITS_MAX];
};
WEIR_LAYOUT(struct weir_conn_conf, 16 + 24 * WEIR_CONN_LIMITS_MAX);

/* What a socket is counted under, until it is closed. */
struct weir_conn_socket {
	__u64 hashes[WEIR_CONN_PER_SOCKET];
	__u64 count; /* of hashes */
};
WEIR_LAYOUT(struct weir_conn_socket, 72);

/* Per CPU. opened - closed = connections that are counted now. */
struct weir_conn_stats {
	__u64 opened;
	__u64 closed;
	__u64 untracked; /* connections not counted: no memory for the socket's storage */
	__u64 full;	 /* numbers not kept: the set was full, or a source has a million */
	__u64 lost;	 /* counts not taken back: the word changed under us in every attempt */
	__u64 _pad[3];
};
WEIR_LAYOUT(struct weir_conn_stats, 64);

/** Stands for {limit, source}. @high, @low: the source's halves as in the packet, IPv4 as
 * ::ffff:a.b.c.d, masked as the limit says. */
static inline __u64 weir_conn_hash(__u64 high, __u64 low, __u64 key, __u64 seed)
{
	return weir_hash(high, low, key, seed);
}

/** The upper bits of the hash; never 0. */
static inline __u64 weir_conn_tag(__u64 hash)
{
	__u64 tag = hash & ~WEIR_CONN_COUNT_MAX;

	return tag ? tag : WEIR_CONN_COUNT_MAX + 1;
}

/** The set, by the lower bits of the hash. */
static inline __u32 weir_conn_index(__u64 hash, __u32 set_mask)
{
	return (__u32)(hash & WEIR_CONN_COUNT_MAX) & set_mask;
}

#endif
