/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What tenants use, in the real program: counts are what was sent, on two CPUs, whoever decided the packet; and they go
 * on across policies, numbers of tenants and daemons.
 */
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <weir/settings.h>

#include "datapath/internal.h"

#define TENANTS RUNNER_UNLIMITED "tenants:\n"
#define ACME	"  acme: {dst: 198.18.1.0/24}\n" /* where packets go to */
#define BETA	"  beta: {dst: 198.18.2.0/24}\n"
#define BETA_TO "198.18.2.1"

/* What @name had; false: nobody has ever heard of him. */
static bool usage_of(const char *name, struct datapath_usage *ret)
{
	uint32_t slot = 0;

	while (datapath_read_usage(runner.datapath, &slot, ret))
		if (ret->owner == policy_tenant_hash(name))
			return true;
	return false;
}

static void build_udp(const char *to, struct packets_frame *ret)
{
	packets_build(LAYERS(IP4(.to = to), UDP()), ret);
}

static void offer(const struct packets_frame *frame, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		runner_run(&runner, frame->data, frame->length, 0);
}

static void expect_usage(const char *promise, const char *name,
			 const struct weir_usage_count *wanted)
{
	struct datapath_usage got;

	if (!usage_of(name, &got))
		fail_msg("%s: %s was never counted", promise, name);
	if (memcmp(&got.count, wanted, sizeof(*wanted)) != 0)
		fail_msg("%s: %s passed %llu (%llu bytes, %llu SYN), refused %llu (%llu, %llu)",
			 promise, name, (unsigned long long)got.count.passed_packets,
			 (unsigned long long)got.count.passed_bytes,
			 (unsigned long long)got.count.passed_connections,
			 (unsigned long long)got.count.refused_packets,
			 (unsigned long long)got.count.refused_bytes,
			 (unsigned long long)got.count.refused_connections);
}

static void each_tenant_has_what_was_sent_to_it(void **state)
{
	struct packets_frame acme, beta, nobody, syn;

	(void)state;
	runner_policy(&runner, TENANTS ACME BETA);
	build_udp(PACKETS_TO4, &acme);
	build_udp(BETA_TO, &beta);
	build_udp("203.0.113.9", &nobody);
	packets_build(LAYERS(IP4(), TCP()), &syn);
	offer(&acme, 5);
	offer(&beta, 7);
	offer(&nobody, 3);
	offer(&syn, 2);
	expect_usage("no limit is needed", "acme",
		     &(struct weir_usage_count){.passed_packets = 7,
						.passed_bytes = 5 * acme.length + 2 * syn.length,
						.passed_connections = 2});
	expect_usage(
		"each has a count", "beta",
		&(struct weir_usage_count){.passed_packets = 7, .passed_bytes = 7 * beta.length});
}

static void what_is_refused_is_counted_apart_whoever_refuses_it(void **state)
{
	struct packets_frame udp, syn;

	(void)state;
	runner_policy(&runner,
		      TENANTS "  acme: {dst: 198.18.1.0/24, quota: {packets: {day: 4}}}\n");
	build_udp(PACKETS_TO4, &udp);
	packets_build(LAYERS(IP4(), TCP()), &syn);
	offer(&udp, 6);
	offer(&syn, 3);
	expect_usage("a quota", "acme",
		     &(struct weir_usage_count){.passed_packets = 4,
						.passed_bytes = 4 * udp.length,
						.refused_packets = 5,
						.refused_bytes = 2 * udp.length + 3 * syn.length,
						.refused_connections = 3});
	runner_list(&runner, LIST_BLOCK, PACKETS_FROM4, WEIR_FOREVER);
	runner_apply_lists(&runner, 1);
	offer(&syn, 2);
	expect_usage("the block list, which does not look for connections", "acme",
		     &(struct weir_usage_count){.passed_packets = 4,
						.passed_bytes = 4 * udp.length,
						.refused_packets = 7,
						.refused_bytes = 2 * udp.length + 5 * syn.length,
						.refused_connections = 3});
	runner_unlist_all(&runner);
	runner_list(&runner, LIST_ALLOW, PACKETS_FROM4, WEIR_FOREVER);
	runner_apply_lists(&runner, 1);
	offer(&udp, 1);
	expect_usage("the allow list", "acme",
		     &(struct weir_usage_count){.passed_packets = 5,
						.passed_bytes = 5 * udp.length,
						.refused_packets = 7,
						.refused_bytes = 2 * udp.length + 5 * syn.length,
						.refused_connections = 3});
	runner_unlist_all(&runner);
}

static void in_monitor_mode_what_passes_has_passed(void **state)
{
	struct packets_frame udp;

	(void)state;
	runner_policy(&runner,
		      "apiVersion: weir/v1\nmode: monitor\npackets: {fragments: pass}\n"
		      "tenants: {acme: {dst: 198.18.1.0/24, quota: {packets: {day: 1}}}}\n");
	build_udp(PACKETS_TO4, &udp);
	offer(&udp, 3);
	expect_usage(
		"would be refused", "acme",
		&(struct weir_usage_count){.passed_packets = 3, .passed_bytes = 3 * udp.length});
}

