/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which packets meet which limits: masks per port, protocol and tenant, and per prefix of
 * destination and source. A packet meets a limit if every table it is looked up in says so.
 */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "policy/compile.h"

static bool counts_connections(const struct draft *d)
{
	return d->unit == WEIR_UNIT_CONNECTIONS || d->unit == WEIR_UNIT_OPEN;
}

static void ports_fill(struct policy_image *image, const struct draft *d, uint64_t bit)
{
	static const struct policy_port_range all = {0, WEIR_PORTS - 1};
	const struct policy_service *s = d->service;
	const struct policy_port_range *ranges = s && s->port_count ? s->ports : &all;
	size_t count = s && s->port_count ? s->port_count : 1;
	bool tcp = !s || s->any_protocol || s->protocols[POLICY_TCP];
	bool udp = !s || s->any_protocol || s->protocols[POLICY_UDP];

	udp &= !counts_connections(d);
	for (size_t i = 0; i < count; i++) {
		for (uint32_t port = ranges[i].first; port <= ranges[i].last; port++) {
			image->ports[port].tcp |= tcp ? bit : 0;
			image->ports[port].udp |= udp ? bit : 0;
		}
	}
}

static void masks_fill(struct compiler *c)
{
	struct weir_policy *p = &c->image->policy;

	for (uint32_t i = 0; i < p->limit_count; i++) {
		const struct policy_service *s = c->drafts[i].service;
		uint64_t bit = 1ULL << i;

		if (c->drafts[i].rule == &c->policy->fragment_limit) {
			p->fragment_limits |= bit;
			continue;
		}
		ports_fill(c->image, &c->drafts[i], bit);
		if (counts_connections(&c->drafts[i])) {
			p->connection_limits |= bit; /* a SYN is no later fragment: it has ports */
			continue;
		}
		for (unsigned int n = 0; n < WEIR_PROTOCOLS; n++)
			if (!s || (!s->port_count && (s->any_protocol || s->protocols[n])))
				p->protocol_limits[n] |= bit;
	}
}

/* Whether @d takes packets of tenant @number, 0 = of none. */
static bool tenant_accepts(const struct draft *d, size_t number)
{
	const struct policy_rollout *rollout = &d->rule->rollout;

	if (d->rule->scope == POLICY_SCOPE_TENANT && !number)
		return false;
	for (size_t i = 0; i < rollout->tenant_count; i++)
		if (rollout->tenants[i] == number)
			return true;
	return !rollout->tenant_count;
}

static void tenants_fill(struct compiler *c)
{
	struct weir_policy *p = &c->image->policy;

	for (size_t number = 0; number <= c->policy->tenant_count; number++)
		for (uint32_t i = 0; i < p->limit_count; i++)
			if (tenant_accepts(&c->drafts[i], number))
				p->tenant_limits[number] |= 1ULL << i;
	if (c->policy->tenant_count) /* also without a limit of theirs: what they use is counted */
		p->flags |= WEIR_POLICY_BY_TENANT;
}

/* IPv4 lies within IPv6 as ::ffff:0:0/96, but who writes ::/0 does not mean IPv4. */
static const struct prefix all_ipv4 = {{[10] = 0xff, [11] = 0xff}, 96};

static bool spans_ipv4(const struct prefix *p)
{
	return p->bits < all_ipv4.bits && prefix_covers(p, &all_ipv4);
}

bool policy_prefix_means(const struct prefix *p, const struct prefix *other)
{
	return prefix_covers(p, other) && !(spans_ipv4(p) && prefix_covers(&all_ipv4, other));
}

struct set {
	const struct prefix *prefixes;
	size_t count; /* 0: none is named */
};

/* The destinations (@source: sources) that a limit or tenant names. */
static struct set named_by_limit(const struct draft *d, bool source)
{
	if (source)
		return (struct set){d->rule->rollout.sources, d->rule->rollout.source_count};
	return d->service ? (struct set){d->service->dsts, d->service->dst_count} : (struct set){0};
}

/* The sources that its flag names, which hold it to nothing: the others may be in the share. */
static struct set named_by_flag(const struct compiler *c, const struct draft *d, bool source)
{
	const struct policy_flag_value *value = source ? compile_flag_targets(c, d) : NULL;

	return value ? (struct set){value->sources, value->source_count} : (struct set){0};
}

static struct set named_by_tenant(const struct policy_tenant *t, bool source)
{
	return source ? (struct set){t->srcs, t->src_count} : (struct set){t->dsts, t->dst_count};
}

