/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whatever fails while a policy is put in force, and wherever the daemon dies: packets meet the old
 * policy or the new one, never a mixture, the policy file and the history agree with them, and the next daemon
 * goes on with it. The real engine and the real program, asked by packets through BPF_PROG_TEST_RUN.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/bpf.h>

#include "../lib/packets.h"
#include "../lib/runner.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "engine/engine.h"

#define POINTS_WANTED 40 /* of one apply */
#define POINTS_MAX    2000

/* What each policy makes of packets is checked by whole_policy(): both have nothing in common but what
 * blocks 198.51.100.3. The second takes another program, other tables and another file. */
#define OLD                                                                                        \
	"apiVersion: weir/v1\nmode: enforce\npackets: {fragments: pass}\n"                         \
	"lists:\n  block: {entries: [198.51.100.3, 198.51.100.1, 192.0.2.0/25]}\n"                 \
	"services: {a: {proto: udp, dst: 203.0.113.1}}\n"                                          \
	"limits:\n"                                                                                \
	"  - {name: all, scope: source, rate: 1/h, burst: 1}\n"                                    \
	"  - {name: a, scope: source, service: a, rate: 1/h, burst: 1}\n"
#define NEW                                                                                         \
	"apiVersion: weir/v1\nmode: enforce\npackets: {fragments: pass}\nstate: {sources: 256k}\n"  \
	"lists:\n  block: {entries: [198.51.100.3, 198.51.100.2, 192.0.2.128/25, '2001:db8::1']}\n" \
	"services: {b: {proto: udp, dst: [203.0.113.2, 203.0.113.64/26]}}\n"                        \
	"tenants: {t: {src: [100.64.0.0/10]}}\n"                                                    \
	"limits:\n"                                                                                 \
	"  - {name: all, scope: source, rate: 2/h, algorithm: fixed_window}\n"                      \
	"  - {name: b, scope: source, service: b, rate: 2/h, burst: 2}\n"                           \
	"  - {name: some, scope: source, rate: 1/s, rollout: {tenants: [t]}}\n"

static struct fixture {
	char directory[64], policy[96], state[96], pins[64];
	struct engine *engine;
	unsigned int fresh; /* sources that were never used before */
} x;

static void wake(void *userdata)
{
	(void)userdata;
}

static int try_to_open(struct fault *f)
{
	const struct engine_options options = {
		.iface = "lo",
		.policy_path = x.policy,
		.state_dir = x.state,
		.pin_dir = x.pins,
		.allow_generic = true,
		.wake = wake,
	};

	return engine_open(&options, &x.engine, f);
}

static void open_engine(void)
{
	struct fault f = {0};

	if (try_to_open(&f) < 0)
		fail_msg("%s: %s", f.code, f.text);
}

static void close_engine(void)
{
	engine_close(x.engine);
	x.engine = NULL;
}

static void write_file(const char *text)
{
	FILE *file = fopen(x.policy, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(x.policy, 0600), 0);
}

static bool file_is(const char *text)
{
	char content[4096] = "";
	FILE *file = fopen(x.policy, "re");

	assert_non_null(file);
	content[fread(content, 1, sizeof(content) - 1, file)] = '\0';
	fclose(file);
	return strcmp(content, text) == 0;
}

static bool passes(const char *source, const char *destination)
{
	const struct runner r = {.datapath = engine_datapath(x.engine)};
	struct packets_frame frame;

	packets_build(
		(const struct packets_layer[]){IP4(.from = source, .to = destination), UDP(), {0}},
		&frame);
	return runner_run(&r, frame.data, frame.length, 0) == XDP_PASS;
}

