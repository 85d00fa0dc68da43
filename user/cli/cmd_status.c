/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the daemon says of itself: version, status. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/flags.h"
#include "cli/limits.h"
#include "cli/panic.h"
#include "cli/render.h"
#include "cli/status.h"

int cmd_version(struct cli *cli)
{
	if (cli->json)
		cli_say(cli, "{\"version\":\"%s\"}", WEIR_VERSION);
	else
		cli_say(cli, "weir %s", WEIR_VERSION);
	return CLI_OK;
}

static void put_list(struct table *t, const json_t *lists, const char *name)
{
	const json_t *list = json_object_get(lists, name);

	table_cell(t, "%s list", name);
	table_cell(t, "%" PRIu64 " addresses, %" PRIu64 " prefixes", member_u64(list, "addresses"),
		   member_u64(list, "prefixes"));
}

static void put_policy(struct table *t, const json_t *status)
{
	const json_t *policy = json_object_get(status, "policy");
	const char *name = member_text(policy, "name");
	char loaded[RENDER_TIME_SIZE];

	render_time(member_text(policy, "loaded_at"), loaded);
	table_cell(t, "policy");
	table_cell(t, "%s%sgeneration %" PRIu64 ", %" PRIu64 " limits, loaded %s, sha256 %.12s",
		   name, *name ? ", " : "", member_u64(policy, "generation"),
		   member_u64(status, "limits"), loaded, member_text(policy, "sha256"));
}

/* The policy file and what is enforced differ exactly as long as this is said. */
static void say_pending(const struct cli *cli, const json_t *status)
{
	const json_t *policy = json_object_get(status, "policy");
	const json_t *pending = json_object_get(policy, "pending");
	char left[RENDER_DURATION_SIZE];

	if (!json_is_object(pending))
		return;
	render_seconds(member_u64(pending, "left_seconds"), left);
	cli_say(cli,
		"UNCONFIRMED: the policy of %s is undone in %s, back to generation %" PRIu64
		", which the policy file still has, unless confirmed: weir policy confirm",
		member_text(pending, "by"), left, member_u64(pending, "former"));
}

static void put_packets(struct table *t, const json_t *status)
{
	const json_t *packets = json_object_get(status, "packets");

	table_cell(t, "packets");
	table_cell(t,
		   "%" PRIu64 " seen, %" PRIu64 " passed, %" PRIu64 " dropped, %" PRIu64
		   " would be dropped, %" PRIu64 " marked, %" PRIu64 " replied to",
		   member_u64(packets, "seen"), member_u64(packets, "passed"),
		   member_u64(packets, "dropped"), member_u64(packets, "would_drop"),
		   member_u64(packets, "marked"), member_u64(packets, "replied"));
}

/* Room for sources, what is not in force now, and what follows a target: a line each. */
static void put_limits(struct table *t, const json_t *status)
{
	const json_t *state = json_object_get(status, "state"), *limit;
	char words[LIMIT_WORDS_SIZE];
	size_t i;

	table_cell(t, "state");
	table_cell(t, "room for %" PRIu64 " sources, %.1f %% of the cells busy",
		   member_u64(state, "sources_max"),
		   100 * json_number_value(json_object_get(state, "cells_busy")));
	json_array_foreach (json_object_get(status, "waiting"), i, limit) {
		limit_waiting_words(limit, member_text(limit, "from"), words);
		table_cell(t, "schedule");
		table_cell(t, "%s (%s): %s", member_text(limit, "limit"),
			   member_text(limit, "unit"), words);
	}
	json_array_foreach (json_object_get(status, "adaptive"), i, limit) {
		limit_adaptive_words(limit, words);
		table_cell(t, "adaptive");
		table_cell(t, "%s (%s): %s", member_text(limit, "limit"),
			   member_text(limit, "unit"), words);
	}
}

/* Flags that are not all as the policy says. */
static void put_flags(struct table *t, const json_t *status)
{
	char words[FLAG_WORDS_SIZE];
	const json_t *flag;
	size_t i;

	json_array_foreach (json_object_get(status, "flags_set"), i, flag) {
		flag_words(flag, words);
		table_cell(t, "flag");
		table_cell(t, "%s: %s", member_text(flag, "name"), words);
	}
}

/* Limits that some sources have no cell of their own under. */
static void say_exhausted(const struct cli *cli, const json_t *status)
{
	const json_t *state = json_object_get(status, "state"), *limit;
	char since[RENDER_TIME_SIZE];
	size_t i;

	json_array_foreach (json_object_get(state, "exhausted"), i, limit) {
		render_time(member_text(limit, "since"), since);
		cli_say(cli,
			"STATE EXHAUSTED (%s): limit %s (%s) has no room for all its sources since "
			"%s: %" PRIu64 " packets shared a cell, %" PRIu64 " found none",
			member_text(limit, "level"), member_text(limit, "limit"),
			member_text(limit, "unit"), since, member_u64(limit, "coarse_packets"),
			member_u64(limit, "full_packets"));
	}
}

