/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rules of access, for whoever asks what they may: those about themselves, and all to who may read the policy. */
#include "api/internal.h"
#include "base/clock.h"

static bool is_about(const struct call *c, const struct policy_access *rule)
{
	const struct policy_access_who who = {c->roles, c->actor.uid, c->actor.username};

	for (enum identity_role i = 0; i < IDENTITY_ROLE_MAX; i++)
		if ((c->roles & 1U << i) && policy_access_is_about(rule, &who, i))
			return !c->request->peer.is_owner;
	return false;
}

static json_t *json_rule(const struct call *c, const struct policy_access *rule)
{
	int64_t now_s = (int64_t)(clock_real_ns() / NSEC_PER_SEC);
	json_t *item = json_pack("{s:s, s:I, s:b, s:b, s:b}", "name", rule->name, "line",
				 (json_int_t)rule->line, "about_you", is_about(c, rule),
				 "scheduled", rule->schedule != NULL, "in_time",
				 !rule->schedule || policy_schedule_active(rule->schedule, now_s));

	if (*rule->user)
		json_object_set_new(item, "user", json_string(rule->user));
	grant_put(&rule->grant, item);
	if (rule->role < 0)
		json_object_del(item, "role");
	return item;
}

json_t *json_rules(const struct call *c)
{
	const struct policy *policy = engine_policy(c->engine);
	bool all = call_may(c, PERMISSION_POLICY_READ);
	json_t *items = json_array();

	for (size_t i = 0; i < policy->access_count; i++)
		if (all || is_about(c, &policy->access[i]))
			json_array_append_new(items, json_rule(c, &policy->access[i]));
	return items;
}
