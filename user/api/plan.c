/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a policy would change, told before it is applied. */
#include "engine/plan.h"
#include "api/internal.h"

#define CHANGES_MAX 1000 /* that are told one by one */

static json_t *json_changes(const struct policy_changes *changes)
{
	json_t *items = json_array();

	for (size_t i = 0; i < changes->count && i < CHANGES_MAX; i++)
		json_array_append_new(
			items, json_pack("{s:s, s:s, s:s?, s:s?}", "change",
					 policy_change_kind_str(changes->items[i].kind), "path",
					 changes->items[i].path, "before", changes->items[i].before,
					 "after", changes->items[i].after));
	return items;
}

static json_t *json_plan_limits(const struct plan *plan)
{
	json_t *items = json_array();

	for (size_t i = 0; i < plan->limit_count; i++)
		json_array_append_new(items,
				      json_pack("{s:s, s:s, s:s}", "limit", plan->limits[i].name,
						"unit", policy_unit_str(plan->limits[i].unit),
						"state", plan_state_str(plan->limits[i].state)));
	return items;
}

static json_t *json_top(const struct traffic_top top[static TRAFFIC_TOP], const char *what)
{
	json_t *items = json_array();

	for (size_t i = 0; i < TRAFFIC_TOP && top[i].packets; i++)
		json_array_append_new(items, json_pack("{s:s, s:I, s:I}", what, top[i].name,
						       "packets", (json_int_t)top[i].packets,
						       "samples", (json_int_t)top[i].samples));
	return items;
}

static json_t *json_traffic(const struct traffic_trial *t)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:o, s:o}", "seconds",
			 (json_int_t)t->seconds, "samples", (json_int_t)t->samples, "lost_samples",
			 (json_int_t)t->lost_samples, "packets", (json_int_t)t->packets,
			 "dropped_then", (json_int_t)t->dropped_then, "dropped_now",
			 (json_int_t)t->dropped_now, "dropped_samples",
			 (json_int_t)t->dropped_samples, "unjudged", (json_int_t)t->unjudged,
			 "confidence", t->confidence, "sources", json_top(t->sources, "source"),
			 "rules", json_top(t->rules, "rule"));
}

/* Feeds that only this policy has: what they would add, and whom of those seen lately that hits. */
static json_t *json_new_feeds(const struct plan *plan)
{
	const struct outlook_feed *feed;
	char text[ADDRESS_TEXT_SIZE];
	json_t *items = json_array();

	for (size_t i = 0; (feed = outlook_feed(plan->outlook, i)); i++) {
		json_t *examples = json_array();

		for (size_t j = 0; j < feed->hosts && j < OUTLOOK_EXAMPLES; j++) {
			address_format(feed->examples[j], text);
			json_array_append_new(examples, json_string(text));
		}
		json_array_append_new(
			items, json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:s?, s:s?}", "feed",
					 feed->name, "list", list_kind_to_str(feed->kind), "file",
					 feed->file, "entries",
					 (json_int_t)(feed->content ? feed->content->count : 0),
					 "bad_lines", (json_int_t)feed->report.bad, "hosts",
					 (json_int_t)feed->hosts, "examples", examples, "code",
					 feed->fault.err ? feed->fault.code : NULL, "error",
					 feed->fault.err ? feed->fault.text : NULL));
	}
	return json_pack("{s:o, s:I, s:I}", "new", items, "hosts_seen", (json_int_t)plan->hosts,
			 "seconds", (json_int_t)plan->seconds);
}

static json_t *json_lacks(const struct plan *plan)
{
	json_t *items = json_array();

	for (size_t i = 0; i < plan->lack_count; i++)
		json_array_append_new(items, json_string(plan->lacks[i]));
	return items;
}

/* What applying it takes --force or a time to confirm for. */
static json_t *json_safety(const struct call *c, const struct plan *plan)
{
	struct safety_findings findings;

	engine_policy_findings(c->engine, plan->policy, plan->outlook, &c->actor, &findings);
	return json_findings(&findings);
}

void handle_policy_plan(struct call *c)
{
	const char *former = engine_policy(c->engine)->profile;
	struct engine_refusal refusal = {0};
	struct fault f = {0};
	struct plan plan;
	json_t *safety;

	if (engine_plan(c->engine, c->request->length ? c->request->body : NULL, c->request->length,
			http_argument(c->request, "profile"), &plan, &refusal, &f) < 0)
		return reply_refusal(c, &f, &refusal);
	safety = json_safety(c, &plan);
	reply_json(
		c, 200,
		json_pack(
			"{s:I, s:s, s:s, s:s?, s:s?, s:b, s:I, s:o, s:o, s:{s:{s:I, s:I, s:I, s:I}, "
			"s:{s:I, s:I, s:I, s:I}}, s:o, s:o, s:o, s:o}",
			"base", (json_int_t)datapath_generation(engine_datapath(c->engine)),
			"sha256", plan.policy->sha256, "mode", policy_mode_str(plan.policy->mode),
			"profile", plan.policy->profile, "profile_before", former, "changed",
			plan.changes.count != 0, "change_count", (json_int_t)plan.changes.count,
			"changes", json_changes(&plan.changes), "limits", json_plan_limits(&plan),
			"memory", "before", "sources", (json_int_t)plan.before.sources,
			"sources_bytes", (json_int_t)plan.before.cells_bytes, "entries",
			(json_int_t)plan.before.entries, "entries_bytes",
			(json_int_t)plan.before.entries_bytes, "after", "sources",
			(json_int_t)plan.after.sources, "sources_bytes",
			(json_int_t)plan.after.cells_bytes, "entries",
			(json_int_t)plan.after.entries, "entries_bytes",
			(json_int_t)plan.after.entries_bytes, "feeds", json_new_feeds(&plan),
			"lacks", json_lacks(&plan), "safety", safety, "traffic",
			json_traffic(&plan.traffic)));
	plan_done(&plan);
}
