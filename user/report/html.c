/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The page: what it rests on and what is missing first, then figures, then lists, then controls. */
#include <string.h>

#include "base/cleanup.h"
#include "report/integrity.h"
#include "report/page.h"
#include "report/report.h"

#define NONE "<p class=note>None in this range.</p>"

static void put_range(struct text *t, const json_t *report, const char *note)
{
	const json_t *range = json_object_get(report, "range");

	text_puts(t, "<p class=range>");
	page_time(t, json_object_get(range, "since"));
	text_puts(t, " to ");
	page_time(t, json_object_get(range, "until"));
	text_printf(t, " UTC%s%s</p>", *note ? ". " : "", note);
}

static void begin(struct text *t, const json_t *report, const char *class, const char *title,
		  const char *note)
{
	text_printf(t, "<section%s%s><h2>%s</h2>", *class ? " class=" : "", class, title);
	put_range(t, report, note);
}

static void end(struct text *t)
{
	text_puts(t, "</section>");
}

/* A column of a table: its title, and how a row's member stands in it. The last one has no title. */
struct column {
	const char *title;
	const char *key;
	/* NULL: a bar, as long as the member is of the largest of all rows. */
	void (*put)(struct text *t, const json_t *row, const char *key);
};

#define LINES " class=lines" /* six columns of the style's widths, the first of times */

static uint64_t largest(const json_t *rows, const char *key)
{
	uint64_t most = 0;

	for (size_t i = 0; i < json_array_size(rows); i++)
		if (page_count(json_array_get(rows, i), key) > most)
			most = page_count(json_array_get(rows, i), key);
	return most;
}

static void put_table(struct text *t, const char *class, const struct column *columns,
		      const json_t *rows)
{
	text_printf(t, "<table%s><thead><tr>", class);
	for (const struct column *c = columns; c->title; c++)
		text_printf(t, "<th%s>%s</th>", c->put == page_cell_number ? " class=n" : "",
			    c->title);
	text_puts(t, "</tr></thead><tbody>");
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);

		text_puts(t, "<tr>");
		for (const struct column *c = columns; c->title; c++)
			if (c->put)
				c->put(t, row, c->key);
			else
				page_bar(t, page_count(row, c->key), largest(rows, c->key));
		text_puts(t, "</tr>");
	}
	text_puts(t, "</tbody></table>");
}

static void put_left_out(struct text *t, const json_t *list)
{
	uint64_t left_out = page_count(list, "left_out");

	if (!left_out)
		return;
	text_puts(t, "<p class=note>The newest are shown; ");
	page_number(t, left_out);
	text_puts(t, " older ones are in the log.</p>");
}

static void put_list(struct text *t, const char *class, const struct column *columns,
		     const json_t *list)
{
	const json_t *rows = json_object_get(list, "lines");

	if (!json_array_size(rows))
		return text_puts(t, NONE);
	put_table(t, class, columns, rows);
	put_left_out(t, list);
}

static void put_cover(struct text *t, const json_t *report)
{
	const json_t *range = json_object_get(report, "range");
	const json_t *framework = json_object_get(report, "framework");

	text_puts(t, "<header><h1>Audit report</h1><p class=host><bdi>");
	page_text(t, page_member(report, "host"));
	text_puts(t, "</bdi></p><dl><dt>Range</dt><dd>");
	page_time(t, json_object_get(range, "since"));
	text_puts(t, " to ");
	page_time(t, json_object_get(range, "until"));
	text_puts(t, " UTC</dd><dt>Records in it</dt><dd>");
	page_number(t, page_count(json_object_get(report, "figures"), "records"));
	if (*page_member(range, "first_record")) {
		text_puts(t, ", number ");
		page_number(t, page_count(range, "first_index"));
		text_puts(t, " of ");
		page_time(t, json_object_get(range, "first_record"));
		text_puts(t, " to number ");
		page_number(t, page_count(range, "last_index"));
		text_puts(t, " of ");
		page_time(t, json_object_get(range, "last_record"));
	}
	text_puts(
		t,
		"</dd><dt>Scope</dt><dd>What weir on this host recorded: its drops, its changes, its "
		"own state. Nothing of other systems.</dd><dt>Framework</dt><dd>");
	page_text(t, page_member(framework, "words"));
	text_puts(t, "</dd><dt>Made</dt><dd>");
	page_time(t, json_object_get(report, "made_at"));
	text_puts(t, " UTC by <bdi>");
	page_text(t, page_member(report, "made_by"));
	text_puts(t, "</bdi></dd></dl></header>");
}

