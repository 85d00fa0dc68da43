/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A policy tried on the sample of the traffic: lists, match masks and limits as the datapath has them, with
 * its own algorithms. Cells are kept by tag, however many there are; what depends on a state that no sample
 * has (open connections) or on a part of the packet that was not looked at (ports of blocked ones) is told
 * as unjudged.
 */
#include <errno.h>
#include <string.h>

#include <weir/algorithm.h>
#include <weir/hash.h>
#include <weir/key.h>
#include <weir/vocabulary.h>

#include "base/clock.h"
#include "base/text.h"
#include "engine/traffic_internal.h"

#define CELLS	(1U << 19) /* powers of two */
#define SOURCES (1U << 18)

#define TCP 6

struct cell {
	uint64_t tag; /* 0 = free */
	uint64_t word;
};

/* What became of a source's packets. */
struct source {
	uint64_t address[2];
	uint64_t dropped;
	uint32_t samples;
	uint8_t used, listed; /* listed: its LIST_* + 1, 0 = on no list */
};

struct trial {
	const struct traffic_policy *p;
	struct cell *cells;
	struct source *sources;
	uint64_t rules[WEIR_LIMITS_MAX + 3];
	uint32_t rule_samples[WEIR_LIMITS_MAX + 3];
	struct traffic_trial *out;
};

enum { RULE_BLOCK = WEIR_LIMITS_MAX, RULE_FORM, RULE_FRAGMENT };

static void done(struct trial *t)
{
	free(t->cells);
	free(t->sources);
}

static int prepare(struct trial *t, struct fault *reterr)
{
	t->cells = calloc(CELLS, sizeof(*t->cells));
	t->sources = calloc(SOURCES, sizeof(*t->sources));
	if (!t->cells || !t->sources)
		return fault(reterr, -ENOMEM, "policy.memory", "out of memory");
	return 0;
}

static uint8_t listed(const struct trial *t, const uint64_t address[2])
{
	bool lists[LIST_KIND_MAX];

	outlook_ask(t->p->outlook, (const uint8_t *)address, lists);
	if (lists[LIST_ALLOW])
		return LIST_ALLOW + 1;
	return lists[LIST_BLOCK] ? LIST_BLOCK + 1 : 0;
}

/* NULL: there are more sources than there is room for; cannot be with as many samples. */
static struct source *source_of(struct trial *t, const struct weir_sample *s)
{
	uint64_t hash = weir_hash(s->source[0], s->source[1], 0, t->p->seed);
	struct source *source;

	for (uint64_t i = hash;; i++) {
		source = &t->sources[i & (SOURCES - 1)];
		if (!source->used)
			break;
		if (source->address[0] == s->source[0] && source->address[1] == s->source[1])
			return source;
	}
	*source = (struct source){.address = {s->source[0], s->source[1]}, .used = 1};
	source->listed = listed(t, source->address);
	return source;
}

/* Of what is tried, less than CELLS: each sample adds at most WEIR_LIMITS_PER_PACKET, sources repeat. */
static struct cell *cell_of(struct trial *t, uint64_t tag)
{
	for (uint64_t i = 0; i < 64; i++) {
		struct cell *cell = &t->cells[(tag + i) & (CELLS - 1)];

		if (!cell->tag)
			cell->tag = tag;
		if (cell->tag == tag)
			return cell;
	}
	return NULL;
}

static const struct weir_prefix_value *longest(const struct policy_prefix *prefixes, size_t count,
					       const __u64 address[2])
{
	const struct policy_prefix *best = NULL;
	struct prefix whole = {.bits = 128};

	memcpy(whole.address, address, sizeof(whole.address));
	for (size_t i = 0; i < count; i++)
		if ((!best || prefixes[i].prefix.bits > best->prefix.bits) &&
		    prefix_covers(&prefixes[i].prefix, &whole))
			best = &prefixes[i];
	return best ? &best->value : NULL;
}

/* As bpf/lib/match.h. */
static uint64_t match(const struct trial *t, const struct weir_sample *s, uint32_t *ret_tenant)
{
	const struct policy_image *image = t->p->image;
	const struct weir_policy *policy = &image->policy;
	uint64_t mask = policy->protocol_limits[s->protocol];
	const struct weir_prefix_value *value;

	*ret_tenant = 0;
	if (s->flags & WEIR_SAMPLE_LATER_FRAGMENT)
		mask |= policy->fragment_limits;
	else if (s->flags & WEIR_SAMPLE_PORT)
		mask = s->protocol == TCP ? image->ports[s->destination_port].tcp
					  : image->ports[s->destination_port].udp;
	if (s->class != WEIR_CLASS_SYN)
		mask &= ~policy->connection_limits;
	mask &= policy->active & ~policy->shadow_limits & ~policy->cookie_limits;
	if (mask && policy->flags & WEIR_POLICY_BY_DESTINATION) {
		value = longest(image->destinations, image->destination_count, s->destination);
		mask &= value ? value->limits : policy->any_destination;
		*ret_tenant = value ? value->tenant : 0;
	}
	if (mask && policy->flags & WEIR_POLICY_BY_SOURCE) {
		value = longest(image->sources, image->source_count, s->source);
		mask &= value ? value->limits : policy->any_source;
		if (value && !*ret_tenant)
			*ret_tenant = value->tenant;
	}
	if (policy->flags & WEIR_POLICY_BY_TENANT)
		mask &= policy->tenant_limits[*ret_tenant & (WEIR_TENANTS_MAX - 1)];
	return mask;
}

