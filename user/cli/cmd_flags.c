/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flags: list them with who set them, set them, and take back what was set. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/flags.h"
#include "policy/policy.h"

static void put_words(struct text *t, const json_t *words)
{
	const json_t *word;
	size_t i;

	json_array_foreach (words, i, word) {
		text_printf(t, "%s%s", t->length ? " " : "", json_string_value(word) ?: "");
	}
}

/* "10.0.0.0/8 acme": sources and tenants in a row. */
static void put_targets(struct text *t, const json_t *flag)
{
	put_words(t, json_object_get(flag, "sources"));
	put_words(t, json_object_get(flag, "tenants"));
}

static const char *state_of(const json_t *flag)
{
	if (member_bool(flag, "orphaned"))
		return "orphaned";
	if (member_bool(flag, "expired"))
		return "expired";
	return member_bool(flag, "enabled") ? "on" : "off";
}

void flag_words(const json_t *flag, char ret[static FLAG_WORDS_SIZE])
{
	const char *reason = member_text(flag, "reason"), *until = member_text(flag, "until");
	char at[RENDER_TIME_SIZE], end[RENDER_TIME_SIZE];
	_cleanup_(text_done) struct text targets = {0};
	struct text t;

	render_time(member_text(flag, "set_at"), at);
	render_time(until, end);
	text_init_growing(&targets);
	put_targets(&targets, flag);
	text_init(&t, ret, FLAG_WORDS_SIZE);
	text_printf(&t, "%s, %s", state_of(flag), member_text(flag, "rollout"));
	if (targets.length)
		text_printf(&t, " and %.200s", targets.data);
	if (*member_text(flag, "set_by")) /* others than members are not told */
		text_printf(&t, ", set by %s at %s", member_text(flag, "set_by"), at);
	if (*until)
		text_printf(&t, ", until %s", end);
	if (*reason)
		text_printf(&t, ": %s", reason);
	utf8_repair(ret); /* it may have been cut */
}

static void put_set_by(struct table *t, const json_t *flag)
{
	const char *by = member_text(flag, "set_by"), *until = member_text(flag, "until");
	char at[RENDER_TIME_SIZE], end[RENDER_TIME_SIZE];

	render_time(member_text(flag, "set_at"), at);
	if (!*until)
		until = member_text(json_object_get(flag, "policy"), "expires");
	render_time(until, end);
	table_cell(t, "%s", *by ? by : "policy");
	table_cell(t, "%s", at);
	table_cell(t, "%s", end);
	table_cell(t, "%s", *by ? member_text(flag, "reason") : member_text(flag, "description"));
}

static void put_limits(struct table *t, const json_t *flag)
{
	_cleanup_(text_done) struct text names = {0};

	text_init_growing(&names);
	put_words(&names, json_object_get(flag, "limits"));
	table_cell(t, "%s", names.length ? names.data : "-");
}

int cmd_flags_list(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(table_done) struct table t = {0};
	const json_t *flag;
	size_t i;
	int exit = ask_get_json(cli, "/v1/flags", &answer);

	if (exit != CLI_OK || !answer)
		return exit;
	table_init(&t, "FLAG", "STATE", ">ROLLOUT", "AND", "LIMITS", "SET BY", "AT", "UNTIL",
		   "REASON", NULL);
	json_array_foreach (json_object_get(answer, "items"), i, flag) {
		_cleanup_(text_done) struct text targets = {0};

		text_init_growing(&targets);
		put_targets(&targets, flag);
		table_cell(&t, "%s", member_text(flag, "name"));
		table_cell(&t, "%s", state_of(flag));
		table_cell(&t, "%s", member_text(flag, "rollout"));
		table_cell(&t, "%s", targets.length ? targets.data : "-");
		put_limits(&t, flag);
		put_set_by(&t, flag);
	}
	return table_print(&t, cli);
}

static bool is_name(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return length && !text[length] && length <= POLICY_NAME_MAX;
}

