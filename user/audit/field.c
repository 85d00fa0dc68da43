/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/field.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const struct audit_field fields[] = {
#define AUDIT_F(path, class_, kind_, words)                                                        \
	{path, AUDIT_FIELD_##class_, AUDIT_FIELD_##kind_, words},
#include "audit/field.def"
#undef AUDIT_F
};

static const struct audit_field unknown = {"", AUDIT_FIELD_SENSITIVE, AUDIT_FIELD_TEXT, ""};

const struct audit_field *audit_field(size_t index)
{
	return index < ARRAY_SIZE(fields) ? &fields[index] : NULL;
}

static int by_path(const void *path, const void *row)
{
	const struct audit_field *field = row;

	return strcmp(path, field->path);
}

const struct audit_field *audit_field_find(const char *path)
{
	const struct audit_field *field =
		bsearch(path, fields, ARRAY_SIZE(fields), sizeof(fields[0]), by_path);

	return field ?: &unknown;
}

const struct audit_field *audit_field_of_resource(const char *type)
{
	char path[64];

	snprintf(path, sizeof(path), "resource.id(%s)", type);
	return audit_field_find(path);
}

const char *audit_field_class_to_str(enum field_class c)
{
	static const char *const names[] = {
		[AUDIT_FIELD_PERSONAL] = "personal",
		[AUDIT_FIELD_SENSITIVE] = "sensitive",
		[AUDIT_FIELD_OPERATIONAL] = "operational",
		[AUDIT_FIELD_AUDIT] = "audit",
	};
	_Static_assert(ARRAY_SIZE(names) == AUDIT_FIELD_CLASS_MAX, "a class has no name");

	return names[c];
}

const char *audit_field_kind_to_str(enum field_kind kind)
{
	static const char *const names[] = {
		[AUDIT_FIELD_ADDRESS] = "address",
		[AUDIT_FIELD_NAME] = "name",
		[AUDIT_FIELD_TEXT] = "text",
		[AUDIT_FIELD_OTHER] = "other",
	};
	_Static_assert(ARRAY_SIZE(names) == AUDIT_FIELD_KIND_MAX, "a kind has no name");

	return names[kind];
}
