/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A legitimate client: sends UDP datagrams through the sender's own IP stack at an even rate, and says in
 * the end how many the socket took. `sink` at the other end says how many came. Unlike `flood`, whose
 * counts are those of the interface, several of these may run beside each other and beside a flood.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/text.h"

#define RATE_MAX      100000 /* per second: what a system call per datagram takes */
#define STEP_NS	      NSEC_PER_MSEC
#define DEADLINE_NONE UINT64_MAX

struct stream {
	uint8_t to[16];
	uint16_t port;
	uint32_t rate;
	uint64_t deadline_ns;
	int fd;
	uint64_t sent, refused;
};

static volatile sig_atomic_t stop;

static void on_stop(__attribute__((unused)) int signal)
{
	stop = 1;
}

/* An IPv6 socket that is connected to an IPv4-mapped address sends IPv4. */
static int stream_open(struct stream *s, struct fault *reterr)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(s->port)};

	s->fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return fault(reterr, -errno, "stream.socket", "socket: %s", strerror(errno));
	memcpy(&a.sin6_addr, s->to, 16);
	if (connect(s->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return fault(reterr, -errno, "stream.connect", "connect to port %u: %s", s->port,
			     strerror(errno));
	return 0;
}

/* Each millisecond what is due by then, until time is up, or SIGINT or SIGTERM. */
static void stream_send(struct stream *s)
{
	const struct sigaction action = {.sa_handler = on_stop};
	uint64_t start_ns = clock_monotonic_ns(), at_ns = start_ns;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (!stop && at_ns < s->deadline_ns) {
		uint64_t due = (at_ns - start_ns) / 1000 * s->rate / 1000000;
		struct timespec t;

		while (s->sent + s->refused < due && !stop) {
			uint64_t number = s->sent + s->refused;

			if (send(s->fd, &number, sizeof(number), 0) == sizeof(number))
				s->sent++;
			else
				s->refused++;
		}
		at_ns += STEP_NS;
		t = (struct timespec){at_ns / NSEC_PER_SEC, at_ns % NSEC_PER_SEC};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	}
}

static const char help[] =
	"usage: stream --to ADDRESS --port N --rate N [--seconds S]\n"
	"Send UDP datagrams of 8 bytes, so many per second, for so long or until SIGTERM.\n"
	"Prints {\"sent\", \"refused\" (by the socket)}.\n";

/* 0; 1 = help was asked for. */
static int parse_options(struct stream *s, int argc, char **argv, struct fault *reterr)
{
	static const struct option options[] = {
		{"to", required_argument, NULL, 't'},	{"port", required_argument, NULL, 'p'},
		{"rate", required_argument, NULL, 'r'}, {"seconds", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},	{},
	};
	bool has_to = false;
	uint32_t number = 0;
	int option, r = 0;

	opterr = 0;
	while (r == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 't') {
			r = address_parse(optarg, s->to);
			has_to = true;
		} else if (option == 'p') {
			r = parse_u32(optarg, 1, 65535, &number);
			s->port = number;
		} else if (option == 'r') {
			r = parse_u32(optarg, 1, RATE_MAX, &s->rate);
		} else if (option == 's') {
			r = parse_u32(optarg, 1, 86400, &number);
			s->deadline_ns = clock_monotonic_ns() + number * NSEC_PER_SEC;
		} else if (option == 'h') {
			return 1;
		} else {
			r = -EINVAL;
		}
	}
	if (r < 0)
		return fault(reterr, r, "stream.option", "%s: not valid here; see stream --help",
			     argv[optind - 1]);
	if (!has_to || !s->port || !s->rate || optind < argc)
		return fault(reterr, -EINVAL, "stream.option",
			     "wants --to, --port and --rate; see --help");
	return 0;
}

int main(int argc, char **argv)
{
	struct stream s = {.fd = -1, .deadline_ns = DEADLINE_NONE};
	struct fault f = {};
	int r = parse_options(&s, argc, argv, &f);

	if (r > 0) {
		fputs(help, stdout);
		return 0;
	}
	if (r == 0)
		r = stream_open(&s, &f);
	if (r == 0) {
		stream_send(&s);
		printf("{\"sent\":%" PRIu64 ",\"refused\":%" PRIu64 "}\n", s.sent, s.refused);
	}
	close_fdp(&s.fd);
	if (r < 0)
		fprintf(stderr, "stream: %s\n", f.text);
	return r < 0;
}
