/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/recorder.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "audit/account.h"
#include "audit/evidence.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/heartbeat.h"
#include "engine/risk.h"
#include "engine/window.h"

/* A record or a barrier that waits, and, for a barrier that passed, its answer. */
struct item {
	struct item *next;
	void (*fn)(bool durable, void *userdata);
	void *userdata;
	bool durable;
	struct audit_record record;
	struct audit_details details;
	char *strings; /* what record and details point into */
};

struct queue {
	struct item *first, **last;
	size_t length;
};

struct recorder {
	struct recorder_options options;
	struct chain *chain;
	struct events *events;
	struct risk_sources *risk; /* guarded by events_lock */
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* guards what follows; never held across I/O */
	pthread_cond_t changed;
	bool stop;
	bool keep_events;
	bool rotate; /* the log is to begin a new segment */
	struct queue waiting, completed;
	struct recorder_stats stats;
	uint64_t refused;		/* records that did not fit the queue */
	struct events_window *previous; /* windows closed last, for questions about a source */
	size_t previous_count;

	/* The thread's own. */
	pthread_mutex_t events_lock; /* guards events and previous against recorder_of_source() */
	struct queue committing;     /* barriers whose records are appended */
	uint64_t window_packets;     /* in records appended since the last commit */
	uint64_t unrecorded_packets; /* in windows that the chain refused */
	uint64_t unseen_packets;     /* likewise, in loss records */
	uint64_t refused_recorded;
	struct heartbeat heartbeat;
	struct evidence evidence;			/* dir < 0: events are not kept */
	uint64_t committed_ns, harvested_ns, closed_ns; /* CLOCK_MONOTONIC */
	uint64_t gathered_ns; /* when the first record came that is to be committed; 0: none is */
	char degraded_because[256];
	int result;
};

static void queue_put(struct queue *q, struct item *item)
{
	if (!q->last)
		q->last = &q->first;
	item->next = NULL;
	*q->last = item;
	q->last = &item->next;
	q->length++;
}

static struct item *queue_take_all(struct queue *q)
{
	struct item *first = q->first;

	*q = (struct queue){0};
	return first;
}

static void item_free(struct item *item)
{
	free(item->strings);
	free(item);
}

static void items_free(struct item *item)
{
	while (item) {
		struct item *next = item->next;

		item_free(item);
		item = next;
	}
}

/* The strings of a record, each a place that points to one. Literals are copied along: simpler. */
static size_t record_strings(struct item *item, const char **ret[static 16 + AUDIT_DETAILS_MAX])
{
	struct audit_record *r = &item->record;
	size_t n = 0;

	ret[n++] = &r->action;
	ret[n++] = &r->actor.user_id;
	ret[n++] = &r->actor.username;
	ret[n++] = &r->actor.role;
	ret[n++] = &r->actor.ip_address;
	ret[n++] = &r->resource.type;
	ret[n++] = &r->resource.id;
	for (unsigned int i = 0; i < item->details.count; i++)
		if (item->details.members[i].kind == AUDIT_DETAIL_STRING ||
		    item->details.members[i].kind == AUDIT_DETAIL_JSON)
			ret[n++] = &item->details.members[i].string;
	return n;
}

static struct item *item_copy(const struct audit_record *record)
{
	struct item *item = calloc(1, sizeof(*item));
	const char **places[16 + AUDIT_DETAILS_MAX];
	size_t count, bytes = 1;
	char *to;

	if (!item)
		return NULL;
	item->record = *record;
	if (record->details)
		item->details = *record->details;
	item->record.details = &item->details;
	if (!item->record.time_ns)
		item->record.time_ns = clock_real_ns();
	count = record_strings(item, places);
	for (size_t i = 0; i < count; i++)
		bytes += *places[i] ? strlen(*places[i]) + 1 : 0;
	to = item->strings = malloc(bytes);
	if (!to) {
		free(item);
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		size_t size = *places[i] ? strlen(*places[i]) + 1 : 0;

		if (!size)
			continue;
		memcpy(to, *places[i], size);
		*places[i] = to;
		to += size;
	}
	return item;
}

