/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long records of the audit log are kept, and what is held. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/render.h"

#define RULES	"/v1/governance/retention-policies"
#define HOLDS	"/v1/governance/holds"
#define POLL_NS (200 * NSEC_PER_MSEC)

static void say_run(const struct cli *cli, const json_t *run)
{
	const char *error = member_text(run, "error");

	if (member_bool(run, "running"))
		cli_say(cli, "records are being taken out now");
	else if (*member_text(run, "started_at"))
		cli_say(cli,
			"%s: %" PRIu64 " records of %" PRIu64 " segments taken out, %" PRIu64
			" bytes less, %" PRIu64 " archives removed",
			member_bool(run, "stopped") ? "stopped" : "done",
			member_u64(run, "expired"), member_u64(run, "rewritten"),
			member_u64(run, "bytes_saved"), member_u64(run, "archives_removed"));
	if (*error)
		cli_say(cli, "failed: %s", error);
}

/* Who said so: somebody, a line of the policy, or nobody. */
static void put_by(struct table *t, const json_t *rule)
{
	const char *by = member_text(rule, "set_by");

	if (member_u64(rule, "policy_line"))
		table_cell(t, "policy line %" PRIu64, member_u64(rule, "policy_line"));
	else
		table_cell(t, "%s", *by ? by : "-");
}

static void put_archives(struct table *t, const json_t *archives)
{
	uint64_t keep = member_u64(archives, "keep_seconds");
	char age[40] = "for ever";

	if (keep)
		format_duration(keep * NSEC_PER_SEC, age, sizeof(age));
	table_cell(t, "archives");
	table_cell(t, "%s", member_bool(archives, "made") ? age : "none are made");
	put_by(t, archives);
	table_cell(t, "-");
	table_cell(t, "-");
}

static int say_rules(const struct cli *cli, const json_t *answer)
{
	_cleanup_(table_done) struct table t = {0};
	const json_t *rule;
	size_t i;
	int exit;

	table_init(&t, "CATEGORY", "KEPT", "BY", "+SINCE", "REASON", NULL);
	json_array_foreach (json_object_get(answer, "items"), i, rule) {
		uint64_t keep = member_u64(rule, "keep_seconds");
		char age[40] = "for ever", since[RENDER_TIME_SIZE];

		if (keep)
			format_duration(keep * NSEC_PER_SEC, age, sizeof(age));
		render_time(member_text(rule, "set_at"), since);
		table_cell(&t, "%s", member_text(rule, "category"));
		table_cell(&t, "%s%s", age, member_bool(rule, "fixed") ? ", always" : "");
		put_by(&t, rule);
		table_cell(&t, "%s", since);
		table_cell(&t, "%s",
			   *member_text(rule, "reason") ? member_text(rule, "reason") : "-");
	}
	put_archives(&t, json_object_get(answer, "archives"));
	exit = table_print(&t, cli);
	say_run(cli, json_object_get(answer, "run"));
	return exit;
}

int cmd_retention_list(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int exit = ask_get_json(cli, RULES, &answer);

	return exit == CLI_OK && answer ? say_rules(cli, answer) : exit;
}

int cmd_retention_set(struct cli *cli)
{
	const char *reason = cli_value(cli, CLI_OPTION_REASON, NULL);
	_cleanup_(json_decrefp) json_t *answer = NULL;
	json_t *body = json_pack("{s:s, s:s}", "category", cli_operand(cli, 0, ""), "keep",
				 cli_operand(cli, 1, ""));
	int exit;

	if (body && reason)
		json_object_set_new(body, "reason", json_string(reason));
	exit = ask_post_json(cli, RULES, body, &answer);
	return exit == CLI_OK && answer ? say_rules(cli, answer) : exit;
}

/* The run goes on whether anybody waits or not. */
int cmd_retention_apply(struct cli *cli)
{
	const struct timespec pause = {.tv_nsec = (long)POLL_NS};
	const struct client_request request = {.method = "POST", .path = RULES "/apply"};
	_cleanup_(client_response_done) struct client_response begun = {0};
	_cleanup_(json_decrefp) json_t *run = NULL;
	int exit = ask(cli, &request, &begun);

	while (exit == CLI_OK) {
		_cleanup_(client_response_done) struct client_response response = {0};
		_cleanup_(json_decrefp) json_t *answer = NULL;

		exit = ask_get(cli, RULES, &response);
		if (exit == CLI_OK)
			exit = ask_decode(cli, &response, &answer);
		if (exit != CLI_OK)
			return exit;
		run = json_incref(json_object_get(answer, "run"));
		if (!member_bool(run, "running"))
			break;
		json_decref(run);
		run = NULL;
		nanosleep(&pause, NULL);
	}
	if (exit != CLI_OK)
		return exit;
	if (cli->json)
		exit = render_json(cli, run);
	else
		say_run(cli, run);
	return *member_text(run, "error") ? CLI_FAILED : exit;
}

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

