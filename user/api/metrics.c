/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The scrape: what the metrics say of the whole. What they say of limits, flags and the like is with their handlers. */
#include <string.h>
#include <sys/statvfs.h>

#include <weir/connection.h>
#include <weir/vocabulary.h>

#include "api/internal.h"
#include "api/meter.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/words.h"
#include "engine/busiest.h"
#include "engine/telemetry.h"
#include "metrics/metrics.h"

static unsigned int expected_verdict(unsigned int reason)
{
	if (reason == WEIR_REASON_SYN_COOKIE)
		return WEIR_VERDICT_REPLY;
	return reason < WEIR_REASON_NOT_IP ? WEIR_VERDICT_PASS : WEIR_VERDICT_DROP;
}

static void put_packets(struct metrics *m, struct call *c)
{
	struct weir_count counts[WEIR_VERDICT_MAX * WEIR_REASON_MAX];

	datapath_read_counts(engine_datapath(c->engine), counts);
	/* Every pair that can occur or did: a series that appears only with the first drop makes
	 * rates miss it. */
	for (int bytes = 0; bytes <= 1; bytes++) {
		metrics_family(m, bytes ? METRIC_BYTES_TOTAL : METRIC_PACKETS_TOTAL);
		for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
			unsigned int reason = i % WEIR_REASON_MAX, verdict = i / WEIR_REASON_MAX;

			if (!reason_exists(reason) ||
			    (verdict != expected_verdict(reason) && !counts[i].packets))
				continue;
			metrics_sample(m, bytes ? counts[i].bytes : counts[i].packets, "verdict",
				       verdict_to_str(verdict), "reason", reason_to_str(reason),
				       NULL);
		}
	}
}

static void put_links(struct metrics *m, struct call *c)
{
	const struct engine_link *link;

	metrics_family(m, METRIC_ATTACHED);
	for (size_t i = 0; (link = engine_link(c->engine, i)); i++)
		metrics_sample(m, 1, "iface", link->name, "mode", datapath_mode_to_str(link->mode),
			       NULL);
	metrics_family(m, METRIC_LINK_ATTACHED);
	for (size_t i = 0; (link = engine_link(c->engine, i)); i++)
		metrics_sample(m, is_protected(link), "iface", link->name, NULL);
	metrics_family(m, METRIC_LINK_GAP_SECONDS_TOTAL);
	for (size_t i = 0; (link = engine_link(c->engine, i)); i++)
		metrics_sample_double(m, (double)engine_link_gap_ns(c->engine, i) / NSEC_PER_SEC,
				      "iface", link->name, NULL);
	metrics_family(m, METRIC_LINK_LOSSES_TOTAL);
	for (size_t i = 0; (link = engine_link(c->engine, i)); i++)
		metrics_sample(m, link->losses, "iface", link->name, NULL);
}

static void put_state(struct metrics *m, struct call *c)
{
	const struct policy *policy = engine_policy(c->engine);

	metrics_family(m, METRIC_BUILD_INFO);
	metrics_sample(m, 1, "version", WEIR_VERSION, NULL);
	metrics_single(m, METRIC_START_TIME_SECONDS, engine_started_ns(c->engine) / NSEC_PER_SEC);
	put_links(m, c);
	metrics_family(m, METRIC_POLICY_INFO);
	metrics_sample(m, 1, "hash", policy->sha256, "mode", policy_mode_str(policy->mode), NULL);
	metrics_single(m, METRIC_POLICY_GENERATION,
		       datapath_generation(engine_datapath(c->engine)));
	metrics_single(m, METRIC_POLICY_LOADED_TIME_SECONDS,
		       engine_policy_loaded_ns(c->engine) / NSEC_PER_SEC);
	put_pending(m, c->engine);
	metrics_family(m, METRIC_LIST_ENTRIES);
	for (enum list_kind kind = 0; kind < LIST_KIND_MAX; kind++) {
		struct list_count count = list_set_count(engine_lists(c->engine), kind);

		metrics_sample(m, count.addresses, "list", list_kind_to_str(kind), "kind",
			       "address", NULL);
		metrics_sample(m, count.prefixes, "list", list_kind_to_str(kind), "kind", "prefix",
			       NULL);
	}
}

