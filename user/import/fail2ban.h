/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the readers of fail2ban's text and of its database share. */
#ifndef IMPORT_FAIL2BAN_H
#define IMPORT_FAIL2BAN_H

#include "import/internal.h"

#define FAIL2BAN_JAIL_MAX 64

/* A ban, which ends at @until (seconds since 1970; INT64_MAX: never). @jail may be NULL. */
void fail2ban_add(struct import *i, const char *word, size_t length, const char *jail,
		  int64_t until, const struct place_in *place);
/* Once, if there was a ban: how far it reaches. */
void fail2ban_say_reach(struct import *i);

#endif
