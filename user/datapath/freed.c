/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "datapath/freed.h"

#include <string.h>

#define NOT_BEGUN UINT64_MAX

void freed_reset(struct freed *f, uint64_t ticket)
{
	f->all = f->last = ticket;
	f->count = 0;
}

void freed_add(struct freed *f, uint32_t place)
{
	if (f->count == FREED_MAX)
		freed_reset(f, NOT_BEGUN);
	f->places[f->count++] = (struct freed_place){.place = place, .ticket = NOT_BEGUN};
}

void freed_begun(struct freed *f, uint64_t ticket)
{
	f->last = ticket;
	if (f->all == NOT_BEGUN)
		f->all = ticket;
	for (uint32_t i = f->count; i > 0 && f->places[i - 1].ticket == NOT_BEGUN; i--)
		f->places[i - 1].ticket = ticket;
}

static void forget(struct freed *f, uint64_t over)
{
	uint32_t gone = 0;

	while (gone < f->count && f->places[gone].ticket <= over)
		gone++;
	f->count -= gone;
	if (gone)
		memmove(f->places, f->places + gone, f->count * sizeof(*f->places));
}

uint64_t freed_ticket(struct freed *f, uint32_t place, uint64_t over)
{
	forget(f, over);
	for (uint32_t i = f->count; i > 0; i--)
		if (f->places[i - 1].place == place)
			return f->places[i - 1].ticket;
	return f->all > over ? f->all : 0;
}
