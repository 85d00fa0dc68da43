/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What takes long for one client keeps no other waiting: the server and its jobs, with clients on a thread of their own. */
#include <assert.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/internal.h"
#include "api/job.h"

#define READS (JOB_READS_MAX + JOB_READS_WAITING)
#define LEFT  (JOB_READS_MAX + 1)
#define PIECE 65536
#define LARGE (64U << 20) /* of a stream: more than all buffers on its way take */

struct fixture {
	char directory[64], path[80];
	uv_loop_t loop;
	uv_async_t over;
	struct api api;
	sem_t asked, began, go, ended; /* of slow jobs: asked for; running; may go on; freed */
	unsigned int cancelled;
	size_t put; /* bytes, by a stream that is over */
	int left[LEFT];
	void (*client)(struct fixture *f);
};

struct slow {
	struct job job;
	struct fixture *fixture;
	bool patient; /* waits until it is cancelled */
};

static void run_slow(struct job *job)
{
	struct slow *s = (struct slow *)job;

	sem_post(&s->fixture->began);
	if (!s->patient) {
		sem_wait(&s->fixture->go);
		return;
	}
	while (!job_is_cancelled(job))
		usleep(1000);
	__atomic_add_fetch(&s->fixture->cancelled, 1, __ATOMIC_RELAXED);
}

static void finish_slow(struct call *c, struct job *job)
{
	(void)job;
	reply_json(c, 200, json_pack("[s]", "slow"));
}

static void run_nothing(struct job *job)
{
	(void)job;
}

/* "begun", then what the path says: nothing more, too much, or nothing and then an end that is none. */
static void run_stream(struct job *job)
{
	static const char piece[PIECE];
	struct slow *s = (struct slow *)job;
	size_t put = 0;

	sem_post(&s->fixture->began);
	if (job_stream(job) < 0 || job_put(job, "begun", 5) < 0)
		return;
	if (strcmp(job->path, "/endless") == 0) {
		while (job_sleep(job, 10) == 0)
			;
		__atomic_add_fetch(&s->fixture->cancelled, 1, __ATOMIC_RELAXED);
	} else if (strcmp(job->path, "/large") == 0) {
		while (put < LARGE && job_put(job, piece, sizeof(piece)) == 0)
			put += sizeof(piece);
		s->fixture->put = put;
	} else {
		sem_wait(&s->fixture->go);
		job_put(job, " and ended", 10);
		job->broken = strcmp(job->path, "/broken") == 0;
	}
}

static void finish_stream(struct call *c, struct job *job)
{
	(void)job;
	c->response->status = 200;
	c->response->content_type = "text/plain";
}

static void free_slow(struct job *job)
{
	struct slow *s = (struct slow *)job;

	sem_post(&s->fixture->ended);
	free(s);
}

static void handle(const struct http_request *request, struct http_response *response,
		   void *userdata)
{
	struct fixture *f = userdata;
	struct call c = {
		.api = &f->api, .request = request, .response = response, .path = request->path};
	struct slow *s;

	if (strcmp(request->path, "/fast") == 0)
		return reply_json(&c, 200, json_pack("[s]", "fast"));
	s = calloc(1, sizeof(*s));
	assert_non_null(s);
	s->job = (struct job){
		.kind = JOB_READ, .run = run_slow, .finish = finish_slow, .free = free_slow};
	s->fixture = f;
	s->patient = strcmp(request->path, "/patient") == 0;
	if (strcmp(request->path, "/sockets") == 0) {
		s->job.kind = JOB_SOCKETS;
		s->job.run = run_nothing;
	} else if (strcmp(request->path, "/slow") != 0 && !s->patient) {
		s->job.kind = JOB_EXPORT;
		s->job.run = run_stream;
		s->job.finish = finish_stream;
	}
	job_start(&c, &s->job);
	sem_post(&f->asked);
}

/* On the thread of the clients, where a test cannot be left: assert(), not cmocka's. */
static int ask(const struct fixture *f, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	assert(fd >= 0);
	memcpy(address.sun_path, f->path, strlen(f->path) + 1);
	r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	assert(r == 0);
	dprintf(fd, "GET %s HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n", path);
	return fd;
}

/* All that comes until the server closes. */
static void hear(int fd, char ret[static 1024])
{
	size_t length = 0;
	ssize_t n;

	while ((n = read(fd, ret + length, 1023 - length)) > 0)
		length += (size_t)n;
	ret[length] = '\0';
	close(fd);
}

