/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Random frames through the real program in the kernel, and through its parser built for the host
 * followed by a plain model of the stages behind it: under several policies, in one piece and split
 * over two buffers. Action, verdict, reason and bytes counted must be what the model says.
 *
 * Counters are read once per batch: what moved must add up to what the model expected of the whole
 * batch. If it does not, the batch is sent again frame by frame to find the culprit, which is
 * written to a file and printed.
 *
 *	parse_kernel [--seed N] [--frames N | --seconds N] [--out DIR] [FILE|DIRECTORY...]
 *
 * Files, or all files of a directory, are frames to send first (libFuzzer's corpus of `parse`).
 * Exits 0: no difference; 1: a difference; 77: cannot run here, with the reason on stdout.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../lib/host_parse.h"
#include "../lib/runner.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/words.h"
#include "frames.h"

#define BATCH	      64
#define LINEAR_MAX    3000  /* fits any kernel's first buffer */
#define ETHERNET      14    /* the kernel runs no program on less */
#define WORLD_FRAMES  8192  /* then comes the next policy */
#define REPLAYS	      8	    /* of each file under each policy: once whole, then mostly split */
#define MANY	      20000 /* frames, of which each reason of the parser has some */
#define DEFAULT_SEED  8031924123371070824ULL
#define CANNOT_RUN    77
#define PORT_RANGES   "0, 53, 8000-8100, 32768-65535"
#define BIG_RATE      "rate: 100M/s, burst: 100M"
#define LIMITS(name)  "limits: [{name: a, scope: source, service: " name ", " BIG_RATE "}]\n"
#define FRAGMENTS_OFF "packets: {fragments: pass}\n"

/* A policy, and what the model has to know of it. */
struct world {
	const char *name;
	const char *policy;
	bool lists, monitor, pass_malformed, drop_other, drop_fragments;
	bool (*limited)(const struct packet *packet);
};

static bool by_port(const struct packet *p)
{
	unsigned int port = p->destination_port;

	return p->has_port &&
	       (port == 0 || port == 53 || (port >= 8000 && port <= 8100) || port >= 32768);
}

static bool in_prefix(const uint8_t address[static 16], const char *text)
{
	struct prefix prefix, own = {.bits = 128};

	assert_int_equal(prefix_parse(text, &prefix), 0);
	memcpy(own.address, address, 16);
	return prefix_covers(&prefix, &own);
}

static bool by_place(const struct packet *p)
{
	return (p->protocol == 6 || p->protocol == 58 || p->protocol == 132) &&
	       (in_prefix(p->destination, "198.18.1.0/24") ||
		in_prefix(p->destination, "2001:db8:2::/64"));
}

/* Within the limit, that is: it has room for more than a machine can send. */
static bool always(const struct packet *p)
{
	(void)p;
	return true;
}

static const struct world worlds[] = {
	{.name = "no limits", .policy = RUNNER_UNLIMITED},
	{.name = "drop whatever can be",
	 .policy = RUNNER_POLICY "packets: {fragments: drop, other: drop}\n",
	 .drop_other = true,
	 .drop_fragments = true},
	{.name = "lists", .policy = RUNNER_UNLIMITED, .lists = true},
	{.name = "ports",
	 .policy = RUNNER_UNLIMITED "services: {s: {proto: [tcp, udp], dport: [" PORT_RANGES
				    "]}}\n" LIMITS("s"),
	 .limited = by_port},
	{.name = "destinations and protocols",
	 .policy = RUNNER_UNLIMITED "services: {s: {dst: [198.18.1.0/24, \"2001:db8:2::/64\"], "
				    "proto: [tcp, icmp6, sctp]}}\n" LIMITS("s"),
	 .limited = by_place},
	{.name = "monitor, malformed packets passed",
	 .policy = "apiVersion: weir/v1\nmode: monitor\n"
		   "packets: {fragments: drop, other: drop, malformed: pass}\n"
		   "limits: [{name: a, scope: source, " BIG_RATE "}]\n",
	 .lists = true,
	 .monitor = true,
	 .pass_malformed = true,
	 .drop_other = true,
	 .drop_fragments = true,
	 .limited = always},
};

/* What the worlds with lists list. The longest prefix decides, and allow wins over block. */
static const struct {
	enum list_kind kind;
	const char *prefix;
} listed[] = {
	{LIST_BLOCK, "192.0.2.1"},	  {LIST_BLOCK, "198.51.100.0/24"},
	{LIST_BLOCK, "203.0.113.128/25"}, {LIST_BLOCK, "2001:db8::1"},
	{LIST_BLOCK, "2001:db8:10::/48"}, {LIST_ALLOW, "192.0.2.2"},
	{LIST_ALLOW, "2001:db8::2"},
};

static struct runner runner;
static bool splits;
static bool seen[WEIR_REASON_MAX];

struct frame {
	uint8_t data[PACKETS_SIZE];
	size_t length, linear;
	unsigned int verdict, reason; /* expected */
};

/* One at a time, so that the stack stays small. */
static struct frame batch[BATCH];
static size_t batched;

struct run {
	uint64_t seed;
	uint64_t sent;
	const char *out;
	const struct world *world;
};

static int lists_reason(const struct packet *p)
{
	bool blocked = false;

	for (size_t i = 0; i < sizeof(listed) / sizeof(*listed); i++) {
		if (!in_prefix(p->source, listed[i].prefix))
			continue;
		if (listed[i].kind == LIST_ALLOW)
			return WEIR_REASON_ALLOWED;
		blocked = true;
	}
	return blocked ? WEIR_REASON_BLOCKED : WEIR_NEXT;
}

/* The stages in the order of limiter.bpf.c. */
static unsigned int expected_reason(const struct world *w, const struct frame *f)
{
	struct host_frame frame = {.data = f->data, .length = f->length};
	struct parse_bytes bytes = {.frame = &frame};
	struct packet packet = {.length = (uint32_t)f->length};
	struct parse_payload payload = {0};
	int reason = parse_network(&bytes, &payload, &packet);

	if (reason == WEIR_NEXT && w->lists)
		reason = lists_reason(&packet);
	if (reason == WEIR_NEXT)
		reason = parse_transport(&bytes, &payload, &packet);
	if (reason != WEIR_NEXT)
		return (unsigned int)reason;
	if (packet.is_later_fragment && w->drop_fragments)
		return WEIR_REASON_FRAGMENT;
	return w->limited && w->limited(&packet) ? WEIR_REASON_WITHIN_LIMIT : WEIR_REASON_UNLIMITED;
}

static unsigned int expected_verdict(const struct world *w, unsigned int reason)
{
	bool refused = reason == WEIR_REASON_BLOCKED || reason == WEIR_REASON_FRAGMENT ||
		       (reason == WEIR_REASON_NOT_IP && w->drop_other) ||
		       (PACKETS_IS_MALFORMED(reason) && !w->pass_malformed);

	if (!refused)
		return WEIR_VERDICT_PASS;
	return w->monitor ? WEIR_VERDICT_WOULD_DROP : WEIR_VERDICT_DROP;
}

static bool action_differs(const struct frame *f, int action)
{
	return action != (f->verdict == WEIR_VERDICT_DROP ? XDP_DROP : XDP_PASS);
}

static void print_hex(const struct frame *f)
{
	for (size_t i = 0; i < f->length; i++)
		printf("%02x%s", f->data[i], i % 32 == 31 || i + 1 == f->length ? "\n" : "");
}

static void save(const struct run *run, const struct frame *f)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/parse_kernel-%llu-%zu.frame", run->out,
		 (unsigned long long)run->seed, f->length);
	file = fopen(path, "we");
	if (!file || fwrite(f->data, 1, f->length, file) != f->length)
		printf("cannot write %s: %s\n", path, strerror(errno));
	else
		printf("written to %s\n", path);
	if (file)
		fclose(file);
}

