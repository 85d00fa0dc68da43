/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage: allow and block lists by source address. Expiry is decided here, by time, so a daemon that
 * is gone blackholes nobody. */
#ifndef LIB_LISTS_H
#define LIB_LISTS_H

#include "lib/clock.h"
#include "lib/maps.h"
#include "lib/packet.h"

static __always_inline const struct weir_list_value *lists_find(const struct weir_live *live,
								const struct packet *packet)
{
	const struct weir_list_value *value = NULL;

	/* An exact entry carries what covers it, so a hit needs no second look. */
	if (packet->is_ip6 ? live->has_ip6 : live->has_ip4)
		value = packet->is_ip6 ? bpf_map_lookup_elem(&weir_ip6, packet->source)
				       : bpf_map_lookup_elem(&weir_ip4, &packet->source_quads[3]);
	if (!value && live->has_prefixes) {
		struct weir_list_key key = {.prefix_bits = 128};

		__builtin_memcpy(key.address, packet->source, sizeof(key.address));
		value = bpf_map_lookup_elem(&weir_prefixes, &key);
	}
	return value;
}

/* @until_ns has not come yet. */
static __always_inline int lists_in_force(__u64 until_ns, struct packet *packet)
{
	return until_ns == WEIR_FOREVER || (until_ns && until_ns > clock_now_ns(packet));
}

static __always_inline int lists_check(const struct weir_live *live, struct packet *packet)
{
	const struct weir_list_value *value = lists_find(live, packet);

	if (!value)
		return WEIR_NEXT;
	if (lists_in_force(value->allow_until_ns, packet))
		return WEIR_REASON_ALLOWED;
	if (lists_in_force(value->block_until_ns, packet))
		return WEIR_REASON_BLOCKED;
	return WEIR_NEXT;
}

#endif
