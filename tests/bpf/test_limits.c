/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Limits in the real program: what one bucket, two buckets, one source and two sources admit, what a
 * reload keeps, and, from two CPUs at once, that a limit admits neither more than burst + rate * t nor
 * less.
 *
 * A burst passes at once on one CPU (another one's coarse clock may hold its end back for a tick), so
 * the tests stay on one, and refill so slowly that no pause of the machine matters.
 */
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "base/address.h"
#include "base/clock.h"

#define OVERLOAD_NS (700 * NSEC_PER_MSEC)

static uint64_t available(const char *name, unsigned int unit, const char *source)
{
	struct datapath_bucket bucket;
	uint8_t address[16];

	assert_int_equal(address_parse(source, address), 0);
	assert_int_equal(datapath_read_bucket(runner.datapath, runner_limit(&runner, name, unit),
					      address, &bucket),
			 0);
	return bucket.available;
}

static struct weir_limit_count count_of(const char *name, unsigned int unit)
{
	struct weir_limit_count count;

	datapath_read_limit_count(runner.datapath, runner_limit(&runner, name, unit)->slot, &count);
	return count;
}

static void assert_count(const char *name, uint64_t passed, uint64_t dropped, uint64_t would_drop)
{
	struct weir_limit_count count = count_of(name, WEIR_UNIT_PACKETS);

	assert_int_equal(count.passed, passed);
	assert_int_equal(count.dropped, dropped);
	assert_int_equal(count.would_drop, would_drop);
}

#define A(settings) "limits:\n  - {name: a, scope: source, " settings "}\n"
#define B(settings) "  - {name: b, scope: source, " settings "}\n"

static void a_burst_passes_at_once_and_nothing_more(void **state)
{
	static const unsigned int bursts[] = {1, 2, 3, 4, 5, 20, 1000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bursts); i++) {
		char policy[200];

		snprintf(policy, sizeof(policy), RUNNER_UNLIMITED A("rate: 1/h, burst: %u"),
			 bursts[i]);
		runner_policy(&runner, policy);
		assert_int_equal(available("a", WEIR_UNIT_PACKETS, PACKETS_FROM4), bursts[i]);
		for (unsigned int sent = 0; sent < bursts[i]; sent++)
			EXPECT(PASS, WITHIN_LIMIT, "within the burst", IP4(), UDP());
		assert_int_equal(available("a", WEIR_UNIT_PACKETS, PACKETS_FROM4), 0);
		EXPECT(DROP, OVER_PACKETS, "behind the burst", IP4(), UDP());
		EXPECT(DROP, OVER_PACKETS, "and again", IP4(), UDP());
		assert_count("a", bursts[i], 2, 0);
		runner_policy(&runner, RUNNER_UNLIMITED);
	}
}

static void what_one_limit_refuses_costs_the_others_nothing(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED A("rate: 1/h, burst: 5") B("rate: 1/h, burst: 3"));
	for (unsigned int i = 0; i < 3; i++)
		EXPECT(PASS, WITHIN_LIMIT, "both have room", IP4(), UDP());
	for (unsigned int i = 0; i < 10; i++)
		EXPECT(DROP, OVER_PACKETS, "the second refuses", IP4(), UDP());
	assert_int_equal(available("a", WEIR_UNIT_PACKETS, PACKETS_FROM4), 2);
	assert_int_equal(available("b", WEIR_UNIT_PACKETS, PACKETS_FROM4), 0);
	assert_count("a", 3, 0, 0);
	assert_count("b", 3, 10, 0);
}

static void as_many_limits_as_may_apply_to_one_packet(void **state)
{
	char policy[1024] = RUNNER_UNLIMITED "limits:\n";

	(void)state;
	for (unsigned int i = 0; i < WEIR_LIMITS_PER_PACKET; i++)
		snprintf(policy + strlen(policy), sizeof(policy) - strlen(policy),
			 "  - {name: l%u, scope: source, rate: 1/h, burst: %u}\n", i, 20 - i);
	runner_policy(&runner, policy);
	for (unsigned int i = 0; i < 13; i++)
		EXPECT(PASS, WITHIN_LIMIT, "all have room", IP4(), UDP());
	EXPECT(DROP, OVER_PACKETS, "the last one refuses", IP4(), UDP());
	assert_int_equal(available("l0", WEIR_UNIT_PACKETS, PACKETS_FROM4), 7);
	assert_int_equal(available("l7", WEIR_UNIT_PACKETS, PACKETS_FROM4), 0);
}

