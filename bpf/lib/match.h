/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which limits apply to a packet: one bit each, a table lookup and an AND per condition. */
#ifndef LIB_MATCH_H
#define LIB_MATCH_H

#include "lib/bits.h"
#include "lib/maps.h"
#include "lib/packet.h"
#include "lib/settings.h"
#include "lib/wire.h"

static __always_inline __u64 match_transport(const struct weir_policy *policy,
					     const struct packet *packet)
{
	__u64 mask = policy->protocol_limits[packet->protocol];

	if (packet->is_later_fragment) {
		mask |= policy->fragment_limits;
	} else if (packet->has_port) {
		const struct weir_port_limits *ports =
			&weir_config.ports[policy->generation & 1][packet->destination_port];

		mask = packet->protocol == PROTOCOL_TCP ? ports->tcp : ports->udp;
	}
	if (packet->class != WEIR_CLASS_SYN)
		mask &= ~policy->connection_limits;
	return mask & policy->active;
}

/*
 * The trie, asked once for a destination and then remembered: a host has few addresses. Global for the
 * verifier's sake, see lib/limits.h.
 */
__noinline int match_remember(const struct weir_policy *policy, const struct packet *packet,
			      struct weir_destination *ret)
{
	struct weir_prefix_key key = {.prefix_bits = 32 + 128};
	const struct weir_prefix_value *value;

	if (!policy || !packet || !ret)
		return 0;
	key.copy = policy->generation & 1;
	__builtin_memcpy(key.address, packet->destination, sizeof(key.address));
	value = bpf_map_lookup_elem(&weir_dests, &key);
	ret->value.limits = value ? value->limits : policy->any_destination;
	ret->value.tenant = value ? value->tenant : 0;
	ret->address[0] = packet->destination_words[0];
	ret->address[1] = packet->destination_words[1];
	ret->generation = policy->generation;
	return 0;
}

static __always_inline __u64 match_destination(const struct weir_policy *policy,
					       struct weir_cpu *cpu, struct packet *packet)
{
	__u64 mix = (packet->destination_words[0] ^ packet->destination_words[1]) *
		    0x9e3779b97f4a7c15ULL;
	struct weir_destination *destination =
		&cpu->destinations[mix >> 56 & (WEIR_DESTINATIONS - 1)];

	if (destination->address[1] != packet->destination_words[1] ||
	    destination->address[0] != packet->destination_words[0] ||
	    destination->generation != policy->generation)
		match_remember(policy, packet, destination);
	packet->tenant = (__u16)destination->value.tenant;
	return destination->value.limits;
}

/* *@targeted: the limits whose flag names the source. */
static __always_inline __u64 match_source(const struct weir_policy *policy, struct packet *packet,
					  __u64 *targeted)
{
	struct weir_prefix_key key = {
		.prefix_bits = 32 + 128,
		.copy = policy->generation & 1,
	};
	const struct weir_source_value *source;

	__builtin_memcpy(key.address, packet->source, sizeof(key.address));
	source = bpf_map_lookup_elem(&weir_sources, &key);
	if (!source)
		return policy->any_source;
	if (!packet->tenant)
		packet->tenant = (__u16)source->value.tenant;
	*targeted = source->targeted;
	return source->value.limits;
}

/* Whose the packet is, where no limit asks: a list decided, or its headers. Global for the verifier's sake, see
 * lib/limits.h. */
__noinline int match_tenant(const struct weir_policy *policy, struct packet *packet)
{
	struct weir_cpu *cpu = cpu_own();
	__u64 targeted = 0;

	if (!policy || !packet || !cpu)
		return 0;
	if (settings_has(WEIR_FEATURE_DESTINATIONS) && policy->flags & WEIR_POLICY_BY_DESTINATION)
		match_destination(policy, cpu, packet);
	if (settings_has(WEIR_FEATURE_SOURCES) && policy->flags & WEIR_POLICY_BY_SOURCE &&
	    !packet->tenant)
		match_source(policy, packet, &targeted);
	return 0;
}

/*
 * The limits in @mask without those that their flag keeps from this packet. Global for the verifier's
 * sake, see lib/limits.h.
 */
__noinline __u64 match_flags(const struct weir_policy *policy, const struct packet *packet,
			     __u64 mask, __u64 targeted)
{
	__u64 rest;

	if (!policy || !packet)
		return mask;
	rest = mask & policy->flagged_limits;
	for (__u32 i = 0; i < WEIR_LIMITS_PER_PACKET && rest; i++) {
		const struct weir_share *share =
			&policy->shares[bits_lowest(rest) & (WEIR_LIMITS_MAX - 1)];
		__u64 bit = rest & -rest, hash;
		int on;

		rest &= ~bit;
		hash = weir_hash(packet->source_words[0],
				 packet->is_ip6 ? 0 : packet->source_words[1], share->key,
				 weir_seed);
		on = targeted & bit || (__u32)hash < share->below;
		if (on == !!(policy->inverted_limits & bit))
			mask &= ~bit;
	}
	return mask;
}

static __always_inline __u64 match_limits(const struct weir_policy *policy, struct weir_cpu *cpu,
					  struct packet *packet)
{
	__u64 mask = match_transport(policy, packet), targeted = 0;

	/* Whose the packet is has to be known for its count, too. */
	if (!mask && !settings_has(WEIR_FEATURE_USAGE))
		return 0;
	if (settings_has(WEIR_FEATURE_DESTINATIONS) && policy->flags & WEIR_POLICY_BY_DESTINATION)
		mask &= match_destination(policy, cpu, packet);
	if (settings_has(WEIR_FEATURE_SOURCES) && policy->flags & WEIR_POLICY_BY_SOURCE)
		mask &= match_source(policy, packet, &targeted);
	if (policy->flags & WEIR_POLICY_BY_TENANT)
		mask &= policy->tenant_limits[packet->tenant & (WEIR_TENANTS_MAX - 1)];
	if (settings_has(WEIR_FEATURE_FLAGS) && mask & policy->flagged_limits) {
		targeted |= policy->tenant_targets[packet->tenant & (WEIR_TENANTS_MAX - 1)];
		mask = match_flags(policy, packet, mask, targeted);
	}
	return mask;
}

#endif
