/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "risk/score.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <weir/vocabulary.h>

#include "base/cleanup.h"

/* 65536 * 2^(-i/64), rounded. */
static const uint32_t halving[] = {
	65536, 64830, 64132, 63441, 62757, 62081, 61413, 60751, 60097, 59449, 58809, 58176, 57549,
	56929, 56316, 55709, 55109, 54515, 53928, 53347, 52773, 52204, 51642, 51085, 50535, 49991,
	49452, 48920, 48393, 47871, 47356, 46846, 46341, 45842, 45348, 44859, 44376, 43898, 43425,
	42958, 42495, 42037, 41584, 41136, 40693, 40255, 39821, 39392, 38968, 38548, 38133, 37722,
	37316, 36914, 36516, 36123, 35734, 35349, 34968, 34591, 34219, 33850, 33486, 33125,
};
static_assert(ARRAY_SIZE(halving) == RISK_STEPS, "one for each step of a half-life");

static const struct {
	const char *name;
	uint32_t from; /* points */
} levels[] = {
	[RISK_NONE] = {"none", 0},
	[RISK_LOW] = {"low", 25000},
	[RISK_MEDIUM] = {"medium", 50000},
	[RISK_HIGH] = {"high", 75000},
	[RISK_CRITICAL] = {"critical", 90000},
};
static_assert(ARRAY_SIZE(levels) == RISK_LEVEL_MAX, "each level has a name");

unsigned int risk_base(unsigned int severity)
{
	static const unsigned int bases[] = {0, 10, 25, 50, 75, 95};

	assert(severity >= 1 && severity < ARRAY_SIZE(bases));
	return bases[severity];
}

unsigned int risk_confidence(unsigned int reason)
{
	switch (reason) {
#define RISK_C(constant, percent, because)                                                         \
	case WEIR_REASON_##constant:                                                               \
		return (percent);
#include "risk/confidence.def"
#undef RISK_C
	default:
		return 50;
	}
}

unsigned int risk_score(const struct risk_inputs *inputs)
{
	uint64_t score = (uint64_t)inputs->base * inputs->confidence * inputs->asset *
			 inputs->reputation / 1000000;

	return score > RISK_SCORE_MAX ? RISK_SCORE_MAX : (unsigned int)score;
}

uint32_t risk_decay(uint32_t points, uint64_t steps)
{
	uint64_t halvings = steps / RISK_STEPS;

	assert(points <= RISK_POINTS_MAX);
	if (halvings > 31)
		return 0;
	return (uint32_t)((uint64_t)points * halving[steps % RISK_STEPS] >> 16 >> halvings);
}

uint32_t risk_add(uint32_t points, unsigned int score, uint32_t repeat)
{
	uint64_t share = (uint64_t)score * 1000 / (1 + (uint64_t)repeat);

	assert(points <= RISK_POINTS_MAX && score <= RISK_SCORE_MAX);
	return RISK_POINTS_MAX -
	       (uint32_t)((RISK_POINTS_MAX - points) * (RISK_POINTS_MAX - share) / RISK_POINTS_MAX);
}

enum risk_level risk_level_of(uint32_t points)
{
	enum risk_level level = RISK_CRITICAL;

	while (points < levels[level].from)
		level--;
	return level;
}

const char *risk_level_to_str(enum risk_level level)
{
	assert(level < RISK_LEVEL_MAX);
	return levels[level].name;
}

int risk_level_from_str(const char *name)
{
	for (int i = 0; i < RISK_LEVEL_MAX; i++)
		if (strcmp(levels[i].name, name) == 0)
			return i;
	return -EINVAL;
}
