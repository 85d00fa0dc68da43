/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Receives UDP and counts datagrams by source, so that a test can compare what the kernel delivered
 * with what a limit should have let through. Says "sink: listening" on stderr once it is bound, and
 * prints one JSON object at the end. Bytes are not looked at and nothing is answered.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
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

#define SOURCES_MAX   65536
#define SLOTS	      (2 * SOURCES_MAX) /* of the hash table; a power of two */
#define BATCH	      64
#define BUFFER_BYTES  (64 << 20) /* of the socket */
#define DEADLINE_NONE UINT64_MAX

struct source {
	uint8_t address[16];
	uint64_t datagrams; /* 0: the slot is free */
};

struct sink {
	uint8_t address[16];
	uint16_t port;
	bool each; /* list every source */
	uint64_t wanted, deadline_ns;
	int fd;
	uint64_t received, unlisted; /* of sources beyond SOURCES_MAX */
	size_t source_count;
	struct source sources[SLOTS];
};

static volatile sig_atomic_t stop;

static void on_stop(__attribute__((unused)) int signal)
{
	stop = 1;
}

static void sink_done(struct sink *s)
{
	close_fdp(&s->fd);
}

/* FNV-1a; linear probing. */
static void sink_count(struct sink *s, const uint8_t address[16])
{
	uint32_t hash = 2166136261;

	for (int i = 0; i < 16; i++)
		hash = (hash ^ address[i]) * 16777619;
	s->received++;
	for (;; hash++) {
		struct source *slot = &s->sources[hash % SLOTS];

		if (slot->datagrams && memcmp(slot->address, address, 16) != 0)
			continue;
		if (!slot->datagrams && s->source_count == SOURCES_MAX) {
			s->unlisted++;
			return;
		}
		s->source_count += !slot->datagrams;
		memcpy(slot->address, address, 16);
		slot->datagrams++;
		return;
	}
}

/* An IPv6 socket bound to an IPv4-mapped address receives IPv4. */
static int sink_open(struct sink *s, struct fault *reterr)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(s->port)};
	const int size = BUFFER_BYTES, no = 0;

	s->fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return fault(reterr, -errno, "sink.socket", "socket: %s", strerror(errno));
	if (setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) < 0 ||
	    setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		return fault(reterr, -errno, "sink.option", "socket options: %s", strerror(errno));
	memcpy(&a.sin6_addr, s->address, 16);
	if (bind(s->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return fault(reterr, -errno, "sink.bind", "bind to port %u: %s", s->port,
			     strerror(errno));
	return 0;
}

/* Take what is queued. */
static int sink_drain(struct sink *s, struct fault *reterr)
{
	struct sockaddr_in6 from[BATCH];
	struct mmsghdr messages[BATCH];
	int n;

	do {
		memset(messages, 0, sizeof(messages));
		for (int i = 0; i < BATCH; i++) {
			messages[i].msg_hdr.msg_name = &from[i];
			messages[i].msg_hdr.msg_namelen = sizeof(from[i]);
		}
		n = recvmmsg(s->fd, messages, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			sink_count(s, from[i].sin6_addr.s6_addr);
	} while (n == BATCH);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return fault(reterr, -errno, "sink.receive", "receive: %s", strerror(errno));
	return 0;
}

/* Receive until there is enough, time is up, or SIGINT or SIGTERM; then what is queued still counts. */
static int sink_receive(struct sink *s, struct fault *reterr)
{
	const struct sigaction action = {.sa_handler = on_stop};
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	sigset_t blocked, waiting;
	int r = 0;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &waiting);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	fputs("sink: listening\n", stderr);

	while (r == 0 && !stop && s->received < s->wanted) {
		uint64_t now_ns = clock_monotonic_ns(), left_ns;
		struct timespec t;

		if (now_ns >= s->deadline_ns)
			break;
		left_ns = s->deadline_ns - now_ns;
		t = (struct timespec){left_ns / NSEC_PER_SEC, left_ns % NSEC_PER_SEC};
		if (ppoll(&p, 1, s->deadline_ns == DEADLINE_NONE ? NULL : &t, &waiting) > 0)
			r = sink_drain(s, reterr);
	}
	return r < 0 ? r : sink_drain(s, reterr);
}

static int sink_report(const struct sink *s, struct fault *reterr)
{
	uint64_t least = UINT64_MAX, most = 0;
	uint32_t memory[SK_MEMINFO_VARS] = {};
	socklen_t size = sizeof(memory);
	const char *comma = "";
	char text[ADDRESS_TEXT_SIZE];

	if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, memory, &size) < 0)
		return fault(reterr, -errno, "sink.drops", "count of drops: %s", strerror(errno));
	for (size_t i = 0; i < SLOTS; i++) {
		uint64_t n = s->sources[i].datagrams;

		if (n && n < least)
			least = n;
		if (n > most)
			most = n;
	}
	printf("{\"received\":%" PRIu64 ",\"dropped\":%" PRIu32
	       ",\"sources\":%zu,\"least\":%" PRIu64 ",\"most\":%" PRIu64 ",\"unlisted\":%" PRIu64,
	       s->received, memory[SK_MEMINFO_DROPS], s->source_count, most ? least : 0, most,
	       s->unlisted);
	if (s->each)
		printf(",\"each\":{");
	for (size_t i = 0; i < SLOTS && s->each; i++) {
		if (!s->sources[i].datagrams)
			continue;
		address_format(s->sources[i].address, text);
		printf("%s\"%s\":%" PRIu64, comma, text, s->sources[i].datagrams);
		comma = ",";
	}
	puts(s->each ? "}}" : "}");
	return 0;
}

