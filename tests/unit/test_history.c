/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The history of policies, on a real store in a directory of its own and without one: what was in force is
 * there after a new start, what was being put in force is recognised, and the room that it takes is bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "engine/history.h"

struct fixture {
	char directory[32];
	char path[64];
	struct store *store;
	struct history history;
};

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	snprintf(x->directory, sizeof(x->directory), "/tmp/weir-history-XXXXXX");
	assert_non_null(mkdtemp(x->directory));
	snprintf(x->path, sizeof(x->path), "%s/weir.db", x->directory);
	assert_int_equal(store_open(x->path, &x->store, NULL), 0);
	assert_int_equal(history_open(&x->history, x->store, NULL), 0);
	*state = x;
	return 0;
}

static int set_up_without_store(void **state)
{
	struct fixture *x;

	set_up(state);
	x = *state;
	store_close(x->store);
	x->store = NULL;
	return history_open(&x->history, NULL, NULL);
}

static int tear_down(void **state)
{
	_cleanup_free_ struct fixture *x = *state;
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;

	history_done(&x->history);
	store_close(x->store);
	d = opendir(x->directory);
	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	return rmdir(x->directory);
}

/* As a daemon that died and one that starts. */
static void start_again(struct fixture *x)
{
	history_done(&x->history);
	store_close(x->store);
	assert_int_equal(store_open(x->path, &x->store, NULL), 0);
	assert_int_equal(history_open(&x->history, x->store, NULL), 0);
}

/* The hash names the text; the history does not look whether it is right. */
static struct history_item item_of(uint32_t generation, const char *text, enum history_how how)
{
	struct history_item item = {
		.generation = generation,
		.parent = generation - 1,
		.length = strlen(text),
		.applied_ns = 5,
		.username = "root",
		.how = how,
	};

	snprintf(item.sha256, sizeof(item.sha256), "sha of %.20s", text);
	snprintf(item.reason, sizeof(item.reason), "reason %u", generation);
	return item;
}

static void begin(struct fixture *x, uint32_t generation, const char *text, enum history_how how)
{
	const struct history_item item = item_of(generation, text, how);

	history_begin(&x->history, &item, text, NULL);
}

static void put(struct fixture *x, uint32_t generation, const char *text, enum history_how how)
{
	begin(x, generation, text, how);
	history_commit(&x->history, generation, HISTORY_FORMER);
}

static void put_pending(struct fixture *x, uint32_t generation, const char *text, uint64_t left_ns)
{
	const struct history_item item = item_of(generation, text, HISTORY_APPLY);
	const struct history_pending pending = {
		.is = true,
		.generation = generation,
		.asked = generation,
		.former = generation - 1,
		.until_boot_ns = clock_boot_ns() + left_ns,
		.since_real_ns = clock_real_ns(),
		.until_real_ns = clock_real_ns() + left_ns,
	};

	history_begin(&x->history, &item, text, &pending);
	history_commit(&x->history, generation, HISTORY_FORMER);
}

static void assert_text(struct fixture *x, uint32_t generation, const char *wanted)
{
	_cleanup_free_ char *text = NULL;
	size_t length;

	assert_int_equal(history_text(&x->history, generation, &text, &length, NULL), 0);
	assert_string_equal(text, wanted);
	assert_int_equal(length, strlen(wanted));
}

static enum history_state state_of(struct fixture *x, uint32_t generation)
{
	const struct history_item *item = history_find(&x->history, generation);

	assert_non_null(item);
	return item->state;
}

