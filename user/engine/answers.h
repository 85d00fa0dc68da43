/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Answers to requests that had an Idempotency-Key: kept for a day, also over a restart. */
#ifndef ENGINE_ANSWERS_H
#define ENGINE_ANSWERS_H

#include "engine/engine.h"
#include "store/store.h"

#define ANSWERS_KEPT_NS	 (24 * 3600 * NSEC_PER_SEC)
#define ANSWERS_KEPT_MAX 4096 /* of all users; the oldest go first */

/** What @uid was answered under @key; @ret's body is the caller's to free. -ENOENT; store.* */
int engine_answer_find(struct engine *e, uid_t uid, const char *key, struct store_answer_found *ret,
		       struct fault *reterr);
/** Durable when it returns 0; made_ns is filled in. store.*; -ENODEV "store.absent": there is no store. */
int engine_answer_keep(struct engine *e, struct store_answer answer, struct fault *reterr);

#endif
