/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The panic switch, through the real program: what each mode makes of a packet whatever the policy says,
 * with a daemon and without one, and who is noted to have done it.
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "datapath/panic.h"

#define MONITOR "apiVersion: weir/v1\nmode: monitor\npackets: {fragments: pass}\n"
#define OFF	"apiVersion: weir/v1\nmode: off\npackets: {fragments: pass}\n"

static int set_up(void **state)
{
	(void)state;
	runner_open(&runner);
	runner_list(&runner, LIST_BLOCK, "192.0.2.0/24", WEIR_FOREVER);
	return 0;
}

static void set(int mode)
{
	const struct panic_request request = {
		.mode = mode, .uid = 7, .username = "seven", .reason = "it is on fire"};

	panic_set(runner.datapath, &request);
}

static int set_pinned(int mode)
{
	const struct panic_request request = {
		.mode = mode, .uid = 8, .username = "eight", .reason = "nobody is at home"};
	struct fault f = {0};
	int was;

	if (panic_set_pinned(runner.pin_dir, &request, &was, &f) < 0)
		fail_msg("%s: %s", f.code, f.text);
	return was;
}

static void expect_blocked(const char *promise, unsigned int verdict, unsigned int reason)
{
	expect(promise, LAYERS(IP4(.from = "192.0.2.9"), UDP()), verdict, reason);
}

static void the_switch_goes_before_the_policys_mode(void **state)
{
	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED);
	expect_blocked("the policy", WEIR_VERDICT_DROP, WEIR_REASON_BLOCKED);
	set(WEIR_MODE_OFF);
	expect_blocked("off: unexamined", WEIR_VERDICT_PASS, WEIR_REASON_OFF);
	set(WEIR_MODE_MONITOR);
	expect_blocked("monitor", WEIR_VERDICT_WOULD_DROP, WEIR_REASON_BLOCKED);
	set(PANIC_NONE);
	expect_blocked("the policy again", WEIR_VERDICT_DROP, WEIR_REASON_BLOCKED);

	runner_policy(&runner, MONITOR);
	expect_blocked("a policy of mode monitor", WEIR_VERDICT_WOULD_DROP, WEIR_REASON_BLOCKED);
	set(WEIR_MODE_ENFORCE);
	expect_blocked("enforce, though it is monitor", WEIR_VERDICT_DROP, WEIR_REASON_BLOCKED);
	runner_policy(&runner, OFF);
	expect_blocked("enforce, though it is off", WEIR_VERDICT_DROP, WEIR_REASON_BLOCKED);
	set(PANIC_NONE);
	expect_blocked("off", WEIR_VERDICT_PASS, WEIR_REASON_OFF);
}

static void without_a_policy_there_is_nothing_to_override(void **state)
{
	(void)state;
	set(WEIR_MODE_ENFORCE);
	expect_blocked("no policy", WEIR_VERDICT_PASS, WEIR_REASON_UNCONFIGURED);
}

static void arp_and_neighbour_discovery_pass_whatever_is_enforced(void **state)
{
	struct packets_frame frame;

	(void)state;
	runner_policy(&runner, RUNNER_POLICY "packets: {malformed: drop, other: drop}\n"
					     "limits: [{name: a, scope: global, rate: 1/h, "
					     "burst: 1}]\n");
	runner_list(&runner, LIST_BLOCK, "0.0.0.0/0", WEIR_FOREVER);
	runner_list(&runner, LIST_BLOCK, "::/0", WEIR_FOREVER);
	set(WEIR_MODE_ENFORCE);
	for (unsigned int i = 0; i < 5; i++) {
		packets_build(LAYERS(DATA(28, .number = 0x0806)), &frame);
		runner_expect(&runner, "ARP", &frame, WEIR_VERDICT_PASS, WEIR_REASON_NEIGHBOUR);
		packets_build(LAYERS(IP6(.hop_limit = 255), ICMP6(.number = 135), DATA(24)),
			      &frame);
		runner_expect(&runner, "neighbour solicitation", &frame, WEIR_VERDICT_PASS,
			      WEIR_REASON_NEIGHBOUR);
		packets_build(LAYERS(IP6(.hop_limit = 255), ICMP6(.number = 136), DATA(24)),
			      &frame);
		runner_expect(&runner, "neighbour advertisement", &frame, WEIR_VERDICT_PASS,
			      WEIR_REASON_NEIGHBOUR);
	}
}

