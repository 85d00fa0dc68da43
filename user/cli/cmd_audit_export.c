/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records for other programs, in a file with a manifest or on standard output. The daemon is asked for them, which
 * records who took them; with --dir they are read from the files, and nobody is told.
 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "audit/reader.h"
#include "audit/rectified.h"
#include "audit/sealing.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/query.h"
#include "cli/render.h"
#include "cli/vault.h"
#include "export/file.h"
#include "vault/query.h"

#define PROGRESS_NS    (200 * NSEC_PER_MSEC)
#define LINE_MAX_BYTES (4 * AUDIT_RECORD_MAX) /* of a view, which has more than the record */

static volatile sig_atomic_t interrupted;

struct job {
	const struct cli *cli;
	const char *dir; /* NULL: the daemon is asked */
	enum export_format format;
	struct audit_query query;
	struct export_file *file;
	struct text line; /* of the answer, what has no end yet */
	struct fault fault;
	uint64_t told_ns;
};

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* How far it is, on a terminal. There is no whole to compare with: the log grows meanwhile. */
static void tell(struct job *j, bool last)
{
	struct export_file_stats s;
	uint64_t now_ns = clock_monotonic_ns();

	if (!isatty(fileno(j->cli->err)) || (!last && now_ns - j->told_ns < PROGRESS_NS))
		return;
	j->told_ns = now_ns;
	export_file_get_stats(j->file, &s);
	fprintf(j->cli->err, "\r%" PRIu64 " records, %" PRIu64 " KiB%s", s.records, s.bytes >> 10,
		last ? "\n" : "");
	fflush(j->cli->err);
}

static int add(struct job *j, const char *view, size_t length)
{
	if (interrupted)
		return fault(&j->fault, -EINTR, "export.interrupted",
			     "interrupted; there is no file");
	tell(j, false);
	return export_file_add(j->file, view, length, &j->fault);
}

static bool take(const char *data, size_t length, void *userdata)
{
	struct job *j = userdata;

	while (length) {
		const char *end = memchr(data, '\n', length);
		size_t size = end ? (size_t)(end - data) : length;

		text_put(&j->line, data, size);
		if (j->line.truncated || j->line.length > LINE_MAX_BYTES) {
			fault(&j->fault, -EBADMSG, "export.record",
			      "the daemon's answer is no record");
			return false;
		}
		if (end && j->line.length && add(j, j->line.data, j->line.length) < 0)
			return false;
		if (end)
			j->line.length = 0;
		data += size + !!end;
		length -= size + !!end;
	}
	return true;
}

static int run_online(struct job *j)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(text_done) struct text path = {.growing = true};
	struct client_request request = {.method = "GET", .take = take, .userdata = j};
	struct fault f = {0};

	text_puts(&path, "/v1/audit/export?format=ndjson");
	if (j->cli->values[CLI_OPTION_SEALED])
		text_puts(&path, "&sealed=true");
	query_put(j->cli, &path);
	if (path.truncated)
		return cli_fail(j->cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	request.path = path.data;
	if (ask_call(j->cli, &request, &response, &f) < 0)
		return j->fault.err ? cli_fault(j->cli, &j->fault) : ask_unreachable(j->cli, &f);
	if (response.status < 200 || response.status > 299)
		return ask_refused(j->cli, &response);
	if (j->line.length)
		return cli_fail(j->cli, CLI_FAILED, "export.record",
				"the daemon's answer ends within a record", NULL);
	return CLI_OK;
}

