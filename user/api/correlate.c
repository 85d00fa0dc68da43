/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/correlate.h"

#include <stdio.h>
#include <string.h>

#include "otlp/span.h"

static const char HEX[] = "0123456789abcdef";

static bool is_token(const char *id)
{
	size_t length = strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "._-");

	return length && length <= CORRELATE_REQUEST_ID_MAX && !id[length];
}

/* @digits of lower hex, not all of them zero. */
static bool is_id(const char *text, size_t digits)
{
	return strspn(text, HEX) >= digits && strspn(text, "0") < digits;
}

/* "00-<trace>-<parent>-<flags>"; a version above may have more behind (section 4.3.2). */
static bool is_parent(const char *p)
{
	if (strlen(p) < CORRELATE_PARENT_SIZE - 1 || strspn(p, HEX) < 2 || strncmp(p, "ff", 2) == 0)
		return false;
	if (p[2] != '-' || p[35] != '-' || p[52] != '-' || strspn(p + 53, HEX) < 2)
		return false;
	if (!is_id(p + 3, 32) || !is_id(p + 36, 16))
		return false;
	return !p[55] || (strncmp(p, "00", 2) != 0 && p[55] == '-');
}

void correlate(const char *request_id, const char *traceparent, struct correlation *ret)
{
	*ret = (struct correlation){0};
	if (request_id && is_token(request_id))
		snprintf(ret->request_id, sizeof(ret->request_id), "%s", request_id);
	else
		otlp_random(ret->request_id, 32);
	if (!traceparent || !is_parent(traceparent))
		return;
	memcpy(ret->trace_id, traceparent + 3, 32);
	memcpy(ret->caller, traceparent + 36, 16);
	ret->unsampled = !strchr("13579bdf", traceparent[54]);
	otlp_random(ret->span_id, 16);
	/* What we write is of the version that we know. */
	snprintf(ret->parent, sizeof(ret->parent), "00-%s-%s-%.2s", ret->trace_id, ret->span_id,
		 traceparent + 53);
}

void correlate_begin(struct correlation *c)
{
	if (*c->trace_id)
		return;
	otlp_random(c->trace_id, 32);
	otlp_random(c->span_id, 16);
	snprintf(c->parent, sizeof(c->parent), "00-%s-%s-01", c->trace_id, c->span_id);
}
