/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The order of taking out is that of user/audit/README.md, rule 7: what a file will be is durable in the chain before
 * it becomes so. The log begins a new segment first, so that the one in which all of it stands is complete.
 */
#include "engine/errand.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/evidence.h"
#include "audit/reader.h"
#include "audit/rectified.h"
#include "audit/rewrite.h"
#include "base/log.h"
#include "engine/erase_records.h"
#include "engine/governance_internal.h"
#include "engine/internal.h"

#define STATEMENTS_MAX 4096		    /* in the clear, about one subject */
#define FULL_NS	       (50 * NSEC_PER_MSEC) /* the recorder's queue is; try again */

struct errand {
	struct engine *engine;
	struct errand_calls calls;
	enum errand_kind kind;
	char id[ERRAND_ID_SIZE], subject[MENTION_MAX + 1], event[40];
	struct mention mention;
	bool more; /* places to look at */
	struct errand_result *result;
	struct removal removal;
	uint64_t *statements; /* STATEMENTS_MAX indexes */
	size_t statement_count, statement_numbers;

	pthread_t thread;
	bool joinable;	      /* the owner's */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool stop, running;
	bool waiting, durable; /* for the loop; what it said */
	bool asked;	       /* it has not answered yet, also of an errand that was stopped */
	void (*call)(struct errand *r); /* what it is to do */
};

int errand_new(struct engine *e, const struct errand_calls *calls, struct errand **ret)
{
	struct errand *r = calloc(1, sizeof(*r));

	if (r)
		r->result = calloc(1, sizeof(*r->result));
	if (!r || !r->result) {
		free(r);
		return -ENOMEM;
	}
	r->engine = e;
	r->calls = *calls;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	*ret = r;
	return 0;
}

static void result_clear(struct errand_result *r)
{
	json_decref(r->configured.places);
	json_decref(r->left);
	memset(r, 0, sizeof(*r));
}

