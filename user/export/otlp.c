/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A record as a log record of OTLP. The whole of it is in log.record.original: without "hash" the bytes that were hashed. */
#include <string.h>

#include "audit/event.h"
#include "base/clock.h"
#include "export/format.h"
#include "otlp/json.h"

static void put_optional(struct text *t, const char *key, const char *value)
{
	if (*value)
		otlp_put_string(t, key, value);
}

static void put_attributes(struct text *t, const struct export_event *e)
{
	_cleanup_free_ char *view = strndup(e->view, e->length);

	otlp_put_int(t, "weir.record.index", (int64_t)e->index);
	otlp_put_string(t, "log.record.uid", e->id);
	otlp_put_string(t, "weir.record.hash", e->hash);
	otlp_put_string(t, "weir.category", audit_category_to_str(e->category));
	put_optional(t, "weir.action", e->action);
	put_optional(t, "weir.outcome", e->outcome);
	put_optional(t, "user.id", e->user_id);
	put_optional(t, "user.name", e->username);
	put_optional(t, "weir.role", e->role);
	put_optional(t, "source.address", e->source);
	put_optional(t, "weir.resource.type", e->resource_type);
	put_optional(t, "weir.resource.id", e->resource_id);
	if (view)
		otlp_put_string(t, "log.record.original", view);
	else
		t->truncated = true;
}

static bool is_trace_id(const char *id)
{
	return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32 && strspn(id, "0") < 32;
}

void otlp_put_record(struct text *t, const struct export_event *e)
{
	const struct export_severity *s = export_severity(e->severity);
	const char *words = export_event_words(e);
	char scratch[EXPORT_VALUE_SIZE];
	const char *trace_id = export_detail(e, "trace_id", scratch);

	otlp_put_comma(t);
	text_puts(t, "{");
	otlp_put_u64(t, "timeUnixNano", e->time_ns);
	otlp_put_u64(t, "observedTimeUnixNano", e->time_ns);
	text_printf(t, ",\"severityNumber\":%u,\"severityText\":\"%s\",\"eventName\":", s->otlp,
		    s->otlp_text);
	text_put_json(t, e->type);
	text_puts(t, ",\"body\":{\"stringValue\":");
	text_put_json(t, *words ? words : e->type);
	text_puts(t, "},\"attributes\":[");
	put_attributes(t, e);
	text_puts(t, "]");
	if (is_trace_id(trace_id))
		otlp_put_hex(t, "traceId", trace_id);
	text_puts(t, "}");
}

void otlp_put_line(struct text *t, const struct export_event *e, const char *host)
{
	struct otlp_resource r = {0};

	snprintf(r.host, sizeof(r.host), "%s", host);
	otlp_put_head(t, OTLP_LOGS, &r);
	otlp_put_record(t, e);
	otlp_put_tail(t);
	text_puts(t, "\n");
}
