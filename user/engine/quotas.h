/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The quotas of a policy while it is in force: the kernel is told when days and months end, before they do, so that
 * the turn is exact and needs no daemon; and who has come near his quota, or to its end, is recorded.
 */
#ifndef ENGINE_QUOTAS_H
#define ENGINE_QUOTAS_H

#include "base/cleanup.h"
#include "engine/engine.h"

struct quotas;

/** Write the periods into @image, so that they hold from its first packet. @before: of the policy in force, whose
 * thresholds have been told; NULL: there is none. -ENOMEM. */
int quotas_prepare(const struct quotas *before, const struct policy *policy,
		   struct policy_image *image, struct quotas **ret);
/** Take over what was told of these periods, as far as the store has it. */
void quotas_recall(struct engine *e, struct quotas *q);
void quotas_free(struct quotas *q);
DEFINE_CLEANUP(struct quotas *, quotas_free)

/* The image is in force: from time to time, within a second. */
void quotas_tick(struct engine *e, struct quotas *q);

#endif
