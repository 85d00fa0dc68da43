/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which records are wanted: by time, category, severity and event. Told from the record's bytes, before it is rendered. */
#ifndef EXPORT_FILTER_H
#define EXPORT_FILTER_H

#include <jansson.h>
#include <stdbool.h>

#include "audit/record.h"
#include "base/fault.h"

#define EXPORT_TYPE_MAX 64

struct export_filter {
	uint64_t since_ns, until_ns;	/* [since, until); 0 = no limit */
	uint32_t categories;		/* a bit each; 0 = all */
	unsigned int min_severity;	/* 0 = all */
	char type[EXPORT_TYPE_MAX + 1]; /* "list.add" or "list.*"; "" = all */
};

/**
 * Set what @name ("since", "until", "category", "severity", "type") says to @value; categories by commas. A time is
 * RFC 3339 in UTC or how long ago: 2h. -EINVAL "export.filter", with what was wrong.
 */
int export_filter_set(struct export_filter *f, const char *name, const char *value,
		      struct fault *reterr);
/** The names that export_filter_set() knows, one by one; NULL behind the last. */
const char *export_filter_name(unsigned int i);
bool export_filter_match(const struct export_filter *f, const struct record_view *record);
/* As it was understood, for manifests and records. NULL: no memory. */
json_t *export_filter_json(const struct export_filter *f);

#endif
