/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How fast the daemon answers on its socket: reads over connections that are kept, each with one request under way;
 * changes, each beside a bare write to the same file system; new connections, while a command that is in the way runs.
 * One thread, so that of two CPUs the daemon has one. A JSON line for each.
 *
 * A time is from the first byte of a request, or from when it was due, or from before its connection was made, to the
 * last byte of the answer. An answer that is no good ends it all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"

#define CONNECTIONS  8
#define SECONDS_MAX  600
#define ROUNDS_MAX   100000
#define TIMES_MAX    (1U << 24)
#define ANSWER_MAX   (64U << 10)
#define WAIT_SECONDS 30
#define STEP_USEC    2000 /* between two new connections */
#define WARM_UP	     1000
#define RECORD_BYTES 4096 /* of a bare write: about what a change adds to the log */
#define GOLDEN_RATIO 2654435769U

/* Times in ms, of which there is memory as it is touched. */
struct times {
	double *ms;
	uint32_t count;
};

struct connection {
	int fd;
	bool asked;
	uint64_t began_ns;
	size_t got;
	char answer[ANSWER_MAX];
};

static const char *socket_path;

static void die(const char *words, int err)
{
	fprintf(stderr, "api: %s%s%s\n", words, err ? ": " : "", err ? strerror(err) : "");
	exit(1);
}

static struct times times_new(void)
{
	struct times t = {.ms = calloc(TIMES_MAX, sizeof(*t.ms))};

	if (!t.ms)
		die("no memory", 0);
	return t;
}

static void times_add(struct times *t, uint64_t began_ns)
{
	if (t->count < TIMES_MAX)
		t->ms[t->count++] = (double)(clock_monotonic_ns() - began_ns) / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double m = *(const double *)a, n = *(const double *)b;

	return (m > n) - (m < n);
}

/* The time that so many percent are not above. */
static double times_share(const struct times *sorted, unsigned int percent)
{
	return sorted->ms[(uint64_t)(sorted->count - 1) * percent / 100];
}

static void times_sort(struct times *t)
{
	if (!t->count)
		die("nothing was measured", 0);
	qsort(t->ms, t->count, sizeof(*t->ms), by_value);
}

static void put_times(const char *prefix, const struct times *t)
{
	printf(",\"%sp50_ms\":%.3f,\"%sp99_ms\":%.3f,\"%sworst_ms\":%.3f", prefix,
	       times_share(t, 50), prefix, times_share(t, 99), prefix, times_share(t, 100));
}

static void dial(struct connection *c)
{
	const struct timeval patience = {.tv_sec = WAIT_SECONDS};
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", socket_path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 ||
	    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(c->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die(socket_path, errno);
}

static void ask(struct connection *c, const char *request)
{
	size_t length = strlen(request);

	if (send(c->fd, request, length, MSG_NOSIGNAL) != (ssize_t)length)
		die("a request cannot be sent", errno);
	c->got = 0;
	c->asked = true;
}

/* Take what has come. True: that is the whole answer. */
static bool take(struct connection *c)
{
	ssize_t n = recv(c->fd, c->answer + c->got, sizeof(c->answer) - 1 - c->got, 0);
	const char *body, *digits;
	size_t length = 0;

	if (n <= 0)
		die("an answer broke off", n < 0 ? errno : 0);
	c->got += (size_t)n;
	c->answer[c->got] = '\0';
	body = strstr(c->answer, "\r\n\r\n");
	if (!body)
		return false;
	digits = strstr(c->answer, "Content-Length: ");
	if (strncmp(c->answer, "HTTP/1.1 20", 11) != 0 || !digits || digits > body)
		die(c->answer, 0);
	for (digits += 16; *digits >= '0' && *digits <= '9'; digits++)
		length = length * 10 + (size_t)(*digits - '0');
	c->asked = (size_t)(body + 4 - c->answer) + length > c->got;
	return !c->asked;
}

static void exchange(struct connection *c, const char *request)
{
	ask(c, request);
	while (!take(c))
		;
}

/* About a source, any of 65,536. */
static void ask_source(struct connection *c, uint32_t n)
{
	uint32_t address = n * GOLDEN_RATIO >> 16;
	char request[96];

	snprintf(request, sizeof(request),
		 "GET /v1/source/198.18.%u.%u HTTP/1.1\r\nHost: weir\r\n\r\n", address >> 8,
		 address & 255);
	ask(c, request);
}

struct reading {
	struct connection connections[CONNECTIONS];
	struct times times;
	uint32_t asked;
	uint64_t step_ns; /* between requests; 0: as soon as a connection is free */
	uint64_t due_ns;  /* the next one */
};

/* Ask over each connection that is free, as far as it is time. */
static void ask_more(struct reading *r)
{
	uint64_t now_ns = clock_monotonic_ns();

	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &r->connections[i];

		if (c->asked || r->due_ns > now_ns)
			continue;
		c->began_ns = r->step_ns ? r->due_ns : now_ns;
		r->due_ns += r->step_ns;
		ask_source(c, r->asked++);
	}
}

