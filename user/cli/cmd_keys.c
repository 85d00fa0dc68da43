/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* API keys. */
#include <string.h>

#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/render.h"

#define KEYS "/v1/keys"

/* The words of @option, separated by commas, as the member @name. */
static void put_words(const struct cli *cli, json_t *body, enum cli_option option, const char *name)
{
	const char *words = cli_value(cli, option, NULL);
	json_t *items = words ? json_array() : NULL;

	while (words) {
		size_t length = strcspn(words, ",");

		json_array_append_new(items, json_stringn(words, length));
		words = words[length] ? words + length + 1 : NULL;
	}
	if (items)
		json_object_set_new(body, name, items);
}

static void put_text(const struct cli *cli, json_t *body, enum cli_option option, const char *name)
{
	if (cli_value(cli, option, NULL))
		json_object_set_new(body, name, json_string(cli_value(cli, option, NULL)));
}

/* The key alone to stdout, for whoever redirects it; what to do with it to people. */
static void say_key(const struct cli *cli, const json_t *answer)
{
	cli_say(cli, "%s", member_text(answer, "key"));
	cli_talk(cli,
		 "this is key %s; it is not shown again. Keep it in a file that only its user "
		 "can read, and give that as --key-file",
		 member_text(answer, "id"));
}

int cmd_keys_create(struct cli *cli)
{
	json_t *body = json_pack("{s:s}", "name", cli_operand(cli, 0, ""));
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int exit;

	if (!body || !cli_value(cli, CLI_OPTION_ROLE, NULL)) {
		json_decref(body);
		return cli_usage(cli, "which role? --role operator");
	}
	put_text(cli, body, CLI_OPTION_ROLE, "role");
	put_text(cli, body, CLI_OPTION_HOURS, "hours");
	put_text(cli, body, CLI_OPTION_RATE, "rate");
	put_text(cli, body, CLI_OPTION_TTL, "expires");
	put_words(cli, body, CLI_OPTION_PERMISSIONS, "permissions");
	put_words(cli, body, CLI_OPTION_SOURCES, "prefixes");
	put_words(cli, body, CLI_OPTION_TENANTS, "tenants");
	exit = ask_post_json(cli, KEYS, body, &answer);
	if (exit == CLI_OK && answer)
		say_key(cli, answer);
	return exit;
}

/* KEYS/ID, and what follows. False: there is no memory. */
static bool put_path(struct text *path, const char *id, const char *rest)
{
	text_puts(path, KEYS "/");
	client_put_escaped(path, id);
	text_puts(path, rest);
	return !path->truncated;
}

int cmd_keys_rotate(struct cli *cli)
{
	_cleanup_(text_done) struct text path = {.growing = true};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	json_t *body;
	int exit;

	if (!put_path(&path, cli_operand(cli, 0, ""), "/rotate"))
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	body = json_object();
	put_text(cli, body, CLI_OPTION_TTL, "overlap");
	exit = ask_post_json(cli, path.data, body, &answer);
	if (exit == CLI_OK && answer)
		say_key(cli, answer);
	return exit;
}

int cmd_keys_revoke(struct cli *cli)
{
	_cleanup_(text_done) struct text path = {.growing = true};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct client_request request = {.method = "DELETE"};
	int exit;

	if (!put_path(&path, cli_operand(cli, 0, ""), ""))
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	request.path = path.data;
	exit = ask_json(cli, &request, &answer);
	if (exit == CLI_OK && answer)
		cli_say(cli, "revoked: %s", member_text(answer, "id"));
	return exit;
}

/* What it is for, where and when, in a cell. */
static void put_rules(struct table *t, const json_t *key)
{
	static const char *const lists[] = {"permissions", "prefixes", "tenants"};
	_cleanup_(text_done) struct text words = {.growing = true};
	const json_t *word;
	size_t i;

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
		json_array_foreach (json_object_get(key, lists[k]), i, word) {
			text_printf(&words, "%s%s", words.length ? " " : "",
				    json_string_value(word) ?: "");
		}
	}
	if (*member_text(key, "hours"))
		text_printf(&words, "%s%s UTC", words.length ? " " : "", member_text(key, "hours"));
	if (*member_text(key, "rate"))
		text_printf(&words, "%s%s", words.length ? " " : "", member_text(key, "rate"));
	table_cell(t, "%s", words.length ? words.data : "-");
}

int cmd_keys_list(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(table_done) struct table t = {0};
	int exit = ask_get_json(cli, KEYS, &answer);
	const json_t *key;
	size_t i;

	if (exit != CLI_OK || !answer)
		return exit;
	table_init(&t, "KEY", "NAME", "STATE", "ROLE", "ONLY", "BY", "EXPIRES", "LAST USED", NULL);
	json_array_foreach (json_object_get(answer, "items"), i, key) {
		char expires[RENDER_TIME_SIZE], used[RENDER_TIME_SIZE];

		render_time(member_text(key, "expires_at"), expires);
		render_time(member_text(key, "last_used_at"), used);
		table_cell(&t, "%s", member_text(key, "id"));
		table_cell(&t, "%s", member_text(key, "name"));
		table_cell(&t, "%s", member_text(key, "state"));
		table_cell(&t, "%s", member_text(key, "role"));
		put_rules(&t, key);
		table_cell(&t, "%s", member_text(key, "made_by"));
		table_cell(&t, "%s", expires);
		table_cell(&t, "%s", used);
	}
	return table_print(&t, cli);
}
