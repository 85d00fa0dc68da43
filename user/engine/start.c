/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which policy a daemon begins with: what the policy file holds, unless an earlier one died while it put
 * another in force, or another waits to be confirmed.
 */
#include <string.h>

#include "base/log.h"
#include "engine/change_internal.h"

/* An earlier daemon died while it put a policy in force: complete that or forget it. */
static int end_begun(struct engine *e, struct policy **policy, struct fault *reterr)
{
	const struct history *h = &e->history;
	const struct history_item *item = h->count ? &h->items[h->count - 1] : NULL;
	const struct history_item *parent;
	_cleanup_(policy_freep) struct policy *begun = NULL;
	char profile[POLICY_NAME_MAX + 1];
	_cleanup_free_ char *text = NULL;
	uint32_t generation;
	size_t length;
	bool of_file;

	if (!item || item->state != HISTORY_BEGUN)
		return 0;
	generation = item->generation;
	if (datapath_generation(e->datapath) != generation) {
		log_warn("an earlier daemon ended before a policy came into force");
		history_abort(&e->history, generation);
		return 0;
	}
	log_warn("an earlier daemon ended right after a policy came into force");
	of_file = (item->how == HISTORY_APPLY || item->how == HISTORY_ROLLBACK) &&
		  !(h->pending.is && h->pending.generation == generation);
	parent = history_find(h, item->parent);
	/* Unless somebody has edited it since. */
	if (of_file && parent && strcmp(parent->sha256, (*policy)->sha256) == 0 &&
	    history_text(h, generation, &text, &length, NULL) == 0) {
		int r = policy_read(e, text, length, change_profile_of(e, generation, profile),
				    &begun, reterr);

		if (r == 0)
			r = files_put(e, begun, false, reterr);
		if (r < 0)
			return r;
		policy_free(*policy);
		*policy = take_ptr(begun);
	}
	history_commit(&e->history, generation, HISTORY_FORMER);
	return 0;
}

/* *@policy is what the file holds, *@c a start with it. A policy that waits to be confirmed goes on
 * waiting, was confirmed already, or is over. */
static int go_on_waiting(struct engine *e, struct policy **policy, struct change *c,
			 struct fault *reterr)
{
	struct history_pending *p = &e->history.pending;
	const struct history_item *item = history_find(&e->history, p->generation);
	const struct history_item *former = history_find(&e->history, p->former);
	char profile[POLICY_NAME_MAX + 1];
	_cleanup_free_ char *text = NULL;
	struct policy *waiting;
	size_t length;
	int r;

	if (!p->is)
		return 0;
	/* Where only the profile is another, the file tells nothing. */
	if (item && strcmp(item->sha256, (*policy)->sha256) == 0 &&
	    !(former && strcmp(former->sha256, item->sha256) == 0)) {
		log_info("the policy that waited for it was confirmed");
		history_confirm(&e->history);
		return 0;
	}
	if (!history_pending_left_ns(&e->history) ||
	    history_text(&e->history, p->generation, &text, &length, NULL) < 0) {
		c->how = HISTORY_AUTOMATIC;
		c->reason = "not confirmed in time; no daemon was running";
		log_warn("a policy was not confirmed in time: the policy file is in force again");
		return 0;
	}
	r = policy_read(e, text, length, change_profile_of(e, p->generation, profile), &waiting,
			reterr);
	if (r < 0)
		return r;
	policy_free(*policy);
	*policy = waiting;
	c->pending = p;
	return 0;
}

/* The profile that somebody chose for a change holds until somebody changes something: another one, the file,
 * or what the daemon is told. */
static void keep_profile(struct engine *e, struct policy **policy)
{
	const struct history *h = &e->history;
	const struct history_item *item =
		h->pending.is ? history_find(h, h->pending.former) : history_current(h);
	struct policy *again;
	struct fault f = {0};

	if (!item || !item->profile_known || strcmp(item->sha256, (*policy)->sha256) != 0 ||
	    strcmp(item->daemon_profile, e->options.profile ?: "") != 0 ||
	    strcmp(item->profile, (*policy)->profile ?: "") == 0)
		return;
	if (policy_read(e, NULL, 0, item->profile, &again, &f) < 0) {
		log_warn("the profile that was in force cannot be kept", "error", f.text);
		return;
	}
	log_info("the policy goes on with the profile that it was applied with", "profile",
		 *item->profile ? item->profile : "none");
	policy_free(*policy);
	*policy = again;
}

int change_start(struct engine *e, struct policy **policy, struct fault *reterr)
{
	struct change c = {.how = HISTORY_START, .actor = &ENGINE_SYSTEM};
	struct fault f = {0};
	int r;

	if (history_open(&e->history, e->store, &f) < 0)
		log_error("the history of policies cannot be read", "error", f.text);
	datapath_continue_generations(e->datapath, history_last_generation(&e->history));
	r = end_begun(e, policy, reterr);
	if (r == 0)
		r = go_on_waiting(e, policy, &c, reterr);
	if (r == 0 && !c.pending)
		keep_profile(e, policy);
	return r == 0 ? change_carry_out(e, &c, policy, NULL, reterr) : r;
}