static int submit(struct recorder *r, struct item *item)
{
	int result = 0;

	if (!item)
		return -ENOMEM;
	pthread_mutex_lock(&r->lock);
	if (r->waiting.length == RECORDER_QUEUE_MAX) {
		r->refused++;
		result = -ENOBUFS;
	} else {
		queue_put(&r->waiting, item);
		pthread_cond_signal(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	if (result < 0)
		item_free(item);
	return result;
}

int recorder_submit(struct recorder *r, const struct audit_record *record)
{
	return submit(r, item_copy(record));
}

int recorder_when_durable(struct recorder *r, void (*fn)(bool durable, void *userdata),
			  void *userdata)
{
	struct item *item = calloc(1, sizeof(*item));

	if (item) {
		item->fn = fn;
		item->userdata = userdata;
	}
	return submit(r, item);
}

void recorder_completions(struct recorder *r)
{
	struct item *item, *next;

	pthread_mutex_lock(&r->lock);
	item = queue_take_all(&r->completed);
	pthread_mutex_unlock(&r->lock);
	for (; item; item = next) {
		next = item->next;
		item->fn(item->durable, item->userdata);
		item_free(item);
	}
}

static void append_window(const struct events_window *w, void *userdata)
{
	struct recorder *r = userdata;
	char limit[WEIR_NAME_BYTES + 1] = "";
	unsigned int asset = RISK_ASSET_NEUTRAL;

	if (w->limit != WEIR_NO_LIMIT)
		asset = r->options.limit_name(w->limit, limit, r->options.userdata);
	/* The chain counts the record it refuses; we keep the packets it stood for. */
	if (window_append(w, *limit ? limit : NULL, asset, r->risk, r->chain) < 0) {
		r->unrecorded_packets += w->packets;
		return;
	}
	r->window_packets += w->packets;
	heartbeat_window(&r->heartbeat, w);
}

static int append_loss(struct recorder *r, const char *cause, uint64_t packets, uint64_t records)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_AUDIT_LOSS,
		.resource = {"events", cause},
		.details = &details,
	};

	audit_details_string(&details, "cause", cause);
	audit_details_u64(&details, "packets", packets);
	if (records)
		audit_details_u64(&details, "records", records);
	return chain_append(r->chain, &record);
}

/* Drops that no window will ever tell of: the ring was full, or the event budget used up. True: all have
 * a record. */
static bool record_unseen(struct recorder *r)
{
	struct weir_event_count counts;
	uint64_t unseen, recorded = r->options.events.meta->unseen_packets + r->unseen_packets;

	if (r->options.event_counts(&counts, r->options.userdata) < 0)
		return false;
	unseen = counts.lost_packets + counts.suppressed_packets;
	if (unseen <= recorded)
		return true;
	if (append_loss(r, ACCOUNT_CAUSE_UNSEEN, unseen - recorded, 0) < 0)
		return false;
	r->unseen_packets += unseen - recorded;
	return true;
}

/* Windows whose records the chain refused while the disk did. */
static void record_unrecorded(struct recorder *r)
{
	if (!r->unrecorded_packets ||
	    append_loss(r, "the audit chain could not be written", r->unrecorded_packets, 0) < 0)
		return;
	r->window_packets += r->unrecorded_packets;
	r->unrecorded_packets = 0;
}

/* A daemon that was killed took its open windows along: all that it had taken and not recorded. */
static void record_crash_losses(struct recorder *r)
{
	struct weir_meta *meta = r->options.events.meta;
	uint64_t lost;

	if (chain_length(r->chain) > meta->commit_index) {
		meta->recorded_packets = meta->commit_recorded;
		meta->unseen_packets = meta->commit_unseen;
	}
	lost = meta->taken_packets - meta->recorded_packets;
	if (lost && append_loss(r, "the daemon did not end in order", lost, 0) == 0)
		r->window_packets += lost;
}

static void keep_event(const struct weir_tally *event, void *userdata)
{
	struct recorder *r = userdata;

	static_assert(sizeof(*event) == EVIDENCE_EVENT_SIZE, "an event is a tally");
	evidence_add(&r->evidence, (const uint8_t *)event, event->packets);
}

/* Close the batch of events, and begin or end keeping them if that was asked for. */
static void close_evidence(struct recorder *r)
{
	bool keep;
	int result = 0;

	pthread_mutex_lock(&r->lock);
	keep = r->keep_events;
	pthread_mutex_unlock(&r->lock);
	if (r->evidence.dir >= 0)
		evidence_close(&r->evidence, r->chain);
	if (keep == (r->evidence.dir >= 0))
		return;
	if (keep)
		result = evidence_open(&r->evidence, r->options.chain_dir);
	if (result < 0)
		log_error("events cannot be kept", "error", strerror(-result));
	events_watch(r->events, keep && result == 0 ? keep_event : NULL, r);
	if (!keep)
		evidence_done(&r->evidence);
}

