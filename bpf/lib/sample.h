/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One of so many packets is kept as a sample, whatever became of it. A packet that is not one pays for a
 * decrement. The distance from one sample to the next is random, so that traffic with a rhythm of its own
 * is not always met at the same beat; its mean is the period, so that weights add up to the packets.
 */
#ifndef LIB_SAMPLE_H
#define LIB_SAMPLE_H

#include <weir/sample.h>

#include "lib/clock.h"
#include "lib/maps.h"
#include "lib/packet.h"

#define SAMPLE_LOOK_AGAIN 1024 /* packets, while userspace wants none */

/* Global for the verifier's sake, see lib/limits.h. */
__noinline int sample_take(const struct packet *packet, __u32 reason, __u32 verdict)
{
	__u32 period = *(volatile const __u32 *)&weir_config.live.sample_period;
	struct weir_cpu *cpu = cpu_own();
	struct weir_sample *sample;

	if (!cpu || !packet)
		return 0;
	if (!period) {
		cpu->sampling.left = SAMPLE_LOOK_AGAIN;
		return 0;
	}
	cpu->sampling.left = 1 + bpf_get_prandom_u32() % (2 * period - 1);
	sample = &cpu->samples[cpu->sampling.taken & (WEIR_SAMPLES - 1)];
	sample->time_ns = clock_exact_ns();
	sample->source[0] = packet->source_words[0];
	sample->source[1] = packet->source_words[1];
	sample->destination[0] = packet->destination_words[0];
	sample->destination[1] = packet->destination_words[1];
	sample->length = packet->length;
	sample->weight = period;
	sample->destination_port = packet->destination_port;
	sample->protocol = packet->protocol;
	sample->class = packet->class;
	sample->reason = (__u8)reason;
	sample->verdict = (__u8)verdict;
	sample->flags = (packet->is_ip6 ? WEIR_SAMPLE_IP6 : 0) |
			(packet->has_port ? WEIR_SAMPLE_PORT : 0) |
			(packet->is_later_fragment ? WEIR_SAMPLE_LATER_FRAGMENT : 0);
	__sync_fetch_and_add(&cpu->sampling.taken, 1); /* a barrier: the sample is whole by then */
	return 0;
}

static __always_inline void sample_packet(struct weir_cpu *cpu, const struct packet *packet,
					  int reason, int verdict)
{
	if (cpu->sampling.left-- <= 1)
		sample_take(packet, (__u32)reason, (__u32)verdict);
}

#endif
