/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Everything known about one address. */
#include <inttypes.h>
#include <string.h>

#include <weir/vocabulary.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/text.h"
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
static void put_buckets(struct text *t, struct call *c, const uint8_t source[static 16],
			bool *ret_over)
{
	struct datapath *d = engine_datapath(c->engine);
	const char *separator = "";
	struct engine_limit l;
	size_t count;
	const struct weir_limit *limits = datapath_limits(d, &count);

	*ret_over = false;
	for (size_t i = 0; i < count && engine_limit(c->engine, i, &l); i++) {
		bool applies = l.in_force && engine_flag_applies(c->engine, l.rule, source);
		struct datapath_bucket bucket;

		if (!(limits[i].key_parts & WEIR_KEY_SOURCE) ||
		    datapath_read_bucket(d, &limits[i], source, &bucket) < 0)
			continue;
		/* In mode monitor the verdict is what enforcing would make of it, and said to be. */
		*ret_over |= bucket.wait_ns > 0 && applies && !l.rule->shadow &&
			     l.rule->action == WEIR_ACTION_DROP;
		text_printf(t, "%s{\"name\":", separator);
		text_put_json(t, datapath_slot_name(d, limits[i].slot));
		text_printf(
			t,
			",\"unit\":\"%s\",\"algorithm\":\"%s\",\"known\":%s,\"available\":%" PRIu64
			",\"burst\":%" PRIu64 ",\"wait_ns\":%" PRIu64 ",\"effect\":\"%s\"}",
			policy_unit_str(limits[i].unit), policy_algorithm_str(l.rule->algorithm),
			bucket.known ? "true" : "false", bucket.available, bucket.burst,
			bucket.wait_ns, limit_effect(c->engine, &l, applies));
		separator = ",";
	}
}

/* A window tells of packets that did not get through, or would not if the policy were enforced. */
static bool is_drop(const struct engine *e, const struct events_window *w)
{
	if (w->verdict == WEIR_VERDICT_WOULD_DROP)
		return engine_policy(e)->mode != WEIR_MODE_ENFORCE;
	return w->verdict != WEIR_VERDICT_MARK;
}

static void put_limit_name(struct text *t, struct call *c, uint16_t limit)
{
	const char *name = limit == WEIR_NO_LIMIT
				   ? NULL
				   : datapath_slot_name(engine_datapath(c->engine), limit);

	if (name)
		text_put_json(t, name);
	else
		text_puts(t, "null");
}

void source_put_recent(struct text *t, struct call *c, const uint8_t source[static 16],
		       bool *ret_dropped)
{
	struct events_window windows[RECORDER_SOURCE_WINDOWS_MAX];
	uint64_t offset_ns = clock_real_ns() - clock_monotonic_ns();
	size_t count = recorder_of_source(engine_recorder(c->engine), source, windows);

	*ret_dropped = false;
	for (size_t i = 0; i < count; i++) {
		const struct events_window *w = &windows[i];
		char first[CLOCK_RFC3339_SIZE], last[CLOCK_RFC3339_SIZE];

		*ret_dropped |= is_drop(c->engine, w);
		clock_format_rfc3339(w->first_ns + offset_ns, first);
		clock_format_rfc3339(w->last_ns + offset_ns, last);
		text_printf(t, "%s{\"reason\":\"%s\",\"verdict\":\"%s\",\"limit\":", i ? "," : "",
			    reason_to_str(w->reason), verdict_to_str(w->verdict));
		put_limit_name(t, c, w->limit);
		text_printf(t,
			    ",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64
			    ",\"first_seen\":\"%s\",\"last_seen\":\"%s\"}",
			    (uint64_t)w->packets, (uint64_t)w->bytes, first, last);
	}
}

static bool can_be_undone(const struct list_entry *entry)
{
	return entry->key.origin == LIST_OPERATOR || entry->key.origin == LIST_RECOVERED;
}

const char *source_verdict(const struct engine *e, const uint8_t source[static 16], bool over,
			   bool dropped, struct list_entry *ret_entry, bool *ret_listed)
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

void source_put_undo(struct text *t, const struct list_entry *entry, const char *address,
		     const char *verdict)
{
	char cidr[PREFIX_TEXT_SIZE];

	if (strcmp(verdict, "allowed") == 0 || strcmp(verdict, "within_limits") == 0) {
		text_puts(t, "null");
	} else if (!entry || !can_be_undone(entry)) {
		text_printf(t, "\"weir allow %s --ttl 1h\"", address);
	} else {
		prefix_format(&entry->key.prefix, cidr);
		text_printf(t, "\"weir unblock %s\"", cidr);
	}
}

/* The entries that cover @source; NULL: there are none, as of most sources. */
static void put_lists(struct text *t, struct call *c, const uint8_t *source)
{
	json_t *entries = source ? json_covering(c->engine, source, -1) : json_array();
	_cleanup_free_ char *dump = json_dumps(entries, JSON_COMPACT);

	json_decref(entries);
	if (dump)
		text_puts(t, dump);
	else
		t->truncated = true;
}

/* Written as text: this is what is asked for most, and building values takes several times as long. */
void handle_source(struct call *c)
{
	struct list_entry entry;
	char address[ADDRESS_TEXT_SIZE];
	uint8_t source[16];
	bool over, dropped, listed;
	struct text rest, t;
	const char *verdict;

	if (address_parse(c->rest, source) < 0)
		return reply_problem(c, 422, "source.address", "'%.60s' is no address", c->rest);
	address_format(source, address);
	text_init_growing(&rest);
	text_init_growing(&t);
	text_puts(&rest, ",\"limits\":[");
	put_buckets(&rest, c, source, &over);
	text_puts(&rest, "],\"recent\":[");
	source_put_recent(&rest, c, source, &dropped);
	text_puts(&rest, "],\"undo\":");
	verdict = source_verdict(c->engine, source, over, dropped, &entry, &listed);
	source_put_undo(&rest, listed ? &entry : NULL, address, verdict);
	text_puts(&rest, "}\n");
	text_printf(&t,
		    "{\"address\":\"%s\",\"verdict\":\"%s\",\"mode\":\"%s\",\"lists\":", address,
		    verdict, policy_mode_str(engine_policy(c->engine)->mode));
	put_lists(&t, c, listed ? source : NULL);
	if (!rest.truncated)
		text_put(&t, rest.data, rest.length);
	t.truncated |= rest.truncated;
	text_done(&rest);
	reply_text(c, "application/json", &t);
}
