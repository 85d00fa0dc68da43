/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/gone.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASHES_AT (FRAME_HEADER_SIZE + FRAME_GONE_FIXED)

void gone_done(struct gone *g)
{
	free(g->buffer);
	*g = (struct gone){0};
}

void gone_flush(struct gone *g, FILE *out)
{
	if (!g->frame.count)
		return;
	g->frame.seal = g->seal;
	frame_gone_encode(g->buffer, g->first, &g->frame);
	fwrite(g->buffer, 1, frame_size(FRAME_GONE_FIXED + g->frame.count * AUDIT_HASH_SIZE), out);
	g->frame.count = 0;
	g->frame.bytes = 0;
}

/* A light scan has no hashes, and is none to write from. */
int gone_add(struct gone *g, const struct scan *s, uint64_t bytes, FILE *out)
{
	if (!g->buffer)
		g->buffer = malloc(
			frame_size(FRAME_GONE_FIXED + (size_t)BATCH_RECORDS * AUDIT_HASH_SIZE));
	if (!g->buffer)
		return -ENOMEM;
	if (g->frame.count + s->count > BATCH_RECORDS)
		gone_flush(g, out);
	if (!g->frame.count)
		g->first = s->before.next_index;
	for (size_t i = 0; i < s->count; i++)
		memcpy(g->buffer + HASHES_AT + g->frame.count++ * AUDIT_HASH_SIZE,
		       s->records[i].hash, AUDIT_HASH_SIZE);
	g->frame.bytes += bytes;
	g->frame.real_ns = s->last_commit_ns;
	g->frame.boot_ns = s->last_commit_boot_ns;
	memcpy(g->seal, s->seal, AUDIT_HASH_SIZE);
	return 0;
}
