/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A report of the audit log: made by the daemon, or from its files. */
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "cli/ask.h"
#include "cli/render.h"
#include "cli/vault.h"
#include "report/report.h"

#define REPORT_MODE	  0600	  /* it tells of people */
#define REPORT_TIMEOUT_MS 3600000 /* a log of years takes its time */

/* What was made, whoever made it. */
struct made {
	struct text body;
	uint64_t records;
	bool ok;
};

static void made_done(struct made *m)
{
	text_done(&m->body);
}

static int read_words(const struct cli *cli, struct report_words *ret, char **ret_note)
{
	const char *file = cli_value(cli, CLI_OPTION_CHECKPOINT, NULL);
	struct fault f = {0};

	*ret = (struct report_words){
		.days = cli_value(cli, CLI_OPTION_DAYS, NULL),
		.since = cli_value(cli, CLI_OPTION_SINCE, NULL),
		.until = cli_value(cli, CLI_OPTION_UNTIL, NULL),
		.framework = cli_value(cli, CLI_OPTION_FRAMEWORK, NULL),
		.format = cli_value(cli, CLI_OPTION_FORMAT, cli->json ? "json" : "html"),
		.key = cli_value(cli, CLI_OPTION_KEY, NULL),
	};
	if (file && fs_read_file(file, NOTE_SIZE_MAX, ret_note, &ret->checkpoint_length, &f) < 0)
		return cli_fault(cli, &f);
	ret->checkpoint = *ret_note;
	return CLI_OK;
}

static void put_argument(struct text *path, const char *name, const char *value)
{
	if (!value)
		return;
	text_printf(path, "&%s=", name);
	client_put_escaped(path, value);
}

/* By the daemon, which records who asks. */
static int make_online(const struct cli *cli, const struct report_words *w, struct made *ret)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(text_done) struct text path = {.growing = true};
	struct client_request request = {
		.method = w->checkpoint ? "POST" : "GET",
		.type = w->checkpoint ? "text/plain; charset=utf-8" : NULL,
		.body = w->checkpoint,
		.length = w->checkpoint_length,
	};
	int exit;

	text_printf(&path, "/v1/audit/report?format=%s", w->format);
	put_argument(&path, "days", w->days);
	put_argument(&path, "since", w->since);
	put_argument(&path, "until", w->until);
	put_argument(&path, "framework", w->framework);
	put_argument(&path, "key", w->key);
	if (path.truncated)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	request.path = path.data;
	if (isatty(fileno(cli->err)))
		fputs("the daemon reads the log ...", cli->err);
	exit = ask(cli, &request, &response);
	if (isatty(fileno(cli->err)))
		fputs("\r\033[K", cli->err);
	if (exit != CLI_OK)
		return exit;
	ret->ok = strcmp(response.integrity, "ok") == 0;
	parse_u64(response.records, 0, UINT64_MAX, &ret->records);
	ret->body = response.body;
	response.body = (struct text){0};
	return CLI_OK;
}

static void show_progress(uint64_t records, void *userdata)
{
	const struct cli *cli = userdata;

	fprintf(cli->err, "\r%llu records read", (unsigned long long)records);
	fflush(cli->err);
}

static void name_user(char *ret, size_t size)
{
	const struct passwd *user = getpwuid(getuid());

	if (user)
		snprintf(ret, size, "%s", user->pw_name);
	else
		snprintf(ret, size, "user %u", (unsigned int)getuid());
}

static int make_offline(const struct cli *cli, const char *dir, struct report_options *options,
			enum report_format format, struct made *ret)
{
	_cleanup_(json_decrefp) json_t *report = NULL;
	_cleanup_(vault_closep) struct vault *vault = NULL;
	char host[256] = "", user[64];
	struct fault f = {0};
	int exit = cli_vault_of_log(cli, dir, &vault), r;

	if (exit != CLI_OK)
		return exit;
	gethostname(host, sizeof(host) - 1);
	name_user(user, sizeof(user));
	options->dir = dir;
	options->host = host;
	options->made_by = user;
	options->opener = vault_opener(vault);
	options->progress = isatty(fileno(cli->err)) ? show_progress : NULL;
	r = report_make(options, &report, &f);
	if (options->progress)
		fputs("\r\033[K", cli->err);
	if (r < 0)
		return cli_fault(cli, &f);
	ret->records = member_u64(json_object_get(report, "figures"), "records");
	ret->ok = member_bool(json_object_get(report, "integrity"), "ok");
	report_put(&ret->body, format, report);
	return ret->body.truncated ? cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL)
				   : CLI_OK;
}

static int write_report(const struct cli *cli, const struct made *m)
{
	const char *file = cli_value(cli, CLI_OPTION_FILE, NULL);
	struct fault f = {0};

	if (!file)
		return fwrite(m->body.data, 1, m->body.length, cli->out) == m->body.length &&
				       fflush(cli->out) == 0
			       ? CLI_OK
			       : cli_fail(cli, CLI_FAILED, "cli.write", strerror(errno), NULL);
	if (fs_replace_file(file, m->body.data, m->body.length, REPORT_MODE, &f) < 0)
		return cli_fault(cli, &f);
	cli_talk(cli, "%s: %llu records, %s", file, (unsigned long long)m->records,
		 m->ok ? "the log is in order" : "THE LOG IS NOT IN ORDER");
	return CLI_OK;
}

int cmd_audit_report(struct cli *cli)
{
	const char *dir = cli_value(cli, CLI_OPTION_DIR, NULL);
	struct report_options options = {.userdata = cli};
	_cleanup_(made_done) struct made made = {.body.growing = true};
	_cleanup_free_ char *note = NULL;
	struct report_words words;
	enum report_format format;
	struct fault f = {0};
	int exit = read_words(cli, &words, &note);

	if (exit != CLI_OK)
		return exit;
	if (report_read(&words, &options, &format, &f) < 0)
		return cli_usage(cli, "%s", f.text);
	if (!cli_value(cli, CLI_OPTION_TIMEOUT, NULL))
		cli->timeout_ms = REPORT_TIMEOUT_MS;
	exit = dir ? make_offline(cli, dir, &options, format, &made)
		   : make_online(cli, &words, &made);
	if (exit == CLI_OK)
		exit = write_report(cli, &made);
	return exit == CLI_OK && !made.ok ? CLI_FAILED : exit;
}
