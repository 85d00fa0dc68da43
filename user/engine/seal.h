/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The signed side of the audit log: how far it is, and what operators may ask of its keys. */
#ifndef ENGINE_SEAL_H
#define ENGINE_SEAL_H

#include "audit/sealer.h"
#include "engine/engine.h"

/** How far the checkpoint is. False: nothing is sealed, as there is no memory or no thread for it. */
bool engine_seal_stats(const struct engine *e, struct sealer_stats *ret);

/**
 * Have another key sign the log's checkpoints from now on. It takes effect once the record of it, which both keys
 * signed, is on disk. @ret_keys: the key until now, and the next. Faults: audit.rotation (-EBUSY: one is under way,
 * or the keys cannot be used; -ENOSPC), audit.key, engine.reason (-EINVAL).
 */
int engine_seal_rotate(struct engine *e, const char *reason, const struct engine_actor *actor,
		       char ret_keys[static 2][NOTE_VERIFIER_SIZE], struct fault *reterr);
/**
 * Sign again, as @ret_name, though the log contradicts what was signed. Faults: audit.acknowledge (-EPERM: it does
 * not), audit.keys, engine.reason (-EINVAL).
 */
int engine_seal_acknowledge(struct engine *e, const char *reason, const struct engine_actor *actor,
			    char ret_name[static NOTE_NAME_MAX + 1], struct fault *reterr);

#define ENGINE_SEAL_REASON_MAX 200 /* bytes */

/* The engine's own: after the recorder, before it, after it. */
void seal_start(struct engine *e);
void seal_stop(struct engine *e);
void seal_close(struct engine *e);

#endif
