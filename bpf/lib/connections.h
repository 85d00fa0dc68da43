/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The numbers of open connections: counting up and down, for connections.bpf.c, and asking, for the
 * limiter. What works on one set is pure, so tests/unit/test_connections.c runs these very lines from
 * several threads. The maps are shared by pin; see include/weir/connection.h for the scheme.
 */
#ifndef LIB_CONNECTIONS_H
#define LIB_CONNECTIONS_H

#include <weir/connection.h>

#define connections_inline static inline __attribute__((always_inline))

/* Attempts at a set. Each failure means that another CPU succeeded. */
#define CONNECTIONS_ATTEMPTS 32

enum connections_outcome {
	CONNECTIONS_DONE,
	CONNECTIONS_AGAIN, /* another CPU was faster */
	CONNECTIONS_FULL,
};

connections_inline int connections_swap(__u64 *word, __u64 from, __u64 to)
{
	return __sync_val_compare_and_swap(word, from, to) == from ? CONNECTIONS_DONE
								   : CONNECTIONS_AGAIN;
}

/** One attempt to count one more for @tag. */
connections_inline int connections_try_add(struct weir_conn_set *set, __u64 tag)
{
	__u64 *free = 0;

	for (int i = 0; i < WEIR_CONN_WAYS; i++) {
		__u64 word = *(volatile __u64 *)&set->words[i];

		if (!word) {
			free = &set->words[i];
			continue;
		}
		if ((word ^ tag) > WEIR_CONN_COUNT_MAX)
			continue;
		if (word == (tag | WEIR_CONN_COUNT_MAX))
			return CONNECTIONS_FULL;
		return connections_swap(&set->words[i], word, word + 1);
	}
	return free ? connections_swap(free, 0, tag | 1) : CONNECTIONS_FULL;
}

/** One attempt to take one back. It is there, though possibly where we have just looked. */
connections_inline int connections_try_remove(struct weir_conn_set *set, __u64 tag)
{
	for (int i = 0; i < WEIR_CONN_WAYS; i++) {
		__u64 word = *(volatile __u64 *)&set->words[i];

		if (word && (word ^ tag) <= WEIR_CONN_COUNT_MAX)
			return connections_swap(&set->words[i], word,
						word == (tag | 1) ? 0 : word - 1);
	}
	return CONNECTIONS_AGAIN;
}

/** How many there are for @tag. */
connections_inline __u32 connections_sum(const struct weir_conn_set *set, __u64 tag)
{
	__u32 sum = 0;

	for (int i = 0; i < WEIR_CONN_WAYS; i++) {
		__u64 word = *(const volatile __u64 *)&set->words[i];

		if (word && (word ^ tag) <= WEIR_CONN_COUNT_MAX)
			sum += (__u32)(word & WEIR_CONN_COUNT_MAX);
	}
	return sum;
}

#ifdef __bpf__
#include "lib/kernel.h"

/* Number of sets, minus one. */
const volatile __u32 weir_conn_mask = WEIR_CONN_SETS_DEFAULT - 1;

/* weir_conn_index() -> words; connections.bpf.c, userspace reads them memory-mapped; 64 bytes a set */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WEIR_CONN_SETS_DEFAULT);
	__type(key, __u32);
	__type(value, struct weir_conn_set);
} weir_conns SEC(".maps");

/**
 * How many connections are open that @tag (weir_key_tag()) stands for. What is being established is not
 * in it yet: a source may go beyond its limit by the handshakes that it has under way at one time.
 */
__noinline int connections_count(__u64 tag)
{
	__u32 index = weir_conn_index(tag, weir_conn_mask);
	const struct weir_conn_set *set = bpf_map_lookup_elem(&weir_conns, &index);

	return set ? (int)connections_sum(set, weir_conn_tag(tag)) : 0;
}
#endif

#endif