static void put_tile(struct text *t, uint64_t number, const char *words)
{
	text_puts(t, "<li><b>");
	page_number(t, number);
	text_printf(t, "</b>%s</li>", words);
}

static void put_gaps(struct text *t, const json_t *report)
{
	static const struct column columns[] = {
		{"Time (UTC)", "time", page_cell_time},
		{"Event", "type", page_cell},
		{"On", "id", page_cell},
		{"Why", "reason", page_cell},
		{"Packets", "packets", page_cell_number},
		{"Records", "records", page_cell_number},
		{0},
	};
	const json_t *gaps = json_object_get(report, "gaps");

	begin(t, report, "", "Gaps and losses",
	      "What this report cannot tell, because it was not recorded or not protected.");
	text_puts(t, "<ul class=tiles>");
	put_tile(t, page_count(gaps, "packets_lost"),
		 "dropped packets without a record of their source");
	put_tile(t, page_count(gaps, "records_lost"), "records that could not be written");
	put_tile(t, page_count(gaps, "unreadable_records"), "records that could not be read");
	text_puts(t, "<li><b>");
	page_seconds(t, page_count(gaps, "daemon_stopped_seconds"));
	text_puts(t, "</b>without a daemon between an orderly stop and the next start</li></ul>");
	put_list(t, "", columns, json_object_get(gaps, "events"));
	end(t);
}

static void put_figures(struct text *t, const json_t *report)
{
	const json_t *f = json_object_get(report, "figures");

	begin(t, report, "page", "Figures", "");
	text_puts(t, "<ul class=tiles>");
	put_tile(t, page_count(f, "packets_dropped"), "packets dropped");
	text_puts(t, "<li><b>");
	page_bytes(t, page_count(f, "bytes_dropped"));
	text_puts(t, "</b>dropped</li>");
	put_tile(t, page_count(f, "sources_dropped"), "sources that were dropped");
	put_tile(t, page_count(f, "packets_would_drop"), "packets that mode monitor let through");
	put_tile(t, page_count(f, "packets_marked_or_challenged"), "packets marked or answered");
	put_tile(t, page_count(f, "changes"), "changes of lists and policy");
	put_tile(t, page_count(f, "operators"), "operators who did something");
	put_tile(t, page_count(f, "records"), "records");
	text_puts(t, "</ul><h3>Packets dropped over time, by reason</h3>");
	if (page_count(f, "packets_dropped"))
		page_timeline(t, report);
	else
		text_puts(t, NONE);
	end(t);
}

static void put_blocked_after(struct text *t, const json_t *row, const char *key)
{
	text_puts(t, "<td>");
	if (json_object_get(row, key))
		page_seconds(t, page_count(row, key));
	else
		text_puts(t, "&ndash;");
	text_puts(t, "</td>");
}

static void put_sources(struct text *t, const json_t *report)
{
	static const struct column columns[] = {
		{"Source", "name", page_cell_source},
		{"Packets", "packets", page_cell_number},
		{"", "packets", NULL},
		{"Windows", "events", page_cell_number},
		{"First (UTC)", "first", page_cell_time},
		{"Last (UTC)", "last", page_cell_time},
		{"Blocked after", "blocked_after_seconds", put_blocked_after},
		{0},
	};
	const json_t *all = json_object_get(report, "top_sources");

	begin(t, report, "", "Sources with the most packets dropped",
	      "Blocked after: from the first drop to an entry of an operator on the block list.");
	if (json_array_size(all))
		put_table(t, "", columns, all);
	else
		text_puts(t, NONE);
	end(t);
}

