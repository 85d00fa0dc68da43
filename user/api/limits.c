/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The limits: what they are, what they did, what they are doing; and the number that one follows. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/text.h"

/* What the rule says of one unit: its rate, or how many may be open, and its burst. */
static uint64_t format_rate(const struct policy_limit *rule, unsigned int unit,
			    char ret[static POLICY_UNITS_TEXT_SIZE])
{
	if (rule->algorithm == POLICY_QUOTA) {
		uint64_t amount = unit == WEIR_UNIT_BYTES	  ? rule->byte_burst
				  : unit == WEIR_UNIT_CONNECTIONS ? rule->connection_burst
								  : rule->burst;

		snprintf(ret, POLICY_UNITS_TEXT_SIZE, "%llu%s/%s", (unsigned long long)amount,
			 unit == WEIR_UNIT_BYTES ? "B" : "", policy_period_str(rule->period));
		return amount;
	}
	switch (unit) {
	case WEIR_UNIT_BYTES:
		policy_byte_rate_format(rule->byte_rate, ret);
		return rule->byte_burst;
	case WEIR_UNIT_CONNECTIONS:
		if (rule->connections.count)
			policy_rate_format(&rule->connections, ret);
		else /* every SYN is answered with a cookie */
			snprintf(ret, POLICY_UNITS_TEXT_SIZE, "0/s");
		return rule->connection_burst;
	case WEIR_UNIT_OPEN:
		policy_count_format(rule->open_connections, ret);
		return rule->open_connections;
	default:
		policy_rate_format(&rule->rate, ret);
		return rule->burst;
	}
}

/* Seconds since 1970, or null for what is not to be seen from here. */
static json_t *json_seconds(int64_t unix_time)
{
	return unix_time == INT64_MAX ? json_null() : json_time((uint64_t)unix_time * NSEC_PER_SEC);
}

static json_t *json_adaptive(const struct adaptive *a)
{
	if (!a)
		return json_null();
	return json_pack("{s:I, s:s, s:I, s:o, s:I, s:I, s:s?}", "factor_permille",
			 (json_int_t)a->factor, "target", policy_target_str(a->rule->target),
			 "threshold", (json_int_t)a->rule->threshold, "measured",
			 a->measured_yet ? json_integer((json_int_t)a->measured) : json_null(),
			 "min_permille", (json_int_t)a->rule->min, "max_permille",
			 (json_int_t)a->rule->max, "error",
			 a->error && a->error != -ENODATA ? strerror(-a->error) : NULL);
}

static json_t *json_exhaustion(const struct engine_limit *l)
{
	const struct exhaustion *x = l->exhaustion;

	return json_pack("{s:s, s:o, s:I, s:I}", "level", exhaustion_level_str(x->level), "since",
			 x->level ? json_time(l->exhausted_since_ns) : json_null(),
			 "coarse_packets", (json_int_t)(x->level ? x->coarse : 0), "full_packets",
			 (json_int_t)(x->level ? x->full : 0));
}

/* Whose packets share a cell: the parts of the key. */
static json_t *json_key(const struct policy_limit *rule, const struct weir_limit *limit)
{
	json_t *key = json_object();

	if (limit->key_parts & WEIR_KEY_SOURCE)
		json_object_set_new(
			key, "source",
			json_pack("{s:i, s:i}", "ip4", rule->prefix4, "ip6", rule->prefix6));
	if (limit->key_parts & WEIR_KEY_DESTINATION)
		json_object_set_new(key, "destination", json_true());
	if (limit->key_parts & WEIR_KEY_TENANT)
		json_object_set_new(key, "tenant", json_true());
	return key;
}

static const char *algorithm_str(const struct policy_limit *rule, unsigned int unit)
{
	return unit == WEIR_UNIT_OPEN ? "open" : policy_algorithm_str(rule->algorithm);
}

static const char *action_str(const struct policy_limit *rule)
{
	static const char *const words[] = {
		[WEIR_ACTION_DROP] = "drop",
		[WEIR_ACTION_MARK] = "mark",
		[WEIR_ACTION_MONITOR] = "monitor",
		[WEIR_ACTION_COOKIE] = "syn_cookie",
	};

	_Static_assert(ARRAY_SIZE(words) == WEIR_ACTION_MAX, "an action has no word");
	return words[rule->action];
}

