/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long it takes from the first byte of a request on the daemon's socket to the first packet that is
 * judged by the policy in it. Two policies take turns; they differ in one rate, that of a limit whose burst is
 * smaller than a packet of the stream under one of them and not under the other. So each packet says by
 * being dropped, or by getting to its socket, under which of them it was judged, and says the same
 * whatever came before it: what is refused charges nothing.
 *
 * Runs in the client's namespace. The stream sends through the stack and veth to the program that is attached at
 * the other end, and takes from the socket what came through: nearly always by the time the system call that
 * sent it is over. The time of a packet is when it had been taken, or, for one that was dropped, when the one
 * after it had been handed over, so what is reported is never less than what it took.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"

#define PORT	      4000
#define PACKET_BYTES  1400 /* more than the lower rate's burst */
#define STEP_NS	      20000
#define PACKETS_MAX   (1U << 24) /* of all rounds */
#define SETTLED	      300	 /* packets in a row that are judged alike: nothing is under way */
#define SETTLE_MAX_NS (5 * NSEC_PER_SEC)
#define ROUNDS_MAX    1000
#define WARM_UP	      2 /* rounds: the first ones change the program's shape */
#define POLICY_MAX    (1 << 20)

/* What became of packet number n. */
struct fate {
	_Atomic uint64_t sent_ns;   /* handed over, after the system call; 0 = not yet */
	_Atomic uint64_t passed_ns; /* taken from the socket; 0 = not */
};

static struct stream {
	int from, to;
	_Atomic uint32_t count;
	atomic_bool ending;
	struct fate *fates;
	pthread_t thread;
} x;

static void die(const char *words, int err)
{
	fprintf(stderr, "first_packet: %s%s%s\n", words, err ? ": " : "", err ? strerror(err) : "");
	exit(1);
}

static void take_what_came(void)
{
	uint32_t number;

	while (recv(x.to, &number, sizeof(number), MSG_DONTWAIT | MSG_TRUNC) > 0)
		if (number < PACKETS_MAX)
			x.fates[number].passed_ns = clock_monotonic_ns();
}

static void *stream(void *arg)
{
	char packet[PACKET_BYTES] = "";

	(void)arg;
	prctl(PR_SET_TIMERSLACK, 1);
	for (uint32_t n = 0; n < PACKETS_MAX && !x.ending; n++) {
		const struct timespec step = {.tv_nsec = STEP_NS};

		memcpy(packet, &n, sizeof(n));
		if (send(x.from, packet, sizeof(packet), 0) < 0)
			die("cannot send", errno);
		x.fates[n].sent_ns = clock_monotonic_ns();
		take_what_came();
		x.count = n + 1;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &step, NULL);
	}
	return NULL;
}

