/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading the sample of all packets that the CPUs keep. */
#include <errno.h>

#include "datapath/internal.h"

void datapath_set_sampling(struct datapath *d, uint32_t period)
{
	__atomic_store_n(&d->program.config->live.sample_period, period, __ATOMIC_RELAXED);
}

static uint32_t taken_by(const struct weir_cpu *cpu)
{
	return __atomic_load_n(&cpu->sampling.taken, __ATOMIC_ACQUIRE);
}

/* Those of one CPU from number @from on, up to @to. What was overwritten while it was copied is lost. */
static uint32_t read_cpu(const struct weir_cpu *cpu, uint32_t from, uint32_t to,
			 void (*fn)(const struct weir_sample *sample, void *userdata),
			 void *userdata)
{
	uint32_t lost = 0;

	for (; from != to; from++) {
		struct weir_sample sample = cpu->samples[from & (WEIR_SAMPLES - 1)];

		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		/* The next one may be being written where this one stood. */
		if (taken_by(cpu) - from >= WEIR_SAMPLES)
			lost++;
		else
			fn(&sample, userdata);
	}
	return lost;
}

int64_t datapath_read_samples(const struct datapath *d, struct datapath_samples *at,
			      void (*fn)(const struct weir_sample *sample, void *userdata),
			      void *userdata, uint64_t *ret_lost)
{
	const struct program *p = &d->program;
	int64_t count = 0;

	*ret_lost = 0;
	if (!at->seen) {
		at->seen = calloc(p->cpus, sizeof(*at->seen));
		if (!at->seen)
			return -ENOMEM;
		for (unsigned int i = 0; i < p->cpus; i++)
			at->seen[i] = taken_by(&p->cpu[i]);
	}
	for (unsigned int i = 0; i < p->cpus; i++) {
		uint32_t taken = taken_by(&p->cpu[i]), from = at->seen[i];

		count += taken - from;
		if (taken - from > WEIR_SAMPLES) {
			*ret_lost += taken - from - WEIR_SAMPLES;
			from = taken - WEIR_SAMPLES;
		}
		*ret_lost += read_cpu(&p->cpu[i], from, taken, fn, userdata);
		at->seen[i] = taken;
	}
	return count;
}

void datapath_samples_done(struct datapath_samples *at)
{
	free(at->seen);
	at->seen = NULL;
}
