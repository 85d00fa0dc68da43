/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is correct and yet odd about a policy: parts that no packet can meet, limits that can never
 * refuse anything, entries that change nothing. Each is a warning, said only where it is certain:
 * what depends on the traffic is not judged. lint_lists.c looks at lists.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "policy/lint.h"
#include "policy/schema.h"

static void lint_service(struct lint *l, const struct policy_service *s)
{
	const struct policy *p = l->policy;
	bool used = s->syn_cookies != POLICY_COOKIES_OFF;

	for (size_t i = 0; i < p->limit_count; i++)
		used |= p->limits[i].service == s ||
			(!p->limits[i].service &&
			 p->limits[i].scope == POLICY_SCOPE_SOURCE_PER_SERVICE);
	if (!used)
		diagnose_warning(l->report, &s->place, "policy.service.unused",
				 "no limit names service '%s'", s->name);
}

/* Protocols that belong to one family, and destinations of the other. */
static bool is_dead_service(const struct policy_service *s)
{
	bool other = s->any_protocol, v4 = false, v6 = false;

	for (unsigned int i = 0; i < WEIR_PROTOCOLS && !other; i++)
		other = s->protocols[i] && i != POLICY_ICMP && i != POLICY_ICMP6;
	for (size_t i = 0; i < s->dst_count; i++) {
		bool four = address_is_ipv4(s->dsts[i].address) && s->dsts[i].bits >= 96;

		v4 |= four;
		v6 |= !four;
	}
	if (other || !s->dst_count)
		return false;
	return !(s->protocols[POLICY_ICMP] && v4) && !(s->protocols[POLICY_ICMP6] && v6);
}

static bool is_owned_by_others(const struct lint *l, const struct policy_tenant *t, bool source)
{
	const struct policy *p = l->policy;
	const struct prefix *mine = source ? t->srcs : t->dsts;
	size_t count = source ? t->src_count : t->dst_count, others = 0;

	for (const struct policy_tenant *o = p->tenants; o < p->tenants + p->tenant_count; o++) {
		const struct prefix *theirs = source ? o->srcs : o->dsts;

		for (size_t i = 0; o != t && i < (source ? o->src_count : o->dst_count); i++)
			l->prefixes[others++] = theirs[i];
	}
	lint_sort(l->prefixes, others);
	for (size_t i = 0; i < count; i++)
		if (!lint_is_covered(&mine[i], l->prefixes, others, true))
			return false;
	return true;
}

/* The longest prefix decides, and all of it is within longer ones of others. */
static bool is_dead_tenant(const struct lint *l, const struct policy_tenant *t)
{
	return is_owned_by_others(l, t, false) && is_owned_by_others(l, t, true);
}

static bool never_comes(const struct lint *l, const struct policy_schedule *s)
{
	return !policy_schedule_active(s, l->unix_time) &&
	       policy_schedule_change(s, l->unix_time) == INT64_MAX;
}

static bool rollout_is_dead(const struct lint *l, const struct policy_rollout *r)
{
	const struct policy *p = l->policy;
	size_t dead = 0;

	for (size_t i = 0; i < r->tenant_count; i++)
		dead += is_dead_tenant(l, &p->tenants[r->tenants[i] - 1]);
	return r->tenant_count && dead == r->tenant_count;
}

/* No packet meets the limit, ever. */
static bool lint_dead(struct lint *l, const struct policy_limit *limit)
{
	const struct policy_rollout *r = &limit->rollout;
	const char *why = NULL;

	if (limit->service && is_dead_service(limit->service))
		why = "no packet belongs to its service";
	else if (rollout_is_dead(l, r))
		why = "no packet belongs to the tenants of its rollout";
	else if (limit->schedule && never_comes(l, limit->schedule))
		why = "the hours of its schedule never come";
	else if (r->source_count && lint_is_decided(l, r->sources, r->source_count))
		why = "all sources of its rollout are on the allow or block list";
	if (why)
		diagnose_warning(l->report, &limit->place, "policy.limit.dead",
				 "limit '%s' never applies: %s", limit->name, why);
	return why;
}