static void it_takes_no_daemon(void **state)
{
	struct weir_panic_note note;
	struct fault f = {0};
	int mode;

	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED);
	assert_int_equal(set_pinned(WEIR_MODE_OFF), PANIC_NONE);
	expect_blocked("off", WEIR_VERDICT_PASS, WEIR_REASON_OFF);
	assert_int_equal(panic_read_pinned(runner.pin_dir, &mode, &note, &f), 0);
	assert_int_equal(mode, WEIR_MODE_OFF);
	assert_string_equal(note.reason, "nobody is at home");
	assert_int_equal(set_pinned(WEIR_MODE_ENFORCE), WEIR_MODE_OFF);
	expect_blocked("enforce", WEIR_VERDICT_DROP, WEIR_REASON_BLOCKED);

	/* And the next daemon, and its policies, leave it alone. */
	set_pinned(WEIR_MODE_MONITOR);
	runner_reopen(&runner);
	assert_int_equal(panic_mode(runner.datapath), WEIR_MODE_MONITOR);
	runner_policy(&runner, RUNNER_UNLIMITED);
	expect_blocked("monitor still", WEIR_VERDICT_WOULD_DROP, WEIR_REASON_BLOCKED);
	set_pinned(PANIC_NONE);
	expect_blocked("cleared", WEIR_VERDICT_DROP, WEIR_REASON_BLOCKED);
}

static void who_did_it_is_noted_in_order(void **state)
{
	struct weir_panic_note note;

	(void)state;
	set(WEIR_MODE_OFF);
	set_pinned(WEIR_MODE_OFF); /* is what it is: nothing to note */
	set_pinned(PANIC_NONE);
	runner_reopen(&runner);
	assert_int_equal(panic_notes(runner.datapath)->taken, 2);
	assert_int_equal(panic_notes(runner.datapath)->recorded, 0);
	assert_true(panic_note(runner.datapath, 1, &note));
	assert_int_equal(note.uid, 7);
	assert_int_equal(note.panic, WEIR_OVERRIDE(WEIR_MODE_OFF));
	assert_string_equal(note.username, "seven");
	assert_string_equal(note.reason, "it is on fire");
	assert_true(panic_note(runner.datapath, 2, &note));
	assert_int_equal(note.uid, 8);
	assert_int_equal(note.panic, 0);
	assert_false(panic_note(runner.datapath, 3, &note));
	for (unsigned int i = 0; i < WEIR_PANIC_NOTES; i++)
		set(WEIR_MODE_MONITOR);
	assert_false(panic_note(runner.datapath, 2, &note)); /* its place is taken */
	assert_true(panic_note(runner.datapath, 3, &note));
}

static void what_does_not_fit_is_cut_between_characters(void **state)
{
	char reason[WEIR_PANIC_REASON_SIZE + 8];
	const struct panic_request request = {.mode = WEIR_MODE_OFF, .reason = reason};
	struct weir_panic_note note;

	(void)state;
	memset(reason, 'x', sizeof(reason));
	memcpy(reason + WEIR_PANIC_REASON_SIZE - 2, "\xc3\xa4", 2);
	reason[sizeof(reason) - 1] = '\0';
	panic_set(runner.datapath, &request);
	assert_true(panic_note(runner.datapath, 1, &note));
	assert_int_equal(strlen(note.reason), WEIR_PANIC_REASON_SIZE - 1);
	assert_int_equal(note.reason[WEIR_PANIC_REASON_SIZE - 2], '?');
}

static void pins_that_are_not_ours_are_refused(void **state)
{
	const struct panic_request request = {.mode = WEIR_MODE_OFF};
	struct fault f = {0};
	int was;

	(void)state;
	assert_int_equal(panic_set_pinned("/sys/fs/bpf/weir-test-none", &request, &was, &f),
			 -ENOENT);
	assert_string_equal(f.code, "datapath.bpffs");
	runner_say_abi(&runner, WEIR_ABI + 1);
	assert_int_equal(panic_set_pinned(runner.pin_dir, &request, &was, &f), -EPROTONOSUPPORT);
	assert_string_equal(f.code, "datapath.abi");
	runner_say_abi(&runner, WEIR_ABI);
	assert_int_equal(panic_mode(runner.datapath), PANIC_NONE);
}

#define PANIC_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, close_runner)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PANIC_TEST(the_switch_goes_before_the_policys_mode),
		PANIC_TEST(without_a_policy_there_is_nothing_to_override),
		PANIC_TEST(arp_and_neighbour_discovery_pass_whatever_is_enforced),
		PANIC_TEST(it_takes_no_daemon),
		PANIC_TEST(who_did_it_is_noted_in_order),
		PANIC_TEST(what_does_not_fit_is_cut_between_characters),
		PANIC_TEST(pins_that_are_not_ours_are_refused),
	};

	return runner_run_group("panic", tests, NULL, NULL);
}
