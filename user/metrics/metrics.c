/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "metrics/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"

static const struct metric_info families[] = {
#define WEIR_M(constant, name, type, labels, help)                                                 \
	[METRIC_##constant] = {name, METRIC_##type, labels, help},
#include "metrics/families.def"
#undef WEIR_M
};
_Static_assert(ARRAY_SIZE(families) == METRIC_MAX, "a metric has no family");

static const char *const type_names[] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
};
_Static_assert(ARRAY_SIZE(type_names) == METRIC_TYPE_MAX, "a type has no name");

const struct metric_info *metric_info(enum metric metric)
{
	assert((unsigned int)metric < METRIC_MAX);
	return &families[metric];
}

void metrics_init(struct metrics *m, struct text *out)
{
	*m = (struct metrics){.out = out, .family = METRIC_MAX};
}

/* Help escapes backslash and newline, a label value the double quote as well. */
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

void metrics_family(struct metrics *m, enum metric metric)
{
	const struct metric_info *info = metric_info(metric);

	assert(!m->written[metric]);
	m->written[metric] = true;
	m->family = metric;
	text_printf(m->out, "# HELP %s ", info->name);
	put_escaped(m->out, info->help, false);
	text_printf(m->out, "\n# TYPE %s %s\n", info->name, type_names[info->type]);
}

/* The name, and the labels, which must be those of the family. */
static void put_series(struct metrics *m, va_list ap)
{
	const struct metric_info *info = metric_info(m->family);
	const char *expected = info->labels;
	const char *separator = "{";
	const char *label;

	text_puts(m->out, info->name);
	while ((label = va_arg(ap, const char *))) {
		const char *value = va_arg(ap, const char *);
		size_t length = strcspn(expected, " ");

		assert(value);
		assert(strlen(label) == length && memcmp(label, expected, length) == 0);
		expected += length + (expected[length] == ' ');
		text_printf(m->out, "%s%s=\"", separator, label);
		put_escaped(m->out, value, true);
		text_puts(m->out, "\"");
		separator = ",";
	}
	assert(!*expected);
	if (*info->labels)
		text_puts(m->out, "}");
}

void metrics_sample(struct metrics *m, uint64_t value, ...)
{
	va_list ap;

	va_start(ap, value);
	put_series(m, ap);
	va_end(ap);
	text_printf(m->out, " %llu\n", (unsigned long long)value);
}

void metrics_sample_double(struct metrics *m, double value, ...)
{
	va_list ap;

	va_start(ap, value);
	put_series(m, ap);
	va_end(ap);
	if (isnan(value))
		text_puts(m->out, " NaN\n");
	else if (isinf(value))
		text_puts(m->out, value > 0 ? " +Inf\n" : " -Inf\n");
	else
		text_printf(m->out, " %.15g\n", value);
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

void metrics_process(struct metrics *m)
{
	struct rusage usage;
	uint64_t bytes;

	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		metrics_family(m, METRIC_PROCESS_CPU_SECONDS_TOTAL);
		metrics_sample_double(m, seconds(&usage.ru_utime) + seconds(&usage.ru_stime), NULL);
	}
	if (resident_bytes(&bytes))
		metrics_single(m, METRIC_PROCESS_RESIDENT_BYTES, bytes);
}
