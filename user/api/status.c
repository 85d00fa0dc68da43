/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What weir is and does at this moment. */
#include <string.h>

#include <weir/vocabulary.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/words.h"

static const char *attached_to_str(const struct engine *e)
{
	return datapath_mode_to_str(engine_attach_mode(e));
}

bool is_protected(const struct engine_link *link)
{
	return link->state == ENGINE_LINK_ATTACHED || link->state == ENGINE_LINK_AWAY;
}

static json_t *json_interfaces(const struct engine *e)
{
	const struct engine_link *link;
	json_t *items = json_array();

	for (size_t i = 0; (link = engine_link(e, i)); i++)
		json_array_append_new(
			items,
			json_pack("{s:s, s:s, s:I, s:s, s:s, s:o, s:I, s:f, s:s?}", "name",
				  link->name, "asked", link->asked, "ifindex",
				  (json_int_t)link->ifindex, "state",
				  engine_link_state_to_str(link->state), "attached",
				  datapath_mode_to_str(link->mode), "since",
				  json_time(link->since_ns), "losses", (json_int_t)link->losses,
				  "gap_seconds", (double)engine_link_gap_ns(e, i) / NSEC_PER_SEC,
				  "error", link->error.err ? link->error.text : NULL));
	return items;
}

/* What passed includes what would be dropped or is marked; what was dropped, what was answered. */
static json_t *json_packets(const struct weir_count *counts)
{
	uint64_t sums[WEIR_VERDICT_MAX] = {0}, seen = 0;

	for (unsigned int i = 0; i < WEIR_VERDICT_MAX * WEIR_REASON_MAX; i++) {
		sums[i / WEIR_REASON_MAX] += counts[i].packets;
		seen += counts[i].packets;
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "seen", (json_int_t)seen, "passed",
			 (json_int_t)(sums[WEIR_VERDICT_PASS] + sums[WEIR_VERDICT_WOULD_DROP] +
				      sums[WEIR_VERDICT_MARK]),
			 "dropped",
			 (json_int_t)(sums[WEIR_VERDICT_DROP] + sums[WEIR_VERDICT_REPLY]),
			 "would_drop", (json_int_t)sums[WEIR_VERDICT_WOULD_DROP], "marked",
			 (json_int_t)sums[WEIR_VERDICT_MARK], "replied",
			 (json_int_t)sums[WEIR_VERDICT_REPLY]);
}

static json_t *json_reasons(const struct weir_count *counts)
{
	json_t *reasons = json_array();

	for (unsigned int i = 0; i < WEIR_VERDICT_MAX * WEIR_REASON_MAX; i++)
		if (counts[i].packets)
			json_array_append_new(
				reasons, json_pack("{s:s, s:s, s:I, s:I}", "reason",
						   reason_to_str(i % WEIR_REASON_MAX), "verdict",
						   verdict_to_str(i / WEIR_REASON_MAX), "packets",
						   (json_int_t)counts[i].packets, "bytes",
						   (json_int_t)counts[i].bytes));
	return reasons;
}

/* "from": how many come from where; a feed by its name. */
json_t *json_list_count(const struct engine *e, enum list_kind kind)
{
	static const enum list_origin origins[] = {LIST_POLICY, LIST_OPERATOR, LIST_KEPT,
						   LIST_RECOVERED};
	struct list_count count = list_set_count(engine_lists(e), kind), part;
	json_t *from = json_object(), *feeds = json_object();
	const struct engine_feed *feed;

	for (size_t i = 0; i < ARRAY_SIZE(origins); i++) {
		part = list_set_count_of(engine_lists(e), kind, origins[i], 0);
		json_object_set_new(from, list_origin_to_str(origins[i]),
				    json_integer((json_int_t)(part.addresses + part.prefixes)));
	}
	for (size_t i = 0; (feed = engine_feed(e, i)); i++)
		if (feed->kind == kind)
			json_object_set_new(feeds, feed->name,
					    json_integer((json_int_t)feed->entries));
	json_object_set_new(from, "feeds", feeds);
	return json_pack("{s:I, s:I, s:o}", "addresses", (json_int_t)count.addresses, "prefixes",
			 (json_int_t)count.prefixes, "from", from);
}

/* Feeds whose file as it is now is not in force. */
static json_t *json_feeds_failing(const struct engine *e)
{
	const struct engine_feed *feed;
	json_t *names = json_array();

	for (size_t i = 0; (feed = engine_feed(e, i)); i++)
		if (feed->error.err)
			json_array_append_new(names, json_string(feed->name));
	return names;
}

/* How the database was found, and what was taken back from the kernel if it was lost. */
static json_t *json_store(const struct engine *e)
{
	const struct engine_store *s = engine_store_state(e);

	return json_pack("{s:b, s:s?, s:s?, s:I}", "works", engine_store_works(e), "error",
			 s->fault.err ? s->fault.text : NULL, "set_aside",
			 *s->set_aside ? s->set_aside : NULL, "recovered",
			 (json_int_t)s->recovered);
}

