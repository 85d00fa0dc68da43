/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Waiting until no packet is under way that began before a moment: a synchronize_rcu() for userspace,
 * which takes 5 to 25 ms. So that mostly nobody has to wait, a thread begins to as soon as such a moment
 * has passed.
 */
#ifndef DATAPATH_GRACE_H
#define DATAPATH_GRACE_H

#include <stdint.h>

#include "base/cleanup.h"

struct grace;

/** -ENOMEM or -EAGAIN: there is no memory, or no thread to be had. */
int grace_open(struct grace **ret);
void grace_close(struct grace *g); /* accepts NULL */

/** Packets that begin from now on see what was written before. Returns a ticket, above 0 and all before. */
uint64_t grace_begin(struct grace *g);
/** Packets that had begun before the grace_begin() that returned @ticket are over. 0: there is nothing to wait for. */
void grace_wait(struct grace *g, uint64_t ticket);

/** The last ticket whose packets are over; 0: none yet. */
uint64_t grace_over(struct grace *g);

/** Both in one, without the thread. */
void grace_wait_here(void);

#endif
