/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Search the audit log: page after page from the daemon, or from the files with the same words and the same
 * order. A page that ended because the daemon's time was over is gone on with; the limit is the caller's.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "audit/rectified.h"
#include "audit/search.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/audit.h"
#include "cli/query.h"
#include "cli/render.h"
#include "cli/vault.h"
#include "vault/query.h"

#define LIMIT_DEFAULT	"100"
#define FOLLOW_DEFAULT	"10"
#define LIMIT_MAX	1000000
#define PAGE_MAX	1000
#define FOLLOW_EVERY_NS (500 * NSEC_PER_MSEC)

struct page {
	struct text lines; /* records as NDJSON */
	size_t records;
	bool end, partial;
	char cursor[SEARCH_CURSOR_SIZE]; /* of the next page */
	uint64_t tip;
};

/* What is looked for, and what opens it where the files are read. */
struct asked {
	struct audit_query query;
	struct vault *vault; /* NULL: the daemon is asked */
	struct vault_meant meant;
};

static void asked_done(struct asked *a)
{
	vault_meant_done(&a->meant);
	vault_close(a->vault);
}

static void page_done(struct page *p)
{
	text_done(&p->lines);
	*p = (struct page){.lines.growing = true};
}

static int fetch_online(const struct cli *cli, bool oldest, const char *cursor, uint32_t limit,
			struct page *ret)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(text_done) struct text path = {.growing = true};
	int exit;

	text_printf(&path, "/v1/audit/events?limit=%" PRIu32, limit);
	query_put(cli, &path);
	if (oldest)
		text_puts(&path, "&order=oldest");
	if (cli_value(cli, CLI_OPTION_SCAN, NULL))
		text_puts(&path, "&scan");
	if (cli_value(cli, CLI_OPTION_SEALED, NULL))
		text_puts(&path, "&sealed");
	if (*cursor)
		query_put_argument(&path, "cursor", cursor);
	if (path.truncated)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	exit = ask_get(cli, path.data, &response);
	if (exit != CLI_OK)
		return exit;
	ret->lines = response.body;
	response.body = (struct text){0};
	for (size_t i = 0; i < ret->lines.length; i++)
		ret->records += ret->lines.data[i] == '\n';
	ret->end = strcmp(response.page, audit_page_to_str(AUDIT_PAGE_END)) == 0;
	ret->partial = strcmp(response.page, audit_page_to_str(AUDIT_PAGE_PARTIAL)) == 0;
	snprintf(ret->cursor, sizeof(ret->cursor), "%.23s", response.cursor);
	if (parse_u64(response.tip, 0, UINT64_MAX, &ret->tip) < 0 || !*ret->cursor)
		return cli_fail(cli, CLI_FAILED, "cli.answer",
				"the daemon's answer does not say where it ends", NULL);
	return CLI_OK;
}

static int on_record(const struct reader_record *record, void *userdata)
{
	struct page *page = userdata;

	record_put_view(&page->lines, record->data, record->length, &record->view, record->hash);
	text_puts(&page->lines, "\n");
	page->records++;
	return 0;
}

static int fetch_offline(const struct cli *cli, const struct asked *q, bool oldest,
			 const char *cursor, uint32_t limit, struct page *ret)
{
	_cleanup_(rectified_freep) struct rectified *rectified = NULL;
	struct audit_search_options options = {
		.oldest = oldest,
		.scan = cli_value(cli, CLI_OPTION_SCAN, NULL),
		.from = SEARCH_BEGIN,
		.limit = limit,
		.opener = q->vault ? vault_opener(q->vault) : NULL,
		.sealed = cli_value(cli, CLI_OPTION_SEALED, NULL),
	};
	struct audit_search_result result;
	struct fault f = {0};

	if (*cursor && audit_cursor_parse(cursor, oldest, &options.from, &f) < 0)
		return cli_usage(cli, "%s", f.text);
	if (rectified_load(cli_value(cli, CLI_OPTION_DIR, NULL), NULL, NULL, &rectified, &f) < 0)
		return cli_fault(cli, &f);
	options.rectified = rectified;
	if (audit_search(cli_value(cli, CLI_OPTION_DIR, NULL), &q->query, &options, on_record, ret,
			 &result, &f) < 0)
		return cli_fault(cli, &f);
	if (ret->lines.truncated)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	if (result.damaged)
		cli_talk(cli,
			 "%" PRIu32 " indexes contradict the log and were not used: see 'weir "
			 "audit index check'",
			 result.damaged);
	ret->end = result.page == AUDIT_PAGE_END;
	ret->tip = result.tip;
	audit_cursor_format(result.next, oldest, ret->cursor);
	return CLI_OK;
}

static int fetch(const struct cli *cli, const struct asked *q, bool oldest, const char *cursor,
		 uint32_t limit, struct page *ret)
{
	page_done(ret);
	if (limit > PAGE_MAX)
		limit = PAGE_MAX;
	if (cli_value(cli, CLI_OPTION_DIR, NULL))
		return fetch_offline(cli, q, oldest, cursor, limit, ret);
	return fetch_online(cli, oldest, cursor, limit, ret);
}

