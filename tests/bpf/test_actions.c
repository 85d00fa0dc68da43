/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What limits do beyond dropping, through the real program: marks, answers, shadows, rollouts, costs,
 * scopes and what is switched off. The arithmetic is tests/unit/test_algorithm.c's, the answers'
 * bytes are test_replies.c's and test_syncookies.c's.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#define LIMIT(settings) RUNNER_UNLIMITED "limits:\n  - {name: a, " settings "}\n"
#define TCP_FLAGS_AT	(14 + 20 + 13)
#define SYN		0x02
#define ACK		0x10

static void expect_segment(const char *promise, uint8_t flags, const char *from,
			   unsigned int verdict, unsigned int reason)
{
	struct packets_frame frame;

	packets_build(LAYERS(IP4(.from = from), TCP(.port = 80)), &frame);
	frame.data[TCP_FLAGS_AT] = flags;
	runner_expect(&runner, promise, &frame, verdict, reason);
}

static void expect_syn(const char *promise, const char *from, unsigned int verdict,
		       unsigned int reason)
{
	expect_segment(promise, SYN, from, verdict, reason);
}

static struct weir_limit_count count_of(const char *name, unsigned int unit)
{
	struct weir_limit_count count;

	datapath_read_limit_count(runner.datapath, runner_limit(&runner, name, unit)->slot, &count);
	return count;
}

static void what_is_over_the_limit_passes_with_its_mark(void **state)
{
	(void)state;
	runner_policy(&runner, LIMIT("scope: source, rate: 1/h, burst: 1, action: {mark: af11}"));
	EXPECT(PASS, WITHIN_LIMIT, "within", IP4(), UDP());
	EXPECT(MARK, OVER_PACKETS, "over", IP4(), UDP());
	EXPECT(PASS, WITHIN_LIMIT, "IPv6, within", IP6(), UDP());
	EXPECT(MARK, OVER_PACKETS, "IPv6, over", IP6(), UDP());
	assert_int_equal(count_of("a", WEIR_UNIT_PACKETS).marked, 2);
}

static void a_share_of_the_refused_is_answered(void **state)
{
	struct weir_limit_count count;

	(void)state;
	runner_policy(&runner, LIMIT("scope: source, rate: 1/h, burst: 1, reject: 1/3"));
	EXPECT(PASS, WITHIN_LIMIT, "within", IP4(), TCP(.port = 80));
	EXPECT(REPLY, OVER_PACKETS, "the first over", IP4(), TCP(.port = 80));
	EXPECT(DROP, OVER_PACKETS, "the second", IP4(), TCP(.port = 80));
	EXPECT(DROP, OVER_PACKETS, "the third", IP4(), TCP(.port = 80));
	EXPECT(REPLY, OVER_PACKETS, "the fourth, a datagram", IP4(), UDP(.port = 80));
	count = count_of("a", WEIR_UNIT_PACKETS);
	assert_int_equal(count.replied, 2);
	assert_int_equal(count.dropped, 2);
}

static void a_limit_that_only_monitors_drops_nothing(void **state)
{
	(void)state;
	runner_policy(&runner, LIMIT("scope: source, rate: 1/h, burst: 1, action: monitor"));
	EXPECT(PASS, WITHIN_LIMIT, "within", IP4(), UDP());
	EXPECT(WOULD_DROP, OVER_PACKETS, "over", IP4(), UDP());
}

static void a_shadow_counts_what_it_would_drop_of_what_passes(void **state)
{
	struct weir_limit_count count;

	(void)state;
	runner_policy(
		&runner,
		LIMIT("scope: source, rate: 1/h, burst: 5") "  - {name: tighter, scope: source, rate: 1/h, burst: 2, shadow: true}\n");
	for (unsigned int i = 0; i < 5; i++)
		EXPECT(PASS, WITHIN_LIMIT, "the shadow refuses nothing", IP4(), UDP());
	EXPECT(DROP, OVER_PACKETS, "the other does", IP4(), UDP());
	count = count_of("tighter", WEIR_UNIT_PACKETS);
	assert_int_equal(count.passed, 2);
	assert_int_equal(count.would_drop, 3);
	assert_int_equal(count.dropped, 0);
}

