/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tiers and quotas: what a policy says of them, and the limits that they come to. These stand behind those of the
 * text and are limits like any other, of scope tenant, each for the tenants that have the same: "TIER/rate", and
 * "TENANT/rate", "TIER/day" or "TENANT/month" for each unit.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "policy/schema.h"

#define DAY_NS (86400 * NSEC_PER_SEC)

static const char *const period_names[] = {[POLICY_DAY] = "day", [POLICY_MONTH] = "month"};
_Static_assert(ARRAY_SIZE(period_names) == POLICY_PERIOD_MAX, "a period has no name");

#define TIER(n, packets_s, connections_s, packets, bytes)                                          \
	{.name = #n,                                                                               \
	 .rates = {.rate = {packets_s, NSEC_PER_SEC},                                              \
		   .burst = 2 * (packets_s),                                                       \
		   .connections = {connections_s, NSEC_PER_SEC},                                   \
		   .connection_burst = 2 * (connections_s)},                                       \
	 .quota.amounts = {[WEIR_UNIT_PACKETS] = {packets, 20ULL * (packets)},                     \
			   [WEIR_UNIT_BYTES] = {bytes, 20ULL * (bytes)}}},
static const struct policy_tier built_in[] = {
#include "policy/tier.def"
};
#undef TIER

const char *policy_period_str(enum policy_period period)
{
	return (size_t)period < ARRAY_SIZE(period_names) ? period_names[period] : NULL;
}

uint64_t policy_quota_of(const struct policy *policy, const struct policy_tenant *tenant,
			 enum weir_unit unit, enum policy_period period)
{
	if (tenant->quota.amounts[unit][period])
		return tenant->quota.amounts[unit][period];
	return tenant->tier ? policy->tiers[tenant->tier - 1].quota.amounts[unit][period] : 0;
}

int value_quota_count(struct reader *r, const struct node *n, void *into)
{
	struct fault why;

	return policy_total_parse(n->text, into, &why) < 0 ? schema_refuse_value(r, n, &why) : 0;
}

/* One frame must be able to pass at all. */
int value_quota_bytes(struct reader *r, const struct node *n, void *into)
{
	struct fault why;

	if (policy_step_parse(n->text, POLICY_JUMBO_BYTES, 1ULL << 50, into, &why) < 0)
		return schema_refuse_value(r, n, &why);
	return 0;
}

static int read_tier(struct reader *r, const struct node *key)
{
	struct policy *p = r->policy;
	struct policy_tier *t = &p->tiers[p->tier_count];
	int err = schema_name(r, key);

	if (err < 0)
		return err;
	memcpy(t->name, key->text, strlen(key->text) + 1);
	t->place = node_place(key);
	t->line = key->line;
	p->tier_count++;
	if (key->next->kind != NODE_MAPPING)
		return refuse(r, key->next, "policy.value.kind",
			      "tier '%s' takes a mapping of rates and quota", key->text);
	return schema_object(r, OBJECT_TIER, key->next, t);
}

int value_tiers(struct reader *r, const struct node *n, void *into)
{
	struct policy *p = into;
	int first = 0;

	if (n->count / 2 > POLICY_TIERS_MAX)
		return refuse_number(r, n, POLICY_TIERS_MAX, "tiers");
	p->tiers = calloc(n->count / 2 + ARRAY_SIZE(built_in), sizeof(*p->tiers));
	if (!p->tiers)
		return -ENOMEM;
	for (const struct node *key = n->children; key; key = key->next->next)
		if (!schema_go_on(r, read_tier(r, key), &first))
			break;
	return first;
}

/* The tier called @name, a built-in one only when somebody asks for it; 0: there is none. */
static unsigned int find_tier(struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->tier_count; i++)
		if (strcmp(p->tiers[i].name, name) == 0)
			return (unsigned int)i + 1;
	for (size_t i = 0; i < ARRAY_SIZE(built_in); i++)
		if (strcmp(built_in[i].name, name) == 0) {
			p->tiers[p->tier_count] = built_in[i];
			return (unsigned int)++p->tier_count;
		}
	return 0;
}

int value_tier_name(struct reader *r, const struct node *n, void *into)
{
	const char *known[POLICY_TIERS_MAX + ARRAY_SIZE(built_in)];
	struct policy_tenant *t = into;
	struct policy *p = r->policy;
	size_t count = 0;

	if (!p->tiers)
		p->tiers = calloc(ARRAY_SIZE(built_in), sizeof(*p->tiers));
	if (!p->tiers)
		return -ENOMEM;
	t->tier = find_tier(p, n->text);
	if (t->tier)
		return 0;
	for (size_t i = 0; i < p->tier_count; i++)
		known[count++] = p->tiers[i].name;
	for (size_t i = 0; i < ARRAY_SIZE(built_in) && count < ARRAY_SIZE(known); i++)
		known[count++] = built_in[i].name;
	return schema_refuse_word(r, n, "tier", known, count);
}

