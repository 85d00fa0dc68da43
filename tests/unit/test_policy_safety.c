/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a policy says of safety, what holds where it says nothing, and what it may not say. */
#include "test_policy_image.h"

#define HEAD	      "apiVersion: weir/v1\nmode: enforce\n"
#define SAFETY(...)   HEAD "safety: {" __VA_ARGS__ "}\n"
#define WATCHDOG(...) SAFETY("watchdog: {" __VA_ARGS__ "}")

static void without_safety_the_caps_hold_and_no_watchdog_runs(void **state)
{
	_cleanup_(policy_freep) struct policy *p = parse(HEAD);

	(void)state;
	assert_false(p->safety.has_watchdog);
	assert_int_equal(p->safety.max_blocked, 500);
	assert_int_equal(p->safety.shortest4, 8);
	assert_int_equal(p->safety.shortest6, 19);
}

static void what_is_said_holds(void **state)
{
	_cleanup_(policy_freep) struct policy *p =
		parse(SAFETY("watchdog: {drop_ratio: 99%, hold: 1s, recover: 1h, minimum: 5/s}, "
			     "max_blocked: 0%, shortest_prefix: {ip4: 0, ip6: 128}"));

	(void)state;
	assert_true(p->safety.has_watchdog);
	assert_int_equal(p->safety.drop_ratio, 990);
	assert_int_equal(p->safety.hold_ns, NSEC_PER_SEC);
	assert_int_equal(p->safety.recover_ns, 3600 * NSEC_PER_SEC);
	assert_int_equal(p->safety.minimum, 5);
	assert_int_equal(p->safety.max_blocked, 0);
	assert_int_equal(p->safety.shortest4, 0);
	assert_int_equal(p->safety.shortest6, 128);
}

static void a_watchdog_needs_no_more_than_its_share(void **state)
{
	_cleanup_(policy_freep) struct policy *p = parse(WATCHDOG("drop_ratio: 100%"));

	(void)state;
	assert_int_equal(p->safety.drop_ratio, 1000);
	assert_int_equal(p->safety.hold_ns, 10 * NSEC_PER_SEC);
	assert_int_equal(p->safety.recover_ns, 60 * NSEC_PER_SEC);
	assert_int_equal(p->safety.minimum, 1000);
}

static void what_makes_no_sense_is_refused_where_it_stands(void **state)
{
	static const struct {
		const char *text, *code, *words;
	} bad[] = {
		{WATCHDOG("hold: 1s"), "policy.key.missing",
		 "p:3:20: 'drop_ratio' is missing from watchdog; it takes a share such as 95%"},
		{WATCHDOG("drop_ratio: 0%"), "policy.number.range", NULL},
		{WATCHDOG("drop_ratio: 101%"), "policy.number.range", NULL},
		{WATCHDOG("drop_ratio: 95"), NULL, NULL},
		{WATCHDOG("drop_ratio: 95%, hold: 999ms"), "policy.number.range",
		 "p:3:44: '999ms' is not within 1s to 1h"},
		{WATCHDOG("drop_ratio: 95%, recover: 3601s"), "policy.number.range", NULL},
		{WATCHDOG("drop_ratio: 95%, hold: 10"), "policy.unit.missing", NULL},
		{WATCHDOG("drop_ratio: 95%, minimum: 1k/m"), "policy.number.syntax",
		 "p:3:47: '1k/m' is not per second: write /s"},
		{WATCHDOG("drop_ration: 95%"), "policy.key.unknown", NULL},
		{SAFETY("max_blocked: 101%"), "policy.number.range", NULL},
		{SAFETY("shortest_prefix: {ip4: 33}"), "policy.number.range",
		 "p:3:33: '33' is not a number from 0 to 32"},
		{SAFETY("shortest_prefix: {ip6: 129}"), "policy.number.range", NULL},
		{SAFETY("shortest_prefix: 8"), "policy.value.kind", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct policy *policy = NULL;
		struct fault f = {0};

		if (policy_parse("p", bad[i].text, strlen(bad[i].text), &policy, &f) != -EINVAL)
			fail_msg("accepted: %s", bad[i].text);
		if (bad[i].code)
			assert_string_equal(f.code, bad[i].code);
		if (bad[i].words)
			assert_string_equal(f.text, bad[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_safety_the_caps_hold_and_no_watchdog_runs),
		cmocka_unit_test(what_is_said_holds),
		cmocka_unit_test(a_watchdog_needs_no_more_than_its_share),
		cmocka_unit_test(what_makes_no_sense_is_refused_where_it_stands),
	};

	return cmocka_run_group_tests_name("policy_safety", tests, NULL, NULL);
}
