/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flags in the real program: for which packets a limit with a flag is there, which sources a share has, and
 * what becomes of the state when a flag is switched.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include <linux/bpf.h>

#include "base/address.h"
#include "base/clock.h"

#define SOURCES 1000

#define LIMITED(...)	 EXPECT(PASS, WITHIN_LIMIT, __VA_ARGS__)
#define NOT_LIMITED(...) EXPECT(PASS, UNLIMITED, __VA_ARGS__)

/* Which of the sources 10.9.0.0 and up the only limit applies to. */
static void find_limited(bool ret[static SOURCES])
{
	for (unsigned int i = 0; i < SOURCES; i++) {
		struct packets_frame frame;
		char from[ADDRESS_TEXT_SIZE];

		snprintf(from, sizeof(from), "10.9.%u.%u", i / 256, i % 256);
		packets_build(LAYERS(IP4(.from = from), UDP()), &frame);
		runner_count_from_here(&runner);
		assert_int_equal(runner_run(&runner, frame.data, frame.length, 0), XDP_PASS);
		ret[i] = runner_count(&runner, WEIR_VERDICT_PASS, WEIR_REASON_WITHIN_LIMIT) == 1;
	}
}

static unsigned int count(const bool set[static SOURCES])
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < SOURCES; i++)
		sum += set[i];
	return sum;
}

#define FLAG(settings) RUNNER_UNLIMITED "flags: {f: {enabled: true, " settings "}}\n"
#define LIMIT	       "limits: [{name: a, scope: source, rate: 1M/s, flag: f}]\n"

static void a_flag_at_nothing_is_for_nobody_and_at_all_for_everybody(void **state)
{
	(void)state;
	runner_policy(&runner, FLAG("rollout: 0%") LIMIT);
	NOT_LIMITED("at 0 %", IP4(), UDP());
	runner_policy(&runner, FLAG("rollout: 100%") LIMIT);
	LIMITED("at 100 %", IP4(), UDP());
	LIMITED("IPv6 at 100 %", IP6(), UDP());
	runner_policy(&runner, RUNNER_UNLIMITED "flags: {f: {rollout: 100%}}\n" LIMIT);
	NOT_LIMITED("at 100 %, switched off", IP4(), UDP());
}

static void a_larger_share_has_all_sources_of_a_smaller_one(void **state)
{
	static const char *const policies[] = {
		FLAG("rollout: 0.5%") LIMIT,
		FLAG("rollout: 25%") LIMIT,
		FLAG("rollout: 50%") LIMIT,
	};
	static const unsigned int wanted[] = {5, 250, 500};
	bool before[SOURCES] = {false}, now[SOURCES];

	(void)state;
	for (size_t p = 0; p < ARRAY_SIZE(policies); p++) {
		runner_policy(&runner, policies[p]);
		find_limited(now);
		/* Six standard deviations: the seed is another one each time. */
		assert_in_range(count(now), wanted[p] > 90 ? wanted[p] - 90 : 0, wanted[p] + 90);
		for (unsigned int i = 0; i < SOURCES; i++)
			assert_true(now[i] || !before[i]);
		memcpy(before, now, sizeof(before));
	}
}

static void another_limit_of_the_flag_is_for_the_same_sources(void **state)
{
	bool a[SOURCES], b[SOURCES], other[SOURCES];

	(void)state;
	runner_policy(&runner, FLAG("rollout: 50%") LIMIT);
	find_limited(a);
	runner_policy(&runner, FLAG("rollout: 50%") "limits: [{name: b, scope: source_prefix, "
						    "prefix: {ip4: 8, ip6: 32}, "
						    "byte_rate: 1GB/s, flag: f}]\n");
	find_limited(b);
	assert_memory_equal(a, b, sizeof(a));
	runner_policy(&runner,
		      RUNNER_UNLIMITED "flags: {g: {enabled: true, rollout: 50%}}\n"
				       "limits: [{name: a, scope: source, rate: 1M/s, flag: g}]\n");
	find_limited(other);
	assert_memory_not_equal(a, other, sizeof(a)); /* nor are all trials on the same ones */
}

static void an_inverted_flag_is_exactly_the_complement(void **state)
{
	bool a[SOURCES], b[SOURCES];

	(void)state;
	runner_policy(&runner, FLAG("rollout: 30%, sources: 10.9.1.0/24") LIMIT);
	find_limited(a);
	runner_policy(
		&runner,
		FLAG("rollout: 30%, sources: 10.9.1.0/24") "limits: [{name: a, scope: source, rate: 1M/s, flag: \"!f\"}]\n");
	find_limited(b);
	for (unsigned int i = 0; i < SOURCES; i++)
		assert_true(a[i] != b[i]);
	runner_policy(&runner, RUNNER_UNLIMITED
		      "flags: {f: {enabled: false, rollout: 30%, sources: 10.9.1.0/24}}\n"
		      "limits: [{name: a, scope: source, rate: 1M/s, flag: \"!f\"}]\n");
	find_limited(b);
	assert_int_equal(count(b), SOURCES); /* a flag that is off is on for nobody */
}

