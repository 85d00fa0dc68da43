/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keeping the sample of the traffic. What a policy would have made of it is in trial.c. */
#include "engine/traffic.h"

#include <errno.h>
#include <string.h>

#include <weir/hash.h>
#include <weir/vocabulary.h>

#include "base/clock.h"
#include "detect/peers.h"
#include "engine/traffic_internal.h"

#define SLOTS (4U * TRAFFIC_SOURCES_MAX) /* a power of two */

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
	if (!t->began_ns)
		t->began_ns = now_ns;
	t->read_ns = now_ns;
	/* Each time: another program, or another daemon's word, may stand there. */
	datapath_set_sampling(d, t->period);
}

/* Packets of sources that limits or lists refuse say nothing of whom this host has to do with; nor does what the
 * link layer needs. */
static bool got_through(const struct weir_sample *s)
{
	return s->verdict != WEIR_VERDICT_DROP && s->verdict != WEIR_VERDICT_REPLY &&
	       s->reason != WEIR_REASON_NEIGHBOUR && (s->source[0] || s->source[1]);
}

/* Whether the source of @s is new to @p; @slots: numbers of addresses, from 1. */
static bool is_new(const struct peers *p, uint32_t slots[static SLOTS], const struct weir_sample *s,
		   uint64_t seed)
{
	uint64_t at = weir_hash(s->source[0], s->source[1], 0, seed);

	for (; slots[at & (SLOTS - 1)]; at++)
		if (memcmp(p->addresses[slots[at & (SLOTS - 1)] - 1], s->source, 16) == 0)
			return false;
	slots[at & (SLOTS - 1)] = (uint32_t)p->count + 1;
	return true;
}

int traffic_sources(const struct traffic *t, uint64_t seed, struct peers *ret,
		    uint64_t *ret_seconds)
{
	uint64_t kept = t->count < TRAFFIC_SAMPLES_MAX ? t->count : TRAFFIC_SAMPLES_MAX;
	_cleanup_free_ uint32_t *slots = calloc(SLOTS, sizeof(*slots));
	uint64_t now_ns = clock_monotonic_ns(), oldest_ns = now_ns;
	_cleanup_(peers_done) struct peers p = {0};

	p.addresses = calloc(TRAFFIC_SOURCES_MAX, sizeof(*p.addresses));
	if (!slots || !p.addresses)
		return -ENOMEM;
	for (uint64_t i = 1; i <= kept && p.count < TRAFFIC_SOURCES_MAX; i++) {
		const struct weir_sample *s = &t->samples[(t->count - i) % TRAFFIC_SAMPLES_MAX];

		if (s->time_ns + TRAFFIC_SECONDS_MAX * NSEC_PER_SEC < now_ns || !got_through(s))
			continue;
		if (s->time_ns < oldest_ns)
			oldest_ns = s->time_ns;
		if (is_new(&p, slots, s, seed))
			memcpy(p.addresses[p.count++], s->source, 16);
	}
	*ret_seconds = p.count ? (now_ns - oldest_ns) / NSEC_PER_SEC + 1 : 0;
	*ret = p;
	p.addresses = NULL;
	return 0;
}
