/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/feeds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/internal.h"

struct feed {
	struct engine_feed view;
	enum feed_format format; /* as the policy has it */
	unsigned int column;
	char column_name[POLICY_NAME_MAX + 1];
	char *name, *file, *reason;
	uint64_t ttl_ns;

	unsigned int id; /* in the set */
	uint64_t until_monotonic_ns;
	bool expired;
	int stat_error;		      /* of the last look at the file */
	struct feed_signature seen;   /* read, whatever came of it */
	struct feed_signature wanted; /* seen once, to be read if it stays */
};

/* One reading. The thread has it until @done is set; the feed and its content are not touched meanwhile. */
struct feed_job {
	struct engine *engine;
	struct feed *feed;
	const struct list_content *from;
	struct list_content *content;
	struct list_delta delta;
	struct feed_report report;
	struct fault fault;
	int result;
	pthread_t thread;
	bool done; /* atomic */
};

static void job_read(struct feed_job *job)
{
	const struct feed *feed = job->feed;
	const struct feed_source source = {
		.path = feed->file,
		.format = feed->format,
		.column = feed->column,
		.column_name = *feed->column_name ? feed->column_name : NULL,
	};

	job->result = feed_read(&source, &job->content, &job->report, &job->fault);
	if (job->result == 0 && list_content_diff(job->from, job->content, &job->delta) < 0)
		job->result = fault(&job->fault, -ENOMEM, "feed.memory", "%.300s: out of memory",
				    feed->file);
}

static void *job_run(void *userdata)
{
	struct feed_job *job = userdata;
	struct engine *e = job->engine;

	job_read(job);
	__atomic_store_n(&job->done, true, __ATOMIC_RELEASE);
	e->options.wake(e->options.userdata);
	return NULL;
}

static void job_done(struct feed_job *job)
{
	list_content_free(job->content);
	list_delta_done(&job->delta);
}

static void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	free(feed->name);
	free(feed->file);
	free(feed->reason);
	free(feed);
}
DEFINE_CLEANUP(struct feed *, feed_free)

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ?: "", b ?: "") == 0;
}

/* As the policy defines it: anything else is another feed, even of the same name. */
static bool feed_is(const struct feed *feed, const struct policy_feed *p, enum list_kind kind)
{
	return feed->view.kind == kind && same_text(feed->name, p->name) &&
	       same_text(feed->file, p->file) && feed->format == (enum feed_format)p->format &&
	       feed->column == p->column && same_text(feed->column_name, p->column_name) &&
	       feed->ttl_ns == p->ttl_ns && same_text(feed->reason, p->reason);
}

_Static_assert((int)POLICY_FEED_FORMAT_MAX == (int)FEED_FORMAT_MAX &&
		       (int)POLICY_FEED_CSV == (int)FEED_CSV &&
		       (int)POLICY_FEED_DROP == (int)FEED_DROP &&
		       (int)POLICY_FEED_NETSET == (int)FEED_NETSET &&
		       (int)POLICY_FEED_PLAIN == (int)FEED_PLAIN,
	       "policy and lists number the formats alike");

static struct feed *find_feed(const struct engine *e, const struct policy_feed *p,
			      enum list_kind kind)
{
	for (size_t i = 0; i < e->feeds.count; i++)
		if (feed_is(e->feeds.items[i], p, kind))
			return e->feeds.items[i];
	return NULL;
}

static int feed_new(const struct policy_feed *p, enum list_kind kind, struct feed **ret)
{
	_cleanup_(feed_freep) struct feed *feed = calloc(1, sizeof(*feed));

	if (!feed)
		return -ENOMEM;
	feed->format = (enum feed_format)p->format;
	feed->column = p->column;
	memcpy(feed->column_name, p->column_name, sizeof(feed->column_name));
	feed->ttl_ns = p->ttl_ns;
	feed->name = strdup(p->name);
	feed->file = strdup(p->file);
	feed->reason = p->reason ? strdup(p->reason) : NULL;
	if (!feed->name || !feed->file || (p->reason && !feed->reason))
		return -ENOMEM;
	feed->view = (struct engine_feed){
		.name = feed->name, .file = feed->file, .kind = kind, .until_ns = WEIR_FOREVER};
	feed->until_monotonic_ns = WEIR_FOREVER;
	*ret = take_ptr(feed);
	return 0;
}

