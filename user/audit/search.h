/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Find records that meet a query, page by page. Indexes say where to look; segments that have none, or
 * a damaged one, are looked through. Each record that is shown was read from its segment, hashed, and
 * found to have the hash that the chain says it has. Also while a daemon writes.
 */
#ifndef AUDIT_SEARCH_H
#define AUDIT_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/query.h"
#include "audit/reader.h"

#define SEARCH_CURSOR_SIZE 24
#define SEARCH_BEGIN	   UINT64_MAX

struct audit_search_options {
	bool oldest; /* the oldest first; otherwise the newest */
	bool scan;   /* look at all records, whatever indexes say */
	uint64_t
		from; /* where the page before ended; SEARCH_BEGIN = from the newest or oldest on */
	uint32_t limit;			      /* records of a page */
	const struct personal_opener *opener; /* NULL: text is not found in sealed values */
	const struct rectified *rectified;    /* shown beside records; may be NULL */
	bool sealed; /* show records as they stand in the log: their view gets no opener */
	uint64_t
		deadline_ns; /* CLOCK_MONOTONIC: soon after this it ends with what there is; 0 = never */
	bool (*is_cancelled)(void *userdata); /* asked now and then; NULL: never */
	void *userdata;
};

enum audit_page {
	AUDIT_PAGE_END,	    /* there are no more records */
	AUDIT_PAGE_FULL,    /* it has as many as a page may have */
	AUDIT_PAGE_PARTIAL, /* the time was over */
};

struct audit_search_result {
	enum audit_page page;
	uint64_t
		next; /* `from` of the next page; at the end of the oldest first: of what will come */
	uint64_t tip;		    /* index of the next record that the log will have */
	uint64_t matched;	    /* records on this page */
	uint64_t examined;	    /* records that were read for it */
	uint32_t segments, indexed; /* that were looked into; of these with an index */
	uint32_t damaged;	    /* indexes that contradict their segment, and were not used */
};

/**
 * Call @fn for each record of the page, in order; if it returns 1, the page is full. What it returns below 0 ends
 * the search with that. Faults: audit.read; audit.damaged (-EBADMSG): a record is not as it was written, run verify;
 * audit.cancelled (-ECANCELED).
 */
int audit_search(const char *path, const struct audit_query *q,
		 const struct audit_search_options *options,
		 int (*fn)(const struct reader_record *record, void *userdata), void *userdata,
		 struct audit_search_result *ret, struct fault *reterr);

/** Where a page begins, for people and URLs: "b1234" (before 1234) or "a1234". @ret_* as in options. */
void audit_cursor_format(uint64_t from, bool oldest, char ret[static SEARCH_CURSOR_SIZE]);
/** -EINVAL "audit.cursor": it is none, or one of the other order. */
int audit_cursor_parse(const char *text, bool oldest, uint64_t *ret, struct fault *reterr);

const char *audit_page_to_str(enum audit_page page); /* "end" */

#endif
