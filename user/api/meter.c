/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/meter.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

void meter_init(struct meter *m)
{
	*m = (struct meter){
		.since_ns = clock_real_ns(),
		/* From 32 us to 16 s: an answer that waits for a disk takes milliseconds. */
		.duration = {.first = 5, .buckets = METER_BUCKETS, .unit = 1e-6},
	};
}

/* The row of @operation and @status. The last row is that of all for which there is none. */
static struct meter_row *row_of(struct meter *m, const char *operation, unsigned int status)
{
	for (size_t i = 0; i < m->row_count; i++)
		if (m->rows[i].status == status && strcmp(m->rows[i].operation, operation) == 0)
			return &m->rows[i];
	if (m->row_count == METER_ROWS_MAX)
		return &m->rows[METER_ROWS_MAX - 1];
	m->rows[m->row_count] = (struct meter_row){.operation = operation, .status = status};
	if (m->row_count == METER_ROWS_MAX - 1)
		m->rows[m->row_count] = (struct meter_row){.operation = "other"};
	return &m->rows[m->row_count++];
}

static void note(struct metrics_exemplar *exemplar, const struct meter_request *r)
{
	snprintf(exemplar->request_id, sizeof(exemplar->request_id), "%s", r->request_id);
	snprintf(exemplar->trace_id, sizeof(exemplar->trace_id), "%s", r->trace_id);
	exemplar->value = (double)r->duration_us / 1e6;
	exemplar->time_s = (double)clock_real_ns() / NSEC_PER_SEC;
}

void meter_count(struct meter *m, const struct meter_request *r)
{
	struct meter_row *row = row_of(m, r->operation, r->status);

	row->count++;
	if (r->status >= 400) {
		note(&row->exemplar, r);
		row->exemplar.value = 1; /* by how much it made the counter grow */
	}
	if (r->is_stream)
		return;
	histogram_add(&m->duration, r->duration_us);
	note(&m->exemplars[histogram_bucket(&m->duration, r->duration_us)], r);
}

void meter_put(const struct meter *m, struct metrics *out)
{
	struct histogram duration = m->duration;
	char code[16];

	metrics_family(out, METRIC_API_REQUESTS_TOTAL);
	for (size_t i = 0; i < m->row_count; i++) {
		const struct meter_row *row = &m->rows[i];

		snprintf(code, sizeof(code), "%u", row->status);
		metrics_exemplar(out, &row->exemplar);
		metrics_sample(out, row->count, "operation", row->operation, "code", code, NULL);
	}
	duration.exemplars = m->exemplars;
	metrics_family(out, METRIC_API_REQUEST_DURATION_SECONDS);
	metrics_histogram(out, &duration, (double)m->since_ns / NSEC_PER_SEC, NULL);
}
