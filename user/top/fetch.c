/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/fetch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/ask.h"

struct fetch {
	const struct cli *cli;
	pthread_t thread;
	int fd;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	char path[FETCH_PATH_SIZE];
	uint32_t period_ms;
	bool now, ends;
	struct fetch_answers answers; /* until they are taken */
	bool answered;
};

void fetch_answers_done(struct fetch_answers *a)
{
	json_decref(a->status);
	json_decref(a->body);
	*a = (struct fetch_answers){0};
}

/* What a refusal says. */
static void read_problem(const struct client_response *response, struct fault *ret)
{
	_cleanup_(json_decrefp) json_t *problem =
		json_loadb(response->body.data ?: "", response->body.length, 0, NULL);
	const char *detail = json_string_value(json_object_get(problem, "detail"));

	fault(ret, -EACCES, "top.refused", "the daemon answered with status %ld: %s",
	      response->status, detail ?: "and no reason");
}

/* A value per line becomes the items of one answer. NULL: some line is none. */
static json_t *decode_lines(const char *line)
{
	json_t *items = json_array(), *item;

	while (*line) {
		size_t length = strcspn(line, "\n");

		item = json_loadb(line, length, 0, NULL);
		if (!item || json_array_append_new(items, item) < 0) {
			json_decref(items);
			return NULL;
		}
		line += length + (line[length] == '\n');
	}
	return json_pack("{s:o}", "items", items);
}

static json_t *ask_for(const struct cli *cli, const char *path, struct fault *ret)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	const struct client_request request = {.method = "GET", .path = path};
	json_t *answer;

	if (ask_call(cli, &request, &response, ret) < 0)
		return NULL;
	if (response.status != 200) {
		read_problem(&response, ret);
		return NULL;
	}
	answer = response.lines ? decode_lines(response.body.data ?: "")
				: json_loadb(response.body.data, response.body.length, 0, NULL);
	if (!answer)
		fault(ret, -EPROTO, "top.protocol", "the daemon's answer is no JSON");
	return answer;
}

bool fetch_now(const struct cli *cli, const char *path, struct fetch_answers *ret)
{
	*ret = (struct fetch_answers){0};
	snprintf(ret->path, sizeof(ret->path), "%s", path);
	ret->status = ask_for(cli, "/v1/status", &ret->fault);
	if (ret->status)
		ret->body = ask_for(cli, path, &ret->fault);
	ret->at_ns = clock_monotonic_ns();
	return ret->status && ret->body;
}

static void publish(struct fetch *f, struct fetch_answers *answers)
{
	uint64_t one = 1;

	fetch_answers_done(&f->answers);
	f->answers = *answers;
	f->answered = true;
	if (write(f->fd, &one, sizeof(one)) < 0) {
		/* The counter is full: it is readable as it is. */
	}
}

/* Until the next question is due, or another one is wanted. With the lock held. */
static void wait_for_next(struct fetch *f)
{
	uint64_t due_ns = clock_monotonic_ns() + f->period_ms * NSEC_PER_MSEC;
	struct timespec due = {
		.tv_sec = (time_t)(due_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(due_ns % NSEC_PER_SEC),
	};

	while (!f->now && !f->ends)
		if (pthread_cond_timedwait(&f->changed, &f->lock, &due) == ETIMEDOUT)
			break;
	f->now = false;
}

static void *fetch_run(void *userdata)
{
	struct fetch *f = userdata;

	pthread_mutex_lock(&f->lock);
	while (!f->ends) {
		char path[FETCH_PATH_SIZE];
		struct fetch_answers answers;

		memcpy(path, f->path, sizeof(path));
		pthread_mutex_unlock(&f->lock);
		fetch_now(f->cli, path, &answers);
		pthread_mutex_lock(&f->lock);
		publish(f, &answers);
		wait_for_next(f);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

static int start(struct fetch *f)
{
	pthread_condattr_t monotonic;
	int r;

	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&f->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	r = pthread_create(&f->thread, NULL, fetch_run, f);
	if (!r)
		return 0;
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	return -r;
}

int fetch_new(const struct cli *cli, const char *path, struct fetch **ret)
{
	struct fetch *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->cli = cli;
	f->period_ms = 1000;
	snprintf(f->path, sizeof(f->path), "%s", path);
	f->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = f->fd < 0 ? -errno : start(f);
	if (r < 0) {
		if (f->fd >= 0)
			close(f->fd);
		free(f);
		return r;
	}
	*ret = f;
	return 0;
}

void fetch_free(struct fetch *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->ends = true;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	fetch_answers_done(&f->answers);
	close(f->fd);
	free(f);
}

void fetch_path(struct fetch *f, const char *path, uint32_t period_ms)
{
	pthread_mutex_lock(&f->lock);
	snprintf(f->path, sizeof(f->path), "%s", path);
	f->period_ms = period_ms;
	f->now = true;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

int fetch_fd(const struct fetch *f)
{
	return f->fd;
}

bool fetch_take(struct fetch *f, struct fetch_answers *ret)
{
	uint64_t count;
	bool answered;

	if (read(f->fd, &count, sizeof(count)) < 0) {
		/* Nothing came since: as answered says. */
	}
	pthread_mutex_lock(&f->lock);
	answered = f->answered;
	if (answered)
		*ret = f->answers;
	f->answers = (struct fetch_answers){0};
	f->answered = false;
	pthread_mutex_unlock(&f->lock);
	return answered;
}
