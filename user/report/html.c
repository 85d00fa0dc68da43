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

/* Titles end with NULL; those that begin with ">" are of numbers. */
static void put_head(struct text *t, const char *const *titles)
{
	text_puts(t, "><thead><tr>");
	for (; *titles; titles++)
		text_printf(t, **titles == '>' ? "<th class=n>%s</th>" : "<th>%s</th>",
			    *titles + (**titles == '>'));
	text_puts(t, "</tr></thead><tbody>");
}

static void begin_table(struct text *t, const char *const *titles)
{
	text_puts(t, "<table");
	put_head(t, titles);
}

/* The same with columns of the style's widths, whatever stands in them: six, the first of times. */
static void begin_lines(struct text *t, const char *const *titles)
{
	text_puts(t, "<table class=lines");
	put_head(t, titles);
}

static void end_table(struct text *t)
{
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
	static const char *const titles[] = {"Time (UTC)", "Event",    "On", "Why",
					     ">Packets",   ">Records", NULL};
	const json_t *gaps = json_object_get(report, "gaps");
	const json_t *events = json_object_get(gaps, "events");
	const json_t *all = json_object_get(events, "lines");

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
	if (!json_array_size(all)) {
		text_puts(t, NONE);
		return end(t);
	}
	begin_table(t, titles);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *line = json_array_get(all, i);

		text_puts(t, "<tr>");
		page_cell_time(t, json_object_get(line, "time"));
		page_cell(t, page_member(line, "type"));
		page_cell(t, page_member(line, "id"));
		page_cell(t, page_member(line, "reason"));
		page_cell_number(t, page_count(line, "packets"));
		page_cell_number(t, page_count(line, "records"));
		text_puts(t, "</tr>");
	}
	end_table(t);
	put_left_out(t, events);
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

static void put_sources(struct text *t, const json_t *report)
{
	static const char *const titles[] = {"Source",	      ">Packets",    "",
					     ">Windows",      "First (UTC)", "Last (UTC)",
					     "Blocked after", NULL};
	const json_t *all = json_object_get(report, "top_sources");
	uint64_t most = page_count(json_array_get(all, 0), "packets");

	begin(t, report, "", "Sources with the most packets dropped",
	      "Blocked after: from the first drop to an entry of an operator on the block list.");
	if (!json_array_size(all))
		text_puts(t, NONE);
	else
		begin_table(t, titles);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *s = json_array_get(all, i);

		text_puts(t, "<tr>");
		page_cell_source(t, page_member(s, "name"));
		page_cell_number(t, page_count(s, "packets"));
		page_bar(t, page_count(s, "packets"), most);
		page_cell_number(t, page_count(s, "events"));
		page_cell_time(t, json_object_get(s, "first"));
		page_cell_time(t, json_object_get(s, "last"));
		text_puts(t, "<td>");
		if (json_object_get(s, "blocked_after_seconds"))
			page_seconds(t, page_count(s, "blocked_after_seconds"));
		else
			text_puts(t, "&ndash;");
		text_puts(t, "</td></tr>");
	}
	if (json_array_size(all))
		end_table(t);
	end(t);
}

static void put_counts(struct text *t, const char *title, const json_t *all)
{
	const char *const titles[] = {title, ">Records", "", NULL};
	uint64_t most = 0;

	for (size_t i = 0; i < json_array_size(all); i++)
		if (page_count(json_array_get(all, i), "events") > most)
			most = page_count(json_array_get(all, i), "events");
	begin_table(t, titles);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *item = json_array_get(all, i);

		text_puts(t, "<tr>");
		page_cell(t, page_member(item, "name"));
		page_cell_number(t, page_count(item, "events"));
		page_bar(t, page_count(item, "events"), most);
		text_puts(t, "</tr>");
	}
	end_table(t);
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

static void put_detections(struct text *t, const json_t *report)
{
	static const char *const titles[] = {"Time (UTC)",  "Detection", "On", ">Risk",
					     "Next change", "After",	 NULL};
	const json_t *detections = json_object_get(report, "detections");
	const json_t *all = json_object_get(detections, "lines");
	const json_t *response = json_object_get(report, "response");

	begin(t, report, "", "Detections and response",
	      "Next change: the first by an operator within a day. That it was meant as the response is not "
	      "recorded.");
	text_puts(t, "<dl>");
	put_spread(t, "First drop to block", json_object_get(response, "first_drop_to_block"));
	put_spread(t, "Detection to next change", json_object_get(response, "detection_to_change"));
	text_puts(t, "</dl>");
	if (!json_array_size(all)) {
		text_puts(t, NONE);
		return end(t);
	}
	begin_table(t, titles);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *line = json_array_get(all, i);

		text_puts(t, "<tr>");
		page_cell_time(t, json_object_get(line, "time"));
		page_cell(t, page_member(line, "type"));
		page_cell(t, page_member(line, "id"));
		page_cell_number(t, page_count(line, "score"));
		page_cell(t, page_member(line, "response"));
		text_puts(t, "<td>");
		if (*page_member(line, "response"))
			page_seconds(t, page_count(line, "response_seconds"));
		text_puts(t, "</td></tr>");
	}
	end_table(t);
	put_left_out(t, detections);
	end(t);
}