/* A limit of scope tenant more, called "@name/@what". *@ret: NULL if there is no memory. */
static int add_limit(struct reader *r, const struct node *n, const struct place *place,
		     const char *name, const char *what, struct policy_limit **ret)
{
	struct policy *p = r->policy;
	struct policy_limit *l;

	if (p->limit_count >= WEIR_LIMITS_MAX)
		return refuse(
			r, n, "policy.limits.many",
			"with those of tiers and quotas there are more than %u limits: '%s' is "
			"one too many",
			WEIR_LIMITS_MAX, name);
	if (strlen(name) + 1 + strlen(what) > POLICY_NAME_MAX)
		return refuse(r, n, "policy.name",
			      "'%s' makes a limit '%s/%s', and that is longer than %u bytes", name,
			      name, what, POLICY_NAME_MAX);
	l = &p->limits[p->limit_count];
	limit_begin(l);
	snprintf(l->name, sizeof(l->name), "%s/%s", name, what);
	l->scope = POLICY_SCOPE_TENANT;
	l->place = place->file ? *place : node_place(n); /* built in: of the whole */
	l->line = l->place.line;
	l->rollout.tenants = calloc(p->tenant_count, sizeof(*l->rollout.tenants));
	if (!l->rollout.tenants)
		return -ENOMEM;
	p->limit_count++; /* from here on the policy's to free */
	*ret = l;
	return 0;
}

static void add_tenant(struct policy_limit *l, const struct policy *p,
		       const struct policy_tenant *t)
{
	l->rollout.tenants[l->rollout.tenant_count++] = (uint16_t)(t - p->tenants + 1);
}

/* @amount per period, and as a rate, for whoever wants one. */
static void set_quota(struct policy_limit *l, enum weir_unit unit, enum policy_period period,
		      uint64_t amount)
{
	const uint64_t days = period == POLICY_DAY ? 1 : 31;
	const struct policy_rate rate = {amount, days * DAY_NS};

	memset(l->costs, 1, sizeof(l->costs));
	l->algorithm = POLICY_QUOTA;
	l->period = period;
	switch (unit) {
	case WEIR_UNIT_BYTES:
		l->has_bytes = true;
		l->byte_rate = amount / (days * 86400) + 1;
		l->byte_burst = amount;
		break;
	case WEIR_UNIT_CONNECTIONS:
		l->has_connections = true;
		l->connections = rate;
		l->connection_burst = amount;
		break;
	default:
		l->has_packets = true;
		l->rate = rate;
		l->burst = amount;
	}
}

static bool has_rates(const struct policy_rates *rates)
{
	return rates->rate.count || rates->byte_rate || rates->connections.count;
}

static int refuse_burst(struct reader *r, const struct node *n, const struct policy_rates *rates,
			const char *what, const char *name)
{
	if ((rates->rate.count || !rates->burst) && (rates->byte_rate || !rates->byte_burst) &&
	    (rates->connections.count || !rates->connection_burst))
		return 0;
	return refuse(r, n, "policy.limit.burst", "%s '%s' has a burst without a rate", what, name);
}

static void set_rates(struct policy_limit *l, const struct policy_rates *rates)
{
	l->rate = rates->rate;
	l->burst = rates->burst;
	l->byte_rate = rates->byte_rate;
	l->byte_burst = rates->byte_burst;
	l->connections = rates->connections;
	l->connection_burst = rates->connection_burst;
}

/* The rates of @tier for those of its tenants that have none of their own. */
static int add_rates(struct reader *r, const struct node *n, const struct policy_tier *tier)
{
	const struct policy *p = r->policy;
	struct policy_limit *l = NULL;
	int err = refuse_burst(r, n, &tier->rates, "tier", tier->name);

	if (err < 0 || !has_rates(&tier->rates))
		return err;
	for (size_t i = 0; i < p->tenant_count; i++) {
		const struct policy_tenant *t = &p->tenants[i];

		if (!t->tier || &p->tiers[t->tier - 1] != tier || has_rates(&t->own))
			continue;
		if (!l)
			err = add_limit(r, n, &tier->place, tier->name, "rate", &l);
		if (err < 0)
			return err;
		add_tenant(l, p, t);
	}
	if (!l)
		return 0;
	set_rates(l, &tier->rates);
	return limit_finish(r, n, l);
}

