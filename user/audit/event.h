/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What records can be about, by event.def and category.def: numbers inside, names outside. */
#ifndef AUDIT_EVENT_H
#define AUDIT_EVENT_H

#include <stdbool.h>
#include <stddef.h>

enum audit_event {
#define AUDIT_E(constant, name, category, severity, words) AUDIT_EVENT_##constant,
#include "audit/event.def"
#undef AUDIT_E
	AUDIT_EVENT_MAX
};

enum audit_category {
#define AUDIT_C(constant, name, words) AUDIT_CATEGORY_##constant,
#include "audit/category.def"
#undef AUDIT_C
	AUDIT_CATEGORY_MAX
};

enum audit_outcome {
	AUDIT_SUCCESS,
	AUDIT_FAILURE,
	AUDIT_DENIED,
	AUDIT_OUTCOME_MAX,
};

const char *audit_event_to_str(enum audit_event event); /* "list.add" */
const char *audit_event_words(enum audit_event event);
/** The event with this name; -EINVAL if there is none (records of a later version may have others). */
int audit_event_from_str(const char *name, size_t length);
bool audit_event_is(enum audit_event event, const char *name, size_t length);
enum audit_category audit_event_category(enum audit_event event);
unsigned int audit_event_severity(enum audit_event event); /* unless a record states its own */
const char *audit_category_to_str(enum audit_category category); /* "traffic" */
const char *audit_category_words(enum audit_category category);
int audit_category_from_str(const char *name); /* -EINVAL */
const char *audit_category_names(void);	       /* "traffic, security, ..." */
const char *audit_outcome_to_str(enum audit_outcome outcome);
int audit_outcome_from_str(const char *name, size_t length); /* -EINVAL */

#endif
