/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is looked for in a log: criteria that all must hold, from words that the command line and the API
 * share, and the test whether a record meets them.
 */
#ifndef AUDIT_QUERY_H
#define AUDIT_QUERY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "audit/fields.h"
#include "audit/record.h"
#include "base/fault.h"

#define QUERY_WORD_MAX	   128 /* bytes of a criterion */
#define QUERY_STARS_MAX	   4   /* in a glob */
#define QUERY_SUBJECTS_MAX 4096

enum query_criterion {
	QUERY_SINCE,
	QUERY_UNTIL,
	QUERY_TYPE,
	QUERY_CATEGORY,
	QUERY_SEVERITY,
	QUERY_ACTOR,
	QUERY_ADDRESS,
	QUERY_RULE,
	QUERY_RESOURCE,
	QUERY_OUTCOME,
	QUERY_TEXT,
	QUERY_CRITERION_MAX
};

/* Ids of sealed values that meet a criterion, from whoever can open them; borrowed. */
struct query_subjects {
	const char *const *ids;
	size_t count; /* at most QUERY_SUBJECTS_MAX */
};

/* Start with audit_query_init(). Words are kept as they stand in records, escaped as JSON. */
struct audit_query {
	char words[QUERY_CRITERION_MAX][QUERY_WORD_MAX + 1]; /* as given; "" = any */
	uint64_t since_ns, until_ns;			     /* since <= time < until */
	uint32_t categories;				     /* a bit for each; 0 = any */
	int outcome;					     /* -1 = any */
	unsigned int severity;				     /* at least */
	struct prefix address;
	char actor[6 * QUERY_WORD_MAX + 3], rule[6 * QUERY_WORD_MAX + 3];
	char resource_type[6 * QUERY_WORD_MAX + 3], resource_id[6 * QUERY_WORD_MAX + 3];
	bool resource_is_address;
	struct prefix resource_address;
	char text[6 * QUERY_WORD_MAX + 3]; /* lower case */
	struct query_subjects actors, addresses, resources;
};

void audit_query_init(struct audit_query *q);
const char *audit_criterion_to_str(enum query_criterion criterion); /* "since" */
/**
 * Add a criterion from its words:
 *   since, until   2026-11-20T23:37:00Z (also with decimals), 2026-11-20, or 2h: so long ago
 *   type           an event's name, * and ? match any characters
 *   category       one, or some by commas
 *   outcome        a name; severity: 1 to 5, this one and worse
 *   actor          user name or id; rule: a limit, list, feed or flag
 *   address        records about the address, about what is in the prefix, and about prefixes around it
 *   resource       TYPE or TYPE/ID
 *   text           anywhere in actor, resource, action or details, whatever its case; in sealed values
 *                  if the view has an opener
 * -EINVAL or -ERANGE "audit.query".
 */
int audit_query_set(struct audit_query *q, enum query_criterion criterion, const char *words,
		    struct fault *reterr);
static inline bool audit_query_has(const struct audit_query *q, enum query_criterion criterion)
{
	return q->words[criterion][0];
}

bool audit_query_match(const struct audit_query *q, const struct record_view *view);
/** The criteria as they were understood, for people: times in RFC 3339, all else as given. NULL: no memory. */
json_t *audit_query_json(const struct audit_query *q);

/* The parts of it that the index can answer, too. */
bool audit_query_match_type(const struct audit_query *q, const char *type, size_t length);

#endif