static void one_rule_limits_packets_and_bytes(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED A(
				       "rate: 1/h, burst: 3, byte_rate: 1KiB/s, byte_burst: 20kB"));
	EXPECT(PASS, WITHIN_LIMIT, "9,000 bytes", IP4(), UDP(), DATA(8958));
	EXPECT(PASS, WITHIN_LIMIT, "18,000 bytes", IP4(), UDP(), DATA(8958));
	EXPECT(DROP, OVER_BYTES, "27,000 bytes", IP4(), UDP(), DATA(8958));
	assert_int_equal(available("a", WEIR_UNIT_PACKETS, PACKETS_FROM4), 1);
	EXPECT(PASS, WITHIN_LIMIT, "a small one still fits", IP4(), UDP());
	EXPECT(DROP, OVER_PACKETS, "the fourth", IP4(), UDP());
}

static void each_source_has_its_own_bucket(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED A("rate: 1/h, burst: 1"));
	EXPECT(PASS, WITHIN_LIMIT, "an IPv4 address", IP4(.from = "192.0.2.1"), UDP());
	EXPECT(DROP, OVER_PACKETS, "the same", IP4(.from = "192.0.2.1"), TCP());
	EXPECT(PASS, WITHIN_LIMIT, "its neighbour", IP4(.from = "192.0.2.0"), UDP());
	EXPECT(PASS, WITHIN_LIMIT, "an IPv6 address", IP6(.from = "2001:db8:0:1::1"), UDP());
	EXPECT(DROP, OVER_PACKETS, "another one of the same /64",
	       IP6(.from = "2001:db8:0:1:ffff::2"), UDP());
	EXPECT(PASS, WITHIN_LIMIT, "the next /64", IP6(.from = "2001:db8:0:2::1"), UDP());
	assert_int_equal(available("a", WEIR_UNIT_PACKETS, "2001:db8:0:1:2:3:4:5"), 0);
}

static void two_limits_share_no_budget(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED "services: {s: {proto: tcp}, u: {proto: udp}}\n" A(
				       "service: s, rate: 1/h, burst: 2")
				       B("service: u, rate: 1/h, burst: 2"));
	for (unsigned int i = 0; i < 2; i++) {
		EXPECT(PASS, WITHIN_LIMIT, "TCP", IP4(), TCP());
		EXPECT(PASS, WITHIN_LIMIT, "UDP", IP4(), UDP());
	}
	EXPECT(DROP, OVER_PACKETS, "TCP", IP4(), TCP());
	EXPECT(DROP, OVER_PACKETS, "UDP", IP4(), UDP());
}

static void a_reload_keeps_what_it_does_not_change(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED A("rate: 1/h, burst: 4") B("rate: 1/h, burst: 9"));
	for (unsigned int i = 0; i < 3; i++)
		EXPECT(PASS, WITHIN_LIMIT, "before", IP4(), UDP());

	/* The same limit at another place, and the other one with another rate. */
	runner_policy(
		&runner, RUNNER_UNLIMITED
		"limits:\n" B("rate: 2/h, burst: 9") "  - {name: a, scope: source, rate: 1/h, "
						     "burst: 4}\n");
	assert_int_equal(available("a", WEIR_UNIT_PACKETS, PACKETS_FROM4), 1);
	assert_int_equal(available("b", WEIR_UNIT_PACKETS, PACKETS_FROM4), 9);
	EXPECT(PASS, WITHIN_LIMIT, "the last of the burst", IP4(), UDP());
	EXPECT(DROP, OVER_PACKETS, "it was used before the reload", IP4(), UDP());
	assert_count("a", 4, 1, 0); /* counted on, by name */
	assert_count("b", 4, 0, 0);
}

static void a_new_limit_starts_counting_at_zero(void **state)
{
	(void)state;
	/* Far more limits in a row than there are slots. */
	for (unsigned int i = 0; i < 2 * WEIR_LIMIT_SLOTS + 3; i++) {
		char policy[200], name[16];

		snprintf(name, sizeof(name), "n%u", i);
		snprintf(policy, sizeof(policy),
			 RUNNER_UNLIMITED
			 "limits: [{name: %s, scope: source, rate: %u/h, burst: 1}]\n",
			 name, i + 1);
		runner_policy(&runner, policy);
		assert_count(name, 0, 0, 0);
		EXPECT(PASS, WITHIN_LIMIT, "the first", IP4(), UDP());
		EXPECT(DROP, OVER_PACKETS, "the second", IP4(), UDP());
		assert_count(name, 1, 1, 0);
	}
}

