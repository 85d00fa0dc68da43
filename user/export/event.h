/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A record as people read it (its view, see audit/record.h), taken apart for those who write it in another format. A value about a
 * person may be an object instead of a string: {"sealed": ..., "subject": ..., "state": ...}; it is told by its subject.
 */
#ifndef EXPORT_EVENT_H
#define EXPORT_EVENT_H

#include <jansson.h>
#include <stdint.h>

#include "audit/event.h"
#include "base/cleanup.h"
#include "base/fault.h"

#define EXPORT_VALUE_SIZE 80

struct export_event {
	json_t *record;
	const char *view; /* borrowed; no newline */
	size_t length;
	int event; /* enum audit_event; -EINVAL: of a later version */
	enum audit_category category;
	unsigned int severity;
	uint64_t index, time_ns;
	/* Never NULL. Strings of the record, or of values below. */
	const char *type, *id, *timestamp, *action, *outcome, *hash, *previous_hash;
	const char *user_id, *username, *role, *address, *resource_type, *resource_id;
	const char
		*source; /* the address that it is about: of the resource or the actor; "" = none */
	char values[5][EXPORT_VALUE_SIZE];
	const json_t *details;
};

/** Take the view apart. -EBADMSG "export.record": it is none. End with export_event_done(). */
int export_event_read(const char *view, size_t length, struct export_event *ret,
		      struct fault *reterr);
void export_event_done(struct export_event *e);

/** A string, or "erased:SUBJECT" and the like in @scratch; "" if it is neither. */
const char *export_value(const json_t *value, char scratch[static EXPORT_VALUE_SIZE]);
/** What the event means in words; "" for one of a later version. */
const char *export_event_words(const struct export_event *e);
/** A member of the details as text; "" if there is none. */
const char *export_detail(const struct export_event *e, const char *key,
			  char scratch[static EXPORT_VALUE_SIZE]);

/**
 * Parse a time of a record, or one that an operator wrote with at most nine decimals: ns since 1970. -EINVAL.
 */
int export_time_parse(const char *text, uint64_t *ret_ns);

#endif
