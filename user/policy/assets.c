/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What matters more than other things: readers of `risk`, and which of it a limit protects. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/lint.h"
#include "policy/schema.h"

int value_asset_tenant(struct reader *r, const struct node *n, void *into)
{
	uint16_t *numbers = NULL;
	size_t count = 0;
	int err = value_tenant_numbers(r, n, &numbers, &count);

	if (err == 0)
		*(uint16_t *)into = numbers[0];
	free(numbers);
	return err;
}

static int read_asset(struct reader *r, const struct node *n, struct policy *p)
{
	struct policy_asset *asset = &p->assets[p->asset_count];
	int err;

	asset->place = (struct place){n->file, n->line, n->column, n->width};
	if (n->kind != NODE_MAPPING)
		return refuse(r, n, "policy.value.kind",
			      "an asset is a mapping with a weight and what has it");
	err = schema_object(r, OBJECT_ASSET, n, asset);
	if (err == 0 && !asset->service && !asset->tenant && !asset->dst_count)
		err = refuse(r, n, "policy.asset.what",
			     "an asset is a service, a dst or a tenant: none is given");
	p->asset_count++;
	return err;
}

int value_asset_dst(struct reader *r, const struct node *n, void *into)
{
	struct policy_asset *asset = into;

	return value_prefixes(r, n, &r->dst_total, "destinations", &asset->dsts, &asset->dst_count);
}

int value_assets(struct reader *r, const struct node *n, void *into)
{
	struct policy *p = into;
	int first = 0;

	if (n->count > POLICY_ASSETS_MAX)
		return refuse_number(r, n, POLICY_ASSETS_MAX, "assets");
	p->assets = calloc(n->count + 1, sizeof(*p->assets));
	if (!p->assets)
		return -ENOMEM;
	for (const struct node *e = n->children; e; e = e->next)
		if (!schema_go_on(r, read_asset(r, e, p), &first))
			break;
	return first;
}

void policy_assets_done(struct policy *p)
{
	for (size_t i = 0; i < p->asset_count; i++)
		free(p->assets[i].dsts);
	free(p->assets);
}

/* All that the service is about lies within one of the prefixes. */
static bool lies_within(const struct policy_service *s, const struct prefix *prefixes, size_t count)
{
	for (size_t i = 0; s && i < s->dst_count; i++) {
		size_t p = 0;

		while (p < count && !policy_prefix_means(&prefixes[p], &s->dsts[i]))
			p++;
		if (p == count)
			return false;
	}
	return s && s->dst_count;
}

static bool is_of_tenant(const struct policy *policy, const struct policy_limit *limit,
			 const struct policy_service *service, uint16_t number)
{
	const struct policy_rollout *rollout = &limit->rollout;
	const struct policy_tenant *tenant = &policy->tenants[number - 1];

	return (rollout->tenant_count == 1 && rollout->tenants[0] == number) ||
	       lies_within(service, tenant->dsts, tenant->dst_count);
}

static bool is_asset_of(const struct policy *policy, const struct policy_asset *a,
			const struct policy_limit *limit, const struct policy_service *service)
{
	return (!a->service || a->service == service) &&
	       (!a->dst_count || lies_within(service, a->dsts, a->dst_count)) &&
	       (!a->tenant || is_of_tenant(policy, limit, service, a->tenant));
}

/* The service that a limit of the datapath is of: that of its rule, or the one that its name has behind the slash. */
static const struct policy_service *service_of(const struct policy *policy,
					       const struct policy_limit *limit, const char *name)
{
	const char *slash = memchr(name, '/', strnlen(name, WEIR_NAME_BYTES));
	size_t length =
		slash ? strnlen(slash + 1, (size_t)(name + WEIR_NAME_BYTES - slash - 1)) : 0;

	for (size_t i = 0; length && i < policy->service_count; i++)
		if (strlen(policy->services[i].name) == length &&
		    memcmp(policy->services[i].name, slash + 1, length) == 0)
			return &policy->services[i];
	return limit->service;
}

unsigned int policy_asset_weight(const struct policy *policy,
				 const char name[static WEIR_NAME_BYTES])
{
	const struct policy_limit *limit = policy_rule_of(policy, name);

	for (size_t i = 0; limit && i < policy->asset_count; i++)
		if (is_asset_of(policy, &policy->assets[i], limit, service_of(policy, limit, name)))
			return policy->assets[i].weight;
	return POLICY_ASSET_NEUTRAL;
}

/* Some limit is about it. */
static bool is_protected(const struct policy *policy, const struct policy_asset *a)
{
	for (size_t i = 0; i < policy->limit_count; i++) {
		const struct policy_limit *limit = &policy->limits[i];
		bool each = limit->scope == POLICY_SCOPE_SOURCE_PER_SERVICE && !limit->service;

		if (!each && is_asset_of(policy, a, limit, limit->service))
			return true;
		for (size_t s = 0; each && s < policy->service_count; s++)
			if (is_asset_of(policy, a, limit, &policy->services[s]))
				return true;
	}
	return false;
}

void lint_assets(const struct policy *policy, struct policy_report *report)
{
	for (size_t i = 0; i < policy->asset_count; i++)
		if (!is_protected(policy, &policy->assets[i]))
			diagnose_warning(report, &policy->assets[i].place, "policy.asset.unused",
					 "no limit is about this asset alone: it weighs nothing");
}