static void put_counts(json_t *item, const struct weir_limit_count *counts)
{
	const struct {
		const char *key;
		uint64_t count;
	} members[] = {
		{"passed", counts->passed},
		{"dropped", counts->dropped + counts->replied},
		{"would_drop", counts->would_drop},
		{"marked", counts->marked},
		{"replied", counts->replied},
		{"coarse", counts->coarse},
		{"full", counts->full},
	};

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		json_object_set_new(item, members[i].key,
				    json_integer((json_int_t)members[i].count));
}

/* "strict-dns", "!strict-dns", or null. */
static json_t *json_flag_of(const struct policy_limit *rule)
{
	if (!rule->flag)
		return json_null();
	return json_sprintf("%s%s", rule->flag_inverted ? "!" : "", rule->flag->name);
}

static json_t *json_limit(struct datapath *d, const struct weir_limit *limit,
			  const struct engine_limit *l)
{
	const struct policy_limit *rule = l->rule;
	struct weir_limit_count counts = {0};
	char rate[POLICY_UNITS_TEXT_SIZE];
	uint64_t burst = format_rate(rule, limit->unit, rate);
	json_t *item;

	datapath_read_limit_count(d, limit->slot, &counts);
	item = json_pack(
		"{s:s, s:s, s:s, s:s, s:o, s:s?, s:s, s:I, s:I, s:s, s:b, s:b, s:b, s:o}", "name",
		datapath_slot_name(d, limit->slot), "unit", policy_unit_str(limit->unit), "scope",
		policy_scope_str(rule->scope), "algorithm", algorithm_str(rule, limit->unit), "key",
		json_key(rule, limit), "service", rule->service ? rule->service->name : NULL,
		"rate", rate, "burst", (json_int_t)burst, "line", (json_int_t)rule->line, "action",
		action_str(rule), "shadow", rule->shadow, "in_force", l->in_force, "off", l->off,
		"changes_at", json_seconds(l->changes_at));
	json_object_set_new(item, "flag", json_flag_of(rule));
	json_object_set_new(item, "flag_off", json_boolean(l->flag_off));
	json_object_set_new(item, "adaptive", json_adaptive(l->adaptive));
	json_object_set_new(item, "state", json_exhaustion(l));
	put_counts(item, &counts);
	return item;
}

void handle_limits(struct call *c)
{
	struct datapath *d = engine_datapath(c->engine);
	json_t *items = json_array();
	struct engine_limit l;
	size_t count;
	const struct weir_limit *limits = datapath_limits(d, &count);

	for (size_t i = 0; i < count && engine_limit(c->engine, i, &l); i++)
		json_array_append_new(items, json_limit(d, &limits[i], &l));
	reply_json(c, 200, json_pack("{s:o}", "items", items));
}

/* Start from the limit's name and unit; @rest, whose reference is taken, has the other members. */
static void append_limit(json_t *items, const struct datapath *d, const struct weir_limit *limit,
			 json_t *rest)
{
	json_object_set_new(rest, "limit", json_string(datapath_slot_name(d, limit->slot)));
	json_object_set_new(rest, "unit", json_string(policy_unit_str(limit->unit)));
	json_array_append_new(items, rest);
}

json_t *json_state(const struct engine *e)
{
	const struct datapath *d = engine_datapath(e);
	json_t *exhausted = json_array();
	struct engine_limit l;
	size_t count;
	const struct weir_limit *limits = datapath_limits(d, &count);

	for (size_t i = 0; i < count && engine_limit(e, i, &l); i++)
		if (l.exhaustion->level)
			append_limit(exhausted, d, &limits[i], json_exhaustion(&l));
	return json_pack("{s:I, s:f, s:o}", "sources_max", (json_int_t)datapath_sources(d),
			 "cells_busy", datapath_cells_busy(d), "exhausted", exhausted);
}

json_t *json_waiting(const struct engine *e)
{
	const struct datapath *d = engine_datapath(e);
	json_t *items = json_array();
	struct engine_limit l;
	size_t count;
	const struct weir_limit *limits = datapath_limits(d, &count);

	for (size_t i = 0; i < count && engine_limit(e, i, &l); i++)
		if (!l.in_force)
			append_limit(items, d, &limits[i],
				     json_pack("{s:b, s:o, s:o, s:b}", "off", l.off, "from",
					       json_seconds(l.changes_at), "flag",
					       json_flag_of(l.rule), "flag_off", l.flag_off));
	return items;
}

