/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which records of a segment may meet a query, as far as its index can tell. */
#ifndef AUDIT_CANDIDATES_H
#define AUDIT_CANDIDATES_H

#include "audit/query.h"
#include "audit/records.h"

/** A set of record numbers of one segment. */
struct bitset {
	uint64_t *words;
	uint32_t size; /* bits */
};

static inline bool bitset_has(const struct bitset *b, uint32_t bit)
{
	return b->words[bit / 64] >> bit % 64 & 1;
}

/** All @size bits are set. -ENOMEM. */
int bitset_init(struct bitset *b, uint32_t size);
void bitset_done(struct bitset *b);
/** The first bit that is set at or after @from, or the last at or before it; -1 = there is none. */
int64_t bitset_next(const struct bitset *b, int64_t from);
int64_t bitset_previous(const struct bitset *b, int64_t from);
/** How many of the first @bits are set. */
uint32_t bitset_count(const struct bitset *b, uint32_t bits);

/**
 * Take those records out of @set, which has one bit for each of @r, that the index says do not meet @q.
 * -EBADMSG: the index is damaged; other -errno.
 */
int candidates(struct records *r, const struct audit_query *q, struct bitset *set);
/** The same by time only. */
int candidates_by_time(struct records *r, uint64_t since_ns, uint64_t until_ns, struct bitset *set);

#endif
