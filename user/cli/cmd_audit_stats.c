/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts of the audit log, and its indexes. */
#include <inttypes.h>
#include <string.h>

#include "audit/index.h"
#include "audit/query.h"
#include "audit/stats.h"
#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/render.h"
#include "cli/vault.h"
#include "vault/query.h"

#define NAMES_SHOWN 100

static int stats_offline(const struct cli *cli, json_t **ret)
{
	struct audit_stats_options options = {.scan = cli_value(cli, CLI_OPTION_SCAN, NULL)};
	const char *dir = cli_value(cli, CLI_OPTION_DIR, NULL);
	_cleanup_(vault_closep) struct vault *vault = NULL;
	const char *since = cli_value(cli, CLI_OPTION_SINCE, NULL);
	const char *until = cli_value(cli, CLI_OPTION_UNTIL, NULL);
	struct audit_stats stats;
	struct audit_query q;
	struct fault f = {0};
	int exit;

	audit_query_init(&q);
	if ((since && audit_query_set(&q, QUERY_SINCE, since, &f) < 0) ||
	    (until && audit_query_set(&q, QUERY_UNTIL, until, &f) < 0))
		return cli_usage(cli, "%s", f.text);
	options.since_ns = q.since_ns;
	options.until_ns = q.until_ns;
	exit = cli_vault_of_log(cli, dir, &vault);
	if (exit != CLI_OK)
		return exit;
	if (audit_stats(dir, &options, &stats, &f) < 0)
		return cli_fault(cli, &f);
	vault_name_actors(vault, &stats);
	*ret = audit_stats_json(&stats, NAMES_SHOWN);
	audit_stats_done(&stats);
	if (!*ret)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	return CLI_OK;
}

static int stats_online(const struct cli *cli, json_t **ret)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	_cleanup_(text_done) struct text path = {.growing = true};
	int exit;

	text_puts(&path, "/v1/audit/stats?");
	text_puts(&path, cli_value(cli, CLI_OPTION_SCAN, NULL) ? "scan" : "scan=false");
	if (cli_value(cli, CLI_OPTION_SINCE, NULL)) {
		text_puts(&path, "&since=");
		client_put_escaped(&path, cli_value(cli, CLI_OPTION_SINCE, ""));
	}
	if (cli_value(cli, CLI_OPTION_UNTIL, NULL)) {
		text_puts(&path, "&until=");
		client_put_escaped(&path, cli_value(cli, CLI_OPTION_UNTIL, ""));
	}
	if (path.truncated)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	exit = ask_get(cli, path.data, &response);
	return exit == CLI_OK ? ask_decode(cli, &response, ret) : exit;
}

static void add_names(struct table *t, const char *kind, const json_t *counts)
{
	uint64_t others = member_u64(counts, "others");
	size_t i;
	json_t *item;

	json_array_foreach (json_object_get(counts, "names"), i, item) {
		table_cell(t, "%s", kind);
		table_cell(t, "%s", member_text(item, "name"));
		table_cell(t, "%" PRIu64, member_u64(item, "count"));
	}
	if (others) {
		table_cell(t, "%s", kind);
		table_cell(t, "(others)");
		table_cell(t, "%" PRIu64, others);
	}
}

static void add_severities(struct table *t, const json_t *severities)
{
	for (char digit[] = "5"; digit[0] >= '1'; digit[0]--) {
		uint64_t count = member_u64(severities, digit);

		if (!count)
			continue;
		table_cell(t, "severity");
		table_cell(t, "%s", digit);
		table_cell(t, "%" PRIu64, count);
	}
}

static void add_hours(struct table *t, const json_t *hours)
{
	size_t i;
	json_t *item;

	json_array_foreach (json_object_get(hours, "hours"), i, item) {
		table_cell(t, "hour");
		table_cell(t, "%.13s:00Z", member_text(item, "hour"));
		table_cell(t, "%" PRIu64, member_u64(item, "count"));
	}
}

