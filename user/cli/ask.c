/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/ask.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/diagnostics.h"
#include "cli/render.h"

#define RETRY_SECONDS_MAX 5 /* whoever is told to wait longer hears that */

int ask_unreachable(const struct cli *cli, const struct fault *f)
{
	if (f->err == -EACCES || f->err == -EPERM)
		return cli_fail(cli, CLI_DENIED, f->code, f->text, "try it as root");
	if (f->err == -ETIMEDOUT)
		return cli_fail(
			cli, CLI_UNREACHABLE, f->code, f->text,
			"it may still do what was asked; see its log, or use a longer --timeout");
	if (strcmp(f->code, "client.unreachable") == 0)
		return cli_fail(cli, CLI_UNREACHABLE, f->code, f->text,
				"start it with 'weir daemon', or name its socket with --socket or "
				"WEIR_SOCKET");
	return cli_fail(cli, CLI_FAILED, f->code, f->text, NULL);
}

/* Where to look, if the daemon does not say so itself. */
static const char *next_command(const char *code)
{
	static const struct {
		const char *code, *hint;
	} hints[] = {
		{"audit.unwritable", "see 'weir doctor'"},
		{"auth.denied", "see 'weir roles'"},
		{"auth.key", "give another one with --key-file or WEIR_KEY, or none"},
		{"auth.rule", "see 'weir roles' and 'weir policy explain access'"},
		{"auth.scope", "see 'weir roles' with the same key: it says what the key leaves"},
		{"auth.step_up", "give the one-time password of now: --totp CODE"},
		{"engine.interface", "see 'weir status'"},
		{"connections.", "see 'weir connections' and 'weir doctor'"},
		{"flags.", "see 'weir flags list'"},
		{"gdpr.", "see 'weir gdpr list'"},
		{"grant.", "see 'weir roles' and 'weir keys create --help'"},
		{"hold.", "see 'weir retention hold list'"},
		{"key.", "see 'weir keys list'"},
		{"limits.", "see 'weir limits'"},
		{"lists.",
		 "see 'weir lists block' and 'weir lists allow', or 'weir source ADDRESS'"},
		{"panic.", "see 'weir panic'"},
		{"policy.generation", "see 'weir policy history'"},
		{"policy.pending", "see 'weir policy confirm' and 'weir policy rollback'"},
		{"policy.stale", "see 'weir policy history'"},
		{"retention.", "see 'weir retention list'"},
		{"risk.", "see 'weir risk list'"},
		{"session.", "see 'weir sessions list'"},
		{"store.", "see 'weir doctor'"},
		{"tenants.", "see 'weir tenants list'"},
		{"vault.", "see 'weir vault status' and 'weir doctor'"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(hints); i++)
		if (strncmp(code, hints[i].code, strlen(hints[i].code)) == 0)
			return hints[i].hint;
	return "";
}

static int exit_of(long status)
{
	switch (status) {
	case 401:
	case 403:
		return CLI_DENIED;
	case 404:
		return CLI_NOT_FOUND;
	case 409:
	case 412:
		return CLI_CONFLICT;
	default:
		return CLI_FAILED;
	}
}

int ask_refused(const struct cli *cli, const struct client_response *response)
{
	_cleanup_(json_decrefp) json_t *problem = json_loads(response->body.data, 0, NULL);
	int exit = exit_of(response->status);
	const char *detail = member_text(problem, "detail");
	const char *code = member_text(problem, "code");
	const char *hint = member_text(problem, "hint");

	if (!*detail)
		detail = member_text(problem, "title");
	if (!*detail)
		cli_talk(cli, "the daemon refused with HTTP status %ld", response->status);
	else if (json_object_get(problem, "diagnostics"))
		; /* of which it is one */
	else if (*code)
		cli_talk(cli, "%s [%s]", detail, code);
	else
		cli_talk(cli, "%s", detail);
	diagnostics_print_problem(cli, problem);
	if (!*hint)
		hint = next_command(code);
	if (*hint)
		cli_talk(cli, "%s", hint);
	if (cli->json && problem)
		ask_print(cli, response);
	return exit;
}

/* The daemon is busy and says when to come again: wait until then, if that is within the time there is. */
static bool comes_again(const struct client_response *response, uint64_t until_ns)
{
	uint64_t pause_ns = (uint64_t)response->retry_after * NSEC_PER_SEC;
	struct timespec pause = {.tv_sec = response->retry_after};

	if (response->status != 503 || response->retry_after <= 0 ||
	    response->retry_after > RETRY_SECONDS_MAX ||
	    clock_monotonic_ns() + pause_ns >= until_ns)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

bool ask_is_dry(const struct cli *cli, const char *method)
{
	return cli->values[CLI_OPTION_DRY_RUN] && strcmp(method, "GET") != 0;
}

int ask_dry_answer(const struct cli *cli, const struct client_response *response)
{
	_cleanup_(json_decrefp) json_t *answer = json_loads(response->body.data ?: "", 0, NULL);
	const char *would = member_text(answer, "would"), *takes = member_text(answer, "step_up");

	if (!member_bool(answer, "dry_run") || !*would)
		return CLI_OK;
	if (cli->json) {
		ask_print(cli, response);
		return CLI_DRY;
	}
	cli_say(cli, "would %s", would);
	if (strcmp(takes, "yes") == 0 && !cli->totp)
		cli_talk(cli, "who is enrolled for one-time passwords needs --totp CODE for it");
	cli_talk(cli, "nothing was changed");
	return CLI_DRY;
}

int ask_call(const struct cli *cli, const struct client_request *request,
	     struct client_response *ret, struct fault *reterr)
{
	_cleanup_(text_done) struct text path = {.growing = true};
	struct client_request shown = *request;

	if (ask_is_dry(cli, request->method) && !strstr(request->path, "dry_run=")) {
		text_printf(&path, "%s%cdry_run=true", request->path,
			    strchr(request->path, '?') ? '&' : '?');
		/* Rather nothing than the change itself. */
		if (path.truncated)
			return fault(reterr, -ENOMEM, "cli.memory", "out of memory");
		shown.path = path.data;
	}
	shown.credential = cli->credential;
	shown.totp = cli->totp;
	return client_call(cli->socket, cli->timeout_ms, &shown, ret, reterr);
}

/* One for all tries: whatever becomes of the first, it is done once. Without randomness it is sent without. */
static const char *make_key(const struct client_request *request, char ret[static 33])
{
	uint8_t bytes[16];

	if (strcmp(request->method, "POST") != 0 ||
	    getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != sizeof(bytes))
		return NULL;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return ret;
}

int ask(const struct cli *cli, const struct client_request *request, struct client_response *ret)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	uint64_t until_ns = clock_monotonic_ns() + cli->timeout_ms * NSEC_PER_MSEC;
	struct client_request keyed = *request;
	struct fault f = {0};
	char key[33];
	int r;

	keyed.key = make_key(request, key);
	do {
		client_response_done(&response);
		response = (struct client_response){0};
		r = ask_call(cli, &keyed, &response, &f);
	} while (r == 0 && comes_again(&response, until_ns));
	if (r < 0)
		return ask_unreachable(cli, &f);
	if (response.status < 200 || response.status > 299)
		return ask_refused(cli, &response);
	if (ask_is_dry(cli, request->method) && ask_dry_answer(cli, &response) == CLI_DRY)
		return CLI_DRY;
	*ret = response;
	response.body = (struct text){0};
	return CLI_OK;
}

int ask_get(const struct cli *cli, const char *path, struct client_response *ret)
{
	const struct client_request request = {.method = "GET", .path = path};

	return ask(cli, &request, ret);
}

int ask_json(const struct cli *cli, const struct client_request *request, json_t **ret)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	int exit = ask(cli, request, &response);

	if (exit != CLI_OK)
		return exit;
	if (!cli->json)
		return ask_decode(cli, &response, ret);
	ask_print(cli, &response);
	*ret = NULL;
	return CLI_OK;
}

