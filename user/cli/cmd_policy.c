/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policies: show, plan, replace, confirm, compare, and go back. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/diff.h"
#include "cli/ask.h"
#include "cli/policy_file.h"
#include "cli/render.h"
#include "policy/compare.h"
#include "policy/policy.h"

/* GENERATION as an operand or as the value of an option; 0 if it was not given. */
static int read_generation(const struct cli *cli, const char *text, uint32_t *ret)
{
	*ret = 0;
	if (!text || parse_u32(text, 1, UINT32_MAX, ret) == 0)
		return CLI_OK;
	return cli_usage(cli, "'%s' is no generation: see 'weir policy history'", text);
}

static void say_pending(const struct cli *cli, const json_t *answer)
{
	const json_t *pending = json_object_get(answer, "pending");
	char left[RENDER_DURATION_SIZE];

	if (!json_is_object(pending))
		return;
	render_seconds(member_u64(pending, "left_seconds"), left);
	cli_say(cli,
		"it is undone in %s, back to generation %" PRIu64
		", unless confirmed: weir policy confirm %" PRIu64,
		left, member_u64(pending, "former"), member_u64(pending, "asked"));
}

static int say_applied(const struct cli *cli, struct client_request *request)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int exit = ask_json(cli, request, &answer);

	if (exit != CLI_OK || !answer)
		return exit;
	cli_say(cli, "policy generation %" PRIu64 " is in force%s",
		member_u64(answer, "generation"),
		member_bool(answer, "changed") ? "" : "; its text is the same as before");
	if (*member_text(answer, "set_aside"))
		cli_say(cli, "the policy file that it replaced is kept as %s",
			member_text(answer, "set_aside"));
	say_pending(cli, answer);
	if (json_is_false(json_object_get(answer, "persisted")))
		cli_talk(cli, "the store cannot be written: the history would not survive a "
			      "restart of the daemon");
	return CLI_OK;
}

int cmd_policy_apply(struct cli *cli)
{
	static const enum cli_option arguments[] = {CLI_OPTION_REASON, CLI_OPTION_CONFIRM,
						    CLI_OPTION_FORCE};
	static const char *const names[] = {"reason", "confirm", "force"};
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(text_done) struct text target = {.growing = true};
	struct client_request request = {.method = "PUT", .type = "application/yaml"};
	int exit = read_generation(cli, cli_value(cli, CLI_OPTION_BASE, NULL), &request.base);

	if (exit == CLI_OK && cli->values[CLI_OPTION_DRY_RUN])
		return cmd_policy_plan(cli);
	if (exit == CLI_OK)
		exit = policy_file_take(cli, &request, &policy);
	if (exit != CLI_OK)
		return exit;
	text_puts(&target, "/v1/policy");
	for (size_t i = 0, given = 0; i < ARRAY_SIZE(arguments); i++) {
		const char *value = cli_value(cli, arguments[i], NULL);

		if (!value)
			continue;
		text_printf(&target, "%s%s=", given++ ? "&" : "?", names[i]);
		client_put_escaped(&target, *value ? value : "true");
	}
	policy_file_put_profile(cli, &target);
	request.path = target.data;
	return target.truncated ? CLI_FAILED : say_applied(cli, &request);
}

/* Which one waits to be confirmed. */
static int ask_pending(const struct cli *cli, uint32_t *ret)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(json_decrefp) json_t *status = NULL;
	const json_t *policy;
	int exit = ask_get(cli, "/v1/status", &response);

	if (exit == CLI_OK)
		exit = ask_decode(cli, &response, &status);
	if (exit != CLI_OK)
		return exit;
	policy = json_object_get(status, "policy");
	*ret = (uint32_t)member_u64(json_object_get(policy, "pending"), "generation");
	if (!*ret)
		return cli_fail(cli, CLI_CONFLICT, "policy.not_pending",
				"no policy waits to be confirmed", NULL);
	return CLI_OK;
}

int cmd_policy_confirm(struct cli *cli)
{
	struct client_request request = {
		.method = "POST", .path = "/v1/policy/confirm", .type = "application/json"};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	uint32_t generation;
	char body[48];
	int exit = read_generation(cli, cli_operand(cli, 0, NULL), &generation);

	if (exit == CLI_OK && !generation)
		exit = ask_pending(cli, &generation);
	if (exit != CLI_OK)
		return exit;
	snprintf(body, sizeof(body), "{\"generation\": %u}", generation);
	request.body = body;
	request.length = strlen(body);
	exit = ask_json(cli, &request, &answer);
	if (exit == CLI_OK && answer)
		cli_say(cli, "policy generation %" PRIu64 " stays in force",
			member_u64(answer, "generation"));
	return exit;
}

