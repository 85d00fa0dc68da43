/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every request to the daemon is in the audit log: who asked for what, what became of it, how long it took. What was
 * allowed to change something has a record of its own, once it is answered. What only reads, or was refused, is added up by who, what and answer,
 * and recorded every CALLS_WINDOW_NS: a monitor that asks four times a minute is not worth four records. A
 * daemon that is killed takes the sums of its last window with it; the next one's log says that it was.
 */
#ifndef ENGINE_CALLS_H
#define ENGINE_CALLS_H

#include "engine/engine.h"

#define CALLS_ROWS_MAX	256 /* when there are more, all are recorded at once */
#define CALLS_WINDOW_NS (300 * NSEC_PER_SEC)

struct calls {
	struct calls_row {
		uid_t uid;
		char username[33], credential[24];
		const char *role, *operation;
		unsigned int status;
		uint64_t count, total_us, longest_us;
		uint64_t first_real_ns, last_real_ns;
	} * rows; /* CALLS_ROWS_MAX; NULL until the first request */
	size_t count;
	uint64_t began_ns; /* CLOCK_MONOTONIC, of the window */
};

/** Record what has been added up, if it is time, or @all of it. */
void calls_tick(struct engine *e, bool all);
void calls_free(struct engine *e);

#endif
