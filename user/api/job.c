/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/job.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/recorder.h"

#define JOB_NICE	10 /* whoever asks can wait; packets and their records cannot */
#define RECORDS_WAIT_NS (2 * NSEC_PER_SEC)

/* Whether the records of before are on disk, or never will be. The job and who says so may each end first. */
struct job_records {
	atomic_bool settled;
	atomic_uint owners;
};

struct line {
	struct job *running, *waiting; /* the one that waits longest first */
	unsigned int running_count, waiting_count;
};

struct jobs {
	struct api *api;
	uv_async_t ended;
	struct line lines[JOB_KIND_MAX]; /* the loop's */
	atomic_bool stop;
	pthread_mutex_t lock; /* guards what jobs say of themselves */
};

static const struct {
	unsigned int running, waiting;
	const char *full;
	bool no_log; /* it need not wait for records */
} most[JOB_KIND_MAX] = {
	[JOB_SOCKETS] = {JOB_SOCKETS_MAX, JOB_SOCKETS_WAITING,
			 "too many lists of connections are being made: ask again in a second",
			 .no_log = true},
	[JOB_READ] =
		{JOB_READS_MAX, JOB_READS_WAITING,
		 "too many questions about the audit log are being answered: ask again in a second"},
	[JOB_REPORT] = {JOB_REPORTS_MAX, JOB_REPORTS_WAITING,
			"a report is being made for somebody: ask again when it is done"},
	[JOB_EXPORT] = {JOB_EXPORTS_MAX, JOB_EXPORTS_WAITING,
			"too many exports are being sent: ask again when one is done"},
	[JOB_TAIL] = {JOB_TAILS_MAX, JOB_TAILS_WAITING, "too many streams are being sent: end one"},
};

static void push(struct job **list, struct job *j)
{
	while (*list)
		list = &(*list)->next;
	j->next = NULL;
	*list = j;
}

static struct job *pop(struct job **list)
{
	struct job *j = *list;

	if (j)
		*list = j->next;
	return j;
}

static void take_out(struct job **list, const struct job *j)
{
	while (*list != j)
		list = &(*list)->next;
	*list = j->next;
}

bool job_is_cancelled(void *job)
{
	const struct job *j = job;
	struct pollfd client = {.fd = j->fd};

	/* Who only stops sending still waits for the answer: that is no POLLHUP. */
	return atomic_load(&j->jobs->stop) ||
	       (poll(&client, 1, 0) > 0 && client.revents & (POLLHUP | POLLERR));
}

static void records_leave(struct job_records *records)
{
	if (records && atomic_fetch_sub(&records->owners, 1) == 1)
		free(records);
}

static void on_settled(bool durable, void *userdata)
{
	struct job_records *records = userdata;

	(void)durable;
	atomic_store(&records->settled, true);
	records_leave(records);
}

/* NULL where nobody records: the tests of jobs have no engine. */
static struct job_records *records_watch(const struct engine *e)
{
	struct job_records *records = e ? calloc(1, sizeof(*records)) : NULL;

	if (!records)
		return NULL;
	atomic_init(&records->owners, 2);
	if (recorder_when_durable(engine_recorder(e), on_settled, records) < 0)
		on_settled(false, records);
	return records;
}

static void wait_for_records(struct job *j)
{
	const struct timespec pause = {.tv_nsec = NSEC_PER_MSEC};
	uint64_t until_ns = clock_monotonic_ns() + RECORDS_WAIT_NS;

	while (j->records && !atomic_load(&j->records->settled) &&
	       clock_monotonic_ns() < until_ns && !job_is_cancelled(j))
		nanosleep(&pause, NULL);
}

static void wake_loop(void *userdata)
{
	struct job *j = userdata;

	uv_async_send(&j->jobs->ended);
}

/* Have the loop look at what the job says of itself. */
static void say(struct job *j, bool *what)
{
	pthread_mutex_lock(&j->jobs->lock);
	*what = true;
	pthread_mutex_unlock(&j->jobs->lock);
	wake_loop(j);
}

