/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What of a record can be asked for by name: the one place that knows where in a record an actor, an
 * address or a rule stands. Queries and the index are both made from it, so that they cannot disagree.
 */
#ifndef AUDIT_FIELDS_H
#define AUDIT_FIELDS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "audit/record.h"
#include "base/address.h"

enum record_field {
	RECORD_ACTOR,	      /* actor.user_id or actor.username, unless empty */
	RECORD_PRINCIPAL,     /* the one of these by which people know it; one in each record */
	RECORD_ADDRESS,	      /* an address or prefix, wherever it stands: `prefix` */
	RECORD_SUBJECT,	      /* the id in the place of a personal value that is sealed */
	RECORD_RULE,	      /* the limit, list or feed that decided, or that was changed */
	RECORD_RESOURCE_TYPE, /* resource.type */
	RECORD_RESOURCE_ID,   /* resource.id, unless it is an address */
};

struct field_value {
	enum record_field field;
	struct record_slice text; /* as it stands in the record, escaped as JSON */
	struct prefix prefix;	  /* of RECORD_ADDRESS */
};

/* Call @fn for each field of the record. The same value may come more than once. */
void record_fields(const struct record_view *view,
		   void (*fn)(const struct field_value *value, void *userdata), void *userdata);

/** The record's timestamp, ns since 1970; 0 if it is not as weir writes it. */
uint64_t record_time_ns(const struct record_view *view);

/** @text, a string's content in JSON, is @value. */
static inline bool slice_equal(const struct record_slice *text, const char *value)
{
	return strlen(value) == text->length && memcmp(text->data, value, text->length) == 0;
}

#endif
