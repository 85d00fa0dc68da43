/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What stands in records and what of it is about people, by field.def. */
#ifndef AUDIT_FIELD_H
#define AUDIT_FIELD_H

#include <stddef.h>

enum field_class {
	AUDIT_FIELD_PERSONAL,
	AUDIT_FIELD_SENSITIVE,
	AUDIT_FIELD_OPERATIONAL,
	AUDIT_FIELD_AUDIT,
	AUDIT_FIELD_CLASS_MAX,
};

/* Vaults keep the numbers: append only. */
enum field_kind {
	AUDIT_FIELD_ADDRESS,
	AUDIT_FIELD_NAME,
	AUDIT_FIELD_TEXT,
	AUDIT_FIELD_OTHER, /* never about people */
	AUDIT_FIELD_KIND_MAX,
};

struct audit_field {
	const char *path; /* "details.reason", "resource.id(source)" */
	enum field_class field_class;
	enum field_kind kind;
	const char *words;
};

/** By number, counted from 0, in the order of paths; NULL: there are no more. */
const struct audit_field *audit_field(size_t index);
/** The row of @path; what has none is sensitive text, so that nothing is forgotten in favour of the clear. */
const struct audit_field *audit_field_find(const char *path);
/** The row of a resource's id. */
const struct audit_field *audit_field_of_resource(const char *type);

const char *audit_field_class_to_str(enum field_class c);  /* "personal" */
const char *audit_field_kind_to_str(enum field_kind kind); /* "address" */

#endif
