/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one trace there may be, on its way to who asked. The ring in the kernel is the queue: it is read when the
 * client takes more, so that a slow one loses packets, is told how many, and costs nobody else anything.
 */
#include "api/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/trace.h"

#define WAKE_MSEC     50
#define BUFFER_BYTES  (64U << 10) /* it is full with the packet that goes beyond */
#define LOST_EVERY_NS NSEC_PER_SEC

struct trace_stream {
	struct tracing *tracing; /* NULL: it ended */
	int fd;			 /* the client's */
	void *exchange;
	bool waits;  /* for http_wake() */
	bool events; /* text/event-stream, or else NDJSON */
	bool hide;
	bool last;		/* the line that ends it is in text */
	const char *cause;	/* why it is to end; NULL: it is not */
	struct engine_actor by; /* who wants it to */
	char by_name[64];
	struct correlation by_correlation;
	uint64_t left;			/* packets that are still to be shown; UINT64_MAX: no end */
	uint64_t packets;		/* shown */
	uint64_t lost;			/* as it was told last */
	uint64_t lost_ns, heartbeat_ns; /* CLOCK_MONOTONIC, when the next one may be, or is due */
	struct text text;
	size_t taken; /* of text */
};

struct tracing {
	struct api *api;
	uv_timer_t timer;
	struct trace_stream *stream; /* NULL: nobody traces */
};

static void stream_free(struct trace_stream *t)
{
	if (!t)
		return;
	text_done(&t->text);
	free(t);
}
DEFINE_CLEANUP(struct trace_stream *, stream_free)

static void begin_message(struct trace_stream *t, const char *event)
{
	if (!t->events)
		return;
	if (event)
		text_printf(&t->text, "event: %s\n", event);
	text_puts(&t->text, "data: ");
}

static void end_message(struct trace_stream *t)
{
	text_puts(&t->text, t->events ? "\n\n" : "\n");
}

static bool put_packet(const struct engine_traced *packet, void *userdata)
{
	struct trace_stream *t = userdata;

	begin_message(t, NULL);
	trace_event_put(&t->text, packet->event, &packet->meaning, t->hide);
	end_message(t);
	t->packets++;
	if (t->left != UINT64_MAX)
		t->left--;
	return t->left && t->text.length < BUFFER_BYTES;
}

static void put_lost(struct trace_stream *t, uint64_t now_ns, bool last)
{
	struct weir_trace_count count;
	uint64_t lost;

	if (now_ns < t->lost_ns && !last)
		return;
	engine_trace_count(t->tracing->api->engine, &count);
	lost = count.over_budget + count.lost;
	if (lost == t->lost)
		return;
	begin_message(t, "lost");
	text_printf(&t->text, "{\"type\":\"lost\",\"count\":%" PRIu64 ",", lost - t->lost);
	trace_count_put(&t->text, &count);
	text_puts(&t->text, "}");
	end_message(t);
	t->lost = lost;
	t->lost_ns = now_ns + LOST_EVERY_NS;
}

/* Whatever was in the ring has been shown, or is more than was asked for. */
static void put_end(struct trace_stream *t, uint64_t now_ns)
{
	struct weir_trace_count count;

	put_lost(t, now_ns, true);
	engine_trace_count(t->tracing->api->engine, &count);
	begin_message(t, "end");
	text_printf(&t->text, "{\"type\":\"end\",\"cause\":\"%s\",\"packets\":%" PRIu64 ",",
		    t->cause, t->packets);
	trace_count_put(&t->text, &count);
	text_printf(&t->text, ",\"unread\":%" PRIu64 "}", (uint64_t)count.delivered - t->packets);
	end_message(t);
	t->last = true;
}

/* Nobody traces any more. */
static void end_trace(struct trace_stream *t, const char *cause)
{
	struct tracing *tracing = t->tracing;

	if (!tracing)
		return;
	engine_trace_end(tracing->api->engine, t->by.username ? &t->by : NULL, cause, t->packets);
	tracing->stream = NULL;
	t->tracing = NULL;
}

static void put_heartbeat(struct trace_stream *t)
{
	text_puts(&t->text, t->events ? ": heartbeat\n\n" : "{\"type\":\"heartbeat\"}\n");
}

/* Fill the buffer, which is empty. */
static void fill(struct trace_stream *t, uint64_t now_ns)
{
	struct engine *e = t->tracing->api->engine;
	bool ends = t->cause;

	if (ends)
		engine_trace_pause(e); /* and then take what is left */
	if (t->left)
		engine_trace_read(e, put_packet, t);
	if (!t->left && !t->cause)
		t->cause = "count";
	if (!t->left && !ends)
		engine_trace_pause(e);
	if (!t->cause)
		put_lost(t, now_ns, false);
	else if (!t->left || t->text.length < BUFFER_BYTES)
		put_end(t, now_ns);
	if (!t->text.length && now_ns >= t->heartbeat_ns)
		put_heartbeat(t);
	if (t->last)
		end_trace(t, t->cause);
}

static bool client_is_gone(const struct trace_stream *t)
{
	struct pollfd client = {.fd = t->fd};

	return poll(&client, 1, 0) > 0 && client.revents & (POLLHUP | POLLERR);
}

