/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All that is wrong with a policy, for programs: the same from the command line and from the API. */
#include "policy/describe.h"
#include "policy/report.h"

static json_t *diagnostic_json(const struct policy_diagnostic *d)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s?, s:I, s:s?}", "severity",
			 d->is_warning ? "warning" : "error", "code", d->code, "file",
			 d->file ?: "", "line", (json_int_t)d->line, "column",
			 (json_int_t)d->column, "width", (json_int_t)d->width, "text",
			 d->text ?: "", "source", d->source, "source_at", (json_int_t)d->at,
			 "suggestion", d->suggestion);
}

json_t *policy_report_json(const struct policy_report *report)
{
	json_t *all = json_array();

	for (size_t i = 0; i < report->count; i++)
		json_array_append_new(all, diagnostic_json(&report->items[i]));
	return all;
}