json_t *json_adaptive_limits(const struct engine *e)
{
	const struct datapath *d = engine_datapath(e);
	json_t *items = json_array();
	struct engine_limit l;
	size_t count;
	const struct weir_limit *limits = datapath_limits(d, &count);

	for (size_t i = 0; i < count && engine_limit(e, i, &l); i++)
		if (l.adaptive)
			append_limit(items, d, &limits[i], json_adaptive(l.adaptive));
	return items;
}

static void put_limit_packets(struct metrics *m, const char *name, const char *unit,
			      const struct weir_limit_count *counts)
{
	const struct {
		const char *result;
		uint64_t count;
	} results[] = {
		{"passed", counts->passed},	    {"dropped", counts->dropped},
		{"would_drop", counts->would_drop}, {"marked", counts->marked},
		{"replied", counts->replied},
	};

	for (size_t i = 0; i < ARRAY_SIZE(results); i++)
		metrics_sample(m, results[i].count, "limit", name, "unit", unit, "result",
			       results[i].result, NULL);
}

/* What is measured, in the base units of Prometheus. */
static double in_base_unit(enum policy_target target, uint64_t value)
{
	return target == POLICY_TARGET_SOFTIRQ ? (double)value / 1000 : (double)value;
}

static void put_adaptive(struct metrics *m, enum metric family, const struct adaptive *a,
			 const char *name, const char *unit)
{
	const char *target = policy_target_str(a->rule->target);
	bool known = a->measured_yet && !a->error;

	if (family == METRIC_ADAPTIVE_FACTOR)
		metrics_sample_double(m, (double)a->factor / 1000, "limit", name, "unit", unit,
				      NULL);
	else if (family == METRIC_ADAPTIVE_THRESHOLD)
		metrics_sample_double(m, in_base_unit(a->rule->target, a->rule->threshold), "limit",
				      name, "unit", unit, "target", target, NULL);
	else
		metrics_sample_double(
			m, known ? in_base_unit(a->rule->target, a->measured) : (double)NAN,
			"limit", name, "unit", unit, "target", target, NULL);
}

/* One limit's sample of one family. */
static void put_limit(struct metrics *m, enum metric family, const struct engine_limit *l,
		      const struct weir_limit_count *counts, const char *name, const char *unit)
{
	uint64_t value;

	switch (family) {
	case METRIC_LIMIT_PACKETS_TOTAL:
		return put_limit_packets(m, name, unit, counts);
	case METRIC_LIMIT_IN_FORCE:
		value = l->in_force;
		break;
	case METRIC_LIMIT_SHADOW:
		value = l->rule->shadow;
		break;
	case METRIC_LIMIT_COARSE_TOTAL:
		value = counts->coarse;
		break;
	case METRIC_LIMIT_FULL_TOTAL:
		value = counts->full;
		break;
	case METRIC_STATE_EXHAUSTED:
		value = l->exhaustion->level;
		break;
	default:
		if (l->adaptive)
			put_adaptive(m, family, l->adaptive, name, unit);
		return;
	}
	metrics_sample(m, value, "limit", name, "unit", unit, NULL);
}

void put_limits(struct metrics *m, struct call *c)
{
	static const enum metric families[] = {
		METRIC_LIMIT_PACKETS_TOTAL, METRIC_LIMIT_IN_FORCE,    METRIC_LIMIT_SHADOW,
		METRIC_LIMIT_COARSE_TOTAL,  METRIC_LIMIT_FULL_TOTAL,  METRIC_STATE_EXHAUSTED,
		METRIC_ADAPTIVE_FACTOR,	    METRIC_ADAPTIVE_MEASURED, METRIC_ADAPTIVE_THRESHOLD,
	};
	struct datapath *d = engine_datapath(c->engine);
	struct weir_limit_count counts[WEIR_LIMITS_MAX];
	struct engine_limit l;
	size_t count;
	const struct weir_limit *limits = datapath_limits(d, &count);

	for (size_t i = 0; i < count; i++)
		datapath_read_limit_count(d, limits[i].slot, &counts[i]);
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		metrics_family(m, families[f]);
		for (size_t i = 0; i < count && engine_limit(c->engine, i, &l); i++)
			put_limit(m, families[f], &l, &counts[i],
				  datapath_slot_name(d, limits[i].slot),
				  policy_unit_str(limits[i].unit));
	}
}

