/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who guesses is made to wait: after LOCKOUT_FAILURES failed authentications within LOCKOUT_WINDOW_S a user is locked
 * out, for longer each time, until there was no lock for LOCKOUT_FORGET_S. A table of fixed size; when it is full, who is
 * not locked out and failed longest ago is forgotten. Times are seconds since 1970: a lock outlives the daemon. Pure.
 */
#ifndef IDENTITY_LOCKOUT_H
#define IDENTITY_LOCKOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LOCKOUT_FAILURES  5
#define LOCKOUT_WINDOW_S  600
#define LOCKOUT_FORGET_S  86400
#define LOCKOUT_LONGEST_S 3600
#define LOCKOUT_USERS_MAX 256

struct lockout_user {
	bool used;
	uid_t uid;
	uint32_t failures; /* in the window */
	uint32_t locks;	   /* so far, that are not forgotten */
	uint64_t began_s;  /* of the window */
	uint64_t until_s;  /* of the last lock; 0 = none */
};

/* Zeroed to begin with. */
struct lockout {
	struct lockout_user users[LOCKOUT_USERS_MAX];
};

/** How many seconds @uid is locked out for, still; 0: is not. */
uint32_t lockout_left(const struct lockout *l, uid_t uid, uint64_t now_s);
/** How many users are locked out. */
size_t lockout_count(const struct lockout *l, uint64_t now_s);
/** Count a failure. Whoever is locked out by it is returned, otherwise NULL. */
const struct lockout_user *lockout_fail(struct lockout *l, uid_t uid, uint64_t now_s);
/** Take back what was kept of a lock. */
void lockout_restore(struct lockout *l, uid_t uid, uint32_t locks, uint64_t until_s);

#endif
