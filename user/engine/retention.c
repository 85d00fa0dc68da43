/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The order of steps is that of user/audit/README.md: what a segment will be is durable in the chain before it becomes
 * so. Whatever fails leaves the segment as it is, and the next run begins again.
 */
#include "engine/retention.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "audit/archives.h"
#include "audit/hash.h"
#include "audit/rewrite.h"
#include "base/log.h"
#include "engine/governance_internal.h"
#include "engine/internal.h"

struct retention {
	struct engine *engine;
	struct retention_order order;
	char cutoff[AUDIT_CATEGORY_MAX][CLOCK_RFC3339_SIZE]; /* "" = none expire */
	char cutoff_archives[CLOCK_RFC3339_SIZE];	     /* likewise */

	pthread_t thread;
	bool joinable; /* the owner's */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool stop;
	enum { NOT_ASKED, WAITING, DURABLE, REFUSED } barrier;
	struct retention_report report;
};

int retention_new(struct engine *e, struct retention **ret)
{
	struct retention *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->engine = e;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	*ret = r;
	return 0;
}

void retention_free(struct retention *r)
{
	if (!r)
		return;
	free(r->order.holds);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static bool slice_before(const struct record_slice *time, const char *bound)
{
	return memcmp(time->data, bound, CLOCK_RFC3339_SIZE - 1) < 0;
}

/* It is about whom the hold is about: one of the strings stands in it. */
static bool is_about(const struct retention_hold *h, const char *data, size_t length)
{
	for (unsigned int i = 0; i < h->needle_count; i++)
		if (memmem(data, length, h->needles[i], strlen(h->needles[i])))
			return true;
	return !h->needle_count;
}

static bool holds(const struct retention_hold *h, enum audit_category category, const char *data,
		  const struct record_view *view)
{
	size_t length = (size_t)(view->timestamp.data + view->timestamp.length - data);

	return (h->all || h->category == category) &&
	       (!*h->since || !slice_before(&view->timestamp, h->since)) &&
	       (!*h->until || slice_before(&view->timestamp, h->until)) &&
	       is_about(h, data, length);
}

/* Times are of one width, so they compare as text. What a later version wrote does not expire. */
static bool is_expired(const char *data, const struct record_view *view, void *userdata)
{
	const struct retention *r = userdata;
	int event = audit_event_from_str(view->event_type.data, view->event_type.length);
	enum audit_category category;

	if (event < 0)
		return false;
	category = audit_event_category((enum audit_event)event);
	if (!*r->cutoff[category] || !slice_before(&view->timestamp, r->cutoff[category]))
		return false;
	for (size_t i = 0; i < r->order.hold_count; i++)
		if (holds(&r->order.holds[i], category, data, view))
			return false;
	return true;
}

static void record(struct retention *r, enum audit_event event, const struct rewrite *w,
		   const struct fault *f)
{
	const struct engine_actor actor = {
		.uid = r->order.uid,
		.username = r->order.username,
		.role = r->order.role,
	};
	char segment[32], before[AUDIT_HASH_TEXT], after[AUDIT_HASH_TEXT],
		archive[REWRITE_ARCHIVE_NAME_SIZE];
	struct audit_details d = {0};
	struct audit_record record = {
		.event = event,
		.outcome = f ? AUDIT_FAILURE : AUDIT_SUCCESS,
		.resource = {"segment", segment},
		.details = &d,
	};

	snprintf(segment, sizeof(segment), "%llu", (unsigned long long)w->segment);
	audit_details_u64(&d, "segment", w->segment);
	if (f) {
		audit_details_string(&d, "code", f->code);
		audit_details_string(&d, "error", f->text);
	} else {
		hex_format(w->hash_before, AUDIT_HASH_SIZE, before);
		hex_format(w->hash_after, AUDIT_HASH_SIZE, after);
		rewrite_archive_name(w, archive);
		audit_details_string(&d, "archive", r->order.archive ? archive : "");
		audit_details_u64(&d, "bytes_after", w->bytes_after);
		audit_details_u64(&d, "bytes_before", w->bytes_before);
		audit_details_u64(&d, "expired", w->expired);
		audit_details_u64(&d, "next_index", w->next_index);
		audit_details_string(&d, "sha256_after", after);
		audit_details_string(&d, "sha256_before", before);
		audit_details_u64(&d, "stubs", w->stubs);
	}
	engine_record(r->engine, &record, &actor);
}

static void record_archive(struct retention *r, enum audit_event event, const struct archive *a,
			   const struct fault *f)
{
	const struct engine_actor actor = {
		.uid = r->order.uid,
		.username = r->order.username,
		.role = r->order.role,
	};
	char segment[32];
	struct audit_details d = {0};
	struct audit_record record = {
		.event = event,
		.outcome = f ? AUDIT_FAILURE : AUDIT_SUCCESS,
		.resource = {"segment", segment},
		.details = &d,
	};

	snprintf(segment, sizeof(segment), "%llu", (unsigned long long)a->segment);
	audit_details_u64(&d, "segment", a->segment);
	audit_details_string(&d, "archive", a->name);
	if (f) {
		audit_details_string(&d, "code", f->code);
		audit_details_string(&d, "error", f->text);
	} else {
		audit_details_string(&d, "archived_at", a->archived_at);
		audit_details_string(&d, "sha256_before", a->sha256);
	}
	engine_record(r->engine, &record, &actor);
}

/* On the loop's thread. */
static void answered(bool durable, void *userdata)
{
	struct retention *r = userdata;

	pthread_mutex_lock(&r->lock);
	r->barrier = durable ? DURABLE : REFUSED;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* All that was recorded is on disk. */
static int wait_durable(struct retention *r, struct fault *reterr)
{
	int error;

	pthread_mutex_lock(&r->lock);
	while (r->barrier == WAITING && !r->stop) /* of a run that was stopped */
		pthread_cond_wait(&r->changed, &r->lock);
	r->barrier = WAITING;
	pthread_mutex_unlock(&r->lock);
	error = recorder_when_durable(r->engine->recorder, answered, r);
	pthread_mutex_lock(&r->lock);
	if (error < 0)
		r->barrier = NOT_ASKED;
	while (r->barrier == WAITING && !r->stop)
		pthread_cond_wait(&r->changed, &r->lock);
	if (error == 0 && r->stop)
		error = fault(reterr, -ECANCELED, "retention.stopped", "told to stop");
	else if (error < 0 || r->barrier == REFUSED)
		error = fault(reterr, -EIO, "retention.record",
			      "the audit log does not take the record of it");
	pthread_mutex_unlock(&r->lock);
	return error;
}

/* Under the lock, so that retention_stop() comes before or after, never amidst. */
static int replace(struct retention *r, int dir, const struct rewrite *w, struct fault *reterr)
{
	int error;

	pthread_mutex_lock(&r->lock);
	error = r->stop ? fault(reterr, -ECANCELED, "retention.stopped", "told to stop")
			: rewrite_commit(dir, w, reterr);
	if (error == 0) {
		r->report.rewritten++;
		r->report.expired += w->expired;
		r->report.bytes_saved += w->bytes_before - w->bytes_after;
	}
	pthread_mutex_unlock(&r->lock);
	return error;
}

static int do_segment(struct retention *r, int dir, uint64_t segment, struct fault *reterr)
{
	struct rewrite w;
	int error = rewrite_stage(dir, segment, is_expired, r, &r->stop, &w, reterr);

	if (error <= 0)
		return error;
	error = r->order.archive ? rewrite_archive(dir, &w, reterr) : 0;
	if (error == 0) {
		record(r, AUDIT_EVENT_RETENTION_ARCHIVED, &w, NULL);
		error = wait_durable(r, reterr);
	}
	if (error == 0)
		error = replace(r, dir, &w, reterr);
	if (error < 0) {
		rewrite_abort(dir, segment);
		return error;
	}
	record(r, AUDIT_EVENT_RETENTION_EXPIRED, &w, NULL);
	return 0;
}

static void do_segments(struct retention *r, int dir, const uint64_t *segments, size_t count)
{
	for (size_t i = 0; i < count && !r->stop; i++) {
		struct rewrite w = {.segment = segments[i]};
		struct fault f = {0};
		int error = do_segment(r, dir, segments[i], &f);

		pthread_mutex_lock(&r->lock);
		r->report.segments++;
		r->report.stopped |= error == -ECANCELED;
		if (error < 0 && error != -ECANCELED)
			r->report.trouble = f;
		pthread_mutex_unlock(&r->lock);
		if (error == 0 || error == -ECANCELED)
			continue;
		log_error("records past their time could not be taken out", "error", f.text);
		record(r, AUDIT_EVENT_RETENTION_FAILED, &w, &f);
	}
}

/* Under the lock for the reason that replace() has. */
static int remove_archive(struct retention *r, int dir, const struct archive *a,
			  struct fault *reterr)
{
	int error;

	record_archive(r, AUDIT_EVENT_RETENTION_REMOVING, a, NULL);
	error = wait_durable(r, reterr);
	if (error < 0)
		return error;
	pthread_mutex_lock(&r->lock);
	error = r->stop ? fault(reterr, -ECANCELED, "retention.stopped", "told to stop")
			: archives_remove(dir, a, reterr);
	r->report.archives_removed += error == 0;
	pthread_mutex_unlock(&r->lock);
	if (error == 0)
		record_archive(r, AUDIT_EVENT_RETENTION_REMOVED, a, NULL);
	return error;
}

static void do_archives(struct retention *r, int dir, struct fault *reterr)
{
	_cleanup_free_ struct archive *list = NULL;
	size_t count = 0;

	if (!*r->cutoff_archives || r->order.hold_count || r->stop ||
	    archives_list(dir, &list, &count, reterr) < 0)
		return;
	for (size_t i = 0; i < count && !r->stop; i++) {
		struct fault f = {0};

		/* One that does not say how old it is stays. */
		if (!*list[i].archived_at || strcmp(list[i].archived_at, r->cutoff_archives) >= 0 ||
		    remove_archive(r, dir, &list[i], &f) >= 0 || f.err == -ECANCELED)
			continue;
		log_error("an archive past its time could not be removed", "error", f.text);
		record_archive(r, AUDIT_EVENT_RETENTION_FAILED, &list[i], &f);
		*reterr = f;
	}
}

static void *run(void *userdata)
{
	struct retention *r = userdata;
	_cleanup_free_ uint64_t *segments = NULL;
	struct fault f = {0};
	size_t count = 0;
	_cleanup_close_ int dir =
		open(r->engine->audit_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		fault(&f, -errno, "audit.read", "%s: %s", r->engine->audit_dir, strerror(errno));
	pthread_mutex_lock(&r->engine->governance->rewriting); /* against errand.c */
	if (dir >= 0 && rewrite_candidates(dir, &segments, &count, &f) == 0)
		do_segments(r, dir, segments, count);
	if (dir >= 0 && !f.err)
		do_archives(r, dir, &f);
	pthread_mutex_unlock(&r->engine->governance->rewriting);
	/* Segments that were written anew lost their index. */
	if (r->engine->indexer)
		indexer_look_again(r->engine->indexer);
	pthread_mutex_lock(&r->lock);
	if (f.err)
		r->report.trouble = f;
	r->report.stopped |= r->stop;
	r->report.running = false;
	r->report.ended_ns = clock_real_ns();
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static void put_cutoff(uint64_t now_ns, uint64_t keep_s, char ret[static CLOCK_RFC3339_SIZE])
{
	uint64_t keep_ns = keep_s * NSEC_PER_SEC;

	*ret = '\0';
	if (keep_ns && keep_ns < now_ns)
		clock_format_rfc3339(now_ns - keep_ns, ret);
}

int retention_begin(struct retention *r, const struct retention_order *order, struct fault *reterr)
{
	uint64_t now_ns = clock_real_ns();
	struct retention_report report;
	int error;

	retention_get_report(r, &report);
	if (report.running) {
		free(order->holds);
		return fault(reterr, -EBUSY, "retention.busy", "records are being taken out now");
	}
	retention_join(r);
	free(r->order.holds);
	r->order = *order;
	for (unsigned int i = 0; i < AUDIT_CATEGORY_MAX; i++)
		put_cutoff(now_ns, order->keep_s[i], r->cutoff[i]);
	put_cutoff(now_ns, order->keep_archives_s, r->cutoff_archives);
	r->stop = false;
	r->report = (struct retention_report){.running = true, .started_ns = now_ns};
	error = -pthread_create(&r->thread, NULL, run, r);
	r->joinable = error == 0;
	if (error == 0)
		return 0;
	r->report = (struct retention_report){0};
	return fault(reterr, error, "retention.start", "cannot start a thread: %s",
		     strerror(-error));
}

void retention_stop(struct retention *r)
{
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void retention_join(struct retention *r)
{
	if (r->joinable)
		pthread_join(r->thread, NULL);
	r->joinable = false;
}

void retention_get_report(struct retention *r, struct retention_report *ret)
{
	pthread_mutex_lock(&r->lock);
	*ret = r->report;
	pthread_mutex_unlock(&r->lock);
}
