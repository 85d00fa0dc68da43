/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the engine has to do with the vault: it opens it, tells what is wrong with it, and has the policy's modes
 * followed. */
#ifndef ENGINE_PRIVACY_H
#define ENGINE_PRIVACY_H

#include "engine/engine.h"
#include "vault/vault.h"

/* Never NULL. */
struct vault *engine_vault(const struct engine *e);
/** Lock the vault with a new key. Recorded, refused or not. Faults: those of vault_rotate(). */
int engine_vault_rotate(struct engine *e, const struct engine_actor *actor, struct fault *reterr);
/* What is written of values about people in records of @category. */
enum personal_mode engine_personal_mode(const struct engine *e, enum audit_category category);

/* For the engine itself: open the vault, before the recorder starts; record how it was found, after; follow
 * @policy; look at it once a second. */
int privacy_open(struct engine *e, struct fault *reterr);
void privacy_record(struct engine *e);
void privacy_take_policy(struct engine *e, const struct policy *policy);
void privacy_tick(struct engine *e);

#endif
