/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/text.h"

#define SECONDS_LENGTH 19 /* "2026-11-20T23:37:00" */

int export_time_parse(const char *text, uint64_t *ret_ns)
{
	char seconds[SECONDS_LENGTH + 2];
	size_t digits = 0, length = strlen(text);
	uint64_t ns = 0;
	int64_t unix_time;

	if (length <= SECONDS_LENGTH)
		return -EINVAL;
	if (text[SECONDS_LENGTH] == '.') {
		const char *fraction = text + SECONDS_LENGTH + 1;

		digits = strspn(fraction, "0123456789");
		if (digits < 1 || digits > 9)
			return -EINVAL;
		for (size_t i = 0; i < 9; i++)
			ns = ns * 10 + (i < digits ? (uint64_t)(fraction[i] - '0') : 0);
		digits++;
	}
	if (strcmp(text + SECONDS_LENGTH + digits, "Z") != 0)
		return -EINVAL;
	memcpy(seconds, text, SECONDS_LENGTH);
	memcpy(seconds + SECONDS_LENGTH, "Z", 2);
	if (clock_parse_rfc3339(seconds, &unix_time) < 0 || unix_time < 0)
		return -EINVAL;
	*ret_ns = (uint64_t)unix_time * NSEC_PER_SEC + ns;
	return 0;
}

const char *export_value(const json_t *value, char scratch[static EXPORT_VALUE_SIZE])
{
	const char *state, *subject;

	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_integer(value)) {
		snprintf(scratch, EXPORT_VALUE_SIZE, "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
		return scratch;
	}
	if (json_is_boolean(value))
		return json_is_true(value) ? "true" : "false";
	subject = json_string_value(json_object_get(value, "subject"));
	if (!subject)
		return "";
	state = json_string_value(json_object_get(value, "state"));
	snprintf(scratch, EXPORT_VALUE_SIZE, "%.16s:%.48s", state ?: "sealed", subject);
	return scratch;
}

const char *export_event_words(const struct export_event *e)
{
	return e->event < 0 ? "" : audit_event_words((enum audit_event)e->event);
}

const char *export_detail(const struct export_event *e, const char *key,
			  char scratch[static EXPORT_VALUE_SIZE])
{
	return export_value(json_object_get(e->details, key), scratch);
}

static const char *string_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

static bool is_address(const char *text)
{
	uint8_t address[16];

	return *text && address_parse(text, address) == 0;
}

static void take_people(struct export_event *e)
{
	const json_t *actor = json_object_get(e->record, "actor");
	const json_t *resource = json_object_get(e->record, "resource");

	e->user_id = export_value(json_object_get(actor, "user_id"), e->values[0]);
	e->username = export_value(json_object_get(actor, "username"), e->values[1]);
	e->address = export_value(json_object_get(actor, "ip_address"), e->values[2]);
	e->role = string_of(actor, "role");
	e->resource_type = string_of(resource, "type");
	e->resource_id = export_value(json_object_get(resource, "id"), e->values[3]);
	e->source = is_address(e->resource_id) ? e->resource_id
		    : is_address(e->address)   ? e->address
					       : "";
}

int export_event_read(const char *view, size_t length, struct export_event *ret,
		      struct fault *reterr)
{
	struct export_event e = {.view = view, .length = length};

	e.record = json_loadb(view, length, JSON_REJECT_DUPLICATES, NULL);
	e.index = (uint64_t)json_integer_value(json_object_get(e.record, "index"));
	e.severity = (unsigned int)json_integer_value(json_object_get(e.record, "severity"));
	e.type = string_of(e.record, "event_type");
	e.id = string_of(e.record, "event_id");
	e.timestamp = string_of(e.record, "timestamp");
	e.action = string_of(e.record, "action");
	e.outcome = string_of(e.record, "outcome");
	e.hash = string_of(e.record, "hash");
	e.previous_hash = string_of(e.record, "previous_hash");
	e.details = json_object_get(e.record, "details");
	if (!json_is_object(e.record) || !*e.type || !*e.hash || e.severity < 1 || e.severity > 5 ||
	    export_time_parse(e.timestamp, &e.time_ns) < 0) {
		json_decref(e.record);
		return fault(reterr, -EBADMSG, "export.record",
			     "what follows record %" PRIu64 " is no record", e.index);
	}
	e.event = audit_event_from_str(e.type, strlen(e.type));
	e.category = e.event < 0 ? AUDIT_CATEGORY_SYSTEM
				 : audit_event_category((enum audit_event)e.event);
	*ret = e;
	take_people(ret);
	return 0;
}

void export_event_done(struct export_event *e)
{
	json_decref(e->record);
	e->record = NULL;
}