static int list_holds(const struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(table_done) struct table t = {0};
	int exit = ask_get_json(cli, HOLDS, &answer);
	const json_t *hold;
	size_t i;

	if (exit != CLI_OK || !answer)
		return exit;
	table_init(&t, "HOLD", "CATEGORY", "ABOUT", "SINCE", "UNTIL", "BY", "+PLACED", "REASON",
		   NULL);
	json_array_foreach (json_object_get(answer, "items"), i, hold) {
		const char *category = member_text(hold, "category");
		char since[RENDER_TIME_SIZE], until[RENDER_TIME_SIZE], placed[RENDER_TIME_SIZE];

		render_time(member_text(hold, "since"), since);
		render_time(member_text(hold, "until"), until);
		render_time(member_text(hold, "placed_at"), placed);
		table_cell(&t, "%s", member_text(hold, "id"));
		table_cell(&t, "%s", *category ? category : "all");
		table_cell(&t, "%s", or_dash(member_text(hold, "subject")));
		table_cell(&t, "%s", since);
		table_cell(&t, "%s", until);
		table_cell(&t, "%s", member_text(hold, "placed_by"));
		table_cell(&t, "%s", placed);
		table_cell(&t, "%s", or_dash(member_text(hold, "reason")));
	}
	return table_print(&t, cli);
}

static int add_hold(const struct cli *cli)
{
	static const char *const keys[] = {"category", "since", "until", "subject"};
	const char *reason = cli_value(cli, CLI_OPTION_REASON, NULL);
	_cleanup_(json_decrefp) json_t *answer = NULL;
	json_t *body = json_object();
	int exit;

	for (size_t i = 1; i < cli->operand_count; i++) {
		const char *operand = cli_operand(cli, i, "");
		size_t length = strcspn(operand, "="), key = 0;

		while (key < ARRAY_SIZE(keys) &&
		       (strlen(keys[key]) != length || strncmp(keys[key], operand, length) != 0))
			key++;
		if (key == ARRAY_SIZE(keys) || !operand[length]) {
			json_decref(body);
			return cli_usage(
				cli,
				"'%s' is none of category=, since=, until= and subject=", operand);
		}
		json_object_set_new(body, keys[key], json_string(operand + length + 1));
	}
	if (reason)
		json_object_set_new(body, "reason", json_string(reason));
	exit = ask_post_json(cli, HOLDS, body, &answer);
	if (exit == CLI_OK && answer)
		cli_say(cli, "held: %s%s", member_text(answer, "id"),
			cli->operand_count > 1 ? "" : ", all records, of all times");
	return exit;
}

static int remove_hold(const struct cli *cli)
{
	const char *id = cli_operand(cli, 1, NULL);
	const char *reason = cli_value(cli, CLI_OPTION_REASON, NULL);
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(text_done) struct text path = {.growing = true};
	struct client_request request = {.method = "DELETE"};
	int exit;

	if (!id || cli->operand_count > 2)
		return cli_usage(cli, "which one? 'weir retention hold remove ID'");
	text_puts(&path, HOLDS "/");
	client_put_escaped(&path, id);
	if (reason) {
		text_puts(&path, "?reason=");
		client_put_escaped(&path, reason);
	}
	if (path.truncated)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	request.path = path.data;
	exit = ask_json(cli, &request, &answer);
	if (exit == CLI_OK && answer)
		cli_say(cli, "no longer held: %s", id);
	return exit;
}

int cmd_retention_hold(struct cli *cli)
{
	const char *verb = cli_operand(cli, 0, "");

	if (strcmp(verb, "add") == 0)
		return add_hold(cli);
	if (strcmp(verb, "remove") == 0)
		return remove_hold(cli);
	if (strcmp(verb, "list") != 0 || cli->operand_count > 1)
		return cli_usage(cli,
				 "a hold is listed, or added, or removed: add, list or remove");
	return list_holds(cli);
}
