/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "otlp/otlp.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/target.h"

_Static_assert(OTLP_ENDPOINT_SIZE == TARGET_URL_MAX + 1, "an endpoint has room");

struct queued {
	char *text;
	size_t length;
	uint64_t since_ns; /* CLOCK_MONOTONIC */
};

/* What is not under the lock belongs to the thread. */
struct otlp {
	struct otlp_options options;
	char *endpoint;
	struct otlp_poster *poster;
	int stop_fd, wake_fd;
	pthread_t thread;
	struct text batch; /* spans on their way, kept until it is known what became of them */
	size_t batch_spans;
	struct text metrics; /* likewise */
	uint64_t backoff_ms, retry_ns;

	pthread_mutex_t lock;
	struct queued queue[OTLP_QUEUE_SPANS];
	size_t first, count, bytes;
	struct text fresh; /* the latest metrics; none = they were taken */
	struct otlp_stats stats;
};

static void queue_done(struct otlp *o)
{
	for (; o->count; o->count--)
		free(o->queue[o->first++ % OTLP_QUEUE_SPANS].text);
}

static void release(struct otlp *o)
{
	queue_done(o);
	text_done(&o->batch);
	text_done(&o->metrics);
	text_done(&o->fresh);
	otlp_poster_free(o->poster);
	if (o->stop_fd >= 0)
		close(o->stop_fd);
	if (o->wake_fd >= 0)
		close(o->wake_fd);
	pthread_mutex_destroy(&o->lock);
	free(o->endpoint);
	free(o);
}

void otlp_send_span(struct otlp *o, const struct otlp_span *s)
{
	struct text t = {.growing = true};
	bool full = false;

	otlp_put_span(&t, s);
	pthread_mutex_lock(&o->lock);
	if (t.truncated || o->count == OTLP_QUEUE_SPANS || o->bytes + t.length > OTLP_QUEUE_BYTES) {
		o->stats.spans_dropped++;
	} else {
		struct queued *q = &o->queue[(o->first + o->count++) % OTLP_QUEUE_SPANS];

		*q = (struct queued){t.data, t.length, clock_monotonic_ns()};
		o->bytes += t.length;
		t = (struct text){0};
		full = o->count == OTLP_BATCH_SPANS || o->count == 1;
	}
	pthread_mutex_unlock(&o->lock);
	text_done(&t);
	if (full)
		eventfd_write(o->wake_fd, 1);
}

void otlp_send_metrics(struct otlp *o, struct text *points)
{
	struct text former;

	pthread_mutex_lock(&o->lock);
	former = o->fresh;
	o->fresh = *points;
	o->stats.metrics_dropped += former.data != NULL;
	pthread_mutex_unlock(&o->lock);
	*points = (struct text){0};
	text_done(&former);
	eventfd_write(o->wake_fd, 1);
}

void otlp_get_stats(struct otlp *o, struct otlp_stats *ret)
{
	pthread_mutex_lock(&o->lock);
	*ret = o->stats;
	ret->spans_queued += o->count;
	pthread_mutex_unlock(&o->lock);
}

/* Make the next batch out of the queue, if there is none on its way. Under the lock. */
static void fill_batch(struct otlp *o)
{
	if (o->batch_spans || !o->count)
		return;
	o->batch.length = 0;
	otlp_put_head(&o->batch, OTLP_TRACES, &o->options.resource);
	while (o->count && o->batch_spans < OTLP_BATCH_SPANS &&
	       o->batch.length < OTLP_BATCH_BYTES) {
		struct queued *q = &o->queue[o->first % OTLP_QUEUE_SPANS];

		otlp_put_comma(&o->batch);
		text_put(&o->batch, q->text, q->length);
		free(q->text);
		o->bytes -= q->length;
		o->first = (o->first + 1) % OTLP_QUEUE_SPANS;
		o->count--;
		o->batch_spans++;
	}
	otlp_put_tail(&o->batch);
	o->stats.spans_queued = o->batch_spans;
	if (!o->batch.truncated)
		return;
	o->stats.spans_dropped += o->batch_spans;
	o->stats.spans_queued = o->batch_spans = 0;
	o->batch.truncated = false;
}

