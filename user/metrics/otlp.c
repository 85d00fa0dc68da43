/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Families as OTLP has them: counters are sums that grow, what may go either way is a gauge. Names are those of the scrape, as the
 * specification of compatibility wants it.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "metrics/metrics.h"
#include "otlp/json.h"

#define CUMULATIVE "\"aggregationTemporality\":2,"

/* Numbers that are in maps of the kernel, which the daemon does not take along when it ends. */
static bool is_pinned(enum metric metric)
{
	switch (metric) {
	case METRIC_PACKETS_TOTAL:
	case METRIC_BYTES_TOTAL:
	case METRIC_PACKET_STAGE_DURATION_SECONDS:
	case METRIC_CHARGE_RETRIES_TOTAL:
	case METRIC_LIMIT_PACKETS_TOTAL:
	case METRIC_LIMIT_COARSE_TOTAL:
	case METRIC_LIMIT_FULL_TOTAL:
	case METRIC_CONNECTIONS_OPENED_TOTAL:
	case METRIC_CONNECTIONS_CLOSED_TOTAL:
	case METRIC_CONNECTIONS_UNCOUNTED_TOTAL:
	case METRIC_EVENTS_OFFERED_TOTAL:
	case METRIC_EVENTS_DELIVERED_TOTAL:
	case METRIC_EVENTS_LOST_TOTAL:
	case METRIC_EVENTS_SUPPRESSED_PACKETS_TOTAL:
		return true;
	default:
		return false;
	}
}

/* What the name says of the unit, as UCUM writes it; NULL: nothing. */
static const char *unit_of(const char *name)
{
	static const struct {
		const char *word, *unit;
	} units[] = {{"_seconds", "s"}, {"_bytes", "By"}, {"_ratio", "1"}};
	size_t length = strlen(name);

	if (length > 6 && strcmp(name + length - 6, "_total") == 0)
		length -= 6;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t tail = strlen(units[i].word);

		if (length > tail && memcmp(name + length - tail, units[i].word, tail) == 0)
			return units[i].unit;
	}
	return NULL;
}

void metrics_otlp_family_end(struct metrics *m)
{
	if (m->opened)
		text_puts(m->out, "]}}");
	m->opened = false;
}

/* Begin a number, with its attributes. */
void metrics_otlp_open(struct metrics *m)
{
	const struct metric_info *info = metric_info(m->family);
	const char *unit = unit_of(info->name);

	otlp_put_comma(m->out);
	if (!m->opened) {
		text_printf(m->out, "{\"name\":\"%s\",\"description\":", info->name);
		text_put_json(m->out, info->help);
		if (unit)
			text_printf(m->out, ",\"unit\":\"%s\"", unit);
		text_puts(m->out, info->type == METRIC_COUNTER ? ",\"sum\":{" CUMULATIVE
								 "\"isMonotonic\":true,"
				  : info->type == METRIC_HISTOGRAM ? ",\"histogram\":{" CUMULATIVE
								   : ",\"gauge\":{");
		text_puts(m->out, "\"dataPoints\":[");
	}
	m->opened = true;
	text_puts(m->out, "{\"attributes\":[");
}

void metrics_otlp_times(struct metrics *m, double created_s)
{
	const struct metric_info *info = metric_info(m->family);
	uint64_t start_ns = is_pinned(m->family) ? m->times.pinned_ns : m->times.started_ns;

	if (created_s > 0)
		start_ns = (uint64_t)(created_s * (double)NSEC_PER_SEC);
	text_puts(m->out, "]");
	if (start_ns && (info->type == METRIC_COUNTER || info->type == METRIC_HISTOGRAM))
		otlp_put_u64(m->out, "startTimeUnixNano",
			     start_ns < m->times.now_ns ? start_ns : m->times.now_ns);
	otlp_put_u64(m->out, "timeUnixNano", m->times.now_ns);
}

void metrics_otlp_u64(struct metrics *m, uint64_t value)
{
	if (value > INT64_MAX)
		return metrics_otlp_double(m, (double)value);
	metrics_otlp_times(m, 0);
	otlp_put_u64(m->out, "asInt", value);
}

void metrics_otlp_double(struct metrics *m, double value)
{
	metrics_otlp_times(m, 0);
	text_printf(m->out, ",\"asDouble\":%.17g", value);
}

static void put_exemplar(struct metrics *m, const struct metrics_exemplar *e)
{
	otlp_put_comma(m->out);
	text_puts(m->out, "{\"filteredAttributes\":[");
	otlp_put_string(m->out, "weir.request_id", e->request_id);
	text_puts(m->out, "]");
	otlp_put_u64(m->out, "timeUnixNano", (uint64_t)(e->time_s * (double)NSEC_PER_SEC));
	if (*e->trace_id)
		otlp_put_hex(m->out, "traceId", e->trace_id);
	text_printf(m->out, ",\"asDouble\":%.17g}", e->value);
}

/* End a number. */
void metrics_otlp_exemplar(struct metrics *m, const struct metrics_exemplar *exemplar)
{
	if (exemplar && *exemplar->request_id) {
		text_puts(m->out, ",\"exemplars\":[");
		put_exemplar(m, exemplar);
		text_puts(m->out, "]");
	}
	text_puts(m->out, "}");
}

void metrics_otlp_histogram(struct metrics *m, const struct histogram *h)
{
	uint64_t count = 0;

	text_puts(m->out, ",\"bucketCounts\":[");
	for (unsigned int i = 0; i <= h->buckets; i++) {
		count += h->counts[i];
		text_printf(m->out, "%s\"%llu\"", i ? "," : "", (unsigned long long)h->counts[i]);
	}
	text_puts(m->out, "],\"explicitBounds\":[");
	for (unsigned int i = 0; i < h->buckets; i++)
		text_printf(m->out, "%s%.9g", i ? "," : "",
			    h->unit * (double)(1ULL << (h->first + i)));
	text_puts(m->out, "],\"exemplars\":[");
	for (unsigned int i = 0; h->exemplars && i <= h->buckets; i++)
		if (*h->exemplars[i].request_id)
			put_exemplar(m, &h->exemplars[i]);
	text_puts(m->out, "]");
	otlp_put_u64(m->out, "count", count);
	text_printf(m->out, ",\"sum\":%.17g}", h->sum * h->unit);
}