static void what_a_flag_names_it_is_on_for_besides_its_share(void **state)
{
	(void)state;
	runner_policy(&runner,
		      FLAG("rollout: 0%, sources: [10.1.0.0/16, \"2001:db8:7::/48\"]") LIMIT);
	LIMITED("a source that is named", IP4(.from = "10.1.2.3"), UDP());
	NOT_LIMITED("its neighbour", IP4(.from = "10.2.0.0"), UDP());
	LIMITED("one of IPv6", IP6(.from = "2001:db8:7::1"), UDP());
	NOT_LIMITED("another one", IP6(.from = "2001:db8:8::1"), UDP());
	runner_policy(&runner, FLAG("rollout: 0%, sources: \"::/0\"") LIMIT);
	NOT_LIMITED("IPv4 does not lie in ::/0", IP4(), UDP());
	LIMITED("IPv6 does", IP6(), UDP());
}

static void a_flag_is_on_for_the_tenants_that_it_names(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED
		      "tenants: {acme: {dst: 10.5.0.0/16, src: 10.6.0.0/16}, other: {dst: "
		      "10.7.0.0/16}}\n"
		      "flags: {f: {enabled: true, rollout: 0%, tenants: acme}}\n" LIMIT);
	LIMITED("to the tenant", IP4(.to = "10.5.1.1"), UDP());
	LIMITED("from the tenant", IP4(.from = "10.6.1.1"), UDP());
	NOT_LIMITED("from one tenant to another it is the other's",
		    IP4(.from = "10.6.1.1", .to = "10.7.1.1"), UDP());
	NOT_LIMITED("neither", IP4(), UDP());
}

static void both_the_flag_and_the_rollout_must_hold(void **state)
{
	(void)state;
	runner_policy(
		&runner,
		FLAG("rollout: 0%, sources: 10.0.0.0/8") "limits: [{name: a, scope: source, rate: 1M/s, flag: f, rollout: {sources: "
							 "[10.1.0.0/16, 11.0.0.0/8]}}]\n");
	LIMITED("both", IP4(.from = "10.1.2.3"), UDP());
	NOT_LIMITED("the flag only", IP4(.from = "10.2.2.3"), UDP());
	NOT_LIMITED("the rollout only", IP4(.from = "11.2.2.3"), UDP());
}

static void limits_of_every_kind_take_a_flag(void **state)
{
	(void)state;
	runner_policy(
		&runner,
		FLAG("rollout: 0%, sources: 10.1.0.0/16") "limits:\n"
							  "  - {name: s, scope: source, rate: 1/h, burst: 1, shadow: true, flag: f}\n"
							  "  - {name: g, scope: global, rate: 1M/s, flag: f}\n"
							  "  - {name: c, scope: source, connections: 1M/s, flag: f}\n");
	NOT_LIMITED("others", IP4(), TCP());
	LIMITED("a source that is named", IP4(.from = "10.1.2.3"), TCP());
	LIMITED("the shadow only counts", IP4(.from = "10.1.2.3"), TCP());
}

static void switching_a_flag_keeps_the_state_of_its_limits(void **state)
{
	static const char limit[] =
		"limits: [{name: a, scope: source, rate: 1/h, burst: 2, flag: f}]\n";
	struct packets_frame frame;
	char policy[400];

	(void)state;
	packets_build(LAYERS(IP4(), UDP()), &frame);
	snprintf(policy, sizeof(policy), "%s%s", FLAG("rollout: 100%"), limit);
	runner_policy(&runner, policy);
	LIMITED("the first", IP4(), UDP());
	LIMITED("the second", IP4(), UDP());
	snprintf(policy, sizeof(policy), "%s%s", FLAG("rollout: 0%"), limit);
	runner_policy(&runner, policy);
	NOT_LIMITED("off", IP4(), UDP());
	snprintf(policy, sizeof(policy), "%s%s", FLAG("rollout: 99.9%, sources: 0.0.0.0/0"), limit);
	runner_policy(&runner, policy);
	runner_expect(&runner, "its bucket is as empty as it was", &frame, WEIR_VERDICT_DROP,
		      WEIR_REASON_OVER_PACKETS);
}

#define TEST(name) cmocka_unit_test_setup(name, renew_runner)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_flag_at_nothing_is_for_nobody_and_at_all_for_everybody),
		TEST(a_larger_share_has_all_sources_of_a_smaller_one),
		TEST(another_limit_of_the_flag_is_for_the_same_sources),
		TEST(an_inverted_flag_is_exactly_the_complement),
		TEST(what_a_flag_names_it_is_on_for_besides_its_share),
		TEST(a_flag_is_on_for_the_tenants_that_it_names),
		TEST(both_the_flag_and_the_rollout_must_hold),
		TEST(limits_of_every_kind_take_a_flag),
		TEST(switching_a_flag_keeps_the_state_of_its_limits),
	};

	return runner_run_group("flags", tests, NULL, close_runner);
}
