/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What would become of a packet, stage by stage, and why: the program's own word, with who and what is behind it. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/entries.h"
#include "cli/render.h"
#include "cli/source.h"
#include "policy/units.h"

static const struct {
	const char *verdict, *words;
} verdicts[] = {
	{"pass", "passes"},
	{"drop", "is dropped"},
	{"would_drop", "would be dropped, but the mode is not enforce: it passes"},
	{"mark", "passes, marked"},
	{"reply", "is dropped and answered"},
};

static const struct {
	const char *cookie, *words;
} cookies[] = {
	{"unknown", "unless the listener wants a SYN cookie: then it is answered with one"},
	{"no_listener", "with no SYN cookie: nobody listens there, or it belongs to a connection"},
	{"off", "with no SYN cookie: net.ipv4.tcp_syncookies is 0"},
	{"has_room", "with no SYN cookie: the listener has room for half-open connections"},
	{"no_room", "with no SYN cookie: too many connections wait to be accepted"},
	{"answered", "with a SYN cookie, as the listener wants it"},
};

static void put_assumed(const json_t *answer, char *ret, size_t size)
{
	const json_t *item;
	struct text t;
	size_t i;

	text_init(&t, ret, size);
	json_array_foreach (json_object_get(answer, "assumed"), i, item) {
		text_printf(&t, "%s%s", i ? ", " : " (assumed: ", json_string_value(item));
	}
	if (t.length)
		text_puts(&t, ")");
}

static void say_verdict(const struct cli *cli, const json_t *answer)
{
	const char *packet = member_text(answer, "packet");
	const char *verdict = member_text(answer, "verdict"), *words = verdict;
	char assumed[80];

	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
		if (strcmp(verdict, verdicts[i].verdict) == 0)
			words = verdicts[i].words;
	put_assumed(answer, assumed, sizeof(assumed));
	cli_say(cli, "%s%s", *packet ? packet : "the frame", assumed);
	cli_say(cli, "%s: %s (%s)", words, member_text(answer, "words"),
		member_text(answer, "reason"));
	for (size_t i = 0; i < ARRAY_SIZE(cookies); i++)
		if (strcmp(member_text(answer, "cookie"), cookies[i].cookie) == 0)
			cli_say(cli, "%s", cookies[i].words);
}

/* "policy.yaml:12", or "-". */
static void format_place(const json_t *item, char *ret, size_t size)
{
	const char *file = member_text(item, "file");

	if (member_u64(item, "line"))
		snprintf(ret, size, "%s%s%" PRIu64, file, *file ? ":" : "line ",
			 member_u64(item, "line"));
	else
		snprintf(ret, size, "-");
}

static void put_mode(struct text *t, const json_t *answer)
{
	const json_t *mode = json_object_get(answer, "mode"),
		     *panic = json_object_get(mode, "panic");

	text_printf(t, "%s, as the %s says", member_text(mode, "in_force"),
		    member_text(mode, "because"));
	if (json_is_object(panic))
		text_printf(t, " (%s: %s)", member_text(panic, "by"), member_text(panic, "reason"));
	text_printf(t, "; generation %" PRIu64, member_u64(answer, "generation"));
}

static void put_lists(struct text *t, const json_t *answer)
{
	const json_t *entries = json_object_get(answer, "lists");

	if (*member_text(answer, "matched"))
		text_printf(t, "%s is on the %s list", member_text(answer, "matched"),
			    member_text(json_array_get(entries, 0), "list"));
	else
		text_puts(t, json_array_size(entries) ? "listed, but not in force" : "on no list");
}

static void put_limits(struct text *t, const json_t *answer)
{
	const char *refused = member_text(answer, "refused_by");

	if (*refused)
		text_printf(t, "'%s' refused it; ", refused);
	text_printf(t, "%zu apply", json_array_size(json_object_get(answer, "limits")));
	if (*member_text(answer, "tenant"))
		text_printf(t, "; tenant %s", member_text(answer, "tenant"));
}

static void put_finding(struct text *t, const json_t *answer, const char *stage, bool decided)
{
	if (strcmp(stage, "mode") == 0)
		put_mode(t, answer);
	else if (strcmp(stage, "lists") == 0)
		put_lists(t, answer);
	else if (strcmp(stage, "limits") == 0)
		put_limits(t, answer);
	else
		text_puts(t, decided ? member_text(answer, "words") : "in order");
}

static int print_stages(const struct cli *cli, const json_t *answer)
{
	_cleanup_(table_done) struct table t = {0};
	const json_t *stage;
	size_t i;

	fputc('\n', cli->out);
	table_init(&t, "STAGE", "PASSAGE", "FOUND", NULL);
	json_array_foreach (json_object_get(answer, "stages"), i, stage) {
		const char *passage = member_text(stage, "passage");
		bool reached = strcmp(passage, "not_reached") != 0;
		char words[256];
		struct text found;

		text_init(&found, words, sizeof(words));
		if (reached)
			put_finding(&found, answer, member_text(stage, "stage"),
				    strcmp(passage, "decided") == 0);
		table_cell(&t, "%s", member_text(stage, "stage"));
		table_cell(&t, "%s", passage);
		table_cell(&t, "%s", reached ? words : "-");
	}
	return table_print(&t, cli);
}