static void monitor_charges_as_enforce_would(void **state)
{
	(void)state;
	runner_policy(&runner, "apiVersion: weir/v1\nmode: monitor\n" A("rate: 1/h, burst: 2"));
	EXPECT(PASS, WITHIN_LIMIT, "the first", IP4(), UDP());
	EXPECT(PASS, WITHIN_LIMIT, "the second", IP4(), UDP());
	EXPECT(WOULD_DROP, OVER_PACKETS, "the third", IP4(), UDP());
	EXPECT(WOULD_DROP, OVER_PACKETS, "the fourth", IP4(), UDP());
	assert_count("a", 2, 0, 2);
	runner_policy(&runner, RUNNER_POLICY A("rate: 1/h, burst: 2"));
	EXPECT(DROP, OVER_PACKETS, "enforced from here on", IP4(), UDP());
	assert_count("a", 2, 1, 2);
}

/*
 * Exactness. Threads on two CPUs send from one source as fast as they can. Let the bucket's word be
 * TAT, one packet cost c, the burst take b. An admitted packet adds c to TAT, and more if TAT lay in
 * the past: that much time of an idle bucket is lost. Nothing else moves TAT.
 *
 * Never more: the first packet starts TAT at a time at or after `first`; the last admitted one leaves
 * it at or before `last` + b. So admitted * c <= b + (last - first), exactly.
 *
 * Never less: a refused packet saw TAT + c > b + (its time). So if the last refusal was decided at or
 * after `refused`, and the first packet before `started`, admitted * c > b - c + (refused - started) -
 * lost. How much was lost can be bounded from outside, because TAT never falls: every verdict tells a
 * thread a time that TAT is not before, and its next admission lost at most what it is late for that.
 *
 * A limit whose burst lasts a clock tick is refused by the coarse clock, which may be that late.
 */
struct sender {
	pthread_t thread;
	pthread_barrier_t *barrier;
	const struct packets_frame *frame;
	uint64_t until_ns;
	uint64_t cost_ns, burst_ns;
	clockid_t clock; /* that refusals go by */
	unsigned int cpu;
	uint64_t tat_ns; /* the real one is not before it */

	uint64_t admitted, sent, errors;
	uint64_t last_ns, refused_ns, lost_ns;
};

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static void *send_flat_out(void *argument)
{
	struct sender *s = argument;

	runner_stay_on(s->cpu);
	pthread_barrier_wait(s->barrier);
	do {
		uint64_t began_ns = read_clock(s->clock), known_ns;
		int action = runner_run(&runner, s->frame->data, s->frame->length, 0);

		s->last_ns = clock_monotonic_ns();
		s->sent++;
		if (action == XDP_PASS) {
			s->admitted++;
			if (s->last_ns > s->tat_ns)
				s->lost_ns += s->last_ns - s->tat_ns;
			known_ns = (began_ns > s->tat_ns ? began_ns : s->tat_ns) + s->cost_ns;
		} else {
			s->errors += action != XDP_DROP;
			s->refused_ns = began_ns;
			known_ns = began_ns + s->burst_ns - s->cost_ns;
		}
		if (known_ns > s->tat_ns)
			s->tat_ns = known_ns;
	} while (s->last_ns < s->until_ns);
	return NULL;
}

/* What two senders did, together. */
static struct sender send_from_two_cpus(const struct sender *each)
{
	struct sender senders[2], sum = {0};
	pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, NULL, 2);
	for (unsigned int i = 0; i < 2; i++) {
		senders[i] = *each;
		senders[i].barrier = &barrier;
		senders[i].cpu = runner_cpu(i);
		assert_int_equal(
			pthread_create(&senders[i].thread, NULL, send_flat_out, &senders[i]), 0);
	}
	for (unsigned int i = 0; i < 2; i++) {
		pthread_join(senders[i].thread, NULL);
		sum.admitted += senders[i].admitted;
		sum.sent += senders[i].sent;
		sum.errors += senders[i].errors;
		sum.lost_ns += senders[i].lost_ns;
		if (senders[i].last_ns > sum.last_ns)
			sum.last_ns = senders[i].last_ns;
		if (senders[i].refused_ns > sum.refused_ns)
			sum.refused_ns = senders[i].refused_ns;
	}
	pthread_barrier_destroy(&barrier);
	return sum;
}

