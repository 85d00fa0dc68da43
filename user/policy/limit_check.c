/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one key of a limit alone cannot tell: which keys go together, what holds when one is not
 * given, and whether a packet could pass at all.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "policy/schema.h"

void limit_begin(struct policy_limit *l)
{
	*l = (struct policy_limit){.rollout = {.percent = 100}};
}

uint64_t limit_window_ns(const struct policy_limit *l, enum weir_unit unit)
{
	if (l->window_ns)
		return l->window_ns;
	if (unit == WEIR_UNIT_BYTES)
		return NSEC_PER_SEC;
	return unit == WEIR_UNIT_PACKETS ? l->rate.per_ns : l->connections.per_ns;
}

uint64_t limit_largest_cost(const struct policy_limit *l, enum weir_unit unit)
{
	uint64_t largest = 1;

	if (unit == WEIR_UNIT_BYTES)
		return POLICY_JUMBO_BYTES;
	if (unit != WEIR_UNIT_PACKETS)
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(l->costs); i++)
		if (l->costs[i] > largest)
			largest = l->costs[i];
	return largest + (l->bytes_per_unit ? POLICY_JUMBO_BYTES / l->bytes_per_unit : 0);
}

static bool is_window(const struct policy_limit *l)
{
	return l->algorithm == POLICY_FIXED_WINDOW || l->algorithm == POLICY_SLIDING_WINDOW;
}

/* One of the rates that a limit may have, as they have the same rules. */
struct amount {
	enum weir_unit unit;
	const char *rate, *burst, *words; /* the keys, and what is counted */
	uint64_t count, per_ns;		  /* 0 = not given */
	uint64_t *into;			  /* its burst */
};

static int finish_bucket(struct reader *r, const struct node *n, const struct policy_limit *l,
			 const struct amount *a)
{
	const uint64_t smallest_byte_burst = 64 << 10;
	uint64_t cost = limit_largest_cost(l, a->unit);

	if (l->algorithm == POLICY_LEAKY_BUCKET)
		return *a->into ? refuse(r, n, "policy.limit.burst",
					 "limit '%s': a leaky_bucket has no %s", l->name, a->burst)
				: 0;
	if (!*a->into && a->unit == WEIR_UNIT_BYTES)
		*a->into =
			a->count / 10 > smallest_byte_burst ? a->count / 10 : smallest_byte_burst;
	if (!*a->into) {
		*a->into = (uint64_t)((unsigned __int128)a->count * NSEC_PER_SEC / a->per_ns);
		*a->into = *a->into > cost ? *a->into : cost;
	}
	if (*a->into < cost)
		return refuse(r, n, "policy.limit.cost",
			      "limit '%s': a packet may cost %llu, and %s is %llu: it could never "
			      "pass",
			      l->name, (unsigned long long)cost, a->burst,
			      (unsigned long long)*a->into);
	return 0;
}

static int finish_window(struct reader *r, const struct node *n, const struct policy_limit *l,
			 const struct amount *a)
{
	unsigned __int128 total = (unsigned __int128)a->count * limit_window_ns(l, a->unit);
	uint64_t cost = limit_largest_cost(l, a->unit);

	if (*a->into)
		return refuse(r, n, "policy.limit.burst",
			      "limit '%s': a %s has no %s: its %s says how much it takes", l->name,
			      policy_algorithm_str(l->algorithm), a->burst, a->rate);
	if (a->unit != WEIR_UNIT_BYTES && total % a->per_ns)
		return refuse(r, n, "policy.limit.window",
			      "limit '%s': its %s is no whole number of %s per window", l->name,
			      a->rate, a->words);
	*a->into = (uint64_t)(total / a->per_ns);
	if (*a->into < cost)
		return refuse(r, n, "policy.limit.cost",
			      "limit '%s': a packet may cost %llu, and a window takes %llu %s: it "
			      "could never pass",
			      l->name, (unsigned long long)cost, (unsigned long long)*a->into,
			      a->words);
	return 0;
}