/* Of five packets of a source that nobody has heard of, how many pass. */
static unsigned int burst_to(const char *destination)
{
	char source[20];
	unsigned int count = 0, n = ++x.fresh;

	snprintf(source, sizeof(source), "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
	for (unsigned int i = 0; i < 5; i++)
		count += passes(source, destination);
	return count;
}

/* A source that both policies limit is no source to ask lists by; its counter of the reason is. */
static bool is_unlisted(const char *source)
{
	struct runner r = {.datapath = engine_datapath(x.engine)};

	runner_count_from_here(&r);
	passes(source, "203.0.113.9");
	return !runner_count(&r, WEIR_VERDICT_DROP, WEIR_REASON_BLOCKED);
}

/* Which of the two is in force, wholly: 'o' or 'n'; fails the test if neither is. */
static char whole_policy(const char *where)
{
	const unsigned int bursts[] = {burst_to("203.0.113.9"), burst_to("203.0.113.1"),
				       burst_to("203.0.113.2"), burst_to("203.0.113.70")};
	const bool old = bursts[0] == 1;
	const char *const blocked[] = {"198.51.100.3", old ? "198.51.100.1" : "198.51.100.2",
				       old ? "192.0.2.7" : "192.0.2.200"};

	for (size_t i = 0; i < ARRAY_SIZE(bursts); i++)
		if (bursts[i] != (old ? 1 : 2))
			fail_msg("%s: %s policy, but burst %zu is %u", where, old ? "old" : "new",
				 i, bursts[i]);
	for (size_t i = 0; i < ARRAY_SIZE(blocked); i++)
		if (passes(blocked[i], "203.0.113.9"))
			fail_msg("%s: %s policy, but %s passes", where, old ? "old" : "new",
				 blocked[i]);
	if (!is_unlisted(old ? "198.51.100.2" : "198.51.100.1"))
		fail_msg("%s: %s policy, but what it does not block is dropped", where,
			 old ? "old" : "new");
	return old ? 'o' : 'n';
}

static bool is_listed(const char *prefix)
{
	struct list_image image;
	struct prefix wanted;
	bool found = false;

	assert_int_equal(prefix_parse(prefix, &wanted), 0);
	assert_int_equal(datapath_read_lists(engine_datapath(x.engine), &image, NULL), 0);
	for (size_t i = 0; i < image.count; i++)
		found |= memcmp(&image.entries[i].prefix, &wanted, sizeof(wanted)) == 0;
	list_image_done(&image);
	return found;
}

/* Packets, lists, engine, file and history say the same. */
static char check_whole(const char *where)
{
	char which = whole_policy(where);
	const char *text = which == 'o' ? OLD : NEW;

	if (is_listed("198.51.100.1") != (which == 'o') ||
	    is_listed("2001:db8::1") != (which == 'n'))
		fail_msg("%s: the lists are not those of the policy", where);
	if (strcmp(engine_policy(x.engine)->text, text) != 0)
		fail_msg("%s: the engine believes in the other policy", where);
	if (!file_is(text))
		fail_msg("%s: the file has the other policy", where);
	if (strcmp(history_current(engine_history(x.engine))->sha256,
		   engine_policy(x.engine)->sha256) != 0)
		fail_msg("%s: the history has the other policy", where);
	return which;
}

static int apply(const char *text, uint64_t confirm_ns)
{
	const struct engine_policy_change change = {
		.text = text, .length = strlen(text), .confirm_ns = confirm_ns};
	struct fault f = {0};
	int r = engine_change_policy(x.engine, &change, &ENGINE_SYSTEM, &f);

	if (r < 0 && (!f.code || !*f.text))
		fail_msg("a failure without words: %d", r);
	return r;
}

static int set_up(void **state)
{
	static unsigned int number;

	(void)state;
	memset(&x, 0, sizeof(x));
	snprintf(x.directory, sizeof(x.directory), "/tmp/weir-fault-XXXXXX");
	assert_non_null(mkdtemp(x.directory));
	snprintf(x.policy, sizeof(x.policy), "%s/policy.yaml", x.directory);
	snprintf(x.state, sizeof(x.state), "%s/state", x.directory);
	snprintf(x.pins, sizeof(x.pins), "/sys/fs/bpf/weir-test-%d-%u", (int)getpid(), ++number);
	fault_arm("*", 0, 0);
	write_file(OLD);
	open_engine();
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	fault_arm("*", 0, 0);
	close_engine();
	datapath_remove(x.pins, NULL, NULL);
	nftw(x.directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static unsigned int points_of(const char *text, uint64_t confirm_ns)
{
	unsigned int points;

	fault_arm("*", 0, 0);
	assert_int_equal(apply(text, confirm_ns), 0);
	points = fault_passed();
	assert_true(points < POINTS_MAX);
	return points;
}

static void a_failure_at_any_step_of_an_apply_leaves_the_old_policy_or_the_new_one(void **state)
{
	unsigned int points = points_of(NEW, 0), refused = 0;
	char where[96];

	(void)state;
	assert_int_equal(check_whole("without a failure"), 'n');
	assert_int_equal(apply(OLD, 0), 0);
	assert_true(points >= POINTS_WANTED);
	for (unsigned int i = 1; i <= points; i++) {
		int r;

		fault_arm("*", i, 0);
		r = apply(NEW, 0);
		snprintf(where, sizeof(where), "failure %u of %u, at %s", i, points,
			 fault_failed());
		fault_arm("*", 0, 0);
		refused += r < 0;
		if (check_whole(where) != (r < 0 ? 'o' : 'n'))
			fail_msg("%s: the answer was %d", where, r);
		assert_int_equal(apply(OLD, 0), 0);
		assert_int_equal(check_whole(where), 'o');
	}
	print_message("%u places, %u of them refuse the policy\n", points, refused);
	assert_true(refused >= POINTS_WANTED / 2);
}

static void a_failure_at_any_step_of_a_trial_leaves_the_old_policy_or_the_new_one(void **state)
{
	unsigned int points = points_of(NEW, 3600 * NSEC_PER_SEC);
	char where[96];

	(void)state;
	assert_int_equal(engine_rollback(x.engine, 0, NULL, 0, &ENGINE_SYSTEM, NULL), 0);
	for (unsigned int i = 1; i <= points; i++) {
		int r;

		fault_arm("*", i, 0);
		r = apply(NEW, 3600 * NSEC_PER_SEC);
		snprintf(where, sizeof(where), "failure %u of %u, at %s", i, points,
			 fault_failed());
		fault_arm("*", 0, 0);
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

/* In a process of its own. Returns whether it lived to see the end. */
static bool apply_and_die(unsigned int at)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		struct fault f = {0};
		const struct engine_policy_change change = {.text = NEW, .length = strlen(NEW)};

		if (try_to_open(&f) < 0)
			_exit(2);
		fault_arm("*", at, 1);
		_exit(engine_change_policy(x.engine, &change, &ENGINE_SYSTEM, &f) < 0 ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status))
		fail_msg("death %u: the daemon ended with %d", at, WEXITSTATUS(status));
	return WIFEXITED(status);
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
		lived = apply_and_die(++at);
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

static void cannot_run_here(void **state)
{
	print_message("skipped: %s\n", (const char *)*state);
	skip();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_failure_at_any_step_of_an_apply_leaves_the_old_policy_or_the_new_one),
		TEST(a_failure_at_any_step_of_a_trial_leaves_the_old_policy_or_the_new_one),
		TEST(after_a_death_at_any_step_the_next_daemon_goes_on_with_the_old_or_the_new),
	};
	const char *obstacle = runner_obstacle();
	char words[128];

	if (!obstacle && unshare(CLONE_NEWNET) < 0)
		obstacle = "this machine gives us no network namespace";
	if (obstacle) {
		const struct CMUnitTest none[] = {
			cmocka_unit_test_prestate(cannot_run_here, words)};

		snprintf(words, sizeof(words), "%s", obstacle);
		return cmocka_run_group_tests(none, NULL, NULL);
	}
	log_set_level(LOG_LEVEL_MAX); /* what matters of thousands of failures, the tests say */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