static void put_events(struct table *t, const json_t *status)
{
	const json_t *events = json_object_get(status, "events");

	table_cell(t, "events");
	table_cell(t,
		   "%" PRIu64 " offered, %" PRIu64 " delivered, %" PRIu64 " lost, %" PRIu64
		   " packets suppressed, ring at %" PRIu64 " of %" PRIu64 " bytes",
		   member_u64(events, "offered"), member_u64(events, "delivered"),
		   member_u64(events, "lost"), member_u64(events, "suppressed_packets"),
		   member_u64(events, "ring_used_bytes"), member_u64(events, "ring_size_bytes"));
}

static void put_audit(struct table *t, const json_t *status)
{
	const json_t *audit = json_object_get(status, "audit");

	table_cell(t, "audit");
	table_cell(t, "%" PRIu64 " records, %" PRIu64 " pending, %" PRIu64 " lost, last hash %.16s",
		   member_u64(audit, "records"), member_u64(audit, "pending"),
		   member_u64(audit, "lost"), member_text(audit, "last_hash"));
}

static void say_link_trouble(const struct cli *cli, const json_t *link)
{
	const char *state = member_text(link, "state"), *name = member_text(link, "name");
	char since[RENDER_TIME_SIZE];

	render_time(member_text(link, "since"), since);
	if (strcmp(state, "absent") == 0)
		cli_say(cli, "INTERFACE %s is gone since %s: protected again as soon as it is back",
			name, since);
	if (strcmp(state, "refused") == 0)
		cli_say(cli, "INTERFACE %s IS NOT PROTECTED since %s: %s", name, since,
			member_text(link, "error"));
	if (strcmp(state, "away") == 0)
		cli_say(cli,
			"INTERFACE %s is in another network namespace since %s, and protected there",
			name, since);
	if (strcmp(state, "detached") == 0)
		cli_say(cli, "INTERFACE %s was detached by an operator at %s", name, since);
}

/* Of several interfaces, or of one that has a history. */
static void put_links(struct table *t, const json_t *status)
{
	const json_t *interfaces = json_object_get(status, "interfaces"), *link;
	size_t i;

	json_array_foreach (interfaces, i, link) {
		const char *name = member_text(link, "name"), *asked = member_text(link, "asked");
		bool renamed = strcmp(name, asked) != 0;

		if (json_array_size(interfaces) < 2 && !renamed && !member_u64(link, "losses"))
			continue;
		table_cell(t, "interface");
		table_cell(t, "%s%s%s%s: %s, %s, lost %" PRIu64 " times, unprotected for %.3f s",
			   name, renamed ? " (was " : "", renamed ? asked : "", renamed ? ")" : "",
			   member_text(link, "state"), member_text(link, "attached"),
			   member_u64(link, "losses"),
			   json_number_value(json_object_get(link, "gap_seconds")));
	}
}

/* How far the targets are that records are sent on to. */
static void say_exports(const struct cli *cli, const json_t *exports)
{
	const json_t *export;
	size_t i;

	json_array_foreach (exports, i, export) {
		const char *error = member_text(export, "error");

		cli_say(cli, "%s %s to %s: %" PRIu64 " records behind%s%s",
			member_bool(export, "failing") ? "EXPORT FAILING" : "export",
			member_text(export, "name"), member_text(export, "to"),
			member_u64(export, "lag_records"), *error ? ": " : "", error);
	}
}

static void say_otlp(const struct cli *cli, const json_t *otlp)
{
	const json_t *spans = json_object_get(otlp, "spans");
	const char *error = member_text(otlp, "error");
	bool fails = member_bool(otlp, "failing");

	if (!json_is_object(otlp))
		return;
	cli_say(cli,
		"%s to %s: %" PRIu64 " spans sent, %" PRIu64 " waiting, %" PRIu64
		" dropped, %" PRIu64 " rejected; metrics sent %" PRIu64 " times%s%s",
		fails ? "OTLP FAILING" : "otlp", member_text(otlp, "endpoint"),
		member_u64(spans, "sent"), member_u64(spans, "queued"),
		member_u64(spans, "dropped"), member_u64(spans, "rejected"),
		member_u64(json_object_get(otlp, "metrics"), "sent"), fails ? ": " : "",
		fails ? error : "");
}

