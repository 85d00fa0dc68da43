/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sums by name, of so many names and no more; what goes beyond is summed up without one. */
#ifndef REPORT_TALLY_H
#define REPORT_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct tally_item {
	const char *name; /* the tally's */
	uint64_t events, packets;
	int64_t first, last;	/* seconds since 1970 */
	int64_t dropped, acted; /* of the first drop; of the operator's change after it; 0 = none */
};

struct tally {
	size_t max; /* set by the owner; the rest is zero to begin with */
	json_t *numbers;
	struct tally_item *items;
	size_t count, room;
	struct tally_item others;
};

void tally_done(struct tally *t);
/** The item of @name; that of all others if there is no room or no memory for it. */
struct tally_item *tally_of(struct tally *t, const char *name);
void tally_add(struct tally_item *item, int64_t at, uint64_t packets);
/* Order by packets, then by events, most first. Names are not found any more then. */
void tally_sort(struct tally *t);

#endif
