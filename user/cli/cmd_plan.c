/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a policy would change, and what it would have made of the traffic. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/policy_file.h"
#include "cli/render.h"

static void say_profile(const struct cli *cli, const json_t *plan)
{
	const char *before = member_text(plan, "profile_before");
	const char *after = member_text(plan, "profile");

	if (strcmp(before, after) != 0)
		cli_say(cli, "profile: %s -> %s", *before ? before : "none",
			*after ? after : "none");
}

static void say_changes(const struct cli *cli, const json_t *plan)
{
	uint64_t count = member_u64(plan, "change_count");
	const json_t *items = json_object_get(plan, "changes"), *item;
	size_t i;

	if (!count)
		cli_say(cli, "no change: the policy in force says the same");
	json_array_foreach (items, i, item) {
		const char *change = member_text(item, "change");
		const char *before = member_text(item, "before"),
			   *after = member_text(item, "after");
		const char *path = member_text(item, "path");

		if (strcmp(change, "added") == 0)
			cli_say(cli, "+ %s: %s", path, after);
		else if (strcmp(change, "removed") == 0)
			cli_say(cli, "- %s: %s", path, before);
		else
			cli_say(cli, "~ %s: %s -> %s", path, before, after);
	}
	if (count > json_array_size(items))
		cli_say(cli, "  and %" PRIu64 " more", count - json_array_size(items));
}

static void say_limits(const struct cli *cli, const json_t *plan)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(plan, "limits"), i, item) {
		const char *state = member_text(item, "state");

		if (strcmp(state, "anew") == 0)
			cli_say(cli, "limit %s (%s) begins anew: every source has its whole burst",
				member_text(item, "limit"), member_text(item, "unit"));
	}
}

static void say_memory(const struct cli *cli, const json_t *plan)
{
	const json_t *memory = json_object_get(plan, "memory");
	const json_t *before = json_object_get(memory, "before");
	const json_t *after = json_object_get(memory, "after");

	cli_say(cli,
		"memory: sources %" PRIu64 " -> %" PRIu64 " KiB, list entries %" PRIu64
		" -> %" PRIu64 " KiB",
		member_u64(before, "sources_bytes") >> 10, member_u64(after, "sources_bytes") >> 10,
		member_u64(before, "entries_bytes") >> 10,
		member_u64(after, "entries_bytes") >> 10);
}

/* Feeds that only this policy has. */
static void say_feeds(const struct cli *cli, const json_t *plan)
{
	const json_t *feeds = json_object_get(plan, "feeds"), *feed, *example;
	size_t i, j;

	json_array_foreach (json_object_get(feeds, "new"), i, feed) {
		if (json_is_string(json_object_get(feed, "error"))) {
			cli_say(cli, "REFUSED: feed %s: %s [%s]", member_text(feed, "feed"),
				member_text(feed, "error"), member_text(feed, "code"));
			continue;
		}
		cli_say(cli,
			"feed %s adds %" PRIu64 " entries to the %s list (%" PRIu64
			" bad lines); they cover %" PRIu64 " of the %" PRIu64
			" hosts that were seen in the last %" PRIu64 " s",
			member_text(feed, "feed"), member_u64(feed, "entries"),
			member_text(feed, "list"), member_u64(feed, "bad_lines"),
			member_u64(feed, "hosts"), member_u64(feeds, "hosts_seen"),
			member_u64(feeds, "seconds"));
		json_array_foreach (json_object_get(feed, "examples"), j, example) {
			cli_say(cli, "  for example %s", json_string_value(example) ?: "");
		}
	}
}

static void put_top(struct table *t, const json_t *items, const char *what)
{
	const json_t *item;
	size_t i;

	json_array_foreach (items, i, item) {
		table_cell(t, "%s", what);
		table_cell(t, "%s", member_text(item, what));
		table_cell(t, "%" PRIu64, member_u64(item, "packets"));
		table_cell(t, "%" PRIu64, member_u64(item, "samples"));
	}
}

static int say_traffic(const struct cli *cli, const json_t *plan)
{
	const json_t *traffic = json_object_get(plan, "traffic");
	const char *confidence = member_text(traffic, "confidence");
	_cleanup_(table_done) struct table t = {0};
	uint64_t packets = member_u64(traffic, "packets");

	cli_say(cli,
		"of the last %" PRIu64 " s' traffic, %" PRIu64 " packets (%" PRIu64
		" samples), %" PRIu64 " were dropped; this policy would have dropped %" PRIu64
		" (confidence: %s)",
		member_u64(traffic, "seconds"), packets, member_u64(traffic, "samples"),
		member_u64(traffic, "dropped_then"), member_u64(traffic, "dropped_now"),
		confidence);
	if (strcmp(member_text(plan, "mode"), "enforce") != 0)
		cli_say(cli, "its mode is %s: it would have counted them, not dropped",
			member_text(plan, "mode"));
	if (member_u64(traffic, "unjudged"))
		cli_say(cli,
			"of %" PRIu64 " packets a sample does not tell all that the policy asks",
			member_u64(traffic, "unjudged"));
	if (!member_u64(traffic, "dropped_now"))
		return CLI_OK;
	table_init(&t, "BY", "", ">PACKETS", ">SAMPLES", NULL);
	put_top(&t, json_object_get(traffic, "rules"), "rule");
	put_top(&t, json_object_get(traffic, "sources"), "source");
	return table_print(&t, cli);
}

static int say_plan(const struct cli *cli, const json_t *plan)
{
	const json_t *lack, *finding;
	size_t i;

	say_profile(cli, plan);
	say_changes(cli, plan);
	say_limits(cli, plan);
	say_memory(cli, plan);
	say_feeds(cli, plan);
	json_array_foreach (json_object_get(plan, "lacks"), i, lack) {
		cli_say(cli, "LACKING: %s", json_string_value(lack) ?: "");
	}
	json_array_foreach (json_object_get(plan, "safety"), i, finding) {
		cli_say(cli, "UNSAFE: %s [%s]", member_text(finding, "detail"),
			member_text(finding, "code"));
	}
	if (json_array_size(json_object_get(plan, "safety")))
		cli_say(cli, "apply refuses that without --confirm or --force");
	return say_traffic(cli, plan);
}

int cmd_policy_plan(struct cli *cli)
{
	struct client_request request = {.method = "POST", .type = "application/yaml"};
	_cleanup_(text_done) struct text target = {.growing = true};
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(json_decrefp) json_t *plan = NULL;
	const char *path = cli_operand(cli, 0, NULL), *profile;
	int exit = policy_file_take(cli, &request, &policy), found;

	if (exit != CLI_OK)
		return exit;
	text_puts(&target, "/v1/policy/plan");
	policy_file_put_profile(cli, &target);
	request.path = target.data;
	if (target.truncated)
		return CLI_FAILED;
	exit = ask(cli, &request, &response);
	if (exit == CLI_OK)
		exit = ask_decode(cli, &response, &plan);
	if (exit != CLI_OK)
		return exit;
	found = member_u64(plan, "change_count") ? CLI_DIFFERENT : CLI_OK;
	if (cli->json) {
		ask_print(cli, &response);
		return found;
	}
	exit = say_plan(cli, plan);
	profile = cli_value(cli, CLI_OPTION_PROFILE, NULL);
	cli_talk(cli, "nothing has changed; weir policy apply%s%s%s%s --base %" PRIu64,
		 path ? " " : "", path ?: "", profile ? " --profile " : "", profile ?: "",
		 member_u64(plan, "base"));
	return exit ?: found;
}
