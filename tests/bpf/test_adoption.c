/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Enforcement outlives the daemon: what a second one finds in the pins that a first one left, what it
 * refuses to take over, and that nothing is left of pins that were removed.
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "base/address.h"

#define POLICY                                                                                     \
	RUNNER_UNLIMITED "limits:\n"                                                               \
			 "  - {name: first, scope: source, rate: 1/h, burst: 9}\n"                 \
			 "  - {name: second, scope: source, rate: 1/h, burst: 3}\n"

static int send(const char *source)
{
	struct packets_frame frame;

	packets_build((const struct packets_layer[]){IP4(.from = source), UDP(), {0}}, &frame);
	return runner_run(&runner, frame.data, frame.length, 0);
}

/* A daemon's day: a policy, lists, and packets of which some are dropped. */
static void live_a_day(void)
{
	runner_policy(&runner, RUNNER_UNLIMITED);
	runner_policy(&runner, POLICY);
	runner_list(&runner, LIST_BLOCK, "192.0.2.0/24", WEIR_FOREVER);
	runner_list(&runner, LIST_BLOCK, "203.0.113.9", WEIR_FOREVER);
	runner_list(&runner, LIST_ALLOW, "192.0.2.7", WEIR_FOREVER);
	for (unsigned int i = 0; i < 5; i++)
		send("198.51.100.1");
	assert_int_equal(send("192.0.2.1"), XDP_DROP);
}

static struct datapath_bucket bucket_of(const char *limit)
{
	struct datapath_bucket bucket;
	uint8_t source[16];

	assert_int_equal(address_parse("198.51.100.1", source), 0);
	assert_int_equal(datapath_read_bucket(runner.datapath,
					      runner_limit(&runner, limit, WEIR_UNIT_PACKETS),
					      source, &bucket),
			 0);
	return bucket;
}

static void a_second_daemon_finds_everything_as_it_was(void **state)
{
	struct weir_count before[RUNNER_COUNTERS], after[RUNNER_COUNTERS];
	struct weir_limit_count count;
	struct list_image lists;
	struct fault f = {0};
	uint32_t generation;
	uint16_t slot;

	(void)state;
	live_a_day();
	generation = datapath_generation(runner.datapath);
	slot = runner_limit(&runner, "second", WEIR_UNIT_PACKETS)->slot;
	datapath_read_counts(runner.datapath, before);
	runner_reopen(&runner);

	assert_int_equal(datapath_generation(runner.datapath), generation);
	datapath_read_counts(runner.datapath, after);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(runner_limit(&runner, "second", WEIR_UNIT_PACKETS)->slot, slot);
	assert_string_equal(datapath_slot_name(runner.datapath, slot), "second");
	datapath_read_limit_count(runner.datapath, slot, &count);
	assert_int_equal(count.passed, 3);
	assert_int_equal(count.dropped, 2);
	assert_true(bucket_of("first").known);
	assert_int_equal(bucket_of("first").available, 6);
	assert_int_equal(bucket_of("second").available, 0);
	assert_int_equal(datapath_read_lists(runner.datapath, &lists, &f), 0);
	assert_int_equal(lists.count, 3);
	list_image_done(&lists);
}

static void a_second_daemon_goes_on_enforcing(void **state)
{
	(void)state;
	live_a_day();
	runner_reopen(&runner);
	/* Its program is a new one, and nobody has given it a policy. */
	assert_int_equal(send("192.0.2.1"), XDP_DROP);
	assert_int_equal(send("192.0.2.7"), XDP_PASS);
	assert_int_equal(send("203.0.113.9"), XDP_DROP);
	assert_int_equal(send("198.51.100.1"), XDP_DROP);
	assert_int_equal(send("198.51.100.2"), XDP_PASS);
	/* The same policy again changes nothing. */
	runner_policy(&runner, POLICY);
	assert_int_equal(bucket_of("first").available, 6);
	assert_int_equal(send("198.51.100.1"), XDP_DROP);
}

