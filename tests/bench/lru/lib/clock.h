/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* In place of bpf/lib/clock.h: the exact clock only, read when somebody first asks for the packet's time. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <weir/policy.h>

#include "lib/maps.h"
#include "lib/packet.h"
#include "lib/settings.h"

static __always_inline __u64 clock_exact_ns(void)
{
	return bpf_ktime_get_ns();
}

static __always_inline __u64 clock_now_ns(struct weir_cpu *cpu, struct packet *packet)
{
	if (!packet->time) {
		cpu->clock.coarse_ns = clock_exact_ns();
		packet->time = cpu->clock.coarse_ns << WEIR_TIME_SHIFT;
		packet->time_is_exact = 1;
	}
	return cpu->clock.coarse_ns;
}

static __always_inline struct weir_cpu *cpu_own(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&weir_cpu, &cpu);
}

#endif
