/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much an event matters, and what events make of their source. Pure integer arithmetic, so that an auditor
 * computes the same from what stands in the record; README.md has the formulas.
 */
#ifndef RISK_SCORE_H
#define RISK_SCORE_H

#include <stdint.h>

#define RISK_SCORE_MAX	   100
#define RISK_POINTS_MAX	   100000 /* of a source: thousandths of a point, 0 to 100 points */
#define RISK_ASSET_MIN	   50
#define RISK_ASSET_NEUTRAL 100
#define RISK_ASSET_MAX	   150
#define RISK_HALF_LIFE_NS  (3600ULL * 1000000000)
#define RISK_STEPS	   64 /* of a half-life: time counts in whole ones */
#define RISK_STEP_NS	   (RISK_HALF_LIFE_NS / RISK_STEPS)

/* What is known of the source from lists. */
#define RISK_REPUTATION_ALLOWED 30
#define RISK_REPUTATION_NEUTRAL 100
#define RISK_REPUTATION_BLOCKED 150

enum risk_level {
	RISK_NONE,
	RISK_LOW,      /* from 25 points on */
	RISK_MEDIUM,   /* 50 */
	RISK_HIGH,     /* 75 */
	RISK_CRITICAL, /* 90 */
	RISK_LEVEL_MAX,
};

struct risk_inputs {
	unsigned int base; /* 0..100, of the severity: risk_base() */
	unsigned int
		confidence; /* 0..100, of the rule that speaks: how sure it is that something is wrong */
	unsigned int asset;	 /* 50..150: what is attacked */
	unsigned int reputation; /* RISK_REPUTATION_ */
};

/** The base of @severity, 1 to 5 (asserted): 10, 25, 50, 75, 95. */
unsigned int risk_base(unsigned int severity);
/** The confidence in what a packet's @reason (WEIR_REASON_) says of its source, in percent. */
unsigned int risk_confidence(unsigned int reason);
/** min(100, base * confidence * asset * reputation / 10^6), rounded down. */
unsigned int risk_score(const struct risk_inputs *inputs);
/** What is left of @points after so many steps: @points * 2^(-@steps / 64), by a table. */
uint32_t risk_decay(uint32_t points, uint64_t steps);
/**
 * What an event of @score makes of a source that has @points, the @repeat-th repetition (0: the first time) of
 * what the same rule said: 100 - (100 - points) * (100 - score / (1 + repeat)) / 100, in thousandths.
 */
uint32_t risk_add(uint32_t points, unsigned int score, uint32_t repeat);

/** @points in thousandths. */
enum risk_level risk_level_of(uint32_t points);
const char *risk_level_to_str(enum risk_level level); /* "none", "low", ... */
int risk_level_from_str(const char *name);	      /* -EINVAL */

#endif
