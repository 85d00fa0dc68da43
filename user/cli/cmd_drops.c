/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who dropped it: the ladder, and whose packets they were. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/render.h"

#define WATCH_SECONDS 1
#define FLOWS_SHOWN   10
#define FLOWS_MAX     1000

static const char *word_or_dash(const json_t *object, const char *key)
{
	const char *word = member_text(object, key);

	return *word ? word : "-";
}

static bool same_row(const json_t *a, const json_t *b)
{
	static const char *const keys[] = {"layer", "reason", "interface", "protocol", "direction"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(member_text(a, keys[i]), member_text(b, keys[i])) != 0)
			return false;
	return true;
}

/* What the row said the last time; nothing, if it was not there. */
static uint64_t before(const json_t *last, const json_t *row)
{
	const json_t *former;
	size_t i;

	json_array_foreach (json_object_get(last, "items"), i, former) {
		if (same_row(former, row))
			return member_u64(former, "packets");
	}
	return 0;
}

static int print_rows(const struct cli *cli, const json_t *answer, const json_t *last)
{
	_cleanup_(table_done) struct table t = {0};
	const json_t *row;
	size_t i;

	table_init(&t, "LAYER", "REASON", "INTERFACE", "PROTOCOL", TABLE_RIGHT "PACKETS", "LOST",
		   TABLE_WIDE "DIRECTION", "MEANING", NULL);
	json_array_foreach (json_object_get(answer, "items"), i, row) {
		uint64_t packets = member_u64(row, "packets"), was = before(last, row);

		if (packets <= was)
			continue;
		table_cell(&t, "%s", member_text(row, "layer"));
		table_cell(&t, "%s", member_text(row, "reason"));
		table_cell(&t, "%s", word_or_dash(row, "interface"));
		table_cell(&t, "%s", word_or_dash(row, "protocol"));
		table_cell(&t, "%" PRIu64, packets - was);
		table_cell(&t, "%s", member_bool(row, "counted") ? "yes" : "-");
		table_cell(&t, "%s", member_text(row, "direction"));
		table_cell(&t, "%s", word_or_dash(row, "meaning"));
	}
	return t.count ? table_print(&t, cli) : CLI_OK;
}

static int print_flows(const struct cli *cli, const json_t *flows)
{
	_cleanup_(table_done) struct table t = {0};
	const json_t *flow;
	size_t i;

	if (!json_array_size(flows))
		return CLI_OK;
	table_init(&t, "SOURCE", TABLE_RIGHT "PORT", "DESTINATION", TABLE_RIGHT "PORT", "PROTOCOL",
		   "INTERFACE", "REASON", TABLE_RIGHT "PACKETS", "LAST", NULL);
	json_array_foreach (flows, i, flow) {
		char last[RENDER_TIME_SIZE];

		render_time(member_text(flow, "last_seen"), last);
		table_cell(&t, "%s", member_text(flow, "source"));
		table_cell(&t, "%" PRIu64, member_u64(flow, "source_port"));
		table_cell(&t, "%s", member_text(flow, "destination"));
		table_cell(&t, "%" PRIu64, member_u64(flow, "destination_port"));
		table_cell(&t, "%s", word_or_dash(flow, "protocol"));
		table_cell(&t, "%s", word_or_dash(flow, "interface"));
		table_cell(&t, "%s", member_text(flow, "reason"));
		table_cell(&t, "%" PRIu64, member_u64(flow, "packets"));
		table_cell(&t, "%s", last);
	}
	return table_print(&t, cli);
}

static void say_if_uncounted(const struct cli *cli, const json_t *answer)
{
	const json_t *kernel = json_object_get(answer, "kernel");

	if (!member_bool(kernel, "counted"))
		cli_talk(cli, "what the kernel drops is not counted: %s",
			 member_text(kernel, "trouble"));
}

static int print_all(const struct cli *cli, const json_t *answer)
{
	char since[RENDER_TIME_SIZE];
	int exit = print_rows(cli, answer, NULL);

	if (exit == CLI_OK && json_array_size(json_object_get(answer, "flows"))) {
		cli_say(cli, "%s", "");
		exit = print_flows(cli, json_object_get(answer, "flows"));
	}
	render_time(member_text(answer, "since"), since);
	cli_talk(cli, "%" PRIu64 " packets that came in are lost since %s",
		 member_u64(answer, "lost"), since);
	say_if_uncounted(cli, answer);
	return exit;
}

/* Until somebody ends it. */
static int watch(struct cli *cli, const char *path)
{
	_cleanup_(json_decrefp) json_t *last = NULL;

	for (;;) {
		json_t *answer = NULL;
		int exit = ask_get_json(cli, path, &answer);

		if (exit == CLI_OK && answer && last)
			exit = print_rows(cli, answer, last);
		else if (exit == CLI_OK && answer)
			say_if_uncounted(cli, answer);
		if (answer) {
			json_decref(last);
			last = answer;
		}
		if (exit != CLI_OK || fflush(cli->out) != 0)
			return exit;
		sleep(WATCH_SECONDS);
	}
}

int cmd_drops(struct cli *cli)
{
	const char *iface = cli_value(cli, CLI_OPTION_IFACE, NULL);
	const char *flow = cli_value(cli, CLI_OPTION_FLOW, NULL);
	const char *lines = cli_value(cli, CLI_OPTION_LINES, NULL);
	_cleanup_(json_decrefp) json_t *answer = NULL;
	char buffer[256], prefix[PREFIX_TEXT_SIZE];
	uint32_t limit = FLOWS_SHOWN;
	struct prefix p;
	struct text path;
	int exit;

	if (lines && parse_u32(lines, 1, FLOWS_MAX, &limit) < 0)
		return cli_usage(cli, "--lines takes a number from 1 to %d", FLOWS_MAX);
	if (iface && (strlen(iface) > 15 || strpbrk(iface, "&?#% /")))
		return cli_usage(cli, "'%s' is no name of an interface", iface);
	if (flow && prefix_parse(flow, &p) < 0)
		return cli_usage(cli, "'%s' is no address and no prefix", flow);
	text_init(&path, buffer, sizeof(buffer));
	text_printf(&path, "/v1/drops?limit=%u", limit);
	if (iface)
		text_printf(&path, "&interface=%s", iface);
	if (flow) {
		prefix_format(&p, prefix);
		text_printf(&path, "&flow=%s", prefix);
	}
	if (cli_value(cli, CLI_OPTION_WATCH, NULL))
		return watch(cli, path.data);
	exit = ask_get_json(cli, path.data, &answer);
	return exit == CLI_OK && answer ? print_all(cli, answer) : exit;
}