static bool has_room(const struct weir_limit *l, uint64_t word, uint64_t time, uint64_t units,
		     __u64 *ret_next)
{
	/* What would overflow is too much. */
	if (l->algorithm == WEIR_ALGORITHM_BUCKET && l->interval &&
	    units > (UINT64_MAX >> 2) / l->interval)
		return false;
	return algorithm_next(l, word, time, units, ret_next);
}

/* Of @weight packets of @units each, how many the limit has room for. */
static uint64_t admitted(const struct weir_limit *l, uint64_t word, uint64_t time, uint64_t units,
			 uint64_t weight)
{
	uint64_t low = 0, high = weight + 1;
	__u64 next;

	if (!units)
		return weight;
	/* A leaky bucket takes one at a time: what has leaked since, and one. */
	if (l->algorithm == WEIR_ALGORITHM_BUCKET && !l->burst) {
		uint64_t cost = bucket_cost(l, units);
		uint64_t idle = word && (int64_t)(time - word) > 0 ? time - word : 0;

		if (!has_room(l, word, time, units, &next))
			return 0;
		return cost && idle / cost + 1 < weight ? idle / cost + 1 : weight;
	}
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (has_room(l, word, time, middle * units, &next))
			low = middle;
		else
			high = middle;
	}
	return low;
}

static bool is_rolled_out(const struct trial *t, const struct weir_limit *l,
			  const struct weir_sample *s)
{
	uint64_t hash;

	if (!l->rollout)
		return true;
	hash = weir_hash(s->source[0], s->flags & WEIR_SAMPLE_IP6 ? 0 : s->source[1], ~l->key,
			 t->p->seed);
	return (uint32_t)hash < l->rollout;
}

struct share {
	struct cell *cell;
	const struct weir_limit *limit;
	uint64_t units;
};

/* How many of the sample's packets all limits in @mask let through; *@ret_rule: the one that lets the fewest.
 * They are charged for those. */
static uint64_t weigh(struct trial *t, const struct weir_sample *s, uint64_t mask, uint32_t tenant,
		      unsigned int *ret_rule)
{
	const struct weir_key_parts parts = {s->source, s->destination, tenant,
					     s->flags & WEIR_SAMPLE_IP6};
	uint64_t time = s->time_ns << WEIR_TIME_SHIFT, pass = s->weight;
	struct share shares[WEIR_LIMITS_MAX];
	unsigned int count = 0;
	__u64 next;

	for (; mask; mask &= mask - 1) {
		unsigned int number = (unsigned int)__builtin_ctzll(mask);
		const struct weir_limit *l = &t->p->image->policy.limits[number];
		struct share *share = &shares[count];
		uint64_t room;

		if (!is_rolled_out(t, l, s))
			continue;
		share->cell = l->algorithm == WEIR_ALGORITHM_OPEN
				      ? NULL
				      : cell_of(t, weir_key_tag(l, &parts, t->p->seed));
		if (!share->cell) {
			t->out->unjudged += s->weight;
			continue;
		}
		share->limit = l;
		share->units = algorithm_units(l, s->class, s->length);
		count++;
		if (l->action != WEIR_ACTION_DROP)
			continue; /* refuses nothing */
		room = admitted(l, share->cell->word, time, share->units, s->weight);
		if (room < pass) {
			pass = room;
			*ret_rule = number;
		}
	}
	for (unsigned int i = 0; i < count && pass; i++)
		if (has_room(shares[i].limit, shares[i].cell->word, time, pass * shares[i].units,
			     &next) ||
		    !shares[i].limit->burst)
			shares[i].cell->word = next;
	return pass;
}

