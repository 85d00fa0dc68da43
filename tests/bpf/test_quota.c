/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Quotas in the real program: a period admits exactly its quota, on one CPU and on two that race across its end; the
 * turn needs no daemon; and what was used outlives another amount, other tenants and another daemon. The end of a
 * period is told by the test, a fraction of a second ahead. Decision by decision, on clocks that the test brings, the
 * limits stage is compared with a model that knows only boundaries and sums.
 */
#include "fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <weir/algorithm.h>
#include <weir/settings.h>

#include "../lib/steps.h"
#include "base/clock.h"
#include "tests/lib/steps.skel.h"

#define TENANT(name, to, quota) "  " name ": {dst: " to ", quota: {" quota "}}\n"
#define TENANTS			RUNNER_UNLIMITED "tenants:\n"
#define ACME			"198.18.1.0/24" /* where packets go to */
#define BETA			"198.18.2.0/24"
#define BETA_TO			"198.18.2.1"

static uint32_t number_of(const char *name, unsigned int unit)
{
	size_t count;
	const struct weir_limit *limits = datapath_limits(runner.datapath, &count);

	return (uint32_t)(runner_limit(&runner, name, unit) - limits);
}

/* The period that is, number @number, and the next end in @in_ns and one @length_ns later. */
static void tell(const char *name, uint64_t now_ns, uint64_t in_ns, uint64_t length_ns,
		 unsigned int number)
{
	uint32_t limit = number_of(name, WEIR_UNIT_PACKETS);
	uint64_t period = WEIR_PERIOD(now_ns + in_ns, number);
	uint64_t next = WEIR_PERIOD(now_ns + in_ns + length_ns, number + 1);

	if (!datapath_set_periods(runner.datapath, limit, period, next))
		assert_true(datapath_set_periods(runner.datapath, limit, period, next));
}