int cmd_policy_rollback(struct cli *cli)
{
	struct client_request request = {
		.method = "POST", .path = "/v1/policy/rollback", .type = "application/json"};
	_cleanup_(json_decrefp) json_t *body = json_object();
	_cleanup_free_ char *text = NULL;
	uint32_t generation;
	int exit = read_generation(cli, cli_operand(cli, 0, NULL), &generation);

	if (exit == CLI_OK)
		exit = read_generation(cli, cli_value(cli, CLI_OPTION_BASE, NULL), &request.base);
	if (exit != CLI_OK)
		return exit;
	if (generation)
		json_object_set_new(body, "generation", json_integer(generation));
	if (cli_value(cli, CLI_OPTION_REASON, NULL))
		json_object_set_new(body, "reason",
				    json_string(cli_value(cli, CLI_OPTION_REASON, "")));
	text = json_dumps(body, JSON_COMPACT);
	if (!text)
		return cli_fail(cli, CLI_FAILED, "client.memory", "out of memory", NULL);
	request.body = text;
	request.length = strlen(text);
	return say_applied(cli, &request);
}

static void put_generation(struct table *t, const json_t *item)
{
	char applied[RENDER_TIME_SIZE];

	render_time(member_text(item, "applied_at"), applied);
	table_cell(t, "%" PRIu64, member_u64(item, "generation"));
	table_cell(t, "%s", applied);
	table_cell(t, "%s", member_text(json_object_get(item, "author"), "name"));
	table_cell(t, "%s", member_text(item, "how"));
	table_cell(t, "%s%s", member_text(item, "state"),
		   member_bool(item, "persisted") ? "" : " (in memory only)");
	table_cell(t, "%.12s", member_text(item, "sha256"));
	table_cell(t, "%s", member_text(item, "profile"));
	table_cell(t, "%" PRIu64, member_u64(item, "parent"));
	table_cell(t, "%" PRIu64, member_u64(item, "bytes"));
	table_cell(t, "%s", member_text(item, "reason"));
}

int cmd_policy_history(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(table_done) struct table t = {0};
	const json_t *item;
	uint32_t lines;
	char path[64];
	size_t i;
	int exit;

	if (parse_u32(cli_value(cli, CLI_OPTION_LINES, "20"), 1, 100, &lines) < 0)
		return cli_usage(cli, "--lines must be a number from 1 to 100");
	snprintf(path, sizeof(path), "/v1/policy/history?limit=%u", lines);
	exit = ask_get_json(cli, path, &answer);
	if (exit != CLI_OK || !answer)
		return exit;
	table_init(&t, ">GENERATION", "APPLIED", "BY", "HOW", "STATE", "SHA256", "PROFILE",
		   "+>PARENT", "+>BYTES", "REASON", NULL);
	json_array_foreach (json_object_get(answer, "items"), i, item) {
		put_generation(&t, item);
	}
	return table_print(&t, cli);
}

static int ask_text(const struct cli *cli, uint32_t generation, struct client_response *ret)
{
	char path[64] = "/v1/policy";

	if (generation)
		snprintf(path, sizeof(path), "/v1/policy/history/%u", generation);
	return ask_get(cli, path, ret);
}

static json_t *json_changes(const struct policy_version *before, const struct policy_version *after)
{
	struct policy_changes changes;
	json_t *items = json_array();

	if (policy_compare(before, after, &changes, NULL) < 0)
		return items;
	for (size_t i = 0; i < changes.count; i++)
		json_array_append_new(
			items, json_pack("{s:s, s:s, s:s?, s:s?}", "change",
					 policy_change_kind_str(changes.items[i].kind), "path",
					 changes.items[i].path, "before", changes.items[i].before,
					 "after", changes.items[i].after));
	policy_changes_done(&changes);
	return items;
}

/* A generation on one side of a comparison. */
struct side {
	struct client_response response;
	const char *profile; /* NULL = none */
	char *effective;     /* the text as the profile makes it; NULL = the text as it is */
	char name[112];
};

