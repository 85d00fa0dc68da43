/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A policy without a daemon: is it correct, and is anything about it odd? All that there is to say is
 * said at once, each with its place, the line and a caret, as compilers do, so that editors find it. */
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/render.h"
#include "policy/policy.h"

static json_t *diagnostic_json(const struct policy_diagnostic *d)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s?, s:s?}", "severity",
			 d->is_warning ? "warning" : "error", "code", d->code, "file",
			 d->file ?: "", "line", (json_int_t)d->line, "column",
			 (json_int_t)d->column, "width", (json_int_t)d->width, "text",
			 d->text ?: "", "source", d->source, "suggestion", d->suggestion);
}

static json_t *report_json(const struct policy_report *report)
{
	json_t *all = json_array();

	for (size_t i = 0; i < report->count; i++)
		json_array_append_new(all, diagnostic_json(&report->items[i]));
	return all;
}

static void print_report(const struct cli *cli, const struct policy_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		_cleanup_(text_done) struct text t = {.growing = true};
		char *line, *rest;

		policy_diagnostic_format(&report->items[i], &t);
		for (line = t.data; line && *line; line = rest) {
			rest = strchrnul(line, '\n');
			if (*rest)
				*rest++ = '\0';
			render_defuse(line);
			fprintf(cli->err, "%s\n", line);
		}
	}
	if (report->full)
		cli_talk(cli, "there is more; these are the first %u", POLICY_DIAGNOSTICS_MAX);
}

static int print_summary(const struct cli *cli, const char *path, const struct policy *p,
			 const struct policy_report *report)
{
	_cleanup_(json_decrefp) json_t *summary = NULL;
	const char *mode = policy_mode_str(p->mode);
	size_t feed_count = p->allow.feed_count + p->block.feed_count;
	char feeds[32] = "", warnings[32] = "";

	if (!cli->json) {
		if (feed_count)
			snprintf(feeds, sizeof(feeds), ", %zu feeds", feed_count);
		if (report->warning_count)
			snprintf(warnings, sizeof(warnings), "; %zu warning%s",
				 report->warning_count, report->warning_count == 1 ? "" : "s");
		cli_say(cli,
			"%s: ok: mode %s, %zu limits, %zu services, %zu allowed and %zu blocked%s%s",
			path, mode, p->limit_count, p->service_count, p->allow.count,
			p->block.count, feeds, warnings);
		return CLI_OK;
	}
	summary = json_pack("{s:b, s:s, s:s, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "ok", 1,
			    "mode", mode, "sha256", p->sha256, "profile", p->profile, "limits",
			    (json_int_t)p->limit_count, "services", (json_int_t)p->service_count,
			    "allow", (json_int_t)p->allow.count, "block",
			    (json_int_t)p->block.count, "feeds", (json_int_t)feed_count, "files",
			    (json_int_t)p->file_count, "diagnostics", report_json(report));
	return render_json(cli, summary);
}

static int print_refusal(const struct cli *cli, const struct fault *f,
			 const struct policy_report *report)
{
	_cleanup_(json_decrefp) json_t *verdict = NULL;

	if (!cli->json)
		return CLI_FAILED;
	verdict = json_pack("{s:b, s:s, s:s, s:o}", "ok", 0, "code", f->code, "detail", f->text,
			    "diagnostics", report_json(report));
	render_json(cli, verdict);
	return CLI_FAILED;
}

int cmd_policy_check(struct cli *cli)
{
	_cleanup_(policy_report_freep) struct policy_report *report = policy_report_new();
	struct policy_options options = {cli_value(cli, CLI_OPTION_PROFILE, NULL), report};
	_cleanup_(policy_freep) struct policy *policy = NULL;
	const char *path = cli_operand(cli, 0, "");
	struct fault f = {0};
	int exit;

	if (!report)
		return cli_fail(cli, CLI_FAILED, "policy.memory", "out of memory", NULL);
	if (policy_check(path, &options, clock_coarse_tick_ns(), &policy, &f) < 0) {
		print_report(cli, report);
		return print_refusal(cli, &f, report);
	}
	print_report(cli, report);
	exit = print_summary(cli, path, policy, report);
	if (exit == CLI_OK && report->warning_count && cli_value(cli, CLI_OPTION_STRICT, NULL))
		return CLI_FAILED;
	return exit;
}