static void close_windows(struct recorder *r)
{
	size_t count = events_window_count(r->events);
	struct events_window *previous = calloc(count ? count : 1, sizeof(*previous));
	bool seen;

	pthread_mutex_lock(&r->events_lock);
	free(r->previous);
	r->previous = previous;
	r->previous_count = previous ? events_windows(r->events, previous, count) : 0;
	events_close_windows(r->events, append_window, r);
	pthread_mutex_unlock(&r->events_lock);
	close_evidence(r);
	seen = record_unseen(r);
	record_unrecorded(r);
	heartbeat_closed(&r->heartbeat, seen && !r->unrecorded_packets);
}

static void append_heartbeat(struct recorder *r)
{
	const struct weir_meta *meta = r->options.events.meta;

	heartbeat_append(&r->heartbeat, r->chain, meta->recorded_packets + r->window_packets,
			 meta->unseen_packets + r->unseen_packets);
}

static void append_item(struct recorder *r, struct item *item)
{
	char risk[ENGINE_RISK_TEXT_SIZE];

	if (audit_event_category(item->record.event) == AUDIT_CATEGORY_SECURITY)
		engine_risk_of_event(&item->record, &item->details, risk);
	chain_append(r->chain, &item->record);
}

/* Move what waits into the chain's batch; barriers go on waiting for the commit. */
static void take_waiting(struct recorder *r)
{
	struct item *item, *next;
	uint64_t refused;

	pthread_mutex_lock(&r->lock);
	item = queue_take_all(&r->waiting);
	refused = r->refused;
	pthread_mutex_unlock(&r->lock);
	if (refused > r->refused_recorded &&
	    append_loss(r, "too many records at once", 0, refused - r->refused_recorded) == 0)
		r->refused_recorded = refused;
	for (; item; item = next) {
		next = item->next;
		if (item->fn) {
			queue_put(&r->committing, item);
			continue;
		}
		append_item(r, item);
		item_free(item);
		r->gathered_ns = r->gathered_ns ?: clock_monotonic_ns();
	}
}

static void answer_barriers(struct recorder *r, bool durable)
{
	struct item *item = queue_take_all(&r->committing), *next;

	if (!item)
		return;
	pthread_mutex_lock(&r->lock);
	for (; item; item = next) {
		next = item->next;
		item->durable = durable;
		queue_put(&r->completed, item);
	}
	pthread_mutex_unlock(&r->lock);
	r->options.wake(r->options.userdata);
}

static void publish_stats(struct recorder *r)
{
	uint8_t hash[AUDIT_HASH_SIZE];
	struct recorder_stats *s = &r->stats;

	chain_last_hash(r->chain, hash);
	pthread_mutex_lock(&r->lock);
	s->records = chain_length(r->chain);
	s->lost = chain_lost(r->chain) + r->refused;
	s->pending = chain_pending(r->chain);
	s->degraded = chain_is_degraded(r->chain) || chain_is_full(r->chain);
	s->windows = events_window_count(r->events);
	s->pending_packets = events_pending_packets(r->events);
	for (size_t i = 0; i < sizeof(hash); i++)
		snprintf(s->last_hash + 2 * i, 3, "%02x", hash[i]);
	snprintf(s->degraded_because, sizeof(s->degraded_because), "%s", r->degraded_because);
	pthread_mutex_unlock(&r->lock);
}

/* Have the chain write what is pending, and measure that. */
static int commit_chain(struct recorder *r, bool had_pending, struct fault *reterr)
{
	uint64_t began_ns = clock_monotonic_ns();
	int result = chain_commit(r->chain, reterr);

	r->committed_ns = clock_monotonic_ns();
	pthread_mutex_lock(&r->lock);
	if (had_pending)
		histogram_add(&r->stats.commit_duration, (r->committed_ns - began_ns) / 1000);
	pthread_mutex_unlock(&r->lock);
	return result;
}