/* The parts of {"events":[...],"page":"...","cursor":...}: records are printed as they come. */
static void print_values(const struct cli *cli, const struct text *lines, bool first)
{
	for (size_t at = 0; at < lines->length;) {
		size_t length = strcspn(lines->data + at, "\n");

		if (!first || at)
			fputc(',', cli->out);
		fwrite(lines->data + at, 1, length, cli->out);
		at += length + 1;
	}
}

static void print_end(const struct cli *cli, const struct page *page, uint64_t left)
{
	if (cli->json && !cli->lines)
		fprintf(cli->out,
			page->end ? "],\"page\":\"%s\",\"cursor\":null}\n"
				  : "],\"page\":\"%s\",\"cursor\":\"%s\"}\n",
			page->end ? "end" : "full", page->cursor);
	else if (!page->end && !left && !cli->json)
		cli_talk(cli, "there are more: --cursor %s", page->cursor);
}

static int search(const struct cli *cli, const struct asked *q, uint64_t limit)
{
	_cleanup_(page_done) struct page page = {.lines.growing = true};
	bool oldest = cli_value(cli, CLI_OPTION_OLDEST, NULL), first = true;
	char cursor[SEARCH_CURSOR_SIZE];
	int exit = CLI_OK;

	snprintf(cursor, sizeof(cursor), "%.23s", cli_value(cli, CLI_OPTION_CURSOR, ""));
	while (limit && !page.end) {
		exit = fetch(cli, q, oldest, cursor, limit < PAGE_MAX ? (uint32_t)limit : PAGE_MAX,
			     &page);
		if (exit != CLI_OK)
			return exit;
		memcpy(cursor, page.cursor, sizeof(cursor));
		limit -= page.records < limit ? page.records : limit;
		if (cli->json && !cli->lines && first)
			fputs("{\"events\":[", cli->out);
		if (cli->json && !cli->lines)
			print_values(cli, &page.lines, first);
		else
			exit = audit_print_lines(cli, &page.lines, false);
		if (exit != CLI_OK)
			return exit;
		first = first && !page.records;
	}
	print_end(cli, &page, limit);
	return exit;
}

/* The last ones in the order in which they happened, then what comes, for ever. */
static int follow(const struct cli *cli, const struct asked *q, uint32_t limit)
{
	static const struct timespec pause = {.tv_nsec = FOLLOW_EVERY_NS};
	_cleanup_(page_done) struct page page = {.lines.growing = true};
	char cursor[SEARCH_CURSOR_SIZE];
	int exit = fetch(cli, q, false, "", limit, &page);

	audit_cursor_format(page.tip, true, cursor);
	if (exit == CLI_OK)
		exit = audit_print_lines(cli, &page.lines, true);
	while (exit == CLI_OK && fflush(cli->out) == 0) {
		if (page.end)
			nanosleep(&pause, NULL);
		exit = fetch(cli, q, true, cursor, PAGE_MAX, &page);
		if (exit == CLI_OK)
			exit = audit_print_lines(cli, &page.lines, false);
		memcpy(cursor, page.cursor, sizeof(cursor));
	}
	return exit;
}

/* Of the files that are searched. */
static int open_vault(const struct cli *cli, struct asked *a)
{
	struct fault f = {0};
	int exit = cli_vault_of_log(cli, cli_value(cli, CLI_OPTION_DIR, NULL), &a->vault);

	if (exit != CLI_OK)
		return exit;
	if (vault_mean(a->vault, &a->query, &a->meant, &f) < 0)
		return cli_fault(cli, &f);
	return CLI_OK;
}

int cmd_audit_search(struct cli *cli)
{
	bool follows = cli_value(cli, CLI_OPTION_FOLLOW, NULL);
	const char *count =
		cli_value(cli, CLI_OPTION_LIMIT, follows ? FOLLOW_DEFAULT : LIMIT_DEFAULT);
	uint32_t limit, max = follows ? PAGE_MAX : LIMIT_MAX;
	_cleanup_(asked_done) struct asked asked = {0};
	int exit;

	if (parse_u32(count, 1, max, &limit) < 0)
		return cli_usage(cli, "--limit '%s' is no number from 1 to %u", count, max);
	if (follows &&
	    (cli_value(cli, CLI_OPTION_CURSOR, NULL) || cli_value(cli, CLI_OPTION_OLDEST, NULL)))
		return cli_usage(cli, "--follow begins with the last records: neither --cursor nor "
				      "--oldest goes with it");
	exit = query_parse(cli, &asked.query);
	if (exit == CLI_OK && cli_value(cli, CLI_OPTION_DIR, NULL))
		exit = open_vault(cli, &asked);
	if (exit != CLI_OK)
		return exit;
	if (!follows)
		return search(cli, &asked, limit);
	if (cli->json)
		cli->lines = true; /* one value would never end */
	return follow(cli, &asked, limit);
}
