/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The watchdog in the kernel (weir/watchdog.h): loaded when a policy asks for it, and from then on on its
 * own. Its maps are pinned, so it goes on without a daemon, and the next one finds what it noted.
 */
#ifndef DATAPATH_WATCHDOG_H
#define DATAPATH_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/watchdog.h>

#include "base/fault.h"

struct datapath;

struct watchdog_rule {
	uint32_t drop_permille;
	uint64_t hold_ns, recover_ns;
	uint64_t minimum; /* packets per second */
};

/**
 * Load what watchdog_set() needs: if it is @wanted, or an earlier daemon left one. Changes nothing that is
 * in force. Faults: datapath.watchdog (the kernel refuses the program: no timers).
 */
int watchdog_prepare(struct datapath *d, bool wanted, struct fault *reterr);
/**
 * Have the watchdog go by @rule from now on; NULL: switch it off, and what it did with it. What it
 * knows of the packets until now stays. Prepared before. Faults: datapath.watchdog.
 */
int watchdog_set(struct datapath *d, const struct watchdog_rule *rule, struct fault *reterr);
/** Look once, at @now_ns; only for tests, which have not started the timer. */
int watchdog_look(struct datapath *d, uint64_t now_ns);
void watchdog_close(struct datapath *d);

/** What it goes by and how it stands, valid as long as @d; NULL: none was ever loaded. */
struct weir_watchdog *watchdog_state(const struct datapath *d);

#endif