/* Why, and what was said of it by whom it is about. */
static void put_reason(struct text *t, const json_t *line)
{
	const json_t *statements = json_object_get(line, "statements");

	text_puts(t, "<td><bdi>");
	page_text(t, page_member(line, "reason"));
	text_puts(t, "</bdi>");
	for (size_t i = 0; i < json_array_size(statements); i++) {
		text_puts(t, "<br>Statement: <bdi>");
		page_text(t, json_string_value(json_array_get(statements, i)));
		text_puts(t, "</bdi>");
	}
	text_puts(t, "</td>");
}

/* Who did what on what, and what came of it. */
static void put_lines(struct text *t, const json_t *list)
{
	static const char *const titles[] = {"Time (UTC)", "Who",     "What", "On",
					     "Why",	   "Outcome", NULL};
	const json_t *all = json_object_get(list, "lines");

	if (!json_array_size(all))
		return text_puts(t, NONE);
	begin_lines(t, titles);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *line = json_array_get(all, i);

		text_puts(t, "<tr>");
		page_cell_time(t, json_object_get(line, "time"));
		page_cell(t, page_member(line, "actor"));
		page_cell(t, page_member(line, "type"));
		text_puts(t, "<td><bdi>");
		page_text(t, page_member(line, "resource"));
		text_puts(t, " ");
		page_text(t, page_member(line, "id"));
		text_puts(t, "</bdi></td>");
		put_reason(t, line);
		text_printf(t, "<td%s>",
			    strcmp(page_member(line, "outcome"), "success") == 0 ? ""
										 : " class=denied");
		page_text(t, page_member(line, "outcome"));
		text_puts(t, "</td></tr>");
	}
	end_table(t);
	put_left_out(t, list);
}

static void put_people(struct text *t, const char *title, const json_t *all)
{
	const char *const titles[] = {title, ">Records", "First (UTC)", "Last (UTC)", NULL};

	if (!json_array_size(all))
		return;
	begin_table(t, titles);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *item = json_array_get(all, i);

		text_puts(t, "<tr>");
		page_cell(t, page_member(item, "name"));
		page_cell_number(t, page_count(item, "events"));
		page_cell_time(t, json_object_get(item, "first"));
		page_cell_time(t, json_object_get(item, "last"));
		text_puts(t, "</tr>");
	}
	end_table(t);
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
	static const char *const titles[] = {"Record (UTC)", "What",	"On", "Statement",
					     "Made (UTC)",   "Request", NULL};
	const json_t *statements = json_object_get(report, "statements");
	const json_t *all = json_object_get(statements, "lines");

	if (!json_array_size(all))
		return;
	begin(t, report, "", "Statements beside records",
	      "What somebody says of a record about them. The record stays as it was.");
	begin_lines(t, titles);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *line = json_array_get(all, i);

		text_puts(t, "<tr>");
		page_cell_time(t, json_object_get(line, "time"));
		page_cell(t, page_member(line, "type"));
		page_cell(t, page_member(line, "id"));
		page_cell(t, page_member(line, "statement"));
		page_cell_time(t, json_object_get(line, "stated_at"));
		page_cell(t, page_member(line, "request"));
		text_puts(t, "</tr>");
	}
	end_table(t);
	put_left_out(t, statements);
	end(t);
}

/* Words of ours, which are never longer than a column. */
static void put_words(struct text *t, const char *words)
{
	text_puts(t, "<td class=w>");
	page_text(t, words);
	text_puts(t, "</td>");
}

static void put_controls(struct text *t, const json_t *report)
{
	static const char *const titles[] = {
		"Control", "Subject", ">Records", "What they show", "What they cannot show", NULL};
	const json_t *framework = json_object_get(report, "framework");
	const json_t *all = json_object_get(framework, "controls");

	if (!json_array_size(all))
		return;
	begin(t, report, "page", "Evidence relevant to controls",
	      "Numbers are to be checked against the licensed text, in the edition that applies.");
	text_puts(t, "<p>");
	page_text(t, page_member(framework, "words"));
	text_puts(t, "</p>");
	begin_table(t, titles);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *c = json_array_get(all, i);

		text_puts(t, "<tr>");
		page_cell(t, page_member(c, "control"));
		put_words(t, page_member(c, "title"));
		page_cell_number(t, page_count(c, "records"));
		put_words(t, page_member(c, "shows"));
		put_words(t, page_member(c, "cannot_show"));
		text_puts(t, "</tr>");
	}
	end_table(t);
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
