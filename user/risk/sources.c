/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "risk/sources.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define WAYS	   8
#define BUCKETS	   (RISK_SOURCES_MAX / WAYS)
#define RULES	   4
/* A level is told of again only after the source was so far below it: no record each time it sways. */
#define HYSTERESIS 10000

struct entry {
	uint8_t source[16];
	uint32_t points; /* at at_ns */
	enum risk_level told;
	uint64_t at_ns; /* 0 = the entry is free; moves in whole steps */
	uint64_t first_ns, last_ns, events, packets;
	struct {
		uint32_t rule, count;
		uint64_t last_ns;
	} rules[RULES];
};

struct risk_sources {
	uint64_t seed[2];
	struct entry entries[BUCKETS][WAYS];
};

int risk_sources_new(struct risk_sources **ret)
{
	_cleanup_(risk_sources_freep) struct risk_sources *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	if (getrandom(s->seed, sizeof(s->seed), 0) != sizeof(s->seed))
		return -EIO;
	*ret = take_ptr(s);
	return 0;
}

void risk_sources_free(struct risk_sources *s)
{
	free(s);
}

uint32_t risk_rule(const char *reason, const char *limit)
{
	uint32_t hash = 2166136261U; /* FNV-1a: only to tell a few rules apart */

	for (; *reason; reason++)
		hash = (hash ^ (uint8_t)*reason) * 16777619U;
	hash *= 16777619U;
	for (; *limit; limit++)
		hash = (hash ^ (uint8_t)*limit) * 16777619U;
	return hash;
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	return x ^ x >> 32;
}

static size_t bucket_of(const struct risk_sources *s, const uint8_t source[static 16])
{
	uint64_t words[2];

	memcpy(words, source, sizeof(words));
	return mix(mix(words[0] ^ s->seed[0]) + words[1] + s->seed[1]) % BUCKETS;
}

static uint64_t steps_since(const struct entry *e, uint64_t now_ns)
{
	return now_ns > e->at_ns ? (now_ns - e->at_ns) / RISK_STEP_NS : 0;
}

static uint32_t points_at(const struct entry *e, uint64_t now_ns)
{
	return e->at_ns ? risk_decay(e->points, steps_since(e, now_ns)) : 0;
}

static const struct entry *find(const struct risk_sources *s, const uint8_t source[static 16])
{
	const struct entry *bucket = s->entries[bucket_of(s, source)];

	for (unsigned int i = 0; i < WAYS; i++)
		if (bucket[i].at_ns && memcmp(bucket[i].source, source, 16) == 0)
			return &bucket[i];
	return NULL;
}

/* The entry of @source; if it has none, the least of those it may take, emptied. */
static struct entry *take_entry(struct risk_sources *s, const uint8_t source[static 16],
				uint64_t now_ns)
{
	struct entry *bucket = s->entries[bucket_of(s, source)], *least = &bucket[0];

	for (unsigned int i = 0; i < WAYS; i++) {
		if (bucket[i].at_ns && memcmp(bucket[i].source, source, 16) == 0)
			return &bucket[i];
		if (least->at_ns &&
		    (!bucket[i].at_ns || points_at(&bucket[i], now_ns) < points_at(least, now_ns)))
			least = &bucket[i];
	}
	*least = (struct entry){.first_ns = now_ns};
	memcpy(least->source, source, 16);
	return least;
}

/* How often @rule spoke of the source in the half-life before; from now on once more. */
static uint32_t count_rule(struct entry *e, uint32_t rule, uint64_t now_ns)
{
	unsigned int oldest = 0;

	for (unsigned int i = 0; i < RULES; i++) {
		if (e->rules[i].count && e->rules[i].rule == rule) {
			if (now_ns > e->rules[i].last_ns &&
			    now_ns - e->rules[i].last_ns > RISK_HALF_LIFE_NS)
				e->rules[i].count = 0;
			e->rules[i].last_ns = now_ns;
			return e->rules[i].count++;
		}
		if (e->rules[i].last_ns < e->rules[oldest].last_ns)
			oldest = i;
	}
	e->rules[oldest].rule = rule;
	e->rules[oldest].count = 1;
	e->rules[oldest].last_ns = now_ns;
	return 0;
}

static uint32_t plus_hysteresis(uint32_t points)
{
	return points > RISK_POINTS_MAX - HYSTERESIS ? RISK_POINTS_MAX : points + HYSTERESIS;
}

