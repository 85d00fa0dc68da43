/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/diagnostics.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/render.h"
#include "policy/describe.h"

static void print(const struct cli *cli, const struct policy_diagnostic *d)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	char *line, *rest;

	policy_diagnostic_format(d, &t);
	for (line = t.data; line && *line; line = rest) {
		rest = strchrnul(line, '\n');
		if (*rest)
			*rest++ = '\0';
		render_defuse(line);
		fprintf(cli->err, "%s\n", line);
	}
}

void diagnostics_print(const struct cli *cli, const struct policy_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		print(cli, &report->items[i]);
	if (report->full)
		cli_talk(cli, "there is more; these are the first %u", POLICY_DIAGNOSTICS_MAX);
}

static char *word(const json_t *object, const char *key)
{
	return (char *)(uintptr_t)json_string_value(json_object_get(object, key));
}

void diagnostics_print_problem(const struct cli *cli, const json_t *problem)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(problem, "diagnostics"), i, item) {
		print(cli,
		      &(struct policy_diagnostic){
			      .is_warning = strcmp(member_text(item, "severity"), "warning") == 0,
			      .code = member_text(item, "code"),
			      .file = word(item, "file"),
			      .line = (unsigned int)member_u64(item, "line"),
			      .column = (unsigned int)member_u64(item, "column"),
			      .width = (unsigned int)member_u64(item, "width"),
			      .text = word(item, "text"),
			      .source = word(item, "source"),
			      .at = (unsigned int)member_u64(item, "source_at"),
		      });
	}
	/* One alone is the detail of the problem. */
	if (json_array_size(json_object_get(problem, "findings")) < 2)
		return;
	json_array_foreach (json_object_get(problem, "findings"), i, item) {
		cli_talk(cli, "UNSAFE: %s [%s]", member_text(item, "detail"),
			 member_text(item, "code"));
	}
}

int diagnostics_refuse(const struct cli *cli, const struct fault *f,
		       const struct policy_report *report)
{
	_cleanup_(json_decrefp) json_t *verdict = NULL;

	if (!cli->json)
		return CLI_FAILED;
	verdict = json_pack("{s:b, s:s, s:s, s:o}", "ok", 0, "code", f->code, "detail", f->text,
			    "diagnostics", policy_report_json(report));
	render_json(cli, verdict);
	return CLI_FAILED;
}

int diagnostics_check(const struct cli *cli, const char *path, const char *profile,
		      struct policy_report *report, struct policy **ret)
{
	const struct policy_options options = {profile, report};
	struct fault f = {0};
	int r = policy_check(path, &options, clock_coarse_tick_ns(), ret, &f);

	diagnostics_print(cli, report);
	return r < 0 ? diagnostics_refuse(cli, &f, report) : CLI_OK;
}
