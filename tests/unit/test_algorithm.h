/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tests of the datapath's arithmetic share: limits with constants from the real compiler,
 * at random and at the edges of what the language can say, and packets to offer them. Times begin
 * around every wrap of the 64-bit clock.
 */
#ifndef TEST_ALGORITHM_H
#define TEST_ALGORITHM_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <weir/algorithm.h>
#include <weir/vocabulary.h>

#include "../lib/model.h"
#include "base/cleanup.h"
#include "policy/policy.h"

#define TICK_NS 4000000ULL
#define TICK	(TICK_NS << WEIR_TIME_SHIFT)

typedef unsigned __int128 wide;

/* The generator xorshift64*; its state is never 0. */
static inline uint64_t next_random(uint64_t *random, uint64_t below)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return (uint64_t)((wide)(*random * 0x2545f4914f6cdd1dULL) * below >> 64);
}

/* 1 to @most, each order of magnitude about as often as the others. */
static inline uint64_t random_magnitude(uint64_t *random, uint64_t most)
{
	uint64_t top = 1;

	for (uint64_t i = next_random(random, 40); i && top <= most / 2; i--)
		top *= 2;
	return 1 + next_random(random, top < most ? top : most);
}

/* A limit, and what may be asked of it. */
struct subject {
	struct weir_limit limit;
	char text[200];
	bool adaptive;
};

static inline int subject_make(struct subject *s)
{
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	_cleanup_(policy_freep) struct policy *p = NULL;
	char yaml[400];
	int r;

	snprintf(yaml, sizeof(yaml),
		 "apiVersion: weir/v1\nmode: enforce\npackets: {fragments: pass}\n"
		 "limits: [{name: a, scope: source, %s}]\n",
		 s->text);
	r = policy_parse("p", yaml, strlen(yaml), &p, NULL);
	if (r == 0)
		r = policy_compile(p, TICK_NS, &image, NULL);
	if (r == 0)
		s->limit = image->policy.limits[0];
	return r;
}

enum kind { BUCKET, LEAKY, FIXED, SLIDING };

static const char *const algorithms[] = {
	[BUCKET] = "token_bucket",
	[LEAKY] = "leaky_bucket",
	[FIXED] = "fixed_window",
	[SLIDING] = "sliding_window",
};

static inline void random_text(struct subject *s, enum kind kind, uint64_t *random)
{
	static const char *const windows[] = {"1ms", "20ms", "300ms", "1s", "7s", "1m", "3h", "2d"};
	unsigned int unit = (unsigned int)next_random(random, 3);
	static const char *const rates[] = {"rate", "byte_rate", "connections"};
	static const char *const bursts[] = {"burst", "byte_burst", "connection_burst"};
	int n = snprintf(s->text, sizeof(s->text), "algorithm: %s, ", algorithms[kind]);
	uint64_t most = unit == 1 ? 12500000000ULL : 100000000;
	char *at = s->text + n;
	size_t room = sizeof(s->text) - (size_t)n;

	n = snprintf(at, room, "%s: %llu%s/%c", rates[unit],
		     (unsigned long long)random_magnitude(random, most), unit == 1 ? "B" : "",
		     unit == 1 ? 's' : "ssmhd"[next_random(random, 5)]);
	if (kind == BUCKET && next_random(random, 4))
		n += snprintf(at + n, room - (size_t)n, ", %s: %llu%s", bursts[unit],
			      (unsigned long long)random_magnitude(random, 1000000) +
				      (unit == 1 ? 9216 : 0),
			      unit == 1 ? "B" : "");
	if (kind >= FIXED && next_random(random, 3))
		n += snprintf(at + n, room - (size_t)n, ", window: %s",
			      windows[next_random(random, ARRAY_SIZE(windows))]);
	if (unit == 0 && next_random(random, 2))
		n += snprintf(at + n, room - (size_t)n, ", cost: {syn: %u, per_bytes: %uB}",
			      1 + (unsigned int)next_random(random, 255),
			      64 + (unsigned int)next_random(random, 3000));
	s->adaptive = next_random(random, 3) == 0;
	if (s->adaptive)
		snprintf(at + n, room - (size_t)n,
			 ", adaptive: {target: {posted: 1}, min: 20%%, max: 300%%}");
}

/* A limit that the compiler takes; many are refused, for this test's generator knows no bounds. */
static inline void random_subject(struct subject *s, enum kind kind, uint64_t *random)
{
	for (unsigned int i = 0; i < 1000; i++) {
		random_text(s, kind, random);
		if (subject_make(s) == 0)
			return;
	}
	fail_msg("no %s was accepted", algorithms[kind]);
}

/* Where no step by itself may be longer than what @limit remembers. */
static inline uint64_t memory_of(const struct weir_limit *limit)
{
	return limit->algorithm == WEIR_ALGORITHM_BUCKET && limit->burst ? limit->burst
									 : limit->interval;
}

