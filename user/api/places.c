/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/places.h"

#include <assert.h>

static unsigned int per_user(enum places_class class)
{
	switch (class) {
	case PLACES_USER:
		return PLACES_PER_USER;
	case PLACES_STRANGER:
		return PLACES_PER_STRANGER;
	default:
		return PLACES_MAX;
	}
}

/* The row of @uid, or a free one; there are as many rows as places. */
static size_t row_of(const struct places *p, uid_t uid)
{
	size_t free_row = PLACES_MAX;

	for (size_t i = 0; i < PLACES_MAX; i++) {
		if (p->users[i].taken && p->users[i].uid == uid)
			return i;
		if (!p->users[i].taken && free_row == PLACES_MAX)
			free_row = i;
	}
	return free_row;
}

bool places_take(struct places *p, uid_t uid, enum places_class class)
{
	unsigned int max = class == PLACES_OWNER ? PLACES_MAX : PLACES_MAX - PLACES_OF_OWNER;
	size_t row;

	if (p->taken >= max || (class == PLACES_STRANGER && p->strangers >= PLACES_OF_STRANGERS))
		return false;
	row = row_of(p, uid);
	assert(row < PLACES_MAX); /* as many rows as places, and one of these is free */
	if (p->users[row].taken >= per_user(class))
		return false;
	p->users[row].uid = uid;
	p->users[row].taken++;
	p->taken++;
	p->strangers += class == PLACES_STRANGER;
	return true;
}

void places_leave(struct places *p, uid_t uid, enum places_class class)
{
	size_t row = row_of(p, uid);

	assert(row < PLACES_MAX && p->users[row].taken && p->taken);
	p->users[row].taken--;
	p->taken--;
	p->strangers -= class == PLACES_STRANGER;
}
