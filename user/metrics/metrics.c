/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "metrics/metrics.h"

#include <assert.h>
#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "otlp/json.h"

static const struct metric_info families[] = {
#define WEIR_M(constant, name, type, labels, help)                                                 \
	[METRIC_##constant] = {name, METRIC_##type, labels, help},
#include "metrics/families.def"
#undef WEIR_M
};
_Static_assert(ARRAY_SIZE(families) == METRIC_MAX, "a metric has no family");

static const char *const type_names[METRIC_TYPE_MAX][METRICS_FORMAT_MAX] = {
	[METRIC_COUNTER] = {"counter", "counter"},
	[METRIC_GAUGE] = {"gauge", "gauge"},
	[METRIC_INFO] = {"gauge", "info"},
	[METRIC_HISTOGRAM] = {"histogram", "histogram"},
};

const struct metric_info *metric_info(enum metric metric)
{
	assert((unsigned int)metric < METRIC_MAX);
	return &families[metric];
}

void metrics_init(struct metrics *m, enum metrics_format format, struct text *out)
{
	*m = (struct metrics){.out = out, .format = format, .family = METRIC_MAX};
}

void metrics_init_otlp(struct metrics *m, const struct metrics_times *times, struct text *out)
{
	metrics_init(m, METRICS_OTLP, out);
	m->times = *times;
}

void metrics_end(struct metrics *m)
{
	if (m->format == METRICS_OPENMETRICS)
		text_puts(m->out, "# EOF\n");
	if (m->format == METRICS_OTLP)
		metrics_otlp_family_end(m);
	m->out = NULL;
}

/* Help escapes backslash and newline, a label value the double quote as well; in OpenMetrics help does so, too. */
static void put_escaped(struct text *out, const char *string, bool quoted)
{
	while (*string) {
		size_t plain = strcspn(string, quoted ? "\\\n\"" : "\\\n");

		text_put(out, string, plain);
		string += plain;
		if (!*string)
			return;
		text_puts(out, *string == '\n' ? "\\n" : *string == '"' ? "\\\"" : "\\\\");
		string++;
	}
}

static bool ends_with(const char *name, size_t length, const char *suffix)
{
	size_t tail = strlen(suffix);

	return length > tail && memcmp(name + length - tail, suffix, tail) == 0;
}

/* How much of the name is the family's: OpenMetrics has suffixes that only samples have. */
static size_t family_length(const struct metrics *m, const struct metric_info *info)
{
	const char *suffix = info->type == METRIC_COUNTER ? "_total"
			     : info->type == METRIC_INFO  ? "_info"
							  : "";
	size_t length = strlen(info->name);

	return m->format == METRICS_OPENMETRICS && ends_with(info->name, length, suffix)
		       ? length - strlen(suffix)
		       : length;
}

/* The unit is a part of the name, which the format wants to be told of. */
static void put_unit(struct metrics *m, const char *name, size_t length)
{
	static const char *const units[] = {"_seconds", "_bytes", "_ratio"};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (ends_with(name, length, units[i]))
			text_printf(m->out, "# UNIT %.*s %s\n", (int)length, name, units[i] + 1);
}

void metrics_family(struct metrics *m, enum metric metric)
{
	const struct metric_info *info = metric_info(metric);
	int length = (int)family_length(m, info);

	assert(!m->written[metric]);
	if (m->format == METRICS_OTLP)
		metrics_otlp_family_end(m);
	m->written[metric] = true;
	m->family = metric;
	if (m->format == METRICS_OTLP)
		return; /* it is written with its first sample */
	text_printf(m->out, "# HELP %.*s ", length, info->name);
	put_escaped(m->out, info->help, m->format == METRICS_OPENMETRICS);
	text_printf(m->out, "\n# TYPE %.*s %s\n", length, info->name,
		    type_names[info->type][m->format]);
	if (m->format == METRICS_OPENMETRICS)
		put_unit(m, info->name, (size_t)length);
}

/* One label; *@separator stands in front. */
static void put_label(struct metrics *m, const char *label, const char *value,
		      const char **separator)
{
	if (m->format == METRICS_OTLP)
		return otlp_put_string(m->out, label, value);
	text_printf(m->out, "%s%s=\"", *separator, label);
	put_escaped(m->out, value, true);
	text_puts(m->out, "\"");
	*separator = ",";
}

/* The name, and the labels, which must be those of the family; @le: one more, that of a bucket. */
static void put_series(struct metrics *m, const char *suffix, const char *le, va_list ap)
{
	const struct metric_info *info = metric_info(m->family);
	const char *expected = info->labels;
	const char *separator = "{";
	const char *label;

	if (m->format == METRICS_OTLP)
		metrics_otlp_open(m);
	else
		text_printf(m->out, "%s%s", info->name, suffix);
	while ((label = va_arg(ap, const char *))) {
		const char *value = va_arg(ap, const char *);
		size_t length = strcspn(expected, " ");

		assert(value);
		assert(strlen(label) == length && memcmp(label, expected, length) == 0);
		expected += length + (expected[length] == ' ');
		put_label(m, label, value, &separator);
	}
	assert(!*expected);
	if (le)
		text_printf(m->out, "%sle=\"%s\"", separator, le);
	if ((le || *info->labels) && m->format != METRICS_OTLP)
		text_puts(m->out, "}");
	m->series++;
}

static void put_number(struct metrics *m, double value)
{
	struct text *out = m->out;

	if (m->format == METRICS_OTLP)
		metrics_otlp_double(m, value);
	else if (isnan(value))
		text_puts(out, "NaN");
	else if (isinf(value))
		text_puts(out, value > 0 ? "+Inf" : "-Inf");
	else
		text_printf(out, "%.15g", value);
}

static void end_sample(struct metrics *m, const struct metrics_exemplar *exemplar)
{
	if (m->format == METRICS_OTLP)
		return metrics_otlp_exemplar(m, exemplar);
	if (m->format == METRICS_OPENMETRICS && exemplar && *exemplar->request_id) {
		text_puts(m->out, " # {request_id=\"");
		put_escaped(m->out, exemplar->request_id, true);
		if (*exemplar->trace_id)
			text_printf(m->out, "\",trace_id=\"%s", exemplar->trace_id);
		text_puts(m->out, "\"} ");
		put_number(m, exemplar->value);
		text_printf(m->out, " %.3f", exemplar->time_s);
	}
	text_puts(m->out, "\n");
}

void metrics_exemplar(struct metrics *m, const struct metrics_exemplar *exemplar)
{
	assert(metric_info(m->family)->type == METRIC_COUNTER);
	m->exemplar = exemplar;
}

void metrics_sample(struct metrics *m, uint64_t value, ...)
{
	va_list ap;

	assert(metric_info(m->family)->type != METRIC_HISTOGRAM);
	va_start(ap, value);
	put_series(m, "", NULL, ap);
	va_end(ap);
	if (m->format == METRICS_OTLP)
		metrics_otlp_u64(m, value);
	else
		text_printf(m->out, " %llu", (unsigned long long)value);
	end_sample(m, m->exemplar);
	m->exemplar = NULL;
}

void metrics_sample_double(struct metrics *m, double value, ...)
{
	va_list ap;

	assert(metric_info(m->family)->type != METRIC_HISTOGRAM);
	if (m->format == METRICS_OTLP && !isfinite(value)) {
		m->exemplar = NULL;
		return;
	}
	va_start(ap, value);
	put_series(m, "", NULL, ap);
	va_end(ap);
	if (m->format != METRICS_OTLP)
		text_puts(m->out, " ");
	put_number(m, value);
	end_sample(m, m->exemplar);
	m->exemplar = NULL;
}

/* A bound as both formats read it: OpenMetrics has no whole numbers there. */
static void format_bound(const struct histogram *h, unsigned int bucket, char ret[static 32])
{
	int length;

	if (bucket == h->buckets)
		length = snprintf(ret, 32, "+Inf");
	else
		length = snprintf(ret, 32, "%.9g", h->unit * (double)(1ULL << (h->first + bucket)));
	if (!strpbrk(ret, ".eI"))
		snprintf(ret + length, 32 - (size_t)length, ".0");
}

void metrics_histogram(struct metrics *m, const struct histogram *h, double created_s, ...)
{
	uint64_t count = 0;
	char bound[32];
	va_list ap;

	assert(metric_info(m->family)->type == METRIC_HISTOGRAM);
	if (m->format == METRICS_OTLP) {
		va_start(ap, created_s);
		put_series(m, "", NULL, ap);
		va_end(ap);
		metrics_otlp_times(m, created_s);
		return metrics_otlp_histogram(m, h);
	}
	for (unsigned int i = 0; i <= h->buckets; i++) {
		count += h->counts[i];
		format_bound(h, i, bound);
		va_start(ap, created_s);
		put_series(m, "_bucket", bound, ap);
		va_end(ap);
		text_printf(m->out, " %llu", (unsigned long long)count);
		end_sample(m, h->exemplars ? &h->exemplars[i] : NULL);
	}
	va_start(ap, created_s);
	put_series(m, "_sum", NULL, ap);
	va_end(ap);
	text_puts(m->out, " ");
	put_number(m, h->sum * h->unit);
	va_start(ap, created_s);
	text_puts(m->out, "\n");
	put_series(m, "_count", NULL, ap);
	va_end(ap);
	text_printf(m->out, " %llu\n", (unsigned long long)count);
	if (m->format != METRICS_OPENMETRICS || created_s <= 0)
		return;
	va_start(ap, created_s);
	put_series(m, "_created", NULL, ap);
	va_end(ap);
	text_printf(m->out, " %.3f\n", created_s);
}

void metrics_single(struct metrics *m, enum metric metric, uint64_t value)
{
	metrics_family(m, metric);
	metrics_sample(m, value, NULL);
}

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

/* The second number of the line: pages that are resident. */
static bool resident_bytes(uint64_t *ret)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/statm", "re");
	char line[128], *resident;
	uint64_t pages;

	if (!f || !fgets(line, sizeof(line), f))
		return false;
	resident = strchr(line, ' ');
	if (!resident)
		return false;
	resident++;
	resident[strcspn(resident, " ")] = '\0';
	if (parse_u64(resident, 0, UINT64_MAX >> 20, &pages) < 0)
		return false;
	*ret = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}

/* Entries of a directory of /proc that is about us; -1: it cannot be read. */
static int64_t count_entries(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;
	int64_t count = 0;

	if (!dir)
		return -1;
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	return count;
}

void metrics_process(struct metrics *m)
{
	int64_t fds = count_entries("/proc/self/fd"), threads = count_entries("/proc/self/task");
	struct rusage usage;
	struct rlimit limit;
	uint64_t bytes;

	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		metrics_family(m, METRIC_PROCESS_CPU_SECONDS_TOTAL);
		metrics_sample_double(m, seconds(&usage.ru_utime) + seconds(&usage.ru_stime), NULL);
	}
	if (resident_bytes(&bytes))
		metrics_single(m, METRIC_PROCESS_RESIDENT_BYTES, bytes);
	if (fds > 0)
		metrics_single(m, METRIC_PROCESS_OPEN_FDS,
			       (uint64_t)fds - 1); /* not the one that counts */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		metrics_single(m, METRIC_PROCESS_MAX_FDS, limit.rlim_cur);
	if (threads > 0)
		metrics_single(m, METRIC_PROCESS_THREADS, (uint64_t)threads);
}