static void record_feed(struct engine *e, enum audit_event event, const struct feed *feed,
			const struct feed_report *report)
{
	const struct engine_feed *view = &feed->view;
	struct audit_details details = {0};
	struct audit_record record = {
		.event = event,
		.outcome = event == AUDIT_EVENT_FEED_REFUSED ? AUDIT_FAILURE : AUDIT_SUCCESS,
		.resource = {"feed", feed->name},
		.details = &details,
	};

	audit_details_string(&details, "list", list_kind_to_str(view->kind));
	audit_details_string(&details, "file", feed->file);
	audit_details_u64(&details, "entries", view->entries);
	if (report && *report->sha256)
		audit_details_string(&details, "sha256", report->sha256);
	if (report && report->lines) {
		audit_details_string(&details, "format", feed_format_to_str(report->format));
		audit_details_u64(&details, "lines", report->lines);
		audit_details_u64(&details, "bad_lines", report->bad);
	}
	if (event == AUDIT_EVENT_FEED_REFUSED) {
		audit_details_string(&details, "code", view->error.code);
		audit_details_string(&details, "error", view->error.text);
	} else {
		audit_details_u64(&details, "added", view->added);
		audit_details_u64(&details, "removed", view->removed);
	}
	engine_record(e, &record, &ENGINE_SYSTEM);
}

/* Say it once, not each time that somebody looks. */
static void refuse(struct engine *e, struct feed *feed, const struct fault *f,
		   const struct feed_report *report)
{
	bool again = feed->view.error.err && strcmp(feed->view.error.text, f->text) == 0;

	feed->view.error = *f;
	feed->view.error_ns = clock_real_ns();
	if (again)
		return;
	log_error("a feed is refused; what it listed before stays in force", "feed", feed->name,
		  "error", f->text);
	record_feed(e, AUDIT_EVENT_FEED_REFUSED, feed, report);
}

/* Until when the content of this file is believed. */
static uint64_t until_of(const struct feed *feed, const struct feed_report *report,
			 const struct list_now *now)
{
	uint64_t written_ns = report->signature.modified_ns;

	if (!feed->ttl_ns)
		return WEIR_FOREVER;
	if (written_ns > now->real_ns)
		written_ns = now->real_ns;
	return written_ns + feed->ttl_ns;
}

static struct list_now list_now(void)
{
	return (struct list_now){clock_real_ns(), clock_monotonic_ns()};
}

/* Nobody can mean what was written longer ago than it is to be believed. */
static int check_age(struct feed_job *job, const struct list_now *now, uint64_t *ret_until_ns)
{
	char written[CLOCK_RFC3339_SIZE];

	*ret_until_ns = until_of(job->feed, &job->report, now);
	if (*ret_until_ns > now->real_ns)
		return 0;
	clock_format_rfc3339(job->report.signature.modified_ns, written);
	return fault(&job->fault, -ESTALE, "feed.stale",
		     "%.300s: it was written at %s, longer ago than its ttl", job->feed->file,
		     written);
}

