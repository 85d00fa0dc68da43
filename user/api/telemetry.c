/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests as spans (OpenTelemetry's semantic conventions for HTTP servers), and what the status says of those who get them. */
#include "engine/telemetry.h"

#include <string.h>

#include "api/internal.h"

/* A method that nobody knows is a stranger's text. */
static const char *method_of(const char *method)
{
	static const char *const known[] = {"GET",     "HEAD",	  "POST",  "PUT",  "DELETE",
					    "OPTIONS", "CONNECT", "TRACE", "PATCH"};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(method, known[i]) == 0)
			return known[i];
	return "_OTHER";
}

void request_span_begin(const struct call *c, struct request_span *ret)
{
	*ret = (struct request_span){
		.wanted = engine_wants_requests(c->engine) && !c->correlation.unsampled,
		.method = method_of(c->request->method),
		.route = c->route,
		.version = api_version(c->version)->word,
		.start_ns = c->began_real_ns,
	};
}

/* The route as a path, with its parameters taken out: addresses and names stand there. */
static void put_path(struct text *t, const char *key, const char *version, const char *route,
		     const char *parameter)
{
	char buffer[256];
	struct text path;

	text_init(&path, buffer, sizeof(buffer));
	text_printf(&path, "/%s", version);
	while (*route) {
		size_t length = parameter ? strcspn(route, "{") : strlen(route);

		text_put(&path, route, length);
		route += length;
		if (*route) {
			text_puts(&path, parameter);
			route += strcspn(route, "}") + 1;
		}
	}
	if (key)
		otlp_put_string(t, key, buffer);
	else
		text_puts(t, buffer);
}

static void put_attributes(struct text *t, const struct request_span *s,
			   const struct engine_call *call)
{
	otlp_put_string(t, "http.request.method", s->method);
	otlp_put_string(t, "url.scheme", "http");
	if (s->route) {
		put_path(t, "url.path", s->version, s->route, "REDACTED");
		put_path(t, "http.route", s->version, s->route, NULL);
	}
	otlp_put_int(t, "http.response.status_code", call->status);
	otlp_put_string(t, "network.transport", "unix");
	otlp_put_string(t, "weir.operation", call->operation);
	otlp_put_string(t, "weir.request_id", call->request_id);
	otlp_put_string(t, "weir.role", call->actor.role);
	if (call->dry_run)
		otlp_put_bool(t, "weir.dry_run", true);
}

void request_span_end(struct api *a, const struct request_span *s,
		      const struct correlation *correlation, const struct engine_call *call)
{
	_cleanup_(text_done) struct text attributes = {.growing = true};
	struct otlp_span span = {
		.kind = OTLP_SERVER,
		.remote = *correlation->caller,
		.start_ns = s->start_ns,
		.end_ns = s->start_ns + call->duration_us * 1000,
	};
	char name[256], status[16];
	struct text words;

	if (!s->wanted || !*correlation->trace_id)
		return;
	memcpy(span.trace_id, correlation->trace_id, sizeof(span.trace_id));
	memcpy(span.id, correlation->span_id, sizeof(span.id));
	memcpy(span.parent, correlation->caller, sizeof(span.parent));
	text_init(&words, name, sizeof(name));
	text_puts(&words, strcmp(s->method, "_OTHER") == 0 ? "HTTP" : s->method);
	if (s->route) {
		text_puts(&words, " ");
		put_path(&words, NULL, s->version, s->route, NULL);
	}
	span.name = name;
	put_attributes(&attributes, s, call);
	if (call->status >= 500) {
		snprintf(status, sizeof(status), "%u", call->status);
		otlp_put_string(&attributes, "error.type", status);
		span.error = status;
	}
	if (attributes.truncated)
		return;
	span.attributes = attributes.data;
	engine_put_span(a->engine, &span);
}

json_t *json_otlp(const struct engine *e)
{
	struct otlp_stats s;

	if (!engine_telemetry_stats(e, &s))
		return json_null();
	return json_pack("{s:s, s:b, s:s?, s:I, s:{s:I, s:I, s:I, s:I}, s:{s:I, s:I, s:I}}",
			 "endpoint", s.endpoint, "failing", s.failing, "error",
			 *s.because ? s.because : NULL, "errors", (json_int_t)s.errors, "spans",
			 "queued", (json_int_t)s.spans_queued, "sent", (json_int_t)s.spans_sent,
			 "dropped", (json_int_t)s.spans_dropped, "rejected",
			 (json_int_t)s.spans_rejected, "metrics", "sent",
			 (json_int_t)s.metrics_sent, "dropped", (json_int_t)s.metrics_dropped,
			 "points_rejected", (json_int_t)s.points_rejected);
}

/* Families without a sample are left out: most send nothing. */
void put_otlp(struct metrics *m, struct call *c)
{
	struct otlp_stats s;

	if (!engine_telemetry_stats(c->engine, &s))
		return;
	metrics_family(m, METRIC_OTLP_SPANS_TOTAL);
	metrics_sample(m, s.spans_sent, "result", "sent", NULL);
	metrics_sample(m, s.spans_dropped, "result", "dropped", NULL);
	metrics_sample(m, s.spans_rejected, "result", "rejected", NULL);
	metrics_single(m, METRIC_OTLP_QUEUE_SPANS, s.spans_queued);
	metrics_family(m, METRIC_OTLP_METRICS_TOTAL);
	metrics_sample(m, s.metrics_sent, "result", "sent", NULL);
	metrics_sample(m, s.metrics_dropped, "result", "dropped", NULL);
	metrics_single(m, METRIC_OTLP_ERRORS_TOTAL, s.errors);
	metrics_single(m, METRIC_OTLP_FAILING, s.failing);
}
