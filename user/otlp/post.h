/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One request of OTLP/HTTP to a receiver, and what its answer means: whether it arrived, whether to try again and when
 * (https://opentelemetry.io/docs/specs/otlp/#otlphttp-response). One thread at a time.
 */
#ifndef OTLP_POST_H
#define OTLP_POST_H

#include "base/cleanup.h"
#include "base/fault.h"
#include "otlp/json.h"

#define OTLP_HEADERS_MAX     16
#define OTLP_HEADERS_BYTES   8192
#define OTLP_TIMEOUT_MS	     10000
#define OTLP_RETRY_AFTER_MAX 300 /* seconds: a receiver cannot ask for more */

enum otlp_outcome {
	OTLP_SENT,
	OTLP_RETRY,   /* nobody answered, or said to come again */
	OTLP_REFUSED, /* to come again would change nothing */
	OTLP_STOPPED, /* it was to be ended; whether it arrived is not known */
};

struct otlp_answer {
	enum otlp_outcome outcome;
	long status;		 /* of HTTP; 0 = there was no answer */
	uint64_t retry_after_ns; /* 0 = the receiver did not say */
	uint64_t rejected;	 /* of what was sent: partialSuccess */
	char words[200];	 /* what went wrong, UTF-8; "" = nothing */
};

struct otlp_poster;

/**
 * Requests go to @endpoint, a TARGET_HTTP or TARGET_HTTPS, with /v1/traces and the like behind it. @headers_file: lines "Name: value" that are sent along, read each
 * time, as a token in it may change; NULL = none. Strings are copied. Faults: otlp.endpoint, otlp.memory.
 */
int otlp_poster_new(const char *endpoint, const char *headers_file, struct otlp_poster **ret,
		    struct fault *reterr);
void otlp_poster_free(struct otlp_poster *p);
DEFINE_CLEANUP(struct otlp_poster *, otlp_poster_free)

/** Send it and wait for the answer, at most @timeout_ms, until @stop_fd (-1 = none) is readable. */
void otlp_post(struct otlp_poster *p, enum otlp_signal signal, const char *body, size_t length,
	       int stop_fd, unsigned int timeout_ms, struct otlp_answer *ret);

#endif