static void a_rollout_limits_its_share_of_the_sources(void **state)
{
	unsigned int limited = 0;

	(void)state;
	runner_policy(&runner, LIMIT("scope: source, rate: 1/h, burst: 1, rollout: {percent: 25}"));
	for (unsigned int i = 0; i < 400; i++) {
		struct packets_frame frame;
		char from[32];

		snprintf(from, sizeof(from), "10.0.%u.%u", i / 200, i % 200 + 1);
		packets_build(LAYERS(IP4(.from = from), UDP()), &frame);
		runner_run(&runner, frame.data, frame.length, 0);
		runner_count_from_here(&runner);
		runner_run(&runner, frame.data, frame.length, 0);
		limited += runner_count(&runner, WEIR_VERDICT_DROP, WEIR_REASON_MAX);
	}
	assert_in_range(limited, 60, 140); /* 100, and five standard deviations */
}

static void classes_cost_what_the_policy_says(void **state)
{
	(void)state;
	runner_policy(
		&runner,
		LIMIT("scope: source, rate: 1/h, burst: 10, cost: {syn: 5, dns: 3, icmp: 2}"));
	expect_syn("a SYN costs five", PACKETS_FROM4, WEIR_VERDICT_PASS, WEIR_REASON_WITHIN_LIMIT);
	EXPECT(PASS, WITHIN_LIMIT, "DNS costs three: two are left", IP4(), UDP(.port = 53));
	expect_syn("a SYN does not fit", PACKETS_FROM4, WEIR_VERDICT_DROP,
		   WEIR_REASON_OVER_PACKETS);
	EXPECT(PASS, WITHIN_LIMIT, "ICMP costs two: nothing is left", IP4(), ICMP());
	EXPECT(DROP, OVER_PACKETS, "nothing is left", IP4(), UDP(.port = 9));
}

static void new_connections_are_limited_and_nothing_else_is(void **state)
{
	(void)state;
	runner_policy(&runner, LIMIT("scope: source, connections: 1/h, connection_burst: 2"));
	expect_syn("the first", PACKETS_FROM4, WEIR_VERDICT_PASS, WEIR_REASON_WITHIN_LIMIT);
	expect_syn("the second", PACKETS_FROM4, WEIR_VERDICT_PASS, WEIR_REASON_WITHIN_LIMIT);
	expect_syn("the third", PACKETS_FROM4, WEIR_VERDICT_DROP, WEIR_REASON_OVER_CONNECTIONS);
	expect_segment("a segment of one that is open", ACK, PACKETS_FROM4, WEIR_VERDICT_PASS,
		       WEIR_REASON_UNLIMITED);
	expect_syn("another source", "192.0.2.77", WEIR_VERDICT_PASS, WEIR_REASON_WITHIN_LIMIT);
}

static void scopes_share_what_they_say(void **state)
{
	(void)state;
	runner_policy(&runner, LIMIT("scope: global, rate: 1/h, burst: 1"));
	EXPECT(PASS, WITHIN_LIMIT, "global", IP4(.from = "192.0.2.1"), UDP());
	EXPECT(DROP, OVER_PACKETS, "global: anybody", IP6(), UDP());
	runner_policy(
		&runner,
		LIMIT("scope: source_prefix, prefix: {ip4: 24, ip6: 48}, rate: 1/h, burst: 1"));
	EXPECT(PASS, WITHIN_LIMIT, "a /24", IP4(.from = "192.0.2.1"), UDP());
	EXPECT(DROP, OVER_PACKETS, "its other end", IP4(.from = "192.0.2.254"), UDP());
	EXPECT(PASS, WITHIN_LIMIT, "the next /24", IP4(.from = "192.0.3.1"), UDP());
	runner_policy(&runner, LIMIT("scope: destination, rate: 1/h, burst: 1"));
	EXPECT(PASS, WITHIN_LIMIT, "a destination", IP4(.to = "198.18.0.1"), UDP());
	EXPECT(DROP, OVER_PACKETS, "from another source",
	       IP4(.from = "192.0.2.9", .to = "198.18.0.1"), UDP());
	EXPECT(PASS, WITHIN_LIMIT, "another destination", IP4(.to = "198.18.0.2"), UDP());
}

