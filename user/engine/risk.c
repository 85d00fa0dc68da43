/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/risk.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <weir/vocabulary.h>

#include "audit/reader.h"
#include "base/address.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/words.h"

static void inputs_of(const struct audit_record *record, unsigned int confidence,
		      unsigned int asset, struct risk_inputs *ret)
{
	*ret = (struct risk_inputs){
		.base = risk_base(record->severity ?: audit_event_severity(record->event)),
		.confidence = confidence,
		.asset = asset,
		.reputation = RISK_REPUTATION_NEUTRAL,
	};
}

/* Canonical, as all of a record is: members in their order. */
static void format_risk(const struct risk_inputs *in, unsigned int score,
			const struct risk_change *change, char ret[static ENGINE_RISK_TEXT_SIZE])
{
	struct text t;

	text_init(&t, ret, ENGINE_RISK_TEXT_SIZE);
	text_printf(
		&t,
		"{\"asset\":%u,\"base\":%u,\"confidence\":%u,\"level\":\"%s\",\"reputation\":%u,"
		"\"score\":%u",
		in->asset, in->base, in->confidence, risk_level_to_str(risk_level_of(score * 1000)),
		in->reputation, score);
	if (change)
		text_printf(&t,
			    ",\"source\":{\"after\":%u,\"last\":%u,\"level\":\"%s\",\"repeat\":%u,"
			    "\"steps\":%llu}",
			    change->after, change->last, risk_level_to_str(change->level),
			    change->repeat, (unsigned long long)change->steps);
	text_puts(&t, "}");
}

void engine_risk_of_window(struct risk_sources *sources, const struct events_window *w,
			   const char *limit, unsigned int asset, struct audit_record *record,
			   struct audit_details *details, char text[static ENGINE_RISK_TEXT_SIZE],
			   struct risk_change *ret_change)
{
	struct risk_event event = {
		.source = w->source,
		.rule = risk_rule(reason_to_str(w->reason), limit),
		.packets = w->packets,
	};
	struct risk_inputs in;

	inputs_of(record, risk_confidence(w->reason), asset, &in);
	if (w->reason == WEIR_REASON_BLOCKED)
		in.reputation = RISK_REPUTATION_BLOCKED;
	if (!record->time_ns)
		record->time_ns = clock_real_ns();
	event.time_ns = record->time_ns;
	event.score = risk_score(&in);
	*ret_change = (struct risk_change){0};
	if (!w->others && !w->crowd)
		risk_sources_add(sources, &event, ret_change);
	format_risk(&in, event.score, w->others || w->crowd ? NULL : ret_change, text);
	audit_details_json(details, "risk", text);
}

void engine_risk_of_event(const struct audit_record *record, struct audit_details *details,
			  char text[static ENGINE_RISK_TEXT_SIZE])
{
	struct risk_inputs in;

	inputs_of(record, ENGINE_RISK_EVENT_CONFIDENCE, RISK_ASSET_NEUTRAL, &in);
	format_risk(&in, risk_score(&in), NULL, text);
	audit_details_json(details, "risk", text);
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

static uint64_t number_of(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? (uint64_t)n : 0;
}

/* "2026-11-20T23:37:00.123456789Z": to the second is near enough, a step is 56 of them. */
static uint64_t time_of(const struct record_slice *timestamp)
{
	char text[] = "0000-00-00T00:00:00Z";
	int64_t seconds;

	if (timestamp->length < sizeof(text) - 1)
		return 0;
	memcpy(text, timestamp->data, sizeof(text) - 2);
	if (clock_parse_rfc3339(text, &seconds) < 0 || seconds <= 0)
		return 0;
	return (uint64_t)seconds * NSEC_PER_SEC;
}

static void restore(struct risk_sources *sources, const struct reader_record *r)
{
	_cleanup_(text_done) struct text line = {.growing = true};
	struct risk_event event = {.time_ns = time_of(&r->view.timestamp)};
	const json_t *details, *resource, *source;
	json_t *record;
	uint8_t address[16];

	record_put_view(&line, r->data, r->length, &r->view, r->hash);
	record = line.truncated ? NULL : json_loadb(line.data, line.length, 0, NULL);
	details = json_object_get(record, "details");
	resource = json_object_get(record, "resource");
	source = json_object_get(json_object_get(details, "risk"), "source");
	if (source && event.time_ns && strcmp(text_of(resource, "type"), "source") == 0 &&
	    address_parse(text_of(resource, "id"), address) == 0) {
		event.source = address;
		event.rule = risk_rule(text_of(details, "reason"), text_of(details, "limit"));
		event.packets = number_of(details, "packets");
		risk_sources_restore(sources, &event, (uint32_t)number_of(source, "after"),
				     (uint32_t)number_of(source, "repeat"));
	}
	json_decref(record);
}

void engine_risk_restore(struct risk_sources *sources, const char *chain_dir,
			 const struct personal_opener *opener)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	struct reader_record record;

	if (reader_open(chain_dir, &reader, NULL) < 0 ||
	    reader_seek_tail(reader, ENGINE_RISK_RESTORED_MAX, NULL) < 0)
		return;
	reader_set_opener(reader, opener);
	while (reader_next(reader, &record, NULL) > 0) {
		const struct record_slice *type = &record.view.event_type;
		int event = audit_event_from_str(type->data, type->length);

		if (event >= 0 && audit_event_category(event) == AUDIT_CATEGORY_TRAFFIC)
			restore(sources, &record);
	}
}
