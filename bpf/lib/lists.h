/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage: allow and block lists by source address. Expiry is decided here, by time, so a daemon that
 * is gone blackholes nobody. */
#ifndef LIB_LISTS_H
#define LIB_LISTS_H

#include "lib/clock.h"
#include "lib/maps.h"
#include "lib/packet.h"

/* What the front knows of the address: enum weir_front. */
static __always_inline __u32 lists_front(__u32 address)
{
	__u32 index = weir_front_index(address);
	const struct weir_front_bucket *bucket = bpf_map_lookup_elem(&weir_front, &index);
	__u64 cell = 0;

	if (!bucket)
		return WEIR_FRONT_ELSEWHERE;
#pragma unroll
	for (int i = 0; i < WEIR_FRONT_CELLS; i++) {
		cell = *(volatile const __u64 *)&bucket->cells[i];
		if (!cell)
			return WEIR_FRONT_EMPTY;
		if ((__u32)cell == address && cell >> 32 < WEIR_FRONT_REMOVED)
			return cell >> 32;
	}
	return cell >> 32 == WEIR_FRONT_FULL ? WEIR_FRONT_ELSEWHERE : WEIR_FRONT_EMPTY;
}

/* @until_ns has not come yet. */
static __always_inline int lists_in_force(__u64 until_ns, struct packet *packet)
{
	return until_ns == WEIR_FOREVER || (until_ns && until_ns > clock_now_ns(packet));
}

static __always_inline int lists_check(const struct weir_live *live, struct packet *packet)
{
	const struct weir_list_value *value = NULL;

	/* An exact entry carries what covers it, so a hit needs no second look. */
	if (packet->is_ip6 && live->has_ip6) {
		value = bpf_map_lookup_elem(&weir_ip6, packet->source);
	} else if (!packet->is_ip6 && live->has_ip4) {
		__u32 front = lists_front(packet->source_quads[3]);

		if (front == WEIR_FRONT_BLOCK)
			return WEIR_REASON_BLOCKED;
		if (front == WEIR_FRONT_ALLOW)
			return WEIR_REASON_ALLOWED;
		if (front == WEIR_FRONT_ELSEWHERE)
			value = bpf_map_lookup_elem(&weir_ip4, &packet->source_quads[3]);
	}
	if (!value && live->has_prefixes) {
		struct weir_list_key key = {.prefix_bits = 128};

		__builtin_memcpy(key.address, packet->source, sizeof(key.address));
		value = bpf_map_lookup_elem(&weir_prefixes, &key);
	}
	if (!value)
		return WEIR_NEXT;
	if (lists_in_force(value->allow_until_ns, packet))
		return WEIR_REASON_ALLOWED;
	if (lists_in_force(value->block_until_ns, packet))
		return WEIR_REASON_BLOCKED;
	return WEIR_NEXT;
}

#endif