static void set_boot(struct fixture *x, const char *sql)
{
	sqlite3 *db;

	store_close(x->store);
	assert_int_equal(sqlite3_open(x->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(store_open(x->path, &x->store, NULL), 0);
}

static void policies_come_back_whole_after_a_new_start(void **state)
{
	struct fixture *x = *state;

	put(x, 1, "first", HISTORY_START);
	put(x, 2, "second", HISTORY_APPLY);
	start_again(x);
	assert_int_equal(x->history.count, 2);
	assert_int_equal(state_of(x, 1), HISTORY_FORMER);
	assert_int_equal(state_of(x, 2), HISTORY_IN_FORCE);
	assert_text(x, 1, "first");
	assert_text(x, 2, "second");
	assert_int_equal(history_current(&x->history)->generation, 2);
	assert_int_equal(history_former(&x->history)->generation, 1);
	assert_string_equal(history_find(&x->history, 2)->reason, "reason 2");
	assert_int_equal(history_find(&x->history, 2)->how, HISTORY_APPLY);
}

static void what_was_being_put_in_force_is_recognised_after_a_death(void **state)
{
	struct fixture *x = *state;

	put(x, 1, "first", HISTORY_START);
	begin(x, 2, "second", HISTORY_APPLY);
	start_again(x);
	assert_int_equal(state_of(x, 2), HISTORY_BEGUN);
	assert_int_equal(history_current(&x->history)->generation, 1);
	assert_text(x, 2, "second");
	history_abort(&x->history, 2);
	start_again(x);
	assert_null(history_find(&x->history, 2));
	assert_int_equal(history_last_generation(&x->history), 1);
}

static void a_pending_policy_survives_a_start_with_its_deadline(void **state)
{
	struct fixture *x = *state;
	uint64_t until_ns;

	put(x, 1, "first", HISTORY_START);
	put_pending(x, 2, "second", 3600 * NSEC_PER_SEC);
	until_ns = x->history.pending.until_boot_ns;
	start_again(x);
	assert_true(x->history.pending.is);
	assert_int_equal(x->history.pending.until_boot_ns, until_ns);
	assert_int_equal(state_of(x, 2), HISTORY_UNCONFIRMED);
	assert_int_equal(history_former(&x->history)->generation, 1);
	history_confirm(&x->history);
	start_again(x);
	assert_false(x->history.pending.is);
	assert_int_equal(state_of(x, 2), HISTORY_IN_FORCE);
	assert_int_equal(history_find(&x->history, 2)->how, HISTORY_CONFIRM);
}

static void after_a_reboot_the_wall_clock_decides_about_a_pending_policy(void **state)
{
	struct fixture *x = *state;

	put(x, 1, "first", HISTORY_START);
	put_pending(x, 2, "second", 3600 * NSEC_PER_SEC);
	set_boot(x, "UPDATE policy_pending SET boot_id = 'another', until_boot_ns = 1");
	start_again(x);
	assert_in_range(history_pending_left_ns(&x->history), 3500 * NSEC_PER_SEC,
			3600 * NSEC_PER_SEC);
	set_boot(x, "UPDATE policy_pending SET until_real_ns = since_real_ns");
	start_again(x);
	assert_int_equal(history_pending_left_ns(&x->history), 0);
}

static void a_wall_clock_from_before_the_apply_is_not_believed(void **state)
{
	struct fixture *x = *state;

	put(x, 1, "first", HISTORY_START);
	put_pending(x, 2, "second", 3600 * NSEC_PER_SEC);
	set_boot(x, "UPDATE policy_pending SET boot_id = 'another', "
		    "since_real_ns = since_real_ns + 1000000000000000, "
		    "until_real_ns = until_real_ns + 1000000000000000");
	start_again(x);
	assert_int_equal(history_pending_left_ns(&x->history), 0);
}

static void what_replaces_a_pending_policy_ends_the_waiting(void **state)
{
	struct fixture *x = *state;

	put(x, 1, "first", HISTORY_START);
	put_pending(x, 2, "second", 3600 * NSEC_PER_SEC);
	begin(x, 3, "first", HISTORY_AUTOMATIC);
	history_commit(&x->history, 3, HISTORY_UNDONE);
	start_again(x);
	assert_false(x->history.pending.is);
	assert_int_equal(state_of(x, 2), HISTORY_UNDONE);
	assert_int_equal(state_of(x, 3), HISTORY_IN_FORCE);
}

static void a_start_that_fails_leaves_what_is_pending(void **state)
{
	struct fixture *x = *state;
	struct history_item item = item_of(3, "second", HISTORY_START);
	struct history_pending pending;

	put(x, 1, "first", HISTORY_START);
	put_pending(x, 2, "second", 3600 * NSEC_PER_SEC);
	pending = x->history.pending;
	pending.generation = 3;
	history_begin(&x->history, &item, "second", &pending);
	history_abort(&x->history, 3);
	start_again(x);
	assert_true(x->history.pending.is);
	assert_int_equal(x->history.pending.generation, 2);
}

static void the_last_hundred_are_kept(void **state)
{
	struct fixture *x = *state;
	char text[16];

	for (uint32_t i = 1; i <= HISTORY_MAX + 20; i++) {
		snprintf(text, sizeof(text), "text %u", i);
		put(x, i, text, HISTORY_APPLY);
	}
	start_again(x);
	assert_int_equal(x->history.count, HISTORY_MAX);
	assert_null(history_find(&x->history, 20));
	assert_text(x, 21, "text 21");
	assert_int_equal(history_last_generation(&x->history), HISTORY_MAX + 20);
}

static void starts_with_the_same_policy_do_not_push_others_out(void **state)
{
	struct fixture *x = *state;

	put(x, 1, "first", HISTORY_APPLY);
	for (uint32_t i = 2; i <= 2 * HISTORY_MAX; i++)
		put(x, i, "first", HISTORY_START);
	assert_text(x, 1, "first");
	assert_true(x->history.count <= 3);
	assert_int_equal(history_last_generation(&x->history), 2 * HISTORY_MAX);
}

static void texts_have_a_bound_that_spares_what_is_needed(void **state)
{
	struct fixture *x = *state;
	const size_t length = STORE_POLICY_TEXT_MAX;
	_cleanup_free_ char *text = malloc(length + 1);

	assert_non_null(text);
	memset(text, 'x', length);
	text[length] = '\0';
	for (uint32_t i = 1; i <= 12; i++) {
		text[0] = (char)('a' + i);
		put(x, i, text, HISTORY_APPLY);
	}
	assert_int_equal(x->history.count, HISTORY_BYTES_MAX / length);
	assert_int_equal(history_current(&x->history)->generation, 12);
	assert_int_equal(history_former(&x->history)->generation, 11);
}

static void put_with(struct fixture *x, uint32_t generation, const char *text, const char *profile)
{
	struct history_item item = item_of(generation, text, HISTORY_APPLY);

	item.profile_known = true;
	snprintf(item.profile, sizeof(item.profile), "%s", profile);
	snprintf(item.daemon_profile, sizeof(item.daemon_profile), "daemon");
	history_begin(&x->history, &item, text, NULL);
	history_commit(&x->history, generation, HISTORY_FORMER);
}

static void the_profile_is_kept_and_tells_policies_of_one_text_apart(void **state)
{
	struct fixture *x = *state;

	put(x, 1, "a", HISTORY_START);
	put_with(x, 2, "b", "staging");
	put_with(x, 3, "b", "");
	start_again(x);
	assert_false(history_find(&x->history, 1)->profile_known);
	assert_string_equal(history_find(&x->history, 2)->profile, "staging");
	assert_string_equal(history_find(&x->history, 2)->daemon_profile, "daemon");
	assert_true(history_find(&x->history, 3)->profile_known);
	assert_string_equal(history_find(&x->history, 3)->profile, "");
	assert_int_equal(history_former(&x->history)->generation, 2);
}

static void what_waits_no_longer_after_a_restored_backup_counts_as_undone(void **state)
{
	struct fixture *x = *state;

	put(x, 1, "a", HISTORY_START);
	put_pending(x, 2, "b", NSEC_PER_SEC);
	history_commit(&x->history, 2, HISTORY_FORMER);
	assert_int_equal(store_pending_delete(x->store, NULL), 0);
	start_again(x);
	assert_int_equal(history_find(&x->history, 2)->state, HISTORY_UNDONE);
	assert_null(history_current(&x->history));
	start_again(x);
	assert_int_equal(history_find(&x->history, 2)->state, HISTORY_UNDONE);
}

static void without_a_store_it_is_kept_in_memory_and_says_so(void **state)
{
	struct fixture *x = *state;

	put(x, 1, "first", HISTORY_START);
	put_pending(x, 2, "second", 3600 * NSEC_PER_SEC);
	assert_false(history_find(&x->history, 2)->persisted);
	assert_false(x->history.pending.persisted);
	assert_text(x, 1, "first");
	assert_text(x, 2, "second");
	history_confirm(&x->history);
	assert_int_equal(state_of(x, 2), HISTORY_IN_FORCE);
	assert_false(x->history.pending.is);
}

static void a_generation_that_is_not_there_is_named(void **state)
{
	struct fixture *x = *state;
	struct fault f = {0};
	size_t length;
	char *text;

	assert_int_equal(history_text(&x->history, 7, &text, &length, &f), -ENOENT);
	assert_string_equal(f.code, "policy.generation");
	assert_non_null(strstr(f.text, "generation 7"));
}

#define TEST(name)	  cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define MEMORY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_without_store, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(policies_come_back_whole_after_a_new_start),
		TEST(what_was_being_put_in_force_is_recognised_after_a_death),
		TEST(a_pending_policy_survives_a_start_with_its_deadline),
		TEST(after_a_reboot_the_wall_clock_decides_about_a_pending_policy),
		TEST(a_wall_clock_from_before_the_apply_is_not_believed),
		TEST(what_replaces_a_pending_policy_ends_the_waiting),
		TEST(a_start_that_fails_leaves_what_is_pending),
		TEST(the_last_hundred_are_kept),
		TEST(starts_with_the_same_policy_do_not_push_others_out),
		TEST(texts_have_a_bound_that_spares_what_is_needed),
		MEMORY_TEST(without_a_store_it_is_kept_in_memory_and_says_so),
		TEST(the_profile_is_kept_and_tells_policies_of_one_text_apart),
		TEST(what_waits_no_longer_after_a_restored_backup_counts_as_undone),
		TEST(a_generation_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
