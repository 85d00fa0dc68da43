/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Putting a policy in force: lists, feeds, the datapath, all of it or nothing. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "engine/governance.h"
#include "engine/internal.h"

int policy_read(const struct engine *e, const char *text, size_t length, const char *profile,
		struct policy **ret, struct fault *reterr)
{
	const struct policy_options o = {.profile = profile && *profile ? profile : NULL};

	return text ? policy_parse_with("request", text, length, &o, ret, reterr)
		    : policy_load_with(e->options.policy_path, &o, ret, reterr);
}

/* Back to the entries of the policy that stays in force. */
static void take_back(struct engine *e)
{
	struct fault f = {0};
	int r;

	feeds_abort(e, e->policy);
	if (!e->policy)
		return;
	r = lists_take_policy(e, e->policy, &f);
	if (r == 0)
		r = lists_synchronise(e, &f);
	if (r < 0) /* engine_tick() tries again */
		log_error("the lists are not those of the policy in force yet", "error", f.text);
}

static void take_weights(struct engine *e, const struct policy *policy,
			 const struct policy_image *image)
{
	e->weight_count = 0;
	for (uint32_t i = 0; i < image->policy.limit_count; i++) {
		char name[WEIR_NAME_BYTES + 1] = "";
		unsigned int weight;

		snprintf(name, sizeof(name), "%s", image->limits[i].name);
		weight = policy_asset_weight(policy, name);
		if (weight == POLICY_ASSET_NEUTRAL)
			continue;
		memcpy(e->weights[e->weight_count].limit, name, sizeof(name));
		e->weights[e->weight_count++].weight = (uint8_t)weight;
	}
}

static int enforce(struct engine *e, const struct policy *policy, struct policy_image *image,
		   bool must, struct fault *reterr)
{
	uint32_t generation;
	int r;

	/* Lists first: what the new policy blocks is blocked no later than its limits apply. */
	apply_step(e, "policy.lists");
	r = fault_point(reterr, "engine.lists") ?: lists_take_policy(e, policy, reterr);
	if (r == 0) {
		apply_step(e, "policy.feeds");
		r = fault_point(reterr, "engine.feeds")
			    ?: feeds_prepare(e, policy, must, &e->held, reterr);
	}
	if (r == 0 && !e->policy)
		store_recover(e, &e->held, e->recover & ~e->feeds.kept);
	if (r == 0) {
		apply_step(e, "policy.entries");
		r = lists_synchronise(e, reterr);
	}
	if (r == 0)
		r = fault_point(reterr, "engine.datapath");
	if (r == 0) {
		apply_step(e, "policy.datapath");
		usage_keep(e); /* a tenant who went may lose his counters to one who comes */
		pthread_mutex_lock(&e->names);
		r = datapath_apply_policy(e->datapath, image, &generation, reterr);
		if (r == 0)
			take_weights(e, policy, image);
		pthread_mutex_unlock(&e->names);
	}
	if (r < 0) {
		safety_abort(e);
		take_back(e);
	}
	return r;
}

int policy_enforce(struct engine *e, struct policy **policy, struct policy_image *image, bool must,
		   struct fault *reterr)
{
	_cleanup_(policy_image_freep) struct policy_image *own = NULL;
	_cleanup_(control_freep) struct control *control = NULL;
	struct policy *former = e->policy;
	struct fault f = {0};
	int r = image ? 0 : flags_compile(e, *policy, &own, reterr);

	image = image ?: own;
	apply_step(e, "policy.prepare");
	if (r == 0)
		r = control_prepare(e, image, *policy, &control, reterr);
	if (r == 0)
		r = safety_prepare(e, *policy, reterr);
	if (r == 0)
		r = enforce(e, *policy, image, must && e->policy, reterr);
	if (r < 0)
		return r;
	fault_point(NULL, "engine.in_force"); /* to die at: nothing can fail any more */
	apply_step(e, "policy.commit");
	lists_commit(e, *policy);
	feeds_commit(e, *policy);
	flags_commit(e, *policy);
	control_commit(e, &control);
	safety_commit(e, *policy);
	privacy_take_policy(e, *policy);
	if (lists_synchronise(e, &f) < 0)
		log_error("entries of feeds that are gone stay in the kernel", "error", f.text);
	list_image_done(&e->held);
	e->policy = *policy;
	recorder_keep_events(e->recorder, e->policy->audit.evidence == POLICY_FULL);
	*policy = former;
	e->policy_loaded_ns = clock_real_ns();
	export_take_policy(e);
	telemetry_take_policy(e, former);
	governance_take_policy(e);
	usage_take_policy(e);
	ladder_take_policy(e);
	return 0;
}