static void overload(uint64_t rate, uint64_t burst)
{
	struct packets_frame frame;
	struct sender each = {.frame = &frame, .clock = CLOCK_MONOTONIC_COARSE}, sum;
	uint64_t first_ns, started_ns;
	double cost_ns, admitted, most, least;
	char policy[200];

	snprintf(policy, sizeof(policy), RUNNER_UNLIMITED A("rate: %llu/s, burst: %llu"),
		 (unsigned long long)rate, (unsigned long long)burst);
	runner_policy(&runner, policy);
	packets_build(LAYERS(IP4(), UDP()), &frame);
	each.cost_ns = NSEC_PER_SEC / rate;
	each.burst_ns = each.cost_ns * burst;
	if (runner_limit(&runner, "a", WEIR_UNIT_PACKETS)->precise)
		each.clock = CLOCK_MONOTONIC;

	first_ns = clock_monotonic_ns();
	assert_int_equal(runner_run(&runner, frame.data, frame.length, 0), XDP_PASS);
	started_ns = clock_monotonic_ns();
	each.until_ns = first_ns + OVERLOAD_NS;
	each.tat_ns = first_ns + each.cost_ns;
	sum = send_from_two_cpus(&each);

	assert_int_equal(sum.errors, 0);
	cost_ns = (double)each.cost_ns;
	admitted = 1 + (double)sum.admitted;
	most = (double)burst + (double)(sum.last_ns - first_ns) / cost_ns;
	least = (double)burst - 1 - (double)sum.lost_ns / cost_ns;
	if (sum.refused_ns > started_ns)
		least += (double)(sum.refused_ns - started_ns) / cost_ns;
	print_message("%llu/s, burst %llu: admitted %.0f of %llu, between %.1f and %.1f\n",
		      (unsigned long long)rate, (unsigned long long)burst, admitted,
		      (unsigned long long)sum.sent, least, most);
	if (admitted > most)
		fail_msg("admitted %.0f, more than %.1f", admitted, most);
	if (!sum.refused_ns)
		print_message("this machine is too slow to use that limit up\n");
	else if (admitted < least - 2)
		fail_msg("admitted %.0f, less than %.1f", admitted, least);
}

static void two_cpus_together_get_one_rate(void **state)
{
	static const uint64_t rates[] = {1000, 100000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		overload(rates[i], 1);
		overload(rates[i], 10);
		overload(rates[i], rates[i]);
	}
}

/* Two CPUs, each from a source of its own if @apart, against what @settings allow in any time t: @burst at
 * once, and @burst more with every further @window that has begun; or @rate * t. */
struct allowance {
	const char *settings;
	bool apart;
	double burst, rate;
	uint64_t window_ns; /* 0: a bucket */
};

static void overload_with(const struct allowance *a)
{
	struct packets_frame frames[2];
	struct sender senders[2] = {0};
	pthread_barrier_t barrier;
	uint64_t first_ns, last_ns = 0;
	double admitted = 0, most;
	char policy[300];

	snprintf(policy, sizeof(policy), RUNNER_UNLIMITED "limits: [{name: a, %s}]\n", a->settings);
	runner_policy(&runner, policy);
	packets_build(LAYERS(IP4(), UDP()), &frames[0]);
	packets_build(LAYERS(IP4(.from = "192.0.2.77"), UDP()), &frames[1]);
	pthread_barrier_init(&barrier, NULL, 2);
	first_ns = clock_monotonic_ns();
	for (unsigned int i = 0; i < 2; i++) {
		senders[i] = (struct sender){
			.barrier = &barrier,
			.frame = &frames[a->apart ? i : 0],
			.until_ns = first_ns + OVERLOAD_NS,
			.clock = CLOCK_MONOTONIC,
			.cpu = runner_cpu(i),
		};
		assert_int_equal(
			pthread_create(&senders[i].thread, NULL, send_flat_out, &senders[i]), 0);
	}
	for (unsigned int i = 0; i < 2; i++) {
		pthread_join(senders[i].thread, NULL);
		admitted += (double)senders[i].admitted;
		assert_int_equal(senders[i].errors, 0);
		if (senders[i].last_ns > last_ns)
			last_ns = senders[i].last_ns;
	}
	pthread_barrier_destroy(&barrier);
	most = a->window_ns ? a->burst * (double)((last_ns - first_ns) / a->window_ns + 1)
			    : a->burst + a->rate * (double)(last_ns - first_ns) / NSEC_PER_SEC;
	print_message("%s: admitted %.0f, at most %.1f\n", a->settings, admitted, most);
	assert_true(admitted <= most);
	assert_true(admitted >= most / 4); /* whatever else the machine does */
}

