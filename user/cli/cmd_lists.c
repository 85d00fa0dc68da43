/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The allow and block lists: show, add, remove. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/entries.h"
#include "cli/render.h"
#include "lists/set.h"

#define LIST_PAGE   1000 /* entries asked for at once */
#define CURSOR_SIZE 256
#define ORIGIN_SIZE 256

static bool is_from_policy(const json_t *entry)
{
	return strcmp(member_text(entry, "origin"), list_origin_to_str(LIST_POLICY)) == 0;
}

/* Who put it there: a line of the policy or of a feed, or somebody. */
static void format_origin(const json_t *entry, char *ret, size_t size)
{
	if (is_from_policy(entry))
		snprintf(ret, size, "policy line %" PRIu64, member_u64(entry, "line"));
	else if (*member_text(entry, "feed"))
		snprintf(ret, size, "feed %s, %s:%" PRIu64, member_text(entry, "feed"),
			 member_text(entry, "file"), member_u64(entry, "line"));
	else if (strcmp(member_text(entry, "origin"), list_origin_to_str(LIST_KEPT)) == 0)
		snprintf(ret, size, "an earlier daemon");
	else if (strcmp(member_text(entry, "origin"), list_origin_to_str(LIST_RECOVERED)) == 0)
		snprintf(ret, size, "somebody: recovered from the kernel");
	else
		snprintf(ret, size, "%s", member_text(entry, "added_by"));
}

static void format_left(const json_t *entry, char ret[static RENDER_DURATION_SIZE])
{
	if (json_is_integer(json_object_get(entry, "left_seconds")))
		render_seconds(member_u64(entry, "left_seconds"), ret);
	else
		snprintf(ret, RENDER_DURATION_SIZE, "for ever");
}

void entry_format(const json_t *entry, char ret[static ENTRY_TEXT_SIZE])
{
	const char *reason = member_text(entry, "reason");
	bool ends = json_is_integer(json_object_get(entry, "left_seconds"));
	char origin[ORIGIN_SIZE], left[RENDER_DURATION_SIZE];

	format_origin(entry, origin, sizeof(origin));
	format_left(entry, left);
	snprintf(ret, ENTRY_TEXT_SIZE, "%s, %s%s, %s%s%s%s", member_text(entry, "cidr"),
		 is_from_policy(entry) ? "" : "by ", origin, left, ends ? " left" : "",
		 *reason ? ": " : "", reason);
}

static void put_entries(struct table *t, const json_t *entries, const char *kind)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (entries, i, entry) {
		char origin[ORIGIN_SIZE], left[RENDER_DURATION_SIZE], added[RENDER_TIME_SIZE];
		char until[RENDER_TIME_SIZE];
		const char *reason = member_text(entry, "reason");

		format_origin(entry, origin, sizeof(origin));
		format_left(entry, left);
		render_time(member_text(entry, "added_at"), added);
		render_time(member_text(entry, "until"), until);
		table_cell(t, "%s", kind ?: member_text(entry, "list"));
		table_cell(t, "%s", member_text(entry, "cidr"));
		if (json_is_integer(json_object_get(entry, "hits")))
			table_cell(t, "%" PRIu64, member_u64(entry, "hits"));
		else
			table_cell(t, "-");
		table_cell(t, "%s", left);
		table_cell(t, "%s", added);
		table_cell(t, "%s", until);
		table_cell(t, "%s", origin);
		table_cell(t, "%s", *reason ? reason : "-");
	}
}

static void init_entries(struct table *t)
{
	table_init(t, "LIST", "ENTRY", ">HITS", "LEFT", "SINCE", "+UNTIL", "FROM", "REASON", NULL);
}

int entries_print(const struct cli *cli, const json_t *entries, const char *kind)
{
	_cleanup_(table_done) struct table t = {0};

	init_entries(&t);
	put_entries(&t, entries, kind);
	return table_print(&t, cli);
}

