/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The vault: how it is, and another key for it; and how commands that work on files open it. */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/render.h"
#include "cli/vault.h"

int cli_vault_open(const struct cli *cli, const char *state_dir, bool read_only, struct vault **ret)
{
	const struct vault_options options = {
		.state_dir = state_dir,
		.key = cli_value(cli, CLI_OPTION_VAULT_KEY, NULL),
		.read_only = read_only,
	};
	struct fault f = {0};

	return vault_open(&options, ret, &f) < 0 ? cli_fault(cli, &f) : CLI_OK;
}

int cli_vault_of_log(const struct cli *cli, const char *audit_dir, struct vault **ret)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/..", audit_dir) >= (int)sizeof(path))
		return cli_fail(cli, CLI_FAILED, "vault.path", "the path is too long", NULL);
	return cli_vault_open(cli, path, true, ret);
}

static void put(struct table *t, const json_t *vault, const char *words, const char *key)
{
	table_cell(t, "%s", words);
	table_cell(t, "%s", *member_text(vault, key) ? member_text(vault, key) : "-");
}

static void put_time(struct table *t, const json_t *vault, const char *words, const char *key)
{
	char time[RENDER_TIME_SIZE];

	render_time(member_text(vault, key), time);
	table_cell(t, "%s", words);
	table_cell(t, "%s", time);
}

/* The categories by what is kept of people in their records. */
static void put_modes(struct table *t, const json_t *modes, const char *mode)
{
	_cleanup_(text_done) struct text names = {.growing = true};
	const char *category;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)modes, category, value)
		if (strcmp(json_string_value(value) ?: "", mode) == 0)
			text_printf(&names, "%s%s", names.length ? ", " : "", category);
	if (!names.length)
		return;
	table_cell(t, "%s in", mode);
	table_cell(t, "%s", names.data);
}

static int say(const struct cli *cli, const json_t *vault)
{
	_cleanup_(table_done) struct table t = {0};
	const char *state = member_text(vault, "state"), *error = member_text(vault, "error");

	if (strcmp(state, "works") != 0)
		cli_say(cli, "LOCKED (%s): records name no addresses and no users: %s", state,
			error);
	else if (*error)
		cli_say(cli, "it failed: %s", error);
	if (*member_text(vault, "set_aside"))
		cli_say(cli, "DAMAGED: what it held lies in %s and cannot be opened",
			member_text(vault, "set_aside"));
	table_init(&t, "", "", NULL);
	put(&t, vault, "file", "path");
	put(&t, vault, "key in", "key_source");
	put(&t, vault, "key", "key");
	put_time(&t, vault, "made", "created_at");
	put_time(&t, vault, "key changed", "rotated_at");
	table_cell(&t, "subjects");
	table_cell(&t, "%" PRIu64 ", %" PRIu64 " of them new since the daemon started",
		   member_u64(vault, "subjects"), member_u64(vault, "new_subjects"));
	table_cell(&t, "values");
	table_cell(&t, "%" PRIu64 " sealed, %" PRIu64 " opened, %" PRIu64 " refused",
		   member_u64(vault, "sealed"), member_u64(vault, "opened"),
		   member_u64(vault, "refused"));
	put_modes(&t, json_object_get(vault, "personal"), "sealed");
	put_modes(&t, json_object_get(vault, "personal"), "truncated");
	put_modes(&t, json_object_get(vault, "personal"), "clear");
	return table_print(&t, cli);
}

int cmd_vault_status(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *vault = NULL;
	int exit = ask_get_json(cli, "/v1/vault", &vault);

	return exit != CLI_OK || !vault ? exit : say(cli, vault);
}

int cmd_vault_rotate(struct cli *cli)
{
	const struct client_request request = {
		.method = "POST", .path = "/v1/vault/rotate", .body = ""};
	_cleanup_(json_decrefp) json_t *vault = NULL;
	int exit = ask_json(cli, &request, &vault);

	if (exit != CLI_OK || !vault)
		return exit;
	cli_say(cli, "the vault is locked with the new key %s, in %s", member_text(vault, "key"),
		member_text(vault, "key_source"));
	cli_say(cli, "copies of %s that were made before still open with the former key",
		member_text(vault, "path"));
	return CLI_OK;
}
