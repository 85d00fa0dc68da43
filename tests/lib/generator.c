/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs the generator's BPF program: one copy of it and one thread per CPU, so that nothing is shared.
 * The kernel makes a call with more than one frame wait about 25 ms, mostly idle, for RCU
 * (bpf_prog_change_xdp), and one with a single frame not at all. So low rates are sent frame by
 * frame at the moment each is due, higher ones in bursts, 20 a second, and flat out is one
 * long call that a signal ends.
 */
#include "generator.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "netdev.h"
#include "tests/lib/flood.skel.h"

#define BATCH		   64		/* a quarter of a veth ring */
#define SINGLY_MAX	   10000	/* packets per second and thread: 12 us of CPU each */
#define BURST_NS	   50000000ULL	/* between bursts */
#define CALL_FRAMES_MAX	   (1U << 30)	/* of one system call */
#define POLL_NS		   5000000ULL	/* between looks at the threads */
#define DRAIN_PATIENCE_NS  500000000ULL /* without progress: what is missing is lost for good */
#define STAMP_MASK_FLATOUT 15

struct worker {
	struct generator *generator;
	struct flood_bpf *skel;
	pthread_t thread;
	unsigned int index;
	uint64_t target; /* packets of this round */
	int error;
};

struct generator {
	const struct generator_options *options;
	uint8_t frame[FRAME_SIZE];
	size_t frame_length;
	struct worker workers[GENERATOR_THREADS_MAX];
	uint64_t round_start_ns;
	atomic_uint running; /* threads */
	atomic_bool stopping;
};

DEFINE_CLEANUP(struct flood_bpf *, flood_bpf__destroy)

static void generator_done(struct generator *g)
{
	for (unsigned int i = 0; i < GENERATOR_THREADS_MAX; i++)
		flood_bpf__destroy(g->workers[i].skel);
}

static uint64_t attempts(const struct worker *w)
{
	return *(volatile __u64 *)&w->skel->bss->progress.attempts;
}

/* The addresses' part of @config: how the n-th source comes about. */
static void config_sources(const struct generator_options *o, unsigned int thread,
			   struct flood_config *config)
{
	bool ipv4 = address_is_ipv4(o->frame.to);

	for (int i = ipv4 ? 12 : 0; i < 8; i++)
		config->base_high = config->base_high << 8 | o->base[i];
	for (int i = ipv4 ? 12 : 8; i < 16; i++)
		config->base_low = config->base_low << 8 | o->base[i];
	config->shift = (ipv4 ? 32 : 128) - o->source_bits;
	config->sources = o->sources;
	config->first = thread % o->sources;
	config->step = o->threads % o->sources;
	config->random = o->random;
	config->listed = o->listed != NULL;
}

static int worker_load(struct generator *g, unsigned int thread, struct fault *reterr)
{
	const struct generator_options *o = g->options;
	_cleanup_(flood_bpf__destroyp) struct flood_bpf *skel = flood_bpf__open();
	struct flood_config config = {
		.ifindex = if_nametoindex(o->iface),
		.stamp_mask = o->rate ? 0 : STAMP_MASK_FLATOUT,
	};
	int r;

	if (!skel)
		return fault(reterr, -errno, "generator.open", "the program: %s", strerror(errno));
	frame_build(&o->frame, g->frame, &g->frame_length, &config);
	config_sources(o, thread, &config);
	memcpy((void *)&skel->rodata->config, &config, sizeof(config));
	skel->bss->progress.next = config.first;
	if (getrandom(&skel->bss->progress.random, sizeof(skel->bss->progress.random), 0) < 0)
		return fault(reterr, -errno, "generator.random", "a random number: %s",
			     strerror(errno));
	bpf_map__set_max_entries(skel->maps.listed, o->listed ? o->sources : 1);
	r = flood_bpf__load(skel);
	if (r < 0)
		return fault(reterr, r, "generator.load", "cannot load the program: %s%s",
			     strerror(-r), r == -EPERM ? "; run as root" : "");

	for (uint32_t i = 0; o->listed && i < o->sources; i++) {
		r = bpf_map__update_elem(skel->maps.listed, &i, sizeof(i), &o->listed[i],
					 sizeof(o->listed[i]), BPF_ANY);
		if (r < 0)
			return fault(reterr, r, "generator.listed", "source %u: %s", i,
				     strerror(-r));
	}
	g->workers[thread] =
		(struct worker){.generator = g, .skel = take_ptr(skel), .index = thread};
	return 0;
}

