/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts as JSON. Strings of records are escaped as JSON already, and unescaped by reading them as such. */
#include "audit/stats.h"

#include <stdio.h>

#include "base/clock.h"

#define NSEC_PER_HOUR (3600 * NSEC_PER_SEC)

/* A name as it stands in records, as a string. One that was cut off within an escape stays as it is. */
static json_t *name_json(const char *name)
{
	char quoted[STATS_NAME_BYTES + 3];
	json_t *string;

	snprintf(quoted, sizeof(quoted), "\"%s\"", name);
	string = json_loads(quoted, JSON_DECODE_ANY, NULL);
	return string ? string : json_string(name);
}

static json_t *counts_json(const struct audit_counts *counts, size_t names)
{
	json_t *list = json_array();
	uint64_t others = counts->others;

	for (size_t i = 0; i < counts->count; i++) {
		const struct audit_count *item = &counts->items[i];

		if (i >= names)
			others += item->count;
		else
			json_array_append_new(list,
					      json_pack("{s:o, s:I}", "name", name_json(item->name),
							"count", (json_int_t)item->count));
	}
	return json_pack("{s:o, s:I}", "names", list, "others", (json_int_t)others);
}

static json_t *hours_json(const struct audit_stats *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->hour_count; i++) {
		char time[CLOCK_RFC3339_SIZE];

		if (!s->hours[i])
			continue;
		clock_format_rfc3339((s->first_hour + i) * NSEC_PER_HOUR, time);
		json_array_append_new(list, json_pack("{s:s, s:I}", "hour", time, "count",
						      (json_int_t)s->hours[i]));
	}
	return json_pack("{s:o, s:I}", "hours", list, "earlier", (json_int_t)s->earlier);
}

json_t *audit_stats_json(const struct audit_stats *s, size_t names)
{
	json_t *severities = json_object(), *range = json_null();

	for (unsigned int i = 1; i < STATS_SEVERITIES; i++) {
		const char digit[] = {(char)('0' + i), '\0'};

		json_object_set_new(severities, digit, json_integer((json_int_t)s->severities[i]));
	}
	if (s->first_index <= s->last_index)
		range = json_pack("{s:I, s:I}", "first", (json_int_t)s->first_index, "last",
				  (json_int_t)s->last_index);
	return json_pack("{s:I, s:o, s:b, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "records",
			 (json_int_t)s->records, "range", range, "partial", s->partial,
			 "from_index", (json_int_t)s->from_index, "types",
			 counts_json(&s->types, names), "categories",
			 counts_json(&s->categories, names), "severities", severities, "actors",
			 counts_json(&s->actors, names), "rules", counts_json(&s->rules, names),
			 "by_hour", hours_json(s));
}