static void commit(struct recorder *r)
{
	bool was_degraded = chain_is_degraded(r->chain), was_full = chain_is_full(r->chain);
	bool had_pending = chain_pending(r->chain) > 0;
	struct weir_meta *meta = r->options.events.meta;
	struct fault f = {0};
	int result;

	/* In this order: a new index with old sums does no harm, the reverse would. */
	__atomic_store_n(&meta->commit_index, chain_length(r->chain), __ATOMIC_SEQ_CST);
	__atomic_store_n(&meta->commit_recorded, meta->recorded_packets + r->window_packets,
			 __ATOMIC_SEQ_CST);
	__atomic_store_n(&meta->commit_unseen, meta->unseen_packets + r->unseen_packets,
			 __ATOMIC_SEQ_CST);
	if (__atomic_exchange_n(&r->rotate, false, __ATOMIC_ACQ_REL))
		chain_rotate(r->chain);
	result = commit_chain(r, had_pending, &f);
	r->gathered_ns = 0;
	if (result == 0) {
		meta->recorded_packets = meta->commit_recorded;
		meta->unseen_packets = meta->commit_unseen;
		r->window_packets = r->unseen_packets = 0;
		r->stats.commits += had_pending;
	}
	snprintf(r->degraded_because, sizeof(r->degraded_because), "%.250s",
		 result < 0		   ? f.text
		 : chain_is_full(r->chain) ? "No space left on device: the reserve is in use"
					   : "");
	if (result < 0 && !was_degraded)
		log_error("the audit chain cannot be written; enforcement goes on", "error",
			  f.text);
	else if (result == 0 && was_degraded)
		log_warn("the audit chain is written again");
	if (!was_full && chain_is_full(r->chain))
		log_error("the disk is full; the audit chain is written to its reserve");
	answer_barriers(r, result == 0);
	publish_stats(r);
}

static uint64_t msec_since(uint64_t then_ns)
{
	return (clock_monotonic_ns() - then_ns) / NSEC_PER_MSEC;
}

/* Somebody waits for it, or it is time. */
static bool commit_is_due(const struct recorder *r)
{
	if (r->committing.first)
		return true;
	if (r->gathered_ns && (msec_since(r->gathered_ns) >= RECORDER_GATHER_MSEC ||
			       chain_pending(r->chain) >= RECORDER_GATHER_MAX))
		return true;
	return (chain_pending(r->chain) || chain_is_full(r->chain)) &&
	       msec_since(r->committed_ns) >= 1000;
}

/* One turn: drain, harvest and close windows when due, commit when that is. */
static void turn(struct recorder *r, bool last)
{
	pthread_mutex_lock(&r->events_lock);
	events_drain(r->events);
	if (last) {
		heartbeat_before_harvest(&r->heartbeat, true);
		events_harvest_all(r->events);
		events_drain(r->events);
	} else if (msec_since(r->harvested_ns) >= RECORDER_HARVEST_MSEC) {
		heartbeat_before_harvest(&r->heartbeat, false);
		events_harvest(r->events);
		r->harvested_ns = clock_monotonic_ns();
	}
	pthread_mutex_unlock(&r->events_lock);
	if (last || msec_since(r->closed_ns) >= RECORDER_WINDOW_MSEC) {
		close_windows(r);
		r->closed_ns = clock_monotonic_ns();
		if (last || heartbeat_is_due(&r->heartbeat))
			append_heartbeat(r);
	}
	heartbeat_watch_clock(&r->heartbeat, r->chain);
	take_waiting(r);
	if (last || commit_is_due(r))
		commit(r);
	else
		publish_stats(r);
}

static void *run(void *userdata)
{
	struct recorder *r = userdata;
	bool stop = false;

	while (!stop) {
		struct timespec deadline;

		clock_gettime(CLOCK_MONOTONIC, &deadline);
		deadline.tv_nsec += (r->gathered_ns ? RECORDER_GATHER_MSEC : RECORDER_DRAIN_MSEC) *
				    (long)NSEC_PER_MSEC;
		if (deadline.tv_nsec >= (long)NSEC_PER_SEC) {
			deadline.tv_nsec -= (long)NSEC_PER_SEC;
			deadline.tv_sec++;
		}
		pthread_mutex_lock(&r->lock);
		while (!r->stop && !r->waiting.first &&
		       pthread_cond_timedwait(&r->changed, &r->lock, &deadline) != ETIMEDOUT)
			;
		stop = r->stop;
		pthread_mutex_unlock(&r->lock);
		turn(r, stop);
	}
	r->result = chain_is_degraded(r->chain) ? -EIO : 0;
	return NULL;
}

static void recorder_free(struct recorder *r)
{
	items_free(queue_take_all(&r->waiting));
	items_free(queue_take_all(&r->committing));
	items_free(queue_take_all(&r->completed));
	chain_close(r->chain);
	events_close(r->events);
	evidence_done(&r->evidence);
	risk_sources_free(r->risk);
	free(r->previous);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	pthread_mutex_destroy(&r->events_lock);
	free(r);
}
DEFINE_CLEANUP(struct recorder *, recorder_free)

