/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LIB_BITS_H
#define LIB_BITS_H

#include <weir/types.h>

/* A de Bruijn sequence: no six bits in a row occur twice, so by them one sees how far it was shifted. */
#define BITS_SEQUENCE 0x03f79d71b4cb0a89ULL

/* By the first six bits of the sequence shifted left: how far. */
static const __u8 bits_shifts[64] = {
	0,  1,	48, 2,	57, 49, 28, 3,	61, 58, 50, 42, 38, 29, 17, 4,	62, 55, 59, 36, 53, 51,
	43, 22, 45, 39, 33, 30, 24, 18, 12, 5,	63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21,
	44, 32, 23, 11, 46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,	13, 8,	7,  6,
};

/** The number of the lowest bit in @mask, which is not 0. (clang 14 cannot compile __builtin_ctzll for
 * BPF here.) */
static inline __attribute__((always_inline)) __u32 bits_lowest(__u64 mask)
{
	if (mask & 1) /* as often as not, and the processor guesses it right */
		return 0;
	return bits_shifts[(mask & -mask) * BITS_SEQUENCE >> 58];
}

#endif
