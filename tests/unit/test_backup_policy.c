/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The policy in a backup: of several files, among files that were there, outside its directory, and one that
 * waits to be confirmed. */
#include "test_backup.h"

#include "policy/policy.h"

#define MAIN  "apiVersion: weir/v1\nmode: enforce\ninclude: [conf.d/*.yaml, more/a.yaml]\n"
#define BLOCK "lists: {block: {entries: [198.18.70.%u]}}\n"

static void write_file(const char *path, const char *text)
{
	struct fault f = {0};

	if (fs_replace_file(path, text, strlen(text), 0600, &f) < 0)
		fail_msg("%s", f.text);
}

static void write_block(const char *directory, const char *name, unsigned int number)
{
	char text[64];

	snprintf(text, sizeof(text), BLOCK, number);
	write_file(in(directory, name), text);
}

/* Blocks 1 and 2, and a limit. */
static void write_tree(struct world *w)
{
	assert_int_equal(mkdir(in(w->root, "conf.d"), 0700), 0);
	assert_int_equal(mkdir(in(w->root, "more"), 0700), 0);
	write_file(w->policy, MAIN);
	write_block(w->root, "conf.d/10.yaml", 1);
	write_block(w->root, "conf.d/20.yaml", 2);
	write_file(in(w->root, "more/a.yaml"), "limits: [{name: a, scope: source, rate: 1/s}]\n");
	put_row(w->state, "198.51.100.7", "scan");
}

static void create(struct world *w)
{
	const struct backup_create_options options = {.state_dir = w->state,
						      .policy_path = w->policy};
	struct backup_manifest manifest;
	struct fault f = {0};

	if (backup_create(w->archive, &options, &manifest, &f) < 0)
		fail_msg("%s", f.text);
	backup_manifest_done(&manifest);
}

static struct backup_restored *restore(struct world *w, const char *policy)
{
	const struct backup_restore_options options = {
		.state_dir = w->other, .policy_path = policy, .user_id = "0", .username = "root"};
	struct backup_restored *restored = calloc(1, sizeof(*restored));
	struct fault f = {0};

	assert_non_null(restored);
	if (backup_restore(w->archive, &options, restored, &f) < 0)
		fail_msg("%s", f.text);
	return restored;
}

static void free_restored(struct backup_restored *r)
{
	backup_restored_done(r);
	free(r);
}

static char *hash_of(const char *path)
{
	_cleanup_(policy_freep) struct policy *p = NULL;
	struct fault f = {0};

	if (policy_files(path, &p, &f) < 0)
		fail_msg("%s", f.text);
	return strdup(p->sha256);
}

static void assert_is_below(const char *directory, const char *name)
{
	char path[4096 + 32];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(access(path, R_OK), 0);
}

static void assert_says(const char *path, const char *hash)
{
	_cleanup_free_ char *got = hash_of(path);

	assert_string_equal(got, hash);
}

static void included_files_come_back_with_the_policy(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *hash = NULL;
	struct backup_restored *r;

	write_tree(w);
	hash = hash_of(w->policy);
	create(w);
	r = restore(w, NULL);
	assert_says(r->policy, hash);
	assert_false(r->policy_is_one_text);
	assert_string_equal(r->includes_aside, "");
	assert_non_null(strstr(r->policy, "/policy.from-backup-"));
	r->policy[strlen(r->policy) - strlen("policy.yaml")] = '\0';
	assert_is_below(r->policy, "conf.d/20.yaml");
	free_restored(r);
}

static void files_that_were_there_are_set_aside_and_change_nothing(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *hash = NULL;
	struct backup_restored *r;

	write_tree(w);
	hash = hash_of(w->policy);
	create(w);
	write_block(w->root, "conf.d/20.yaml", 8);
	write_block(w->root, "conf.d/30.yaml", 9);
	write_file(w->policy, MAIN "# edited\n");
	r = restore(w, w->policy);
	assert_says(w->policy, hash);
	assert_false(r->policy_is_one_text);
	assert_int_equal(access(in(w->root, "conf.d/30.yaml"), F_OK), -1);
	assert_is_below(r->includes_aside, "conf.d/30.yaml");
	assert_is_below(r->includes_aside, "conf.d/20.yaml");
	assert_int_equal(access(r->policy_aside, R_OK), 0);
	free_restored(r);
	r = restore(w, w->policy); /* once more */
	assert_says(w->policy, hash);
	free_restored(r);
}

static void files_that_contradict_leave_one_text_that_says_the_same(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *hash = NULL;
	struct backup_restored *r;

	write_tree(w);
	hash = hash_of(w->policy);
	create(w);
	write_file(in(w->root, "conf.d/30.yaml"), "mode: monitor\n");
	r = restore(w, w->policy);
	assert_says(w->policy, hash);
	assert_true(r->policy_is_one_text);
	free_restored(r);
}

static void files_outside_of_the_directory_come_as_one_text(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *hash = NULL;
	struct backup_restored *r;
	char text[256];

	write_tree(w);
	snprintf(text, sizeof(text),
		 "apiVersion: weir/v1\nmode: enforce\ninclude: %s/more/a.yaml\n", w->root);
	assert_int_equal(mkdir(in(w->root, "etc"), 0700), 0);
	snprintf(w->policy, sizeof(w->policy), "%s/etc/policy.yaml", w->root);
	write_file(w->policy, text);
	hash = hash_of(w->policy);
	create(w);
	assert_int_equal(remove(in(w->root, "more/a.yaml")), 0);
	r = restore(w, NULL);
	assert_says(r->policy, hash);
	free_restored(r);
}

static void a_policy_that_cannot_be_read_is_backed_up_as_it_is(void **state)
{
	struct world *w = *state;
	struct backup_restored *r;
	_cleanup_free_ char *text = NULL;
	size_t length;

	write_tree(w);
	write_file(in(w->root, "conf.d/20.yaml"), "][");
	create(w);
	r = restore(w, NULL);
	assert_int_equal(fs_read_file(r->policy, 4096, &text, &length, NULL), 0);
	assert_string_equal(text, MAIN);
	free_restored(r);
}

static void what_waited_to_be_confirmed_does_not_come_back(void **state)
{
	struct world *w = *state;
	_cleanup_(store_closep) struct store *s = NULL;
	struct store_pending_row row = {
		.generation = 8, .asked = 7, .former = 6, .boot_id = "a", .until_boot_ns = 1};
	struct backup_restored *r;

	write_tree(w);
	assert_int_equal(store_open(in(w->state, "weir.db"), &s, NULL), 0);
	assert_int_equal(store_pending_put(s, &row, NULL), 0);
	create(w);
	store_close(s);
	s = NULL;
	r = restore(w, NULL);
	assert_int_equal(r->unconfirmed, 7);
	free_restored(r);
	assert_int_equal(store_open(in(w->other, "weir.db"), &s, NULL), 0);
	assert_int_equal(store_pending_get(s, &row, NULL), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(included_files_come_back_with_the_policy),
		TEST(files_that_were_there_are_set_aside_and_change_nothing),
		TEST(files_that_contradict_leave_one_text_that_says_the_same),
		TEST(files_outside_of_the_directory_come_as_one_text),
		TEST(a_policy_that_cannot_be_read_is_backed_up_as_it_is),
		TEST(what_waited_to_be_confirmed_does_not_come_back),
	};

	return cmocka_run_group_tests_name("backup_policy", tests, NULL, NULL);
}
