/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/correlate.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static const char HEX[] = "0123456789abcdef";

/* Random hex digits. They name, they do not guard: without randomness they are zeros. */
static void put_random(char *to, unsigned int digits)
{
	uint8_t random[16] = {0};

	if (getrandom(random, sizeof(random), GRND_NONBLOCK) < 0)
		memset(random, 0, sizeof(random));
	for (unsigned int i = 0; i < digits; i++)
		to[i] = HEX[random[i / 2] >> (i % 2 ? 0 : 4) & 15];
}

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
		put_random(ret->request_id, 32);
	if (!traceparent || !is_parent(traceparent))
		return;
	memcpy(ret->parent, traceparent, CORRELATE_PARENT_SIZE - 1);
	memcpy(ret->parent, "00", 2); /* what we write is of the version that we know */
	put_random(ret->parent + 36, 16);
	memcpy(ret->trace_id, traceparent + 3, 32);
}