static int say_stats(const struct cli *cli, const json_t *stats)
{
	const json_t *range = json_object_get(stats, "range");
	_cleanup_(table_done) struct table t = {0};
	uint64_t records = member_u64(stats, "records"), indexed = member_u64(stats, "from_index");

	table_init(&t, "BY", "NAME", ">RECORDS", NULL);
	add_names(&t, "category", json_object_get(stats, "categories"));
	add_names(&t, "type", json_object_get(stats, "types"));
	add_severities(&t, json_object_get(stats, "severities"));
	add_names(&t, "actor", json_object_get(stats, "actors"));
	add_names(&t, "rule", json_object_get(stats, "rules"));
	add_hours(&t, json_object_get(stats, "by_hour"));
	if (json_is_object(range))
		cli_say(cli,
			"%" PRIu64 " records of those from %" PRIu64 " to %" PRIu64 ", %" PRIu64
			" counted by index",
			records, member_u64(range, "first"), member_u64(range, "last"), indexed);
	else
		cli_say(cli, "there are no records");
	if (member_bool(stats, "partial"))
		cli_talk(cli, "older records were not counted for lack of time: 'weir audit index "
			      "rebuild' helps, or --dir");
	return t.count ? table_print(&t, cli) : CLI_OK;
}

int cmd_audit_stats(struct cli *cli)
{
	_cleanup_(json_decrefp) json_t *stats = NULL;
	int exit = cli_value(cli, CLI_OPTION_DIR, NULL) ? stats_offline(cli, &stats)
							: stats_online(cli, &stats);

	if (exit != CLI_OK)
		return exit;
	return cli->json ? render_json(cli, stats) : say_stats(cli, stats);
}

struct findings {
	const struct cli *cli;
	json_t *list;
};

static void on_finding(const struct index_finding *finding, void *userdata)
{
	struct findings *f = userdata;

	if (f->cli->json)
		json_array_append_new(f->list, json_pack("{s:I, s:I, s:s}", "segment",
							 (json_int_t)finding->segment, "record",
							 (json_int_t)finding->record, "words",
							 finding->words));
	else
		cli_say(f->cli, "the index of the segment from record %" PRIu64 " on: %s",
			finding->segment, finding->words);
}

static int print_report(const struct cli *cli, const struct index_report *r, json_t *findings)
{
	_cleanup_(json_decrefp) json_t *report = NULL;

	if (!cli->json) {
		json_decref(findings);
		cli_say(cli,
			"%" PRIu64 " of %" PRIu64 " segments have an index, of %" PRIu64
			" of %" PRIu64 " records, %" PRIu64 " bytes",
			r->indexed, r->segments, r->covered, r->records, r->bytes);
		return CLI_OK;
	}
	report = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:o}", "ok", !r->wrong, "segments",
			   (json_int_t)r->segments, "indexed", (json_int_t)r->indexed, "records",
			   (json_int_t)r->records, "covered", (json_int_t)r->covered, "bytes",
			   (json_int_t)r->bytes, "findings", findings);
	return render_json(cli, report);
}

int cmd_audit_index(struct cli *cli)
{
	const char *what = cli_operand(cli, 0, "");
	const char *dir = cli_operand(cli, 1, CLI_STATE_DIR "/audit");
	struct findings findings = {.cli = cli, .list = json_array()};
	struct index_report report;
	struct fault f = {0};
	int exit = cli_check_log(cli, dir), r;

	if (exit != CLI_OK) {
		json_decref(findings.list);
		return exit;
	}
	if (strcmp(what, "check") == 0) {
		r = audit_index_check(dir, on_finding, &findings, &report, &f);
	} else if (strcmp(what, "rebuild") == 0) {
		r = audit_index_rebuild(dir, &report, &f);
	} else {
		json_decref(findings.list);
		return cli_usage(cli, "'%s' is neither check nor rebuild", what);
	}
	if (r < 0) {
		json_decref(findings.list);
		return cli_fault(cli, &f);
	}
	exit = print_report(cli, &report, findings.list);
	return report.wrong ? CLI_FAILED : exit;
}