/* Families without a sample are left out: many have no feeds. */
static void put_feeds(struct metrics *m, struct call *c)
{
	const struct engine_feed *feed;

	if (!engine_feed(c->engine, 0))
		return;
	metrics_family(m, METRIC_FEED_ENTRIES);
	for (size_t i = 0; (feed = engine_feed(c->engine, i)); i++)
		metrics_sample(m, feed->entries, "feed", feed->name, "list",
			       list_kind_to_str(feed->kind), NULL);
	metrics_family(m, METRIC_FEED_READ_TIME_SECONDS);
	for (size_t i = 0; (feed = engine_feed(c->engine, i)); i++)
		metrics_sample(m, feed->read_ns / NSEC_PER_SEC, "feed", feed->name, NULL);
	metrics_family(m, METRIC_FEED_FAILING);
	for (size_t i = 0; (feed = engine_feed(c->engine, i)); i++)
		metrics_sample(m, feed->error.err != 0, "feed", feed->name, NULL);
}

static void put_index(struct metrics *m, const struct call *c)
{
	struct indexer_stats index = {0};

	engine_index_stats(c->engine, &index);
	metrics_single(m, METRIC_AUDIT_INDEX_LAG_RECORDS, index.behind);
	metrics_single(m, METRIC_AUDIT_INDEX_BUILT_TOTAL, index.built);
	metrics_single(m, METRIC_AUDIT_INDEX_ERRORS_TOTAL, index.failed);
}

static void put_audit(struct metrics *m, struct call *c, const struct recorder_stats *stats)
{
	uint64_t started_ns = engine_started_ns(c->engine);
	struct statvfs fs;

	metrics_single(m, METRIC_AUDIT_RECORDS_TOTAL, stats->records);
	metrics_single(m, METRIC_AUDIT_COMMITS_TOTAL, stats->commits);
	metrics_family(m, METRIC_AUDIT_COMMIT_DURATION_SECONDS);
	metrics_histogram(m, &stats->commit_duration, (double)started_ns / NSEC_PER_SEC, NULL);
	metrics_single(m, METRIC_AUDIT_QUEUE_RECORDS, stats->pending);
	metrics_single(m, METRIC_AUDIT_LOST_TOTAL, stats->lost);
	metrics_single(m, METRIC_AUDIT_DEGRADED, stats->degraded);
	if (statvfs(engine_audit_dir(c->engine), &fs) == 0) {
		metrics_single(m, METRIC_AUDIT_DISK_FREE_BYTES,
			       (uint64_t)fs.f_bavail * fs.f_frsize);
		metrics_single(m, METRIC_AUDIT_DISK_SIZE_BYTES,
			       (uint64_t)fs.f_blocks * fs.f_frsize);
	}
	put_checkpoint(m, c);
	put_index(m, c);
	put_vault(m, c);
	put_exports(m, c);
}

static void put_events(struct metrics *m, struct call *c, const struct recorder_stats *stats)
{
	struct weir_event_count counts;
	uint64_t delivered, used;

	read_events(c->engine, &counts, &delivered, &used);
	metrics_single(m, METRIC_EVENTS_OFFERED_TOTAL, counts.offered);
	metrics_single(m, METRIC_EVENTS_DELIVERED_TOTAL, delivered);
	metrics_single(m, METRIC_EVENTS_LOST_TOTAL, counts.lost);
	metrics_single(m, METRIC_EVENTS_SUPPRESSED_PACKETS_TOTAL, counts.suppressed_packets);
	metrics_family(m, METRIC_RING_BYTES);
	metrics_sample(m, used, "state", "used", NULL);
	metrics_sample(m, WEIR_RING_BYTES, "state", "size", NULL);
	metrics_single(m, METRIC_EVENT_WINDOWS, stats->windows);
	metrics_single(m, METRIC_EVENT_PENDING_PACKETS, stats->pending_packets);
}

static void put_connections(struct metrics *m, struct call *c)
{
	struct weir_conn_stats stats;

	if (!datapath_read_connection_stats(engine_datapath(c->engine), &stats))
		return;
	metrics_single(m, METRIC_CONNECTIONS_OPENED_TOTAL, stats.opened);
	metrics_single(m, METRIC_CONNECTIONS_CLOSED_TOTAL, stats.closed);
	metrics_family(m, METRIC_CONNECTIONS_UNCOUNTED_TOTAL);
	metrics_sample(m, stats.untracked, "cause", "untracked", NULL);
	metrics_sample(m, stats.full, "cause", "full", NULL);
	metrics_sample(m, stats.lost, "cause", "lost", NULL);
}

