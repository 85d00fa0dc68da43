/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Spans: something that took its time, what it was a part of, and what became of it. */
#ifndef OTLP_SPAN_H
#define OTLP_SPAN_H

#include "otlp/json.h"

#define OTLP_TRACE_ID 33 /* 32 hexadecimal digits and the NUL */
#define OTLP_SPAN_ID  17

/* As OTLP numbers them. */
enum otlp_kind { OTLP_INTERNAL = 1, OTLP_SERVER = 2, OTLP_CLIENT = 3 };

struct otlp_span {
	char trace_id[OTLP_TRACE_ID], id[OTLP_SPAN_ID];
	char parent[OTLP_SPAN_ID]; /* "" = none */
	bool remote;		   /* the parent is the caller's */
	const char *name;
	enum otlp_kind kind;
	uint64_t start_ns, end_ns; /* CLOCK_REALTIME */
	const char *error;	   /* in words; NULL = none */
	const char *attributes;	   /* put by otlp_put_string() and the like; "" = none */
};

/** @digits of lower-case hex and a NUL, not all of them zero. They name, they do not guard. */
void otlp_random(char *to, unsigned int digits);

/* Append it, as a member of an array. One that ends before it began ends as it begins. */
void otlp_put_span(struct text *t, const struct otlp_span *s);

#endif