static void put_bucket(struct table *t, const json_t *bucket)
{
	const json_t *wait = json_object_get(bucket, "wait_ns");
	char text[RENDER_DURATION_SIZE] = "-";

	if (!json_is_object(bucket)) {
		for (int i = 0; i < 3; i++)
			table_cell(t, "-");
		return;
	}
	table_cell(t, "%" PRIu64, member_u64(bucket, "available"));
	table_cell(t, "%" PRIu64, member_u64(bucket, "burst"));
	if (!json_is_integer(wait))
		snprintf(text, sizeof(text), "never");
	else if (json_integer_value(wait))
		format_duration((uint64_t)json_integer_value(wait), text, sizeof(text));
	table_cell(t, "%s", text);
}

static int print_limits(const struct cli *cli, const json_t *limits)
{
	_cleanup_(table_done) struct table t = {0};
	const json_t *limit;
	char place[300];
	size_t i;

	if (!json_array_size(limits))
		return CLI_OK;
	fputc('\n', cli->out);
	table_init(&t, "LIMIT", "UNIT", "SCOPE", "ALGORITHM", ">LEFT", ">BURST", ">WAIT", "FOUND",
		   "RULE", NULL);
	json_array_foreach (limits, i, limit) {
		format_place(limit, place, sizeof(place));
		table_cell(&t, "%s", member_text(limit, "name"));
		table_cell(&t, "%s", member_text(limit, "unit"));
		table_cell(&t, "%s", member_text(limit, "scope"));
		table_cell(&t, "%s", member_text(limit, "algorithm"));
		put_bucket(&t, json_object_get(limit, "bucket"));
		table_cell(&t, "%s%s", member_text(limit, "finding"),
			   member_bool(limit, "no_room")       ? ", no room for its state"
			   : member_bool(limit, "shares_cell") ? ", shares a cell"
							       : "");
		table_cell(&t, "%s", place);
	}
	return table_print(&t, cli);
}

static int print_events(const struct cli *cli, const json_t *answer)
{
	_cleanup_(table_done) struct table t = {0};
	const json_t *events = json_object_get(answer, "events"), *event;
	char time[RENDER_TIME_SIZE];
	size_t i;

	if (!json_array_size(events))
		return CLI_OK;
	fputc('\n', cli->out);
	table_init(&t, "LAST RECORDS", "TYPE", "ACTOR", "EVENT", NULL);
	json_array_foreach (events, i, event) {
		render_time(member_text(event, "timestamp"), time);
		table_cell(&t, "%s", time);
		table_cell(&t, "%s", member_text(event, "event_type"));
		table_cell(&t, "%s", member_text(json_object_get(event, "actor"), "username"));
		table_cell(&t, "%s", member_text(event, "event_id"));
	}
	return table_print(&t, cli);
}

static void say_cause(const struct cli *cli, const json_t *cause)
{
	const char *reason = member_text(json_object_get(cause, "details"), "reason");
	char time[RENDER_TIME_SIZE];

	if (!json_is_object(cause))
		return;
	render_time(member_text(cause, "timestamp"), time);
	fputc('\n', cli->out);
	cli_say(cli, "behind it: %s by %s at %s%s%s, event %s", member_text(cause, "event_type"),
		member_text(json_object_get(cause, "actor"), "username"), time, *reason ? ": " : "",
		reason, member_text(cause, "event_id"));
}

static void say_way_out(const struct cli *cli, const json_t *answer)
{
	const json_t *wait = json_object_get(answer, "passes_in_ns");
	char text[RENDER_DURATION_SIZE];

	if (json_is_integer(wait) && json_integer_value(wait)) {
		format_duration((uint64_t)json_integer_value(wait), text, sizeof(text));
		cli_say(cli, "the next one passes in %s", text);
	}
	if (*member_text(answer, "undo"))
		cli_say(cli, "to let it through: %s", member_text(answer, "undo"));
}

static void say_interfaces(const struct cli *cli, const json_t *interfaces)
{
	const json_t *item;
	size_t i;

	json_array_foreach (interfaces, i, item) {
		if (strcmp(member_text(item, "state"), "attached") != 0)
			cli_say(cli, "but %s is %s: there nothing is dropped",
				member_text(item, "name"), member_text(item, "state"));
	}
}

static int print(const struct cli *cli, const json_t *answer)
{
	const json_t *lists = json_object_get(answer, "lists");
	int exit;

	say_verdict(cli, answer);
	say_interfaces(cli, json_object_get(answer, "interfaces"));
	exit = print_stages(cli, answer);
	if (exit == CLI_OK && json_array_size(lists)) {
		fputc('\n', cli->out);
		exit = entries_print(cli, lists, NULL);
	}
	if (exit == CLI_OK)
		exit = print_limits(cli, json_object_get(answer, "limits"));
	if (exit == CLI_OK)
		exit = source_print_recent(cli, json_object_get(answer, "recent"));
	if (exit == CLI_OK)
		exit = print_events(cli, answer);
	if (exit == CLI_OK)
		say_cause(cli, json_object_get(answer, "cause"));
	if (exit == CLI_OK)
		say_way_out(cli, answer);
	return exit;
}

int cmd_explain(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(text_done) struct text path = {.growing = true};
	int exit;

	text_puts(&path, "/v1/explain?packet=");
	client_put_escaped(&path, cli_operand(cli, 0, ""));
	if (path.truncated)
		return cli_usage(cli, "out of memory");
	exit = ask_get_json(cli, path.data, &answer);
	return exit == CLI_OK && answer ? print(cli, answer) : exit;
}