static void a_tenant_has_one_budget_wherever_its_packets_are(void **state)
{
	(void)state;
	runner_policy(&runner,
		      RUNNER_UNLIMITED "tenants:\n"
				       "  acme: {dst: 198.18.0.0/26, src: 192.0.2.0/25}\n"
				       "  umbrella: {dst: 198.18.0.64/26}\n"
				       "limits: [{name: a, scope: tenant, rate: 1/h, burst: 2}]\n");
	EXPECT(PASS, WITHIN_LIMIT, "to acme", IP4(.to = "198.18.0.1"), UDP());
	EXPECT(PASS, WITHIN_LIMIT, "from acme", IP4(.from = "192.0.2.1", .to = "198.18.9.9"),
	       UDP());
	EXPECT(DROP, OVER_PACKETS, "to acme, elsewhere", IP4(.to = "198.18.0.63"), UDP());
	EXPECT(PASS, WITHIN_LIMIT, "to umbrella", IP4(.to = "198.18.0.64"), UDP());
	EXPECT(PASS, UNLIMITED, "to nobody", IP4(.from = "192.0.2.200", .to = "198.18.9.9"), UDP());
}

static void what_the_schedule_switched_off_limits_nothing(void **state)
{
	(void)state;
	runner_policy(&runner, LIMIT("scope: source, rate: 1/h, burst: 1"));
	EXPECT(PASS, WITHIN_LIMIT, "the first", IP4(), UDP());
	datapath_set_active(runner.datapath, 0);
	EXPECT(PASS, UNLIMITED, "switched off", IP4(), UDP());
	datapath_set_active(runner.datapath, ~0ULL);
	EXPECT(DROP, OVER_PACKETS, "and on again", IP4(), UDP());
}

/* Nobody listens on these ports, so there is no cookie to be had: the SYN passes. */
static void a_syn_that_gets_no_cookie_passes(void **state)
{
	(void)state;
	runner_policy(
		&runner, RUNNER_UNLIMITED
		"services:\n"
		"  web: {proto: tcp, dport: 80, syn_cookies: always}\n"
		"limits: [{name: a, scope: source, connections: 1/h, connection_burst: 1}]\n");
	expect_syn("answered or not", PACKETS_FROM4, WEIR_VERDICT_PASS, WEIR_REASON_SYN_COOKIE);
	expect_syn("the source's own limit comes first", PACKETS_FROM4, WEIR_VERDICT_DROP,
		   WEIR_REASON_OVER_CONNECTIONS);
	expect_segment("no SYN", ACK, PACKETS_FROM4, WEIR_VERDICT_PASS, WEIR_REASON_UNLIMITED);
	assert_int_equal(count_of("web/cookies", WEIR_UNIT_CONNECTIONS).passed, 1);
}

static void open_connections_are_asked_for(void **state)
{
	(void)state;
	runner_policy(&runner, LIMIT("scope: source, open_connections: 1"));
	expect_syn("none is open", PACKETS_FROM4, WEIR_VERDICT_PASS, WEIR_REASON_WITHIN_LIMIT);
	runner_policy(&runner, RUNNER_UNLIMITED);
	expect_syn("not limited any more", PACKETS_FROM4, WEIR_VERDICT_PASS, WEIR_REASON_UNLIMITED);
}

static void windows_begin_anew(void **state)
{
	static const char *const algorithms[] = {"fixed_window", "sliding_window"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		char policy[200];

		snprintf(policy, sizeof(policy), LIMIT("scope: source, algorithm: %s, rate: 5/h"),
			 algorithms[i]);
		runner_policy(&runner, policy);
		for (unsigned int n = 0; n < 5; n++)
			EXPECT(PASS, WITHIN_LIMIT, algorithms[i], IP4(), UDP());
		EXPECT(DROP, OVER_PACKETS, algorithms[i], IP4(), UDP());
	}
}

#define TEST(name) cmocka_unit_test_setup(name, renew_runner)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_over_the_limit_passes_with_its_mark),
		TEST(a_share_of_the_refused_is_answered),
		TEST(a_limit_that_only_monitors_drops_nothing),
		TEST(a_shadow_counts_what_it_would_drop_of_what_passes),
		TEST(a_rollout_limits_its_share_of_the_sources),
		TEST(classes_cost_what_the_policy_says),
		TEST(new_connections_are_limited_and_nothing_else_is),
		TEST(scopes_share_what_they_say),
		TEST(a_tenant_has_one_budget_wherever_its_packets_are),
		TEST(what_the_schedule_switched_off_limits_nothing),
		TEST(a_syn_that_gets_no_cookie_passes),
		TEST(open_connections_are_asked_for),
		TEST(windows_begin_anew),
	};

	return runner_run_group("actions", tests, NULL, close_runner);
}
