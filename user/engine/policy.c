/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The policy: from a text to what is in force. */
#include <errno.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/internal.h"

static void record_policy(struct engine *e, enum audit_event event, const struct policy *policy,
			  uint32_t generation, const struct engine_actor *actor,
			  const struct fault *f)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = event,
		.outcome = f ? AUDIT_FAILURE : AUDIT_SUCCESS,
		.resource = {"policy", e->options.policy_path},
		.details = &details,
	};

	if (policy) {
		audit_details_string(&details, "sha256", policy->sha256);
		if (policy->metadata.name)
			audit_details_string(&details, "name", policy->metadata.name);
		if (policy->metadata.change)
			audit_details_string(&details, "change", policy->metadata.change);
		audit_details_u64(&details, "limits", policy->limit_count);
		audit_details_u64(&details, "list_entries",
				  policy->allow.count + policy->block.count);
	}
	if (generation) {
		audit_details_u64(&details, "generation", generation);
		audit_details_u64(&details, "limits_not_in_force", control_waiting(e));
	}
	if (f)
		audit_details_string(&details, "error", f->text);
	engine_record(e, &record, actor);
}

int policy_apply(struct engine *e, struct policy **policy, const struct engine_actor *actor,
		 struct fault *reterr)
{
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	_cleanup_(control_freep) struct control *control = NULL;
	struct fault f = {0};
	uint32_t generation;
	int r = flags_compile(e, *policy, &image, reterr);

	if (r == 0)
		r = control_prepare(e, image, *policy, &control, reterr);
	if (r < 0)
		return r;
	/* Lists first: what the new policy blocks is blocked no later than its limits apply. */
	r = lists_take_policy(e, *policy, reterr);
	if (r == 0)
		r = feeds_prepare(e, *policy, e->policy, &e->held, reterr);
	if (r == 0 && !e->policy)
		store_recover(e, &e->held, e->recover & ~e->feeds.kept);
	if (r == 0)
		r = lists_synchronise(e, reterr);
	if (r == 0) {
		pthread_mutex_lock(&e->names);
		r = datapath_apply_policy(e->datapath, image, &generation, reterr);
		pthread_mutex_unlock(&e->names);
	}
	if (r < 0) {
		/* Back to the entries of the policy that stays in force. */
		feeds_abort(e, e->policy);
		if (e->policy && lists_take_policy(e, e->policy, NULL) == 0)
			lists_synchronise(e, NULL);
		return r;
	}
	feeds_commit(e, *policy);
	flags_commit(e, *policy);
	control_commit(e, &control);
	if (lists_synchronise(e, &f) < 0)
		log_error("entries of feeds that are gone stay in the kernel", "error", f.text);
	list_image_done(&e->held);
	policy_free(e->policy);
	e->policy = take_ptr(*policy);
	e->policy_loaded_ns = clock_real_ns();
	record_policy(e, AUDIT_EVENT_POLICY_APPLY, e->policy, generation, actor, NULL);
	return 0;
}

int engine_reload(struct engine *e, const struct engine_actor *actor, struct fault *reterr)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	struct fault f = {0};
	int r = policy_load(e->options.policy_path, &policy, &f);

	if (r == 0)
		r = policy_apply(e, &policy, actor, &f);
	if (r < 0) {
		record_policy(e, AUDIT_EVENT_POLICY_REFUSED, policy, 0, actor, &f);
		if (reterr)
			*reterr = f;
	}
	return r;
}

int engine_put_policy(struct engine *e, const char *text, size_t length,
		      const struct engine_actor *actor, struct fault *reterr)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	struct fault f = {0};
	int r = policy_parse("request", text, length, &policy, &f);

	if (r == 0)
		r = policy_compile(policy, clock_coarse_tick_ns(), &image, &f);
	if (r == 0)
		r = feeds_probe(e, policy, &f);
	/* The file first: what is enforced after a restart is never older than what was confirmed. */
	if (r == 0)
		r = fs_replace_file(e->options.policy_path, text, length, 0640, &f);
	if (r == 0)
		r = policy_apply(e, &policy, actor, &f);
	if (r < 0) {
		record_policy(e, AUDIT_EVENT_POLICY_REFUSED, policy, 0, actor, &f);
		if (reterr)
			*reterr = f;
	}
	return r;
}