/* The words of "a,b,c"; "none" is an empty list. */
static json_t *split(const char *words)
{
	json_t *items = json_array();

	while (*words && strcmp(words, "none") != 0) {
		size_t length = strcspn(words, ",");

		json_array_append_new(items, json_stringn(words, length));
		words += length + (words[length] == ',');
	}
	return items;
}

static void say(const struct cli *cli, const char *name, const json_t *answer)
{
	const json_t *flag = json_object_get(answer, "flag");
	_cleanup_(text_done) struct text targets = {0};
	bool on = member_bool(flag, "in_force");

	if (!json_is_object(flag)) {
		cli_say(cli, "flag %s is forgotten", name);
		return;
	}
	text_init_growing(&targets);
	put_targets(&targets, flag);
	cli_say(cli, "flag %s is %s%s%s of the sources%s%s%s", name, state_of(flag),
		on ? " for " : "; its share is ", member_text(flag, "rollout"),
		targets.length ? " and " : "", targets.length ? targets.data : "",
		*member_text(flag, "set_by") ? "" : ", as the policy says");
	if (!member_bool(answer, "persisted"))
		cli_talk(cli, "NOT KEPT: this does not survive a restart, the store cannot be "
			      "written");
}

static int ask_flag(struct cli *cli, const char *method, const char *body)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	const char *name = cli_operand(cli, 0, "");
	char path[POLICY_NAME_MAX + 32];
	struct client_request request = {.method = method,
					 .path = path,
					 .type = "application/json",
					 .body = body,
					 .length = strlen(body)};
	int exit;

	if (!is_name(name))
		return cli_usage(cli, "'%s' is no name of a flag", name);
	snprintf(path, sizeof(path), "/v1/flags/%s", name);
	exit = ask_json(cli, &request, &answer);
	if (exit == CLI_OK && answer)
		say(cli, name, answer);
	return exit;
}

/* PUT @change, which is taken, with what the options add to it. */
static int put(struct cli *cli, json_t *change)
{
	const char *ttl = cli_value(cli, CLI_OPTION_TTL, NULL);
	const char *reason = cli_value(cli, CLI_OPTION_REASON, NULL);
	_cleanup_free_ char *body = NULL;

	if (ttl)
		json_object_set_new(change, "ttl",
				    strcmp(ttl, "none") == 0 ? json_null() : json_string(ttl));
	if (reason && json_object_set_new(change, "reason", json_string(reason)) < 0) {
		json_decref(change);
		return cli_usage(cli, "the reason is not UTF-8");
	}
	body = json_dumps(change, JSON_COMPACT);
	json_decref(change);
	if (!body)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	return ask_flag(cli, "PUT", body);
}

int cmd_flags_set(struct cli *cli)
{
	const char *word = cli_operand(cli, 1, "");
	bool on = strcmp(word, "on") == 0;

	if (!on && strcmp(word, "off") != 0)
		return cli_usage(cli, "'%s' is neither on nor off", word);
	return put(cli, json_pack("{s:b}", "enabled", on));
}

int cmd_flags_rollout(struct cli *cli)
{
	const char *share = cli_operand(cli, 1, "");
	struct fault f = {0};
	uint16_t permille;

	if (policy_rollout_parse(share, &permille, &f) < 0)
		return cli_usage(cli, "%s", f.text);
	return put(cli, json_pack("{s:s}", "rollout", share));
}

int cmd_flags_target(struct cli *cli)
{
	const char *sources = cli_value(cli, CLI_OPTION_SOURCES, NULL);
	const char *tenants = cli_value(cli, CLI_OPTION_TENANTS, NULL);
	json_t *change = json_object();

	if (!sources && !tenants) {
		json_decref(change);
		return cli_usage(cli, "say whom: --sources, --tenants or both");
	}
	if (sources)
		json_object_set_new(change, "sources", split(sources));
	if (tenants)
		json_object_set_new(change, "tenants", split(tenants));
	return put(cli, change);
}

int cmd_flags_unset(struct cli *cli)
{
	return ask_flag(cli, "DELETE", "");
}
