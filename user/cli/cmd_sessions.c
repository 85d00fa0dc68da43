/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sessions and one-time passwords. */
#include <string.h>

#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/render.h"

#define SESSIONS "/v1/sessions"
#define TOTP	 "/v1/totp"

int cmd_sessions_list(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(table_done) struct table t = {0};
	int exit = ask_get_json(cli, SESSIONS, &answer);
	const json_t *session;
	size_t i;

	if (exit != CLI_OK || !answer)
		return exit;
	table_init(&t, "SESSION", "USER", "ROLE", "KEY", "OPENED", "EXPIRES", NULL);
	json_array_foreach (json_object_get(answer, "items"), i, session) {
		char opened[RENDER_TIME_SIZE], expires[RENDER_TIME_SIZE];
		const char *key = member_text(session, "key");

		render_time(member_text(session, "opened_at"), opened);
		render_time(member_text(session, "expires_at"), expires);
		table_cell(&t, "%s", member_text(session, "id"));
		table_cell(&t, "%s", member_text(session, "username"));
		table_cell(&t, "%s", member_text(session, "role"));
		table_cell(&t, "%s", *key ? key : "-");
		table_cell(&t, "%s", opened);
		table_cell(&t, "%s", expires);
	}
	return table_print(&t, cli);
}

/* DELETE @base, or of it what @id names. */
static int remove_at(const struct cli *cli, const char *base, const char *id, json_t **ret)
{
	_cleanup_(text_done) struct text path = {.growing = true};
	struct client_request request = {.method = "DELETE"};

	text_puts(&path, base);
	if (id) {
		text_puts(&path, "/");
		client_put_escaped(&path, id);
	}
	if (path.truncated)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	request.path = path.data;
	return ask_json(cli, &request, ret);
}

int cmd_sessions_end(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int exit = remove_at(cli, SESSIONS, cli_operand(cli, 0, ""), &answer);

	if (exit == CLI_OK && answer)
		cli_say(cli, "ended: %s", member_text(answer, "id"));
	return exit;
}

int cmd_totp_enroll(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int exit = ask_post_json(
		cli, TOTP, json_pack("{s:s}", "algorithm", cli_operand(cli, 0, "sha1")), &answer);

	if (exit != CLI_OK || !answer)
		return exit;
	cli_say(cli, "%s", member_text(answer, "uri"));
	cli_talk(cli,
		 "put this into your authenticator: it is not shown again. From now on what does "
		 "harm takes --totp CODE");
	return CLI_OK;
}

int cmd_totp_remove(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int exit = remove_at(cli, TOTP, cli_operand(cli, 0, NULL), &answer);

	if (exit == CLI_OK && answer)
		cli_say(cli, "one-time passwords are not asked for any more");
	return exit;
}