void risk_sources_add(struct risk_sources *s, const struct risk_event *event,
		      struct risk_change *ret)
{
	struct entry *e = take_entry(s, event->source, event->time_ns);
	uint64_t steps = e->at_ns ? steps_since(e, event->time_ns) : 0;
	uint32_t before = risk_decay(e->points, steps);
	enum risk_level fallen = risk_level_of(plus_hysteresis(before));

	*ret = (struct risk_change){.last = e->points, .steps = steps};
	/* What is left of a step counts the next time; a clock that was set back begins anew. */
	if (!e->at_ns || event->time_ns < e->at_ns)
		e->at_ns = event->time_ns ?: 1;
	else
		e->at_ns += steps * RISK_STEP_NS;
	ret->repeat = count_rule(e, event->rule, event->time_ns);
	e->points = ret->after = risk_add(before, event->score, ret->repeat);
	e->last_ns = event->time_ns;
	e->events++;
	e->packets += event->packets;
	if (fallen < e->told)
		e->told = fallen;
	ret->from = e->told;
	ret->level = risk_level_of(e->points);
	ret->rose = ret->level > e->told;
	if (ret->rose)
		e->told = ret->level;
}

void risk_sources_restore(struct risk_sources *s, const struct risk_event *event, uint32_t after,
			  uint32_t repeat)
{
	struct entry *e = take_entry(s, event->source, event->time_ns);

	count_rule(e, event->rule, event->time_ns);
	for (unsigned int i = 0; i < RULES; i++)
		if (e->rules[i].rule == event->rule && e->rules[i].count)
			e->rules[i].count = repeat < UINT32_MAX ? repeat + 1 : repeat;
	e->points = after > RISK_POINTS_MAX ? RISK_POINTS_MAX : after;
	e->at_ns = event->time_ns ?: 1;
	e->last_ns = event->time_ns;
	e->events++;
	e->packets += event->packets;
	e->told = risk_level_of(e->points);
}

static struct risk_source view(const struct entry *e, uint64_t now_ns)
{
	struct risk_source v = {
		.points = points_at(e, now_ns),
		.first_ns = e->first_ns,
		.last_ns = e->last_ns,
		.events = e->events,
		.packets = e->packets,
	};

	memcpy(v.source, e->source, sizeof(v.source));
	v.level = risk_level_of(v.points);
	return v;
}

static int by_points(const void *a, const void *b)
{
	const struct risk_source *x = a, *y = b;

	if (x->points != y->points)
		return x->points < y->points ? 1 : -1;
	return memcmp(x->source, y->source, sizeof(x->source));
}

/* Keep the worst @size in @ret, in any order. */
static void keep_worst(struct risk_source *ret, size_t size, size_t n, const struct risk_source *v)
{
	size_t least = 0;

	if (n < size) {
		ret[n] = *v;
		return;
	}
	for (size_t i = 1; i < size; i++)
		if (by_points(&ret[i], &ret[least]) > 0)
			least = i;
	if (size && by_points(v, &ret[least]) < 0)
		ret[least] = *v;
}

size_t risk_sources_list(const struct risk_sources *s, uint64_t now_ns, enum risk_level level,
			 struct risk_source *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < RISK_SOURCES_MAX; i++) {
		const struct entry *e = &s->entries[i / WAYS][i % WAYS];
		struct risk_source v;

		if (!e->at_ns)
			continue;
		v = view(e, now_ns);
		if (v.level >= level)
			keep_worst(ret, size, n++, &v);
	}
	qsort(ret, n < size ? n : size, sizeof(*ret), by_points);
	return n;
}

bool risk_sources_get(const struct risk_sources *s, const uint8_t source[static 16],
		      uint64_t now_ns, struct risk_source *ret)
{
	const struct entry *e = find(s, source);

	if (e)
		*ret = view(e, now_ns);
	return e;
}

void risk_sources_count(const struct risk_sources *s, uint64_t now_ns,
			uint64_t ret[static RISK_LEVEL_MAX])
{
	memset(ret, 0, RISK_LEVEL_MAX * sizeof(ret[0]));
	for (size_t i = 0; i < RISK_SOURCES_MAX; i++) {
		const struct entry *e = &s->entries[i / WAYS][i % WAYS];

		if (e->at_ns)
			ret[risk_level_of(points_at(e, now_ns))]++;
	}
}