/* The program is compiled for a policy. What the maps held before, it has to know by itself. */
static void a_second_daemon_s_program_knows_what_the_first_one_s_policy_asks_for(void **state)
{
	struct fault f = {0};

	(void)state;
	runner_policy(&runner, RUNNER_UNLIMITED
		      "limits:\n"
		      "  - {name: window, scope: source, algorithm: fixed_window, rate: 2/h}\n");
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(send("198.51.100.1"), XDP_PASS);
	assert_int_equal(send("198.51.100.1"), XDP_DROP);
	runner_reopen(&runner);
	assert_true(datapath_program_fd(runner.datapath) < 0);
	assert_int_equal(datapath_need_program(runner.datapath, &f), 0);
	assert_true(datapath_program_fd(runner.datapath) >= 0);
	assert_int_equal(send("198.51.100.1"), XDP_DROP);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(send("198.51.100.2"), XDP_PASS);
	assert_int_equal(send("198.51.100.2"), XDP_DROP);
}

static void drops_before_the_second_daemon_are_not_forgotten(void **state)
{
	const struct weir_tally *t;
	uint64_t packets = 0;

	(void)state;
	live_a_day();
	runner_reopen(&runner);
	assert_int_equal(send("192.0.2.1"), XDP_DROP);
	for (size_t i = 0; (t = runner_tally(&runner, i)); i++)
		packets += t->packets;
	assert_int_equal(packets, 2 + 1 + 1);
}

static void refuse_to_open(const char *pin_dir, int err, const char *code)
{
	_cleanup_(datapath_closep) struct datapath *datapath = NULL;
	struct fault f = {0};

	assert_int_equal(datapath_open(pin_dir, &datapath, &f), err);
	assert_null(datapath);
	assert_string_equal(f.code, code);
}

static void pins_of_a_newer_abi_are_refused(void **state)
{
	(void)state;
	live_a_day();
	runner_say_abi(&runner, WEIR_ABI + 1);
	refuse_to_open(runner.pin_dir, -EPROTONOSUPPORT, "datapath.abi");
	/* What runs there goes on. */
	assert_int_equal(send("192.0.2.1"), XDP_DROP);
	runner_say_abi(&runner, WEIR_ABI);
	runner_reopen(&runner);
}

static void assert_everything_is_there(void)
{
	struct weir_limit_count count;
	struct list_image lists;
	struct fault f = {0};

	datapath_read_limit_count(runner.datapath,
				  runner_limit(&runner, "second", WEIR_UNIT_PACKETS)->slot, &count);
	assert_int_equal(count.passed, 3);
	assert_int_equal(count.dropped, 2);
	assert_int_equal(bucket_of("first").available, 6);
	assert_int_equal(bucket_of("second").available, 0);
	assert_int_equal(datapath_read_lists(runner.datapath, &lists, &f), 0);
	assert_int_equal(lists.count, 3);
	list_image_done(&lists);
	assert_int_equal(send("192.0.2.1"), XDP_DROP);
	assert_int_equal(send("192.0.2.7"), XDP_PASS);
	assert_int_equal(send("198.51.100.1"), XDP_DROP);
}

static bool is_pinned(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", runner.pin_dir, name);
	return access(path, F_OK) == 0;
}

static void what_abi_3_has_pinned_is_carried_over(void **state)
{
	const char *version;
	uint32_t abi;
	uint64_t ms;

	(void)state;
	live_a_day();
	runner_lay_out_as_abi_3(&runner);
	runner_reopen(&runner);
	assert_true(datapath_upgraded_from(runner.datapath, &abi, &version, &ms));
	assert_int_equal(abi, 3);
	assert_everything_is_there();
	assert_false(is_pinned("weir_config"));
	/* From now on it is as if it had never been otherwise. */
	runner_reopen(&runner);
	assert_false(datapath_upgraded_from(runner.datapath, &abi, &version, &ms));
	assert_int_equal(bucket_of("first").available, 6);
}

static void move_pin(const char *from, const char *to)
{
	char old[128], new[128];

	snprintf(old, sizeof(old), "%s/%s", runner.pin_dir, from);
	snprintf(new, sizeof(new), "%s/%s", runner.pin_dir, to);
	assert_int_equal(rename(old, new), 0);
}