static const char help[] =
	"usage: sink --listen ADDRESS --port N [--packets N] [--seconds S] [--each]\n"
	"Count UDP datagrams by source until so many have come, so long has passed, or SIGTERM.\n"
	"Prints {\"received\", \"dropped\" (by the full socket), \"sources\", \"least\" and \"most\" of one\n"
	"source, \"unlisted\" (of sources beyond 65536)}; --each adds the count of every source.\n";

/* 0; 1 = help was asked for. */
static int parse_options(struct sink *s, int argc, char **argv, struct fault *reterr)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"port", required_argument, NULL, 'p'},
		{"packets", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 's'},
		{"each", no_argument, NULL, 'e'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	bool listening = false;
	uint32_t number = 0;
	int option, r = 0;

	opterr = 0;
	while (r == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'l') {
			r = address_parse(optarg, s->address);
			listening = true;
		} else if (option == 'p') {
			r = parse_u32(optarg, 1, 65535, &number);
			s->port = number;
		} else if (option == 'n') {
			r = parse_u64(optarg, 1, UINT64_MAX, &s->wanted);
		} else if (option == 's') {
			r = parse_u32(optarg, 1, 86400, &number);
			s->deadline_ns = clock_monotonic_ns() + number * NSEC_PER_SEC;
		} else if (option == 'e') {
			s->each = true;
		} else if (option == 'h') {
			return 1;
		} else {
			r = -EINVAL;
		}
	}
	if (r < 0)
		return fault(reterr, r, "sink.option", "%s: not valid here; see sink --help",
			     argv[optind - 1]);
	if (!listening || !s->port || optind < argc)
		return fault(reterr, -EINVAL, "sink.option",
			     "wants --listen and --port; see --help");
	return 0;
}

int main(int argc, char **argv)
{
	static struct sink s = {.fd = -1, .wanted = UINT64_MAX, .deadline_ns = DEADLINE_NONE};
	struct fault f = {};
	int r = parse_options(&s, argc, argv, &f);

	if (r > 0) {
		fputs(help, stdout);
		return 0;
	}
	if (r == 0)
		r = sink_open(&s, &f);
	if (r == 0)
		r = sink_receive(&s, &f);
	if (r == 0)
		r = sink_report(&s, &f);
	sink_done(&s);
	if (r < 0)
		fprintf(stderr, "sink: %s\n", f.text);
	return r < 0;
}
