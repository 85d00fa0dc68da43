/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pass over the log, and the document that its sums become. */
#include "report/report.h"

#include <errno.h>
#include <string.h>

#include "audit/hash.h"
#include "audit/reader.h"
#include "audit/rectified.h"
#include "audit/verify.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "report/collect.h"
#include "report/integrity.h"
#include "risk/score.h"

#define LOOK_EVERY 16384 /* records: at who waits */

static const struct {
	const char *name, *words;
} frameworks[] = {
	[REPORT_FRAMEWORK_NONE] = {"none", "no framework"},
#define REPORT_FRAMEWORK(constant, name, words) [REPORT_FRAMEWORK_##constant] = {name, words},
#define REPORT_CONTROL(framework, id, records, title, shows, cannot)
#include "report/control.def"
#undef REPORT_CONTROL
#undef REPORT_FRAMEWORK
};

static const struct {
	enum report_framework framework;
	const char *id, *records, *title, *shows, *cannot;
} controls[] = {
#define REPORT_FRAMEWORK(constant, name, words)
#define REPORT_CONTROL(framework, id, records, title, shows, cannot)                               \
	{REPORT_FRAMEWORK_##framework, id, records, title, shows, cannot},
#include "report/control.def"
#undef REPORT_CONTROL
#undef REPORT_FRAMEWORK
};

int report_framework_from_str(const char *name)
{
	for (int i = REPORT_FRAMEWORK_NONE + 1; i < REPORT_FRAMEWORK_MAX; i++)
		if (strcmp(frameworks[i].name, name) == 0)
			return i;
	return -EINVAL;
}

const char *report_framework_to_str(enum report_framework framework)
{
	return frameworks[framework].name;
}

const char *report_framework_words(enum report_framework framework)
{
	return frameworks[framework].words;
}

static json_t *json_u64(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *json_seconds(int64_t seconds)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339((uint64_t)seconds * NSEC_PER_SEC, text);
	text[19] = 'Z';
	text[20] = '\0';
	return json_string(text);
}

/* The seconds of "2026-11-20T23:37:00.123456789Z"; -1: it is no time. */
static int64_t seconds_of(const struct record_slice *timestamp)
{
	char text[] = "0000-00-00T00:00:00Z";
	int64_t seconds;

	if (timestamp->length < sizeof(text) - 1)
		return -1;
	memcpy(text, timestamp->data, sizeof(text) - 2);
	return clock_parse_rfc3339(text, &seconds) < 0 ? -1 : seconds;
}

static void add_record(struct report_sums *sums, const struct reader_record *record)
{
	_cleanup_(text_done) struct text line = {.growing = true};
	int64_t at = seconds_of(&record->view.timestamp);
	json_t *view;

	if (at < sums->since || at >= sums->until)
		return;
	record_put_view(&line, record->data, record->length, &record->view, record->hash);
	view = line.truncated ? NULL : json_loadb(line.data, line.length, 0, NULL);
	if (view)
		report_sums_add(sums, view, at);
	else
		sums->unread++;
	json_decref(view);
}

/* What can be read of a damaged log is better than nothing: where it ended is said, and why. */
static int read_records(const struct report_options *options, struct report_sums *sums,
			struct fault *ret_damage, struct fault *reterr)
{
	_cleanup_(rectified_freep) struct rectified *rectified = NULL;
	_cleanup_(reader_closep) struct reader *reader = NULL;
	struct reader_record record;
	uint64_t seen = 0;
	int r = reader_open(options->dir, &reader, reterr);

	if (r == 0)
		r = rectified_load(options->dir, options->is_cancelled, options->userdata,
				   &rectified, reterr);
	if (r < 0 && r != -EBADMSG) /* what is damaged is told where it is read */
		return r;
	reader_set_opener(reader, options->opener);
	reader_set_rectified(reader, rectified);
	while ((r = reader_next(reader, &record, ret_damage)) > 0) {
		add_record(sums, &record);
		if (++seen % LOOK_EVERY)
			continue;
		if (options->progress)
			options->progress(seen, options->userdata);
		if (options->is_cancelled && options->is_cancelled(options->userdata))
			return fault(reterr, -ECANCELED, "audit.cancelled",
				     "nobody waits for it any more");
	}
	if (r < 0 && r != -EBADMSG)
		*reterr = *ret_damage;
	return r == -EBADMSG ? 0 : r;
}

static json_t *tally_json(const struct tally *t, size_t most, bool packets)
{
	json_t *items = json_array();

	for (size_t i = 0; i < t->count && i < most; i++) {
		const struct tally_item *item = &t->items[i];
		json_t *j = json_pack("{s:s, s:I, s:o, s:o}", "name", item->name, "events",
				      (json_int_t)item->events, "first", json_seconds(item->first),
				      "last", json_seconds(item->last));

		if (packets)
			json_object_set_new(j, "packets", json_u64(item->packets));
		if (item->acted)
			json_object_set_new(j, "blocked_after_seconds",
					    json_integer(item->acted - item->dropped));
		json_array_append_new(items, j);
	}
	return items;
}

static json_t *timeline(const struct report_sums *s)
{
	json_t *series = json_array();

	for (unsigned int i = 0; i < s->series_count; i++) {
		json_t *packets = json_array();

		for (unsigned int b = 0; b < REPORT_BUCKETS; b++)
			json_array_append_new(packets, json_u64(s->series[i].packets[b]));
		json_array_append_new(series, json_pack("{s:s, s:o}", "reason", s->series[i].reason,
							"packets", packets));
	}
	return json_pack("{s:i, s:f, s:o}", "buckets", REPORT_BUCKETS, "bucket_seconds",
			 (double)(s->until - s->since) / REPORT_BUCKETS, "series", series);
}

static json_t *counts(const uint64_t *values, unsigned int from, unsigned int to,
		      const char *(*name)(unsigned int i))
{
	json_t *items = json_array();

	for (unsigned int i = from; i < to; i++)
		json_array_append_new(items, json_pack("{s:s, s:I}", "name", name(i), "events",
						       (json_int_t)values[i]));
	return items;
}

static const char *severity_name(unsigned int i)
{
	static const char *const names[] = {"",		 "1 informational", "2 notice",
					    "3 warning", "4 serious",	    "5 critical"};

	return names[i];
}

static const char *category_name(unsigned int i)
{
	return audit_category_to_str(i);
}

static const char *outcome_name(unsigned int i)
{
	return audit_outcome_to_str(i);
}

static const char *level_name(unsigned int i)
{
	return risk_level_to_str(i);
}

static int by_number(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static json_t *spread(int64_t *values, size_t count)
{
	if (!count)
		return json_pack("{s:i}", "count", 0);
	qsort(values, count, sizeof(*values), by_number);
	return json_pack("{s:I, s:I, s:I, s:I}", "count", (json_int_t)count, "least_seconds",
			 (json_int_t)values[0], "median_seconds",
			 (json_int_t)values[(count - 1) / 2], "most_seconds",
			 (json_int_t)values[count - 1]);
}

/* From the first drop of a source to its block by an operator, over all sources. */
static json_t *block_times(const struct report_sums *s)
{
	_cleanup_free_ int64_t *values = calloc(s->sources.count + 1, sizeof(*values));
	size_t n = 0;

	for (size_t i = 0; values && i < s->sources.count; i++)
		if (s->sources.items[i].acted)
			values[n++] = s->sources.items[i].acted - s->sources.items[i].dropped;
	return values ? spread(values, n) : NULL;
}

static json_t *response_times(const struct report_sums *s)
{
	_cleanup_free_ int64_t *values = NULL;
	size_t n = 0, size = json_array_size(s->detections.items);

	values = calloc(size + 1, sizeof(*values));
	for (size_t i = 0; values && i < size; i++) {
		const json_t *seconds =
			json_object_get(json_array_get(s->detections.items, i), "response_seconds");

		if (json_is_integer(seconds))
			values[n++] = json_integer_value(seconds);
	}
	return values ? spread(values, n) : NULL;
}

static bool is_prefix_of(const char *prefixes, const char *type)
{
	while (*prefixes) {
		size_t length = strcspn(prefixes, " ");

		if (strncmp(prefixes, type, length) == 0)
			return true;
		prefixes += length + (prefixes[length] == ' ');
	}
	return false;
}

static json_t *control_table(const struct report_sums *s, enum report_framework framework)
{
	json_t *items = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(controls); i++) {
		uint64_t records = 0;

		if (controls[i].framework != framework)
			continue;
		for (size_t t = 0; t < s->types.count; t++)
			if (!*controls[i].records ||
			    is_prefix_of(controls[i].records, s->types.items[t].name))
				records += s->types.items[t].events;
		json_array_append_new(
			items, json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "control",
					 controls[i].id, "title", controls[i].title, "event_types",
					 *controls[i].records ? controls[i].records : "all",
					 "records", (json_int_t)records, "shows", controls[i].shows,
					 "cannot_show", controls[i].cannot));
	}
	return items;
}

