/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose cell a packet's is, under a limit. */
#ifndef WEIR_KEY_H
#define WEIR_KEY_H

#include <weir/cell.h>
#include <weir/policy.h>

/* The parts of a packet that keys are made of: addresses as they stand in it, IPv4 as
 * ::ffff:a.b.c.d. */
struct weir_key_parts {
	const __u64 *source;
	const __u64 *destination;
	__u32 tenant;
	__u32 is_ip6;
};

/** The tag of the cell. */
static inline __attribute__((always_inline)) __u64
weir_key_tag(const struct weir_limit *limit, const struct weir_key_parts *parts, __u64 seed)
{
	__u64 high = 0, low = 0;

	if (limit->key_parts & WEIR_KEY_SOURCE) {
		high = parts->source[0] & limit->source_mask6;
		low = parts->source[1] & (__u64)limit->source_mask4 << 32;
		if (parts->is_ip6)
			low = limit->whole_ip6 ? parts->source[1] : 0;
	} else if (limit->key_parts & WEIR_KEY_DESTINATION) {
		high = parts->destination[0];
		low = parts->destination[1];
	} else if (limit->key_parts & WEIR_KEY_TENANT) {
		low = (__u64)parts->tenant << 32;
	}
	return weir_cell_tag(high, low, limit->key, seed);
}

/** The tag of the cell that sources share with their neighbours when there is no room for their own.
 * Keys of limits are even. */
static inline __attribute__((always_inline)) __u64
weir_key_coarse_tag(const struct weir_limit *limit, const struct weir_key_parts *parts, __u64 seed)
{
	__u64 high = parts->source[0] & limit->coarse_mask6;
	__u64 low = parts->source[1] & (__u64)limit->coarse_mask4 << 32;

	return weir_cell_tag(high, parts->is_ip6 ? 0 : low, limit->key | 1, seed);
}

/** The set of the cell @tag. @mask: number of hashed sets, minus one. */
static inline __attribute__((always_inline)) __u32 weir_key_set(const struct weir_limit *limit,
								__u32 tenant, __u64 tag, __u32 mask)
{
	if (!limit->fixed_set)
		return weir_cell_set_index(tag, mask);
	return limit->fixed_set + (limit->key_parts & WEIR_KEY_TENANT ? tenant - 1 : 0);
}

#endif
