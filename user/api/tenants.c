/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tenants: what is theirs, and how much of their quotas they have used. */
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/address.h"
#include "base/calendar.h"
#include "base/clock.h"

static json_t *json_prefixes(const struct prefix *prefixes, size_t count)
{
	json_t *items = json_array();
	char text[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < count; i++) {
		prefix_format(&prefixes[i], text);
		json_array_append_new(items, json_string(text));
	}
	return items;
}

static json_t *json_quota(const struct engine *e, const struct policy_tenant *t, uint32_t limit,
			  const struct policy_limit *rule, enum weir_unit unit)
{
	const struct policy *policy = engine_policy(e);
	int64_t now = (int64_t)(clock_real_ns() / NSEC_PER_SEC);
	struct calendar_period period =
		rule->period == POLICY_DAY ? calendar_day(now) : calendar_month(now);

	return json_pack("{s:s, s:s, s:I, s:I, s:o, s:s}", "unit", policy_unit_str(unit), "period",
			 policy_period_str(rule->period), "used",
			 (json_int_t)datapath_quota_used(engine_datapath(e), limit,
							 (uint32_t)(t - policy->tenants) + 1),
			 "quota", (json_int_t)policy_quota_of(policy, t, unit, rule->period),
			 "until", json_time((uint64_t)period.end * NSEC_PER_SEC), "limit",
			 rule->name);
}

static bool has_tenant(const struct policy_limit *rule, size_t number)
{
	for (size_t i = 0; i < rule->rollout.tenant_count; i++)
		if (rule->rollout.tenants[i] == number)
			return true;
	return false;
}

static json_t *json_tenant(const struct engine *e, const struct policy_tenant *t)
{
	const struct policy *policy = engine_policy(e);
	json_t *quotas = json_array();
	struct engine_limit l;
	size_t count;
	const struct weir_limit *limits = datapath_limits(engine_datapath(e), &count);

	for (size_t i = 0; i < count && engine_limit(e, i, &l); i++)
		if (l.rule->algorithm == POLICY_QUOTA &&
		    has_tenant(l.rule, (size_t)(t - policy->tenants) + 1))
			json_array_append_new(
				quotas, json_quota(e, t, (uint32_t)i, l.rule, limits[i].unit));
	return json_pack("{s:s, s:s?, s:o, s:o, s:o}", "name", t->name, "tier",
			 t->tier ? policy->tiers[t->tier - 1].name : NULL, "dst",
			 json_prefixes(t->dsts, t->dst_count), "src",
			 json_prefixes(t->srcs, t->src_count), "quotas", quotas);
}

void handle_tenants(struct call *c)
{
	const struct policy *policy = engine_policy(c->engine);
	json_t *items = json_array();

	for (size_t i = 0; i < policy->tenant_count; i++)
		json_array_append_new(items, json_tenant(c->engine, &policy->tenants[i]));
	reply_json(c, 200, json_pack("{s:o}", "items", items));
}

void handle_tenant_get(struct call *c)
{
	const struct policy *policy = engine_policy(c->engine);

	for (size_t i = 0; i < policy->tenant_count; i++)
		if (strcmp(policy->tenants[i].name, c->rest) == 0)
			return reply_json(c, 200, json_tenant(c->engine, &policy->tenants[i]));
	reply_problem(c, 404, "tenants.absent", "the policy has no tenant '%.60s'", c->rest);
}

#define SHOWN_MAX 500

/* One quota of one tenant. */
struct use {
	const struct policy_tenant *tenant;
	enum weir_unit unit;
	enum policy_period period;
	uint64_t used, quota;
};

/* The most used first. */
static int compare_uses(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	double left = (double)x->used / (double)x->quota,
	       right = (double)y->used / (double)y->quota;

	return (left < right) - (left > right);
}

/* Those of the limit number @index, one for each tenant that has it. */
static size_t collect_uses(const struct engine *e, size_t index, const struct policy_limit *rule,
			   enum weir_unit unit, struct use *ret, size_t size)
{
	const struct policy *policy = engine_policy(e);
	size_t count = 0;

	for (size_t i = 0; i < rule->rollout.tenant_count && count < size; i++) {
		uint16_t number = rule->rollout.tenants[i];
		const struct policy_tenant *t = &policy->tenants[number - 1];
		uint64_t quota = policy_quota_of(policy, t, unit, rule->period);

		if (quota)
			ret[count++] = (struct use){
				t, unit, rule->period,
				datapath_quota_used(engine_datapath(e), (uint32_t)index, number),
				quota};
	}
	return count;
}

void put_tenants(struct metrics *m, struct call *c)
{
	/* A tenant is under at most one limit per unit and period. */
	size_t size = engine_policy(c->engine)->tenant_count * WEIR_UNIT_OPEN * POLICY_PERIOD_MAX;
	_cleanup_free_ struct use *uses = calloc(size + 1, sizeof(*uses));
	size_t limit_count, count = 0, shown;
	const struct weir_limit *limits = datapath_limits(engine_datapath(c->engine), &limit_count);
	struct engine_limit l;

	if (!size || !uses)
		return;
	for (size_t i = 0; i < limit_count && engine_limit(c->engine, i, &l); i++)
		if (l.rule->algorithm == POLICY_QUOTA)
			count += collect_uses(c->engine, i, l.rule, limits[i].unit, uses + count,
					      size - count);
	qsort(uses, count, sizeof(*uses), compare_uses);
	shown = count < SHOWN_MAX ? count : SHOWN_MAX;
	for (int used = 0; used <= 1; used++) {
		metrics_family(m, used ? METRIC_TENANT_QUOTA_USED : METRIC_TENANT_QUOTA);
		for (size_t i = 0; i < shown; i++)
			metrics_sample(m, used ? uses[i].used : uses[i].quota, "tenant",
				       uses[i].tenant->name, "unit", policy_unit_str(uses[i].unit),
				       "period", policy_period_str(uses[i].period), NULL);
	}
	metrics_single(m, METRIC_TENANT_QUOTAS, count);
}