static void a_source_is_asked_where_the_destination_is_nobodys(void **state)
{
	struct packets_frame udp;

	(void)state;
	runner_policy(&runner, TENANTS "  acme: {src: " PACKETS_FROM4 "}\n" BETA);
	build_udp("203.0.113.9", &udp);
	offer(&udp, 3);
	build_udp(BETA_TO, &udp);
	offer(&udp, 1);
	expect_usage(
		"the source's", "acme",
		&(struct weir_usage_count){.passed_packets = 3, .passed_bytes = 3 * udp.length});
	expect_usage("the destination's comes first", "beta",
		     &(struct weir_usage_count){.passed_packets = 1, .passed_bytes = udp.length});
}

static void counts_outlive_policies_numbers_and_daemons(void **state)
{
	struct packets_frame acme, beta;
	struct datapath_usage was, is;

	(void)state;
	build_udp(PACKETS_TO4, &acme);
	build_udp(BETA_TO, &beta);
	runner_policy(&runner, TENANTS BETA);
	offer(&beta, 2);
	assert_true(usage_of("beta", &was));
	runner_policy(&runner, TENANTS ACME BETA); /* beta's number is another one */
	offer(&beta, 3);
	offer(&acme, 1);
	runner_reopen(&runner);
	offer(&beta, 4);
	runner_policy(&runner, TENANTS ACME); /* without beta, whose packets are nobody's */
	offer(&beta, 10);
	runner_policy(&runner, TENANTS BETA);
	offer(&beta, 1);
	assert_true(usage_of("beta", &is));
	assert_true(is.epoch == was.epoch && is.live);
	assert_int_equal(is.count.passed_packets, 2 + 3 + 4 + 1);
	assert_true(usage_of("acme", &is));
	assert_false(is.live);
	assert_int_equal(is.count.passed_packets, 1);
}

/* As many tenants as there can be, @turn times other ones. */
static void apply_many(unsigned int turn, char *text)
{
	size_t n = (size_t)sprintf(text, "%s", TENANTS);

	for (unsigned int i = 0; i < POLICY_TENANTS_MAX; i++)
		n += (size_t)sprintf(text + n, "  t%u-%u: {dst: 198.%u.%u.%u}\n", turn, i,
				     i ? 19 : 18, i ? i >> 8 : 1, i ? i & 255 : 1);
	runner_policy(&runner, text);
}

static void a_slot_that_changes_hands_begins_at_nothing(void **state)
{
	struct packets_frame first, other;
	struct datapath_usage got;
	char *text = malloc(200000);

	(void)state;
	assert_non_null(text);
	build_udp(PACKETS_TO4, &first);
	build_udp("198.19.1.7", &other);
	for (unsigned int turn = 0; turn < 4; turn++) {
		char name[16];

		apply_many(turn, text);
		offer(&first, 2 + turn);
		offer(&other, 1);
		snprintf(name, sizeof(name), "t%u-0", turn);
		assert_true(usage_of(name, &got));
		assert_int_equal(got.count.passed_packets, 2 + turn);
		snprintf(name, sizeof(name), "t%u-%u", turn, 256 + 7);
		assert_true(usage_of(name, &got));
		assert_int_equal(got.count.passed_packets, 1);
	}
	assert_false(usage_of("t0-0", &got));
	assert_true(usage_of("t2-0", &got)); /* until somebody needs it */
	free(text);
}

struct sender {
	pthread_t thread;
	pthread_barrier_t *barrier;
	const struct packets_frame *frame;
	unsigned int cpu, count;
};

static void *send_on_cpu(void *argument)
{
	struct sender *s = argument;

	runner_stay_on(s->cpu);
	pthread_barrier_wait(s->barrier);
	offer(s->frame, s->count);
	return NULL;
}

static void two_cpus_lose_nothing(void **state)
{
	struct sender senders[2];
	struct packets_frame frame;
	pthread_barrier_t barrier;

	(void)state;
	runner_policy(&runner, TENANTS ACME);
	build_udp(PACKETS_TO4, &frame);
	pthread_barrier_init(&barrier, NULL, 2);
	for (unsigned int i = 0; i < 2; i++) {
		senders[i] = (struct sender){.barrier = &barrier,
					     .frame = &frame,
					     .cpu = runner_cpu(i),
					     .count = 20000 + i};
		assert_int_equal(pthread_create(&senders[i].thread, NULL, send_on_cpu, &senders[i]),
				 0);
	}
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(senders[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
	expect_usage("of both", "acme",
		     &(struct weir_usage_count){.passed_packets = 40001,
						.passed_bytes = 40001 * frame.length});
}

static void a_policy_without_tenants_has_none_of_it(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED "limits: [{name: a, scope: source, rate: 1/s}]\n");
	assert_false(runner.datapath->program.shape.features & WEIR_FEATURE_USAGE);
	runner_policy(&runner, TENANTS ACME);
	assert_true(runner.datapath->program.shape.features & WEIR_FEATURE_USAGE);
}

#define USAGE_TEST(f) cmocka_unit_test_setup(f, renew_runner)

int main(void)
{
	const struct CMUnitTest tests[] = {
		USAGE_TEST(each_tenant_has_what_was_sent_to_it),
		USAGE_TEST(what_is_refused_is_counted_apart_whoever_refuses_it),
		USAGE_TEST(in_monitor_mode_what_passes_has_passed),
		USAGE_TEST(a_source_is_asked_where_the_destination_is_nobodys),
		USAGE_TEST(counts_outlive_policies_numbers_and_daemons),
		USAGE_TEST(a_slot_that_changes_hands_begins_at_nothing),
		USAGE_TEST(two_cpus_lose_nothing),
		USAGE_TEST(a_policy_without_tenants_has_none_of_it),
	};

	return runner_run_group("usage", tests, NULL, close_runner);
}