/* The page at @cursor ("" = the first), and the cursor of the next one. */
static int read_page(const struct cli *cli, const char *kind, char cursor[static CURSOR_SIZE],
		     json_t **ret)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(json_decrefp) json_t *page = NULL;
	char path[CURSOR_SIZE + 64];
	int exit;

	snprintf(path, sizeof(path), "/v1/lists/%s?limit=%d%s%s", kind, LIST_PAGE,
		 *cursor ? "&cursor=" : "", cursor);
	exit = ask_get(cli, path, &response);
	if (exit == CLI_OK)
		exit = ask_decode(cli, &response, &page);
	if (exit != CLI_OK)
		return exit;
	if (!json_is_array(json_object_get(page, "items")))
		return cli_fail(cli, CLI_FAILED, "cli.answer", "the daemon sent no list", NULL);
	snprintf(cursor, CURSOR_SIZE, "%s", member_text(page, "next_cursor"));
	*ret = take_ptr(page);
	return CLI_OK;
}

/* Page by page, as they come: a list may have a million entries. Columns only grow. */
static int print_pages(const struct cli *cli, const char *kind, const json_t *page,
		       char cursor[static CURSOR_SIZE])
{
	_cleanup_(json_decrefp) json_t *next = NULL;
	size_t width[TABLE_COLUMNS_MAX] = {0};
	bool first = true;
	int exit = CLI_OK;

	while (exit == CLI_OK && page) {
		_cleanup_(table_done) struct table t = {0};

		init_entries(&t);
		t.headless = !first;
		for (size_t i = 0; i < t.columns; i++)
			if (width[i] > t.width[i])
				t.width[i] = width[i];
		put_entries(&t, json_object_get(page, "items"), kind);
		exit = table_print(&t, cli);
		memcpy(width, t.width, sizeof(width));
		first = false;
		if (!*cursor || exit != CLI_OK || !t.count)
			break;
		json_decref(next);
		next = NULL;
		exit = read_page(cli, kind, cursor, &next);
		page = next;
	}
	return exit;
}

/* One JSON value in pieces. Where it ended early, next_cursor says where it goes on. */
static int print_json_pages(const struct cli *cli, const char *kind, const json_t *page,
			    char cursor[static CURSOR_SIZE])
{
	_cleanup_(json_decrefp) json_t *next = NULL;
	struct cli talking = *cli;
	const char *separator = "";
	int exit = CLI_OK;

	talking.json = false; /* what fails is said on stderr: stdout has begun */
	fputs("{\"items\":[", cli->out);
	while (page) {
		const json_t *item;
		size_t i;

		json_array_foreach (json_object_get(page, "items"), i, item) {
			fputs(separator, cli->out);
			json_dumpf(item, cli->out, JSON_COMPACT);
			separator = ",";
		}
		if (!*cursor || !i)
			break;
		json_decref(next);
		next = NULL;
		exit = read_page(&talking, kind, cursor, &next);
		page = next;
	}
	if (exit == CLI_OK)
		fputs("],\"next_cursor\":null}\n", cli->out);
	else
		fprintf(cli->out, "],\"next_cursor\":\"%s\"}\n", cursor);
	return exit;
}

static int print_list(const struct cli *cli, const char *kind)
{
	_cleanup_(json_decrefp) json_t *page = NULL;
	char cursor[CURSOR_SIZE] = "";
	int exit = read_page(cli, kind, cursor, &page);

	if (exit != CLI_OK)
		return exit;
	return cli->json ? print_json_pages(cli, kind, page, cursor)
			 : print_pages(cli, kind, page, cursor);
}

static void put_feed(struct table *t, const json_t *feed)
{
	const json_t *error = json_object_get(feed, "error");
	char read[RENDER_TIME_SIZE], written[RENDER_TIME_SIZE];

	render_time(member_text(feed, "read_at"), read);
	render_time(member_text(feed, "written_at"), written);
	table_cell(t, "%s", member_text(feed, "name"));
	table_cell(t, "%s", member_text(feed, "list"));
	table_cell(t, "%" PRIu64, member_u64(feed, "entries"));
	table_cell(t, "%" PRIu64, member_u64(feed, "added"));
	table_cell(t, "%" PRIu64, member_u64(feed, "removed"));
	table_cell(t, "%" PRIu64, member_u64(feed, "bad_lines"));
	table_cell(t, "%" PRIu64, member_u64(feed, "hits"));
	table_cell(t, "%s", read);
	table_cell(t, "%s", member_text(feed, "file"));
	table_cell(t, "%s", member_text(feed, "format"));
	table_cell(t, "%s", written);
	table_cell(t, "%s", member_text(feed, "sha256"));
	table_cell(t, "%s", json_is_object(error) ? member_text(error, "detail") : "-");
}

