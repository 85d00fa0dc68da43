/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A trace: somebody sees packets one by one, until they have seen enough. One at a time. That it began and how it
 * ended are records, as packets are about people.
 */
#ifndef ENGINE_TRACE_H
#define ENGINE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/trace.h>

#include "base/fault.h"
#include "engine/engine.h"
#include "trace/event.h"

#define ENGINE_TRACE_BUDGET 5 /* percent, unless something else is asked for */

struct engine_trace_options {
	const char *filter;	       /* trace/filter.h; "" = every packet */
	uint32_t sample, snap, budget; /* struct datapath_trace_options */
	bool hide_addresses;
};

/* What is said of a packet; valid during the call. */
struct engine_traced {
	const struct weir_trace_event *event;
	struct trace_meaning meaning;
};

/**
 * Begin. Faults: trace.busy (-EBUSY: who traces), trace.filter, trace.name, trace.detached, audit.refused (-EBUSY: nothing
 * can be recorded), and those of loading a program.
 */
int engine_trace_begin(struct engine *e, const struct engine_actor *actor,
		       const struct engine_trace_options *options, struct fault *reterr);
/** It is still wanted; call this at least once a second. */
void engine_trace_keep(struct engine *e);
/** Call @fn with what there is until it returns false. Returns with how many it was called. */
size_t engine_trace_read(struct engine *e,
			 bool (*fn)(const struct engine_traced *packet, void *userdata),
			 void *userdata);
void engine_trace_count(const struct engine *e, struct weir_trace_count *ret);
/** Nothing comes any more; what came may still be read. */
void engine_trace_pause(struct engine *e);
/** End and record it. @packets were shown; @cause: of a closed vocabulary ("count"); @by: who ended it, NULL = who began it. */
void engine_trace_end(struct engine *e, const struct engine_actor *by, const char *cause,
		      uint64_t packets);
bool engine_traces(const struct engine *e);

#endif
