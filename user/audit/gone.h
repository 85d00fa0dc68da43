/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whole batches of which every record expired, gathered while a segment is written anew: one GONE frame takes their
 * place. It keeps what a stub keeps, the records' hashes, and nothing for each batch.
 */
#ifndef AUDIT_GONE_H
#define AUDIT_GONE_H

#include <stdio.h>

#include "audit/scan.h"

struct gone {
	struct frame_gone frame; /* count 0 = nothing waits; its pointers are not used */
	uint64_t first;
	uint8_t seal[AUDIT_HASH_SIZE];
	uint8_t *buffer; /* of one frame */
};

/* Accepts a zeroed one. */
void gone_done(struct gone *g);
/**
 * Gather the batch that @s read last, of which nothing is to stay, and which took @bytes as it was written. Writes to
 * @out what was gathered before if it gets too much; failures are for ferror() to tell. -ENOMEM.
 */
int gone_add(struct gone *g, const struct scan *s, uint64_t bytes, FILE *out);
/* Write what was gathered: what comes next stays. */
void gone_flush(struct gone *g, FILE *out);

#endif