/* The limits of a tenant's own are called by its name, as those of tiers are by theirs. */
static int check_own_name(struct reader *r, const struct node *n, const struct policy_tenant *t,
			  const char *what)
{
	for (size_t i = 0; i < r->policy->tier_count; i++)
		if (strcmp(r->policy->tiers[i].name, t->name) == 0)
			return refuse(
				r, n, "policy.name.duplicate",
				"tenant '%s' has a %s and the name of a tier: their limits would "
				"have one name",
				t->name, what);
	return 0;
}

/* Its own rates, and the tier's where it has none. */
static int add_own_rates(struct reader *r, const struct node *n, const struct policy_tenant *t)
{
	const struct policy_rates *tier = t->tier ? &r->policy->tiers[t->tier - 1].rates : NULL;
	struct policy_rates rates = t->own;
	struct policy_limit *l = NULL;
	int err = refuse_burst(r, n, &t->own, "tenant", t->name);

	if (err < 0 || !has_rates(&t->own))
		return err;
	if (tier && !rates.rate.count) {
		rates.rate = tier->rate;
		rates.burst = tier->burst;
	}
	if (tier && !rates.byte_rate) {
		rates.byte_rate = tier->byte_rate;
		rates.byte_burst = tier->byte_burst;
	}
	if (tier && !rates.connections.count) {
		rates.connections = tier->connections;
		rates.connection_burst = tier->connection_burst;
	}
	err = check_own_name(r, n, t, "rate");
	if (err == 0)
		err = add_limit(r, n, &t->place, t->name, "rate", &l);
	if (err < 0)
		return err;
	add_tenant(l, r->policy, t);
	set_rates(l, &rates);
	return limit_finish(r, n, l);
}

/* The quota of @tier for those of its tenants that have none of their own. */
static int add_tier_quota(struct reader *r, const struct node *n, const struct policy_tier *tier,
			  enum weir_unit unit, enum policy_period period)
{
	const struct policy *p = r->policy;
	struct policy_limit *l = NULL;

	if (!tier->quota.amounts[unit][period])
		return 0;
	for (size_t i = 0; i < p->tenant_count; i++) {
		const struct policy_tenant *t = &p->tenants[i];
		int err = 0;

		if (!t->tier || &p->tiers[t->tier - 1] != tier || t->quota.amounts[unit][period])
			continue;
		if (!l)
			err = add_limit(r, n, &tier->place, tier->name, period_names[period], &l);
		if (err < 0)
			return err;
		add_tenant(l, p, t);
	}
	if (l)
		set_quota(l, unit, period, tier->quota.amounts[unit][period]);
	return 0;
}

static int add_own_quota(struct reader *r, const struct node *n, const struct policy_tenant *t,
			 enum weir_unit unit, enum policy_period period)
{
	struct policy_limit *l = NULL;
	int err;

	if (!t->quota.amounts[unit][period])
		return 0;
	err = check_own_name(r, n, t, "quota");
	if (err == 0)
		err = add_limit(r, n, &t->place, t->name, period_names[period], &l);
	if (err < 0)
		return err;
	add_tenant(l, r->policy, t);
	set_quota(l, unit, period, t->quota.amounts[unit][period]);
	return 0;
}

static bool has_tenants(const struct policy *p, size_t tier)
{
	for (size_t i = 0; i < p->tenant_count; i++)
		if (p->tenants[i].tier == tier + 1)
			return true;
	return false;
}

int quotas_finish(struct reader *r, const struct node *n)
{
	struct policy *p = r->policy;
	struct policy_limit *limits;
	int err = 0;

	limits = reallocarray(p->limits, WEIR_LIMITS_MAX + 1, sizeof(*limits));
	if (!limits)
		return -ENOMEM;
	p->limits = limits;
	for (size_t i = 0; i < p->tier_count && err == 0; i++)
		if (has_tenants(p, i))
			err = add_rates(r, n, &p->tiers[i]);
	for (size_t i = 0; i < p->tenant_count && err == 0; i++)
		err = add_own_rates(r, n, &p->tenants[i]);
	for (unsigned int unit = 0; unit < WEIR_UNIT_OPEN; unit++)
		for (unsigned int period = 0; period < POLICY_PERIOD_MAX; period++) {
			for (size_t i = 0; i < p->tier_count && err == 0; i++)
				err = add_tier_quota(r, n, &p->tiers[i], unit, period);
			for (size_t i = 0; i < p->tenant_count && err == 0; i++)
				err = add_own_quota(r, n, &p->tenants[i], unit, period);
		}
	return err;
}