/* Make what was read what the feed lists, in the set. @job->content becomes what it listed before. */
static int accept(struct engine *e, struct feed_job *job)
{
	struct feed *feed = job->feed;
	const struct feed_report *report = &job->report;
	struct list_now now = list_now();
	size_t count = job->content->count;
	uint64_t until_ns;
	int r = check_age(job, &now, &until_ns);

	if (r == 0 && feed->view.kind == LIST_BLOCK)
		r = lockout_check_feed(e, job->delta.adds, job->delta.add_count, feed->file,
				       &job->fault);
	if (r < 0)
		return r;
	r = list_set_update_feed(e->lists, feed->id, &job->content, &job->delta, until_ns, &now,
				 &job->fault);
	if (r < 0)
		return r;
	feed->view.read = true;
	feed->view.read_ns = now.real_ns;
	feed->view.entries = count;
	feed->view.added = job->delta.add_count;
	feed->view.removed = job->delta.remove_count;
	feed->view.until_ns = until_ns;
	feed->view.report = *report;
	feed->view.error = (struct fault){0};
	feed->expired = false;
	feed->until_monotonic_ns = until_ns == WEIR_FOREVER
					   ? WEIR_FOREVER
					   : now.monotonic_ns + (until_ns - now.real_ns);
	return 0;
}

/* What became of a reading. */
static int finish(struct engine *e, struct feed_job *job)
{
	struct feed *feed = job->feed;
	char bad[24];

	feed->seen = job->report.signature;
	if (job->result == 0)
		job->result = accept(e, job);
	if (job->result < 0) {
		/* These may go better without any change of the file. */
		if (job->result == -EAGAIN || job->result == -ENOMEM)
			feed->seen = feed->wanted = (struct feed_signature){0};
		refuse(e, feed, &job->fault, &job->report);
		return job->result;
	}
	if (job->report.bad) {
		snprintf(bad, sizeof(bad), "%zu", job->report.bad);
		log_warn("lines of a feed make no sense and are left out", "feed", feed->name,
			 "lines", bad, "first", job->report.examples[0]);
	}
	record_feed(e, AUDIT_EVENT_FEED_UPDATED, feed, &job->report);
	return 0;
}

static void abandon_job(struct engine *e)
{
	struct feed_job *job = take_ptr(e->feeds.job);

	if (!job)
		return;
	pthread_join(job->thread, NULL);
	job->feed->wanted = (struct feed_signature){0};
	job_done(job);
	free(job);
}

/* There must be no job. */
static void drop_feed(struct engine *e, size_t i)
{
	list_set_remove_feed(e->lists, e->feeds.items[i]->id);
	feed_free(e->feeds.items[i]);
	e->feeds.items[i] = e->feeds.items[--e->feeds.count];
}

static int add_feed(struct engine *e, const struct policy_feed *p, enum list_kind kind,
		    struct feed **ret, struct fault *reterr)
{
	_cleanup_(feed_freep) struct feed *feed = NULL;
	struct list_feed definition = {kind, p->name, p->file, p->reason};
	int r = feed_new(p, kind, &feed);

	if (r < 0)
		return fault(reterr, r, "feed.memory", "out of memory");
	r = list_set_add_feed(e->lists, &definition, &feed->id, reterr);
	if (r < 0)
		return r;
	feed->view.id = feed->id;
	*ret = e->feeds.items[e->feeds.count++] = take_ptr(feed);
	return 0;
}

static int read_now(struct engine *e, struct feed *feed, struct fault *reterr)
{
	struct feed_job job = {.engine = e, .feed = feed};
	int r;

	job_read(&job);
	r = finish(e, &job);
	if (r < 0 && reterr)
		*reterr = job.fault;
	job_done(&job);
	return r;
}

static int prepare_list(struct engine *e, const struct policy_list *list, enum list_kind kind,
			bool must, unsigned int *unread, struct fault *reterr)
{
	for (size_t i = 0; i < list->feed_count; i++) {
		struct feed *feed = find_feed(e, &list->feeds[i], kind);
		int r;

		if (!feed) {
			r = add_feed(e, &list->feeds[i], kind, &feed, reterr);
			if (r < 0)
				return r;
			r = read_now(e, feed, must ? reterr : NULL);
			if (r < 0 && must)
				return r;
		}
		if (!feed->view.read)
			*unread |= 1U << kind;
	}
	return 0;
}