static bool set_means(const struct set *set, const struct prefix *other)
{
	for (size_t i = 0; i < set->count; i++)
		if (policy_prefix_means(&set->prefixes[i], other))
			return true;
	return false;
}

/* The tenant that @prefix belongs to: the one with the longest prefix around it. 0 = none. */
static uint32_t tenant_of(const struct compiler *c, const struct prefix *prefix, bool source)
{
	uint32_t tenant = 0;
	int best = -1;

	if (!(c->image->policy.flags & WEIR_POLICY_BY_TENANT))
		return 0;
	for (size_t n = 0; n < c->policy->tenant_count; n++) {
		struct set set = named_by_tenant(&c->policy->tenants[n], source);

		for (size_t i = 0; i < set.count; i++) {
			if (set.prefixes[i].bits > best &&
			    policy_prefix_means(&set.prefixes[i], prefix)) {
				best = set.prefixes[i].bits;
				tenant = (uint32_t)n + 1;
			}
		}
	}
	return tenant;
}

static int compare_rows(const void *a, const void *b)
{
	const struct policy_prefix *x = a, *y = b;

	return prefix_compare(&x->prefix, &y->prefix);
}

struct rows {
	struct policy_prefix *row;
	size_t count;
	bool split; /* one spans IPv4, so that IPv4 as a whole must be told from it */
};

static void rows_add(struct rows *rows, struct set set)
{
	for (size_t i = 0; i < set.count; i++) {
		rows->split |= spans_ipv4(&set.prefixes[i]);
		rows->row[rows->count++].prefix = set.prefixes[i];
	}
}

/* Every prefix that a limit, flag or tenant names, once, sorted. A prefix may be named again by each
 * limit on its service. */
static int rows_collect(struct compiler *c, bool source, struct policy_prefix **ret,
			size_t *ret_count)
{
	bool tenants = c->image->policy.flags & WEIR_POLICY_BY_TENANT;
	struct rows rows = {0};
	size_t size = 1, kept = 0; /* one more for IPv4 as a whole */

	for (uint32_t i = 0; i < c->image->policy.limit_count; i++)
		size += named_by_limit(&c->drafts[i], source).count +
			named_by_flag(c, &c->drafts[i], source).count;
	for (size_t i = 0; tenants && i < c->policy->tenant_count; i++)
		size += named_by_tenant(&c->policy->tenants[i], source).count;
	rows.row = *ret = calloc(size, sizeof(*rows.row));
	if (!rows.row)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->image->policy.limit_count; i++) {
		rows_add(&rows, named_by_limit(&c->drafts[i], source));
		rows_add(&rows, named_by_flag(c, &c->drafts[i], source));
	}
	for (size_t i = 0; tenants && i < c->policy->tenant_count; i++)
		rows_add(&rows, named_by_tenant(&c->policy->tenants[i], source));
	if (rows.split)
		rows.row[rows.count++].prefix = all_ipv4;
	qsort(rows.row, rows.count, sizeof(*rows.row), compare_rows);
	for (size_t i = 0; i < rows.count; i++)
		if (!kept || prefix_compare(&rows.row[kept - 1].prefix, &rows.row[i].prefix) != 0)
			rows.row[kept++] = rows.row[i];
	*ret_count = kept;
	return 0;
}

static int rows_fill(struct compiler *c, bool source)
{
	struct policy_image *image = c->image;
	__u64 *any = source ? &image->policy.any_source : &image->policy.any_destination;
	struct policy_prefix **rows = source ? &image->sources : &image->destinations;
	size_t *count = source ? &image->source_count : &image->destination_count;
	int r = rows_collect(c, source, rows, count);

	if (r < 0)
		return r;
	for (uint32_t n = 0; n < image->policy.limit_count; n++)
		if (!named_by_limit(&c->drafts[n], source).count)
			*any |= 1ULL << n;
	for (size_t i = 0; i < *count; i++) {
		struct policy_prefix *row = &(*rows)[i];

		row->value.limits = *any;
		row->value.tenant = tenant_of(c, &row->prefix, source);
		for (uint32_t n = 0; n < image->policy.limit_count; n++) {
			struct set set = named_by_limit(&c->drafts[n], source);
			struct set targets = named_by_flag(c, &c->drafts[n], source);

			if (set_means(&set, &row->prefix))
				row->value.limits |= 1ULL << n;
			if (set_means(&targets, &row->prefix))
				row->targeted |= 1ULL << n;
		}
	}
	if (*count)
		image->policy.flags |= source ? WEIR_POLICY_BY_SOURCE : WEIR_POLICY_BY_DESTINATION;
	return 0;
}

