/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hands the audit log's checkpoint out as often as the policy says (audit.anchor), by a process of its own: `weir audit
 * anchor`, which runs a program of the anchor directory and tells us what became of it. Nothing here waits for it.
 */
#ifndef DAEMON_ANCHOR_H
#define DAEMON_ANCHOR_H

#include <limits.h>
#include <stdbool.h>
#include <uv.h>

#include "engine/engine.h"

#define ANCHOR_DIR "/etc/weir/anchor.d"

struct anchor {
	uv_timer_t timer;
	uv_process_t child;
	const struct engine *engine;
	const char *directory; /* borrowed */
	char socket[PATH_MAX];
	bool running, stopping;
	uint64_t due_ns, began_ns; /* CLOCK_MONOTONIC */
};

void anchor_start(struct anchor *a, uv_loop_t *loop, const struct engine *engine,
		  const char *socket, const char *directory);
/* The loop may run on until the handles are closed. */
void anchor_stop(struct anchor *a);

#endif
