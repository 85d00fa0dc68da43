/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flags: what they are set to and by whom, and setting them. */
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "base/clock.h"
#include "engine/flags.h"

static json_t *json_prefixes(const struct prefix *prefixes, size_t count)
{
	char cidr[PREFIX_TEXT_SIZE];
	json_t *items = json_array();

	for (size_t i = 0; i < count; i++) {
		prefix_format(&prefixes[i], cidr);
		json_array_append_new(items, json_string(cidr));
	}
	return items;
}

static json_t *json_policy_tenants(const struct policy *policy, const struct policy_flag *flag)
{
	json_t *items = json_array();

	for (size_t i = 0; i < flag->tenant_count; i++)
		json_array_append_new(items,
				      json_string(policy->tenants[flag->tenants[i] - 1].name));
	return items;
}

static json_t *json_sources(const struct engine_flag *f)
{
	if (f->setting && f->setting->has_sources)
		return json_prefixes(f->setting->sources, f->setting->source_count);
	return json_prefixes(f->policy ? f->policy->sources : NULL,
			     f->policy ? f->policy->source_count : 0);
}

static json_t *json_tenants(const struct policy *policy, const struct engine_flag *f)
{
	json_t *items = json_array();

	if (!(f->setting && f->setting->has_tenants)) {
		json_decref(items);
		return f->policy ? json_policy_tenants(policy, f->policy) : json_array();
	}
	for (size_t i = 0; i < f->setting->tenant_count; i++)
		json_array_append_new(items, json_string(f->setting->tenants[i]));
	return items;
}

static json_t *json_rollout(unsigned int permille)
{
	char text[POLICY_ROLLOUT_SIZE];

	policy_rollout_format(permille, text);
	return json_string(text);
}

/* The limits that the flag switches; with a '!' those that it is inverted for. */
static json_t *json_limits_of(const struct policy *policy, const struct policy_flag *flag)
{
	json_t *items = json_array();

	for (size_t i = 0; flag && i < policy->limit_count; i++)
		if (policy->limits[i].flag == flag)
			json_array_append_new(
				items,
				json_sprintf("%s%s", policy->limits[i].flag_inverted ? "!" : "",
					     policy->limits[i].name));
	return items;
}

/* Which values are not the policy's. */
static json_t *json_set(const struct flag_setting *s)
{
	json_t *items = json_array();

	if (s && s->has_enabled)
		json_array_append_new(items, json_string("enabled"));
	if (s && s->has_rollout)
		json_array_append_new(items, json_string("rollout"));
	if (s && s->has_sources)
		json_array_append_new(items, json_string("sources"));
	if (s && s->has_tenants)
		json_array_append_new(items, json_string("tenants"));
	return items;
}

static json_t *json_policy_says(const struct policy *policy, const struct policy_flag *flag)
{
	if (!flag)
		return json_null();
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:I}", "enabled", flag->enabled, "rollout",
			 json_rollout(flag->permille), "sources",
			 json_prefixes(flag->sources, flag->source_count), "tenants",
			 json_policy_tenants(policy, flag), "expires",
			 flag->expires == POLICY_FLAG_NEVER
				 ? json_null()
				 : json_time((uint64_t)flag->expires * NSEC_PER_SEC),
			 "line", (json_int_t)flag->line);
}

static json_t *json_flag(const struct engine *e, const struct engine_flag *f)
{
	const struct policy *policy = engine_policy(e);
	const struct flag_setting *s = f->setting;

	return json_pack(
		"{s:s, s:s?, s:b, s:b, s:b, s:b, s:o, s:I, s:o, s:o, s:o, s:o, s:s?, s:o, s:o, "
		"s:s?, s:o}",
		"name", f->name, "description", f->policy ? f->policy->description : NULL,
		"enabled", f->enabled, "expired", f->expired, "orphaned", !f->policy, "in_force",
		f->enabled && f->policy && !f->expired, "rollout", json_rollout(f->permille),
		"rollout_permille", (json_int_t)f->permille, "sources", json_sources(f), "tenants",
		json_tenants(policy, f), "limits", json_limits_of(policy, f->policy), "set",
		json_set(s), "set_by", s ? s->set_by : NULL, "set_at",
		s ? json_time(s->set_ns) : json_null(), "until",
		s ? json_time(s->until_ns) : json_null(), "reason", s ? s->reason : NULL, "policy",
		json_policy_says(policy, f->policy));
}

static bool find(const struct engine *e, const char *name, struct engine_flag *ret)
{
	for (size_t i = 0; engine_flag(e, i, ret); i++)
		if (strcmp(ret->name, name) == 0)
			return true;
	return false;
}

static json_t *json_flag_in_short(const struct engine_flag *f)
{
	return json_pack("{s:s, s:b, s:b, s:b, s:o}", "name", f->name, "enabled", f->enabled,
			 "expired", f->expired, "orphaned", !f->policy, "rollout",
			 json_rollout(f->permille));
}

json_t *json_flags_set(const struct call *c)
{
	bool whole = call_may(c, PERMISSION_FLAGS_READ);
	json_t *items = json_array();
	struct engine_flag f;

	for (size_t i = 0; engine_flag(c->engine, i, &f); i++)
		if (f.setting)
			json_array_append_new(items, whole ? json_flag(c->engine, &f)
							   : json_flag_in_short(&f));
	return items;
}

