/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Everything that is known of one address: the answer to "why can't I get through?". */
#include <inttypes.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/entries.h"
#include "cli/render.h"
#include "cli/source.h"
#include "policy/units.h"

static const struct {
	const char *verdict, *words;
} sentences[] = {
	{"allowed", "is on the allow list: all its packets pass"},
	{"blocked", "is on the block list: all its packets are dropped"},
	{"over_limit", "has used up a limit: its packets are dropped until there is room again"},
	{"dropped_lately", "is within every limit now, but packets of it were dropped lately"},
	{"within_limits", "is on no list and within every limit: its packets pass"},
};

static void say_verdict(const struct cli *cli, const json_t *answer)
{
	const char *verdict = member_text(answer, "verdict"), *words = verdict;
	const char *mode = member_text(answer, "mode"), *undo = member_text(answer, "undo");

	for (size_t i = 0; i < ARRAY_SIZE(sentences); i++)
		if (strcmp(verdict, sentences[i].verdict) == 0)
			words = sentences[i].words;
	cli_say(cli, "%s %s", member_text(answer, "address"), words);
	if (strcmp(mode, policy_mode_str(WEIR_MODE_ENFORCE)) != 0)
		cli_say(cli, "but the mode is %s: nothing is really dropped", mode);
	if (*undo)
		cli_say(cli, "to let it through: %s", undo);
}

static void put_wait(struct table *t, uint64_t ns)
{
	char wait[RENDER_DURATION_SIZE];

	format_duration(ns, wait, sizeof(wait));
	table_cell(t, "%s", ns ? wait : "-");
}

static int print_limits(const struct cli *cli, const json_t *limits)
{
	_cleanup_(table_done) struct table t = {0};
	const json_t *limit;
	size_t i;

	if (!json_array_size(limits))
		return CLI_OK;
	fputc('\n', cli->out);
	table_init(&t, "LIMIT", "UNIT", "ALGORITHM", ">LEFT", ">BURST", ">WAIT", "THEN", NULL);
	json_array_foreach (limits, i, limit) {
		table_cell(&t, "%s", member_text(limit, "name"));
		table_cell(&t, "%s", member_text(limit, "unit"));
		table_cell(&t, "%s", member_text(limit, "algorithm"));
		if (member_bool(limit, "known"))
			table_cell(&t, "%" PRIu64, member_u64(limit, "available"));
		else
			table_cell(&t, "unused");
		table_cell(&t, "%" PRIu64, member_u64(limit, "burst"));
		put_wait(&t, member_u64(limit, "wait_ns"));
		table_cell(&t, "%s", member_text(limit, "effect"));
	}
	return table_print(&t, cli);
}

int source_print_recent(const struct cli *cli, const json_t *recent)
{
	_cleanup_(table_done) struct table t = {0};
	const json_t *window;
	size_t i;

	if (!json_array_size(recent))
		return CLI_OK;
	fputc('\n', cli->out);
	table_init(&t, "RECENT DROPS", "LIMIT", "VERDICT", ">PACKETS", ">BYTES", "FIRST", "LAST",
		   NULL);
	json_array_foreach (recent, i, window) {
		const char *limit = member_text(window, "limit");
		char first[RENDER_TIME_SIZE], last[RENDER_TIME_SIZE];

		render_time(member_text(window, "first_seen"), first);
		render_time(member_text(window, "last_seen"), last);
		table_cell(&t, "%s", member_text(window, "reason"));
		table_cell(&t, "%s", *limit ? limit : "-");
		table_cell(&t, "%s", member_text(window, "verdict"));
		table_cell(&t, "%" PRIu64, member_u64(window, "packets"));
		table_cell(&t, "%" PRIu64, member_u64(window, "bytes"));
		table_cell(&t, "%s", first);
		table_cell(&t, "%s", last);
	}
	return table_print(&t, cli);
}

int cmd_source(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	const char *operand = cli_operand(cli, 0, "");
	char address[ADDRESS_TEXT_SIZE], path[80];
	uint8_t bytes[16];
	int exit;

	if (address_parse(operand, bytes) < 0)
		return cli_usage(cli, "'%s' is no address; write 198.51.100.7 or 2001:db8::1",
				 operand);
	address_format(bytes, address);
	snprintf(path, sizeof(path), "/v1/source/%s", address);
	exit = ask_get_json(cli, path, &answer);
	if (exit != CLI_OK || !answer)
		return exit;
	say_verdict(cli, answer);
	if (json_array_size(json_object_get(answer, "lists"))) {
		fputc('\n', cli->out);
		exit = entries_print(cli, json_object_get(answer, "lists"), NULL);
	}
	if (exit == CLI_OK)
		exit = print_limits(cli, json_object_get(answer, "limits"));
	if (exit == CLI_OK)
		exit = source_print_recent(cli, json_object_get(answer, "recent"));
	return exit;
}
