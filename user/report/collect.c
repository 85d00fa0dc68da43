/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "report/collect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "risk/score.h"

#define RESPONSE_SECONDS_MAX 86400 /* a change after that is no response */
#define DETECTION_SEVERITY   3

int report_sums_init(struct report_sums *s, const struct report_options *options)
{
	*s = (struct report_sums){
		.since = (int64_t)(options->since_ns / 1000000000),
		.until = (int64_t)((options->until_ns + 999999999) / 1000000000),
		.types.max = 1024,
		.sources.max = REPORT_SOURCES_MAX,
		.actors.max = 4096,
		.readers.max = 4096,
		.changes.items = json_array(),
		.accesses.items = json_array(),
		.gaps.items = json_array(),
		.detections.items = json_array(),
		.statements.items = json_array(),
	};
	return s->changes.items && s->accesses.items && s->gaps.items && s->detections.items &&
			       s->statements.items
		       ? 0
		       : -ENOMEM;
}

void report_sums_done(struct report_sums *s)
{
	tally_done(&s->types);
	tally_done(&s->sources);
	tally_done(&s->actors);
	tally_done(&s->readers);
	json_decref(s->changes.items);
	json_decref(s->accesses.items);
	json_decref(s->gaps.items);
	json_decref(s->detections.items);
	json_decref(s->statements.items);
}

const char *report_text(const json_t *value, char ret[static 64])
{
	const char *subject;

	if (!json_is_object(value))
		return json_string_value(value) ?: "";
	subject = json_string_value(json_object_get(value, "subject")) ?: "?";
	snprintf(ret, 64, "%s %.20s",
		 strcmp(json_string_value(json_object_get(value, "state")) ?: "", "erased") == 0
			 ? "erased"
			 : "sealed",
		 subject);
	return ret;
}

static const char *member(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

/* Large numbers are strings in records. */
static uint64_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	uint64_t n = 0;

	if (json_is_string(value))
		parse_u64(json_string_value(value), 0, UINT64_MAX, &n);
	else if (json_integer_value(value) > 0)
		n = (uint64_t)json_integer_value(value);
	return n;
}

static bool begins(const char *type, const char *with)
{
	return strncmp(type, with, strlen(with)) == 0;
}

static void keep_line(struct report_lines *lines, json_t *line)
{
	if (json_array_size(lines->items) == REPORT_LINES_MAX) {
		json_array_remove(lines->items, 0);
		lines->left_out++;
	}
	json_array_append_new(lines->items, line);
}

static const char *actor_of(const json_t *record, char room[static 64])
{
	const json_t *actor = json_object_get(record, "actor");
	const char *name = report_text(json_object_get(actor, "username"), room);

	return *name ? name : report_text(json_object_get(actor, "user_id"), room);
}

static bool by_operator(const json_t *record)
{
	const char *role = member(json_object_get(record, "actor"), "role");

	return *role && strcmp(role, "system") != 0;
}

static bool succeeded(const json_t *record)
{
	return strcmp(member(record, "outcome"), audit_outcome_to_str(AUDIT_SUCCESS)) == 0;
}

/* What was said of the record by whom it is about, the oldest first; NULL: nothing. */
static json_t *statements_of(const json_t *record)
{
	const json_t *said = json_object_get(record, "rectified");
	json_t *statements = json_array_size(said) ? json_array() : NULL;
	char room[64];

	for (size_t i = 0; i < json_array_size(said); i++)
		json_array_append_new(
			statements,
			json_string(report_text(
				json_object_get(json_array_get(said, i), "statement"), room)));
	return statements;
}

/* Who did what, on what and why, and what was said of it: a line of the lists of a report. */
static json_t *line_of(const json_t *record)
{
	const json_t *resource = json_object_get(record, "resource");
	const json_t *details = json_object_get(record, "details");
	char actor[64], id[64], why[64];
	const char *reason = report_text(json_object_get(details, "reason"), why);

	if (!*reason)
		reason = report_text(json_object_get(details, "cause"), why);
	if (!*reason)
		reason = report_text(json_object_get(details, "because"), why);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o*}", "time",
			 member(record, "timestamp"), "type", member(record, "event_type"), "actor",
			 actor_of(record, actor), "resource", member(resource, "type"), "id",
			 report_text(json_object_get(resource, "id"), id), "outcome",
			 member(record, "outcome"), "reason", reason, "severity",
			 (json_int_t)number(record, "severity"), "index",
			 (json_int_t)number(record, "index"), "statements", statements_of(record));
}

