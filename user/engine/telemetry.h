/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is sent to a receiver of OTLP, as the policy's `otlp` says: spans of requests, of changes of the policy, of connections; metrics. */
#ifndef ENGINE_TELEMETRY_H
#define ENGINE_TELEMETRY_H

#include "engine/engine.h"
#include "otlp/otlp.h"

/** Whether requests are to be told by engine_put_span(). */
bool engine_wants_requests(const struct engine *e);
/* Send it, if anything is sent. */
void engine_put_span(struct engine *e, const struct otlp_span *s);
/* The same with metrics, members of the array of that name, whose memory is taken. */
void engine_put_metrics(struct engine *e, struct text *points);
/** False: nothing is sent. */
bool engine_telemetry_stats(const struct engine *e, struct otlp_stats *ret);

/* The engine's own. */

#define APPLY_STEPS_MAX 20

/* A change of the policy on its way: spans are sent when it is over. */
struct apply {
	bool on;
	char trace_id[OTLP_TRACE_ID], parent[OTLP_SPAN_ID];
	uint64_t start_ns; /* CLOCK_REALTIME, like those below */
	struct apply_step {
		const char *name; /* lives for ever */
		uint64_t start_ns;
	} steps[APPLY_STEPS_MAX]; /* each ends where the next one begins */
	size_t count;
};

struct telemetry {
	struct otlp *otlp; /* NULL: nothing is sent */
	struct otlp_resource resource;
	uint64_t metrics_due_ns, connections_due_ns; /* CLOCK_MONOTONIC; UINT64_MAX = never */
	struct apply apply;
};

void telemetry_start(struct engine *e);
/* The policy is another; @former may be NULL. */
void telemetry_take_policy(struct engine *e, const struct policy *former);
/* What is due. Returns when there is more, CLOCK_MONOTONIC. */
uint64_t telemetry_tick(struct engine *e);
void telemetry_stop(struct engine *e);

/* Send those that ended; from now on, one in so many is to be kept when it ends, 0 = none. */
void connections_sample(struct engine *e, uint32_t one_in);

/* One change at a time: it begins, comes from step to step, and ends; @f is what it failed for, err 0 = it did not. */
void apply_begin(struct engine *e, const struct engine_actor *actor);
void apply_step(struct engine *e, const char *name);
void apply_end(struct engine *e, const char *how, const struct engine_actor *actor,
	       const struct fault *f);

#endif