static ssize_t read_trace(void *data, char *buffer, size_t size)
{
	struct trace_stream *t = data;
	uint64_t now_ns = clock_monotonic_ns();
	size_t length;

	if (t->taken == t->text.length) {
		if (!t->tracing)
			return -ENODATA;
		t->text.length = t->taken = 0;
		fill(t, now_ns);
	}
	if (t->text.truncated) {
		log_error("a trace broke off", "error", "out of memory");
		return -ENOMEM;
	}
	length = t->text.length - t->taken;
	if (!length && client_is_gone(t))
		return -EPIPE;
	if (!length) {
		t->waits = true;
		return -EAGAIN;
	}
	t->heartbeat_ns = now_ns + TRACE_HEARTBEAT_NS;
	length = length < size ? length : size;
	memcpy(buffer, t->text.data + t->taken, length);
	t->taken += length;
	return (ssize_t)length;
}

static void end_stream(void *data)
{
	struct trace_stream *t = data;

	end_trace(t, "gone");
	stream_free(t);
}

static void wake(struct trace_stream *t)
{
	if (!t->waits)
		return;
	t->waits = false;
	http_wake(t->exchange);
}

static void on_timer(uv_timer_t *timer)
{
	struct tracing *tracing = timer->data;

	if (!tracing->stream) {
		uv_timer_stop(timer);
		return;
	}
	engine_trace_keep(tracing->api->engine);
	wake(tracing->stream);
}

static int read_number(struct call *c, const char *name, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *text = http_argument(c->request, name);

	if (!text || parse_u64(text, min, max, ret) == 0)
		return 0;
	reply_problem(c, 400, "request.number", "%s must be a number from %" PRIu64 " to %" PRIu64,
		      name, min, max);
	return -EINVAL;
}

/* Answers itself if something is wrong. */
static int begin(struct call *c, struct trace_stream *t)
{
	struct engine_trace_options options = {.filter = http_argument(c->request, "filter") ?: ""};
	uint64_t sample = 1, snap = 0, budget = ENGINE_TRACE_BUDGET;
	struct fault f = {0};

	t->left = UINT64_MAX;
	if (read_number(c, "sample", 1, WEIR_TRACE_SAMPLE_MAX, &sample) < 0 ||
	    read_number(c, "snap", 0, WEIR_TRACE_SNAP_MAX, &snap) < 0 ||
	    read_number(c, "budget", 1, 100, &budget) < 0 ||
	    read_number(c, "count", 1, UINT64_MAX - 1, &t->left) < 0 ||
	    read_switch(c, "hide_addresses", &t->hide) < 0)
		return -EINVAL;
	if (t->hide && snap) {
		reply_problem(
			c, 400, "trace.hidden",
			"the bytes of a packet have its addresses: without hide_addresses, or "
			"without snap");
		return -EINVAL;
	}
	options.sample = (uint32_t)sample;
	options.snap = (uint32_t)snap;
	options.budget = (uint32_t)budget;
	options.hide_addresses = t->hide;
	if (engine_trace_begin(c->engine, &c->actor, &options, &f) == 0)
		return 0;
	if (f.err == -EBUSY)
		reply_problem(c, 409, f.code, "%s", f.text);
	else if (strcmp(f.code, "trace.name") == 0 || strcmp(f.code, "trace.filter") == 0)
		reply_problem(c, 400, f.code, "%s", f.text);
	else
		reply_fault(c, &f);
	return f.err;
}

void handle_trace(struct call *c)
{
	_cleanup_(stream_freep) struct trace_stream *t = calloc(1, sizeof(*t));
	struct tracing *tracing = c->api->tracing;

	if (!t)
		return reply_problem(c, 500, "api.memory", "out of memory");
	text_init_growing(&t->text);
	if (begin(c, t) < 0)
		return;
	t->fd = http_client_fd(c->request);
	t->exchange = c->request->exchange;
	t->events = wants_events(c);
	t->heartbeat_ns = clock_monotonic_ns();
	t->tracing = tracing;
	tracing->stream = t;
	uv_timer_start(&tracing->timer, on_timer, WAKE_MSEC, WAKE_MSEC);
	c->response->status = 200;
	c->response->content_type = t->events ? "text/event-stream" : "application/x-ndjson";
	c->response->when_durable = true; /* first that somebody sees them, then packets */
	c->response->as_is = true;
	c->response->stream = read_trace;
	c->response->stream_end = end_stream;
	c->response->stream_data = take_ptr(t);
}

void handle_trace_end(struct call *c)
{
	struct trace_stream *t = c->api->tracing->stream;
	struct fault f = {0};

	if (!t || t->cause)
		return reply_problem(c, 404, "trace.none", "nobody traces");
	if (engine_proceed(&c->actor, &f, "end the trace that there is") < 0)
		return reply_fault(c, &f);
	t->cause = "asked";
	t->by = c->actor;
	snprintf(t->by_name, sizeof(t->by_name), "%s", c->actor.username);
	t->by.username = t->by_name;
	t->by_correlation = c->correlation;
	t->by.request_id = t->by_correlation.request_id;
	t->by.trace_id = t->by_correlation.trace_id;
	wake(t);
	reply_json(c, 200, json_pack("{s:I}", "packets", (json_int_t)t->packets));
}

int tracing_new(struct api *a, struct tracing **ret, struct fault *reterr)
{
	struct tracing *tracing = calloc(1, sizeof(*tracing));

	if (!tracing)
		return fault(reterr, -ENOMEM, "http.start", "out of memory");
	tracing->api = a;
	uv_timer_init(a->options.loop, &tracing->timer);
	tracing->timer.data = tracing;
	*ret = tracing;
	return 0;
}

void tracing_stop(struct tracing *tracing)
{
	struct trace_stream *t = tracing ? tracing->stream : NULL;

	if (!t)
		return;
	end_trace(t, "daemon");
	wake(t);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void tracing_free(struct tracing *tracing)
{
	if (tracing)
		uv_close((uv_handle_t *)&tracing->timer, on_closed);
}
