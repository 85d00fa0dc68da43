/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "metrics/histogram.h"

/* Bounds belong to the bucket that they end. */
unsigned int histogram_bucket(const struct histogram *h, uint64_t units)
{
	unsigned int exponent = units > 1 ? 64 - (unsigned int)__builtin_clzll(units - 1) : 0;

	if (exponent <= h->first)
		return 0;
	exponent -= h->first;
	return exponent < h->buckets ? exponent : h->buckets;
}

void histogram_add(struct histogram *h, uint64_t units)
{
	h->counts[histogram_bucket(h, units)]++;
	h->sum += (double)units;
}