/* The latest metrics take the place of those that could not be sent. Under the lock. */
static void take_metrics(struct otlp *o)
{
	if (!o->fresh.data)
		return;
	o->stats.metrics_dropped += o->metrics.length != 0;
	o->metrics.length = 0;
	otlp_put_head(&o->metrics, OTLP_METRICS, &o->options.resource);
	text_put(&o->metrics, o->fresh.data, o->fresh.length);
	otlp_put_tail(&o->metrics);
	if (o->metrics.truncated || o->fresh.truncated) {
		o->stats.metrics_dropped++;
		o->metrics.length = 0;
		o->metrics.truncated = false;
	}
	text_done(&o->fresh);
	o->fresh = (struct text){0};
}

/* Seven in eight of it at least, so that not all who wait for a receiver come back at once. */
static uint64_t jittered(uint64_t ms)
{
	return ms - clock_monotonic_ns() % (ms / 8 + 1);
}

static void note(struct otlp *o, const struct otlp_answer *a)
{
	bool fails = a->outcome != OTLP_SENT, was;
	uint64_t wait_ms = 0;

	pthread_mutex_lock(&o->lock);
	was = o->stats.failing;
	o->stats.failing = fails;
	o->stats.errors += fails;
	if (*a->words)
		snprintf(o->stats.because, sizeof(o->stats.because), "%s", a->words);
	pthread_mutex_unlock(&o->lock);
	if (a->outcome == OTLP_RETRY) {
		wait_ms = jittered(o->backoff_ms);
		if (a->retry_after_ns / NSEC_PER_MSEC > wait_ms)
			wait_ms = a->retry_after_ns / NSEC_PER_MSEC;
		o->backoff_ms = o->backoff_ms * 2 < OTLP_BACKOFF_MAX_MS ? o->backoff_ms * 2
									: OTLP_BACKOFF_MAX_MS;
	} else {
		o->backoff_ms = OTLP_BACKOFF_MS;
	}
	o->retry_ns = clock_monotonic_ns() + wait_ms * NSEC_PER_MSEC;
	if (fails != was)
		o->options.changed(fails, o->endpoint, a->words, o->options.userdata);
}

/* False: not now, there is more to be tried later, or the end has come. */
static bool send_spans(struct otlp *o, int stop_fd, unsigned int timeout_ms)
{
	struct otlp_answer a;
	uint64_t rejected;

	otlp_post(o->poster, OTLP_TRACES, o->batch.data, o->batch.length, stop_fd, timeout_ms, &a);
	if (a.outcome == OTLP_STOPPED)
		return false;
	pthread_mutex_lock(&o->lock);
	rejected = a.outcome == OTLP_REFUSED	 ? o->batch_spans
		   : a.rejected > o->batch_spans ? o->batch_spans
						 : a.rejected;
	if (a.outcome != OTLP_RETRY) {
		o->stats.spans_sent += o->batch_spans - rejected;
		o->stats.spans_rejected += rejected;
		o->stats.spans_queued = o->batch_spans = 0;
	}
	pthread_mutex_unlock(&o->lock);
	note(o, &a);
	return a.outcome != OTLP_RETRY;
}

static bool send_metrics(struct otlp *o, int stop_fd, unsigned int timeout_ms)
{
	struct otlp_answer a;

	otlp_post(o->poster, OTLP_METRICS, o->metrics.data, o->metrics.length, stop_fd, timeout_ms,
		  &a);
	if (a.outcome == OTLP_STOPPED)
		return false;
	pthread_mutex_lock(&o->lock);
	o->stats.metrics_sent += a.outcome == OTLP_SENT;
	o->stats.metrics_dropped += a.outcome == OTLP_REFUSED;
	o->stats.points_rejected += a.rejected;
	pthread_mutex_unlock(&o->lock);
	if (a.outcome != OTLP_RETRY)
		o->metrics.length = 0;
	note(o, &a);
	return a.outcome != OTLP_RETRY;
}

