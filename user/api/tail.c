/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/tail.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "audit/reader.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/privacy.h"
#include "engine/recorder.h"
#include "vault/query.h"

#define WAKE_MSEC	200
#define RECORDS_AT_ONCE 256	    /* that are looked at in one turn: a few milliseconds */
#define BUFFER_BYTES	(64U << 10) /* it is full with the record that goes beyond */

struct tail {
	struct tails *tails; /* NULL: it ended */
	struct tail *next_tail;
	uid_t uid;
	int fd; /* the client's */
	void *exchange;
	bool waits;  /* for http_wake() */
	bool events; /* text/event-stream, or else NDJSON */
	bool sealed;
	bool current; /* it had all that there was, once */
	struct reader *reader;
	struct audit_query query;
	struct vault_meant meant;
	uint64_t index;	       /* of the record that is looked at next */
	uint64_t heartbeat_ns; /* CLOCK_MONOTONIC, when one is due */
	struct text text;
	size_t taken; /* of text */
};

struct tails {
	struct api *api;
	uv_timer_t timer;
	struct tail *first;
	unsigned int count;
};

static void close_files(struct tail *t)
{
	reader_close(t->reader);
	t->reader = NULL;
	vault_meant_done(&t->meant);
}

static void tail_free(struct tail *t)
{
	if (!t)
		return;
	close_files(t);
	text_done(&t->text);
	free(t);
}
DEFINE_CLEANUP(struct tail *, tail_free)

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
	recorder_get_stats(engine_recorder(t->tails->api->engine), &stats);
	if (stats.records <= t->index + TAIL_LAG_MAX)
		return 0;
	r = reader_seek(t->reader, stats.records, reterr);
	if (r == 0)
		put_lost(t, stats.records, "slow");
	return r;
}

/* Fill the buffer, which is empty. 1: there may be more; 0: that is all for now. */
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

static bool client_is_gone(const struct tail *t)
{
	struct pollfd client = {.fd = t->fd};

	return poll(&client, 1, 0) > 0 && client.revents & (POLLHUP | POLLERR);
}

static ssize_t read_tail(void *data, char *buffer, size_t size)
{
	struct tail *t = data;
	uint64_t now_ns = clock_monotonic_ns();
	struct fault f = {0};
	size_t length;
	int r = 1;

	if (!t->tails)
		return -ENODATA;
	if (t->taken == t->text.length) {
		t->text.length = t->taken = 0;
		r = fill(t, &f);
		if (r == 0 && !t->text.length && now_ns >= t->heartbeat_ns)
			put_heartbeat(t);
	}
	if (r < 0) {
		log_error("a stream of events broke off", "error", f.text);
		return r;
	}
	length = t->text.length - t->taken;
	if (!length && client_is_gone(t))
		return -EPIPE;
	if (!length && r == 0) {
		t->waits = true;
		return -EAGAIN;
	}
	if (!length)
		return 0;
	t->heartbeat_ns = now_ns + TAIL_HEARTBEAT_NS;
	length = length < size ? length : size;
	memcpy(buffer, t->text.data + t->taken, length);
	t->taken += length;
	return (ssize_t)length;
}

static void take_out(struct tail *t)
{
	struct tail **at = &t->tails->first;

	while (*at != t)
		at = &(*at)->next_tail;
	*at = t->next_tail;
	t->tails->count--;
	t->tails = NULL;
}

static void end_tail(void *data)
{
	struct tail *t = data;

	if (t->tails)
		take_out(t);
	tail_free(t);
}

static void wake(struct tail *t)
{
	if (!t->waits)
		return;
	t->waits = false;
	http_wake(t->exchange);
}

static void on_timer(uv_timer_t *timer)
{
	struct tails *tails = timer->data;

	for (struct tail *t = tails->first; t; t = t->next_tail)
		wake(t);
	if (!tails->first)
		uv_timer_stop(timer);
}

/* There is room for one more. Answers itself if not. */
static bool has_room(struct call *c)
{
	unsigned int mine = 0;

	for (const struct tail *t = c->api->tails->first; t; t = t->next_tail)
		mine += t->uid == c->actor.uid;
	if (mine < TAILS_USER_MAX && c->api->tails->count < TAILS_MAX)
		return true;
	http_response_header(c->response, "Retry-After", "5");
	reply_problem(c, 429, "events.streams",
		      "there may be %u streams of events, %u of one user: end one", TAILS_MAX,
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

/* The type that Accept names; NDJSON unless it is the other. */
static bool wants_events(const struct call *c)
{
	const char *accept = http_header(c->request, "Accept");
	const char *events = accept ? strstr(accept, "text/event-stream") : NULL;
	const char *lines = accept ? strstr(accept, "application/x-ndjson") : NULL;

	return events && (!lines || events < lines);
}

static int open_tail(struct call *c, struct tail *t)
{
	struct audit_details asked = {0};
	struct fault f = {0};
	int r;

	if (read_start(c, &t->index) < 0 || read_switch(c, "sealed", &t->sealed) < 0 ||
	    read_query(c, &t->query, &asked) < 0)
		return -EINVAL;
	r = vault_mean(engine_vault(c->engine), &t->query, &t->meant, &f);
	if (r == 0)
		r = reader_open(engine_audit_dir(c->engine), &t->reader, &f);
	if (r == 0)
		r = reader_seek(t->reader, t->index, &f);
	if (r == 0)
		r = engine_audit_read(c->engine, &c->actor, "stream", &asked, &f);
	if (r < 0)
		reply_fault(c, &f);
	else
		reader_set_opener(t->reader, engine_audit_opener(c->engine));
	return r;
}

void handle_events(struct call *c)
{
	_cleanup_(tail_freep) struct tail *t = NULL;
	struct tails *tails = c->api->tails;

	if (!has_room(c))
		return;
	t = calloc(1, sizeof(*t));
	if (!t)
		return reply_problem(c, 500, "api.memory", "out of memory");
	text_init_growing(&t->text);
	if (open_tail(c, t) < 0)
		return;
	t->uid = c->actor.uid;
	t->fd = http_client_fd(c->request);
	t->exchange = c->request->exchange;
	t->events = wants_events(c);
	t->heartbeat_ns = clock_monotonic_ns() + TAIL_HEARTBEAT_NS;
	t->tails = tails;
	t->next_tail = tails->first;
	tails->first = t;
	tails->count++;
	uv_timer_start(&tails->timer, on_timer, WAKE_MSEC, WAKE_MSEC);
	c->response->status = 200;
	c->response->content_type = t->events ? "text/event-stream" : "application/x-ndjson";
	c->response->stream = read_tail;
	c->response->stream_end = end_tail;
	c->response->stream_data = take_ptr(t);
}

int tails_new(struct api *a, struct tails **ret, struct fault *reterr)
{
	struct tails *tails = calloc(1, sizeof(*tails));

	if (!tails)
		return fault(reterr, -ENOMEM, "http.start", "out of memory");
	tails->api = a;
	uv_timer_init(a->options.loop, &tails->timer);
	tails->timer.data = tails;
	*ret = tails;
	return 0;
}

void tails_stop(struct tails *tails)
{
	while (tails && tails->first) {
		struct tail *t = tails->first;

		close_files(t);
		take_out(t);
		wake(t);
	}
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void tails_free(struct tails *tails)
{
	if (tails)
		uv_close((uv_handle_t *)&tails->timer, on_closed);
}