static void two_cpus_together_get_one_window(void **state)
{
	static const struct allowance windows[] = {
		{"scope: source, algorithm: fixed_window, rate: 1000/s, window: 50ms", false, 50, 0,
		 50 * NSEC_PER_MSEC},
		{"scope: source, algorithm: sliding_window, rate: 1000/s, window: 50ms", false, 50,
		 0, 50 * NSEC_PER_MSEC},
		{"scope: source, algorithm: fixed_window, rate: 100k/s, window: 200ms", false,
		 20000, 0, 200 * NSEC_PER_MSEC},
		{"scope: source, algorithm: sliding_window, rate: 100k/s, window: 200ms", false,
		 20000, 0, 200 * NSEC_PER_MSEC},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
		overload_with(&windows[i]);
}

static void two_sources_on_two_cpus_share_what_is_global(void **state)
{
	static const struct allowance shared[] = {
		{"scope: global, rate: 1000/s, burst: 10", true, 10, 1000, 0},
		{"scope: global, rate: 100k/s, burst: 1000", true, 1000, 100000, 0},
		{"scope: global, algorithm: fixed_window, rate: 1000/s, window: 50ms", true, 50, 0,
		 50 * NSEC_PER_MSEC},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
		overload_with(&shared[i]);
}

/* Sources that two CPUs see for the first time at the same time. */
#define NEWCOMERS  20000
#define NEW_BURST  4
#define NEW_OFFERS 3 /* by each CPU */

static void name_source(struct packets_frame *frame, uint32_t source)
{
	frame->data[28] = (uint8_t)(source >> 8);
	frame->data[29] = (uint8_t)source;
}

static void *send_from_newcomers(void *argument)
{
	struct sender *s = argument;
	struct packets_frame frame = *s->frame;

	runner_stay_on(s->cpu);
	for (uint32_t source = 0; source < NEWCOMERS; source++) {
		name_source(&frame, source);
		if (source % 64 == 0)
			pthread_barrier_wait(s->barrier);
		for (unsigned int i = 0; i < NEW_OFFERS; i++)
			s->admitted += runner_run(&runner, frame.data, frame.length, 0) == XDP_PASS;
	}
	return NULL;
}

static void newcomers_on_two_cpus_get_one_bucket_each(void **state)
{
	struct packets_frame frame;
	struct sender senders[2] = {0};
	pthread_barrier_t barrier;
	uint64_t admitted = 0, late = 0;

	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED "state: {sources: 1M}\n" A("rate: 1/d, burst: 4"));
	packets_build(LAYERS(IP4(.from = "10.1.0.0"), UDP()), &frame);
	pthread_barrier_init(&barrier, NULL, 2);
	for (unsigned int i = 0; i < 2; i++) {
		senders[i] =
			(struct sender){.barrier = &barrier, .frame = &frame, .cpu = runner_cpu(i)};
		assert_int_equal(
			pthread_create(&senders[i].thread, NULL, send_from_newcomers, &senders[i]),
			0);
	}
	for (unsigned int i = 0; i < 2; i++) {
		pthread_join(senders[i].thread, NULL);
		admitted += senders[i].admitted;
	}
	pthread_barrier_destroy(&barrier);
	assert_true(admitted <= NEWCOMERS * NEW_BURST);
	/* The coarse clock of the one that came second may have held back the end of a burst. */
	usleep((useconds_t)(clock_coarse_tick_ns() / 1000));
	for (uint32_t source = 0; source < NEWCOMERS; source++) {
		name_source(&frame, source);
		for (unsigned int i = 0; i < NEW_BURST; i++)
			late += runner_run(&runner, frame.data, frame.length, 0) == XDP_PASS;
	}
	print_message("admitted %llu, and then %llu\n", (unsigned long long)admitted,
		      (unsigned long long)late);
	assert_int_equal(count_of("a", WEIR_UNIT_PACKETS).coarse, 0);
	assert_int_equal(admitted + late, NEWCOMERS * NEW_BURST);
}

#define LIMIT_TEST(name) cmocka_unit_test_setup(name, renew_runner)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIMIT_TEST(a_burst_passes_at_once_and_nothing_more),
		LIMIT_TEST(what_one_limit_refuses_costs_the_others_nothing),
		LIMIT_TEST(as_many_limits_as_may_apply_to_one_packet),
		LIMIT_TEST(one_rule_limits_packets_and_bytes),
		LIMIT_TEST(each_source_has_its_own_bucket),
		LIMIT_TEST(two_limits_share_no_budget),
		LIMIT_TEST(a_reload_keeps_what_it_does_not_change),
		LIMIT_TEST(a_new_limit_starts_counting_at_zero),
		LIMIT_TEST(monitor_charges_as_enforce_would),
		LIMIT_TEST(two_cpus_together_get_one_rate),
		LIMIT_TEST(two_cpus_together_get_one_window),
		LIMIT_TEST(two_sources_on_two_cpus_share_what_is_global),
		LIMIT_TEST(newcomers_on_two_cpus_get_one_bucket_each),
	};

	return runner_run_group("limits", tests, NULL, close_runner);
}
