/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whatever fails while a policy is put in force, and wherever the daemon dies: packets meet the old
 * policy or the new one, never a mixture, the policy file and the history agree with them, and the next daemon
 * goes on with it. The real engine and the real program, asked by packets through BPF_PROG_TEST_RUN.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fault_point.h"
#include "fixture.h"

#define POINTS_WANTED 40 /* of one apply */
#define POINTS_MAX    2000

static void a_failure_at_any_step_of_an_apply_leaves_the_old_policy_or_the_new_one(void **state)
{
	unsigned int points = 0, refused = 0;
	bool failed = true;
	char where[96];

	(void)state;
	/* How many there are depends on what is left of applies before, so the first that is not there is the end. */
	for (unsigned int i = 1; failed; i++) {
		int r;

		fault_arm("*", i, 0);
		r = apply(NEW, 0);
		failed = *fault_failed();
		points += failed;
		snprintf(where, sizeof(where), "failure %u, at %s", i, fault_failed());
		fault_arm("*", 0, 0);
		refused += r < 0;
		assert_true(i < POINTS_MAX);
		if (check_whole(where) != (r < 0 ? 'o' : 'n'))
			fail_msg("%s: the answer was %d", where, r);
		assert_int_equal(apply(OLD, 0), 0);
		assert_int_equal(check_whole(where), 'o');
	}
	print_message("%u places, %u of them refuse the policy\n", points, refused);
	assert_true(points >= POINTS_WANTED);
	assert_true(refused >= POINTS_WANTED / 2);
}

/* By name: which number a place has, depends on what is left of the applies before. */
static void a_policy_file_that_may_not_survive_a_loss_of_power_is_not_replaced(void **state)
{
	static const char *const places[] = {"fs.sync", "fs.rename", "fs.sync_directory"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		fault_arm(places[i], 1, 0);
		assert_true(apply(NEW, 0) < 0);
		assert_string_equal(fault_failed(), places[i]);
		fault_arm("*", 0, 0);
		assert_int_equal(check_whole(places[i]), 'o');
	}
}

static void a_failure_at_any_step_of_a_trial_leaves_the_old_policy_or_the_new_one(void **state)
{
	bool failed = true;
	char where[96];

	(void)state;
	for (unsigned int i = 1; failed; i++) {
		int r;

		fault_arm("*", i, 0);
		r = apply(NEW, 3600 * NSEC_PER_SEC);
		failed = *fault_failed();
		snprintf(where, sizeof(where), "failure %u, at %s", i, fault_failed());
		fault_arm("*", 0, 0);
		assert_true(i < POINTS_MAX);
		if (whole_policy(where) != (r < 0 ? 'o' : 'n'))
			fail_msg("%s: the answer was %d", where, r);
		if (!file_is(OLD))
			fail_msg("%s: the file is not the confirmed policy", where);
		if (engine_history(x.engine)->pending.is != (r == 0))
			fail_msg("%s: what waits to be confirmed is not what is in force", where);
		if (r == 0)
			assert_int_equal(
				engine_rollback(x.engine, 0, NULL, 0, &ENGINE_SYSTEM, NULL), 0);
		assert_int_equal(check_whole(where), 'o');
	}
}

static void apply_new(void)
{
	struct fault f = {0};
	const struct engine_policy_change change = {.text = NEW, .length = strlen(NEW)};

	if (engine_change_policy(x.engine, &change, &ENGINE_SYSTEM, &f) < 0)
		_exit(3);
}

/* What the pinned maps say while no daemon runs. */
static char left_in_force(void)
{
	const struct weir_limit *limits;
	struct datapath *d;
	struct fault f = {0};
	size_t count;
	char which = 'o';

	if (datapath_open(x.pins, &d, &f) < 0)
		fail_msg("%s: %s", f.code, f.text);
	limits = datapath_limits(d, &count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(limits[i].name, "b") == 0)
			which = 'n';
	datapath_close(d);
	return which;
}

static void after_a_death_at_any_step_the_next_daemon_goes_on_with_the_old_or_the_new(void **state)
{
	unsigned int at = 0, old = 0, new = 0;
	bool lived = false;
	char where[64], which, left;

	(void)state;
	while (!lived) {
		close_engine();
		lived = lives_through(++at, apply_new);
		assert_true(at < POINTS_MAX);
		snprintf(where, sizeof(where), "death at place %u", at);
		left = left_in_force();
		open_engine();
		which = check_whole(where);
		if (which != left)
			fail_msg("%s: the next daemon does not go on with what it found", where);
		if (new &&which == 'o')
			fail_msg("%s: the old policy, though an earlier death left the new", where);
		if (which == 'n')
			new ++;
		else
			old++;
		assert_int_equal(apply(OLD, 0), 0);
		assert_int_equal(check_whole(where), 'o');
	}
	print_message("%u deaths left the old policy, %u the new one\n", old, new);
	assert_true(old + new >= POINTS_WANTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_failure_at_any_step_of_an_apply_leaves_the_old_policy_or_the_new_one),
		TEST(a_policy_file_that_may_not_survive_a_loss_of_power_is_not_replaced),
		TEST(a_failure_at_any_step_of_a_trial_leaves_the_old_policy_or_the_new_one),
		TEST(after_a_death_at_any_step_the_next_daemon_goes_on_with_the_old_or_the_new),
	};
	const char *obstacle = prepare_process();

	return obstacle ? skip_all(obstacle) : cmocka_run_group_tests(tests, NULL, NULL);
}