static void *run(void *userdata)
{
	struct job *j = userdata;

	setpriority(PRIO_PROCESS, 0, JOB_NICE); /* of this thread, and of those that it starts */
	log_set_request(j->correlation.request_id, j->correlation.trace_id);
	wait_for_records(j);
	j->ran = !job_is_cancelled(j);
	if (j->ran)
		j->run(j);
	flow_end(&j->flow, j->broken);
	say(j, &j->over);
	return NULL;
}

int job_stream(struct job *j)
{
	int r = job_is_cancelled(j) ? -ECANCELED : flow_open(&j->flow);

	if (r == 0)
		say(j, &j->open);
	return r;
}

int job_put(struct job *j, const char *data, size_t length)
{
	return job_is_cancelled(j) ? -ECANCELED : flow_put(&j->flow, data, length);
}

int job_sleep(struct job *j, unsigned int msec)
{
	return job_is_cancelled(j) ? -ECANCELED : flow_sleep(&j->flow, msec);
}

static void refuse(struct call *c, const char *code, const char *words)
{
	http_response_header(c->response, "Retry-After", "1");
	reply_problem(c, 503, code, "%s", words);
}

static void job_free(struct job *j)
{
	flow_done(&j->flow);
	records_leave(j->records);
	j->free(j);
}

static ssize_t read_stream(void *data, char *buffer, size_t size)
{
	struct job *j = data;

	return flow_take(&j->flow, buffer, size);
}

static void end_stream(void *data)
{
	struct job *j = data;

	j->sent = false;
	flow_close(&j->flow);
	if (j->joined)
		job_free(j);
}

static bool streams(struct job *j)
{
	bool open;

	pthread_mutex_lock(&j->jobs->lock);
	open = j->open;
	pthread_mutex_unlock(&j->jobs->lock);
	return open;
}

static void answer(struct job *j)
{
	struct call c = {
		.api = j->jobs->api,
		.engine = j->jobs->api->engine,
		.response = http_later(j->exchange),
		.correlation = j->correlation,
		.version = j->version,
		.path = j->path,
		.fields = *j->fields ? j->fields : NULL,
	};

	j->answered = true;
	c.headers = c.response->header_count;
	log_set_request(c.correlation.request_id, c.correlation.trace_id);
	if (j->ran)
		j->finish(&c, j);
	else
		refuse(&c, "api.cancelled", "the daemon stops, or has no thread for this");
	log_set_request(NULL, NULL);
	if (streams(j) && c.response->status == 200) {
		j->sent = true;
		c.response->stream = read_stream;
		c.response->stream_end = end_stream;
		c.response->stream_data = j;
	} else {
		flow_close(&j->flow);
	}
	c.response->later = false;
	reply_finish(&c);
	http_answer(j->exchange);
}

static int begin(struct line *line, struct job *j)
{
	int r = -pthread_create(&j->thread, NULL, run, j);

	if (r < 0)
		return r;
	push(&line->running, j);
	line->running_count++;
	return 0;
}

/* Its thread is done, or never began; what it put may still be on its way. */
static void end(struct job *j)
{
	if (!j->answered)
		answer(j);
	j->joined = true;
	if (!j->sent)
		job_free(j);
}

static void end_running(struct job *j)
{
	struct jobs *jobs = j->jobs;
	enum job_kind kind = j->kind;
	struct line *line = &jobs->lines[kind];

	pthread_join(j->thread, NULL);
	take_out(&line->running, j);
	line->running_count--;
	end(j);
	while (!atomic_load(&jobs->stop) && line->waiting &&
	       line->running_count < most[kind].running) {
		j = pop(&line->waiting);
		line->waiting_count--;
		if (begin(line, j) < 0)
			end(j);
	}
}

