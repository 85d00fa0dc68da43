/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long things took, in buckets whose bounds double: nothing has to be known of them before, and the error of a
 * quantile is a factor of two at most. Adding is a few instructions. One thread at a time.
 */
#ifndef METRICS_HISTOGRAM_H
#define METRICS_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS_MAX 32 /* with a bound; one more has what is beyond */

/* One thing of those that were counted, to be looked up elsewhere. The format has room for 128 characters of it. */
struct metrics_exemplar {
	char request_id[65]; /* "" = there is no exemplar */
	char trace_id[33];   /* 32 hexadecimal digits; "" = there is none */
	double value;
	double time_s; /* since 1970 */
};

struct histogram {
	unsigned int first;   /* the first bound is 2^first units */
	unsigned int buckets; /* at most HISTOGRAM_BUCKETS_MAX */
	double unit;	      /* in the base unit of the metric: of microseconds 1e-6 */
	uint64_t counts[HISTOGRAM_BUCKETS_MAX + 1]; /* each bucket's own, not added up */
	double sum;				    /* in units */
	const struct metrics_exemplar
		*exemplars; /* [buckets + 1], the caller's, of each the latest; NULL = none */
};

/** The bucket that @units, a whole number of them, belong to. */
unsigned int histogram_bucket(const struct histogram *h, uint64_t units);
void histogram_add(struct histogram *h, uint64_t units);

#endif