int feeds_prepare(struct engine *e, const struct policy *policy, bool must,
		  const struct list_image *held, struct fault *reterr)
{
	struct list_now now = list_now();
	unsigned int unread = 0;
	int r;

	abandon_job(e);
	r = prepare_list(e, &policy->allow, LIST_ALLOW, must, &unread, reterr);
	if (r == 0)
		r = prepare_list(e, &policy->block, LIST_BLOCK, must, &unread, reterr);
	if (r < 0 || !unread || !held)
		return r;
	e->feeds.keeping = true;
	e->feeds.kept = unread;
	return list_set_keep(e->lists, held, unread, &now, reterr);
}

/* Without a store nobody knows which of these entries operators made, until all feeds have been read. */
static void recover_kept(struct engine *e)
{
	_cleanup_(list_image_done) struct list_image image = {0};

	if (list_image_copy(e->lists, &image) < 0)
		log_error("list entries of operators cannot be taken back: out of memory");
	else
		store_recover(e, &image, e->recover & e->feeds.kept);
}

/* Everything was read: what the kernel had before is of no interest any more. */
static void drop_kept(struct engine *e)
{
	for (size_t i = 0; i < e->feeds.count; i++)
		if (!e->feeds.items[i]->view.read)
			return;
	if (e->feeds.keeping && (e->recover & e->feeds.kept))
		recover_kept(e);
	if (e->feeds.keeping)
		list_set_drop_kept(e->lists);
	e->feeds.keeping = false;
	e->feeds.kept = 0;
}

static bool has_feed(const struct policy *policy, const struct feed *feed)
{
	const struct policy_list *list =
		feed->view.kind == LIST_ALLOW ? &policy->allow : &policy->block;

	for (size_t i = 0; i < list->feed_count; i++)
		if (feed_is(feed, &list->feeds[i], feed->view.kind))
			return true;
	return false;
}

void feeds_commit(struct engine *e, const struct policy *policy)
{
	abandon_job(e);
	for (size_t i = e->feeds.count; i-- > 0;)
		if (!policy || !has_feed(policy, e->feeds.items[i]))
			drop_feed(e, i);
	drop_kept(e);
}

void feeds_abort(struct engine *e, const struct policy *policy)
{
	feeds_commit(e, policy);
}

static int look_at_list(struct engine *e, const struct policy_list *list, enum list_kind kind,
			struct outlook *o, struct fault *reterr)
{
	struct list_now now = list_now();

	for (size_t i = 0; i < list->feed_count; i++) {
		const struct policy_feed *p = &list->feeds[i];
		struct outlook_feed look = {.name = p->name, .file = p->file, .kind = kind};
		_cleanup_(feed_freep) struct feed *feed = NULL;
		struct feed_job job = {.engine = e};
		uint64_t unused;

		if (find_feed(e, p, kind))
			continue;
		if (feed_new(p, kind, &feed) < 0)
			return fault(reterr, -ENOMEM, "feed.memory", "out of memory");
		job.feed = feed;
		job_read(&job);
		if (job.result == 0)
			job.result = check_age(&job, &now, &unused);
		if (job.result == 0)
			look.content = take_ptr(job.content);
		else
			look.fault = job.fault;
		look.report = job.report;
		outlook_add_feed(o, &look);
		job_done(&job);
	}
	return 0;
}

int feeds_outlook(struct engine *e, const struct policy *policy, struct outlook **ret,
		  struct fault *reterr)
{
	_cleanup_(outlook_freep) struct outlook *o = NULL;
	int r = outlook_new(e->lists, policy, &o, reterr);

	if (r < 0)
		return r;
	for (size_t i = 0; i < e->feeds.count; i++)
		if (!has_feed(policy, e->feeds.items[i]))
			outlook_drop_feed(o, e->feeds.items[i]->id);
	r = look_at_list(e, &policy->allow, LIST_ALLOW, o, reterr);
	if (r == 0)
		r = look_at_list(e, &policy->block, LIST_BLOCK, o, reterr);
	if (r == 0)
		*ret = take_ptr(o);
	return r;
}

