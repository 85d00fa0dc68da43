/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The exposition: Prometheus text 0.0.4, OpenMetrics 1.0, or the metrics of a request of OTLP in JSON. Which families exist, with type, labels and help, stands
 * in families.def and nowhere else; this writes them and holds callers to it by assert: names and
 * labels are the programmer's. Values come from the caller at scrape time: no registry, no state
 * beyond one scrape. Label values are words from closed sets and names from the policy, never
 * addresses: those are for the audit chain, and would be a new time series each. The one exception are networks, a
 * bounded number of them, where the policy asks for that (METRIC_TOP_SOURCE_PACKETS_PER_SECOND).
 *
 *   metrics_init(&m, METRICS_TEXT, &out);
 *   metrics_family(&m, METRIC_LIST_ENTRIES);
 *   metrics_sample(&m, n, "list", "block", "kind", "address", NULL);
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "metrics/histogram.h"

enum metrics_format {
	METRICS_TEXT,
	METRICS_OPENMETRICS,
	METRICS_FORMAT_MAX,
	METRICS_OTLP = METRICS_FORMAT_MAX, /* nobody scrapes that */
};

/* INFO says by its labels what something is, and is always 1: to the text format a gauge. */
enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_INFO,
	METRIC_HISTOGRAM,
	METRIC_TYPE_MAX,
};

enum metric {
#define WEIR_M(constant, name, type, labels, help) METRIC_##constant,
#include "metrics/families.def"
#undef WEIR_M
	METRIC_MAX
};

struct metric_info {
	const char *name;
	enum metric_type type;
	const char *labels; /* names, separated by a space; "" = none */
	const char *help;
};

const struct metric_info *metric_info(enum metric metric);

/* What OTLP says with each number: CLOCK_REALTIME. */
struct metrics_times {
	uint64_t now_ns;
	uint64_t started_ns; /* the process; what is counted in its memory begins there */
	uint64_t pinned_ns;  /* what the kernel counts, which outlives it */
};

struct metrics {
	struct text *out;
	enum metrics_format format;
	enum metric family;			 /* the one being written; METRIC_MAX = none yet */
	bool written[METRIC_MAX];		 /* none may come twice */
	uint64_t series;			 /* samples so far */
	const struct metrics_exemplar *exemplar; /* of the next sample; NULL = none */
	struct metrics_times times;		 /* METRICS_OTLP only, like the next one */
	bool opened;				 /* the family is: it has a sample */
};

/** The format that the value of an Accept header prefers; NULL: none came. What it does not name is not sent, unless
 * it names neither: then text. */
enum metrics_format metrics_choose(const char *accept);
const char *metrics_content_type(enum metrics_format format);

void metrics_init(struct metrics *m, enum metrics_format format, struct text *out);
/* Write OTLP: members of the array "metrics". No number that JSON lacks is written, its sample is left out. */
void metrics_init_otlp(struct metrics *m, const struct metrics_times *times, struct text *out);
/* Nothing comes after this. */
void metrics_end(struct metrics *m);

/* Begin a family: writes its HELP and TYPE. Samples that follow belong to it. */
void metrics_family(struct metrics *m, enum metric metric);

/* Write a sample of the current family: label, value, label, value, ..., NULL, with all labels of the
 * family in the order of the table. */
void metrics_sample(struct metrics *m, uint64_t value, ...) __attribute__((sentinel));
void metrics_sample_double(struct metrics *m, double value, ...) __attribute__((sentinel));

/* The next sample, of a counter, has @exemplar, which must live until then. The text format has none. */
void metrics_exemplar(struct metrics *m, const struct metrics_exemplar *exemplar);

/* All samples of a histogram. @created_s: since when it counts, seconds since 1970; 0 = not known. */
void metrics_histogram(struct metrics *m, const struct histogram *h, double created_s, ...)
	__attribute__((sentinel));

/* A family of a single sample without labels. */
void metrics_single(struct metrics *m, enum metric metric, uint64_t value);

/** CPU seconds, memory, descriptors and threads of this process. What cannot be read is left out. */
void metrics_process(struct metrics *m);

/* For this module, otlp.c: the parts of a sample. */
void metrics_otlp_family_end(struct metrics *m);
void metrics_otlp_open(struct metrics *m);
void metrics_otlp_times(struct metrics *m, double created_s);
void metrics_otlp_u64(struct metrics *m, uint64_t value);
void metrics_otlp_double(struct metrics *m, double value);
void metrics_otlp_exemplar(struct metrics *m, const struct metrics_exemplar *exemplar);
void metrics_otlp_histogram(struct metrics *m, const struct histogram *h);

#endif
