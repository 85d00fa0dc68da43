/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/telemetry.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/internal.h"

#define CONNECTIONS_NS (250 * NSEC_PER_MSEC)

bool engine_wants_requests(const struct engine *e)
{
	return e->telemetry.otlp && e->policy &&
	       e->policy->otlp.spans & 1U << POLICY_SPANS_REQUESTS;
}

void engine_put_span(struct engine *e, const struct otlp_span *s)
{
	if (e->telemetry.otlp)
		otlp_send_span(e->telemetry.otlp, s);
}

void engine_put_metrics(struct engine *e, struct text *points)
{
	if (e->telemetry.otlp)
		otlp_send_metrics(e->telemetry.otlp, points);
	text_done(points);
}

bool engine_telemetry_stats(const struct engine *e, struct otlp_stats *ret)
{
	if (!e->telemetry.otlp)
		return false;
	otlp_get_stats(e->telemetry.otlp, ret);
	if (e->sockets)
		ret->spans_dropped += sockets_sample_lost(e->sockets);
	return true;
}

/* On the thread that sends. */
static void changed(bool failing, const char *endpoint, const char *words, void *userdata)
{
	struct engine *e = userdata;
	struct audit_details details = {0};
	struct audit_record record = {
		.event = failing ? AUDIT_EVENT_OTLP_FAILED : AUDIT_EVENT_OTLP_RESTORED,
		.outcome = failing ? AUDIT_FAILURE : AUDIT_SUCCESS,
		.resource = {"export", "otlp"},
		.details = &details,
	};

	audit_details_string(&details, "to", endpoint);
	if (failing) {
		audit_details_string(&details, "error", words);
		log_warn("the receiver of OTLP takes nothing", "error", words);
	} else {
		log_info("the receiver of OTLP takes spans and metrics again");
	}
	if (recorder_submit(e->recorder, &record) < 0)
		log_error("an audit record was lost", "event", audit_event_to_str(record.event));
}

void telemetry_start(struct engine *e)
{
	otlp_resource_init(&e->telemetry.resource, e->options.state_dir);
	e->telemetry.metrics_due_ns = e->telemetry.connections_due_ns = UINT64_MAX;
}

static bool is_same(const struct otlp *o, const struct policy_otlp *now,
		    const struct policy_otlp *former)
{
	return o && now->endpoint && former->endpoint &&
	       strcmp(now->endpoint, former->endpoint) == 0 &&
	       strcmp(now->headers_file ?: "", former->headers_file ?: "") == 0;
}

void telemetry_take_policy(struct engine *e, const struct policy *former)
{
	static const struct policy_otlp none;
	const struct policy_otlp *p = &e->policy->otlp;
	struct telemetry *t = &e->telemetry;
	const struct otlp_options options = {p->endpoint, p->headers_file, t->resource, changed, e};
	uint64_t now_ns = clock_monotonic_ns();
	struct fault f = {0};

	if (!is_same(t->otlp, p, former ? &former->otlp : &none)) {
		otlp_close(take_ptr(t->otlp));
		if (p->endpoint && otlp_open(&options, &t->otlp, &f) < 0)
			log_error("no spans and metrics are sent", "error", f.text);
	}
	t->metrics_due_ns = t->otlp && p->metrics_ns ? now_ns + p->metrics_ns : UINT64_MAX;
	t->connections_due_ns = t->otlp && p->connections ? now_ns : UINT64_MAX;
	if (t->connections_due_ns == UINT64_MAX)
		connections_sample(e, 0);
}

uint64_t telemetry_tick(struct engine *e)
{
	struct telemetry *t = &e->telemetry;
	uint64_t now_ns = clock_monotonic_ns();

	if (now_ns >= t->metrics_due_ns) {
		e->options.measure(e->options.userdata);
		t->metrics_due_ns += e->policy->otlp.metrics_ns;
		if (t->metrics_due_ns < now_ns) /* it was late by more than a turn */
			t->metrics_due_ns = now_ns + e->policy->otlp.metrics_ns;
	}
	if (now_ns >= t->connections_due_ns) {
		connections_sample(e, e->policy->otlp.connections);
		t->connections_due_ns = now_ns + CONNECTIONS_NS;
	}
	return t->metrics_due_ns < t->connections_due_ns ? t->metrics_due_ns
							 : t->connections_due_ns;
}

void telemetry_stop(struct engine *e)
{
	connections_sample(e, 0);
	otlp_close(take_ptr(e->telemetry.otlp));
}
