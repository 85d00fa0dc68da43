/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is wrong with this host, and what to do about it. A daemon that runs is asked what it sees, as it may live in
 * another network; the rest is looked at from here, and all of it if there is none.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/render.h"
#include "doctor/doctor.h"

static json_t *line_json(const char *check, const char *status, const char *found, const char *fix)
{
	return json_pack("{s:s, s:s, s:s, s:s?}", "check", check, "status", status, "found", found,
			 "fix", *fix ? fix : NULL);
}

static void append_report(json_t *lines, const struct doctor_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct doctor_line *l = &report->lines[i];

		json_array_append_new(lines, line_json(l->check, doctor_status_to_str(l->status),
						       l->found, l->fix));
	}
}

/* Ask the daemon; NULL if none answers us. What keeps it from answering is a line. */
static json_t *ask_daemon(const struct cli *cli, json_t *lines)
{
	const struct client_request request = {.method = "GET", .path = "/v1/doctor"};
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct fault f = {0};
	int r = ask_call(cli, &request, &response, &f);

	if (r == -ENOENT || r == -ECONNREFUSED) {
		json_array_append_new(lines, line_json("daemon", "warn", "no daemon is running",
						       "weir daemon --iface NAME --policy FILE"));
		return NULL;
	}
	if (r < 0) {
		json_array_append_new(
			lines, line_json("daemon", "fail", f.text, "its log says what it does"));
		return NULL;
	}
	answer = json_loadb(response.body.data, response.body.length, 0, NULL);
	if (response.status == 200 && json_is_object(json_object_get(answer, "daemon")))
		return take_ptr(answer);
	json_array_append_new(lines,
			      line_json("daemon", "skip",
					response.status == 403 ? "it says so only to who has a role"
							       : "it cannot say: another version?",
					""));
	return NULL;
}

static void add_version(json_t *lines, const json_t *daemon)
{
	const char *theirs = member_text(daemon, "version");
	char found[160];

	snprintf(found, sizeof(found), "version %.60s, pid %" PRIu64, theirs,
		 member_u64(daemon, "pid"));
	if (strcmp(theirs, WEIR_VERSION) == 0) {
		json_array_append_new(lines, line_json("daemon", "ok", found, ""));
		return;
	}
	snprintf(found, sizeof(found), "it has version %.60s, this is %s", theirs, WEIR_VERSION);
	json_array_append_new(lines, line_json("daemon", "warn", found,
					       "restart it: enforcement goes on meanwhile"));
}

static const char *path_of(const struct cli *cli, const json_t *daemon, enum cli_option option,
			   const char *key, const char *fallback)
{
	const char *told = member_text(daemon, key);

	return cli_value(cli, option, *told ? told : fallback);
}

static void look(const struct cli *cli, const json_t *daemon, struct doctor_report *report)
{
	struct doctor_options options = {
		.sides = DOCTOR_FILES | DOCTOR_CALLER | (daemon ? 0 : DOCTOR_HOST),
		.root = "",
		.state_dir = path_of(cli, daemon, CLI_OPTION_STATE_DIR, "state_dir", CLI_STATE_DIR),
		.pin_dir = path_of(cli, daemon, CLI_OPTION_BPFFS, "bpffs", CLI_BPFFS),
		.policy_path = path_of(cli, daemon, CLI_OPTION_POLICY, "policy", NULL),
		.socket = cli->socket,
		.daemon_runs = daemon,
	};

	if (cli->values[CLI_OPTION_IFACE])
		options.ifaces[options.iface_count++] = cli->values[CLI_OPTION_IFACE];
	doctor_run(&options, report);
}

static unsigned int count(const json_t *lines, const char *status)
{
	unsigned int n = 0;
	const json_t *line;
	size_t i;

	json_array_foreach (lines, i, line)
		n += strcmp(member_text(line, "status"), status) == 0;
	return n;
}

static int print(const struct cli *cli, const json_t *lines)
{
	_cleanup_(table_done) struct table t = {0};
	const json_t *line;
	size_t i;
	int exit;

	table_init(&t, "", "", "", NULL);
	json_array_foreach (lines, i, line) {
		table_cell(&t, "%s", member_text(line, "status"));
		table_cell(&t, "%s", member_text(line, "check"));
		table_cell(&t, "%s", member_text(line, "found"));
		if (!*member_text(line, "fix"))
			continue;
		table_cell(&t, "%s", "");
		table_cell(&t, "%s", "");
		table_cell(&t, "-> %s", member_text(line, "fix"));
	}
	exit = table_print(&t, cli);
	cli_say(cli, "%u failed, %u warnings", count(lines, "fail"), count(lines, "warn"));
	return exit;
}

int cmd_doctor(struct cli *cli)
{
	_cleanup_free_ struct doctor_report *report = calloc(1, sizeof(*report));
	_cleanup_(json_decrefp) json_t *lines = json_array(), *answer = NULL, *result = NULL;
	const json_t *daemon = NULL;
	unsigned int failed;
	int exit;

	if (!report || !lines)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	answer = ask_daemon(cli, lines);
	daemon = json_object_get(answer, "daemon");
	if (daemon) {
		add_version(lines, daemon);
		json_array_extend(lines, json_object_get(answer, "checks"));
	}
	look(cli, daemon, report);
	append_report(lines, report);
	failed = count(lines, "fail");
	if (cli->json) {
		result = json_pack("{s:b, s:i, s:i, s:O}", "ok", !failed, "failed", (int)failed,
				   "warnings", (int)count(lines, "warn"), "checks", lines);
		exit = render_json(cli, result);
	} else {
		exit = print(cli, lines);
	}
	return failed ? CLI_FAILED : exit;
}
