/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What change.c and start.c share: a change of the policy on its way. */
#ifndef ENGINE_CHANGE_INTERNAL_H
#define ENGINE_CHANGE_INTERNAL_H

#include "engine/internal.h"

/* A change on its way. */
struct change {
	enum history_how how;
	const struct engine_actor *actor;
	const char *reason;		       /* NULL = none */
	uint32_t base;			       /* that must be in force; 0 = whichever is */
	uint64_t confirm_ns;		       /* 0 = for good */
	const struct history_pending *pending; /* instead: goes on after a restart */
	uint32_t source;		       /* of a rollback: whose text it is */
	const char *profile;		       /* to read the text with; NULL or "" = none */
	bool to_file;			       /* the policy file is to say the same */
	bool force;
	struct engine_refusal *refusal; /* all that stands against it; NULL = nobody asks */
};

/** Read what is to be changed to, or what the policy file holds if @text is NULL; tell @c->refusal what is wrong. */
int change_read(struct engine *e, const struct change *c, const char *text, size_t length,
		struct policy **ret, struct fault *reterr);
/**
 * Put *@policy in force and keep it: history, datapath, policy file. Everything is checked: from here on it is done, or
 * undone. On success *@policy is the former one. @image: as of policy_enforce().
 */
int change_carry_out(struct engine *e, const struct change *c, struct policy **policy,
		     struct policy_image *image, struct fault *reterr);
/** The profile that a generation was made with, in @ret or borrowed; the daemon's, if that is not known. */
const char *change_profile_of(const struct engine *e, uint32_t generation,
			      char ret[static POLICY_NAME_MAX + 1]);

#endif
