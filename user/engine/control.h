/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What changes about the limits of a policy while it is in force: which of them their schedules have
 * switched on, the rate of adaptive ones, and whether one has run out of room for its sources. The
 * conclusions are user/detect's and user/policy's; here they reach the datapath, the audit chain and
 * the log.
 */
#ifndef ENGINE_CONTROL_H
#define ENGINE_CONTROL_H

#include <stdint.h>

#include "base/cleanup.h"
#include "engine/engine.h"

struct control;

/**
 * Get ready for @policy, compiled as @image: the limits in force and the rates go into @image, so that
 * they hold from its first packet. A factor is kept for a limit whose meaning stays; of limits that an
 * earlier daemon left in the kernel it is read back from there. Changes nothing else.
 */
int control_prepare(struct engine *e, struct policy_image *image, const struct policy *policy,
		    struct control **ret, struct fault *reterr);
/* The image is in force. Takes *@next, ends what was there before. */
void control_commit(struct engine *e, struct control **next);
void control_free(struct control *c);
DEFINE_CLEANUP(struct control *, control_free)

/** Flags are switched on or off, all of them as @values say; none that is inverted. At once. */
void control_set_flags(struct engine *e, const struct policy_flag_value *values);

/* As often as control_due_ns() says. */
void control_tick(struct engine *e);
uint64_t control_due_ns(const struct engine *e);      /* CLOCK_MONOTONIC */
unsigned int control_waiting(const struct engine *e); /* how many limits are not in force */

#endif