static json_t *lines(const struct report_lines *l)
{
	return json_pack("{s:O, s:I}", "lines", l->items, "left_out", (json_int_t)l->left_out);
}

static json_t *figures(const struct report_sums *s)
{
	return json_pack(
		"{s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I}", "records", (json_int_t)s->records,
		"packets_dropped", json_u64(s->dropped_packets), "bytes_dropped",
		json_u64(s->dropped_bytes), "packets_would_drop", json_u64(s->would_packets),
		"packets_marked_or_challenged", json_u64(s->other_packets), "sources_dropped",
		(json_int_t)s->sources.count, "windows_of_other_sources",
		(json_int_t)s->sources.others.events, "operators", (json_int_t)s->actors.count,
		"changes", (json_int_t)(json_array_size(s->changes.items) + s->changes.left_out));
}

static json_t *range(const struct report_sums *s)
{
	return json_pack("{s:o, s:o, s:s, s:s, s:I, s:I}", "since", json_seconds(s->since), "until",
			 json_seconds(s->until), "first_record", s->first_time, "last_record",
			 s->last_time, "first_index", (json_int_t)s->first_index, "last_index",
			 (json_int_t)s->last_index);
}

static json_t *document(const struct report_options *o, struct report_sums *s,
			const struct audit_verdict *verdict, const struct fault *damage)
{
	json_t *response = json_pack("{s:o, s:o}", "first_drop_to_block", block_times(s),
				     "detection_to_change", response_times(s));
	json_t *report;

	tally_sort(&s->types);
	tally_sort(&s->sources);
	tally_sort(&s->actors);
	tally_sort(&s->readers);
	report = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "report", "weir/audit/v1", "host",
			   o->host, "made_by", o->made_by, "made_at",
			   json_seconds((int64_t)(clock_real_ns() / NSEC_PER_SEC)), "range",
			   range(s), "integrity", integrity_json(verdict, damage), "figures",
			   figures(s));
	if (!report)
		return NULL;
	json_object_set_new(report, "gaps",
			    json_pack("{s:o, s:o, s:I, s:I, s:o}", "packets_lost",
				      json_u64(s->lost_packets), "records_lost",
				      json_u64(s->lost_records), "unreadable_records",
				      (json_int_t)s->unread, "daemon_stopped_seconds",
				      (json_int_t)s->stopped_seconds, "events", lines(&s->gaps)));
	json_object_set_new(report, "by_type", tally_json(&s->types, SIZE_MAX, false));
	json_object_set_new(report, "by_category",
			    counts(s->by_category, 0, AUDIT_CATEGORY_MAX, category_name));
	json_object_set_new(report, "by_severity", counts(s->by_severity, 1, 6, severity_name));
	json_object_set_new(report, "by_outcome",
			    counts(s->by_outcome, 0, AUDIT_OUTCOME_MAX, outcome_name));
	json_object_set_new(report, "drops", timeline(s));
	json_object_set_new(report, "top_sources", tally_json(&s->sources, REPORT_TOP, true));
	json_object_set_new(report, "risk",
			    counts(s->risk_levels, RISK_LOW, RISK_LEVEL_MAX, level_name));
	json_object_set_new(report, "detections", lines(&s->detections));
	json_object_set_new(report, "response", response);
	json_object_set_new(report, "operators", tally_json(&s->actors, REPORT_TOP, false));
	json_object_set_new(report, "changes", lines(&s->changes));
	json_object_set_new(report, "readers", tally_json(&s->readers, REPORT_TOP, false));
	json_object_set_new(report, "access", lines(&s->accesses));
	json_object_set_new(report, "statements", lines(&s->statements));
	json_object_set_new(report, "framework",
			    json_pack("{s:s, s:s, s:o}", "name",
				      report_framework_to_str(o->framework), "words",
				      report_framework_words(o->framework), "controls",
				      control_table(s, o->framework)));
	return report;
}

