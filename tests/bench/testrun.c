/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Nanoseconds per packet of variants of the program (variants.bpf.c), by BPF_PROG_TEST_RUN: the time that
 * code and its memory take, and nothing of a driver's. Every turn comes right after one of the parser alone
 * with sources drawn the same way; what a bench takes more than that is the median over the rounds, in which
 * all take turns. `testrun [NAME...]` prints one JSON object per line.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../lib/frame.h"
#include "../lib/runner.h"
#include "base/clock.h"
#include "base/words.h"
#include "variant.h"

#define ROUNDS	     11
#define TURN_NS	     (60 * NSEC_PER_MSEC)
#define PACKETS_MIN  50000U
#define PACKETS_MAX  2000000U
#define WARM_UP_EACH 6 /* times, so that hardly a source was not drawn */
#define WARM_UP_MAX  16000000U
#define WARM_UP_STEP 1000000U
#define SHARE_MIN    0.98		      /* where there is room for all sources and more */
#define MANY	     16777216		      /* sources, more than there is room for */
#define ENTRIES_1M   (WEIR_LIST_IP4_MAX - 16) /* and the policy's own */
#define TO	     "198.18.0.1"

/* Maps, policy and lists that benches share. */
static struct world {
	uint32_t sources, entries;
	bool open;
	struct runner runner;
} worlds[] = {
	{.sources = 1048576, .entries = ENTRIES_1M},
	{.sources = 262144, .entries = 100000},
	{.sources = 1048576, .entries = 10000},
	{.sources = 1048576, .entries = 10000},
};

/* The last one is filled with state that nothing else has to do with. */
enum { LISTED_1M, LISTED_100K, LISTED_10K, FLOODED };