static void an_upgrade_that_fails_leaves_what_was(void **state)
{
	char ours[16];

	(void)state;
	live_a_day();
	runner_lay_out_as_abi_3(&runner);
	/* Maps of other kinds in each other's place. */
	move_pin("weir_events", "weir_next_1");
	move_pin("weir_dests", "weir_events");
	refuse_to_open(runner.pin_dir, -EINVAL, "datapath.load");
	assert_true(is_pinned("weir_config"));
	snprintf(ours, sizeof(ours), "v%u", WEIR_ABI);
	assert_false(is_pinned(ours));
	move_pin("weir_events", "weir_dests");
	move_pin("weir_next_1", "weir_events");
	runner_reopen(&runner);
	assert_everything_is_there();
}

static void removed_pins_are_pinned_again(void **state)
{
	struct fault f = {0};
	char path[128];
	size_t missing;

	(void)state;
	live_a_day();
	assert_int_equal(datapath_keep_pins(runner.datapath, &missing, &f), 0);
	assert_int_equal(missing, 0);
	snprintf(path, sizeof(path), "%s/v%u/weir_cells", runner.pin_dir, WEIR_ABI);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/weir_meta", runner.pin_dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(datapath_keep_pins(runner.datapath, &missing, &f), 0);
	assert_int_equal(missing, 2);
	runner_reopen(&runner);
	assert_everything_is_there();
}

static void the_map_that_names_the_abi_may_be_lost(void **state)
{
	char path[128];

	(void)state;
	live_a_day();
	snprintf(path, sizeof(path), "%s/weir_meta", runner.pin_dir);
	assert_int_equal(unlink(path), 0);
	runner_reopen(&runner);
	assert_everything_is_there();
	assert_true(is_pinned("weir_meta"));
}

static void a_directory_that_others_may_write_to_is_refused(void **state)
{
	(void)state;
	assert_int_equal(chmod(runner.pin_dir, 0722), 0);
	refuse_to_open(runner.pin_dir, -EPERM, "datapath.owner");
	assert_int_equal(chmod(runner.pin_dir, 0700), 0);
}

static void a_directory_that_is_not_in_a_bpffs_is_refused(void **state)
{
	char directory[] = "/tmp/weir-test-XXXXXX", inside[64];

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(inside, sizeof(inside), "%s/pins", directory);
	refuse_to_open(inside, -EINVAL, "datapath.bpffs");
	assert_int_equal(access(inside, F_OK), -1); /* and not left behind */
	assert_int_equal(rmdir(directory), 0);
}

static void removed_pins_are_gone(void **state)
{
	struct fault f = {0};

	(void)state;
	live_a_day();
	assert_int_equal(datapath_remove(runner.pin_dir, NULL, &f), 0);
	assert_int_equal(access(runner.pin_dir, F_OK), -1);
	assert_int_equal(datapath_remove(runner.pin_dir, NULL, &f), -ENOENT);
	runner_reopen(&runner);
	assert_int_equal(datapath_generation(runner.datapath), 0);
	assert_int_equal(send("192.0.2.1"), XDP_PASS);
}

#define ADOPTION_TEST(name) cmocka_unit_test_setup_teardown(name, open_runner, close_runner)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ADOPTION_TEST(a_second_daemon_finds_everything_as_it_was),
		ADOPTION_TEST(a_second_daemon_goes_on_enforcing),
		ADOPTION_TEST(a_second_daemon_s_program_knows_what_the_first_one_s_policy_asks_for),
		ADOPTION_TEST(drops_before_the_second_daemon_are_not_forgotten),
		ADOPTION_TEST(pins_of_a_newer_abi_are_refused),
		ADOPTION_TEST(what_abi_3_has_pinned_is_carried_over),
		ADOPTION_TEST(an_upgrade_that_fails_leaves_what_was),
		ADOPTION_TEST(removed_pins_are_pinned_again),
		ADOPTION_TEST(the_map_that_names_the_abi_may_be_lost),
		ADOPTION_TEST(a_directory_that_others_may_write_to_is_refused),
		ADOPTION_TEST(a_directory_that_is_not_in_a_bpffs_is_refused),
		ADOPTION_TEST(removed_pins_are_gone),
	};

	return runner_run_group("adoption", tests, NULL, NULL);
}
