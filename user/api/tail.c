/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * GET /events: records as they come, by a job. The log itself is the queue: each client has its place in it, so that a
 * slow one costs nothing and can go on where it was. One that fell too far behind is told how many it missed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "api/job.h"
#include "audit/reader.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/privacy.h"
#include "engine/recorder.h"
#include "vault/query.h"

#define TAILS_USER_MAX	  2
#define TAIL_LAG_MAX	  4096 /* records that one who was up to date may fall behind */
#define TAIL_HEARTBEAT_NS (15 * NSEC_PER_SEC)
#define WAKE_MSEC	  200
#define RECORDS_AT_ONCE	  256	      /* that are looked at in one turn: a few milliseconds */
#define BUFFER_BYTES	  (64U << 10) /* it is full with the record that goes beyond */

struct tail {
	struct job job;
	const char *dir;
	struct vault *vault;
	struct recorder *recorder;
	const struct personal_opener *opener;
	bool events; /* text/event-stream, or else NDJSON */
	bool sealed;
	bool current; /* it had all that there was, once */
	struct reader *reader;
	struct audit_query query;
	uint64_t index;	       /* of the record that is looked at next */
	uint64_t heartbeat_ns; /* CLOCK_MONOTONIC, when one is due */
	struct text text;
	struct fault fault; /* why it cannot begin; err 0: it does */
};

static void free_tail(struct job *job)
{
	struct tail *t = (struct tail *)job;

	reader_close(t->reader);
	text_done(&t->text);
	free(t);
}

/* What stands before and after a message. Its id is that of the last record that was looked at. */
static void begin_message(struct tail *t, const char *event)
{
	if (!t->events)
		return;
	if (event)
		text_printf(&t->text, "event: %s\n", event);
	if (t->index)
		text_printf(&t->text, "id: %" PRIu64 "\n", t->index - 1);
	text_puts(&t->text, "data: ");
}

static void end_message(struct tail *t)
{
	text_puts(&t->text, t->events ? "\n\n" : "\n");
}

/* Go on at record @index; those up to there are not shown. */
static void put_lost(struct tail *t, uint64_t index, const char *why)
{
	uint64_t from = t->index;

	t->index = index;
	begin_message(t, "lost");
	text_printf(&t->text,
		    "{\"type\":\"lost\",\"count\":%" PRIu64
		    ",\"why\":\"%s\",\"from_index\":%" PRIu64 ",\"next_index\":%" PRIu64 "}",
		    index - from, why, from, index);
	end_message(t);
}

static void put_heartbeat(struct tail *t)
{
	if (!t->events)
		text_printf(&t->text, "{\"type\":\"heartbeat\",\"next_index\":%" PRIu64 "}\n",
			    t->index);
	else if (t->index)
		text_printf(&t->text, ": heartbeat\nid: %" PRIu64 "\n\n", t->index - 1);
	else
		text_puts(&t->text, ": heartbeat\n\n");
}

static void put_record(struct tail *t, struct reader_record *record)
{
	if (record->view.index > t->index)
		put_lost(t, record->view.index, "expired");
	t->index = record->view.index + 1;
	if (!audit_query_match(&t->query, &record->view))
		return;
	if (t->sealed)
		record->view.opener = NULL;
	begin_message(t, NULL);
	record_put_view(&t->text, record->data, record->length, &record->view, record->hash);
	end_message(t);
}

/* One that had all and is too far behind now goes on with what is new. */
static int catch_up(struct tail *t, struct fault *reterr)
{
	struct recorder_stats stats;
	int r;

	if (!t->current)
		return 0;
	recorder_get_stats(t->recorder, &stats);
	if (stats.records <= t->index + TAIL_LAG_MAX)
		return 0;
	r = reader_seek(t->reader, stats.records, reterr);
	if (r == 0)
		put_lost(t, stats.records, "slow");
	return r;
}

/* Fill the text, which is empty. 1: there may be more; 0: that is all for now. */
static int fill(struct tail *t, struct fault *reterr)
{
	struct reader_record record;
	int r = catch_up(t, reterr);

	for (int i = 0; r >= 0 && i < RECORDS_AT_ONCE && t->text.length < BUFFER_BYTES; i++) {
		r = reader_next(t->reader, &record, reterr);
		if (r <= 0)
			break;
		put_record(t, &record);
	}
	t->current |= r == 0;
	if (t->text.truncated)
		return fault(reterr, -ENOMEM, "api.memory", "out of memory");
	return r;
}