/* Until @word came. */
static void hear_until(int fd, const char *word)
{
	char answer[1024] = "";
	size_t length = 0;
	ssize_t n = 1;

	while (n > 0 && !strstr(answer, word)) {
		n = read(fd, answer + length, sizeof(answer) - 1 - length);
		length += n > 0 ? (size_t)n : 0;
		answer[length] = '\0';
	}
	assert(n > 0);
}

static void *run_client(void *userdata)
{
	struct fixture *f = userdata;

	f->client(f);
	uv_async_send(&f->over);
	return NULL;
}

static void on_over(uv_async_t *handle)
{
	uv_stop(handle->loop);
}

static void begin(struct fixture *f)
{
	struct http_options http = {.loop = &f->loop, .handle = handle, .userdata = f};
	struct fault fault = {0};

	*f = (struct fixture){.directory = "/tmp/weir-jobs.XXXXXX"};
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/socket", f->directory);
	sem_init(&f->asked, 0, 0);
	sem_init(&f->began, 0, 0);
	sem_init(&f->go, 0, 0);
	sem_init(&f->ended, 0, 0);
	uv_loop_init(&f->loop);
	uv_async_init(&f->loop, &f->over, on_over);
	f->api.options.loop = &f->loop;
	assert_int_equal(jobs_new(&f->api, &f->api.jobs, &fault), 0);
	assert_int_equal(http_listen_unix(f->path, &http.listen_fd, &fault), 0);
	assert_int_equal(http_start(&http, &f->api.control, &fault), 0);
}