static inline uint64_t random_units(uint64_t *random, const struct weir_limit *limit)
{
	static const uint32_t lengths[] = {60, 64, 511, 512, 513, 1500, 1514, 9018, 9216};
	uint32_t length = next_random(random, 64)
				  ? lengths[next_random(random, ARRAY_SIZE(lengths))]
				  : (uint32_t)next_random(random, 65536);

	return algorithm_units(limit, (uint32_t)next_random(random, WEIR_CLASS_MAX), length);
}

/* Time that @units take at the limit's rate. */
static inline uint64_t duration_of(const struct weir_limit *limit, uint64_t units)
{
	if (limit->algorithm == WEIR_ALGORITHM_BUCKET)
		return bucket_cost(limit, units);
	return (uint64_t)((wide)limit->interval * (units >> limit->shift) / limit->burst);
}

/* Mostly about as fast as the limit allows, sometimes at once, after a silence, or back in time. */
static inline model_time random_step(uint64_t *random, const struct weir_limit *limit,
				     uint64_t units)
{
	uint64_t cost = duration_of(limit, units), memory = memory_of(limit);

	if (next_random(random, 2048) == 0)
		return (model_time)next_random(random, memory + memory / 8 + 1);
	switch (next_random(random, 32)) {
	case 0:
		return (model_time)next_random(random, 16 * cost < memory ? 16 * cost + 1 : memory);
	case 1:
		return -(model_time)next_random(
			random, memory / 8 < (uint64_t)TICK ? memory / 8 + 1 : (uint64_t)TICK);
	case 2 ... 8:
		return 0;
	default:
		return (model_time)next_random(random, cost + cost / 4 + 1);
	}
}

static inline model_time random_start(uint64_t *random, const struct weir_limit *limit)
{
	static const model_time turns[] = {(model_time)1 << 63, (model_time)1 << 64,
					   (model_time)3 << 63};

	if (next_random(random, 4) == 0)
		return (model_time)next_random(random, 1ULL << 55) + 1;
	return turns[next_random(random, ARRAY_SIZE(turns))] -
	       (model_time)next_random(random, memory_of(limit));
}

/* The ends of what the language can say. */
static const char *const edges[] = {
	"rate: 1/d, burst: 1",
	"rate: 1/d, burst: 104",
	"rate: 100M/s, burst: 1",
	"rate: 100M/s, burst: 100M",
	"rate: 99999/s, burst: 400",
	"rate: 10/s, burst: 255, cost: {syn: 255, icmp: 254}",
	"rate: 1k/s, burst: 400, cost: {other: 255, per_bytes: 64B}",
	"byte_rate: 1KiB/s, byte_burst: 9216B",
	"byte_rate: 1000003B/s, byte_burst: 64KiB",
	"byte_rate: 100Gbit/s, byte_burst: 9216B",
	"byte_rate: 100Gbit/s, byte_burst: 10GB",
	"connections: 1/s, connection_burst: 1",
	"algorithm: leaky_bucket, rate: 1/d",
	"algorithm: leaky_bucket, rate: 100M/s, cost: {syn: 255}",
	"algorithm: leaky_bucket, byte_rate: 1KiB/s",
	"algorithm: fixed_window, rate: 1/d",
	"algorithm: fixed_window, rate: 100M/s",
	"algorithm: fixed_window, rate: 100M/s, window: 1ms",
	"algorithm: fixed_window, rate: 1/s, window: 31d",
	"algorithm: fixed_window, byte_rate: 100Gbit/s",
	"algorithm: fixed_window, byte_rate: 10MB/s, window: 1ms",
	"algorithm: sliding_window, rate: 1/d",
	"algorithm: sliding_window, rate: 1k/s, window: 1ms",
	"algorithm: sliding_window, rate: 4M/s",
	"algorithm: sliding_window, rate: 8191/s",
	"algorithm: sliding_window, rate: 10M/s, window: 31d",
	"algorithm: sliding_window, rate: 255/s, cost: {syn: 255}",
	"algorithm: sliding_window, byte_rate: 1Gbit/s, window: 1m",
	"algorithm: sliding_window, rate: 1/m, window: 31d",
};

static inline void each_edge(void (*fn)(const struct subject *s, uint64_t *random))
{
	uint64_t random = 0x77656972;

	for (size_t i = 0; i < ARRAY_SIZE(edges); i++) {
		struct subject s = {0};

		snprintf(s.text, sizeof(s.text), "%s", edges[i]);
		if (subject_make(&s) < 0)
			fail_msg("%s: refused", s.text);
		for (unsigned int turn = 0; turn < 4; turn++)
			fn(&s, &random);
	}
}

#endif
