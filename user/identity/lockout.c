/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "identity/lockout.h"

#include <stddef.h>

#include "base/cleanup.h"

static const uint32_t lock_s[] = {60, 300, 900, LOCKOUT_LONGEST_S};

/* A clock that was set back does not make a lock longer than the longest. */
static uint64_t end_of(const struct lockout_user *u, uint64_t now_s)
{
	return u->until_s > now_s + LOCKOUT_LONGEST_S ? now_s + LOCKOUT_LONGEST_S : u->until_s;
}

uint32_t lockout_left(const struct lockout *l, uid_t uid, uint64_t now_s)
{
	for (size_t i = 0; i < LOCKOUT_USERS_MAX; i++) {
		const struct lockout_user *u = &l->users[i];

		if (u->used && u->uid == uid)
			return end_of(u, now_s) > now_s ? (uint32_t)(end_of(u, now_s) - now_s) : 0;
	}
	return 0;
}

size_t lockout_count(const struct lockout *l, uint64_t now_s)
{
	size_t count = 0;

	for (size_t i = 0; i < LOCKOUT_USERS_MAX; i++)
		count += l->users[i].used && end_of(&l->users[i], now_s) > now_s;
	return count;
}

static uint64_t last_of(const struct lockout_user *u)
{
	return u->until_s > u->began_s ? u->until_s : u->began_s;
}

static struct lockout_user *find(struct lockout *l, uid_t uid)
{
	struct lockout_user *idle = &l->users[0];

	for (size_t i = 0; i < LOCKOUT_USERS_MAX; i++) {
		struct lockout_user *u = &l->users[i];

		if (u->used && u->uid == uid)
			return u;
		if (idle->used && (!u->used || last_of(u) < last_of(idle)))
			idle = u;
	}
	*idle = (struct lockout_user){.used = true, .uid = uid};
	return idle;
}

const struct lockout_user *lockout_fail(struct lockout *l, uid_t uid, uint64_t now_s)
{
	struct lockout_user *u = find(l, uid);

	if (now_s < u->began_s || now_s - u->began_s >= LOCKOUT_WINDOW_S) {
		u->began_s = now_s;
		u->failures = 0;
	}
	if (++u->failures < LOCKOUT_FAILURES)
		return NULL;
	if (now_s > u->until_s && now_s - u->until_s >= LOCKOUT_FORGET_S)
		u->locks = 0;
	u->until_s =
		now_s + lock_s[u->locks < ARRAY_SIZE(lock_s) ? u->locks : ARRAY_SIZE(lock_s) - 1];
	u->locks++;
	u->failures = 0;
	return u;
}

void lockout_restore(struct lockout *l, uid_t uid, uint32_t locks, uint64_t until_s)
{
	struct lockout_user *u = find(l, uid);

	u->locks = locks;
	u->until_s = until_s;
}