/* Send what is new, or wait for it. */
static int go_on(struct tail *t, struct fault *reterr)
{
	int r, sent = 0;

	t->text.length = 0;
	r = fill(t, reterr);
	if (r == 0 && !t->text.length && clock_monotonic_ns() >= t->heartbeat_ns)
		put_heartbeat(t);
	if (r < 0)
		return r;
	if (t->text.length) {
		t->heartbeat_ns = clock_monotonic_ns() + TAIL_HEARTBEAT_NS;
		sent = job_put(&t->job, t->text.data, t->text.length);
	} else if (r == 1 && job_is_cancelled(t)) {
		return -ECANCELED;
	}
	return sent == 0 && r == 0 ? job_sleep(&t->job, WAKE_MSEC) : sent;
}

static int open_tail(struct tail *t, struct vault_meant *meant)
{
	int r = vault_mean(t->vault, &t->query, meant, &t->fault);

	if (r == 0)
		r = reader_open(t->dir, &t->reader, &t->fault);
	if (r == 0)
		r = reader_seek(t->reader, t->index, &t->fault);
	if (r < 0)
		return r;
	reader_set_opener(t->reader, t->opener);
	r = job_stream(&t->job);
	return r == -ENOMEM ? fault(&t->fault, r, "api.memory", "out of memory") : r;
}

static void run_tail(struct job *job)
{
	_cleanup_(vault_meant_done) struct vault_meant meant = {0};
	struct tail *t = (struct tail *)job;
	struct fault f = {0};
	int r = open_tail(t, &meant);

	if (r < 0)
		return;
	t->heartbeat_ns = clock_monotonic_ns() + TAIL_HEARTBEAT_NS;
	while (r >= 0)
		r = go_on(t, &f);
	t->job.broken = r != -ECANCELED;
	if (t->job.broken)
		log_error("a stream of events broke off", "error", f.text);
}

static void finish_tail(struct call *c, struct job *job)
{
	const struct tail *t = (struct tail *)job;

	if (t->fault.err)
		return reply_fault(c, &t->fault);
	c->response->status = 200;
	c->response->content_type = t->events ? "text/event-stream" : "application/x-ndjson";
}

/* There is room for one more. Answers itself if not. */
static bool has_room(struct call *c)
{
	if (jobs_count_of(c->api->jobs, JOB_TAIL, c->actor.uid) < TAILS_USER_MAX &&
	    jobs_count(c->api->jobs, JOB_TAIL) < JOB_TAILS_MAX)
		return true;
	http_response_header(c->response, "Retry-After", "5");
	reply_problem(c, 429, "events.streams",
		      "there may be %u streams of events, %u of one user: end one", JOB_TAILS_MAX,
		      TAILS_USER_MAX);
	return false;
}

/* Where to begin: ?since_index=, behind Last-Event-ID, or with what is new. Answers itself. */
static int read_start(struct call *c, uint64_t *ret)
{
	const char *since = http_argument(c->request, "since_index");
	const char *last = http_header(c->request, "Last-Event-ID");
	struct recorder_stats stats;
	const char *text = since ?: last;

	recorder_get_stats(engine_recorder(c->engine), &stats);
	*ret = stats.records;
	if (!text)
		return 0;
	if (parse_u64(text, 0, AUDIT_INDEX_MAX, ret) == 0) {
		*ret += !since;
		if (*ret <= stats.records)
			return 0;
	}
	reply_problem(c, 400, "request.index",
		      "'%.40s' is no index of this log, which has %" PRIu64 " records", text,
		      stats.records);
	return -EINVAL;
}

bool wants_events(const struct call *c)
{
	const char *accept = http_header(c->request, "Accept");
	const char *events = accept ? strstr(accept, "text/event-stream") : NULL;
	const char *lines = accept ? strstr(accept, "application/x-ndjson") : NULL;

	return events && (!lines || events < lines);
}

/* Fill in @t, which is zeroed, and have it recorded that somebody reads. Answers itself if that cannot be. */
static int read_tail(struct call *c, struct tail *t)
{
	struct audit_details asked = {0};
	struct fault f = {0};

	if (read_start(c, &t->index) < 0 || read_switch(c, "sealed", &t->sealed) < 0 ||
	    read_query(c, &t->query, &asked) < 0)
		return -EINVAL;
	if (engine_audit_read(c->engine, &c->actor, "stream", &asked, &f) < 0) {
		reply_fault(c, &f);
		return f.err;
	}
	t->events = wants_events(c);
	t->dir = engine_audit_dir(c->engine);
	t->vault = engine_vault(c->engine);
	t->recorder = engine_recorder(c->engine);
	t->opener = engine_audit_opener(c->engine);
	text_init_growing(&t->text);
	return 0;
}

void handle_events(struct call *c)
{
	struct tail *t;

	if (!has_room(c))
		return;
	t = calloc(1, sizeof(*t));
	if (!t)
		return reply_problem(c, 500, "api.memory", "out of memory");
	t->job = (struct job){
		.kind = JOB_TAIL, .run = run_tail, .finish = finish_tail, .free = free_tail};
	if (read_tail(c, t) < 0)
		free_tail(&t->job);
	else
		job_start(c, &t->job);
}
