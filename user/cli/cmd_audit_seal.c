/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The signed checkpoint of the audit log, and the keys that sign it: from the daemon, or from the files. */
#include <string.h>

#include "audit/keyring.h"
#include "audit/sealing.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/render.h"

/* POST with --reason, if there is one. */
static int post(const struct cli *cli, const char *path, json_t **ret)
{
	json_t *body = json_pack("{s:s*}", "reason", cli_value(cli, CLI_OPTION_REASON, NULL));

	if (!body)
		return cli_usage(cli, "--reason is not valid UTF-8");
	return ask_post_json(cli, path, body, ret);
}

static int acknowledge(const struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int exit = post(cli, "/v1/audit/checkpoint/acknowledge", &answer);

	if (exit == CLI_OK && answer)
		cli_say(cli, "the log is signed again, as %s", member_text(answer, "name"));
	return exit;
}

/* The note as it is: other tools read it. */
static int print_note(const struct cli *cli, const char *note, size_t length)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;

	if (!cli->json) {
		fwrite(note, 1, length, cli->out);
		return CLI_OK;
	}
	answer = json_pack("{s:s%}", "checkpoint", note, length);
	return render_json(cli, answer);
}

int cmd_audit_checkpoint(struct cli *cli)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	const char *action = cli_operand(cli, 0, NULL);
	const char *dir = cli_value(cli, CLI_OPTION_DIR, NULL);
	_cleanup_free_ char *note = NULL;
	struct fault f = {0};
	size_t length;
	int exit;

	if (action && strcmp(action, "acknowledge") != 0)
		return cli_usage(cli, "there is no '%s': acknowledge, or nothing", action);
	if (action)
		return acknowledge(cli);
	if (dir) {
		if (sealing_read_latest(dir, &note, &length, &f) < 0)
			return cli_fault(cli, &f);
		return print_note(cli, note, length);
	}
	exit = ask_get(cli, "/v1/audit/checkpoint", &response);
	return exit == CLI_OK ? print_note(cli, response.body.data, response.body.length) : exit;
}

static int rotate(const struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int exit = post(cli, "/v1/audit/keys/rotate", &answer);
	char until[RENDER_TIME_SIZE];

	if (exit != CLI_OK || !answer)
		return exit;
	render_time(member_text(answer, "former_signs_until"), until);
	cli_say(cli, "signs from now on:       %s", member_text(answer, "key"));
	cli_say(cli, "signs along until then:  %s, %s", member_text(answer, "former_key"), until);
	if (strcmp(member_text(answer, "audit"), "durable") != 0)
		return cli_fail(
			cli, CLI_FAILED, "audit.rotation",
			"the record of the rotation is not on disk: the key stays as it was",
			"weir status");
	return CLI_OK;
}

/* The list in the files, as the daemon gives it. */
static int read_list(const struct cli *cli, const char *dir, json_t **ret)
{
	_cleanup_(keyring_list_done) struct keyring_list list = {0};
	char key[NOTE_VERIFIER_SIZE], until[CLOCK_RFC3339_SIZE];
	json_t *keys = json_array();
	struct fault f = {0};

	if (keyring_list_read(dir, &list, &f) < 0) {
		json_decref(keys);
		return cli_fault(cli, &f);
	}
	for (size_t i = 0; i < list.count; i++) {
		uint64_t until_ns = keyring_list_until(&list, i);
		bool ends = until_ns && until_ns != UINT64_MAX;

		note_verifier_format(&list.keys[i].verifier, key);
		clock_format_rfc3339(ends ? until_ns : 0, until);
		json_array_append_new(keys, json_pack("{s:s, s:s, s:b, s:s?}", "key", key, "since",
						      list.keys[i].since, "signs",
						      until_ns > clock_real_ns(), "until",
						      ends ? until : NULL));
	}
	*ret = json_pack("{s:o}", "keys", keys);
	return cli->json ? render_json(cli, *ret) : CLI_OK;
}

static int print_keys(const struct cli *cli, const json_t *answer)
{
	_cleanup_(table_done) struct table t = {0};
	const json_t *key;
	size_t i;

	table_init(&t, "since", "signs", "until", "key", NULL);
	json_array_foreach (json_object_get(answer, "keys"), i, key) {
		char since[RENDER_TIME_SIZE], until[RENDER_TIME_SIZE];

		render_time(member_text(key, "since"), since);
		render_time(member_text(key, "until"), until);
		table_cell(&t, "%s", since);
		table_cell(&t, "%s", member_bool(key, "signs") ? "yes" : "no");
		table_cell(&t, "%s", until);
		table_cell(&t, "%s", member_text(key, "key"));
	}
	return table_print(&t, cli);
}

int cmd_audit_keys(struct cli *cli)
{
	const char *action = cli_operand(cli, 0, "list");
	const char *dir = cli_value(cli, CLI_OPTION_DIR, NULL);
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int exit;

	if (strcmp(action, "rotate") == 0)
		return dir ? cli_usage(cli, "the daemon rotates the key: leave out --dir")
			   : rotate(cli);
	if (strcmp(action, "list") != 0)
		return cli_usage(cli, "there is no '%s': list or rotate", action);
	exit = dir ? read_list(cli, dir, &answer) : ask_get_json(cli, "/v1/audit/keys", &answer);
	return exit == CLI_OK && answer && !cli->json ? print_keys(cli, answer) : exit;
}
