/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keeping the sample of the traffic. What a policy would have made of it is in trial.c. */
#include "engine/traffic.h"

#include <errno.h>

#include "base/clock.h"
#include "engine/traffic_internal.h"

struct traffic *traffic_new(void)
{
	struct traffic *t = calloc(1, sizeof(*t));

	if (t)
		t->period = 1;
	return t;
}

void traffic_free(struct traffic *t)
{
	if (!t)
		return;
	datapath_samples_done(&t->at);
	free(t);
}

static void keep(const struct weir_sample *sample, void *userdata)
{
	struct traffic *t = userdata;

	t->samples[t->count++ % TRAFFIC_SAMPLES_MAX] = *sample;
}

/* The period that gives as many samples as are wanted, if the traffic stays as it was. */
static uint32_t adapt(const struct traffic *t, uint64_t taken, uint64_t elapsed_ns)
{
	uint64_t most = TRAFFIC_WANTED_MAX * elapsed_ns / NSEC_PER_SEC + 1;
	uint64_t period = t->period;

	while (period < TRAFFIC_PERIOD_MAX && taken > most) {
		period *= 2;
		taken /= 2;
	}
	/* Not to and fro: down only where it stays below. */
	while (period > 1 && taken * 4 < most) {
		period /= 2;
		taken = taken * 2 + 1;
	}
	return (uint32_t)period;
}

/* What came too fast is stood for by what was read of the same moment. */
static void stand_for_lost(struct traffic *t, uint64_t from, uint64_t lost)
{
	uint64_t kept = t->count - from;

	if (!lost || !kept || kept > TRAFFIC_SAMPLES_MAX)
		return;
	for (; from < t->count; from++) {
		struct weir_sample *s = &t->samples[from % TRAFFIC_SAMPLES_MAX];
		uint64_t weight = s->weight + s->weight * lost / kept;

		s->weight = weight < UINT32_MAX ? (uint32_t)weight : UINT32_MAX;
	}
}

void traffic_read(struct traffic *t, struct datapath *d)
{
	uint64_t now_ns = clock_monotonic_ns(), lost = 0, from = t->count;
	int64_t taken = datapath_read_samples(d, &t->at, keep, t, &lost);

	if (taken < 0)
		return;
	t->lost += lost;
	stand_for_lost(t, from, lost);
	if (t->read_ns && now_ns > t->read_ns)
		t->period = adapt(t, (uint64_t)taken, now_ns - t->read_ns);
	t->read_ns = now_ns;
	/* Each time: another program, or another daemon's word, may stand there. */
	datapath_set_sampling(d, t->period);
}