static void report(const struct run *run, const struct frame *f)
{
	printf("policy '%s', seed %llu, after %llu frames: %zu bytes, %zu of them in the first "
	       "buffer (0: all that fits)\n",
	       run->world->name, (unsigned long long)run->seed, (unsigned long long)run->sent,
	       f->length, f->linear);
	printf("host: %s %s\n", verdict_to_str(f->verdict), reason_to_str(f->reason));
	print_hex(f);
	save(run, f);
}

/* Send one frame and say what the kernel made of it, if that is not what was expected. */
static bool is_culprit(const struct run *run, const struct frame *f)
{
	struct weir_count before[RUNNER_COUNTERS], after[RUNNER_COUNTERS];
	unsigned int want = f->verdict * WEIR_REASON_MAX + f->reason, moved = 0;
	bool as_expected = false;
	int action;

	datapath_read_counts(runner.datapath, before);
	action = runner_run(&runner, f->data, f->length, f->linear);
	datapath_read_counts(runner.datapath, after);
	for (unsigned int i = 0; i < RUNNER_COUNTERS; i++) {
		uint64_t packets = after[i].packets - before[i].packets;
		uint64_t bytes = after[i].bytes - before[i].bytes;

		moved += packets || bytes;
		as_expected |= i == want && packets == 1 && bytes == f->length;
	}
	if (as_expected && moved == 1 && !action_differs(f, action))
		return false;
	report(run, f);
	printf("kernel: action %d (negative: not run)\n", action);
	for (unsigned int i = 0; i < RUNNER_COUNTERS; i++)
		if (after[i].packets != before[i].packets || after[i].bytes != before[i].bytes)
			printf("kernel: %s %s counts %llu packets, %llu bytes\n",
			       verdict_to_str(i / WEIR_REASON_MAX),
			       reason_to_str(i % WEIR_REASON_MAX),
			       (unsigned long long)(after[i].packets - before[i].packets),
			       (unsigned long long)(after[i].bytes - before[i].bytes));
	return true;
}