/* Each statement with the record that it is about, whatever kind that is. */
static void add_statements(struct report_sums *s, const json_t *record)
{
	const json_t *said = json_object_get(record, "rectified");
	char room[64];

	for (size_t i = 0; i < json_array_size(said); i++) {
		const json_t *one = json_array_get(said, i);
		json_t *line = line_of(record);

		json_object_del(line, "statements");
		json_object_set_new(
			line, "statement",
			json_string(report_text(json_object_get(one, "statement"), room)));
		json_object_set_new(line, "stated_at", json_string(member(one, "at")));
		json_object_set_new(
			line, "request",
			json_string(report_text(json_object_get(one, "request"), room)));
		keep_line(&s->statements, line);
	}
}

static struct report_series *series_of(struct report_sums *s, const char *reason)
{
	unsigned int i;

	for (i = 0; i < s->series_count; i++)
		if (strcmp(s->series[i].reason, reason) == 0)
			return &s->series[i];
	if (i == REPORT_SERIES_MAX - 1)
		reason = "other";
	if (i == REPORT_SERIES_MAX)
		return &s->series[i - 1];
	snprintf(s->series[i].reason, sizeof(s->series[i].reason), "%s", reason);
	s->series_count++;
	return &s->series[i];
}

static void add_traffic(struct report_sums *s, const json_t *record, int64_t at)
{
	const json_t *resource = json_object_get(record, "resource");
	const json_t *details = json_object_get(record, "details");
	uint64_t packets = number(details, "packets");
	const char *verdict = member(details, "verdict");
	struct tally_item *item;
	char room[64];
	size_t bucket;

	if (strcmp(verdict, "would_drop") == 0) {
		s->would_packets += packets;
		return;
	}
	if (strcmp(verdict, "drop") != 0 && strcmp(verdict, "reply") != 0) {
		s->other_packets += packets;
		return;
	}
	s->dropped_packets += packets;
	s->dropped_bytes += number(details, "bytes");
	bucket = (size_t)((uint64_t)(at - s->since) * REPORT_BUCKETS /
			  (uint64_t)(s->until > s->since ? s->until - s->since : 1));
	if (bucket >= REPORT_BUCKETS)
		bucket = REPORT_BUCKETS - 1;
	series_of(s, member(details, "reason"))->packets[bucket] += packets;
	item = tally_of(&s->sources, report_text(json_object_get(resource, "id"), room));
	tally_add(item, at, packets);
	if (!item->dropped)
		item->dropped = at;
}

static void act_on(struct tally_item *item, int64_t at)
{
	if (item->dropped && !item->acted && at >= item->dropped)
		item->acted = at;
}

/* An operator blocked a source, or many: how long after its first drop was that? */
static void add_block(struct report_sums *s, const json_t *record, int64_t at)
{
	const json_t *resource = json_object_get(record, "resource");
	struct prefix blocked, source;
	const char *name;
	json_t *index;
	char room[64];

	if (strcmp(member(resource, "type"), "block") != 0 ||
	    prefix_parse(report_text(json_object_get(resource, "id"), room), &blocked) < 0)
		return;
	if (blocked.bits == 128) {
		char address[ADDRESS_TEXT_SIZE];

		address_format(blocked.address, address);
		index = json_object_get(s->sources.numbers, address);
		if (index)
			act_on(&s->sources.items[json_integer_value(index)], at);
		return;
	}
	json_object_foreach (s->sources.numbers, name, index) {
		if (prefix_parse(name, &source) == 0 && prefix_covers(&blocked, &source))
			act_on(&s->sources.items[json_integer_value(index)], at);
	}
}

/* The first change by an operator after a detection, within a day. */
static void respond(struct report_sums *s, const json_t *record, int64_t at)
{
	char actor[64];

	for (size_t i = json_array_size(s->detections.items); i-- > 0;) {
		json_t *d = json_array_get(s->detections.items, i);
		int64_t waited = at - json_integer_value(json_object_get(d, "at"));

		if (!json_is_null(json_object_get(d, "response_seconds")))
			break;
		if (waited < 0 || waited > RESPONSE_SECONDS_MAX)
			continue;
		json_object_set_new(d, "response_seconds", json_integer(waited));
		json_object_set_new(d, "response",
				    json_sprintf("%s by %s", member(record, "event_type"),
						 actor_of(record, actor)));
	}
}

static void add_detection(struct report_sums *s, const json_t *record, int64_t at)
{
	json_t *line = line_of(record);
	const json_t *risk = json_object_get(json_object_get(record, "details"), "risk");

	json_object_set_new(line, "at", json_integer(at));
	json_object_set_new(line, "score", json_integer((json_int_t)number(risk, "score")));
	json_object_set_new(line, "response_seconds", json_null());
	json_object_set_new(line, "response", json_string(""));
	keep_line(&s->detections, line);
}