/* The trie of bench_lpm has as many entries as the world. */
static const struct bench {
	const char *name;
	unsigned int world;
	struct variant_spec spec; /* no sources: one, the second of those there could be */
	uint16_t port;
	unsigned int reason; /* that packets are to have; WEIR_REASON_MAX: not asked */
	const char *against; /* how many times less this one takes than that */
} benches[] = {
#define FULL(...)                                                                                  \
	{                                                                                          \
		.program = "bench_full", __VA_ARGS__                                               \
	}
#define LRU(...)                                                                                   \
	{                                                                                          \
		.program = "bench_full", .lru = true, __VA_ARGS__                                  \
	}
#define PARSE(...)                                                                                 \
	{                                                                                          \
		.program = "bench_parse", __VA_ARGS__                                              \
	}
	{"parse_only", 0, PARSE(0), VARIANT_PORT_FREE, WEIR_REASON_MAX, NULL},
	{"parse_random", 0, PARSE(.sources = 1048576), VARIANT_PORT_FREE, WEIR_REASON_MAX, NULL},
	{"bare_drop", 0, {.program = "bench_bare"}, VARIANT_PORT_FREE, WEIR_REASON_MAX, NULL},
	{"exact_clock", 0, {.program = "bench_clock"}, VARIANT_PORT_FREE, WEIR_REASON_MAX, NULL},
	{"touch_cell_1m",
	 0,
	 {.program = "bench_touch_cell", .sources = MANY},
	 VARIANT_PORT_FREE,
	 WEIR_REASON_MAX,
	 NULL},
	{"touch_entry_1m",
	 0,
	 {.program = "bench_touch_entry", .sources = MANY},
	 VARIANT_PORT_FREE,
	 WEIR_REASON_MAX,
	 NULL},
	{"unlisted", 0, FULL(0), VARIANT_PORT_FREE, WEIR_REASON_WITHIN_LIMIT, NULL},
	{"unlisted_random_1m", 0, FULL(.sources = 1048576), VARIANT_PORT_FREE,
	 WEIR_REASON_WITHIN_LIMIT, NULL},
	{"conforming_hot", 0, FULL(0), VARIANT_PORT_WIDE, WEIR_REASON_WITHIN_LIMIT, NULL},
	{"conforming_idle", 0, FULL(0), VARIANT_PORT_QUIET, WEIR_REASON_WITHIN_LIMIT, NULL},
	{"blocked_hot_1m", 0, FULL(.listed = true), VARIANT_PORT_FREE, WEIR_REASON_BLOCKED, NULL},
	{"blocked_random_10k", LISTED_10K, FULL(.sources = 10000, .listed = true),
	 VARIANT_PORT_FREE, WEIR_REASON_BLOCKED, NULL},
	{"blocked_random_100k", LISTED_100K, FULL(.sources = 100000, .listed = true),
	 VARIANT_PORT_FREE, WEIR_REASON_BLOCKED, NULL},
	{"blocked_random_1m", 0, FULL(.sources = ENTRIES_1M, .listed = true), VARIANT_PORT_FREE,
	 WEIR_REASON_BLOCKED, "lpm_random_1m"},
	{"lpm_random_1m",
	 0,
	 {.program = "bench_lpm", .sources = ENTRIES_1M, .listed = true},
	 VARIANT_PORT_FREE,
	 WEIR_REASON_MAX,
	 NULL},
	{"limited_hot", 0, FULL(0), VARIANT_PORT_NARROW, WEIR_REASON_OVER_PACKETS, "lru_hot"},
	{"lru_hot", 0, LRU(0), VARIANT_PORT_NARROW, WEIR_REASON_OVER_PACKETS, NULL},
	{"limited_4k", 0, FULL(.sources = 4096), VARIANT_PORT_NARROW, WEIR_REASON_OVER_PACKETS,
	 "lru_4k"},
	{"lru_4k", 0, LRU(.sources = 4096), VARIANT_PORT_NARROW, WEIR_REASON_OVER_PACKETS, NULL},
	{"limited_64k", 0, FULL(.sources = 65536), VARIANT_PORT_NARROW, WEIR_REASON_OVER_PACKETS,
	 "lru_64k"},
	{"untraced", 0, FULL(.sources = 4096, .untraced = true), VARIANT_PORT_NARROW,
	 WEIR_REASON_OVER_PACKETS, NULL},
	{"trace_off", 0, FULL(.sources = 4096), VARIANT_PORT_NARROW, WEIR_REASON_OVER_PACKETS,
	 "untraced"},
	{"trace_1000", 0, FULL(.sources = 4096, .trace = 1000), VARIANT_PORT_NARROW,
	 WEIR_REASON_OVER_PACKETS, "trace_off"},
	{"trace_full", 0, FULL(.sources = 4096, .trace = 1), VARIANT_PORT_NARROW,
	 WEIR_REASON_OVER_PACKETS, "trace_off"},
	{"lru_64k", 0, LRU(.sources = 65536), VARIANT_PORT_NARROW, WEIR_REASON_OVER_PACKETS, NULL},
	{"limited_random_1m", 0, FULL(.sources = 1048576), VARIANT_PORT_NARROW,
	 WEIR_REASON_OVER_PACKETS, "lru_random_1m"},
	{"lru_random_1m", 0, LRU(.sources = 1048576), VARIANT_PORT_NARROW, WEIR_REASON_OVER_PACKETS,
	 NULL},
	/* Not all of these are refused: that is what they are about. */
	{"limited_16m", FLOODED, FULL(.sources = MANY), VARIANT_PORT_NARROW,
	 WEIR_REASON_OVER_PACKETS, "lru_16m"},
	{"lru_16m", FLOODED, LRU(.sources = MANY), VARIANT_PORT_NARROW, WEIR_REASON_OVER_PACKETS,
	 NULL},
	{"newcomers_16m", LISTED_10K, FULL(.sources = MANY), VARIANT_PORT_QUIET,
	 WEIR_REASON_WITHIN_LIMIT, "lru_newcomers_16m"},
	{"lru_newcomers_16m", LISTED_10K, LRU(.sources = MANY), VARIANT_PORT_QUIET,
	 WEIR_REASON_WITHIN_LIMIT, NULL},
};

#define BENCHES (sizeof(benches) / sizeof(benches[0]))
enum { PARSE_ONLY, PARSE_RANDOM };

static struct loaded {
	bool wanted;
	struct bpf_object *object;
	struct ring_buffer *traces; /* NULL: it is not traced */
	int fd;
	uint8_t frame[FRAME_SIZE];
	size_t length;
	uint32_t packets; /* a turn's */
	double call_ns;	  /* what a call takes as such */
	double ns[ROUNDS], over[ROUNDS];
	uint64_t decided, expected; /* packets, and those with the reason that was expected */
} loaded[BENCHES];

static void close_all(void)
{
	for (size_t i = 0; i < BENCHES; i++)
		ring_buffer__free(loaded[i].traces);
	for (size_t i = 0; i < BENCHES; i++)
		bpf_object__close(loaded[i].object);
	for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++)
		if (worlds[i].open)
			runner_close(&worlds[i].runner);
}