static void side_done(struct side *side)
{
	client_response_done(&side->response);
	free(side->effective);
}

static const char *side_text(const struct side *side)
{
	return side->effective ?: side->response.body.data;
}

static int side_ask(const struct cli *cli, uint32_t generation, struct side *ret)
{
	int exit = ask_text(cli, generation, &ret->response);

	ret->profile =
		policy_file_profile(cli, *ret->response.profile ? ret->response.profile : NULL);
	return exit;
}

/* What the profile makes of it, where that is asked for. */
static int side_lay_profile(const struct cli *cli, struct side *side)
{
	size_t length;
	struct fault f = {0};

	if (policy_effective(side->response.body.data, side->response.body.length, side->profile,
			     &side->effective, &length, &f) == 0)
		return CLI_OK;
	return cli_fail(cli, CLI_FAILED, f.code, f.text, NULL);
}

static void side_name(struct side *side)
{
	snprintf(side->name, sizeof(side->name), "generation %s%s%s", side->response.generation,
		 side->effective && side->profile ? ", profile " : "",
		 side->effective && side->profile ? side->profile : "");
}

/* The texts as they are; or as profiles make them, if one is asked for, or the two were not of the same. */
static int prepare_sides(const struct cli *cli, struct side *a, struct side *b)
{
	bool lay = cli_value(cli, CLI_OPTION_PROFILE, NULL) ||
		   strcmp(a->profile ?: "", b->profile ?: "") != 0;
	int exit = lay ? side_lay_profile(cli, a) : CLI_OK;

	if (exit == CLI_OK && lay)
		exit = side_lay_profile(cli, b);
	side_name(a);
	side_name(b);
	return exit;
}

int cmd_policy_diff(struct cli *cli)
{
	_cleanup_(side_done) struct side a = {0}, b = {0};
	_cleanup_(text_done) struct text diff = {.growing = true};
	_cleanup_(json_decrefp) json_t *value = NULL;
	struct policy_version before, after;
	uint32_t from, to;
	int exit = read_generation(cli, cli_operand(cli, 0, NULL), &from);

	if (exit == CLI_OK)
		exit = read_generation(cli, cli_operand(cli, 1, NULL), &to);
	if (exit == CLI_OK)
		exit = side_ask(cli, from, &a);
	if (exit == CLI_OK)
		exit = side_ask(cli, to, &b);
	if (exit == CLI_OK)
		exit = prepare_sides(cli, &a, &b);
	if (exit != CLI_OK)
		return exit;
	if (diff_unified(a.name, side_text(&a), b.name, side_text(&b), &diff) < 0 || diff.truncated)
		return cli_fail(cli, CLI_FAILED, "client.memory", "out of memory", NULL);
	if (!cli->json) {
		if (diff.length)
			fwrite(diff.data, 1, diff.length, cli->out);
		return diff.length ? CLI_DIFFERENT : CLI_OK;
	}
	before = (struct policy_version){a.response.body.data, a.response.body.length, a.profile};
	after = (struct policy_version){b.response.body.data, b.response.body.length, b.profile};
	value = json_pack("{s:s, s:s, s:s?, s:s?, s:s, s:o}", "from", a.response.generation, "to",
			  b.response.generation, "from_profile", a.profile, "to_profile", b.profile,
			  "diff", diff.data ?: "", "changes", json_changes(&before, &after));
	exit = render_json(cli, value);
	return exit ?: diff.length ? CLI_DIFFERENT : CLI_OK;
}

int cmd_policy_show(struct cli *cli)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(json_decrefp) json_t *value = NULL;
	uint32_t wanted;
	uint64_t generation = 0;
	int exit = read_generation(cli, cli_operand(cli, 0, NULL), &wanted);

	if (exit == CLI_OK)
		exit = ask_text(cli, wanted, &response);
	if (exit != CLI_OK)
		return exit;
	if (!cli->json) {
		ask_print(cli, &response);
		return CLI_OK;
	}
	parse_u64(response.generation, 0, UINT32_MAX, &generation);
	value = json_pack("{s:I, s:s, s:s?, s:s}", "generation", (json_int_t)generation, "sha256",
			  response.sha256, "profile", *response.profile ? response.profile : NULL,
			  "text", response.body.data);
	return render_json(cli, value);
}