void put_flags(struct metrics *m, struct call *c)
{
	const struct policy *policy = engine_policy(c->engine);
	struct engine_flag f;

	if (!policy->flag_count)
		return;
	metrics_family(m, METRIC_FLAG_ENABLED);
	for (size_t i = 0; i < policy->flag_count && engine_flag(c->engine, i, &f); i++)
		metrics_sample(m, f.enabled && !f.expired, "flag", f.name, NULL);
	metrics_family(m, METRIC_FLAG_ROLLOUT_RATIO);
	for (size_t i = 0; i < policy->flag_count && engine_flag(c->engine, i, &f); i++)
		metrics_sample_double(m, (double)f.permille / POLICY_FLAG_ALL, "flag", f.name,
				      NULL);
}

void handle_flags(struct call *c)
{
	json_t *items = json_array();
	struct engine_flag f;

	for (size_t i = 0; engine_flag(c->engine, i, &f); i++)
		json_array_append_new(items, json_flag(c->engine, &f));
	reply_json(c, 200, json_pack("{s:o}", "items", items));
}

void handle_flag_get(struct call *c)
{
	struct engine_flag f;

	if (!find(c->engine, c->rest, &f))
		return reply_problem(c, 404, "flags.absent", "there is no flag '%.60s'", c->rest);
	reply_json(c, 200, json_flag(c->engine, &f));
}

/* What a body may have, and its words for the engine. */
struct body {
	struct engine_flag_change change;
	const char *sources[FLAG_SOURCES_MAX + 1], *tenants[FLAG_TENANTS_MAX + 1];
};

/* One more than the engine takes is enough to be refused by it. */
static int read_strings(struct call *c, const char *key, const json_t *value, const char **ret,
			size_t max, size_t *ret_count)
{
	size_t count = json_array_size(value);

	for (size_t i = 0; json_is_array(value) && i < count; i++) {
		const char *word = json_string_value(json_array_get(value, i));

		if (!word)
			break;
		if (i < max)
			ret[i] = word;
		if (i + 1 == count) {
			*ret_count = count < max ? count : max;
			return 0;
		}
	}
	if (json_is_array(value) && !count) {
		*ret_count = 0;
		return 0;
	}
	reply_problem(c, 422, "request.member", "'%s' must be a list of strings", key);
	return -EINVAL;
}

static int read_string(struct call *c, const char *key, const json_t *value, const char **ret)
{
	*ret = json_string_value(value);
	if (*ret)
		return 0;
	reply_problem(c, 422, "request.member", "'%s' must be a string", key);
	return -EINVAL;
}

static int read_member(struct call *c, const char *key, const json_t *value, struct body *b)
{
	struct engine_flag_change *change = &b->change;

	if (strcmp(key, "enabled") == 0) {
		change->has_enabled = true;
		change->enabled = json_is_true(value);
		if (json_is_boolean(value))
			return 0;
		reply_problem(c, 422, "request.member", "'enabled' must be true or false");
		return -EINVAL;
	}
	if (strcmp(key, "rollout") == 0)
		return read_string(c, key, value, &change->rollout);
	if (strcmp(key, "reason") == 0)
		return read_string(c, key, value, &change->reason);
	if (strcmp(key, "ttl") == 0) {
		change->for_ever = json_is_null(value);
		return change->for_ever ? 0 : read_string(c, key, value, &change->ttl);
	}
	if (strcmp(key, "sources") == 0) {
		change->has_sources = true;
		change->sources = b->sources;
		return read_strings(c, key, value, b->sources, ARRAY_SIZE(b->sources),
				    &change->source_count);
	}
	if (strcmp(key, "tenants") == 0) {
		change->has_tenants = true;
		change->tenants = b->tenants;
		return read_strings(c, key, value, b->tenants, ARRAY_SIZE(b->tenants),
				    &change->tenant_count);
	}
	reply_problem(c, 422, "request.member",
		      "unknown member '%.40s': enabled, rollout, sources, tenants, ttl and reason "
		      "are known",
		      key);
	return -EINVAL;
}

static void set_flag(struct call *c, json_t *body)
{
	struct body b = {0};
	struct engine_flag flag;
	struct fault f = {0};
	const char *key;
	json_t *value;
	bool persisted;

	json_object_foreach (body, key, value)
		if (read_member(c, key, value, &b) < 0)
			return;
	if (engine_flag_set(c->engine, c->rest, &b.change, &c->actor, &persisted, &f) < 0)
		return reply_fault(c, &f);
	if (!find(c->engine, c->rest, &flag))
		return reply_problem(c, 500, "flags.absent", "the flag is gone again");
	reply_changed(c, 200,
		      json_pack("{s:o, s:b}", "flag", json_flag(c->engine, &flag), "persisted",
				persisted));
}

void handle_flag_put(struct call *c)
{
	json_error_t where;
	json_t *body =
		json_loadb(c->request->body, c->request->length, JSON_REJECT_DUPLICATES, &where);

	if (json_is_object(body))
		set_flag(c, body);
	else
		reply_problem(c, 400, "request.json", "the body is no JSON object: %s",
			      body ? "it is something else" : where.text);
	json_decref(body);
}

void handle_flag_delete(struct call *c)
{
	struct engine_flag flag;
	struct fault f = {0};
	bool persisted;

	if (engine_flag_unset(c->engine, c->rest, &c->actor, &persisted, &f) < 0)
		return reply_fault(c, &f);
	reply_changed(c, 200,
		      json_pack("{s:o, s:b}", "flag",
				find(c->engine, c->rest, &flag) ? json_flag(c->engine, &flag)
								: json_null(),
				"persisted", persisted));
}