/* How many of the packets of @s pass; *@ret_rule says what refused the others. */
static uint64_t judge(struct trial *t, const struct weir_sample *s, const struct source *source,
		      unsigned int *ret_rule)
{
	const struct weir_policy *policy = &t->p->image->policy;
	uint32_t tenant;
	uint64_t mask;

	*ret_rule = RULE_FORM;
	if (s->reason == WEIR_REASON_NOT_IP)
		return policy->flags & WEIR_POLICY_DROP_NOT_IP ? 0 : s->weight;
	if (s->reason >= WEIR_REASON_VLAN_TRUNCATED)
		return policy->flags & WEIR_POLICY_DROP_MALFORMED ? 0 : s->weight;
	*ret_rule = RULE_BLOCK;
	if (s->reason == WEIR_REASON_NEIGHBOUR || source->listed == LIST_ALLOW + 1)
		return s->weight;
	if (source->listed)
		return 0;
	*ret_rule = RULE_FRAGMENT;
	if (s->flags & WEIR_SAMPLE_LATER_FRAGMENT && policy->flags & WEIR_POLICY_DROP_FRAGMENTS)
		return 0;
	if (s->reason == WEIR_REASON_BLOCKED || s->reason == WEIR_REASON_ALLOWED) {
		t->out->unjudged += s->weight; /* nobody looked at its ports */
		return s->weight;
	}
	mask = match(t, s, &tenant);
	return mask ? weigh(t, s, mask, tenant, ret_rule) : s->weight;
}

static void put_sample(struct trial *t, const struct weir_sample *s)
{
	struct source *source = source_of(t, s);
	struct traffic_trial *out = t->out;
	unsigned int rule;
	uint64_t dropped = s->weight - judge(t, s, source, &rule);

	out->samples++;
	out->packets += s->weight;
	if (s->verdict == WEIR_VERDICT_DROP || s->verdict == WEIR_VERDICT_REPLY)
		out->dropped_then += s->weight;
	source->samples++;
	if (!dropped)
		return;
	out->dropped_now += dropped;
	out->dropped_samples++;
	source->dropped += dropped;
	t->rules[rule] += dropped;
	t->rule_samples[rule]++;
}

/* Keep the largest. */
static void rank(struct traffic_top top[static TRAFFIC_TOP], const char *name, uint64_t packets,
		 uint32_t samples)
{
	size_t i = TRAFFIC_TOP;

	if (!packets || packets <= top[TRAFFIC_TOP - 1].packets)
		return;
	while (--i && top[i - 1].packets < packets)
		top[i] = top[i - 1];
	top[i].packets = packets;
	top[i].samples = samples;
	snprintf(top[i].name, sizeof(top[i].name), "%s", name);
}

static void rank_all(const struct trial *t)
{
	static const char *const others[] = {"block list", "malformed or not IP", "fragments"};
	char name[POLICY_NAME_MAX + 48];

	for (size_t i = 0; i < SOURCES; i++) {
		const struct source *source = &t->sources[i];

		if (!source->dropped)
			continue;
		address_format((const uint8_t *)source->address, name);
		rank(t->out->sources, name, source->dropped, source->samples);
	}
	for (size_t i = 0; i < t->p->image->policy.limit_count; i++) {
		const struct policy_image_limit *limit = &t->p->image->limits[i];

		snprintf(name, sizeof(name), "limit %s (%s)", limit->name,
			 policy_unit_str(limit->unit));
		rank(t->out->rules, name, t->rules[i], t->rule_samples[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		rank(t->out->rules, others[i], t->rules[RULE_BLOCK + i],
		     t->rule_samples[RULE_BLOCK + i]);
}

/* By the rule of thumb that the relative error of a count is one over its root. */
static const char *confidence_of(const struct traffic_trial *out)
{
	uint32_t n = out->dropped_samples ?: out->samples;

	if (out->samples < TRAFFIC_MIN_SAMPLES)
		return "none";
	if (n < 100)
		return "low";
	return n < 1000 ? "fair" : "good";
}

int traffic_try(const struct traffic *t, const struct traffic_policy *p, struct traffic_trial *ret,
		struct fault *reterr)
{
	_cleanup_(done) struct trial trial = {.p = p, .out = ret};
	uint64_t oldest_ns = clock_monotonic_ns(), first_ns = 0, last_ns = 0;
	uint64_t from = t->count > TRAFFIC_SAMPLES_MAX ? t->count - TRAFFIC_SAMPLES_MAX : 0;
	int r;

	*ret = (struct traffic_trial){.lost_samples = t->lost};
	r = prepare(&trial, reterr);
	if (r < 0)
		return r;
	oldest_ns -= oldest_ns < TRAFFIC_SECONDS_MAX * NSEC_PER_SEC
			     ? oldest_ns
			     : TRAFFIC_SECONDS_MAX * NSEC_PER_SEC;
	/* Nearly in order: those of several CPUs within half a second of each other are not. */
	for (; from < t->count; from++) {
		const struct weir_sample *s = &t->samples[from % TRAFFIC_SAMPLES_MAX];

		if (s->time_ns < oldest_ns)
			continue;
		first_ns = first_ns ?: s->time_ns;
		last_ns = s->time_ns > last_ns ? s->time_ns : last_ns;
		put_sample(&trial, s);
	}
	ret->seconds = last_ns > first_ns ? (last_ns - first_ns) / NSEC_PER_SEC : 0;
	ret->confidence = confidence_of(ret);
	rank_all(&trial);
	return 0;
}
