/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What events make of their sources, for as many sources as there is room for: a table of fixed size, where a
 * newcomer takes the place of the least of eight that its keyed hash allows. So a flood from made-up sources costs
 * constant time and memory and drives out no source that was worse than they are. Times are CLOCK_REALTIME, those
 * of the records. One thread at a time.
 */
#ifndef RISK_SOURCES_H
#define RISK_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "risk/score.h"

#define RISK_SOURCES_MAX 8192

struct risk_sources;

int risk_sources_new(struct risk_sources **ret); /* -ENOMEM, or -errno of getrandom() */
void risk_sources_free(struct risk_sources *s);
DEFINE_CLEANUP(struct risk_sources *, risk_sources_free)

struct risk_event {
	const uint8_t *source; /* 16 bytes */
	uint32_t rule;	       /* what said so: risk_rule() */
	unsigned int score;
	uint64_t packets;
	uint64_t time_ns;
};

/* What an event made of its source, and from what: an auditor computes
 * after = risk_add(risk_decay(last, steps), score, repeat). */
struct risk_change {
	uint32_t last;	/* after the event before; 0 = not known */
	uint64_t steps; /* of a half-life since then */
	uint32_t repeat;
	uint32_t after;
	enum risk_level from, level; /* what was last told of, and now */
	bool rose;		     /* that is worth telling */
};

/** The rule that a reason and the name of a limit ("" = none) are. */
uint32_t risk_rule(const char *reason, const char *limit);
void risk_sources_add(struct risk_sources *s, const struct risk_event *event,
		      struct risk_change *ret);
/** Take back what a record says of a source: the newest record of it last. */
void risk_sources_restore(struct risk_sources *s, const struct risk_event *event, uint32_t after,
			  uint32_t repeat);

struct risk_source {
	uint8_t source[16];
	uint32_t points; /* at the moment it was asked for */
	enum risk_level level;
	uint64_t first_ns, last_ns;
	uint64_t events, packets; /* since first_ns */
};

/** The sources of at least @level, the worst first; at most @size. Returns how many there are at all. */
size_t risk_sources_list(const struct risk_sources *s, uint64_t now_ns, enum risk_level level,
			 struct risk_source *ret, size_t size);
bool risk_sources_get(const struct risk_sources *s, const uint8_t source[static 16],
		      uint64_t now_ns, struct risk_source *ret);
void risk_sources_count(const struct risk_sources *s, uint64_t now_ns,
			uint64_t ret[static RISK_LEVEL_MAX]);

#endif