static void open_stream(const char *netns, const char *address)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	_cleanup_close_ int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int there = open(netns, O_RDONLY | O_CLOEXEC);

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
		die("that is no IPv4 address", 0);
	if (here < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
		die(netns, errno);
	x.to = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (x.to < 0 || bind(x.to, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    setns(here, CLONE_NEWNET) < 0)
		die("cannot receive", errno);
	x.from = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (x.from < 0 || connect(x.from, (struct sockaddr *)&at, sizeof(at)) < 0)
		die("cannot send", errno);
	x.fates = calloc(PACKETS_MAX, sizeof(*x.fates)); /* memory is taken as it is touched */
	if (!x.fates || pthread_create(&x.thread, NULL, stream, NULL))
		die("no memory", 0);
}

static bool has_passed(uint32_t number)
{
	return x.fates[number].passed_ns;
}

/* Wait until packets have been judged alike for a while: passed or not. */
static void wait_until_settled(bool passed)
{
	uint64_t end_ns = clock_monotonic_ns() + SETTLE_MAX_NS;
	uint32_t first = x.count, n = first;

	while (n - first < SETTLED) {
		usleep(1000);
		for (uint32_t count = x.count; n + 1 < count; n++)
			if (has_passed(n) != passed)
				first = n + 1;
		if (clock_monotonic_ns() > end_ns || x.count == PACKETS_MAX)
			die(passed ? "not everything passes under the higher rate"
				   : "something passes under the lower rate",
			    0);
	}
}

static int connect_to(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die(path, errno);
	return fd;
}

/* Returns when the first byte was sent; *@ret_answered_ns: the answer was there. */
static uint64_t request(const char *socket_path, const char *policy, uint64_t *ret_answered_ns)
{
	_cleanup_close_ int fd = connect_to(socket_path);
	char answer[4096] = "";
	struct text t;
	uint64_t start_ns;
	_cleanup_free_ char *bytes = NULL;

	text_init_growing(&t);
	text_printf(&t,
		    "PUT /v1/policy HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n"
		    "Content-Length: %zu\r\n\r\n%s",
		    strlen(policy), policy);
	bytes = text_take(&t);
	start_ns = clock_monotonic_ns();
	if (!bytes || send(fd, bytes, strlen(bytes), 0) != (ssize_t)strlen(bytes) ||
	    recv(fd, answer, sizeof(answer) - 1, 0) <= 0)
		die("no answer", errno);
	*ret_answered_ns = clock_monotonic_ns();
	if (!strstr(answer, " 200 "))
		die(answer, 0);
	return start_ns;
}

/* The first packet since @start_ns, all of which come after number @from, that was judged otherwise. */
static uint64_t first_judged(uint32_t from, uint64_t start_ns, bool passed)
{
	for (uint32_t n = from; n + 1 < x.count; n++) {
		uint64_t at_ns = passed ? x.fates[n].passed_ns : x.fates[n + 1].sent_ns;

		if (has_passed(n) != passed)
			continue;
		if (at_ns < start_ns)
			die("a packet was judged by a policy that was not asked for yet", 0);
		return at_ns;
	}
	die("no packet was judged by the new policy", 0);
	return 0;
}

static int by_size(const void *a, const void *b)
{
	uint64_t m = *(const uint64_t *)a, n = *(const uint64_t *)b;

	return (m > n) - (m < n);
}

static void measure(const char *name, const char *socket_path, char *const policies[2],
		    unsigned int rounds)
{
	uint64_t first[ROUNDS_MAX], answered[ROUNDS_MAX], began_ns, took_ns;
	uint32_t began_at;

	wait_until_settled(false);
	began_ns = clock_monotonic_ns();
	began_at = x.count;
	for (unsigned int i = 0; i < rounds + WARM_UP; i++) {
		bool passed = !(i & 1);
		uint32_t from = x.count;
		uint64_t answered_ns,
			start_ns = request(socket_path, policies[passed], &answered_ns);

		wait_until_settled(passed);
		if (i < WARM_UP)
			continue;
		first[i - WARM_UP] = first_judged(from, start_ns, passed) - start_ns;
		answered[i - WARM_UP] = answered_ns - start_ns;
		usleep(50000); /* what goes on behind an apply is over */
	}
	took_ns = clock_monotonic_ns() - began_ns;
	qsort(first, rounds, sizeof(*first), by_size);
	qsort(answered, rounds, sizeof(*answered), by_size);
	printf("{\"bench\":\"%s\",\"value\":%.4g,\"unit\":\"ms\",\"worst\":%.4g,\"answered\":%.4g,"
	       "\"applies\":%u,\"kpps\":%.3g}\n",
	       name, (double)first[rounds / 2] / 1e6, (double)first[rounds - 1] / 1e6,
	       (double)answered[rounds / 2] / 1e6, rounds,
	       (double)(x.count - began_at) / ((double)took_ns / 1e6));
}

int main(int argc, char *argv[])
{
	char *policies[2];
	struct fault f = {0};
	uint32_t rounds;
	size_t length;

	if (argc != 8 || parse_u32(argv[7], 2, ROUNDS_MAX, &rounds) < 0)
		die("first_packet NAME SOCKET NETNS ADDRESS LOWER.yaml HIGHER.yaml APPLIES: the "
		    "first five as scripts/bench.sh has them, the lower rate being in force",
		    0);
	for (unsigned int i = 0; i < 2; i++)
		if (fs_read_file(argv[5 + i], POLICY_MAX, &policies[i], &length, &f) < 0)
			die(f.text, 0);
	open_stream(argv[3], argv[4]);
	measure(argv[1], argv[2], policies, rounds);
	x.ending = true;
	pthread_join(x.thread, NULL);
	return 0;
}
