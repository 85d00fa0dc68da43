/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet's coarse time, read when somebody first asks: a source that is blocked for ever needs none. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <weir/policy.h>

#include "lib/maps.h"
#include "lib/packet.h"
#include "lib/settings.h"

/*
 * The kernel's coarse clock takes 4 ns to read and changes once per jiffy; the jiffies take none. A CPU
 * may see a new jiffy just before the clock follows, so what it remembers may lag by two ticks.
 */
static __always_inline __u64 clock_read_coarse_ns(struct weir_cpu *cpu)
{
	__u64 jiffies = bpf_jiffies64();

	if (weir_test_clock) {
		cpu->clock.coarse_ns = weir_test_coarse_ns;
	} else if (cpu->clock.jiffies != jiffies) {
		cpu->clock.jiffies = jiffies;
		cpu->clock.coarse_ns = bpf_ktime_get_coarse_ns();
	}
	return cpu->clock.coarse_ns;
}

/** The packet's coarse time. */
static __always_inline __u64 clock_now_ns(struct weir_cpu *cpu, struct packet *packet)
{
	if (!packet->time)
		packet->time = clock_read_coarse_ns(cpu) << WEIR_TIME_SHIFT;
	return cpu->clock.coarse_ns;
}

/* What this CPU has to itself; NULL for one that was not there when the maps were made. */
static __always_inline struct weir_cpu *cpu_own(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&weir_cpu, &cpu);
}

static __always_inline __u64 clock_exact_ns(void)
{
	return weir_test_clock ? weir_test_exact_ns : bpf_ktime_get_ns();
}

#endif