static json_t *json_audit(const struct engine *e)
{
	struct recorder_stats stats;
	struct indexer_stats index = {0};

	recorder_get_stats(engine_recorder(e), &stats);
	engine_index_stats(e, &index);
	return json_pack("{s:I, s:I, s:I, s:b, s:s, s:s, s:o, s:{s:I, s:I, s:I, s:s}, s:o}",
			 "records", (json_int_t)stats.records, "lost", (json_int_t)stats.lost,
			 "pending", (json_int_t)stats.pending, "degraded", stats.degraded,
			 "degraded_because", stats.degraded_because, "last_hash", stats.last_hash,
			 "checkpoint", json_checkpoint(e), "index", "lag_records",
			 (json_int_t)index.behind, "built", (json_int_t)index.built, "failed",
			 (json_int_t)index.failed, "trouble", index.trouble, "exports",
			 json_exports(e));
}

/* Read what the datapath says of its events, and how full the ring is: offered - lost - delivered. */
void read_events(const struct engine *e, struct weir_event_count *ret, uint64_t *ret_delivered,
		 uint64_t *ret_used)
{
	memset(ret, 0, sizeof(*ret));
	*ret_delivered = datapath_meta(engine_datapath(e))->events_delivered;
	datapath_read_event_counts(engine_datapath(e), ret);
	*ret_used = ret->offered - ret->lost - *ret_delivered;
	/* A ring record has a header of 8 bytes. */
	*ret_used *= sizeof(struct weir_tally) + 8;
}

static json_t *json_events(const struct engine *e)
{
	struct weir_event_count counts;
	uint64_t delivered, used;

	read_events(e, &counts, &delivered, &used);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "offered", (json_int_t)counts.offered,
			 "delivered", (json_int_t)delivered, "lost", (json_int_t)counts.lost,
			 "suppressed_packets", (json_int_t)counts.suppressed_packets,
			 "ring_used_bytes", (json_int_t)used, "ring_size_bytes",
			 (json_int_t)WEIR_RING_BYTES);
}

static json_t *json_lists(const struct engine *e)
{
	return json_pack("{s:o, s:o, s:b, s:o}", "allow", json_list_count(e, LIST_ALLOW), "block",
			 json_list_count(e, LIST_BLOCK), "persisted", engine_store_works(e),
			 "feeds_failing", json_feeds_failing(e));
}

static json_t *json_policy(const struct engine *e)
{
	const struct policy *policy = engine_policy(e);

	return json_pack("{s:I, s:s?, s:s, s:s?, s:s?, s:o, s:o}", "generation",
			 (json_int_t)datapath_generation(engine_datapath(e)), "name",
			 policy->metadata.name, "sha256", policy->sha256, "profile",
			 policy->profile, "daemon_profile", engine_options(e)->profile, "loaded_at",
			 json_time(engine_policy_loaded_ns(e)), "pending", json_pending(e));
}

/* What the engine tells of itself to anybody. */
static const struct {
	const char *name;
	json_t *(*make)(const struct engine *e);
} sections[] = {
	{"policy", json_policy},
	{"lists", json_lists},
	{"state", json_state},
	{"waiting", json_waiting},
	{"adaptive", json_adaptive_limits},
	{"events", json_events},
	{"audit", json_audit},
	{"store", json_store},
	{"vault", json_vault},
	{"panic", json_panic},
	{"watchdog", json_watchdog},
	{"watching", json_watching},
	{"timing", json_timing},
	{"interfaces", json_interfaces},
	{"otlp", json_otlp},
};

void handle_status(struct call *c)
{
	struct weir_count counts[WEIR_VERDICT_MAX * WEIR_REASON_MAX];
	const struct engine *e = c->engine;
	uint64_t started_ns = engine_started_ns(e);
	size_t limits;
	json_t *body;

	/* Of one moment: the reasons add up to the packets. */
	datapath_read_counts(engine_datapath(e), counts);
	datapath_limits(engine_datapath(e), &limits);
	body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:o, s:o, s:o, s:s?}", "version",
			 WEIR_VERSION, "iface", engine_options(e)->iface, "attached",
			 attached_to_str(e), "mode", policy_mode_str(engine_policy(e)->mode),
			 "mode_in_force", policy_mode_str(engine_mode(e)), "started_at",
			 json_time(started_ns), "uptime_seconds",
			 (json_int_t)((clock_real_ns() - started_ns) / NSEC_PER_SEC), "limits",
			 (json_int_t)limits, "packets", json_packets(counts), "reasons",
			 json_reasons(counts), "flags_set", json_flags_set(c), "pins_trouble",
			 engine_pins_trouble(e));
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		json_object_set_new(body, sections[i].name, sections[i].make(e));
	reply_json(c, 200, body);
}
