/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A change of the policy as spans: one for the whole, below that of its request, and one for each step below it. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "engine/internal.h"

void apply_begin(struct engine *e, const struct engine_actor *actor)
{
	struct apply *a = &e->telemetry.apply;

	*a = (struct apply){
		.on = e->telemetry.otlp && e->policy && !actor->unsampled &&
		      e->policy->otlp.spans & 1U << POLICY_SPANS_APPLIES,
		.start_ns = clock_real_ns(),
	};
	if (!a->on)
		return;
	if (actor->trace_id && *actor->trace_id) {
		snprintf(a->trace_id, sizeof(a->trace_id), "%s", actor->trace_id);
		snprintf(a->parent, sizeof(a->parent), "%s", actor->span_id ?: "");
	} else {
		otlp_random(a->trace_id, sizeof(a->trace_id) - 1);
	}
}

void apply_step(struct engine *e, const char *name)
{
	struct apply *a = &e->telemetry.apply;

	if (a->on && a->count < APPLY_STEPS_MAX)
		a->steps[a->count++] = (struct apply_step){name, clock_real_ns()};
}

static void put_steps(struct engine *e, const struct otlp_span *whole)
{
	const struct apply *a = &e->telemetry.apply;
	struct otlp_span step = {.kind = OTLP_INTERNAL, .attributes = ""};

	memcpy(step.trace_id, whole->trace_id, sizeof(step.trace_id));
	memcpy(step.parent, whole->id, sizeof(step.parent));
	for (size_t i = 0; i < a->count; i++) {
		bool last = i + 1 == a->count;

		otlp_random(step.id, sizeof(step.id) - 1);
		step.name = a->steps[i].name;
		step.start_ns = a->steps[i].start_ns;
		step.end_ns = last ? whole->end_ns : a->steps[i + 1].start_ns;
		step.error = last ? whole->error : NULL;
		engine_put_span(e, &step);
	}
}

void apply_end(struct engine *e, const char *how, const struct engine_actor *actor,
	       const struct fault *f)
{
	struct apply *a = &e->telemetry.apply;
	struct otlp_span whole = {
		.name = "policy.change",
		.remote = *a->parent && !engine_wants_requests(e),
		.kind = OTLP_INTERNAL,
		.start_ns = a->start_ns,
		.end_ns = clock_real_ns(),
		/* Its words may name somebody. */
		.error = f->err && f->err != -EINPROGRESS ? f->code : NULL,
	};
	_cleanup_(text_done) struct text attributes = {.growing = true};

	if (!a->on)
		return;
	a->on = false;
	memcpy(whole.trace_id, a->trace_id, sizeof(whole.trace_id));
	memcpy(whole.parent, a->parent, sizeof(whole.parent));
	otlp_random(whole.id, sizeof(whole.id) - 1);
	otlp_put_string(&attributes, "weir.policy.how", how);
	otlp_put_int(&attributes, "weir.policy.generation", datapath_generation(e->datapath));
	otlp_put_string(&attributes, "weir.policy.sha256", e->policy->sha256);
	if (actor->dry_run)
		otlp_put_bool(&attributes, "weir.dry_run", true);
	if (whole.error)
		otlp_put_string(&attributes, "error.type", whole.error);
	whole.attributes = attributes.data;
	if (attributes.truncated)
		return;
	engine_put_span(e, &whole);
	put_steps(e, &whole);
}
