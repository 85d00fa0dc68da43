/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prometheus text exposition, version 0.0.4. Which families exist, with type, labels and help, stands
 * in families.def and nowhere else; this writes them and holds callers to it by assert: names and
 * labels are the programmer's. Values come from the caller at scrape time: no registry, no state
 * beyond one scrape. Label values are words from closed sets and names from the policy, never
 * addresses: those are for the audit chain, and would be a new time series each.
 *
 *   metrics_init(&m, &out);
 *   metrics_family(&m, METRIC_LIST_ENTRIES);
 *   metrics_sample(&m, n, "list", "block", "kind", "address", NULL);
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_TYPE_MAX };

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

struct metrics {
	struct text *out;
	enum metric family;	  /* the one being written; METRIC_MAX = none yet */
	bool written[METRIC_MAX]; /* none may come twice */
};

void metrics_init(struct metrics *m, struct text *out);

/* Begin a family: writes its HELP and TYPE. Samples that follow belong to it. */
void metrics_family(struct metrics *m, enum metric metric);

/* Write a sample of the current family: label, value, label, value, ..., NULL, with all labels of the
 * family in the order of the table. */
void metrics_sample(struct metrics *m, uint64_t value, ...) __attribute__((sentinel));
void metrics_sample_double(struct metrics *m, double value, ...) __attribute__((sentinel));

/* A family of a single sample without labels. */
void metrics_single(struct metrics *m, enum metric metric, uint64_t value);

/** CPU seconds and resident memory of this process. What cannot be read is left out. */
void metrics_process(struct metrics *m);

#endif
