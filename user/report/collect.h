/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is summed up over the records of a report. */
#ifndef REPORT_COLLECT_H
#define REPORT_COLLECT_H

#include "audit/event.h"
#include "report/report.h"
#include "report/tally.h"

#define REPORT_SERIES_MAX 12 /* reasons that the time line tells apart */

struct report_series {
	char reason[32];
	uint64_t packets[REPORT_BUCKETS];
};

/* Lines of which the newest are kept. */
struct report_lines {
	json_t *items;
	uint64_t left_out;
};

struct report_sums {
	int64_t since, until; /* seconds since 1970 */
	uint64_t records, unread;
	uint64_t first_index, last_index;
	char first_time[40], last_time[40];
	uint64_t dropped_packets, dropped_bytes, would_packets, other_packets;
	uint64_t lost_packets, lost_records;
	uint64_t by_severity[6], by_outcome[AUDIT_OUTCOME_MAX], by_category[AUDIT_CATEGORY_MAX];
	uint64_t risk_levels[5]; /* how often a source rose to it */
	struct tally types, sources, actors, readers;
	struct report_series series[REPORT_SERIES_MAX];
	unsigned int series_count;
	struct report_lines changes, accesses, gaps, detections, statements;
	int64_t stopped; /* when the daemon was told to stop; 0 = it runs */
	uint64_t stopped_seconds;
};

int report_sums_init(struct report_sums *s, const struct report_options *options); /* -ENOMEM */
void report_sums_done(struct report_sums *s);
/* @record as people read it; @at are its seconds since 1970. */
void report_sums_add(struct report_sums *s, const json_t *record, int64_t at);

/* A value of a record: a string, or what is said of one that is sealed. Valid as long as @ret is. */
const char *report_text(const json_t *value, char ret[static 64]);

#endif