int recorder_start(const struct recorder_options *options, struct recorder **ret,
		   struct fault *reterr)
{
	_cleanup_(recorder_freep) struct recorder *r = calloc(1, sizeof(*r));
	const struct chain_options chain = {.keeper = options->keeper};
	pthread_condattr_t attributes;
	int result;

	if (!r)
		return fault(reterr, -ENOMEM, "recorder.start", "out of memory");
	r->options = *options;
	r->evidence.dir = -1;
	/* From 64 us, what a fast disk takes, to 8 s. */
	r->stats.commit_duration = (struct histogram){.first = 6, .buckets = 18, .unit = 1e-6};
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->events_lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	result = risk_sources_new(&r->risk);
	if (result < 0)
		return fault(reterr, result, "recorder.start", "no table of sources: %s",
			     strerror(-result));
	result = events_open(&options->events, &r->events, reterr);
	if (result < 0)
		return result;
	result = chain_open(options->chain_dir, &chain, &r->chain, reterr);
	if (result < 0)
		return result;
	heartbeat_init(&r->heartbeat, &r->options.events, r->chain);
	engine_risk_restore(r->risk, options->chain_dir, options->opener);
	record_crash_losses(r);
	append_heartbeat(r);
	r->committed_ns = r->harvested_ns = r->closed_ns = clock_monotonic_ns();
	commit(r);
	result = -pthread_create(&r->thread, NULL, run, r);
	if (result < 0)
		return fault(reterr, result, "recorder.start", "cannot start a thread: %s",
			     strerror(-result));
	r->started = true;
	*ret = take_ptr(r);
	return 0;
}

int recorder_stop(struct recorder *r)
{
	int result;

	assert(r->started);
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	recorder_completions(r);
	result = r->result;
	recorder_free(r);
	return result;
}

const char *recorder_origin_words(const struct recorder *r)
{
	return chain_origin_words(r->chain);
}

bool recorder_is_first(const struct recorder *r)
{
	return chain_origin(r->chain) == CHAIN_CREATED;
}

void recorder_keep_events(struct recorder *r, bool keep)
{
	pthread_mutex_lock(&r->lock);
	r->keep_events = keep;
	pthread_mutex_unlock(&r->lock);
}

void recorder_rotate(struct recorder *r)
{
	__atomic_store_n(&r->rotate, true, __ATOMIC_RELEASE);
}

void recorder_get_stats(struct recorder *r, struct recorder_stats *ret)
{
	pthread_mutex_lock(&r->lock);
	*ret = r->stats;
	pthread_mutex_unlock(&r->lock);
}

size_t recorder_of_source(struct recorder *r, const uint8_t source[static 16],
			  struct events_window ret[static RECORDER_SOURCE_WINDOWS_MAX])
{
	size_t n;

	pthread_mutex_lock(&r->events_lock);
	n = events_of_source(r->events, source, ret, RECORDER_SOURCE_WINDOWS_MAX);
	for (size_t i = 0; i < r->previous_count && n < RECORDER_SOURCE_WINDOWS_MAX; i++)
		if (memcmp(r->previous[i].source, source, sizeof(r->previous[i].source)) == 0)
			ret[n++] = r->previous[i];
	pthread_mutex_unlock(&r->events_lock);
	return n;
}

size_t recorder_risk_list(struct recorder *r, enum risk_level level, struct risk_source *ret,
			  size_t size)
{
	size_t n;

	pthread_mutex_lock(&r->events_lock);
	n = risk_sources_list(r->risk, clock_real_ns(), level, ret, size);
	pthread_mutex_unlock(&r->events_lock);
	return n;
}

bool recorder_risk_of(struct recorder *r, const uint8_t source[static 16], struct risk_source *ret)
{
	bool known;

	pthread_mutex_lock(&r->events_lock);
	known = risk_sources_get(r->risk, source, clock_real_ns(), ret);
	pthread_mutex_unlock(&r->events_lock);
	return known;
}

void recorder_risk_count(struct recorder *r, uint64_t ret[static RISK_LEVEL_MAX])
{
	pthread_mutex_lock(&r->events_lock);
	risk_sources_count(r->risk, clock_real_ns(), ret);
	pthread_mutex_unlock(&r->events_lock);
}
