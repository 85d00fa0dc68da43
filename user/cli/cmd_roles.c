/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who may do what: the daemon's tables, and what oneself may. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/render.h"

static bool holds(const json_t *words, const char *word)
{
	const json_t *item;
	size_t i;

	json_array_foreach (words, i, item) {
		if (strcmp(json_string_value(item) ?: "", word) == 0)
			return true;
	}
	return false;
}

/* The words, joined. */
static const char *join(const json_t *words, char *ret, size_t size)
{
	const json_t *word;
	struct text t;
	size_t i;

	text_init(&t, ret, size);
	json_array_foreach (words, i, word) {
		text_printf(&t, "%s%s", i ? ", " : "", json_string_value(word) ?: "");
	}
	return ret;
}

static void put_permissions(struct table *t, const json_t *answer)
{
	const json_t *mine = json_object_get(json_object_get(answer, "you"), "permissions");
	const json_t *permission;
	char words[128];
	size_t i;

	json_array_foreach (json_object_get(answer, "permissions"), i, permission) {
		const char *name = member_text(permission, "permission");

		table_cell(t, "%s", name);
		table_cell(t, "%s", holds(mine, name) ? "yes" : "no");
		table_cell(
			t, "%s",
			member_bool(permission, "anybody")
				? "anybody"
				: join(json_object_get(permission, "roles"), words, sizeof(words)));
		table_cell(t, "%s", member_text(permission, "description"));
	}
}

static int print_permissions(const struct cli *cli, const json_t *answer)
{
	_cleanup_(table_done) struct table t = {0};

	table_init(&t, "PERMISSION", "YOU", "ROLES", "WHAT", NULL);
	put_permissions(&t, answer);
	return table_print(&t, cli);
}

static int print_roles(const struct cli *cli, const json_t *answer)
{
	_cleanup_(table_done) struct table t = {0};
	const json_t *role;
	size_t i;

	table_init(&t, "ROLE", "GROUP", "WHAT", NULL);
	json_array_foreach (json_object_get(answer, "roles"), i, role) {
		table_cell(&t, "%s", member_text(role, "role"));
		table_cell(&t, "%s", member_text(role, "group"));
		table_cell(&t, "%s", member_text(role, "description"));
	}
	return table_print(&t, cli);
}

/* What a rule leaves, in a cell. */
static void put_left(struct table *t, const json_t *rule)
{
	static const char *const lists[] = {"permissions", "prefixes", "tenants"};
	_cleanup_(text_done) struct text words = {.growing = true};
	char joined[512];

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (json_object_get(rule, lists[i]))
			text_printf(&words, "%s%s", words.length ? "; " : "",
				    join(json_object_get(rule, lists[i]), joined, sizeof(joined)));
	if (member_bool(rule, "scheduled"))
		text_printf(&words, "%sby its schedule, which says %s now",
			    words.length ? "; " : "", member_bool(rule, "in_time") ? "yes" : "no");
	table_cell(t, "%s", words.length ? words.data : "-");
}

static int print_rules(const struct cli *cli, const json_t *rules)
{
	_cleanup_(table_done) struct table t = {0};
	const json_t *rule;
	size_t i;

	if (!json_array_size(rules))
		return CLI_OK;
	cli_say(cli, "%s", "");
	table_init(&t, "RULE", "YOU", "USER", "ROLE", ">LINE", "ONLY", NULL);
	json_array_foreach (rules, i, rule) {
		const char *user = member_text(rule, "user"), *role = member_text(rule, "role");

		table_cell(&t, "%s", member_text(rule, "name"));
		table_cell(&t, "%s", member_bool(rule, "about_you") ? "yes" : "no");
		table_cell(&t, "%s", *user ? user : "-");
		table_cell(&t, "%s", *role ? role : "-");
		table_cell(&t, "%" PRIu64, member_u64(rule, "line"));
		put_left(&t, rule);
	}
	return table_print(&t, cli);
}

static void say_who(const struct cli *cli, const json_t *you)
{
	const char *credential = member_text(you, "credential");
	const json_t *roles = json_object_get(you, "roles");
	char words[128];

	cli_say(cli, "you are %s: %s%s%s", member_text(you, "username"),
		json_array_size(roles) ? join(roles, words, sizeof(words)) : "no role",
		*credential ? ", narrowed by the key or session " : "", credential);
}

int cmd_roles(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int exit = ask_get_json(cli, "/v1/roles", &answer);

	if (exit != CLI_OK || !answer)
		return exit;
	say_who(cli, json_object_get(answer, "you"));
	cli_say(cli, "%s", "");
	exit = print_roles(cli, answer);
	cli_say(cli, "%s", "");
	exit = exit ?: print_permissions(cli, answer);
	return exit ?: print_rules(cli, json_object_get(answer, "rules"));
}
