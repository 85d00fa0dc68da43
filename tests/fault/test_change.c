/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The same as of an apply, of what else puts a policy in force or keeps it there: a table of entries that
 * grows, a confirmation, and the end of a policy that nobody confirmed.
 */
#include <stdio.h>
#include <string.h>

#include "base/fault_point.h"
#include "base/text.h"
#include "engine/internal.h"
#include "fixture.h"

#define ENTRIES	   1200 /* more than the smallest table takes */
#define POINTS_MAX 500
#define HOUR_NS	   (3600 * NSEC_PER_SEC)

static char *many_entries;

/* NEW with so many entries that the table must grow, none of which the packets meet. */
static void make_many_entries(void)
{
	static const char until[] = "'2001:db8::1'";
	const char *at = strstr(NEW, until) + strlen(until);
	struct text t;

	text_init_growing(&t);
	text_put(&t, NEW, (size_t)(at - NEW));
	for (unsigned int i = 0; i < ENTRIES; i++)
		text_printf(&t, ", 172.16.%u.%u", i >> 8, i & 255);
	text_puts(&t, at);
	many_entries = text_take(&t);
	assert_non_null(many_entries);
}

static void begin_anew(void)
{
	tear_down(NULL);
	set_up(NULL);
	x.new_text = many_entries;
}

static void apply_many(void)
{
	if (apply(many_entries, 0) < 0)
		_exit(3);
}

/* What comes before the first entry is written: with the points before that, the growth. */
static void
a_failure_or_a_death_while_the_table_of_entries_grows_leaves_the_old_or_the_new(void **state)
{
	unsigned int points = 0;
	bool copied = false;
	char where[96];

	(void)state;
	make_many_entries();
	for (;; points++) {
		int r;

		begin_anew();
		fault_arm("*", points + 1, 0);
		r = apply(many_entries, 0);
		snprintf(where, sizeof(where), "failure %u, at %s", points + 1, fault_failed());
		copied |= strcmp(fault_failed(), "entries.copy") == 0;
		if (strcmp(fault_failed(), "entries.write") == 0)
			break;
		fault_arm("*", 0, 0);
		if (check_whole(where) != (r < 0 ? 'o' : 'n'))
			fail_msg("%s: the answer was %d", where, r);
		assert_true(points < POINTS_MAX);
	}
	assert_true(copied);
	for (unsigned int at = 1; at <= points; at++) {
		begin_anew();
		close_engine();
		if (lives_through(at, apply_many))
			fail_msg("there is no place %u to die at", at);
		open_engine();
		snprintf(where, sizeof(where), "death at place %u", at);
		assert_int_equal(check_whole(where), 'o');
	}
	print_message("%u places\n", points);
	free(many_entries);
}

static int confirm(void)
{
	return engine_confirm(x.engine, engine_history(x.engine)->pending.generation,
			      &ENGINE_SYSTEM, NULL);
}

static void confirm_or_fail(void)
{
	if (confirm() < 0)
		_exit(3);
}

/* The new policy is in force either way; the question is whether it still waits. */
static void check_confirmed(const char *where, bool confirmed)
{
	if (whole_policy(where) != 'n')
		fail_msg("%s: the policy is not in force any more", where);
	if (engine_history(x.engine)->pending.is == confirmed)
		fail_msg("%s: it %s", where, confirmed ? "still waits" : "does not wait any more");
	if (!file_is(confirmed ? NEW : OLD))
		fail_msg("%s: the file has the other policy", where);
}

static void back_to_old(const char *where)
{
	assert_int_equal(engine_rollback(x.engine, 0, NULL, 0, &ENGINE_SYSTEM, NULL), 0);
	assert_int_equal(check_whole(where), 'o');
}

static void a_failure_at_any_step_of_a_confirmation_leaves_it_waiting_or_confirmed(void **state)
{
	bool failed = true;
	char where[96];

	(void)state;
	for (unsigned int i = 1; failed; i++) {
		int r;

		assert_int_equal(apply(NEW, HOUR_NS), 0);
		fault_arm("*", i, 0);
		r = confirm();
		failed = *fault_failed();
		snprintf(where, sizeof(where), "failure %u, at %s", i, fault_failed());
		fault_arm("*", 0, 0);
		check_confirmed(where, r == 0);
		back_to_old(where);
		assert_true(i < POINTS_MAX);
	}
}

