/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The panic switch. The daemon sets it if there is one, and records who did; if there is none, or it does
 * not answer in time, it is set from here through the pinned maps, with a note from which the next
 * daemon, or this one when it comes to itself, makes the record.
 */
#include <errno.h>
#include <pwd.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/panic.h"
#include "datapath/panic.h"
#include "policy/units.h"

/* A daemon that is busy for longer is worked around: this is for when nothing else works. */
#define PATIENCE_MS 500

static const char *mode_str(int mode)
{
	return mode == PANIC_NONE ? "none" : policy_mode_str((enum weir_mode)mode);
}

void panic_say(const struct cli *cli, const json_t *status)
{
	const json_t *panic = json_object_get(status, "panic");
	const json_t *watchdog = json_object_get(status, "watchdog");
	const char *reason = member_text(panic, "reason");
	char since[RENDER_TIME_SIZE];

	if (json_is_object(panic)) {
		render_time(member_text(panic, "since"), since);
		cli_say(cli,
			"PANIC: mode %s whatever the policy says, by %s since %s%s%s; 'weir panic "
			"clear' ends it",
			member_text(panic, "mode"), member_text(panic, "by"), since,
			*reason ? ": " : "", reason);
	}
	if (member_bool(watchdog, "tripped"))
		cli_say(cli,
			"WATCHDOG: limits refuse %.0f %% of the packets or more; mode monitor until they "
			"do not for %llu s",
			100 * json_number_value(json_object_get(watchdog, "drop_ratio")),
			(unsigned long long)member_u64(watchdog, "recover_seconds"));
}

/* What was found or done without the daemon. */
static int say_pinned(const struct cli *cli, int mode)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;

	if (cli->json) {
		answer = json_pack("{s:o, s:b}", "panic",
				   mode == PANIC_NONE ? json_null()
						      : json_pack("{s:s}", "mode", mode_str(mode)),
				   "daemon", 0);
		return render_json(cli, answer);
	}
	if (mode == PANIC_NONE)
		cli_say(cli, "the panic switch is not set: the policy's mode is in force");
	else
		cli_say(cli, "PANIC: mode %s is in force, whatever the policy says",
			mode_str(mode));
	return CLI_OK;
}

static int set_pinned(const struct cli *cli, int mode, const struct fault *why)
{
	const char *pin_dir = cli_value(cli, CLI_OPTION_BPFFS, CLI_BPFFS);
	const struct passwd *user = getpwuid(getuid());
	const struct panic_request request = {
		.mode = mode,
		.uid = getuid(),
		.username = user ? user->pw_name : "",
		.reason = cli_value(cli, CLI_OPTION_REASON, NULL),
	};
	struct fault f = {0};
	int was, r;

	r = panic_set_pinned(pin_dir, &request, &was, &f);
	if (r == -ENOENT)
		return ask_unreachable(cli, why);
	if (r < 0) {
		cli_talk(cli, "%s", why->text);
		return cli_fault(cli, &f);
	}
	if (was != mode && !cli->json)
		cli_talk(cli, "done without the daemon, in %s; the next one records it", pin_dir);
	return say_pinned(cli, mode);
}

static int read_pinned(const struct cli *cli, const struct fault *why)
{
	const char *pin_dir = cli_value(cli, CLI_OPTION_BPFFS, CLI_BPFFS);
	struct weir_panic_note note;
	struct fault f = {0};
	int mode;

	if (panic_read_pinned(pin_dir, &mode, &note, &f) < 0)
		return ask_unreachable(cli, why);
	if (mode != PANIC_NONE && note.number)
		cli_talk(cli, "set by %s: %s", note.username, *note.reason ? note.reason : "-");
	cli_talk(cli, "%s", why->text);
	return say_pinned(cli, mode);
}

/* The request, if the daemon is to be asked. *@ret_body is the caller's to free. */
static int pack(const struct cli *cli, int mode, char **ret_body)
{
	const char *reason = cli_value(cli, CLI_OPTION_REASON, NULL);
	_cleanup_(json_decrefp) json_t *body = NULL;

	if (reason && strlen(reason) >= WEIR_PANIC_REASON_SIZE)
		return cli_usage(cli, "--reason is longer than %d bytes",
				 WEIR_PANIC_REASON_SIZE - 1);
	if (reason && !utf8_valid(reason, strlen(reason)))
		return cli_usage(cli, "--reason is not valid UTF-8");
	body = json_pack("{s:s*, s:s*}", "mode", mode == PANIC_NONE ? NULL : mode_str(mode),
			 "reason", reason);
	*ret_body = body ? json_dumps(body, JSON_COMPACT) : NULL;
	return *ret_body ? CLI_OK : cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
}

static bool is_silent(const struct fault *f)
{
	return f->err == -ENOENT || f->err == -ECONNREFUSED || f->err == -ETIMEDOUT;
}

static int answered(const struct cli *cli, const struct client_response *response)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int exit;

	if (response->status < 200 || response->status > 299)
		return ask_refused(cli, response);
	if (ask_dry_answer(cli, response) == CLI_DRY)
		return CLI_DRY;
	if (cli->json) {
		ask_print(cli, response);
		return CLI_OK;
	}
	exit = ask_decode(cli, response, &answer);
	if (exit != CLI_OK)
		return exit;
	if (json_is_object(json_object_get(answer, "panic")))
		panic_say(cli, answer);
	else
		cli_say(cli, "the panic switch is not set: mode %s, as the policy says",
			member_text(answer, "mode_in_force"));
	return CLI_OK;
}

/* off, monitor, enforce; clear is PANIC_NONE. */
static int read_mode(const struct cli *cli, const char *word, int *ret)
{
	enum weir_mode mode;

	if (strcmp(word, "clear") == 0) {
		*ret = PANIC_NONE;
		return CLI_OK;
	}
	if (policy_mode_from_str(word, &mode) < 0)
		return cli_usage(cli, "there is no '%s': off, monitor, enforce or clear", word);
	*ret = (int)mode;
	return CLI_OK;
}

int cmd_panic(struct cli *cli)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	const char *word = cli_operand(cli, 0, NULL);
	struct client_request request = {.method = "GET", .path = "/v1/panic"};
	_cleanup_free_ char *body = NULL;
	int mode = PANIC_NONE, exit = CLI_OK;
	struct fault f = {0};

	if (word)
		exit = read_mode(cli, word, &mode);
	if (exit == CLI_OK && word)
		exit = pack(cli, mode, &body);
	if (exit != CLI_OK)
		return exit;
	if (word) {
		request.method = mode == PANIC_NONE ? "DELETE" : "PUT";
		request.type = "application/json";
		request.body = body;
		request.length = strlen(body);
	}
	if (!cli->values[CLI_OPTION_TIMEOUT])
		cli->timeout_ms = PATIENCE_MS;
	if (ask_call(cli, &request, &response, &f) == 0)
		return answered(cli, &response);
	if (!is_silent(&f) || ask_is_dry(cli, request.method))
		return ask_unreachable(cli, &f);
	/* With a socket of its own goes a directory of its own: do not guess. */
	if (strcmp(cli->socket, CLI_SOCKET) != 0 && !cli->values[CLI_OPTION_BPFFS])
		return cli_fail(
			cli, CLI_UNREACHABLE, f.code, f.text,
			"to do it without the daemon, name the directory of its pins: --bpffs");
	return word ? set_pinned(cli, mode, &f) : read_pinned(cli, &f);
}