int cmd_feeds(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_(table_done) struct table t = {0};
	const json_t *feed;
	size_t i;
	int exit = ask_get_json(cli, "/v1/feeds", &answer);

	if (exit != CLI_OK || !answer)
		return exit;
	table_init(&t, "FEED", "LIST", ">ENTRIES", ">ADDED", ">REMOVED", ">BAD", ">HITS", "READ",
		   "FILE", "+FORMAT", "+WRITTEN", "+SHA256", "PROBLEM", NULL);
	json_array_foreach (json_object_get(answer, "items"), i, feed) {
		put_feed(&t, feed);
	}
	return table_print(&t, cli);
}

int cmd_lists(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *counts = NULL;
	_cleanup_(table_done) struct table t = {0};
	const char *kind = cli_operand(cli, 0, NULL);
	enum list_kind known;
	int exit;

	if (kind && list_kind_from_str(kind, &known) < 0)
		return cli_usage(cli, "there is no list '%s', only allow and block", kind);
	if (kind)
		return print_list(cli, kind);
	exit = ask_get_json(cli, "/v1/lists", &counts);
	if (exit != CLI_OK || !counts)
		return exit;
	table_init(&t, "LIST", ">ADDRESSES", ">PREFIXES", NULL);
	for (unsigned int i = 0; i < LIST_KIND_MAX; i++) {
		const json_t *count = json_object_get(counts, list_kind_to_str(i));

		table_cell(&t, "%s", list_kind_to_str(i));
		table_cell(&t, "%" PRIu64, member_u64(count, "addresses"));
		table_cell(&t, "%" PRIu64, member_u64(count, "prefixes"));
	}
	return table_print(&t, cli);
}

/* A change that took effect, but not in every way it should. */
static void warn_of_storage(const struct cli *cli, const json_t *answer)
{
	if (json_is_false(json_object_get(answer, "persisted")))
		cli_talk(cli, "this would not survive a reboot: the store cannot be written");
	if (strcmp(member_text(answer, "audit"), "degraded") == 0)
		cli_talk(cli, "the audit log cannot be written at the moment: see 'weir status'");
}

/* Check --ttl and --reason, and make the request's body of them. */
static int pack_entry(const struct cli *cli, const struct prefix *prefix, char **ret)
{
	_cleanup_(json_decrefp) json_t *body = NULL;
	const char *ttl = cli_value(cli, CLI_OPTION_TTL, NULL);
	const char *reason = cli_value(cli, CLI_OPTION_REASON, NULL);
	char cidr[PREFIX_TEXT_SIZE];
	uint64_t ttl_ns = 0;

	if (ttl && (parse_duration_ns(ttl, &ttl_ns) < 0 || !ttl_ns))
		return cli_usage(cli, "--ttl '%s' is no duration; write 90s, 10m, 2h or 7d", ttl);
	if (reason && strlen(reason) > LIST_REASON_MAX)
		return cli_usage(cli, "--reason is longer than %d bytes", LIST_REASON_MAX);
	if (reason && !utf8_valid(reason, strlen(reason)))
		return cli_usage(cli, "--reason is not valid UTF-8");
	prefix_format(prefix, cidr);
	body = json_pack("{s:s, s:s*, s:s*}", "cidr", cidr, "ttl", ttl, "reason", reason);
	*ret = json_dumps(body, JSON_COMPACT);
	if (!*ret)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	return CLI_OK;
}