void errand_free(struct errand *r)
{
	if (!r)
		return;
	result_clear(r->result);
	free(r->result);
	free(r->statements);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* On the loop. */
static void answered(bool durable, void *userdata)
{
	struct errand *r = userdata;

	pthread_mutex_lock(&r->lock);
	if (!r->stop && r->call)
		r->call(r);
	r->call = NULL;
	r->durable = durable;
	r->waiting = r->asked = false;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* Have the loop call @call (may be NULL) when all that was recorded is durable, or cannot be. */
static int on_loop(struct errand *r, void (*call)(struct errand *r), struct fault *reterr)
{
	const struct timespec pause = {.tv_nsec = (long)FULL_NS};
	int error;

	pthread_mutex_lock(&r->lock);
	r->call = call;
	r->waiting = r->asked = true;
	pthread_mutex_unlock(&r->lock);
	while ((error = recorder_when_durable(r->engine->recorder, answered, r)) == -ENOBUFS &&
	       !__atomic_load_n(&r->stop, __ATOMIC_RELAXED))
		nanosleep(&pause, NULL);
	pthread_mutex_lock(&r->lock);
	r->asked &= error == 0;
	while (error == 0 && r->waiting && !r->stop)
		pthread_cond_wait(&r->changed, &r->lock);
	if (r->stop)
		error = fault(reterr, -ECANCELED, "request.stopped", "it was told to stop");
	else if (error < 0)
		error = fault(reterr, error, "request.record", "the audit log takes no records");
	pthread_mutex_unlock(&r->lock);
	return error;
}

static int wait_durable(void *userdata, struct fault *reterr)
{
	struct errand *r = userdata;
	int error = on_loop(r, NULL, reterr);

	return error < 0 || r->durable ? error
				       : fault(reterr, -EIO, "request.record",
					       "the audit log does not take the record of it");
}

static bool is_stopped(void *userdata)
{
	const struct errand *r = userdata;

	return __atomic_load_n(&r->stop, __ATOMIC_RELAXED);
}

static int find_numbers(struct errand *r, struct fault *reterr)
{
	const struct subject_waiter waiter = {.is_cancelled = is_stopped, .userdata = r};

	return subject_find(r->engine->vault, &r->mention, &waiter, r->result->numbers,
			    &r->result->count, reterr);
}

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void call_configured(struct errand *r)
{
	r->more = configured_step(r->engine, &r->result->configured);
}

static int find_configured(struct errand *r, struct fault *reterr)
{
	struct configured *c = &r->result->configured;
	int error;

	*c = (struct configured){.mention = r->mention, .places = json_array()};
	do
		error = on_loop(r, call_configured, reterr);
	while (error == 0 && r->more);
	return error;
}

static void call_found(struct errand *r)
{
	struct errand_result *result = r->result;

	if (r->calls.found(r->engine, r->id, result, &result->fault) < 0)
		return;
	result->fault = (struct fault){0};
}

static int tell_found(struct errand *r, struct fault *reterr)
{
	int error = on_loop(r, call_found, reterr);

	if (error == 0 && r->result->fault.err) {
		*reterr = r->result->fault;
		error = reterr->err;
	}
	return error;
}

/* One step that may stop short of the whole. What was not reached is told, and the rest goes on. */
static int go_on(struct errand *r, int error, struct fault *f)
{
	if (error >= 0 || error == -ECANCELED)
		return error;
	if (!r->result->left)
		r->result->left = json_array();
	log_error("records of somebody cannot be taken out", "error", f->text);
	json_array_append_new(r->result->left, json_string(f->text));
	*f = (struct fault){0};
	return 0;
}

static int take_out(struct errand *r, struct fault *reterr)
{
	struct errand_result *result = r->result;
	struct removal *x = &r->removal;
	size_t erased = 0;
	int error;

	*x = (struct removal){
		.statements = r->statements,
		.statement_count = r->statement_count,
		.engine = r->engine,
		.request = r->id,
		.mention = &r->mention,
		.stop = &r->stop,
		.lock = &r->lock,
		.wait_durable = wait_durable,
		.userdata = r,
		.dir = open(r->engine->audit_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
	};
	if (x->dir < 0)
		return fault(reterr, -errno, "audit.read", "%s: %s", r->engine->audit_dir,
			     strerror(errno));
	pthread_mutex_lock(&r->engine->governance->rewriting);
	error = go_on(r, removal_segments(x, reterr), reterr);
	if (error == 0)
		error = go_on(r, removal_archives(x, reterr), reterr);
	if (error == 0)
		error = go_on(r, removal_evidence(x, reterr), reterr);
	pthread_mutex_unlock(&r->engine->governance->rewriting);
	/* Segments that were written anew lost their index. */
	if (r->engine->indexer)
		indexer_look_again(r->engine->indexer);
	close_fdp(&x->dir);
	result->removed = x->removed;
	result->archives = x->archives;
	result->evidence = x->evidence;
	result->kept = x->kept;
	for (size_t i = 0; i < x->failed_count; i++)
		go_on(r, x->failed[i].err, &x->failed[i]);
	if (error == 0 && result->count)
		error = vault_erase(r->engine->vault, result->numbers, result->count, &erased,
				    reterr);
	result->erased = erased;
	return error;
}

static bool is_about(const struct errand *r, const struct reader_record *record)
{
	return subject_is_in(&r->mention, r->result->numbers, r->result->count, record);
}

/* One that is about them: its value in the vault goes; if it stands in the clear, the record does. */
static int take_statement(const struct record_view *view, void *userdata)
{
	static const char key[] = "\"statement\":";
	struct errand *r = userdata;
	struct errand_result *result = r->result;
	size_t length = strlen(key), count = result->count + r->statement_numbers;

	for (unsigned int i = 0; i < view->sealed_count; i++) {
		size_t at = view->sealed[i];
		struct personal_sealed sealed;

		if (at < length || memcmp(view->data + at - length, key, length) != 0 ||
		    personal_parse_sealed(view->data + at, AUDIT_RECORD_MAX, &sealed) < 0)
			continue;
		if (count == SUBJECT_NUMBERS_MAX)
			return -E2BIG;
		result->numbers[count] = sealed.subject;
		r->statement_numbers++;
		return 0;
	}
	if (r->statement_count == STATEMENTS_MAX)
		return -E2BIG;
	r->statements[r->statement_count++] = view->index;
	return 0;
}

/* What they, or others, had put beside records about them goes with these. */
static int find_statements(struct errand *r, struct fault *reterr)
{
	_cleanup_(rectified_freep) struct rectified *rectified = NULL;
	_cleanup_(reader_closep) struct reader *reader = NULL;
	struct errand_result *result = r->result;
	struct reader_record record;
	int error;

	r->statement_count = r->statement_numbers = 0;
	free(r->statements);
	r->statements = calloc(STATEMENTS_MAX, sizeof(*r->statements));
	if (!r->statements)
		return fault(reterr, -ENOMEM, "request.memory", "out of memory");
	error = rectified_load(r->engine->audit_dir, is_stopped, r, &rectified, reterr);
	if (error < 0 || rectified_is_empty(rectified))
		return error;
	error = reader_open(r->engine->audit_dir, &reader, reterr);
	while (error >= 0 && (error = reader_next(reader, &record, reterr)) == 1) {
		if (is_stopped(r))
			return fault(reterr, -ECANCELED, "request.stopped", "it was told to stop");
		if (is_about(r, &record) &&
		    rectified_each(rectified, record.view.event_id, take_statement, r) < 0)
			return fault(reterr, -E2BIG, "request.subject",
				     "too many statements are about the subject");
	}
	result->count += r->statement_numbers;
	qsort(result->numbers, result->count, sizeof(result->numbers[0]), compare_numbers);
	qsort(r->statements, r->statement_count, sizeof(*r->statements), compare_numbers);
	return error;
}

static int erase(struct errand *r, struct fault *reterr)
{
	int error = find_numbers(r, reterr);

	if (error == 0)
		error = find_statements(r, reterr);
	if (error == 0)
		error = tell_found(r, reterr); /* list entries go: those records are clear, maybe */
	if (error == 0)
		error = find_configured(r, reterr);
	if (error == 0)
		error = wait_durable(r, reterr);
	if (error < 0)
		return error;
	recorder_rotate(r->engine->recorder);
	removal_announce(r->engine, r->id, r->result);
	error = wait_durable(r, reterr);
	return error < 0 ? error : take_out(r, reterr);
}

/* There is a record with this event_id, which did not expire. */
static int find_event(struct errand *r, struct fault *reterr)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	struct reader_record record;
	uint8_t id[AUDIT_ID_SIZE];
	char digits[2 * AUDIT_ID_SIZE + 1];
	size_t length = 0;
	int error;

	for (const char *c = r->event; *c && length < sizeof(digits) - 1; c++)
		if (*c != '-')
			digits[length++] = *c;
	digits[length] = '\0';
	if (length != sizeof(digits) - 1 || hex_parse(digits, AUDIT_ID_SIZE, id) < 0)
		return fault(reterr, -EINVAL, "request.event", "'%.40s' is no event_id", r->event);
	error = reader_open(r->engine->audit_dir, &reader, reterr);
	while (error >= 0 && !__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		error = reader_next(reader, &record, reterr);
		if (error == 0)
			return fault(reterr, -ENOENT, "request.event",
				     "the log has no record %.40s, or has it no more", r->event);
		if (error == 1 && memcmp(record.view.event_id, id, sizeof(id)) == 0)
			return 0;
	}
	return error < 0 ? error
			 : fault(reterr, -ECANCELED, "request.stopped", "it was told to stop");
}

static void call_over(struct errand *r)
{
	r->calls.over(r->engine, r->id, r->result);
}

static int do_it(struct errand *r, struct fault *reterr)
{
	int error;

	switch (r->kind) {
	case ERRAND_ERASE:
		return erase(r, reterr);
	case ERRAND_RECTIFY:
		return find_event(r, reterr);
	case ERRAND_FIND:
	default:
		error = find_numbers(r, reterr);
		return error < 0 ? error : find_configured(r, reterr);
	}
}

static void *run(void *userdata)
{
	struct errand *r = userdata;
	struct fault f = {0};

	if (do_it(r, &f) < 0)
		r->result->fault = f;
	else
		r->result->fault = (struct fault){0};
	on_loop(r, call_over, &f);
	pthread_mutex_lock(&r->lock);
	r->running = false;
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

int errand_begin(struct errand *r, const struct errand_order *order, struct fault *reterr)
{
	int error;

	if (errand_is_busy(r))
		return fault(reterr, -EBUSY, "request.busy",
			     "another request is being worked on: ask again when it is done");
	errand_join(r);
	result_clear(r->result);
	if (mention_init(&r->mention, order->subject) < 0)
		return fault(reterr, -EINVAL, "request.subject",
			     "the subject is empty, longer than %d bytes, or no UTF-8",
			     MENTION_MAX);
	r->kind = order->kind;
	snprintf(r->id, sizeof(r->id), "%s", order->id);
	snprintf(r->subject, sizeof(r->subject), "%s", order->subject);
	snprintf(r->event, sizeof(r->event), "%s", order->event ?: "");
	r->call = NULL;
	r->stop = r->waiting = false;
	r->running = true;
	error = -pthread_create(&r->thread, NULL, run, r);
	r->joinable = error == 0;
	if (error == 0)
		return 0;
	r->running = false;
	return fault(reterr, error, "request.start", "cannot start a thread: %s", strerror(-error));
}

bool errand_is_busy(const struct errand *r)
{
	struct errand *mutable = (struct errand *)(uintptr_t)r;
	bool running;

	pthread_mutex_lock(&mutable->lock);
	running = r->running || r->asked;
	pthread_mutex_unlock(&mutable->lock);
	return running;
}

bool errand_is_about(const struct errand *r, const char *id)
{
	return errand_is_busy(r) && strcmp(r->id, id) == 0;
}

const char *errand_subject(const struct errand *r)
{
	return r->subject;
}

void errand_stop(struct errand *r)
{
	pthread_mutex_lock(&r->lock);
	__atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void errand_join(struct errand *r)
{
	if (r->joinable)
		pthread_join(r->thread, NULL);
	r->joinable = false;
}
