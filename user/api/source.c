/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Everything known about one address. */
#include <string.h>

#include <weir/vocabulary.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/words.h"
#include "engine/flags.h"

/* What becomes of a packet that is over the limit, at this moment. */
static const char *limit_effect(const struct engine *e, const struct engine_limit *l, bool applies)
{
	if (!applies)
		return "none";
	if (l->rule->shadow || l->rule->action == WEIR_ACTION_MONITOR ||
	    engine_policy(e)->mode != WEIR_MODE_ENFORCE)
		return "count";
	return l->rule->action == WEIR_ACTION_MARK ? "mark" : "drop";
}

/* The limits that are per source, as far as the source alone decides: others have no bucket of it. */
static json_t *json_buckets(struct call *c, const uint8_t source[static 16], bool *ret_over)
{
	struct datapath *d = engine_datapath(c->engine);
	json_t *items = json_array();
	struct engine_limit l;
	size_t count;
	const struct weir_limit *limits = datapath_limits(d, &count);

	*ret_over = false;
	for (size_t i = 0; i < count && engine_limit(c->engine, i, &l); i++) {
		bool applies = l.in_force && engine_flag_applies(c->engine, l.rule, source);
		const char *effect = limit_effect(c->engine, &l, applies);
		struct datapath_bucket bucket;

		if (!(limits[i].key_parts & WEIR_KEY_SOURCE) ||
		    datapath_read_bucket(d, &limits[i], source, &bucket) < 0)
			continue;
		/* In mode monitor the verdict is what enforcing would make of it, and said to be. */
		*ret_over |= bucket.wait_ns > 0 && applies && !l.rule->shadow &&
			     l.rule->action == WEIR_ACTION_DROP;
		json_array_append_new(
			items, json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:s}", "name",
					 datapath_slot_name(d, limits[i].slot), "unit",
					 policy_unit_str(limits[i].unit), "algorithm",
					 policy_algorithm_str(l.rule->algorithm), "known",
					 bucket.known, "available", (json_int_t)bucket.available,
					 "burst", (json_int_t)bucket.burst, "wait_ns",
					 (json_int_t)bucket.wait_ns, "effect", effect));
	}
	return items;
}

/* A window tells of packets that did not get through, or would not if the policy were enforced. */
static bool is_drop(const struct engine *e, const struct events_window *w)
{
	if (w->verdict == WEIR_VERDICT_WOULD_DROP)
		return engine_policy(e)->mode != WEIR_MODE_ENFORCE;
	return w->verdict != WEIR_VERDICT_MARK;
}

static json_t *json_recent(struct call *c, const uint8_t source[static 16], bool *ret_dropped)
{
	struct events_window windows[RECORDER_SOURCE_WINDOWS_MAX];
	uint64_t offset_ns = clock_real_ns() - clock_monotonic_ns();
	size_t count = recorder_of_source(engine_recorder(c->engine), source, windows);
	json_t *items = json_array();

	*ret_dropped = false;
	for (size_t i = 0; i < count; i++) {
		const struct events_window *w = &windows[i];
		const char *limit =
			w->limit == WEIR_NO_LIMIT
				? NULL
				: datapath_slot_name(engine_datapath(c->engine), w->limit);

		*ret_dropped |= is_drop(c->engine, w);
		json_array_append_new(
			items, json_pack("{s:s, s:s, s:s?, s:I, s:I, s:o, s:o}", "reason",
					 reason_to_str(w->reason), "verdict",
					 verdict_to_str(w->verdict), "limit", limit, "packets",
					 (json_int_t)w->packets, "bytes", (json_int_t)w->bytes,
					 "first_seen", json_time(w->first_ns + offset_ns),
					 "last_seen", json_time(w->last_ns + offset_ns)));
	}
	return items;
}

static bool can_be_undone(const struct list_entry *entry)
{
	return entry->key.origin == LIST_OPERATOR || entry->key.origin == LIST_RECOVERED;
}

/* What the datapath would say to this source's next packet, as far as the source alone decides; and
 * the entry that does, if one does. */
static const char *source_verdict(const struct engine *e, const uint8_t source[static 16],
				  bool over, bool dropped, struct list_entry *ret_entry,
				  bool *ret_listed)
{
	struct list_entry entries[LIST_COVERING_MAX];
	size_t count = list_set_covering(engine_lists(e), source, clock_monotonic_ns(), entries);

	*ret_listed = count > 0;
	/* Entries come with allow before block, and an operator's can be undone at once. */
	for (size_t i = 0; i < count && entries[i].key.kind == entries[0].key.kind; i++)
		if (!i || can_be_undone(&entries[i]))
			*ret_entry = entries[i];
	if (*ret_listed)
		return ret_entry->key.kind == LIST_ALLOW ? "allowed" : "blocked";
	if (over)
		return "over_limit";
	return dropped ? "dropped_lately" : "within_limits";
}

/* The command that lets the source through; null if nothing stops it. */
static json_t *json_undo(const struct list_entry *entry, const char *address, const char *verdict)
{
	char cidr[PREFIX_TEXT_SIZE];

	if (strcmp(verdict, "allowed") == 0 || strcmp(verdict, "within_limits") == 0)
		return json_null();
	if (!entry || !can_be_undone(entry))
		return json_sprintf("weir allow %s --ttl 1h", address);
	prefix_format(&entry->key.prefix, cidr);
	return json_sprintf("weir unblock %s", cidr);
}

void handle_source(struct call *c)
{
	struct list_entry entry;
	char text[ADDRESS_TEXT_SIZE];
	uint8_t source[16];
	bool over, dropped, listed;
	json_t *limits, *recent;
	const char *verdict;

	if (address_parse(c->rest, source) < 0)
		return reply_problem(c, 422, "source.address", "'%.60s' is no address", c->rest);
	address_format(source, text);
	limits = json_buckets(c, source, &over);
	recent = json_recent(c, source, &dropped);
	verdict = source_verdict(c->engine, source, over, dropped, &entry, &listed);
	reply_json(c, 200,
		   json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "address", text, "verdict",
			     verdict, "mode", policy_mode_str(engine_policy(c->engine)->mode),
			     "lists", json_covering(c->engine, source, -1), "limits", limits,
			     "recent", recent, "undo",
			     json_undo(listed ? &entry : NULL, text, verdict)));
}