/* One kind of packet that meets too many limits. */
struct crowd {
	uint64_t limits;
	const struct policy_prefix *destination, *source; /* NULL = others */
};

/* Name the limits and what they meet on; the last of them is the one too many. */
static int refuse_crowd(struct compiler *c, const struct crowd *crowd, const char *what)
{
	const struct policy_limit *last = &c->policy->fragment_limit;
	char names[300], prefix[PREFIX_TEXT_SIZE] = "other destinations", from[64] = "";
	struct text t;

	text_init(&t, names, sizeof(names));
	for (uint32_t i = 0; i < c->image->policy.limit_count; i++) {
		const struct policy_limit *rule = c->drafts[i].rule;

		if (!(crowd->limits >> i & 1))
			continue;
		text_printf(&t, "%s%s %s", t.length ? ", " : "", c->image->limits[i].name,
			    policy_unit_str(c->drafts[i].unit));
		if (rule->line > last->line)
			last = rule;
	}
	if (crowd->destination)
		prefix_format(&crowd->destination->prefix, prefix);
	if (crowd->source) {
		memcpy(from, " from ", 6);
		prefix_format(&crowd->source->prefix, from + 6);
	}
	return refuse_rule(c, last, -E2BIG, "policy.limits.crowded",
			   "%d limits apply to %s %s%s, at most %u may: %s",
			   __builtin_popcountll(crowd->limits), what,
			   c->image->destination_count ? prefix : "any destination", from,
			   WEIR_LIMITS_PER_PACKET, names);
}

static bool is_crowd(uint64_t limits)
{
	return __builtin_popcountll(limits) > WEIR_LIMITS_PER_PACKET;
}

/* What packets to @destination meet, whatever their source; then source by source. A packet's
 * tenant is its destination's, or else its source's. */
static bool crowd_find(const struct compiler *c, uint64_t limits,
		       const struct policy_prefix *destination, struct crowd *ret)
{
	const struct policy_image *image = c->image;
	const struct weir_policy *p = &image->policy;

	limits &= destination ? destination->value.limits : p->any_destination;
	if (!is_crowd(limits))
		return false;
	for (size_t i = 0; i <= image->source_count; i++) {
		const struct policy_prefix *source =
			i < image->source_count ? &image->sources[i] : NULL;
		uint64_t mask = limits & (source ? source->value.limits : p->any_source);
		uint32_t tenant = destination ? destination->value.tenant : 0;

		if (!tenant && source)
			tenant = source->value.tenant;
		mask &= p->tenant_limits[tenant];
		if (is_crowd(mask)) {
			*ret = (struct crowd){mask, destination, source};
			return true;
		}
	}
	return false;
}

static int check_class(struct compiler *c, uint64_t limits, const char *format, unsigned int number)
{
	const struct policy_image *image = c->image;
	struct crowd crowd;
	char what[64];

	limits &= ~image->policy.cookie_limits; /* tried apart from the others */
	if (!is_crowd(limits))
		return 0;
	for (size_t i = 0; i <= image->destination_count; i++) {
		if (!crowd_find(c, limits,
				i < image->destination_count ? &image->destinations[i] : NULL,
				&crowd))
			continue;
		snprintf(what, sizeof(what), format, number);
		return refuse_crowd(c, &crowd, what);
	}
	return 0;
}

/* The datapath tries a bounded number of limits per packet; no packet may find more, whether they
 * are in shadow or out of their hours. */
static int crowds_check(struct compiler *c)
{
	const struct weir_port_limits *ports = c->image->ports;
	const struct weir_policy *p = &c->image->policy;
	int r = 0;

	for (unsigned int i = 0; i < WEIR_PORTS && r == 0; i++) {
		if (!i || ports[i].tcp != ports[i - 1].tcp)
			r = check_class(c, ports[i].tcp, "TCP packets to port %u of", i);
		if (r == 0 && (!i || ports[i].udp != ports[i - 1].udp))
			r = check_class(c, ports[i].udp, "UDP packets to port %u of", i);
	}
	for (unsigned int i = 0; i < WEIR_PROTOCOLS && r == 0; i++) {
		r = check_class(c, p->protocol_limits[i], "packets of IP protocol %u to", i);
		if (r == 0)
			r = check_class(c, p->protocol_limits[i] | p->fragment_limits,
					"later fragments of IP protocol %u to", i);
	}
	return r;
}

int compile_tables(struct compiler *c)
{
	int r;

	masks_fill(c);
	tenants_fill(c);
	r = rows_fill(c, false);
	if (r == 0)
		r = rows_fill(c, true);
	return r < 0 ? r : crowds_check(c);
}