static int finish_amounts(struct reader *r, const struct node *n, struct policy_limit *l)
{
	const struct amount amounts[] = {
		{WEIR_UNIT_PACKETS, "rate", "burst", "packets", l->rate.count, l->rate.per_ns,
		 &l->burst},
		{WEIR_UNIT_BYTES, "byte_rate", "byte_burst", "bytes", l->byte_rate, NSEC_PER_SEC,
		 &l->byte_burst},
		{WEIR_UNIT_CONNECTIONS, "connections", "connection_burst", "connections",
		 l->connections.count, l->connections.per_ns, &l->connection_burst},
	};

	l->has_packets = l->rate.count;
	l->has_bytes = l->byte_rate;
	l->has_connections = l->connections.count;
	l->has_open = l->open_connections;
	if (!l->has_packets && !l->has_bytes && !l->has_connections && !l->has_open)
		return refuse(r, n, "policy.limit.empty",
			      "limit '%s' has no rate, byte_rate, connections or open_connections",
			      l->name);
	if (l->window_ns && !is_window(l))
		return refuse(r, n, "policy.limit.window",
			      "limit '%s' has a window, and its algorithm is %s", l->name,
			      policy_algorithm_str(l->algorithm));
	for (size_t i = 0; i < ARRAY_SIZE(amounts); i++) {
		const struct amount *a = &amounts[i];
		int err = 0;

		if (!a->count && *a->into)
			return refuse(r, n, "policy.limit.burst",
				      "limit '%s' has a %s without %s%s", l->name, a->burst,
				      a->unit == WEIR_UNIT_CONNECTIONS ? "" : "a ", a->rate);
		if (a->count)
			err = is_window(l) ? finish_window(r, n, l, a) : finish_bucket(r, n, l, a);
		if (err < 0)
			return err;
	}
	return 0;
}

static int finish_costs(struct reader *r, const struct node *n, struct policy_limit *l)
{
	bool given = l->bytes_per_unit;

	for (size_t i = 0; i < ARRAY_SIZE(l->costs); i++) {
		given |= l->costs[i];
		l->costs[i] = l->costs[i] ? l->costs[i] : 1;
	}
	if (given && !l->rate.count)
		return refuse(r, n, "policy.limit.cost",
			      "limit '%s' has a cost without a rate: packets cost, bytes and "
			      "connections do not",
			      l->name);
	return 0;
}

static bool is_of_sources(const struct policy_limit *l)
{
	return l->scope == POLICY_SCOPE_SOURCE || l->scope == POLICY_SCOPE_SOURCE_PER_SERVICE ||
	       l->scope == POLICY_SCOPE_SOURCE_PREFIX;
}

static int finish_prefix(struct reader *r, const struct node *n, struct policy_limit *l)
{
	if (l->prefix4 && !is_of_sources(l))
		return refuse(r, n, "policy.limit.prefix",
			      "limit '%s' has a prefix, and its scope is %s: a prefix belongs to "
			      "sources",
			      l->name, policy_scope_str(l->scope));
	if (!l->prefix4 && l->scope == POLICY_SCOPE_SOURCE_PREFIX)
		return refuse(r, n, "policy.limit.prefix",
			      "limit '%s' needs a prefix such as {ip4: 24, ip6: 48}", l->name);
	if (l->has_open && (l->scope != POLICY_SCOPE_SOURCE || l->prefix4))
		return refuse(r, n, "policy.limit.open",
			      "limit '%s': open_connections are counted per source: scope source, "
			      "without a prefix",
			      l->name);
	if (!l->prefix4 && is_of_sources(l)) {
		l->prefix4 = 32;
		l->prefix6 = 64;
	}
	return 0;
}

static int check_service(struct reader *r, const struct node *n, const struct policy_limit *l)
{
	const struct policy_service *s = l->service;

	if (l->scope == POLICY_SCOPE_SERVICE && !s)
		return refuse(r, n, "policy.limit.service", "limit '%s' needs a service", l->name);
	if (l->scope == POLICY_SCOPE_SOURCE_PER_SERVICE && !s && !r->policy->service_count)
		return refuse(r, n, "policy.limit.service",
			      "limit '%s' has scope source_per_service, and no service is defined",
			      l->name);
	if (l->scope == POLICY_SCOPE_TENANT && !r->policy->tenant_count)
		return refuse(r, n, "policy.limit.tenant",
			      "limit '%s' has scope tenant, and no tenant is defined", l->name);
	if (l->scope >= POLICY_SCOPE_INTERFACE && s)
		return refuse(r, n, "policy.limit.service",
			      "limit '%s' has a service, and its scope is %s: write scope: service",
			      l->name, policy_scope_str(l->scope));
	if ((l->has_connections || l->has_open) && s && !s->any_protocol &&
	    !s->protocols[POLICY_TCP])
		return refuse(r, n, "policy.limit.service",
			      "limit '%s' counts connections, and service '%s' has no tcp", l->name,
			      s->name);
	return 0;
}

int limit_finish(struct reader *r, const struct node *n, struct policy_limit *l)
{
	int err;

	l->line = n->line;
	l->column = n->column;
	l->place = node_place(n);
	err = finish_costs(r, n, l);
	if (err == 0)
		err = finish_amounts(r, n, l);
	if (err == 0)
		err = finish_prefix(r, n, l);
	if (err == 0)
		err = check_service(r, n, l);
	if (err == 0 && l->reject_share && l->action != WEIR_ACTION_DROP)
		return refuse(r, n, "policy.reject",
			      "limit '%s' has a reject, and its action is not drop", l->name);
	return err;
}