static void put_counts(struct text *t, const char *title, const json_t *all)
{
	const struct column columns[] = {
		{title, "name", page_cell},
		{"Records", "events", page_cell_number},
		{"", "events", NULL},
		{0},
	};

	put_table(t, "", columns, all);
}

static void put_events(struct text *t, const json_t *report)
{
	begin(t, report, "page", "Events", "");
	put_counts(t, "Type", json_object_get(report, "by_type"));
	text_puts(t, "<div class=pair><div>");
	put_counts(t, "Category", json_object_get(report, "by_category"));
	text_puts(t, "</div><div>");
	put_counts(t, "Severity", json_object_get(report, "by_severity"));
	text_puts(t, "</div><div>");
	put_counts(t, "Outcome", json_object_get(report, "by_outcome"));
	text_puts(t, "</div><div>");
	put_counts(t, "Sources that rose to", json_object_get(report, "risk"));
	text_puts(t, "</div></div>");
	end(t);
}

static void put_spread(struct text *t, const char *what, const json_t *spread)
{
	text_printf(t, "<dt>%s</dt><dd>", what);
	if (!page_count(spread, "count"))
		return text_puts(t, "none in this range</dd>");
	page_number(t, page_count(spread, "count"));
	text_puts(t, ": median ");
	page_seconds(t, page_count(spread, "median_seconds"));
	text_puts(t, ", from ");
	page_seconds(t, page_count(spread, "least_seconds"));
	text_puts(t, " to ");
	page_seconds(t, page_count(spread, "most_seconds"));
	text_puts(t, "</dd>");
}

static void put_response_time(struct text *t, const json_t *row, const char *key)
{
	text_puts(t, "<td>");
	if (*page_member(row, "response"))
		page_seconds(t, page_count(row, key));
	text_puts(t, "</td>");
}

static void put_detections(struct text *t, const json_t *report)
{
	static const struct column columns[] = {
		{"Time (UTC)", "time", page_cell_time},
		{"Detection", "type", page_cell},
		{"On", "id", page_cell},
		{"Risk", "score", page_cell_number},
		{"Next change", "response", page_cell},
		{"After", "response_seconds", put_response_time},
		{0},
	};
	const json_t *response = json_object_get(report, "response");

	begin(t, report, "", "Detections and response",
	      "Next change: the first by an operator within a day. That it was meant as the response is not "
	      "recorded.");
	text_puts(t, "<dl>");
	put_spread(t, "First drop to block", json_object_get(response, "first_drop_to_block"));
	put_spread(t, "Detection to next change", json_object_get(response, "detection_to_change"));
	text_puts(t, "</dl>");
	put_list(t, "", columns, json_object_get(report, "detections"));
	end(t);
}

static void put_on(struct text *t, const json_t *row, const char *key)
{
	text_puts(t, "<td><bdi>");
	page_text(t, page_member(row, "resource"));
	text_puts(t, " ");
	page_text(t, page_member(row, key));
	text_puts(t, "</bdi></td>");
}

/* Why, and what was said of it by whom it is about. */
static void put_reason(struct text *t, const json_t *row, const char *key)
{
	const json_t *statements = json_object_get(row, "statements");

	text_puts(t, "<td><bdi>");
	page_text(t, page_member(row, key));
	text_puts(t, "</bdi>");
	for (size_t i = 0; i < json_array_size(statements); i++) {
		text_puts(t, "<br>Statement: <bdi>");
		page_text(t, json_string_value(json_array_get(statements, i)));
		text_puts(t, "</bdi>");
	}
	text_puts(t, "</td>");
}

static void put_outcome(struct text *t, const json_t *row, const char *key)
{
	const char *outcome = page_member(row, key);

	text_puts(t, strcmp(outcome, "success") == 0 ? "<td>" : "<td class=denied>");
	page_text(t, outcome);
	text_puts(t, "</td>");
}