int ask_post_json(const struct cli *cli, const char *path, json_t *body, json_t **ret)
{
	_cleanup_(json_decrefp) json_t *taken = body;
	_cleanup_free_ char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	const struct client_request request = {
		.method = "POST",
		.path = path,
		.type = "application/json",
		.body = text,
		.length = text ? strlen(text) : 0,
	};

	if (!text)
		return cli_usage(cli, "what was given is not valid UTF-8");
	return ask_json(cli, &request, ret);
}

int ask_get_json(const struct cli *cli, const char *path, json_t **ret)
{
	const struct client_request request = {.method = "GET", .path = path};

	return ask_json(cli, &request, ret);
}

int ask_decode(const struct cli *cli, const struct client_response *response, json_t **ret)
{
	_cleanup_(json_decrefp) json_t *value = json_loadb(
		response->body.data, response->body.length, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(value))
		return cli_fail(cli, CLI_FAILED, "cli.answer",
				"the daemon's answer is not what was expected: no JSON object",
				NULL);
	*ret = take_ptr(value);
	return CLI_OK;
}

void ask_print(const struct cli *cli, const struct client_response *response)
{
	const struct text *body = &response->body;

	fwrite(body->data, 1, body->length, cli->out);
	if (!body->length || body->data[body->length - 1] != '\n')
		fputc('\n', cli->out);
}
