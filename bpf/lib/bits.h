/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LIB_BITS_H
#define LIB_BITS_H

#include <weir/types.h>

/** The number of the lowest bit in @mask, which is not 0: the ones below it, counted side by side.
 * (clang 14 cannot compile __builtin_ctzll for BPF here.) */
static inline __attribute__((always_inline)) __u32 bits_lowest(__u64 mask)
{
	__u64 below = ~mask & (mask - 1);

	if (mask & 1) /* as often as not, and the processor guesses it right */
		return 0;
	below -= (below >> 1) & 0x5555555555555555ULL;
	below = (below & 0x3333333333333333ULL) + ((below >> 2) & 0x3333333333333333ULL);
	below = (below + (below >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return (__u32)(below * 0x0101010101010101ULL >> 56);
}

#endif