int report_make(const struct report_options *options, json_t **ret, struct fault *reterr)
{
	_cleanup_free_ struct report_sums *sums = calloc(1, sizeof(*sums));
	const struct audit_verify_options verify = {
		.threads = options->threads,
		.checkpoint = options->checkpoint,
		.checkpoint_length = options->checkpoint_length,
		.key = options->has_key ? &options->key : NULL,
		.is_cancelled = options->is_cancelled,
		.userdata = options->userdata,
	};
	struct audit_verdict verdict;
	struct fault damage = {0};
	int r;

	if (!sums)
		return fault(reterr, -ENOMEM, "report.memory", "out of memory");
	r = report_sums_init(sums, options);
	if (r < 0)
		fault(reterr, r, "report.memory", "out of memory");
	else
		r = read_records(options, sums, &damage, reterr);
	if (r == 0)
		r = audit_verify_with(options->dir, &verify, &verdict, reterr);
	if (r == 0) {
		*ret = document(options, sums, &verdict, &damage);
		if (!*ret)
			r = fault(reterr, -ENOMEM, "report.memory", "out of memory");
	}
	report_sums_done(sums);
	return r;
}

void report_put_json(struct text *t, const json_t *report)
{
	_cleanup_free_ char *body = json_dumps(report, JSON_INDENT(2));

	text_puts(t, body ?: "");
	text_puts(t, "\n");
	t->truncated |= !body;
}
