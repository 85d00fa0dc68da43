/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What ties a request to what it is part of elsewhere: X-Request-ID, and the traceparent of W3C Trace Context
 * (https://www.w3.org/TR/trace-context/, level 1). Taken in, given back, and written into the records of the request.
 */
#ifndef API_CORRELATE_H
#define API_CORRELATE_H

#include <stdbool.h>

#define CORRELATE_REQUEST_ID_MAX 64
#define CORRELATE_PARENT_SIZE	 56 /* "00-<32 hex>-<16 hex>-<2 hex>" and the NUL */

struct correlation {
	char request_id[CORRELATE_REQUEST_ID_MAX + 1];
	char parent
		[CORRELATE_PARENT_SIZE]; /* of what we do: the caller's trace, a span of our own; "" = there is none */
	char trace_id[33]; /* of parent; "" = there is none */
	char span_id[17];  /* likewise */
	char caller[17];   /* the span that asks; "" = there is none */
	bool unsampled;	   /* the caller's trace is one that nobody keeps */
};

/**
 * From the values of both headers, NULL if absent. An ID that is no token of 1 to CORRELATE_REQUEST_ID_MAX letters, digits,
 * '.', '_' and '-' is replaced by one of ours, as is one that is missing; a traceparent that is malformed is ignored.
 */
void correlate(const char *request_id, const char *traceparent, struct correlation *ret);
/* Begin a trace, if it is part of none. */
void correlate_begin(struct correlation *c);

#endif
