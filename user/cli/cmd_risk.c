/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What sources made of themselves. */
#include <inttypes.h>

#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/render.h"

static void put_sources(struct table *t, const json_t *sources)
{
	const json_t *source;
	size_t i;

	json_array_foreach (sources, i, source) {
		char first[RENDER_TIME_SIZE], last[RENDER_TIME_SIZE];

		render_time(member_text(source, "first_seen"), first);
		render_time(member_text(source, "last_seen"), last);
		table_cell(t, "%s", member_text(source, "source"));
		table_cell(t, "%s", member_text(source, "level"));
		table_cell(t, "%" PRIu64, member_u64(source, "points"));
		table_cell(t, "%" PRIu64, member_u64(source, "events"));
		table_cell(t, "%" PRIu64, member_u64(source, "packets"));
		table_cell(t, "%s", first);
		table_cell(t, "%s", last);
	}
}

int cmd_risk_list(struct cli *cli)
{
	_cleanup_(table_done) struct table t = {0};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	const json_t *sources;
	int exit = ask_get_json(cli, "/v1/risk/sources", &answer);

	if (exit != CLI_OK || !answer)
		return exit;
	table_init(&t, "SOURCE", "LEVEL", TABLE_RIGHT "POINTS", TABLE_RIGHT "EVENTS",
		   TABLE_RIGHT "PACKETS", TABLE_WIDE "FIRST", "LAST", NULL);
	sources = json_object_get(answer, "sources");
	put_sources(&t, sources);
	exit = table_print(&t, cli);
	if (member_u64(answer, "count") > json_array_size(sources))
		cli_talk(cli, "%" PRIu64 " sources in all: these are the worst",
			 member_u64(answer, "count"));
	return exit;
}

int cmd_risk_show(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	char path[sizeof("/v1/risk/sources/") + ADDRESS_TEXT_SIZE], first[RENDER_TIME_SIZE],
		last[RENDER_TIME_SIZE], address[ADDRESS_TEXT_SIZE];
	uint8_t source[16];
	int exit;

	if (address_parse(cli_operand(cli, 0, ""), source) < 0)
		return cli_usage(cli, "'%s' is no address", cli_operand(cli, 0, ""));
	address_format(source, address);
	snprintf(path, sizeof(path), "/v1/risk/sources/%s", address);
	exit = ask_get_json(cli, path, &answer);
	if (exit != CLI_OK || !answer)
		return exit;
	render_time(member_text(answer, "first_seen"), first);
	render_time(member_text(answer, "last_seen"), last);
	cli_say(cli, "%s: %s, %" PRIu64 " of 100 points", address, member_text(answer, "level"),
		member_u64(answer, "points"));
	cli_say(cli, "%" PRIu64 " events of %" PRIu64 " packets from %s to %s",
		member_u64(answer, "events"), member_u64(answer, "packets"), first, last);
	return CLI_OK;
}