/* The content ended with its ttl: the kernel has stopped honouring it, by time; this clears it away. */
static void expire(struct engine *e, struct feed *feed)
{
	struct feed_job job = {.engine = e, .feed = feed};
	struct list_now now = list_now();
	struct fault f = {0};

	job.content = calloc(1, sizeof(*job.content));
	if (!job.content ||
	    list_content_diff(list_set_feed_content(e->lists, feed->id), job.content, &job.delta) <
		    0 ||
	    list_set_update_feed(e->lists, feed->id, &job.content, &job.delta, WEIR_FOREVER, &now,
				 NULL) < 0) {
		job_done(&job);
		return;
	}
	feed->expired = true;
	feed->view.added = 0;
	feed->view.removed = job.delta.remove_count;
	feed->view.entries = 0;
	job_done(&job);
	fault(&feed->view.error, -ESTALE, "feed.stale",
	      "%.300s: nobody has written it for longer than its ttl", feed->file);
	feed->view.error_ns = now.real_ns;
	log_error("the content of a feed ended with its ttl", "feed", feed->name);
	record_feed(e, AUDIT_EVENT_FEED_EXPIRED, feed, NULL);
	if (lists_synchronise(e, &f) < 0)
		log_error("expired list entries stay in the kernel, without effect", "error",
			  f.text);
}

static void start_job(struct engine *e, struct feed *feed)
{
	struct feed_job *job = calloc(1, sizeof(*job));

	if (!job)
		return;
	job->engine = e;
	job->feed = feed;
	job->from = list_set_feed_content(e->lists, feed->id);
	if (pthread_create(&job->thread, NULL, job_run, job) != 0)
		free(job);
	else
		e->feeds.job = job;
}

/* Has the file changed, and stayed so since the last look? */
static bool wants_reading(struct engine *e, struct feed *feed)
{
	struct feed_signature there;
	struct fault f;
	int r = feed_stat(feed->file, &there);

	if (r < 0) {
		fault(&f, r, "feed.read", "%.300s: %s", feed->file, strerror(-r));
		if (r != feed->stat_error)
			refuse(e, feed, &f, NULL);
		feed->stat_error = r;
		return false;
	}
	/* It is back as it was. */
	if (feed->stat_error && feed->view.read && !feed->expired &&
	    feed_same(&there, &feed->view.report.signature))
		feed->view.error = (struct fault){0};
	feed->stat_error = 0;
	if (feed_same(&there, &feed->seen))
		return false;
	if (feed_same(&there, &feed->wanted))
		return true;
	feed->wanted = there;
	return false;
}

void feeds_tick(struct engine *e)
{
	uint64_t now_ns = clock_monotonic_ns();

	feeds_collect(e);
	for (size_t i = 0; i < e->feeds.count; i++) {
		struct feed *feed = e->feeds.items[i];

		if (e->feeds.job)
			return;
		if (!feed->expired && feed->until_monotonic_ns <= now_ns)
			expire(e, feed);
		if (wants_reading(e, feed))
			start_job(e, feed);
	}
}

void feeds_collect(struct engine *e)
{
	struct feed_job *job = e->feeds.job;
	struct fault f = {0};

	if (!job || !__atomic_load_n(&job->done, __ATOMIC_ACQUIRE))
		return;
	pthread_join(job->thread, NULL);
	e->feeds.job = NULL;
	if (finish(e, job) == 0) {
		drop_kept(e);
		if (lists_synchronise(e, &f) < 0)
			log_error("a feed was read, but the kernel did not take all of it", "feed",
				  job->feed->name, "error", f.text);
		else
			log_info("feed updated", "feed", job->feed->name, "sha256",
				 job->report.sha256);
	}
	job_done(job);
	free(job);
}

void feeds_done(struct engine *e)
{
	abandon_job(e);
	while (e->feeds.count)
		feed_free(e->feeds.items[--e->feeds.count]);
}

const struct engine_feed *engine_feed(const struct engine *e, size_t index)
{
	return index < e->feeds.count ? &e->feeds.items[index]->view : NULL;
}