/* Send the batch again, one by one. False: now everything is right. */
static bool find_culprit(const struct run *run)
{
	for (size_t i = 0; i < batched; i++)
		if (is_culprit(run, &batch[i]))
			return true;
	return false;
}

static bool counts_differ(const struct weir_count *before, const struct weir_count *want)
{
	struct weir_count after[RUNNER_COUNTERS];

	datapath_read_counts(runner.datapath, after);
	for (unsigned int i = 0; i < RUNNER_COUNTERS; i++)
		if (after[i].packets - before[i].packets != want[i].packets ||
		    after[i].bytes - before[i].bytes != want[i].bytes)
			return true;
	return false;
}

/* Send what was batched. False: a difference was found and reported. */
static bool flush(struct run *run)
{
	struct weir_count before[RUNNER_COUNTERS], want[RUNNER_COUNTERS] = {0};
	bool differs = false;

	datapath_read_counts(runner.datapath, before);
	for (size_t i = 0; i < batched; i++) {
		const struct frame *f = &batch[i];
		struct weir_count *count = &want[f->verdict * WEIR_REASON_MAX + f->reason];

		count->packets++;
		count->bytes += f->length;
		differs |= action_differs(f, runner_run(&runner, f->data, f->length, f->linear));
	}
	if (differs || counts_differ(before, want)) {
		if (!find_culprit(run))
			printf("policy '%s', seed %llu, after %llu frames: the counters of a "
			       "batch do not add up, and do when it is sent again\n",
			       run->world->name, (unsigned long long)run->seed,
			       (unsigned long long)run->sent);
		return false;
	}
	run->sent += batched;
	batched = 0;
	return true;
}

/* Where to split the frame; 0: nowhere. */
static size_t any_split(size_t length, uint64_t *random)
{
	if (!splits || length <= ETHERNET || length >= LINEAR_MAX || frames_random(random, 4) == 0)
		return 0;
	return ETHERNET + frames_random(random, length - ETHERNET);
}

/* Put a frame into the batch, and send the batch when it is full. */
static bool send_frame(struct run *run, const uint8_t *data, size_t length, size_t linear)
{
	struct frame *f = &batch[batched];

	if (length < ETHERNET || length > sizeof(f->data))
		return true;
	memcpy(f->data, data, length);
	f->length = length;
	f->linear = linear;
	f->reason = expected_reason(run->world, f);
	f->verdict = expected_verdict(run->world, f->reason);
	seen[f->reason] = true;
	batched++;
	return batched < BATCH || flush(run);
}

static void enter(struct run *run, const struct world *world)
{
	run->world = world;
	runner_unlist_all(&runner);
	if (world->lists)
		for (size_t i = 0; i < sizeof(listed) / sizeof(*listed); i++)
			runner_list(&runner, listed[i].kind, listed[i].prefix, WEIR_FOREVER);
	runner_policy(&runner, world->policy);
}

static bool send_file(struct run *run, const char *path, uint64_t *random)
{
	static uint8_t data[PACKETS_SIZE];
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	size_t length;

	if (!file) {
		printf("cannot read %s: %s\n", path, strerror(errno));
		return false;
	}
	length = fread(data, 1, sizeof(data), file);
	for (unsigned int i = 0; i < REPLAYS; i++)
		if (!send_frame(run, data, length, i ? any_split(length, random) : 0))
			return false;
	return true;
}

static bool send_path(struct run *run, const char *path, uint64_t *random)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;
	char name[1024];

	if (!dir)
		return send_file(run, path, random);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (!send_file(run, name, random))
			return false;
	}
	return true;
}

