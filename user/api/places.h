/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many connections whom: no user can take all places, nor can all users without a role together, and some are kept
 * for root. What is beyond is told so and closed.
 */
#ifndef API_PLACES_H
#define API_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PLACES_MAX	    128
#define PLACES_OF_OWNER	    16 /* that nobody but root and the daemon's own user gets */
#define PLACES_OF_STRANGERS 32 /* all users together that have no role */
#define PLACES_PER_STRANGER 8
#define PLACES_PER_USER	    32 /* of those who have one */

enum places_class {
	PLACES_OWNER,	 /* root, the daemon's own user */
	PLACES_USER,	 /* has a role */
	PLACES_STRANGER, /* has none */
	PLACES_REMOTE,	 /* over TCP: nobody knows who it is */
};

/* Zeroed to begin with. */
struct places {
	unsigned int taken, strangers;
	struct {
		uid_t uid;
		unsigned int taken; /* 0: the row is free */
	} users[PLACES_MAX];
};

/** Whether @uid gets one more; it is then taken. */
bool places_take(struct places *p, uid_t uid, enum places_class class);
/* One that was taken is free again. */
void places_leave(struct places *p, uid_t uid, enum places_class class);

#endif
