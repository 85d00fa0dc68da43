/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of requests, counted for the metrics: how many of which operation ended with which status, how long
 * they took, and a trace of some of them. Not for the audit log, which has every request (engine/calls.h).
 */
#ifndef API_METER_H
#define API_METER_H

#include <stdint.h>

#include "metrics/metrics.h"

/* Of operation and status. More than there can be of routes that are asked as they should be; beyond it the operation is
 * "other". */
#define METER_ROWS_MAX 512
#define METER_BUCKETS  20

struct meter {
	uint64_t since_ns; /* CLOCK_REALTIME */
	struct meter_row {
		const char *operation; /* of route.def; lives for ever */
		unsigned int status;
		uint64_t count;
		struct metrics_exemplar exemplar; /* of those that were refused or failed */
	} rows[METER_ROWS_MAX];
	size_t row_count;
	struct histogram duration;
	struct metrics_exemplar exemplars[METER_BUCKETS + 1];
};

void meter_init(struct meter *m);

struct meter_request {
	const char *operation;
	unsigned int status;
	uint64_t duration_us;
	const char *request_id, *trace_id;
	bool is_stream; /* lasts as long as the client wants */
};

void meter_count(struct meter *m, const struct meter_request *r);
void meter_put(const struct meter *m, struct metrics *out);

#endif