/* Have the program make @frames. An interruption is no error: the count says how far it came. */
static int worker_send(struct worker *w, uint64_t frames)
{
	LIBBPF_OPTS(bpf_test_run_opts, call, .data_in = w->generator->frame,
		    .data_size_in = w->generator->frame_length,
		    .repeat = frames < CALL_FRAMES_MAX ? frames : CALL_FRAMES_MAX,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
	int r = bpf_prog_test_run_opts(bpf_program__fd(w->skel->progs.flood), &call);

	return r == -EINTR ? 0 : r;
}

/* When the thread's packet @n is due; threads take turns. */
static uint64_t worker_due_ns(const struct worker *w, uint64_t n)
{
	const struct generator_options *o = w->generator->options;
	double packet = (double)n * o->threads + w->index;

	return w->generator->round_start_ns + (uint64_t)(packet * NSEC_PER_SEC / o->rate);
}

/* How many packets of the thread are due by @now_ns, after @done ones. */
static uint64_t worker_due(const struct worker *w, uint64_t done, uint64_t now_ns)
{
	const struct generator_options *o = w->generator->options;
	double elapsed = (double)(now_ns - w->generator->round_start_ns) / NSEC_PER_SEC;
	double due = (elapsed * o->rate - w->index) / o->threads + 1;

	return due > (double)done ? (uint64_t)due - done : 0;
}

/* Sleep until @at_ns or a signal. */
static void sleep_until(uint64_t at_ns)
{
	struct timespec at = {.tv_sec = at_ns / NSEC_PER_SEC, .tv_nsec = at_ns % NSEC_PER_SEC};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/* The next portion of @left packets, paced. */
static int worker_step(struct worker *w, uint64_t done, uint64_t left)
{
	const struct generator_options *o = w->generator->options;
	uint64_t start_ns = w->generator->round_start_ns, due, burst;

	if (!o->rate)
		return worker_send(w, left);

	due = worker_due(w, done, clock_monotonic_ns());
	if (o->rate / o->threads <= SINGLY_MAX) {
		if (due)
			return worker_send(w, 1);
		sleep_until(worker_due_ns(w, done));
		return 0;
	}
	burst = (clock_monotonic_ns() - start_ns) / BURST_NS + 1;
	sleep_until(start_ns + burst * BURST_NS);
	due = worker_due(w, done, clock_monotonic_ns());
	return due ? worker_send(w, due < left ? due : left) : 0;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	const uint64_t before = attempts(w);
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(w->index, &cpus);
	w->error = -pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	while (!w->error && !atomic_load(&w->generator->stopping)) {
		uint64_t done = attempts(w) - before;

		if (done >= w->target)
			break;
		w->error = worker_step(w, done, w->target - done);
	}
	atomic_fetch_sub(&w->generator->running, 1);
	return NULL;
}

/* Let the threads send @packets between them, or until the deadline or a stop. */
static int generator_round(struct generator *g, uint64_t packets, uint64_t deadline_ns,
			   struct fault *reterr)
{
	const struct generator_options *o = g->options;
	unsigned int started = 0;
	int r = 0;

	g->round_start_ns = clock_monotonic_ns();
	atomic_store(&g->running, o->threads);
	while (started < o->threads && !r) {
		struct worker *w = &g->workers[started];

		w->target = packets / o->threads + (started < packets % o->threads);
		r = -pthread_create(&w->thread, NULL, worker_main, w);
		started += !r;
	}
	if (r)
		atomic_fetch_sub(&g->running, o->threads - started);

	while (atomic_load(&g->running)) {
		uint64_t now_ns = clock_monotonic_ns(), next_ns = now_ns + POLL_NS;

		if (r || now_ns >= deadline_ns || (o->stop && *o->stop))
			atomic_store(&g->stopping, true);
		/* Again and again: one that comes just before the system call interrupts nothing. */
		for (unsigned int i = 0; i < started && atomic_load(&g->stopping); i++)
			pthread_kill(g->workers[i].thread, SIGUSR1);
		sleep_until(next_ns < deadline_ns || now_ns >= deadline_ns ? next_ns : deadline_ns);
	}
	for (unsigned int i = 0; i < started; i++) {
		pthread_join(g->workers[i].thread, NULL);
		r = r ?: g->workers[i].error;
	}
	return r ? fault(reterr, r, "generator.run", "sending: %s%s", strerror(-r),
			 r == -EINVAL ? "; live frames need Linux 5.18" : "")
		 : 0;
}

/* Wait until the peer has processed all it took, and add up. */
static int generator_settle(const struct generator *g, const struct netdev_counters *before,
			    struct generator_result *ret, struct fault *reterr)
{
	uint64_t progress_ns = clock_monotonic_ns(), processed = 0, made = 0;
	struct netdev_counters c;

	for (;;) {
		int r = netdev_counters_read(g->options->iface, &c, reterr);

		if (r < 0)
			return r;
		ret->end_ns = clock_monotonic_ns();
		if (c.processed != processed)
			progress_ns = ret->end_ns;
		processed = c.processed;
		if (c.processed - before->processed >= c.redirected - before->redirected ||
		    ret->end_ns - progress_ns > DRAIN_PATIENCE_NS)
			break;
		sleep_until(ret->end_ns + NSEC_PER_MSEC / 10);
	}

	ret->first_ns = UINT64_MAX;
	ret->last_ns = 0;
	for (unsigned int i = 0; i < g->options->threads; i++) {
		const struct flood_progress *p = &g->workers[i].skel->bss->progress;

		made += p->attempts;
		if (p->first_ns && p->first_ns < ret->first_ns)
			ret->first_ns = p->first_ns;
		if (p->last_ns > ret->last_ns)
			ret->last_ns = p->last_ns;
	}
	if (!made)
		ret->first_ns = ret->last_ns = ret->start_ns;
	ret->sent = c.redirected - before->redirected;
	ret->lost = made - ret->sent;
	return 0;
}

static void on_interrupt(__attribute__((unused)) int signal)
{
}

/* Rounds, until all packets have been taken: what a full ring refused is made up for. */
static int generator_send(struct generator *g, struct generator_result *ret, struct fault *reterr)
{
	const struct generator_options *o = g->options;
	struct generator_result result = {.start_ns = clock_monotonic_ns()};
	uint64_t packets = o->packets ?: GENERATOR_PACKETS_MAX, deadline_ns = UINT64_MAX;
	struct netdev_counters before;
	int r = netdev_counters_read(o->iface, &before, reterr);

	/* At a rate, a duration is a number of packets, whatever the moment of the last burst. */
	if (o->duration_ns && o->rate)
		packets = (double)o->duration_ns / NSEC_PER_SEC * o->rate;
	else if (o->duration_ns)
		deadline_ns = result.start_ns + o->duration_ns;
	while (r == 0 && result.sent < packets && !atomic_load(&g->stopping)) {
		uint64_t sent = result.sent;

		r = generator_round(g, packets - sent, deadline_ns, reterr);
		if (r == 0)
			r = generator_settle(g, &before, &result, reterr);
		if (r == 0 && result.sent == sent && result.lost)
			r = fault(reterr, -ENETUNREACH, "generator.refused",
				  "'%s' delivers nothing: its peer must be up, take frames of %zu "
				  "bytes and have an XDP program or GRO (ethtool -K PEER gro on)",
				  o->iface, g->frame_length);
	}
	if (r == 0)
		*ret = result;
	return r;
}

int generator_run(const struct generator_options *options, struct generator_result *ret,
		  struct fault *reterr)
{
	_cleanup_(generator_done) struct generator g = {.options = options};
	const struct sigaction interrupt = {.sa_handler = on_interrupt};
	struct sigaction old;
	int r = 0;

	assert(options->sources && options->threads && options->threads <= GENERATOR_THREADS_MAX);
	if (!if_nametoindex(options->iface))
		return fault(reterr, -ENODEV, "generator.iface",
			     "there is no interface '%s' in this network namespace",
			     options->iface);
	for (unsigned int i = 0; i < options->threads && r == 0; i++)
		r = worker_load(&g, i, reterr);
	if (r < 0)
		return r;
	sigaction(SIGUSR1, &interrupt, &old);
	r = generator_send(&g, ret, reterr);
	sigaction(SIGUSR1, &old, NULL);
	return r;
}
