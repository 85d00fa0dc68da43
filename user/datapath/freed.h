/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Places of the table of list entries that are free, but that packets may still be looking at: one that found an entry
 * before it went reads its deadlines after. So such a place is not another entry's until these packets are over (grace.h).
 */
#ifndef DATAPATH_FREED_H
#define DATAPATH_FREED_H

#include <stdint.h>

#define FREED_MAX 256 /* that are told apart; beyond that, all free places are like them */

struct freed {
	uint64_t last; /* ticket of what was freed last */
	uint64_t all;  /* packets of this ticket may look at any free place */
	uint32_t count;
	struct freed_place {
		uint64_t ticket;
		uint32_t place;
	} places[FREED_MAX]; /* in the order in which they were freed */
};

/* Any free place may be looked at by packets of @ticket; 0: none. */
void freed_reset(struct freed *f, uint64_t ticket);
/** @place is free from now on. */
void freed_add(struct freed *f, uint32_t place);
/** grace_begin() returned @ticket, which is above all before, after all that was added. */
void freed_begun(struct freed *f, uint64_t ticket);
/** The ticket to wait for before something comes to @place; 0: none. Tickets up to @over are over. */
uint64_t freed_ticket(struct freed *f, uint32_t place, uint64_t over);

#endif