/* What the daemon says that an entry would do. Refused = CLI_CONFLICT, as without --dry-run. */
static int say_dry_run(const struct cli *cli, const json_t *answer)
{
	const char *list = member_text(answer, "list"), *cidr = member_text(answer, "cidr");
	const json_t *item;
	size_t i;

	if (member_bool(answer, "refused"))
		cli_say(cli, "%s would not be put on the %s list without --force", cidr, list);
	else
		cli_say(cli, "%s would be put on the %s list%s", cidr, list,
			member_bool(answer, "replaces") ? ", in the place of its entry there" : "");
	json_array_foreach (json_object_get(answer, "safety"), i, item) {
		cli_say(cli, "UNSAFE: %s [%s]", member_text(item, "detail"),
			member_text(item, "code"));
	}
	json_array_foreach (json_object_get(answer, "listed_by"), i, item) {
		char words[ENTRY_TEXT_SIZE];

		entry_format(item, words);
		cli_say(cli, "it is on the %s list by now: %s", member_text(item, "list"), words);
	}
	cli_talk(cli, "nothing has changed");
	return member_bool(answer, "refused") ? CLI_CONFLICT : CLI_OK;
}

/* Ask what the entry would do. */
static int list_dry_run(const struct cli *cli, const struct client_request *request)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	int exit = ask(cli, request, &response);

	if (exit == CLI_OK)
		exit = ask_decode(cli, &response, &answer);
	if (exit != CLI_OK)
		return exit;
	if (!cli->json)
		return say_dry_run(cli, answer);
	ask_print(cli, &response);
	return member_bool(answer, "refused") ? CLI_CONFLICT : CLI_OK;
}

static int list_add(const struct cli *cli, enum list_kind kind)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	_cleanup_free_ char *body = NULL;
	char path[64], words[ENTRY_TEXT_SIZE];
	struct client_request request = {
		.method = "POST", .path = path, .type = "application/json"};
	bool force = cli->values[CLI_OPTION_FORCE], dry_run = cli->values[CLI_OPTION_DRY_RUN];
	struct prefix prefix;
	int exit = cli_prefix(cli, 0, &prefix);

	if (exit == CLI_OK)
		exit = pack_entry(cli, &prefix, &body);
	if (exit != CLI_OK)
		return exit;
	snprintf(path, sizeof(path), "/v1/lists/%s%s%s%s", list_kind_to_str(kind),
		 force || dry_run ? "?" : "", force ? "force=true" : "",
		 dry_run ? &"&dry_run=true"[!force] : "");
	request.body = body;
	request.length = strlen(body);
	if (dry_run)
		return list_dry_run(cli, &request);
	exit = ask_json(cli, &request, &answer);
	if (exit != CLI_OK || !answer)
		return exit;
	entry_format(json_object_get(answer, "entry"), words);
	cli_say(cli, "%s %s", kind == LIST_BLOCK ? "blocked" : "allowed", words);
	warn_of_storage(cli, answer);
	return CLI_OK;
}

static int list_remove(const struct cli *cli, enum list_kind kind)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	const char *done = kind == LIST_BLOCK ? "blocked" : "allowed";
	char cidr[PREFIX_TEXT_SIZE], path[128];
	struct client_request request = {.method = "DELETE", .path = path};
	const json_t *others, *entry;
	struct prefix prefix;
	size_t i;
	int exit = cli_prefix(cli, 0, &prefix);

	if (exit != CLI_OK)
		return exit;
	prefix_format(&prefix, cidr);
	snprintf(path, sizeof(path), "/v1/lists/%s/%s%s", list_kind_to_str(kind), cidr,
		 cli->values[CLI_OPTION_FORCE] ? "?force=true" : "");
	exit = ask_json(cli, &request, &answer);
	if (exit != CLI_OK || !answer)
		return exit;
	others = json_object_get(answer, "still_listed_by");
	if (json_array_size(others))
		cli_say(cli, "the entry %s is removed; still %s by:", cidr, done);
	else
		cli_say(cli, "%s is no longer %s", cidr, done);
	json_array_foreach (others, i, entry) {
		char words[ENTRY_TEXT_SIZE];

		entry_format(entry, words);
		cli_say(cli, "  %s", words);
	}
	warn_of_storage(cli, answer);
	return CLI_OK;
}

int cmd_allow(struct cli *cli)
{
	return list_add(cli, LIST_ALLOW);
}

int cmd_unallow(struct cli *cli)
{
	return list_remove(cli, LIST_ALLOW);
}

int cmd_block(struct cli *cli)
{
	return list_add(cli, LIST_BLOCK);
}

int cmd_unblock(struct cli *cli)
{
	return list_remove(cli, LIST_BLOCK);
}
