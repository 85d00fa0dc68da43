/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/once.h"

#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/render.h"
#include "top/fetch.h"
#include "top/header.h"
#include "top/view.h"

#define ROWS_MAX 20 /* of a table, in text */

/* What the tabs are called in JSON. */
static const char *const members[VIEW_TAB_MAX] = {
	[VIEW_SOURCES] = "sources",   [VIEW_PREFIXES] = "prefixes", [VIEW_RULES] = "rules",
	[VIEW_SERVICES] = "services", [VIEW_TENANTS] = "tenants",   [VIEW_EVENTS] = "events",
};

static int print_view(const struct cli *cli, enum view_tab tab, const struct view *v)
{
	_cleanup_(table_done) struct table t = {0};
	char titles[VIEW_COLUMNS_MAX][32];
	const char *end[VIEW_COLUMNS_MAX] = {0};
	size_t count;
	const struct view_column *columns = view_columns(tab, &count);

	for (size_t c = 0; c < count; c++) {
		snprintf(titles[c], sizeof(titles[c]), "%s%s", columns[c].right ? TABLE_RIGHT : "",
			 columns[c].title);
		end[c] = titles[c];
	}
	if (!cli->tsv)
		fprintf(cli->out, "\n%s\n", view_title(tab));
	table_init(&t, end[0], end[1], end[2], end[3], end[4], end[5], end[6], NULL);
	for (size_t i = 0; i < v->count && i < ROWS_MAX; i++)
		for (size_t c = 0; c < count; c++)
			table_cell(&t, "%s", v->rows[i].cells[c].text);
	return table_print(&t, cli);
}

static int print_tab(const struct cli *cli, enum view_tab tab, const json_t *body,
		     const json_t *before, double seconds)
{
	const struct view_options options = {
		.tab = tab,
		.sort = view_first_sort(tab),
		.filter = "",
	};
	_cleanup_(view_done) struct view v = {0};

	if (view_make(&options, body, before, seconds, &v) < 0)
		return cli_fail(cli, CLI_FAILED, "top.memory", "out of memory", NULL);
	return v.count ? print_view(cli, tab, &v) : CLI_OK;
}

static void print_header(const struct cli *cli, const json_t *status, const json_t *before,
			 double seconds)
{
	struct screen_line lines[SCREEN_HEADER_LINES];
	struct header h = {0};

	header_add(&h, status, before, seconds);
	header_format(&h, cli, status, "", false, 0, lines);
	for (int i = 0; i < SCREEN_HEADER_LINES; i++)
		cli_say(cli, "%s", lines[i].text);
}

/* Who may not see something sees the rest. */
static int print_all(const struct cli *cli, struct fetch_answers *answers,
		     const struct fetch_answers *before)
{
	double seconds = (double)(answers[VIEW_RULES].at_ns - before->at_ns) / NSEC_PER_SEC;
	_cleanup_(json_decrefp) json_t *all = NULL;
	int exit = CLI_OK;

	if (cli->json) {
		all = json_pack("{s:O}", "status", answers[VIEW_RULES].status);
		for (enum view_tab tab = 0; all && tab < VIEW_TAB_MAX; tab++)
			json_object_set(all, members[tab],
					answers[tab].body
						? json_object_get(answers[tab].body, "items")
						: json_null());
		return render_json(cli, all);
	}
	print_header(cli, answers[VIEW_RULES].status, before->status, seconds);
	for (enum view_tab tab = 0; exit == CLI_OK && tab < VIEW_TAB_MAX; tab++)
		if (answers[tab].body)
			exit = print_tab(cli, tab, answers[tab].body,
					 tab == VIEW_RULES ? before->body : NULL, seconds);
	return exit;
}

int once_print(const struct cli *cli)
{
	_cleanup_(fetch_answers_done) struct fetch_answers before = {0};
	struct fetch_answers answers[VIEW_TAB_MAX] = {0};
	const struct timespec second = {.tv_sec = 1};
	int exit;

	fetch_now(cli, view_path(VIEW_RULES), &before);
	if (!before.status)
		return ask_unreachable(cli, &before.fault);
	nanosleep(&second, NULL);
	for (enum view_tab tab = 0; tab < VIEW_TAB_MAX; tab++)
		fetch_now(cli, view_path(tab), &answers[tab]);
	exit = answers[VIEW_RULES].status ? print_all(cli, answers, &before)
					  : ask_unreachable(cli, &answers[VIEW_RULES].fault);
	for (enum view_tab tab = 0; tab < VIEW_TAB_MAX; tab++)
		fetch_answers_done(&answers[tab]);
	return exit;
}
