/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A policy without a daemon: is it correct, and is anything about it odd? */
#include "base/cleanup.h"
#include "cli/diagnostics.h"
#include "cli/render.h"
#include "policy/describe.h"

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
			    (json_int_t)p->file_count, "diagnostics", policy_report_json(report));
	return render_json(cli, summary);
}

int cmd_policy_check(struct cli *cli)
{
	_cleanup_(policy_report_freep) struct policy_report *report = policy_report_new();
	_cleanup_(policy_freep) struct policy *policy = NULL;
	const char *path = cli_operand(cli, 0, "");
	int exit;

	if (!report)
		return cli_fail(cli, CLI_FAILED, "policy.memory", "out of memory", NULL);
	exit = diagnostics_check(cli, path, cli_value(cli, CLI_OPTION_PROFILE, NULL), report,
				 &policy);
	if (exit != CLI_OK)
		return exit;
	exit = print_summary(cli, path, policy, report);
	if (exit == CLI_OK && report->warning_count && cli_value(cli, CLI_OPTION_STRICT, NULL))
		return CLI_FAILED;
	return exit;
}