static void after_a_death_at_any_step_of_a_confirmation_it_waits_or_is_confirmed(void **state)
{
	bool lived = false, confirmed = false;
	char where[96];

	(void)state;
	for (unsigned int at = 1; !lived; at++) {
		bool is;

		assert_int_equal(apply(NEW, HOUR_NS), 0);
		close_engine();
		lived = lives_through(at, confirm_or_fail);
		open_engine();
		snprintf(where, sizeof(where), "death at place %u", at);
		is = !engine_history(x.engine)->pending.is;
		check_confirmed(where, is);
		if (confirmed && !is)
			fail_msg("%s: it waits, though an earlier death left it confirmed", where);
		confirmed = is;
		back_to_old(where);
		assert_true(at < POINTS_MAX);
	}
	assert_true(confirmed);
}

/* An hour goes by. */
static void let_time_run_out(void)
{
	x.engine->history.pending.until_boot_ns = 0;
	change_tick(x.engine);
}

static void a_failure_at_any_step_of_the_end_of_an_unconfirmed_policy_is_made_up_for(void **state)
{
	unsigned int failures = 0;
	bool failed = true;
	char where[96];

	(void)state;
	for (unsigned int i = 1; failed; i++) {
		assert_int_equal(apply(NEW, HOUR_NS), 0);
		fault_arm("*", i, 0);
		let_time_run_out();
		failed = *fault_failed();
		snprintf(where, sizeof(where), "failure %u, at %s", i, fault_failed());
		fault_arm("*", 0, 0);
		if (whole_policy(where) != (engine_history(x.engine)->pending.is ? 'n' : 'o'))
			fail_msg("%s: what waits is not what is in force", where);
		if (!file_is(OLD))
			fail_msg("%s: the file has the policy that was not confirmed", where);
		failures += engine_history(x.engine)->pending.is;
		x.engine->undo_due_ns = 0; /* five seconds go by */
		let_time_run_out();
		assert_int_equal(check_whole(where), 'o');
		assert_true(i < POINTS_MAX);
	}
	assert_true(failures >= 10);
}

static void
after_a_death_at_any_step_of_the_end_of_an_unconfirmed_policy_it_waits_or_is_over(void **state)
{
	bool lived = false, over = false;
	char where[96];

	(void)state;
	for (unsigned int at = 1; !lived; at++) {
		bool is;

		assert_int_equal(apply(NEW, HOUR_NS), 0);
		close_engine();
		lived = lives_through(at, let_time_run_out);
		open_engine();
		snprintf(where, sizeof(where), "death at place %u", at);
		is = !engine_history(x.engine)->pending.is;
		if (whole_policy(where) != (is ? 'o' : 'n'))
			fail_msg("%s: what waits is not what is in force", where);
		if (over && !is)
			fail_msg("%s: it waits, though an earlier death ended it", where);
		over = is;
		if (!is)
			back_to_old(where);
		assert_int_equal(check_whole(where), 'o');
		assert_true(at < POINTS_MAX);
	}
	assert_true(over);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_failure_or_a_death_while_the_table_of_entries_grows_leaves_the_old_or_the_new),
		TEST(a_failure_at_any_step_of_a_confirmation_leaves_it_waiting_or_confirmed),
		TEST(after_a_death_at_any_step_of_a_confirmation_it_waits_or_is_confirmed),
		TEST(a_failure_at_any_step_of_the_end_of_an_unconfirmed_policy_is_made_up_for),
		TEST(after_a_death_at_any_step_of_the_end_of_an_unconfirmed_policy_it_waits_or_is_over),
	};
	const char *obstacle = prepare_process();

	return obstacle ? skip_all(obstacle) : cmocka_run_group_tests(tests, NULL, NULL);
}
