/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "fixture.h"

#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "../lib/packets.h"
#include "../lib/runner.h"
#include "base/fault_point.h"
#include "base/log.h"

struct fixture x;

static void wake(void *userdata)
{
	(void)userdata;
}

int try_to_open(struct fault *f)
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

void open_engine(void)
{
	struct fault f = {0};

	if (try_to_open(&f) < 0)
		fail_msg("%s: %s", f.code, f.text);
}

void close_engine(void)
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

bool file_is(const char *text)
{
	static char content[1 << 17];
	FILE *file = fopen(x.policy, "re");

	assert_non_null(file);
	content[fread(content, 1, sizeof(content) - 1, file)] = '\0';
	fclose(file);
	return strcmp(content, text) == 0;
}

bool passes(const char *source, const char *destination)
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
char whole_policy(const char *where)
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
char check_whole(const char *where)
{
	char which = whole_policy(where), counter[PATH_MAX];
	const char *text = which == 'o' ? OLD : x.new_text;

	if (is_listed("198.51.100.1") != (which == 'o') ||
	    is_listed("2001:db8::1") != (which == 'n'))
		fail_msg("%s: the lists are not those of the policy", where);
	if (strcmp(engine_policy(x.engine)->text, text) != 0)
		fail_msg("%s: the engine believes in the other policy", where);
	snprintf(counter, sizeof(counter), "%s/v%u/weir_conn_link", x.pins, WEIR_ABI);
	if (which == 'n' && access(counter, F_OK) < 0)
		fail_msg("%s: open connections are limited, and nobody counts them", where);
	if (!file_is(text))
		fail_msg("%s: the file has the other policy", where);
	if (strcmp(history_current(engine_history(x.engine))->sha256,
		   engine_policy(x.engine)->sha256) != 0)
		fail_msg("%s: the history has the other policy", where);
	return which;
}

int apply(const char *text, uint64_t confirm_ns)
{
	const struct engine_policy_change change = {
		.text = text, .length = strlen(text), .confirm_ns = confirm_ns};
	struct fault f = {0};
	int r = engine_change_policy(x.engine, &change, &ENGINE_SYSTEM, &f);

	if (r < 0 && (!f.code || !*f.text))
		fail_msg("a failure without words: %d", r);
	return r;
}

int set_up_files(void **state)
{
	static unsigned int number;

	(void)state;
	x = (struct fixture){.new_text = NEW};
	snprintf(x.directory, sizeof(x.directory), "/tmp/weir-fault-XXXXXX");
	assert_non_null(mkdtemp(x.directory));
	snprintf(x.policy, sizeof(x.policy), "%s/policy.yaml", x.directory);
	snprintf(x.state, sizeof(x.state), "%s/state", x.directory);
	snprintf(x.pins, sizeof(x.pins), "/sys/fs/bpf/weir-test-%d-%u", (int)getpid(), ++number);
	fault_arm("*", 0, 0);
	write_file(OLD);
	return 0;
}

int set_up(void **state)
{
	set_up_files(state);
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

int tear_down(void **state)
{
	(void)state;
	fault_arm("*", 0, 0);
	close_engine();
	datapath_remove(x.pins, NULL, NULL);
	nftw(x.directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

bool lives_through(unsigned int at, void (*act)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		struct fault f = {0};

		if (try_to_open(&f) < 0)
			_exit(2);
		fault_arm("*", at, 1);
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status))
		fail_msg("death %u: the daemon ended with %d", at, WEXITSTATUS(status));
	return WIFEXITED(status);
}

static void cannot_run_here(void **state)
{
	print_message("skipped: %s\n", (const char *)*state);
	skip();
}

const char *prepare_process(void)
{
	static char words[128];
	const char *obstacle = runner_obstacle();

	if (!obstacle && unshare(CLONE_NEWNET) < 0)
		obstacle = "this machine gives us no network namespace";
	log_set_level(LOG_LEVEL_MAX); /* what matters of thousands of failures, the tests say */
	if (obstacle)
		snprintf(words, sizeof(words), "%s", obstacle);
	return obstacle ? words : NULL;
}

int skip_all(const char *obstacle)
{
	char words[128];
	const struct CMUnitTest none[] = {cmocka_unit_test_prestate(cannot_run_here, words)};

	snprintf(words, sizeof(words), "%s", obstacle);
	return cmocka_run_group_tests(none, NULL, NULL);
}