void status_say_trouble(const struct cli *cli, const json_t *status)
{
	const json_t *audit = json_object_get(status, "audit"), *feeds, *feed, *link, *store, *seal,
		     *vault, *index;
	const json_t *interfaces = json_object_get(status, "interfaces");
	const char *attached = member_text(status, "attached");
	size_t i;

	if (strcmp(attached, "none") == 0 && json_array_size(interfaces) < 2)
		cli_say(cli, "NOT ATTACHED: nothing is being limited or blocked");
	json_array_foreach (interfaces, i, link) {
		say_link_trouble(cli, link);
	}
	if (*member_text(status, "pins_trouble"))
		cli_say(cli, "PINS LOST: enforcement would end with the daemon: %s",
			member_text(status, "pins_trouble"));
	if (strcmp(attached, "generic") == 0)
		cli_say(cli, "attached in generic mode: slow, the driver has no native XDP");
	if (!member_bool(json_object_get(status, "lists"), "persisted"))
		cli_say(cli, "NOT KEPT: list entries would not survive a reboot, the store cannot "
			     "be written");
	store = json_object_get(status, "store");
	if (*member_text(store, "error"))
		cli_say(cli,
			"DATABASE LOST: %s%s%s; %" PRIu64 " list entries were recovered from the "
			"kernel",
			member_text(store, "error"),
			*member_text(store, "set_aside") ? "; set aside as " : "",
			member_text(store, "set_aside"), member_u64(store, "recovered"));
	vault = json_object_get(status, "vault");
	if (json_is_object(vault) && strcmp(member_text(vault, "state"), "works") != 0)
		cli_say(cli, "VAULT LOCKED (%s): records name no addresses and no users: %s",
			member_text(vault, "state"), member_text(vault, "error"));
	panic_say(cli, status);
	feeds = json_object_get(json_object_get(status, "lists"), "feeds_failing");
	json_array_foreach (feeds, i, feed) {
		cli_say(cli,
			"FEED %s: its file is refused or gone, what it listed before stays in "
			"force; see 'weir feeds'",
			json_string_value(feed) ?: "");
	}
	say_exhausted(cli, status);
	if (member_bool(audit, "degraded"))
		cli_say(cli, "AUDIT DEGRADED: %s", member_text(audit, "degraded_because"));
	seal = json_object_get(audit, "checkpoint");
	if (*member_text(seal, "because"))
		cli_say(cli, "AUDIT NOT SIGNED: %s", member_text(seal, "because"));
	index = json_object_get(audit, "index");
	if (*member_text(index, "trouble"))
		cli_say(cli, "AUDIT INDEX: searching is slow, %s", member_text(index, "trouble"));
	say_pending(cli, status);
}

static int print_reasons(const struct cli *cli, const json_t *reasons)
{
	_cleanup_(table_done) struct table t = {0};
	const json_t *reason;
	size_t i;

	if (!json_array_size(reasons))
		return CLI_OK;
	fputc('\n', cli->out);
	table_init(&t, "REASON", "VERDICT", ">PACKETS", ">BYTES", NULL);
	json_array_foreach (reasons, i, reason) {
		table_cell(&t, "%s", member_text(reason, "reason"));
		table_cell(&t, "%s", member_text(reason, "verdict"));
		table_cell(&t, "%" PRIu64, member_u64(reason, "packets"));
		table_cell(&t, "%" PRIu64, member_u64(reason, "bytes"));
	}
	return table_print(&t, cli);
}

/* With -o wide: what packets cost. What reading the clock takes is in each line. */
static int print_timing(const struct cli *cli, const json_t *timing)
{
	_cleanup_(table_done) struct table t = {0};
	const json_t *stage;
	size_t i;

	if (!cli->wide || !json_is_object(timing))
		return CLI_OK;
	fputc('\n', cli->out);
	table_init(&t, "STAGE", ">TIMED", ">MEAN NS", ">P50 NS", ">P99 NS", NULL);
	json_array_foreach (json_object_get(timing, "stages"), i, stage) {
		table_cell(&t, "%s", member_text(stage, "stage"));
		table_cell(&t, "%" PRIu64, member_u64(stage, "packets"));
		table_cell(&t, "%" PRIu64, member_u64(stage, "mean_ns"));
		table_cell(&t, "%" PRIu64, member_u64(stage, "p50_ns"));
		table_cell(&t, "%" PRIu64, member_u64(stage, "p99_ns"));
	}
	return table_print(&t, cli);
}

int cmd_status(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *status = NULL;
	_cleanup_(table_done) struct table t = {0};
	char uptime[RENDER_DURATION_SIZE];
	int exit = ask_get_json(cli, "/v1/status", &status);

	if (exit != CLI_OK || !status)
		return exit;
	render_seconds(member_u64(status, "uptime_seconds"), uptime);
	cli_say(cli, "weir %s on %s: mode %s, attached %s, up %s", member_text(status, "version"),
		member_text(status, "iface"), member_text(status, "mode"),
		member_text(status, "attached"), uptime);
	status_say_trouble(cli, status);
	say_exports(cli, json_object_get(json_object_get(status, "audit"), "exports"));
	say_otlp(cli, json_object_get(status, "otlp"));
	table_init(&t, "", "", NULL);
	put_links(&t, status);
	put_policy(&t, status);
	put_packets(&t, status);
	put_limits(&t, status);
	put_flags(&t, status);
	put_list(&t, json_object_get(status, "lists"), "allow");
	put_list(&t, json_object_get(status, "lists"), "block");
	put_events(&t, status);
	put_audit(&t, status);
	exit = table_print(&t, cli);
	if (exit != CLI_OK)
		return exit;
	exit = print_reasons(cli, json_object_get(status, "reasons"));
	return exit != CLI_OK ? exit : print_timing(cli, json_object_get(status, "timing"));
}