static void add_security(struct report_sums *s, const json_t *record, const char *type, int64_t at)
{
	if (strcmp(type, "security.risk_changed") == 0) {
		int level = risk_level_from_str(member(json_object_get(record, "details"), "to"));

		if (level >= 0)
			s->risk_levels[level]++;
	}
	if (number(record, "severity") >= DETECTION_SEVERITY && !strstr(type, ".recovered"))
		add_detection(s, record, at);
}

/* What the log cannot tell of: losses, damage, times without daemon or protection. */
static void add_gap(struct report_sums *s, const json_t *record, const char *type, int64_t at)
{
	static const char *const kinds[] = {
		"audit.loss",		"audit.storage_error",
		"audit.storage_full",	"audit.storage_restored",
		"audit.counters_reset", "audit.acknowledged",
		"system.clock_step",	"vault.unavailable",
		"vault.recovered",	"audit.recovery",
		"audit.violation",	"system.detach",
		"system.link_lost",	"system.link_refused",
		"system.pins_lost",	"system.link_restored",
		"store.damaged",	"system.restore",
	};
	const json_t *details = json_object_get(record, "details");

	if (strcmp(type, "system.stop") == 0)
		s->stopped = at;
	if (strcmp(type, "system.start") == 0 && s->stopped) {
		s->stopped_seconds += (uint64_t)(at > s->stopped ? at - s->stopped : 0);
		s->stopped = 0;
	}
	if (strcmp(type, "audit.loss") == 0) {
		s->lost_packets += number(details, "packets");
		s->lost_records += number(details, "records");
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		json_t *line;

		if (strcmp(kinds[i], type) != 0)
			continue;
		line = line_of(record);
		json_object_set_new(line, "packets",
				    json_integer((json_int_t)number(details, "packets")));
		json_object_set_new(line, "records",
				    json_integer((json_int_t)number(details, "records")));
		keep_line(&s->gaps, line);
	}
}

static void add_access(struct report_sums *s, const json_t *record, int64_t at)
{
	char room[64];

	tally_add(tally_of(&s->readers, actor_of(record, room)), at, 0);
	keep_line(&s->accesses, line_of(record));
}

static void add_change(struct report_sums *s, const json_t *record, const char *type, int64_t at)
{
	if (strcmp(type, "policy.load") == 0 || strcmp(type, "policy.intent") == 0)
		return; /* what became of it follows */
	keep_line(&s->changes, line_of(record));
	if (!by_operator(record) || !succeeded(record))
		return;
	respond(s, record, at);
	if (strcmp(type, "list.add") == 0)
		add_block(s, record, at);
}

static void add_kind(struct report_sums *s, const json_t *record, const char *type, int64_t at)
{
	int event = audit_event_from_str(type, strlen(type));
	enum audit_category category;

	if (event < 0)
		return; /* of a later version: counted by type */
	category = audit_event_category(event);
	s->by_category[category]++;
	if (category == AUDIT_CATEGORY_TRAFFIC)
		add_traffic(s, record, at);
	else if (category == AUDIT_CATEGORY_SECURITY)
		add_security(s, record, type, at);
	else if (category == AUDIT_CATEGORY_LISTS || category == AUDIT_CATEGORY_POLICY)
		add_change(s, record, type, at);
	else
		add_gap(s, record, type, at);
	if (category == AUDIT_CATEGORY_ACCESS || category == AUDIT_CATEGORY_PRIVACY ||
	    (begins(type, "audit.") && by_operator(record)))
		add_access(s, record, at);
}

void report_sums_add(struct report_sums *s, const json_t *record, int64_t at)
{
	const char *type = member(record, "event_type"), *outcome = member(record, "outcome");
	uint64_t severity = number(record, "severity");
	char room[64];

	if (!s->records++) {
		s->first_index = number(record, "index");
		snprintf(s->first_time, sizeof(s->first_time), "%s", member(record, "timestamp"));
	}
	s->last_index = number(record, "index");
	snprintf(s->last_time, sizeof(s->last_time), "%s", member(record, "timestamp"));
	if (severity < 6)
		s->by_severity[severity]++;
	for (enum audit_outcome i = 0; i < AUDIT_OUTCOME_MAX; i++)
		s->by_outcome[i] += strcmp(outcome, audit_outcome_to_str(i)) == 0;
	tally_add(tally_of(&s->types, type), at, 0);
	if (by_operator(record))
		tally_add(tally_of(&s->actors, actor_of(record, room)), at, 0);
	add_statements(s, record);
	add_kind(s, record, type, at);
}