/* What there is to do for it, if anything. */
static bool see_to(struct job *j)
{
	bool open, over;

	pthread_mutex_lock(&j->jobs->lock);
	open = j->open;
	over = j->over;
	pthread_mutex_unlock(&j->jobs->lock);
	if (open && !j->answered) {
		answer(j);
		return true;
	}
	if (j->sent && flow_is_due(&j->flow))
		http_wake(j->exchange);
	if (over)
		end_running(j);
	return over;
}

/* Some job says something of itself; which one is found by looking at all of the few. */
static void on_ended(uv_async_t *handle)
{
	struct jobs *jobs = handle->data;

	for (unsigned int i = 0; i < JOB_KIND_MAX; i++) {
		struct job *j = jobs->lines[i].running;

		while (j)
			j = see_to(j) ? jobs->lines[i].running : j->next;
	}
}

void job_start(struct call *c, struct job *j)
{
	struct jobs *jobs = c->api->jobs;
	struct line *line = &jobs->lines[j->kind];

	j->jobs = jobs;
	j->exchange = c->request->exchange;
	j->correlation = c->correlation;
	j->version = c->version;
	snprintf(j->path, sizeof(j->path), "%s", c->path ?: "");
	snprintf(j->fields, sizeof(j->fields), "%s", c->fields ?: "");
	j->fd = http_client_fd(c->request);
	j->uid = c->actor.uid;
	flow_init(&j->flow, wake_loop, j);
	if (!most[j->kind].no_log)
		j->records = records_watch(c->engine);
	if (line->running_count < most[j->kind].running) {
		if (begin(line, j) < 0) {
			refuse(c, "api.busy", "the daemon has no thread for this");
			return job_free(j);
		}
	} else if (line->waiting_count < most[j->kind].waiting) {
		push(&line->waiting, j);
		line->waiting_count++;
	} else {
		refuse(c, "api.busy", most[j->kind].full);
		return job_free(j);
	}
	c->response->later = true;
}

unsigned int jobs_count(const struct jobs *jobs, enum job_kind kind)
{
	return jobs->lines[kind].running_count + jobs->lines[kind].waiting_count;
}

unsigned int jobs_count_of(const struct jobs *jobs, enum job_kind kind, uid_t uid)
{
	unsigned int count = 0;

	for (const struct job *j = jobs->lines[kind].running; j; j = j->next)
		count += j->uid == uid;
	for (const struct job *j = jobs->lines[kind].waiting; j; j = j->next)
		count += j->uid == uid;
	return count;
}

int jobs_new(struct api *a, struct jobs **ret, struct fault *reterr)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));
	int r = jobs ? uv_async_init(a->options.loop, &jobs->ended, on_ended) : -ENOMEM;

	if (r < 0) {
		free(jobs);
		return fault(reterr, r, "http.start", "cannot have work done: %s", strerror(-r));
	}
	pthread_mutex_init(&jobs->lock, NULL);
	jobs->api = a;
	jobs->ended.data = jobs;
	*ret = jobs;
	return 0;
}

void jobs_stop(struct jobs *jobs)
{
	if (!jobs)
		return;
	atomic_store(&jobs->stop, true);
	for (unsigned int i = 0; i < JOB_KIND_MAX; i++) {
		struct line *line = &jobs->lines[i];
		struct job *j;

		for (j = line->running; j; j = j->next)
			flow_close(&j->flow);
		while ((j = pop(&line->running))) {
			pthread_join(j->thread, NULL);
			if (j->sent && flow_is_due(&j->flow))
				http_wake(j->exchange);
			end(j);
		}
		while ((j = pop(&line->waiting)))
			end(j);
		*line = (struct line){0};
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct jobs *jobs = handle->data;

	pthread_mutex_destroy(&jobs->lock);
	free(jobs);
}

void jobs_free(struct jobs *jobs)
{
	if (jobs)
		uv_close((uv_handle_t *)&jobs->ended, on_closed);
}
