/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A traced packet in words: the members that API, command line and the comments of a capture have. */
#ifndef TRACE_EVENT_H
#define TRACE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/trace.h>

#include "base/text.h"

/* What the numbers in an event mean; NULL where there is nothing to say. */
struct trace_meaning {
	uint64_t time_real_ns; /* CLOCK_REALTIME */
	const char *interface;
	const char *rule;
	const char *tenant;
};

#define TRACE_HIDDEN_IP4_BITS 24 /* that remain of an address that is hidden */
#define TRACE_HIDDEN_IP6_BITS 48

/**
 * Append it as an object of JSON, without a newline; its bytes, if there are any, as base64. @hide: of addresses only what
 * says in which network they are; then there must be no bytes.
 */
void trace_event_put(struct text *t, const struct weir_trace_event *event,
		     const struct trace_meaning *meaning, bool hide);
/** What became of what was looked for: members of an object, without its braces. */
void trace_count_put(struct text *t, const struct weir_trace_count *count);

#endif