/* Whether spans are to be sent now; else *@ret_ms says how long they wait, -1 = there are none. Under the lock. */
static bool is_due(const struct otlp *o, int *ret_ms)
{
	uint64_t age_ms;

	*ret_ms = -1;
	if (o->batch_spans || o->count >= OTLP_BATCH_SPANS)
		return true;
	if (!o->count)
		return false;
	age_ms = (clock_monotonic_ns() - o->queue[o->first % OTLP_QUEUE_SPANS].since_ns) /
		 NSEC_PER_MSEC;
	*ret_ms = age_ms < OTLP_BATCH_MS ? (int)(OTLP_BATCH_MS - age_ms) : 0;
	return *ret_ms == 0;
}

/* Send what there is. In how many ms to look again; -1 = when something comes. */
static int work(struct otlp *o)
{
	uint64_t now_ns = clock_monotonic_ns();
	bool spans;
	int wait_ms;

	if (now_ns < o->retry_ns)
		return (int)((o->retry_ns - now_ns) / NSEC_PER_MSEC) + 1;
	pthread_mutex_lock(&o->lock);
	spans = is_due(o, &wait_ms);
	if (spans)
		fill_batch(o);
	take_metrics(o);
	pthread_mutex_unlock(&o->lock);
	if (!spans && !o->metrics.length)
		return wait_ms;
	if (o->batch_spans && !send_spans(o, o->stop_fd, OTLP_TIMEOUT_MS))
		return 0;
	if (o->metrics.length)
		send_metrics(o, o->stop_fd, OTLP_TIMEOUT_MS);
	return 0;
}

static unsigned int left_ms(uint64_t until_ns)
{
	uint64_t now_ns = clock_monotonic_ns();

	return now_ns < until_ns ? (unsigned int)((until_ns - now_ns) / NSEC_PER_MSEC) + 1 : 0;
}

static void send_last(struct otlp *o)
{
	uint64_t until_ns = clock_monotonic_ns() + OTLP_LAST_MS * NSEC_PER_MSEC;
	bool fails;

	do {
		pthread_mutex_lock(&o->lock);
		fails = o->stats.failing;
		fill_batch(o);
		take_metrics(o);
		pthread_mutex_unlock(&o->lock);
	} while (!fails && o->batch_spans && left_ms(until_ns) &&
		 send_spans(o, -1, left_ms(until_ns)));
	if (!fails && !o->batch_spans && o->metrics.length && left_ms(until_ns))
		send_metrics(o, -1, left_ms(until_ns));
}

static void *run(void *userdata)
{
	struct otlp *o = userdata;
	struct pollfd fds[] = {{o->stop_fd, POLLIN, 0}, {o->wake_fd, POLLIN, 0}};
	eventfd_t count;

	for (;;) {
		int wait_ms = work(o);

		poll(fds, 2, wait_ms);
		if (fds[0].revents)
			break;
		if (fds[1].revents)
			eventfd_read(o->wake_fd, &count);
	}
	send_last(o);
	return NULL;
}

int otlp_open(const struct otlp_options *options, struct otlp **ret, struct fault *reterr)
{
	struct otlp *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return fault(reterr, -ENOMEM, "otlp.memory", "out of memory");
	o->options = *options;
	o->backoff_ms = OTLP_BACKOFF_MS;
	o->batch.growing = o->metrics.growing = true;
	pthread_mutex_init(&o->lock, NULL);
	o->stop_fd = eventfd(0, EFD_CLOEXEC);
	o->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	o->endpoint = strdup(options->endpoint);
	r = otlp_poster_new(options->endpoint, options->headers_file, &o->poster, reterr);
	if (r == 0) {
		snprintf(o->stats.endpoint, sizeof(o->stats.endpoint), "%s", options->endpoint);
		if (!o->endpoint || o->stop_fd < 0 || o->wake_fd < 0 ||
		    pthread_create(&o->thread, NULL, run, o) != 0)
			r = fault(reterr, -EAGAIN, "otlp.start",
				  "what sends to %.255s cannot be started", options->endpoint);
	}
	if (r < 0) {
		release(o);
		return r;
	}
	*ret = o;
	return 0;
}

void otlp_close(struct otlp *o)
{
	if (!o)
		return;
	eventfd_write(o->stop_fd, 1);
	pthread_join(o->thread, NULL);
	release(o);
}