static void wait_until(uint64_t ns)
{
	const struct timespec at = {(time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
		;
}

/* How many of @count packets pass; the others must be over their quota. */
static unsigned int send_to(const char *to, unsigned int count)
{
	struct packets_frame frame;
	unsigned int passed = 0;

	packets_build(LAYERS(IP4(.to = to), UDP()), &frame);
	runner_count_from_here(&runner);
	for (unsigned int i = 0; i < count; i++)
		passed += runner_run(&runner, frame.data, frame.length, 0) == XDP_PASS;
	assert_int_equal(runner_count(&runner, WEIR_VERDICT_DROP, WEIR_REASON_OVER_QUOTA),
			 count - passed);
	assert_int_equal(runner_count(&runner, WEIR_VERDICT_DROP, WEIR_REASON_MAX), count - passed);
	return passed;
}

static unsigned int send(unsigned int count)
{
	return send_to(PACKETS_TO4, count);
}

static uint64_t used(const char *name, uint32_t tenant)
{
	return datapath_quota_used(runner.datapath, number_of(name, WEIR_UNIT_PACKETS), tenant);
}

static void a_period_admits_its_quota_and_the_next_one_its_own(void **state)
{
	uint64_t now_ns;

	(void)state;
	runner_policy(&runner, TENANTS TENANT("acme", ACME, "packets: {day: 5}"));
	now_ns = clock_monotonic_ns();
	tell("acme/day", now_ns, 300 * NSEC_PER_MSEC, 300 * NSEC_PER_MSEC, 254);
	assert_int_equal(send(9), 5);
	assert_int_equal(used("acme/day", 1), 5);
	wait_until(now_ns + 301 * NSEC_PER_MSEC);
	assert_int_equal(used("acme/day", 1), 0);
	assert_int_equal(send(9), 5);
	/* Number 255 is followed by 0, and nobody has told so. */
	wait_until(now_ns + 601 * NSEC_PER_MSEC);
	assert_int_equal(send(9), 5);
	assert_int_equal(send(9), 0);
}

static void bytes_are_counted_by_the_frame_and_connections_by_syn(void **state)
{
	struct packets_frame syn;

	(void)state;
	runner_policy(&runner, TENANTS TENANT("acme", ACME, "bytes: {day: 9216B}"));
	assert_int_equal(send(300), 9216 / 42); /* Ethernet, IPv4 and UDP */
	runner_policy(&runner, TENANTS TENANT("acme", ACME, "connections: {month: 3}"));
	packets_build(LAYERS(IP4(), TCP()), &syn);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(runner_run(&runner, syn.data, syn.length, 0),
				 i < 3 ? XDP_PASS : XDP_DROP);
	assert_int_equal(send(9), 9); /* no connections */
}

static void what_was_used_outlives_amounts_tenants_and_daemons(void **state)
{
	(void)state;
	runner_policy(&runner, TENANTS TENANT("beta", ACME, "packets: {day: 5}"));
	assert_int_equal(send(3), 3);
	/* Its number is another one, and so is the amount. */
	runner_policy(&runner, TENANTS TENANT("acme", BETA, "packets: {day: 2}")
				       TENANT("beta", ACME, "packets: {day: 9}"));
	assert_int_equal(used("beta/day", 2), 3);
	assert_int_equal(send_to(BETA_TO, 9), 2);
	assert_int_equal(send(4), 4);
	runner_reopen(&runner);
	assert_int_equal(send(1), 1);
	/* Now by its tier. */
	runner_policy(&runner,
		      RUNNER_UNLIMITED "tiers: {gold: {quota: {packets: {day: 10}}}}\n"
				       "tenants:\n  aaa: {dst: 203.0.113.0/24, tier: gold}\n"
				       "  beta: {dst: " ACME ", tier: gold}\n");
	assert_int_equal(send(9), 2);
	/* Without a quota for a while. */
	runner_policy(&runner, RUNNER_UNLIMITED);
	runner_policy(&runner, TENANTS TENANT("beta", ACME, "packets: {day: 12}"));
	assert_int_equal(send(9), 2);
}

static void a_new_tenant_in_an_old_slot_has_used_nothing(void **state)
{
	char *policy = malloc(100000);
	uint64_t now_ns = clock_monotonic_ns();

	(void)state;
	assert_non_null(policy);
	/* Twice as many tenants as slots, in three policies, so that each slot changes hands. */
	for (unsigned int turn = 0; turn < 3; turn++) {
		size_t n = (size_t)sprintf(policy, "%s",
					   RUNNER_UNLIMITED
					   "tiers: {gold: {quota: {packets: {day: 2}}}}\n"
					   "tenants:\n");

		for (unsigned int i = 0; i < WEIR_TENANT_SLOTS / 2; i++)
			n += (size_t)sprintf(policy + n,
					     "  t%u-%u: {dst: 198.%u.%u.%u/32, tier: gold}\n", turn,
					     i, i ? 19 : 18, i ? i >> 8 : 1, i ? i & 255 : 1);
		runner_policy(&runner, policy);
		tell("gold/day", now_ns, NSEC_PER_SEC * 3600, NSEC_PER_SEC * 3600, 1);
		assert_int_equal(send(5), 2);
		assert_int_equal(send_to("198.19.0.77", 5), 2);
	}
	free(policy);
}

static void a_clock_that_is_set_back_gives_no_new_quota(void **state)
{
	uint64_t now_ns = clock_monotonic_ns(), hour = 3600 * NSEC_PER_SEC;

	(void)state;
	runner_policy(&runner, TENANTS TENANT("acme", ACME, "packets: {day: 5}"));
	tell("acme/day", now_ns, hour, 24 * hour, 7);
	assert_int_equal(send(4), 4);
	tell("acme/day", now_ns, 2 * hour, 24 * hour, 7); /* an hour */
	assert_int_equal(used("acme/day", 1), 4);
	tell("acme/day", now_ns, hour, 24 * hour, 6); /* and across midnight */
	assert_int_equal(send(4), 1);
	tell("acme/day", now_ns, hour, 24 * hour, 7);
	assert_int_equal(send(4), 0);
	tell("acme/day", now_ns, hour, 24 * hour, 8); /* forward */
	assert_int_equal(send(9), 5);
}

/* Two CPUs at a boundary */

struct sender {
	pthread_t thread;
	pthread_barrier_t *barrier;
	const struct packets_frame *frame;
	unsigned int cpu;
	uint64_t until_ns, sent, admitted;
};

static void *send_flat_out(void *argument)
{
	struct sender *s = argument;

	runner_stay_on(s->cpu);
	pthread_barrier_wait(s->barrier);
	do {
		s->admitted += runner_run(&runner, s->frame->data, s->frame->length, 0) == XDP_PASS;
		s->sent++;
	} while (clock_monotonic_ns() < s->until_ns);
	return NULL;
}

static void two_cpus_at_a_boundary_admit_exactly_the_quota(void **state)
{
	const uint64_t quota = 3000, length_ns = 200 * NSEC_PER_MSEC, periods = 4;
	struct sender senders[2] = {0};
	struct packets_frame frame;
	pthread_barrier_t barrier;
	uint64_t now_ns;

	(void)state;
	runner_policy(&runner, TENANTS TENANT("acme", ACME, "packets: {day: 3000}"));
	packets_build(LAYERS(IP4(), UDP()), &frame);
	pthread_barrier_init(&barrier, NULL, 3);
	for (unsigned int i = 0; i < 2; i++) {
		senders[i] =
			(struct sender){.barrier = &barrier, .frame = &frame, .cpu = runner_cpu(i)};
		assert_int_equal(
			pthread_create(&senders[i].thread, NULL, send_flat_out, &senders[i]), 0);
	}
	now_ns = clock_monotonic_ns();
	tell("acme/day", now_ns, length_ns, length_ns, 1);
	for (unsigned int i = 0; i < 2; i++)
		senders[i].until_ns = now_ns + periods * length_ns - length_ns / 4;
	pthread_barrier_wait(&barrier);
	/* The third and fourth are told while packets flow, as the daemon does. */
	for (unsigned int i = 1; i + 2 <= periods; i++) {
		wait_until(now_ns + i * length_ns + length_ns / 2);
		tell("acme/day", now_ns, (i + 1) * length_ns, length_ns, i + 1);
	}
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(senders[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
	print_message("sent %llu, admitted %llu\n",
		      (unsigned long long)(senders[0].sent + senders[1].sent),
		      (unsigned long long)(senders[0].admitted + senders[1].admitted));
	if (senders[0].sent + senders[1].sent < 4 * periods * quota) {
		print_message("this machine is too slow to use it up\n");
		assert_true(senders[0].admitted + senders[1].admitted <= periods * quota);
		return;
	}
	assert_int_equal(senders[0].admitted + senders[1].admitted, periods * quota);
}

/* The model */

#define TICK	 (4000000ULL << WEIR_TIME_SHIFT)
#define HOUR_NS	 (3600 * NSEC_PER_SEC)
#define ROUNDS	 40
#define LENGTH	 (24 * HOUR_NS)
#define DISTANCE (NSEC_PER_SEC / 2) /* between two packets, at most, but for leaps to a boundary */

static uint64_t next_random(uint64_t *random, uint64_t below)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return (uint64_t)((unsigned __int128)(*random * 0x2545f4914f6cdd1dULL) * below >> 64);
}

struct model {
	uint64_t first_ns; /* the end of period 0 */
	uint64_t second_ns;
	uint64_t quota, used;
	uint64_t number; /* that `used` is of */
};

static uint64_t model_number(const struct model *m, uint64_t now_ns)
{
	if (now_ns < m->first_ns)
		return 0;
	return now_ns < m->second_ns ? 1 : 2 + (now_ns - m->second_ns) / LENGTH;
}

static uint64_t model_end(const struct model *m, uint64_t number)
{
	if (!number)
		return m->first_ns;
	return m->second_ns + (number - 1) * LENGTH;
}

static bool model_offer(struct model *m, uint64_t now_ns, uint64_t units)
{
	uint64_t number = model_number(m, now_ns);

	if (number != m->number)
		m->used = 0;
	m->number = number;
	if (m->used + units > m->quota)
		return false;
	m->used += units;
	return true;
}

/* The first moment in units of 2^52 at or after one period behind the end; below it the number and the units. */
static uint64_t model_word(const struct model *m)
{
	unsigned __int128 forget = (unsigned __int128)(model_end(m, m->number) + LENGTH)
				   << WEIR_TIME_SHIFT;
	unsigned __int128 step = (unsigned __int128)1 << 52;

	return (uint64_t)((forget + step - 1) / step * step) + (m->number & 255) * (1ULL << 44) +
	       m->used;
}

static void *share(int fd, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory = mmap(NULL, (bytes + page - 1) / page * page, PROT_READ | PROT_WRITE,
			    MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* Steps that the program is to make, and what the model says of each. */
static void plan_steps(struct model *m, struct steps_step *steps, bool *passes, uint64_t *words,
		       uint64_t *now_ns, uint64_t *random)
{
	for (unsigned int i = 0; i < STEPS_MAX; i++) {
		uint64_t end_ns = model_end(m, model_number(m, *now_ns)), lag_ns;

		if (next_random(random, 4000) == 0 && end_ns - *now_ns > 4000000)
			*now_ns = end_ns - next_random(random, 4000000) - 1;
		else if (end_ns - *now_ns <= 4000000) /* one after another across it */
			*now_ns += next_random(random, 200000);
		else if (next_random(random, 8) == 0)
			*now_ns += next_random(random, DISTANCE);
		else
			*now_ns += next_random(random, 1000);
		lag_ns = next_random(random, 4000000) + 1;
		steps[i] = (struct steps_step){
			.kind = STEPS_PACKET,
			.rival = STEPS_NO_RIVAL,
			.exact_ns = *now_ns,
			.coarse_ns = *now_ns - lag_ns,
			.length = 60 + (uint32_t)next_random(random, 1440),
		};
		passes[i] = model_offer(m, *now_ns, steps[i].length);
		words[i] = model_word(m);
	}
}

static void every_decision_is_the_models(void **state)
{
	struct steps_bpf *skeleton = steps_bpf__open();
	uint64_t random = 0x71756f7461ULL, now_ns = 2 * LENGTH, words[STEPS_MAX];
	bool passes[STEPS_MAX];
	static struct steps_step plan[STEPS_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .repeat = STEPS_MAX);
	uint8_t frame[64] = {0};
	struct steps_step *steps;
	struct weir_policy *policy;
	struct model m = {.quota = 100000};

	(void)state;
	assert_non_null(skeleton);
	skeleton->rodata->weir_test_clock = 1;
	weir_features_unpack(WEIR_FEATURE_ALL, (__u8 *)(uintptr_t)skeleton->rodata->weir_features);
	bpf_map__set_max_entries(skeleton->maps.weir_cpu, (uint32_t)libbpf_num_possible_cpus());
	assert_int_equal(steps_bpf__load(skeleton), 0);
	steps = share(bpf_map__fd(skeleton->maps.steps), STEPS_MAX * sizeof(*steps));
	assert_non_null(steps);
	m.first_ns = now_ns + HOUR_NS;
	m.second_ns = m.first_ns + 20 * HOUR_NS;
	policy = &skeleton->bss->weir_config.policies[0];
	policy->tick = TICK;
	policy->limit_count = 1;
	policy->active = 1;
	policy->protocol_limits[6] = 1;
	policy->limits[0] = (struct weir_limit){
		.interval = WEIR_PERIOD(m.first_ns, 0),
		.next = WEIR_PERIOD(m.second_ns, 1),
		.length = LENGTH << WEIR_TIME_SHIFT,
		.burst = m.quota,
		.key = 2,
		.algorithm = WEIR_ALGORITHM_QUOTA,
		.unit = WEIR_UNIT_BYTES,
		.count_bits = QUOTA_COUNT_BITS,
	};
	opts.data_in = frame;
	opts.data_size_in = sizeof(frame);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		bool used_yet = round > 0;

		if (model_number(&m, now_ns) > 25)
			break; /* what follows when nothing more was told is not the model's */
		plan_steps(&m, plan, passes, words, &now_ns, &random);
		memcpy(steps, plan, sizeof(plan));
		skeleton->bss->steps_next = 0;
		assert_int_equal(
			bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.steps_run), &opts),
			0);
		assert_int_equal(skeleton->bss->steps_next, STEPS_MAX);
		for (unsigned int i = 0; i < STEPS_MAX; i++) {
			used_yet |= passes[i];
			if ((steps[i].reason == WEIR_REASON_WITHIN_LIMIT) != passes[i] ||
			    (!passes[i] && steps[i].reason != WEIR_REASON_OVER_QUOTA))
				fail_msg("round %u, step %u: reason %d, the model says %s", round,
					 i, steps[i].reason, passes[i] ? "pass" : "over");
			if (used_yet && passes[i] && steps[i].words[0] != words[i])
				fail_msg("round %u, step %u: word %llx instead of %llx", round, i,
					 (unsigned long long)steps[i].words[0],
					 (unsigned long long)words[i]);
		}
	}
	print_message("until period %llu\n", (unsigned long long)model_number(&m, now_ns));
	assert_true(model_number(&m, now_ns) > 5);
	munmap(steps, STEPS_MAX * sizeof(*steps));
	steps_bpf__destroy(skeleton);
}

#define QUOTA_TEST(f) cmocka_unit_test_setup(f, renew_runner)

int main(void)
{
	const struct CMUnitTest tests[] = {
		QUOTA_TEST(a_period_admits_its_quota_and_the_next_one_its_own),
		QUOTA_TEST(bytes_are_counted_by_the_frame_and_connections_by_syn),
		QUOTA_TEST(what_was_used_outlives_amounts_tenants_and_daemons),
		QUOTA_TEST(a_new_tenant_in_an_old_slot_has_used_nothing),
		QUOTA_TEST(a_clock_that_is_set_back_gives_no_new_quota),
		QUOTA_TEST(two_cpus_at_a_boundary_admit_exactly_the_quota),
		cmocka_unit_test(every_decision_is_the_models),
	};

	return runner_run_group("quota", tests, NULL, close_runner);
}
