/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts what each tenant had, for bills: at the exits, where it is known what became of the packet. */
#ifndef LIB_USAGE_H
#define LIB_USAGE_H

#include "lib/maps.h"
#include "lib/packet.h"
#include "lib/settings.h"

/* Global for the verifier's sake, see lib/limits.h. */
__noinline int usage_add(const struct weir_policy *policy, const struct packet *packet,
			 __u32 verdict)
{
	__u32 cpu = bpf_get_smp_processor_id(), zero = 0;
	const struct weir_usage_slots *slots = bpf_map_lookup_elem(&weir_use_slots, &zero);
	struct weir_usage *usage = bpf_map_lookup_elem(&weir_usage, &cpu);
	struct weir_usage_count *count;
	__u32 slot;

	if (!policy || !packet || !slots || !usage)
		return 0;
	slot = slots->slots[policy->generation & 1][packet->tenant & (WEIR_TENANTS_MAX - 1)];
	count = &usage->counts[slot & (WEIR_USAGE_SLOTS - 1)];
	if (verdict == WEIR_VERDICT_DROP || verdict == WEIR_VERDICT_REPLY) {
		count->refused_packets++;
		count->refused_bytes += packet->length;
		count->refused_connections += packet->class == WEIR_CLASS_SYN;
	} else {
		count->passed_packets++;
		count->passed_bytes += packet->length;
		count->passed_connections += packet->class == WEIR_CLASS_SYN;
	}
	return 0;
}

static __always_inline void usage_count(const struct weir_policy *policy,
					const struct packet *packet, int verdict)
{
	if (settings_has(WEIR_FEATURE_USAGE) && packet->tenant)
		usage_add(policy, packet, (__u32)verdict);
}

#endif