static int run_offline(struct job *j)
{
	_cleanup_(vault_closep) struct vault *vault = NULL;
	_cleanup_(vault_meant_done) struct vault_meant meant = {0};
	_cleanup_(rectified_freep) struct rectified *rectified = NULL;
	_cleanup_(reader_closep) struct reader *reader = NULL;
	struct reader_record record;
	int r = reader_open(j->dir, &reader, &j->fault);

	if (r == 0 && !j->cli->values[CLI_OPTION_SEALED]) {
		int exit = cli_vault_of_log(j->cli, j->dir, &vault);

		if (exit != CLI_OK)
			return exit;
		reader_set_opener(reader, vault_opener(vault));
		r = vault_mean(vault, &j->query, &meant, &j->fault);
	}
	if (r == 0)
		r = rectified_load(j->dir, NULL, NULL, &rectified, &j->fault);
	if (r == 0) {
		reader_set_rectified(reader, rectified);
		reader_set_range(reader, j->query.since_ns, j->query.until_ns);
	}
	while (r >= 0 && (r = reader_next(reader, &record, &j->fault)) > 0) {
		if (!audit_query_match(&j->query, &record.view))
			continue;
		j->line.length = 0;
		record_put_view(&j->line, record.data, record.length, &record.view, record.hash);
		if (j->line.truncated)
			return cli_fail(j->cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
		r = add(j, j->line.data, j->line.length);
	}
	return r < 0 ? cli_fault(j->cli, &j->fault) : CLI_OK;
}

static json_t *checkpoint(const struct job *j)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	const struct client_request request = {.method = "GET", .path = "/v1/audit/checkpoint"};
	_cleanup_free_ char *note = NULL;
	struct fault f = {0};
	size_t length;

	if (j->dir && sealing_read_latest(j->dir, &note, &length, &f) == 0)
		return json_stringn(note, length);
	if (!j->dir && ask_call(j->cli, &request, &response, &f) == 0 && response.status == 200)
		return json_string(response.body.data);
	return json_null();
}

/* What the manifest says besides what the file knows of itself. */
static json_t *about(const struct job *j, const char *host)
{
	const struct passwd *user = getpwuid(getuid());
	char now[CLOCK_RFC3339_SIZE], uid[16];

	clock_format_rfc3339(clock_real_ns(), now);
	snprintf(uid, sizeof(uid), "%u", getuid());
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:s, s:s, s:o, s:s, s:o}", "made_at", now,
			 "made_by", "weir " WEIR_VERSION, "who", "username",
			 user ? user->pw_name : uid, "user_id", uid, "host", host, "source",
			 j->dir ?: "daemon", "filter", audit_query_json(&j->query), "personal_data",
			 j->cli->values[CLI_OPTION_SEALED] ? "sealed" : "opened", "checkpoint",
			 checkpoint(j));
}

static int finish(struct job *j, const char *path, const char *host)
{
	_cleanup_(json_decrefp) json_t *extra = NULL;
	struct export_file_stats s;

	if (export_file_finish(j->file, &j->fault) < 0)
		return cli_fault(j->cli, &j->fault);
	tell(j, true);
	if (!path)
		return CLI_OK;
	extra = about(j, host);
	if (!extra)
		return cli_fail(j->cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	if (export_file_commit(j->file, extra, &j->fault) < 0)
		return cli_fault(j->cli, &j->fault);
	export_file_get_stats(j->file, &s);
	if (j->cli->json) {
		_cleanup_(json_decrefp) json_t *o =
			json_pack("{s:s, s:I, s:s}", "file", path, "records", (json_int_t)s.records,
				  "sha256", s.sha256);

		return render_json(j->cli, o);
	}
	cli_say(j->cli, "%s: %" PRIu64 " records, sha256 %s", path, s.records, s.sha256);
	return CLI_OK;
}

static int read_options(struct job *j)
{
	const char *format = cli_value(j->cli, CLI_OPTION_FORMAT, "ndjson");
	int known = export_format_from_str(format);

	if (known < 0) {
		_cleanup_(text_done) struct text names = {.growing = true};

		export_format_names(&names);
		return cli_usage(j->cli, "--format '%s' is none of %s", format, names.data ?: "");
	}
	j->format = (enum export_format)known;
	return query_parse(j->cli, &j->query);
}

int cmd_audit_export(struct cli *cli)
{
	const char *path = cli_operand(cli, 0, NULL);
	struct job j = {.cli = cli, .dir = cli_value(cli, CLI_OPTION_DIR, NULL)};
	const struct sigaction action = {.sa_handler = on_signal};
	char host[EXPORT_HOST_SIZE];
	int exit = read_options(&j);

	if (exit != CLI_OK)
		return exit;
	export_host(host);
	if (path)
		for (size_t i = 0; i < 3; i++)
			sigaction((const int[]){SIGINT, SIGTERM, SIGHUP}[i], &action, NULL);
	if (export_file_open(&(struct export_file_options){path, j.format,
							   cli_value(cli, CLI_OPTION_GZIP, NULL),
							   host},
			     &j.file, &j.fault) < 0)
		return cli_fault(cli, &j.fault);
	text_init_growing(&j.line);
	exit = j.dir ? run_offline(&j) : run_online(&j);
	if (exit == CLI_OK)
		exit = finish(&j, path, host);
	export_file_close(j.file);
	text_done(&j.line);
	return exit;
}