/* Units per second; of what has no rate, 0. */
static double rate_of(const struct policy_limit *rule, unsigned int unit)
{
	const struct policy_rate *rate =
		unit == WEIR_UNIT_CONNECTIONS ? &rule->connections : &rule->rate;

	if (unit == WEIR_UNIT_BYTES)
		return (double)rule->byte_rate;
	if (unit == WEIR_UNIT_OPEN || !rate->per_ns)
		return 0;
	return (double)rate->count * NSEC_PER_SEC / (double)rate->per_ns;
}

static void put_bound(struct metrics *m, enum metric family, const struct datapath *d,
		      const struct weir_limit *limit, const struct policy_limit *rule)
{
	static const uint8_t anybody[16];
	const char *name = datapath_slot_name(d, limit->slot), *unit = policy_unit_str(limit->unit);
	struct datapath_bucket bucket;
	char text[POLICY_UNITS_TEXT_SIZE];

	if (rule->algorithm == POLICY_QUOTA) /* tenants.c has them */
		return;
	if (family == METRIC_LIMIT_RATE)
		metrics_sample_double(m, rate_of(rule, limit->unit), "limit", name, "unit", unit,
				      NULL);
	else if (family == METRIC_LIMIT_BURST)
		metrics_sample(m, format_rate(rule, limit->unit, text), "limit", name, "unit", unit,
			       NULL);
	else if (!limit->key_parts && datapath_read_bucket(d, limit, anybody, &bucket) == 0)
		metrics_sample(m, bucket.available, "limit", name, "unit", unit, NULL);
}

void put_limit_bounds(struct metrics *m, struct call *c)
{
	static const enum metric families[] = {METRIC_LIMIT_RATE, METRIC_LIMIT_BURST,
					       METRIC_LIMIT_ROOM};
	const struct datapath *d = engine_datapath(c->engine);
	struct engine_limit l;
	size_t count;
	const struct weir_limit *limits = datapath_limits(d, &count);

	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		metrics_family(m, families[f]);
		for (size_t i = 0; i < count && engine_limit(c->engine, i, &l); i++)
			put_bound(m, families[f], d, &limits[i], l.rule);
	}
}

void put_cells(struct metrics *m, struct call *c)
{
	const struct datapath *d = engine_datapath(c->engine);

	metrics_family(m, METRIC_CELLS_BUSY_RATIO);
	metrics_sample_double(m, datapath_cells_busy(d), NULL);
	metrics_single(m, METRIC_SOURCES_MAX, datapath_sources(d));
}

/* {"value": 42} and nothing else. */
static int read_value(struct call *c, uint64_t *ret)
{
	json_error_t where;
	json_t *body =
		json_loadb(c->request->body, c->request->length, JSON_REJECT_DUPLICATES, &where);
	const json_t *value = json_object_get(body, "value");
	int r = -EINVAL;

	if (!json_is_object(body))
		reply_problem(c, 400, "request.json", "the body is no JSON object: %s",
			      body ? "it is something else" : where.text);
	else if (json_object_size(body) != 1 || !json_is_integer(value) ||
		 json_integer_value(value) < 0)
		reply_problem(c, 422, "request.member",
			      "the body must be {\"value\": N}, N a whole number from 0 to %llu",
			      POLICY_POSTED_MAX);
	else
		r = 0;
	*ret = r == 0 ? (uint64_t)json_integer_value(value) : 0;
	json_decref(body);
	return r;
}

/* PUT /v1/limits/NAME/target */
void handle_limit_put(struct call *c)
{
	static const char suffix[] = "/target";
	size_t length = strlen(c->rest), tail = sizeof(suffix) - 1;
	char name[POLICY_NAME_MAX + 1];
	bool recorded = false;
	struct fault f = {0};
	uint64_t value;
	json_t *answer;

	if (length <= tail || strcmp(c->rest + length - tail, suffix) != 0)
		return reply_problem(c, 404, "request.path", "there is nothing at this path");
	if (length - tail >= sizeof(name))
		return reply_problem(c, 404, "limits.absent", "no limit has so long a name");
	snprintf(name, sizeof(name), "%.*s", (int)(length - tail), c->rest);
	if (read_value(c, &value) < 0)
		return;
	if (engine_post_target(c->engine, name, value, &c->actor, &recorded, &f) < 0)
		return reply_fault(c, &f);
	answer = json_pack("{s:s, s:I, s:b}", "limit", name, "value", (json_int_t)value, "recorded",
			   recorded);
	if (recorded)
		reply_changed(c, 200, answer);
	else
		reply_json(c, 200, answer);
}
