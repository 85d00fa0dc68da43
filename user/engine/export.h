/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records that leave: by somebody who asked for them, and by themselves to the targets of the policy. */
#ifndef ENGINE_EXPORT_H
#define ENGINE_EXPORT_H

#include "engine/engine.h"
#include "export/ship.h"

/* Record that @actor takes what @asked says. */
void engine_exported(struct engine *e, const char *format, const struct audit_details *asked,
		     const struct engine_actor *actor);

/** How many targets there are; what became of each is in @ret. */
size_t engine_export_stats(const struct engine *e, struct ship_stats ret[static SHIP_TARGETS_MAX]);

/* The engine's own: with the recorder running, whenever a policy came into force, before the recorder ends. */
void export_start(struct engine *e);
void export_take_policy(struct engine *e);
void export_stop(struct engine *e);

#endif
