/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What became of handing a checkpoint out: who did it says so, and it is a record. */
#ifndef ENGINE_ANCHOR_H
#define ENGINE_ANCHOR_H

#include "engine/engine.h"

#define ENGINE_ANCHOR_TEXT_MAX 1000 /* bytes of target, receipt and error */

struct engine_anchor {
	const char *kind;   /* exec, file or url */
	const char *target; /* the program, the path, or the URL without what may be secret */
	const char *origin, *root; /* of the checkpoint; root in base64 */
	uint64_t size;
	const char *receipt; /* what was answered; NULL: nothing */
	const char *error;   /* why it failed; NULL: it did not */
	bool by_policy;	     /* audit.anchor of the policy had it done */
};

/** Record it. -EINVAL "audit.anchor": it cannot be so; that is recorded, too. */
int engine_anchor(struct engine *e, const struct engine_anchor *anchor,
		  const struct engine_actor *actor, struct fault *reterr);

#endif