/* One unit of a limit, as numbers that can be compared. */
struct amount {
	bool given;
	uint64_t count, per_ns, burst;
};

static struct amount amount_of(const struct policy_limit *l, enum weir_unit unit)
{
	switch (unit) {
	case WEIR_UNIT_PACKETS:
		return (struct amount){l->has_packets, l->rate.count, l->rate.per_ns, l->burst};
	case WEIR_UNIT_BYTES:
		return (struct amount){l->has_bytes, l->byte_rate, NSEC_PER_SEC, l->byte_burst};
	case WEIR_UNIT_CONNECTIONS:
		return (struct amount){l->has_connections, l->connections.count,
				       l->connections.per_ns, l->connection_burst};
	default:
		return (struct amount){l->has_open, l->open_connections, NSEC_PER_SEC, 0};
	}
}

/* Up to @factor units of @b for each of @a: what @a lets pass, @b does, too. */
static bool is_within(const struct policy_limit *l, const struct amount *a, uint64_t factor,
		      const struct amount *b)
{
	unsigned __int128 mine = (unsigned __int128)a->count * factor * b->per_ns;

	if (l->algorithm == POLICY_LEAKY_BUCKET)
		return factor == 1 && mine <= (unsigned __int128)b->count * a->per_ns;
	return mine <= (unsigned __int128)b->count * a->per_ns &&
	       (unsigned __int128)a->burst * factor <= b->burst;
}

static bool is_window(const struct policy_limit *l)
{
	return l->algorithm == POLICY_FIXED_WINDOW || l->algorithm == POLICY_SLIDING_WINDOW;
}

static bool costs_no_more(const struct policy_limit *a, const struct policy_limit *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(a->costs); i++)
		if (a->costs[i] > b->costs[i])
			return false;
	return !a->bytes_per_unit || (b->bytes_per_unit && b->bytes_per_unit <= a->bytes_per_unit);
}

/* @b refuses for all sources at all times, and changes with nothing. */
static bool is_constant(const struct policy_limit *b)
{
	return b->action == WEIR_ACTION_DROP && !b->shadow && !b->schedule && !b->flag &&
	       !b->is_adaptive && b->rollout.percent == 100 && !b->rollout.source_count &&
	       !b->rollout.tenant_count;
}

/* Whatever @a would refuse in this unit, @b refuses. */
static bool covers_unit(const struct policy_limit *b, const struct policy_limit *a,
			enum weir_unit unit)
{
	const struct amount mine = amount_of(a, unit), theirs = amount_of(b, unit);

	if (!mine.given)
		return true;
	if (!theirs.given || a->is_adaptive)
		return false;
	if (unit == WEIR_UNIT_OPEN)
		return theirs.count <= mine.count;
	if (a->algorithm != b->algorithm || (unit == WEIR_UNIT_PACKETS && !costs_no_more(a, b)))
		return false;
	if (is_window(a))
		return limit_window_ns(a, unit) == limit_window_ns(b, unit) &&
		       theirs.burst <= mine.burst;
	return is_within(a, &theirs, 1, &mine);
}

static bool is_shadowed_by(const struct policy_limit *a, const struct policy_limit *b)
{
	if (a == b || !is_constant(b) || a->scope != b->scope || a->prefix4 != b->prefix4 ||
	    a->prefix6 != b->prefix6 || (b->service && b->service != a->service))
		return false;
	for (unsigned int unit = 0; unit < WEIR_UNIT_MAX; unit++)
		if (!covers_unit(b, a, (enum weir_unit)unit))
			return false;
	return true;
}

static void lint_shadowed(struct lint *l, const struct policy_limit *a)
{
	const struct policy *p = l->policy;

	for (const struct policy_limit *b = p->limits; b < p->limits + p->limit_count; b++) {
		/* Of two that are the same, the second one is too much. */
		if (!is_shadowed_by(a, b) || (is_shadowed_by(b, a) && b > a))
			continue;
		diagnose_warning(l->report, &a->place, "policy.limit.shadowed",
				 "limit '%s' never refuses anything: what it would refuse, '%s' "
				 "(line %u) refuses",
				 a->name, b->name, b->line);
		return;
	}
}

