/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policies: check one without a daemon, show and replace the one in force. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/render.h"
#include "policy/policy.h"

/* Read and compile as the daemon would. */
static int load(const char *path, struct policy **ret, struct fault *reterr)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	int r = policy_load(path, &policy, reterr);

	if (r == 0)
		r = policy_compile(policy, clock_coarse_tick_ns(), &image, reterr);
	if (r < 0)
		return r;
	*ret = take_ptr(policy);
	return 0;
}

static int print_summary(const struct cli *cli, const char *path, const struct policy *p)
{
	_cleanup_(json_decrefp) json_t *summary = NULL;
	const char *mode = policy_mode_str(p->mode);
	size_t feed_count = p->allow.feed_count + p->block.feed_count;
	char feeds[32] = "";

	if (!cli->json) {
		if (feed_count)
			snprintf(feeds, sizeof(feeds), ", %zu feeds", feed_count);
		cli_say(cli,
			"%s: ok: mode %s, %zu limits, %zu services, %zu allowed and %zu blocked%s",
			path, mode, p->limit_count, p->service_count, p->allow.count,
			p->block.count, feeds);
		return CLI_OK;
	}
	summary = json_pack("{s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "ok", 1, "mode", mode,
			    "sha256", p->sha256, "limits", (json_int_t)p->limit_count, "services",
			    (json_int_t)p->service_count, "allow", (json_int_t)p->allow.count,
			    "block", (json_int_t)p->block.count, "feeds", (json_int_t)feed_count);
	return render_json(cli, summary);
}

/* The place of what is wrong comes first, as compilers write it, so that editors find it. */
static int refuse(const struct cli *cli, const struct fault *f)
{
	_cleanup_(json_decrefp) json_t *verdict = NULL;

	fprintf(cli->err, "%s [%s]\n", f->text, f->code);
	if (!cli->json)
		return CLI_FAILED;
	verdict = json_pack("{s:b, s:s, s:s}", "ok", 0, "code", f->code, "detail", f->text);
	render_json(cli, verdict);
	return CLI_FAILED;
}

int cmd_policy_check(struct cli *cli)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	const char *path = cli_operand(cli, 0, "");
	struct fault f = {0};

	if (load(path, &policy, &f) < 0)
		return refuse(cli, &f);
	return print_summary(cli, path, policy);
}

int cmd_policy_apply(struct cli *cli)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(json_decrefp) json_t *answer = NULL;
	const char *path = cli_operand(cli, 0, NULL);
	struct client_request request = {
		.method = "PUT", .path = "/v1/policy", .type = "application/yaml", .body = ""};
	struct fault f = {0};
	int exit;

	/* Checked here first, so that what is wrong is said with the name of this file. */
	if (path && load(path, &policy, &f) < 0)
		return refuse(cli, &f);
	if (policy) {
		request.body = policy->text;
		request.length = policy->length;
	}
	exit = ask_json(cli, &request, &answer);
	if (exit != CLI_OK || !answer)
		return exit;
	cli_say(cli, "policy generation %" PRIu64 " is in force%s",
		member_u64(answer, "generation"),
		member_bool(answer, "changed") ? "" : "; its text is the same as before");
	return CLI_OK;
}

int cmd_policy_show(struct cli *cli)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(json_decrefp) json_t *value = NULL;
	uint64_t generation = 0;
	int exit = ask_get(cli, "/v1/policy", &response);

	if (exit != CLI_OK)
		return exit;
	if (!cli->json) {
		ask_print(cli, &response);
		return CLI_OK;
	}
	parse_u64(response.generation, 0, UINT32_MAX, &generation);
	value = json_pack("{s:I, s:s, s:s}", "generation", (json_int_t)generation, "sha256",
			  response.sha256, "text", response.body.data);
	return render_json(cli, value);
}
