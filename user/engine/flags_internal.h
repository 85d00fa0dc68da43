/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What flags.c and flags_set.c share. */
#ifndef ENGINE_FLAGS_INTERNAL_H
#define ENGINE_FLAGS_INTERNAL_H

#include "engine/flags.h"

/* What each flag of a policy is set to, in their order. */
struct flag_values {
	struct policy_flag_value values[POLICY_FLAGS_MAX];
	uint16_t tenants[POLICY_FLAGS_MAX][FLAG_TENANTS_MAX]; /* of settings */
	uint64_t expired;				      /* by number */
};

struct flag_setting *flags_find(const struct engine *e, const char *name);
/* At this moment. Points into the settings and into itself. */
void flags_resolve(const struct engine *e, const struct policy *policy, struct flag_values *ret);
/** Take @setting in; it belongs to the engine then. There is room, and none of that name. */
void flags_insert(struct engine *e, struct flag_setting *setting);
/** Leave it out; whoever asks has it. */
bool flags_remove(struct engine *e, const char *name);
/** The settings were changed: have the datapath follow from what flags were @before. On failure it is as
 * it was. */
int flags_take_effect(struct engine *e, const struct flag_values *before, struct fault *reterr);

/* Records of what the daemon does by itself. */
void flags_record_end(struct engine *e, const struct policy *policy,
		      const struct flag_setting *setting, bool persisted);
void flags_record_expired(struct engine *e, const struct policy_flag *flag, bool expired);

#endif