static void fail_if(int r, const char *what, const struct fault *f)
{
	if (r >= 0)
		return;
	fprintf(stderr, "testrun: %s: %s\n", what, f && f->err ? f->text : strerror(-r));
	exit(1);
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

static struct runner *world(unsigned int number)
{
	struct world *w = &worlds[number];
	struct fault f = {0};

	if (w->open)
		return &w->runner;
	runner_open(&w->runner);
	w->open = true;
	fail_if(variant_apply_policy(w->runner.datapath, w->sources, &f), "the policy", &f);
	fail_if(variant_apply_lists(w->runner.datapath, w->entries, &f), "the lists", &f);
	return &w->runner;
}

static void build_frame(const struct bench *b, struct loaded *l)
{
	struct frame_spec spec = {.protocol = FRAME_UDP, .port = b->port, .payload = 18};
	uint32_t source = b->spec.listed ? variant_listed(1) : VARIANT_UNLISTED_BASE + 1;
	struct flood_config layout = {};

	address_parse(TO, spec.to);
	frame_build(&spec, l->frame, &l->length, &layout);
	source = __builtin_bswap32(source);
	memcpy(l->frame + layout.source_at, &source, sizeof(source));
}

static void fill_trie(struct bpf_object *o, uint32_t entries)
{
	int fd = bpf_object__find_map_fd_by_name(o, "bench_trie"), r = 0;
	const uint64_t until_ns = WEIR_FOREVER;

	for (uint32_t i = 0; r == 0 && i < entries; i++) {
		const struct prefix p = variant_entry(i);
		struct {
			uint32_t bits;
			uint8_t address[4];
		} key = {.bits = p.bits - 96U};

		memcpy(key.address, p.address + 12, sizeof(key.address));
		r = bpf_map_update_elem(fd, &key, &until_ns, BPF_ANY);
	}
	fail_if(r, "the trie", NULL);
}

/* CPU time of one call: the kernel's own figure is in whole nanoseconds, and wall-clock time has 25 ms of
 * waiting for RCU in it. */
static uint64_t run(const struct loaded *l, uint32_t packets)
{
	uint64_t start_ns = cpu_ns();
	int r;

	LIBBPF_OPTS(bpf_test_run_opts, call, .data_in = l->frame,
		    .data_size_in = (uint32_t)l->length, .repeat = (int)packets);
	r = bpf_prog_test_run_opts(l->fd, &call);
	start_ns = cpu_ns() - start_ns;
	fail_if(r, "a test run", NULL);
	if (call.retval != XDP_DROP)
		fail_if(-EPROTO, benches[l - loaded].name, NULL);
	return start_ns;
}

/* Packets after which what has to be remembered of each source is, as far as it can be. */
static uint64_t warm_up_packets(const struct bench *b)
{
	uint64_t many = (uint64_t)b->spec.sources * WARM_UP_EACH;
	uint64_t most = b->spec.lru ? WARM_UP_MAX / 2 : WARM_UP_MAX; /* it is full long before */

	if (strcmp(b->spec.program, "bench_full") != 0)
		return 0;
	return many < most ? many : most;
}

/* Then a turn's length is known, too. */
static void warm_up(const struct bench *b, struct loaded *l)
{
	uint64_t many = warm_up_packets(b), ns, least = UINT64_MAX;

	for (; many > WARM_UP_STEP; many -= WARM_UP_STEP)
		run(l, WARM_UP_STEP);
	run(l, (uint32_t)many + 1);
	ns = run(l, PACKETS_MIN);
	l->packets = (uint32_t)(TURN_NS * PACKETS_MIN / (ns + 1));
	if (l->packets < PACKETS_MIN)
		l->packets = PACKETS_MIN;
	if (l->packets > PACKETS_MAX)
		l->packets = PACKETS_MAX;
	for (int i = 0; i < 10; i++) {
		ns = run(l, 2);
		least = ns < least ? ns : least;
	}
	l->call_ns = (double)least;
}

static int on_traced(void *userdata, void *data, size_t size)
{
	(void)userdata;
	(void)data;
	(void)size;
	return 0;
}

static void load(size_t number)
{
	const struct bench *b = &benches[number];
	struct loaded *l = &loaded[number];
	const struct runner *r = world(b->world);
	struct fault f = {0};

	build_frame(b, l);
	fail_if(variant_load(r->datapath, &b->spec, &l->object, &l->fd, &f), b->name, &f);
	if (b->spec.trace)
		l->traces =
			ring_buffer__new(bpf_object__find_map_fd_by_name(l->object, "weir_traces"),
					 on_traced, NULL, NULL);
	if (strcmp(b->spec.program, "bench_lpm") == 0)
		fill_trie(l->object, worlds[b->world].entries);
	warm_up(b, l);
}

static double turn(struct loaded *l)
{
	double ns = ((double)run(l, l->packets) - l->call_ns) / l->packets;

	/* Or the ring would be full, and to have none of it is cheaper. */
	if (l->traces)
		ring_buffer__consume(l->traces);
	return ns;
}

static uint64_t expected(const struct runner *r, unsigned int reason)
{
	uint64_t packets = 0;

	for (unsigned int verdict = 0; verdict < WEIR_VERDICT_MAX; verdict++)
		packets += runner_count(r, verdict, reason);
	return packets;
}

static void measure(size_t number, int round)
{
	const struct bench *b = &benches[number];
	struct runner *r = world(b->world);
	struct loaded *l = &loaded[number];
	double floor = turn(&loaded[b->spec.sources ? PARSE_RANDOM : PARSE_ONLY]);

	runner_count_from_here(r);
	l->ns[round] = turn(l);
	l->over[round] = l->ns[round] - floor;
	l->decided += expected(r, WEIR_REASON_MAX);
	l->expected += expected(r, b->reason);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double quantile(const double values[static ROUNDS], size_t number)
{
	double sorted[ROUNDS];

	memcpy(sorted, values, sizeof(sorted));
	qsort(sorted, ROUNDS, sizeof(sorted[0]), compare);
	return sorted[number];
}

/* The ratio of what the two take more than the parser, each round for itself. */
static void report_against(const struct loaded *l, const char *name)
{
	double ratios[ROUNDS];

	for (size_t i = 0; i < BENCHES; i++) {
		if (strcmp(benches[i].name, name) != 0 || !loaded[i].wanted)
			continue;
		for (int round = 0; round < ROUNDS; round++)
			ratios[round] = loaded[i].over[round] /
					(l->over[round] > 0.1 ? l->over[round] : 0.1);
		printf(",\"against\":{\"testrun/%s\":%.2f}", name, quantile(ratios, ROUNDS / 2));
	}
}

static bool has_many(const struct bench *b)
{
	return b->spec.sources >= worlds[b->world].sources;
}

static void report(size_t number)
{
	const struct bench *b = &benches[number];
	const struct loaded *l = &loaded[number];
	double ns = quantile(l->ns, ROUNDS / 2), ratios[ROUNDS];
	double share = l->decided ? (double)l->expected / (double)l->decided : 1;

	if (b->reason != WEIR_REASON_MAX && !has_many(b) && share < SHARE_MIN) {
		printf("{\"bench\":\"testrun/%s\",\"skipped\":\"only %.3f of the packets met what "
		       "the bench is about\"}\n",
		       b->name, share);
		return;
	}
	for (int round = 0; round < ROUNDS; round++)
		ratios[round] = l->ns[round] / (l->ns[round] - l->over[round]);
	printf("{\"bench\":\"testrun/%s\",\"value\":%.1f,\"unit\":\"ns\",\"ratio_to\":"
	       "\"testrun/%s\",\"ratio\":%.2f,\"over\":%.1f,\"over_q1\":%.1f",
	       b->name, ns, benches[b->spec.sources ? PARSE_RANDOM : PARSE_ONLY].name,
	       quantile(ratios, ROUNDS / 2), quantile(l->over, ROUNDS / 2),
	       quantile(l->over, ROUNDS / 4));
	if (b->reason != WEIR_REASON_MAX)
		printf(",\"%s\":%.3f", reason_to_str(b->reason), share);
	if (b->against)
		report_against(l, b->against);
	puts("}");
}

/* On one CPU, and on the one that the caller wants to be on if there is a choice. */
static void stay(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)sched_getcpu(), &cpus);
	fail_if(sched_setaffinity(0, sizeof(cpus), &cpus), "one CPU", NULL);
}

static bool is_wanted(const char *name, int count, char **names)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return !count;
}

int main(int argc, char **argv)
{
	const char *obstacle = runner_obstacle();

	if (obstacle) {
		fprintf(stderr, "testrun: %s\n", obstacle);
		return 1;
	}
	atexit(close_all);
	stay();
	for (size_t i = 0; i < BENCHES; i++) {
		loaded[i].wanted = is_wanted(benches[i].name, argc - 1, argv + 1);
		if (loaded[i].wanted || i <= PARSE_RANDOM)
			load(i);
	}
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < BENCHES; i++)
			if (loaded[i].wanted)
				measure(i, round);
	for (size_t i = 0; i < BENCHES; i++)
		if (loaded[i].wanted)
			report(i);
	return 0;
}