static void warn_unit(struct lint *l, const struct policy_limit *limit, const char *key,
		      const char *other)
{
	diagnose_warning(l->report, &limit->place, "policy.limit.never",
			 "limit '%s': its %s never refuses anything: its %s always does first",
			 limit->name, key, other);
}

/* Two units of one limit: what one lets pass can never be too much for the other. */
static void lint_units(struct lint *l, const struct policy_limit *limit)
{
	const struct amount packets = amount_of(limit, WEIR_UNIT_PACKETS);
	const struct amount bytes = amount_of(limit, WEIR_UNIT_BYTES);
	const struct amount connections = amount_of(limit, WEIR_UNIT_CONNECTIONS);

	if (limit->is_adaptive || limit->action != WEIR_ACTION_DROP || limit->shadow)
		return;
	if (packets.given && bytes.given &&
	    (!is_window(limit) || limit_window_ns(limit, WEIR_UNIT_PACKETS) ==
					  limit_window_ns(limit, WEIR_UNIT_BYTES)) &&
	    is_within(limit, &packets, POLICY_JUMBO_BYTES, &bytes))
		warn_unit(l, limit, "byte_rate", "rate");
	if (packets.given && connections.given &&
	    (!is_window(limit) || limit_window_ns(limit, WEIR_UNIT_PACKETS) ==
					  limit_window_ns(limit, WEIR_UNIT_CONNECTIONS)) &&
	    is_within(limit, &packets, 1, &connections))
		warn_unit(l, limit, "connections", "rate");
}

/* More than any NIC delivers. */
static void lint_rates(struct lint *l, const struct policy_limit *limit)
{
	unsigned __int128 most = limit->is_adaptive ? limit->adaptive.max : 1000;

	if (limit->has_packets &&
	    most * limit->rate.count * NSEC_PER_SEC > 1000 * LINT_PPS_MAX * limit->rate.per_ns)
		diagnose_warning(l->report, &limit->place, "policy.limit.never",
				 "limit '%s': no NIC delivers as many packets as its rate",
				 limit->name);
	if (limit->has_bytes && most * limit->byte_rate > 1000 * LINT_BPS_MAX)
		diagnose_warning(l->report, &limit->place, "policy.limit.never",
				 "limit '%s': no NIC delivers as many bytes as its byte_rate",
				 limit->name);
}

int policy_lint(const struct policy *policy, int64_t unix_time, struct policy_report *report)
{
	struct lint l = {.policy = policy, .report = report, .unix_time = unix_time};
	int r = lint_init(&l);

	if (r == 0)
		r = lint_lists(&l);
	for (size_t i = 0; i < policy->service_count && r == 0; i++) {
		const struct policy_service *s = &policy->services[i];

		lint_service(&l, s);
		if (is_dead_service(s))
			diagnose_warning(report, &s->place, "policy.service.dead",
					 "no packet belongs to service '%s': its protocols and its "
					 "destinations are of different families",
					 s->name);
	}
	for (size_t i = 0; i < policy->tenant_count && r == 0; i++)
		if (is_dead_tenant(&l, &policy->tenants[i]))
			diagnose_warning(report, &policy->tenants[i].place, "policy.tenant.dead",
					 "no packet belongs to tenant '%s': all its prefixes are "
					 "those of others, which are longer",
					 policy->tenants[i].name);
	for (size_t i = 0; i < policy->limit_count && r == 0; i++) {
		if (lint_dead(&l, &policy->limits[i]) ||
		    policy->limits[i].algorithm == POLICY_QUOTA)
			continue;
		lint_shadowed(&l, &policy->limits[i]);
		lint_units(&l, &policy->limits[i]);
		lint_rates(&l, &policy->limits[i]);
	}
	if (r == 0) {
		lint_assets(policy, report);
		lint_audit(policy, report);
	}
	lint_done(&l);
	return r;
}
