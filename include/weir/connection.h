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

#include <weir/types.h>

#define WEIR_CONN_WAYS	       8
#define WEIR_CONN_COUNT_BITS   20
#define WEIR_CONN_COUNT_MAX    ((1ULL << WEIR_CONN_COUNT_BITS) - 1)
/* A power of two: 4 MiB. With 100,000 keys at once, one of 100,000 finds its set full and is not
 * counted, but counted as such. */
#define WEIR_CONN_SETS_DEFAULT 65536
#define WEIR_CONN_SETS_MAX     (1U << WEIR_CONN_COUNT_BITS)
#define WEIR_CONN_PER_SOCKET   8 /* limits that one connection may come under */

struct weir_conn_set {
	__u64 words[WEIR_CONN_WAYS]; /* tag | count; 0 = free */
};
WEIR_LAYOUT(struct weir_conn_set, 64);

/* What a socket is counted under, until it is closed. */
struct weir_conn_socket {
	__u64 hashes[WEIR_CONN_PER_SOCKET]; /* weir_key_tag() of limit and connection */
	__u64 count;			    /* of hashes */
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

/** The upper bits of the hash, which is weir_key_tag() of the limit and the connection; never 0. */
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