/* Until something came, or something is due. */
static void take_some(struct reading *r, int epoll)
{
	struct epoll_event events[CONNECTIONS];
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t wait_ns = !r->step_ns		? WAIT_SECONDS * NSEC_PER_SEC
			   : r->due_ns > now_ns ? r->due_ns - now_ns
						: NSEC_PER_MSEC;
	const struct timespec wait = {.tv_sec = (time_t)(wait_ns / NSEC_PER_SEC),
				      .tv_nsec = (long)(wait_ns % NSEC_PER_SEC)};
	int n = epoll_pwait2(epoll, events, CONNECTIONS, &wait, NULL);

	if (n < 0 || (n == 0 && !r->step_ns))
		die("no answer", n < 0 ? errno : 0);
	for (int i = 0; i < n; i++) {
		struct connection *c = events[i].data.ptr;

		if (!take(c))
			continue;
		if (r->asked > WARM_UP)
			times_add(&r->times, c->began_ns);
	}
}

/* @rate requests per second, or 0: as many as are answered. */
static void measure_reads(const char *name, unsigned int seconds, unsigned int rate)
{
	static struct reading r;
	_cleanup_close_ int epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t began_ns = clock_monotonic_ns(), end_ns = began_ns + seconds * NSEC_PER_SEC;

	prctl(PR_SET_TIMERSLACK, 1);
	r.times = times_new();
	r.step_ns = rate ? NSEC_PER_SEC / rate : 0;
	r.due_ns = began_ns;
	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &r.connections[i];
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

		dial(c);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
			die("epoll", errno);
	}
	while (clock_monotonic_ns() < end_ns) {
		ask_more(&r);
		take_some(&r, epoll);
	}
	times_sort(&r.times);
	printf("{\"bench\":\"api/%s\",\"value\":%.0f,\"unit\":\"requests/s\"", name,
	       (double)(r.times.count) / seconds);
	put_times("", &r.times);
	printf(",\"connections\":%u}\n", CONNECTIONS);
	free(r.times.ms);
}

/* One time: a write that appends, and is on disk when this returns. */
static void bare_write(int fd, struct times *t)
{
	static const char bytes[RECORD_BYTES] = "";
	uint64_t began_ns = clock_monotonic_ns();

	if (write(fd, bytes, sizeof(bytes)) != sizeof(bytes) || fdatasync(fd) < 0)
		die("cannot write", errno);
	times_add(t, began_ns);
}

/* Block another address each time, and free it again. */
static void change(struct connection *c, unsigned int n)
{
	static const char add[] = "POST /v1/lists/block HTTP/1.1\r\nHost: weir\r\n"
				  "Content-Length: %d\r\n\r\n%s",
			  remove[] = "DELETE /v1/lists/block/%s HTTP/1.1\r\nHost: weir\r\n\r\n";
	char address[16], body[64], request[256];
	int length;

	snprintf(address, sizeof(address), "10.1.%u.%u", n >> 9 & 255, n >> 1 & 255);
	length = snprintf(body, sizeof(body), "{\"cidr\": \"%s\", \"ttl\": \"10m\"}", address);
	if (n & 1)
		snprintf(request, sizeof(request), remove, address);
	else
		snprintf(request, sizeof(request), add, length, body);
	exchange(c, request);
	if (!strstr(c->answer, "\"audit\":\"durable\""))
		die(c->answer, 0);
}

/* @rounds changes, one after another; the bare writes go to @path. */
static void measure_changes(const char *path, unsigned int rounds)
{
	static struct connection c;
	struct times changes = times_new(), bare = times_new();
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		die(path, errno);
	dial(&c);
	for (unsigned int i = 0; i < rounds; i++) {
		uint64_t began_ns = clock_monotonic_ns();

		change(&c, i);
		times_add(&changes, began_ns);
		bare_write(fd, &bare);
	}
	unlink(path);
	times_sort(&changes);
	times_sort(&bare);
	printf("{\"bench\":\"api/list_change\",\"value\":%.2f,\"unit\":\"ms at 99 %%\"",
	       times_share(&changes, 99));
	put_times("", &changes);
	put_times("fdatasync_", &bare);
	printf(",\"changes\":%u}\n", rounds);
	free(changes.ms);
	free(bare.ms);
}

/* New connections, one after another, for as long as the command runs. */
static void measure_answers(const char *name, char *command[])
{
	static const char request[] =
		"GET /v1/limits HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n";
	static struct connection c;
	struct times times = times_new();
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(command[0], command);
		_exit(127);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		uint64_t began_ns = clock_monotonic_ns();

		dial(&c);
		exchange(&c, request);
		times_add(&times, began_ns);
		close(c.fd);
		usleep(STEP_USEC);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		die("the command failed", 0);
	times_sort(&times);
	printf("{\"bench\":\"api/%s\",\"value\":%.2f,\"unit\":\"ms at worst\"", name,
	       times_share(&times, 100));
	put_times("", &times);
	printf(",\"answers\":%u}\n", times.count);
	free(times.ms);
}

int main(int argc, char *argv[])
{
	uint32_t number = 0, rate = 0;

	if (argc > 2)
		socket_path = argv[2];
	if (argc == 6 && strcmp(argv[1], "reads") == 0 &&
	    parse_u32(argv[4], 1, SECONDS_MAX, &number) == 0 &&
	    parse_u32(argv[5], 0, 1000000, &rate) == 0)
		measure_reads(argv[3], number, rate);
	else if (argc == 5 && strcmp(argv[1], "changes") == 0 &&
		 parse_u32(argv[4], 2, ROUNDS_MAX, &number) == 0)
		measure_changes(argv[3], number);
	else if (argc > 4 && strcmp(argv[1], "answers") == 0)
		measure_answers(argv[3], argv + 4);
	else
		die("usage: api reads SOCKET NAME SECONDS RATE | api changes SOCKET FILE CHANGES | "
		    "api answers SOCKET NAME COMMAND...",
		    0);
	return 0;
}