/* Who did what on what, and what came of it. */
static void put_lines(struct text *t, const json_t *list)
{
	static const struct column columns[] = {
		{"Time (UTC)", "time", page_cell_time},
		{"Who", "actor", page_cell},
		{"What", "type", page_cell},
		{"On", "id", put_on},
		{"Why", "reason", put_reason},
		{"Outcome", "outcome", put_outcome},
		{0},
	};

	put_list(t, LINES, columns, list);
}

static void put_people(struct text *t, const char *title, const json_t *all)
{
	const struct column columns[] = {
		{title, "name", page_cell},
		{"Records", "events", page_cell_number},
		{"First (UTC)", "first", page_cell_time},
		{"Last (UTC)", "last", page_cell_time},
		{0},
	};

	if (json_array_size(all))
		put_table(t, "", columns, all);
}

static void put_changes(struct text *t, const json_t *report)
{
	begin(t, report, "page", "Changes of lists, policy and switches", "");
	put_people(t, "Operator", json_object_get(report, "operators"));
	put_lines(t, json_object_get(report, "changes"));
	end(t);
	begin(t, report, "", "Access to the log, and requests that were refused",
	      "Who reads the files of the log directly, with the rights to do so, leaves no record.");
	put_people(t, "Reader", json_object_get(report, "readers"));
	put_lines(t, json_object_get(report, "access"));
	end(t);
}

static void put_statements(struct text *t, const json_t *report)
{
	static const struct column columns[] = {
		{"Record (UTC)", "time", page_cell_time},
		{"What", "type", page_cell},
		{"On", "id", page_cell},
		{"Statement", "statement", page_cell},
		{"Made (UTC)", "stated_at", page_cell_time},
		{"Request", "request", page_cell},
		{0},
	};
	const json_t *statements = json_object_get(report, "statements");

	if (!json_array_size(json_object_get(statements, "lines")))
		return;
	begin(t, report, "", "Statements beside records",
	      "What somebody says of a record about them. The record stays as it was.");
	put_list(t, LINES, columns, statements);
	end(t);
}

/* Words of ours, which are never longer than a column. */
static void put_words(struct text *t, const json_t *row, const char *key)
{
	text_puts(t, "<td class=w>");
	page_text(t, page_member(row, key));
	text_puts(t, "</td>");
}

static void put_controls(struct text *t, const json_t *report)
{
	static const struct column columns[] = {
		{"Control", "control", page_cell},
		{"Subject", "title", put_words},
		{"Records", "records", page_cell_number},
		{"What they show", "shows", put_words},
		{"What they cannot show", "cannot_show", put_words},
		{0},
	};
	const json_t *framework = json_object_get(report, "framework");
	const json_t *all = json_object_get(framework, "controls");

	if (!json_array_size(all))
		return;
	begin(t, report, "page", "Evidence relevant to controls",
	      "Numbers are to be checked against the licensed text, in the edition that applies.");
	text_puts(t, "<p>");
	page_text(t, page_member(framework, "words"));
	text_puts(t, "</p>");
	put_table(t, "", columns, all);
	end(t);
}

void report_put_html(struct text *t, const json_t *report)
{
	text_puts(
		t,
		"<!DOCTYPE html><html lang=en><head><meta charset=utf-8>"
		"<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src "
		"'unsafe-inline'\"><meta name=viewport content=\"width=device-width\">"
		"<meta name=referrer content=no-referrer><title>Audit report: ");
	page_text(t, page_member(report, "host"));
	text_printf(t, "</title><style>%s</style></head><body>", page_style);
	put_cover(t, report);
	integrity_put(t, json_object_get(report, "integrity"));
	put_gaps(t, report);
	put_figures(t, report);
	put_sources(t, report);
	put_events(t, report);
	put_detections(t, report);
	put_changes(t, report);
	put_statements(t, report);
	put_controls(t, report);
	text_puts(
		t,
		"<footer>Made by weir from its audit log. This page shows what was recorded; it is evidence "
		"relevant to controls, and no judgement of them.</footer></body></html>\n");
}
