/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A report of the audit log. The daemon records that it is made and says where the log is; the work is done here, from
 * the files, so that a log of years does not keep the daemon from its own.
 */
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "audit/query.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "cli/ask.h"
#include "cli/render.h"
#include "cli/vault.h"
#include "report/report.h"

#define DAYS_DEFAULT "30"
#define DAYS_MAX     36500
#define REPORT_MODE  0600 /* it tells of people */

static const struct {
	const char *name;
	void (*put)(struct text *t, const json_t *report);
} formats[] = {{"html", report_put_html}, {"json", report_put_json}, {"csv", report_put_csv}};

static int read_range(const struct cli *cli, struct report_options *options)
{
	static const enum cli_option words[] = {CLI_OPTION_SINCE, CLI_OPTION_UNTIL};
	static const enum query_criterion criteria[] = {QUERY_SINCE, QUERY_UNTIL};
	const char *days = cli_value(cli, CLI_OPTION_DAYS, NULL);
	struct audit_query query;
	struct fault f = {0};
	uint32_t count;

	audit_query_init(&query);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (cli->values[words[i]] &&
		    audit_query_set(&query, criteria[i], cli->values[words[i]], &f) < 0)
			return cli_usage(cli, "%s", f.text);
	if (cli->values[CLI_OPTION_SINCE] && days)
		return cli_usage(cli, "--since and --days say the same: give one of them");
	if (parse_u32(days ?: DAYS_DEFAULT, 1, DAYS_MAX, &count) < 0)
		return cli_usage(cli, "--days '%s' is no number from 1 to %d", days, DAYS_MAX);
	options->until_ns = clock_real_ns() / NSEC_PER_SEC * NSEC_PER_SEC + NSEC_PER_SEC;
	if (cli->values[CLI_OPTION_UNTIL])
		options->until_ns = query.until_ns;
	options->since_ns = count * 86400 * NSEC_PER_SEC;
	options->since_ns =
		options->until_ns > options->since_ns ? options->until_ns - options->since_ns : 0;
	if (cli->values[CLI_OPTION_SINCE])
		options->since_ns = query.since_ns;
	if (options->since_ns >= options->until_ns)
		return cli_usage(cli, "the range of the report is empty: it ends before it begins");
	return CLI_OK;
}

static int read_words(const struct cli *cli, struct report_options *options, size_t *ret_format)
{
	const char *framework = cli_value(cli, CLI_OPTION_FRAMEWORK, NULL);
	const char *format = cli_value(cli, CLI_OPTION_FORMAT, cli->json ? "json" : "html");
	int number = framework ? report_framework_from_str(framework) : REPORT_FRAMEWORK_NONE;

	if (number < 0)
		return cli_usage(
			cli, "--framework '%s' is none of soc2, iso27001, gdpr, hipaa, pci, sox",
			framework);
	options->framework = (enum report_framework)number;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (strcmp(formats[i].name, format) != 0)
			continue;
		*ret_format = i;
		return CLI_OK;
	}
	return cli_usage(cli, "--format '%s' is none of html, json, csv", format);
}

/* Have it recorded, and learn where the log is. */
static int announce(const struct cli *cli, const struct report_options *options, const char *format,
		    json_t **ret)
{
	char since[CLOCK_RFC3339_SIZE], until[CLOCK_RFC3339_SIZE];
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(json_decrefp) json_t *body = NULL;
	_cleanup_free_ char *text = NULL;
	int exit;

	clock_format_rfc3339(options->since_ns, since);
	clock_format_rfc3339(options->until_ns, until);
	body = json_pack("{s:s, s:s, s:s, s:s}", "since", since, "until", until, "framework",
			 report_framework_to_str(options->framework), "format", format);
	text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	if (!text)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	exit = ask(cli,
		   &(struct client_request){.method = "POST",
					    .path = "/v1/audit/reports",
					    .type = "application/json",
					    .body = text,
					    .length = strlen(text)},
		   &response);
	return exit == CLI_OK ? ask_decode(cli, &response, ret) : exit;
}

static void show_progress(uint64_t records, void *userdata)
{
	const struct cli *cli = userdata;

	fprintf(cli->err, "\r%llu records read", (unsigned long long)records);
	fflush(cli->err);
}

static int write_report(const struct cli *cli, const json_t *report, size_t format)
{
	const char *file = cli_value(cli, CLI_OPTION_FILE, NULL);
	_cleanup_(text_done) struct text t = {.growing = true};
	struct fault f = {0};

	formats[format].put(&t, report);
	if (t.truncated)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	if (!file)
		return fwrite(t.data, 1, t.length, cli->out) == t.length && fflush(cli->out) == 0
			       ? CLI_OK
			       : cli_fail(cli, CLI_FAILED, "cli.write", strerror(errno), NULL);
	if (fs_replace_file(file, t.data, t.length, REPORT_MODE, &f) < 0)
		return cli_fault(cli, &f);
	cli_talk(cli, "%s: %llu records, %s", file,
		 (unsigned long long)member_u64(json_object_get(report, "figures"), "records"),
		 member_bool(json_object_get(report, "integrity"), "ok")
			 ? "the log is in order"
			 : "THE LOG IS NOT IN ORDER");
	return CLI_OK;
}

static void name_user(char *ret, size_t size)
{
	const struct passwd *user = getpwuid(getuid());

	if (user)
		snprintf(ret, size, "%s", user->pw_name);
	else
		snprintf(ret, size, "user %u", (unsigned int)getuid());
}

int cmd_audit_report(struct cli *cli)
{
	const char *dir = cli_value(cli, CLI_OPTION_DIR, NULL);
	_cleanup_(json_decrefp) json_t *report = NULL, *answer = NULL;
	_cleanup_(vault_closep) struct vault *vault = NULL;
	char host[256] = "", user[64];
	struct report_options options = {.host = host, .made_by = user, .userdata = cli};
	struct fault f = {0};
	size_t format = 0;
	int exit = read_range(cli, &options);

	if (exit == CLI_OK)
		exit = read_words(cli, &options, &format);
	if (exit == CLI_OK && !dir) {
		exit = announce(cli, &options, formats[format].name, &answer);
		dir = member_text(answer, "directory");
	}
	if (exit != CLI_OK)
		return exit;
	gethostname(host, sizeof(host) - 1);
	name_user(user, sizeof(user));
	exit = cli_vault_of_log(cli, dir, &vault);
	if (exit != CLI_OK)
		return exit;
	options.opener = vault_opener(vault);
	options.dir = dir;
	options.progress = isatty(fileno(cli->err)) ? show_progress : NULL;
	exit = report_make(&options, &report, &f) < 0 ? cli_fault(cli, &f) : CLI_OK;
	if (options.progress)
		fputs("\r\033[K", cli->err);
	if (exit == CLI_OK)
		exit = write_report(cli, report, format);
	return exit == CLI_OK && !member_bool(json_object_get(report, "integrity"), "ok")
		       ? CLI_FAILED
		       : exit;
}