static bool replay(struct run *run, char **from, uint64_t *random)
{
	for (size_t w = 0; *from && w < sizeof(worlds) / sizeof(*worlds); w++) {
		enter(run, &worlds[w]);
		for (char **path = from; *path; path++)
			if (!send_path(run, *path, random))
				return false;
		if (!flush(run))
			return false;
	}
	return true;
}

static bool generate(struct run *run, uint64_t frames, uint64_t deadline_ns, uint64_t *random)
{
	const size_t world_count = sizeof(worlds) / sizeof(*worlds);
	uint64_t share = frames ? frames / world_count + 1 : WORLD_FRAMES;
	static struct packets_frame frame;

	if (share > WORLD_FRAMES)
		share = WORLD_FRAMES;
	for (uint64_t made = 0, w = 0; !frames || made < frames; w++) {
		enter(run, &worlds[w % world_count]);
		for (uint64_t i = 0; i < share && (!frames || made < frames); i++, made++) {
			frames_generate(random, &frame);
			if (!send_frame(run, frame.data, frame.length,
					any_split(frame.length, random)))
				return false;
		}
		if (!flush(run))
			return false;
		if (!frames && clock_monotonic_ns() >= deadline_ns)
			break;
	}
	return true;
}

/* A generator that cannot make a kind of frame any more proves nothing about it. */
static void check_reasons(const struct run *run)
{
	for (unsigned int i = 0; run->sent >= MANY && i < WEIR_REASON_MAX; i++)
		if (PACKETS_IS_MALFORMED(i) && reason_exists(i) && !seen[i])
			fail_msg("no frame had the reason %s: frames.c should make some",
				 reason_to_str(i));
}

static bool kernel_splits(void)
{
	struct packets_frame frame;

	packets_build(packets_cases[0].layers, &frame);
	return runner_run(&runner, frame.data, frame.length, ETHERNET) >= 0;
}

struct options {
	uint64_t seed, frames, seconds;
	const char *out;
};

static int read_options(int argc, char **argv, struct options *ret)
{
	static const struct option names[] = {
		{"seed", required_argument, NULL, 's'},
		{"frames", required_argument, NULL, 'f'},
		{"seconds", required_argument, NULL, 't'},
		{"out", required_argument, NULL, 'o'},
		{0},
	};
	int c, r = 0;

	*ret = (struct options){.seed = DEFAULT_SEED, .seconds = 10, .out = "."};
	while (r == 0 && (c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 's')
			r = parse_u64(optarg, 1, UINT64_MAX, &ret->seed);
		else if (c == 'f')
			r = parse_u64(optarg, 1, UINT64_MAX, &ret->frames);
		else if (c == 't')
			r = parse_u64(optarg, 1, 864000, &ret->seconds);
		else if (c == 'o')
			ret->out = optarg;
		else
			r = -EINVAL;
	}
	if (r < 0)
		fprintf(stderr, "parse_kernel: a number above 0 is wanted behind each option\n");
	return r;
}

static struct options options;
static char **paths; /* to replay */

/* The runner ends the running test if it fails, so this is one. */
static void the_kernel_judges_frames_as_the_host_does(void **state)
{
	struct run run = {.seed = options.seed, .out = options.out};
	uint64_t for_replay = options.seed, random = options.seed;
	uint64_t deadline_ns = clock_monotonic_ns() + options.seconds * NSEC_PER_SEC;
	bool same;

	(void)state;
	enter(&run, &worlds[0]);
	splits = kernel_splits();
	same = replay(&run, paths, &for_replay) &&
	       generate(&run, options.frames, deadline_ns, &random);
	printf("%llu frames, seed %llu, %s: %s\n", (unsigned long long)run.sent,
	       (unsigned long long)options.seed, splits ? "whole and split" : "whole only",
	       same ? "no difference" : "a difference");
	assert_true(same);
	check_reasons(&run);
}

static int set_up(void **state)
{
	(void)state;
	runner_open(&runner);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	runner_close(&runner);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest test[] = {
		cmocka_unit_test(the_kernel_judges_frames_as_the_host_does),
	};

	if (read_options(argc, argv, &options) < 0)
		return 2;
	if (runner_obstacle()) {
		puts(runner_obstacle());
		return CANNOT_RUN;
	}
	paths = argv + optind;
	return cmocka_run_group_tests_name("parse_kernel", test, set_up, tear_down) ? 1 : 0;
}
