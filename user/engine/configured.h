/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where operators themselves have configured something of somebody: what is no evidence, and stays until they change
 * it. Places are told without the name, so that the ledger can keep them: "policy.yaml line 12".
 */
#ifndef ENGINE_CONFIGURED_H
#define ENGINE_CONFIGURED_H

#include <jansson.h>

#include "audit/mention.h"
#include "engine/engine.h"

#define CONFIGURED_PLACES_MAX 100
#define CONFIGURED_STEP_BYTES (1U << 20) /* of former policies' texts, for one step */

struct configured {
	struct mention mention;
	json_t *places; /* of strings; the caller's */
	uint32_t after; /* generations up to this one were looked at */
	bool begun;
	unsigned int more; /* places beyond CONFIGURED_PLACES_MAX */
};

/**
 * Look at a part of what there is: the policy in force, its files, flags, list entries and feeds first, then former
 * policies that the history has. True: there is more, call again. On the loop.
 */
bool configured_step(struct engine *e, struct configured *c);

#endif
