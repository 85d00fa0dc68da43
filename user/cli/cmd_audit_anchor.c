/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hands the checkpoint out, so that a log that was put back or made anew contradicts something that its maker cannot
 * change. That is done here, with the rights and the time of who asks; the daemon records what became of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "audit/base64.h"
#include "audit/note.h"
#include "cli/ask.h"
#include "cli/handout.h"
#include "cli/render.h"

DEFINE_CLEANUP(CURLU *, curl_url_cleanup)

/* Scheme, host and path: the rest may hold a secret. */
static void defuse_url(const char *url, char *ret, size_t size)
{
	_cleanup_(curl_url_cleanupp) CURLU *u = curl_url();
	char *text = NULL;

	snprintf(ret, size, "a URL");
	if (!u || curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK)
		return;
	curl_url_set(u, CURLUPART_USER, NULL, 0);
	curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
	curl_url_set(u, CURLUPART_QUERY, NULL, 0);
	curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	if (curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK)
		snprintf(ret, size, "%s", text);
	curl_free(text);
}

struct anchor {
	const char *kind, *target; /* as they were given */
	char shown[256];	   /* the target, as it is recorded */
	struct handout handout;
	struct checkpoint checkpoint;
};

static int read_target(const struct cli *cli, struct anchor *a)
{
	static const struct {
		const char *kind;
		enum cli_option option;
	} kinds[] = {{"exec", CLI_OPTION_EXEC}, {"file", CLI_OPTION_FILE}, {"url", CLI_OPTION_URL}};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *value = cli_value(cli, kinds[i].option, NULL);

		if (value && (a->kind || !*value))
			return cli_usage(cli, "one of --exec, --file and --url, and not empty");
		if (!value)
			continue;
		a->kind = kinds[i].kind;
		a->target = value;
	}
	if (!a->kind)
		return cli_usage(cli, "to where? --exec COMMAND, --file PATH or --url URL");
	if (strcmp(a->kind, "url") == 0 && strncmp(a->target, "http://", 7) != 0 &&
	    strncmp(a->target, "https://", 8) != 0)
		return cli_usage(cli, "--url is one of http:// or https://");
	if (strcmp(a->kind, "url") == 0)
		defuse_url(a->target, a->shown, sizeof(a->shown));
	else if (strcmp(a->kind, "exec") == 0) /* its arguments may hold a secret, too */
		snprintf(a->shown, sizeof(a->shown), "%.*s", (int)strcspn(a->target, " "),
			 a->target);
	else
		snprintf(a->shown, sizeof(a->shown), "%s", a->target);
	utf8_repair(a->shown);
	return CLI_OK;
}

static int hand_out(struct anchor *a, struct fault *reterr)
{
	if (strcmp(a->kind, "exec") == 0)
		return handout_exec(&a->handout, a->target, reterr);
	if (strcmp(a->kind, "file") == 0)
		return handout_file(&a->handout, a->target, reterr);
	return handout_url(&a->handout, a->target, reterr);
}

static int record(const struct cli *cli, const struct anchor *a, const struct fault *f,
		  json_t **ret)
{
	char root[BASE64_LENGTH(AUDIT_HASH_SIZE) + 1];
	struct text t;
	json_t *body;

	text_init(&t, root, sizeof(root));
	base64_put(&t, a->checkpoint.root, AUDIT_HASH_SIZE);
	body = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s*, s:s*, s:b}", "anchor", a->kind, "target",
			 a->shown, "origin", a->checkpoint.origin, "root", root, "size",
			 (json_int_t)a->checkpoint.size, "receipt",
			 *a->handout.receipt ? a->handout.receipt : NULL, "error",
			 f->err ? f->text : NULL, "by_policy",
			 getenv("WEIR_ANCHOR_BY_POLICY") != NULL);
	if (!body)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	return ask_post_json(cli, "/v1/audit/anchors", body, ret);
}

static int parse_note(const struct client_response *response, struct checkpoint *ret,
		      struct fault *reterr)
{
	_cleanup_free_ struct note *note = malloc(sizeof(*note));
	int r = note ? note_parse(response->body.data, response->body.length, note, reterr)
		     : fault(reterr, -ENOMEM, "cli.memory", "out of memory");

	return r ?: checkpoint_parse(note, ret, reterr);
}

int cmd_audit_anchor(struct cli *cli)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct anchor a = {0};
	struct fault f = {0};
	int exit = read_target(cli, &a);

	exit = exit ?: ask_get(cli, "/v1/audit/checkpoint", &response);
	if (exit != CLI_OK)
		return exit;
	if (parse_note(&response, &a.checkpoint, &f) < 0)
		return cli_fault(cli, &f);
	a.handout.note = response.body.data;
	a.handout.length = response.body.length;
	a.handout.timeout_ms = cli->timeout_ms;
	hand_out(&a, &f);
	exit = record(cli, &a, &f, &answer);
	if (f.err)
		return cli_fault(cli, &f);
	if (exit == CLI_OK && !cli->json)
		cli_say(cli, "handed out: %" PRIu64 " records, to %s", a.checkpoint.size, a.shown);
	return exit;
}
