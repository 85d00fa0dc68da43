/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many records there are of each type, severity, category, actor, rule and hour: from indexes where there
 * are some, from records elsewhere. Figures from an index are as good as the index; a scan uses none.
 */
#ifndef AUDIT_STATS_H
#define AUDIT_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/fault.h"

#define STATS_NAMES_MAX	 1000 /* of actors or rules; what is beyond counts as others */
#define STATS_NAME_BYTES 64   /* longer ones are cut off */
#define STATS_HOURS_MAX	 (24 * 366)
#define STATS_SEVERITIES 6

struct audit_count {
	char name[STATS_NAME_BYTES];
	uint64_t count;
};

/* Names and their counts, the largest first. */
struct audit_counts {
	struct audit_count *items;
	size_t count, size;
	uint64_t others; /* in names that did not fit */
};

struct audit_stats_options {
	uint64_t since_ns, until_ns; /* rounded down to seconds */
	bool scan;
	uint64_t deadline_ns;		      /* CLOCK_MONOTONIC; 0 = never */
	bool (*is_cancelled)(void *userdata); /* asked before each segment; NULL: never */
	void *userdata;
};

struct audit_stats {
	uint64_t records; /* counted */
	uint64_t first_index,
		last_index;  /* the range of records that was looked at; nothing if last < first */
	uint64_t from_index; /* of `records`, counted by an index */
	bool partial;	     /* the time was over: older records were not looked at */
	struct audit_counts types, actors, rules, categories;
	uint64_t severities[STATS_SEVERITIES];
	uint64_t first_hour; /* of `hours`, hours since 1970 */
	uint64_t *hours;     /* a count for each */
	size_t hour_count;
	uint64_t earlier; /* records of hours before these */
};

/** Count, the newest segments first. End with audit_stats_done(). Faults as audit_search(). */
int audit_stats(const char *path, const struct audit_stats_options *options,
		struct audit_stats *ret, struct fault *reterr);
/**
 * What the command line and the API show of it, with at most @names of each kind; the others are summed up. NULL: no
 * memory.
 */
json_t *audit_stats_json(const struct audit_stats *s, size_t names);
/* Accepts a zeroed one. */
void audit_stats_done(struct audit_stats *s);

#endif
