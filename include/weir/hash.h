/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How keys find their place in the tables of cells and list entries, the same on both sides. The
 * mixing is the finalizer of MurmurHash3 (A. Appleby, public domain): every step can be undone, so
 * different words stay different. The seed is random per set of maps: without it nobody can aim many
 * sources at one place.
 */
#ifndef WEIR_HASH_H
#define WEIR_HASH_H

#include <weir/types.h>

static inline __u64 weir_hash_word(__u64 word)
{
	word = (word ^ word >> 33) * 0xff51afd7ed558ccdULL;
	word = (word ^ word >> 33) * 0xc4ceb9fe1a85ec53ULL;
	return word ^ word >> 33;
}

/** Two words and a key. As long as @high is 0 (every IPv4 address), different @low ^ @key never
 * meet. */
static inline __u64 weir_hash(__u64 high, __u64 low, __u64 key, __u64 seed)
{
	high *= 0x9e3779b97f4a7c15ULL;
	return weir_hash_word((high ^ high >> 32) ^ low ^ key ^ seed);
}

/** 1 if @a and @b are equal, else 0, without a branch: which way of a set matches is as random as keys
 * are. */
static inline __attribute__((always_inline)) __u64 weir_equal(__u64 a, __u64 b)
{
	__u64 difference = a ^ b;

	difference |= -difference;
	__asm__("" : "+r"(difference)); /* clang would see through it and make branches */
	return (difference >> 63) ^ 1;
}

#endif
