/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which entries expire next, for this folder only: a binary heap. A record is a note and not the truth: an
 * entry that goes or gets another deadline leaves its note behind, and whoever takes a note looks whether
 * it still holds.
 */
#ifndef LISTS_DEADLINES_H
#define LISTS_DEADLINES_H

#include <stdint.h>

#include "lists/nodes.h"

struct deadline {
	uint64_t until_ns; /* CLOCK_MONOTONIC */
	struct node_key key;
	uint16_t source;
	uint8_t kind;
};

struct deadlines {
	struct deadline *heap;
	size_t count, size;
};

void deadlines_done(struct deadlines *d);
/** Have room for @more. -ENOMEM. */
int deadlines_reserve(struct deadlines *d, size_t more);
/* There must be room. */
void deadlines_push(struct deadlines *d, const struct deadline *deadline);
/** The earliest, or NULL; valid until the next change. */
const struct deadline *deadlines_first(const struct deadlines *d);
void deadlines_pop(struct deadlines *d);
/* Drop all for which @holds is false. */
void deadlines_filter(struct deadlines *d,
		      bool (*holds)(const struct deadline *deadline, void *userdata),
		      void *userdata);

#endif