/* Only where the policy asks for it: anybody on the host may read this. */
static void put_top_sources(struct metrics *m, struct call *c)
{
	const struct busiest *b = engine_busiest(c->engine);
	char network[PREFIX_TEXT_SIZE];

	if (!b->count)
		return;
	metrics_family(m, METRIC_TOP_SOURCE_PACKETS_PER_SECOND);
	for (size_t i = 0; i < b->count; i++) {
		prefix_format(&b->networks[i].prefix, network);
		metrics_sample_double(m, b->networks[i].packets_per_second, "network", network,
				      NULL);
	}
}

static void put_map(const char *name, uint64_t bytes, void *userdata)
{
	metrics_sample(userdata, bytes, "map", name, NULL);
}

static void put_api(struct metrics *m, struct call *c)
{
	struct engine_credential_counts credentials;
	struct http_stats http = {0};

	meter_put(&c->api->meter, m);
	http_add_stats(c->api->control, &http);
	http_add_stats(c->api->metrics, &http);
	metrics_single(m, METRIC_API_CONNECTIONS, http.connections);
	metrics_single(m, METRIC_API_CONNECTIONS_REFUSED_TOTAL, http.turned_away);
	engine_count_credentials(c->engine, &credentials);
	metrics_single(m, METRIC_API_KEYS, credentials.keys);
	metrics_single(m, METRIC_API_SESSIONS, credentials.sessions);
	metrics_single(m, METRIC_API_LOCKED_OUT_USERS, credentials.locked_out);
}

static void put_itself(struct metrics *m, struct call *c)
{
	metrics_single(m, METRIC_STORE_WORKS, engine_store_works(c->engine));
	metrics_single(m, METRIC_PINS_MISSING, engine_pins_trouble(c->engine) != NULL);
	metrics_family(m, METRIC_MAP_BYTES);
	datapath_each_map(engine_datapath(c->engine), put_map, m);
	metrics_process(m);
}

static void collect(struct metrics *m, struct call *c)
{
	uint64_t began_ns = clock_monotonic_ns(), series;
	struct recorder_stats stats;

	recorder_get_stats(engine_recorder(c->engine), &stats);
	put_state(m, c);
	put_safety(m, c);
	put_feeds(m, c);
	put_packets(m, c);
	put_timing(m, c);
	put_limits(m, c);
	put_limit_bounds(m, c);
	put_tenants(m, c);
	put_flags(m, c);
	put_connections(m, c);
	put_top_sources(m, c);
	put_risk(m, c);
	put_cells(m, c);
	put_events(m, c, &stats);
	put_audit(m, c, &stats);
	put_otlp(m, c);
	put_api(m, c);
	put_itself(m, c);
	series = m->series;
	metrics_single(m, METRIC_METRICS_SERIES, series);
	metrics_family(m, METRIC_METRICS_DURATION_SECONDS);
	metrics_sample_double(m, (double)(clock_monotonic_ns() - began_ns) / NSEC_PER_SEC, NULL);
	metrics_end(m);
}

void handle_metrics(struct call *c)
{
	enum metrics_format format = metrics_choose(http_header(c->request, "Accept"));
	struct metrics m;
	struct text out;

	text_init_growing(&out);
	metrics_init(&m, format, &out);
	collect(&m, c);
	http_response_header(c->response, "Vary", "Accept");
	reply_text(c, metrics_content_type(format), &out);
}

void api_measure(struct api *a)
{
	struct call c = {.api = a, .engine = a->engine};
	const struct metrics_times times = {
		.now_ns = clock_real_ns(),
		.started_ns = engine_started_ns(c.engine),
		.pinned_ns = datapath_meta(engine_datapath(c.engine))->created_ns,
	};
	struct metrics m;
	struct text out;

	text_init_growing(&out);
	metrics_init_otlp(&m, &times, &out);
	collect(&m, &c);
	engine_put_metrics(c.engine, &out);
}
