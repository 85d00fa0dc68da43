/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/job.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "api/internal.h"

#define JOB_NICE 10 /* whoever asks can wait; packets and their records cannot */

struct line {
	struct job *running, *waiting; /* the one that waits longest first */
	unsigned int running_count, waiting_count;
};

struct jobs {
	struct api *api;
	uv_async_t ended;
	struct line lines[JOB_KIND_MAX]; /* the loop's */
	atomic_bool stop;

	pthread_mutex_t lock; /* guards what follows */
	struct job *done;     /* ran, and is to be answered */
};

static const struct {
	unsigned int running, waiting;
} most[JOB_KIND_MAX] = {
	[JOB_READ] = {JOB_READS_MAX, JOB_READS_WAITING},
	[JOB_REPORT] = {JOB_REPORTS_MAX, JOB_REPORTS_WAITING},
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

static void *run(void *userdata)
{
	struct job *j = userdata;
	struct jobs *jobs = j->jobs;

	setpriority(PRIO_PROCESS, 0, JOB_NICE); /* of this thread, and of those that it starts */
	j->ran = !job_is_cancelled(j);
	if (j->ran)
		j->run(j);
	pthread_mutex_lock(&jobs->lock);
	j->next_done = jobs->done;
	jobs->done = j;
	pthread_mutex_unlock(&jobs->lock);
	uv_async_send(&jobs->ended);
	return NULL;
}

static void refuse(struct call *c, const char *code, const char *words)
{
	http_response_header(c->response, "Retry-After", "1");
	reply_problem(c, 503, code, "%s", words);
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

	c.headers = c.response->header_count;
	if (j->ran)
		j->finish(&c, j);
	else
		refuse(&c, "api.cancelled", "the daemon stops, or has no thread for this");
	c.response->later = false;
	reply_finish(&c);
	http_answer(j->exchange);
	j->free(j);
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

static void end(struct job *j)
{
	enum job_kind kind = j->kind;
	struct jobs *jobs = j->jobs;
	struct line *line = &jobs->lines[kind];

	pthread_join(j->thread, NULL);
	take_out(&line->running, j);
	line->running_count--;
	answer(j);
	while (!atomic_load(&jobs->stop) && line->waiting &&
	       line->running_count < most[kind].running) {
		j = pop(&line->waiting);
		line->waiting_count--;
		if (begin(line, j) < 0)
			answer(j);
	}
}

static void on_ended(uv_async_t *handle)
{
	struct jobs *jobs = handle->data;
	struct job *j;

	do {
		pthread_mutex_lock(&jobs->lock);
		j = jobs->done;
		jobs->done = j ? j->next_done : NULL;
		pthread_mutex_unlock(&jobs->lock);
		if (j)
			end(j);
	} while (j);
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
	if (line->running_count < most[j->kind].running) {
		if (begin(line, j) < 0) {
			refuse(c, "api.busy", "the daemon has no thread for this");
			return j->free(j);
		}
	} else if (line->waiting_count < most[j->kind].waiting) {
		push(&line->waiting, j);
		line->waiting_count++;
	} else {
		refuse(c, "api.busy",
		       j->kind == JOB_REPORT
			       ? "a report is being made for somebody: ask again when it is done"
			       : "too many questions about the audit log are being answered: ask again in a second");
		return j->free(j);
	}
	c->response->later = true;
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

		while ((j = pop(&line->running))) {
			pthread_join(j->thread, NULL);
			answer(j);
		}
		while ((j = pop(&line->waiting)))
			answer(j);
		*line = (struct line){0};
	}
	jobs->done = NULL; /* those that ran are answered */
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