static void end(struct fixture *f)
{
	jobs_stop(f->api.jobs);
	http_stop(f->api.control);
	jobs_free(f->api.jobs);
	uv_close((uv_handle_t *)&f->over, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	sem_destroy(&f->asked);
	sem_destroy(&f->began);
	sem_destroy(&f->go);
	sem_destroy(&f->ended);
	unlink(f->path);
	rmdir(f->directory);
}

static void serve(struct fixture *f, void (*client)(struct fixture *f))
{
	pthread_t thread;

	f->client = client;
	assert_int_equal(pthread_create(&thread, NULL, run_client, f), 0);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	pthread_join(thread, NULL);
}

static void one_slow_one_fast(struct fixture *f)
{
	int slow = ask(f, "/slow");
	char answer[1024];

	sem_wait(&f->began);
	hear(ask(f, "/fast"), answer);
	assert(strstr(answer, "200 OK"));
	assert(strstr(answer, "\"fast\""));
	sem_post(&f->go); /* only now can the slow one end */
	hear(slow, answer);
	assert(strstr(answer, "200 OK"));
	assert(strstr(answer, "\"slow\""));
}

static void question_that_takes_long_keeps_nobody_waiting(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	serve(&f, one_slow_one_fast);
	end(&f);
}

static void go_away(struct fixture *f)
{
	int fd = ask(f, "/patient");

	sem_wait(&f->began);
	close(fd);
	sem_wait(&f->ended);
}

static void client_that_goes_away_cancels_its_question(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	serve(&f, go_away);
	assert_int_equal(f.cancelled, 1);
	end(&f);
}

static void fill_the_line(struct fixture *f)
{
	char answer[1024];
	int fds[READS];

	for (unsigned int i = 0; i < READS; i++)
		fds[i] = ask(f, "/slow");
	for (unsigned int i = 0; i < READS; i++)
		sem_wait(&f->asked);
	hear(ask(f, "/slow"), answer);
	assert(strstr(answer, "503"));
	assert(strstr(answer, "Retry-After: 1"));
	assert(strstr(answer, "api.busy"));
	hear(ask(f, "/fast"), answer);
	assert(strstr(answer, "\"fast\""));
	hear(ask(f, "/sockets"), answer); /* they have a line of their own */
	assert(strstr(answer, "200 OK"));
	for (unsigned int i = 0; i < READS; i++)
		sem_post(&f->go);
	for (unsigned int i = 0; i < READS; i++) {
		hear(fds[i], answer);
		assert(strstr(answer, "\"slow\""));
	}
}

static void who_comes_to_a_full_line_is_told_to_come_again(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	serve(&f, fill_the_line);
	end(&f);
}

static void leave_some_behind(struct fixture *f)
{
	for (unsigned int i = 0; i < LEFT; i++)
		f->left[i] = ask(f, "/patient");
	for (unsigned int i = 0; i < LEFT; i++)
		sem_wait(&f->asked);
}

static void daemon_that_stops_waits_for_no_question(void **state)
{
	struct fixture f;
	int ended;

	(void)state;
	begin(&f);
	serve(&f, leave_some_behind);
	jobs_stop(f.api.jobs);
	sem_getvalue(&f.ended, &ended);
	assert_int_equal(ended, LEFT);
	for (unsigned int i = 0; i < LEFT; i++)
		close(f.left[i]);
	end(&f);
}

static void hear_it_begin(struct fixture *f)
{
	int fd = ask(f, "/stream");
	char answer[1024];

	hear_until(fd, "begun");
	hear(ask(f, "/fast"), answer);
	assert(strstr(answer, "\"fast\""));
	sem_post(&f->go); /* only now can it go on */
	hear(fd, answer);
	assert(strstr(answer, " and ended"));
	assert(strstr(answer, "\r\n0\r\n"));
	fd = ask(f, "/broken");
	sem_post(&f->go);
	hear(fd, answer);
	assert(strstr(answer, "begun"));
	assert(!strstr(answer, "\r\n0\r\n"));
}

static void stream_goes_out_while_it_is_made_and_shows_whether_it_is_whole(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	serve(&f, hear_it_begin);
	end(&f);
}

static void take_nothing(struct fixture *f)
{
	int fd = ask(f, "/large");
	char answer[1024];

	hear_until(fd, "begun");
	hear(ask(f, "/fast"), answer);
	assert(strstr(answer, "\"fast\""));
	close(fd);
	sem_wait(&f->ended);
}

static void client_that_takes_nothing_holds_up_its_stream_alone(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	serve(&f, take_nothing);
	assert_true(f.put < LARGE);
	end(&f);
}

static void leave_a_stream(struct fixture *f)
{
	int fd = ask(f, "/endless");

	hear_until(fd, "begun");
	close(fd);
	sem_wait(&f->ended);
}

static void client_that_goes_away_ends_its_stream(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	serve(&f, leave_a_stream);
	assert_int_equal(f.cancelled, 1);
	end(&f);
}

static void leave_streams_behind(struct fixture *f)
{
	static const char *const paths[LEFT] = {"/endless", "/large", "/endless"};

	for (unsigned int i = 0; i < LEFT; i++) {
		f->left[i] = ask(f, paths[i]);
		hear_until(f->left[i], "begun");
	}
}

static void daemon_that_stops_ends_all_streams(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	serve(&f, leave_streams_behind);
	jobs_stop(f.api.jobs);
	assert_int_equal(f.cancelled, 2);
	assert_true(f.put < LARGE);
	for (unsigned int i = 0; i < LEFT; i++)
		close(f.left[i]);
	end(&f);
}

static void fill_up_with_streams(struct fixture *f)
{
	char answer[1024];
	int fds[JOB_EXPORTS_MAX];

	for (unsigned int i = 0; i < JOB_EXPORTS_MAX; i++) {
		fds[i] = ask(f, "/endless");
		hear_until(fds[i], "begun");
	}
	hear(ask(f, "/endless"), answer);
	assert(strstr(answer, "503"));
	assert(strstr(answer, "api.busy"));
	for (unsigned int i = 0; i < JOB_EXPORTS_MAX; i++)
		close(fds[i]);
	for (unsigned int i = 0; i <= JOB_EXPORTS_MAX; i++)
		sem_wait(&f->ended);
}

static void one_stream_more_than_there_may_be_is_told_to_come_again(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	serve(&f, fill_up_with_streams);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(question_that_takes_long_keeps_nobody_waiting),
		cmocka_unit_test(client_that_goes_away_cancels_its_question),
		cmocka_unit_test(who_comes_to_a_full_line_is_told_to_come_again),
		cmocka_unit_test(daemon_that_stops_waits_for_no_question),
		cmocka_unit_test(stream_goes_out_while_it_is_made_and_shows_whether_it_is_whole),
		cmocka_unit_test(client_that_takes_nothing_holds_up_its_stream_alone),
		cmocka_unit_test(client_that_goes_away_ends_its_stream),
		cmocka_unit_test(daemon_that_stops_ends_all_streams),
		cmocka_unit_test(one_stream_more_than_there_may_be_is_told_to_come_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
