/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is backed up comes back, nothing that is there is lost, and the audit log never forks without saying so. */
#include "test_backup.h"

#include <sys/wait.h>

static void a_backup_brings_back_entries_log_and_policy(void **state)
{
	struct world *w = *state;
	struct backup_restored restored;
	struct audit_verdict before, after;
	struct fault f;

	make_host(w);
	before = verdict_of(in(w->state, "audit"));
	if (put_back(w, w->other, false, &restored, &f) < 0)
		fail_msg("%s", f.text);
	assert_int_equal(restored.audit, BACKUP_AUDIT_INSTALLED);
	assert_int_equal(restored.record.err, 0);
	assert_int_equal(rows(in(w->other, "weir.db")), 1);
	after = verdict_of(in(w->other, "audit"));
	assert_int_equal(after.status, AUDIT_OK);
	assert_memory_equal(after.chain_id, before.chain_id, AUDIT_ID_SIZE);
	assert_int_equal(after.records, before.records + 1); /* system.restore */
	assert_true(after.segments > 1);
	assert_int_equal(access(restored.policy, R_OK), 0);
	/* Nothing is left of the unpacking. */
	assert_int_equal(names_like(w->other, ".weir", NULL), 0);
	backup_restored_done(&restored);
}

static void the_archive_is_a_tar_that_only_its_owner_can_read(void **state)
{
	struct world *w = *state;
	struct stat st;
	int status;
	pid_t pid;

	make_host(w);
	assert_int_equal(stat(w->archive, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(mkdir(w->other, 0700), 0);
	pid = fork();
	if (pid == 0) {
		execlp("tar", "tar", "-xzf", w->archive, "-C", w->other, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	/* What standard tools extract is a log that verifies by itself, and a database. */
	assert_int_equal(verdict_of(in(w->other, "weir-backup/audit")).status, AUDIT_OK);
	assert_int_equal(rows(in(w->other, "weir-backup/weir.db")), 1);
	assert_int_equal(access(in(w->other, "weir-backup/manifest.json"), R_OK), 0);
}

static void a_backup_is_consistent_while_a_daemon_writes(void **state)
{
	struct world *w = *state;
	_cleanup_(store_closep) struct store *s = NULL;
	_cleanup_(chain_closep) struct chain *c = NULL;
	bool ok = false;
	int fd;

	put_row(w->state, "198.51.100.7", "scan");
	assert_int_equal(store_open(in(w->state, "weir.db"), &s, NULL), 0);
	assert_int_equal(store_meta_put(s, "key", "in the write-ahead log", NULL), 0);
	c = log_open_in(w->state);
	log_grow(c, 9);
	/* The beginning of a batch that was never acknowledged. */
	char last[256] = "";
	_cleanup_closedir_ DIR *d = opendir(in(w->state, "audit"));
	const struct dirent *e;

	while ((e = readdir(d)))
		if (strstr(e->d_name, ".seg") && strcmp(e->d_name, last) > 0)
			snprintf(last, sizeof(last), "%s", e->d_name);
	fd = open(in(in(w->state, "audit"), last), O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "torn", 4), 4);
	close(fd);
	back_up(w);
	assert_string_equal(refusal(w, &ok), "");
	assert_true(ok);
}

static void a_failed_backup_leaves_the_one_before(void **state)
{
	struct world *w = *state;
	const struct backup_create_options nothing = {.state_dir = w->other};
	_cleanup_(backup_manifest_done) struct backup_manifest m = {0};
	struct fault f = {0};

	make_host(w);
	assert_int_equal(backup_create(w->archive, &nothing, &m, &f), -ENOENT);
	assert_string_equal(f.code, "backup.nothing");
	assert_string_equal(refusal(w, NULL), "");
	/* No other names are left, nor are any after success. */
	assert_int_equal(names_like(w->root, "weir.tar.gz", NULL), 1);
}

static void a_damaged_database_is_not_backed_up_as_if_it_were_none(void **state)
{
	struct world *w = *state;
	const struct backup_create_options options = {.state_dir = w->state};
	_cleanup_(backup_manifest_done) struct backup_manifest m = {0};
	struct fault f = {0};
	int fd;

	put_row(w->state, "198.51.100.7", "scan");
	fd = open(in(w->state, "weir.db"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "no database at all, is it", 25, 0), 25);
	close(fd);
	assert_int_equal(backup_create(w->archive, &options, &m, &f), -EUCLEAN);
	assert_string_equal(f.code, "store.damaged");
}

static void a_log_without_its_state_file_is_not_backed_up_as_if_it_were_none(void **state)
{
	struct world *w = *state;
	const struct backup_create_options options = {.state_dir = w->state};
	_cleanup_(backup_manifest_done) struct backup_manifest m = {0};
	struct fault f = {0};

	put_row(w->state, "198.51.100.7", "scan");
	log_in(w->state, 3);
	assert_int_equal(unlink(in(w->state, "audit/state")), 0);
	assert_int_equal(backup_create(w->archive, &options, &m, &f), -EBADMSG);
	assert_string_equal(f.code, "audit.damaged");
}

static void restoring_waits_for_the_daemon_to_end(void **state)
{
	struct world *w = *state;
	_cleanup_(chain_closep) struct chain *c = NULL;
	struct backup_restored restored;
	struct fault f;

	make_host(w);
	c = log_open_in(w->state);
	assert_int_equal(put_back(w, w->state, true, &restored, &f), -EBUSY);
	assert_string_equal(f.code, "backup.running");
	assert_int_equal(rows(in(w->state, "weir.db")), 1);
}

static void what_was_there_is_set_aside_and_not_lost(void **state)
{
	struct world *w = *state;
	struct backup_restored restored;
	char text[sizeof(POLICY_TEXT)] = "";
	struct fault f = {0};

	make_host(w);
	put_row(w->state, "203.0.113.9", "a later one");
	assert_int_equal(fs_replace_file(w->policy, "edited", 6, 0600, NULL), 0);
	const struct backup_restore_options options = {.state_dir = w->state,
						       .policy_path = w->policy,
						       .user_id = "0",
						       .username = "root"};
	if (backup_restore(w->archive, &options, &restored, &f) < 0)
		fail_msg("%s", f.text);
	assert_int_equal(rows(in(w->state, "weir.db")), 1);
	assert_int_equal(rows(restored.database_aside), 2);
	FILE *file = fopen(w->policy, "r");
	assert_int_equal(fread(text, 1, sizeof(text) - 1, file), sizeof(text) - 1);
	fclose(file);
	assert_string_equal(text, POLICY_TEXT);
	file = fopen(restored.policy_aside, "r");
	assert_int_equal(fread(text, 1, 6, file), 6);
	fclose(file);
	assert_memory_equal(text, "edited", 6);
	backup_restored_done(&restored);
}

static void a_log_that_went_on_since_stays_and_is_not_cut_back(void **state)
{
	struct world *w = *state;
	struct backup_restored restored;
	struct audit_verdict v;
	struct fault f;

	make_host(w);
	log_in(w->state, 5);
	/* Not even by force: it has all that the backup has. */
	assert_int_equal(put_back(w, w->state, true, &restored, &f), 0);
	assert_int_equal(restored.audit, BACKUP_AUDIT_KEPT);
	v = verdict_of(in(w->state, "audit"));
	assert_int_equal(v.status, AUDIT_OK);
	assert_int_equal(v.records, 40 + 10 + 1);
	backup_restored_done(&restored);
}

static void a_log_that_lost_its_end_is_completed_from_the_backup(void **state)
{
	struct world *w = *state;
	struct backup_restored restored, again;
	struct audit_verdict v;
	struct fault f;

	make_host(w);
	assert_int_equal(put_back(w, w->other, false, &restored, &f), 0);
	assert_int_equal(restored.audit, BACKUP_AUDIT_INSTALLED);
	log_in(w->other, 7);
	/* Now the longer one is the backup, and the first host is behind. */
	const struct backup_create_options options = {.state_dir = w->other};
	_cleanup_(backup_manifest_done) struct backup_manifest m = {0};
	assert_int_equal(backup_create(w->archive, &options, &m, &f), 0);
	assert_int_equal(put_back(w, w->state, false, &again, &f), 0);
	assert_int_equal(again.audit, BACKUP_AUDIT_INSTALLED);
	v = verdict_of(in(w->state, "audit"));
	assert_int_equal(v.status, AUDIT_OK);
	assert_int_equal(v.records, 40 + 1 + 14 + 1);
	assert_int_equal(verdict_of(again.audit_aside).records, 40);
	backup_restored_done(&restored);
	backup_restored_done(&again);
}

static void another_log_stays_and_the_one_of_the_backup_lies_beside_it(void **state)
{
	struct world *w = *state;
	struct backup_restored restored;
	struct audit_verdict v;
	struct fault f;

	make_host(w);
	assert_int_equal(mkdir(w->other, 0700), 0);
	log_in(w->other, 50);
	assert_int_equal(put_back(w, w->other, false, &restored, &f), 0);
	assert_int_equal(restored.audit, BACKUP_AUDIT_BESIDE);
	v = verdict_of(in(w->other, "audit"));
	assert_int_equal(v.status, AUDIT_OK);
	assert_int_equal(v.records, 100 + 1);
	v = verdict_of(restored.audit_beside);
	assert_int_equal(v.status, AUDIT_OK);
	assert_int_equal(v.records, 40);
	backup_restored_done(&restored);
}

static void a_log_put_in_place_of_another_by_force_says_so_for_ever(void **state)
{
	struct world *w = *state;
	struct backup_restored restored;
	struct audit_verdict forced, aside;
	struct fault f;

	make_host(w);
	assert_int_equal(mkdir(w->other, 0700), 0);
	log_in(w->other, 50);
	assert_int_equal(put_back(w, w->other, true, &restored, &f), 0);
	assert_int_equal(restored.audit, BACKUP_AUDIT_FORCED);
	assert_int_equal(restored.record.err, 0);
	forced = verdict_of(in(w->other, "audit"));
	assert_string_equal(audit_finding_to_str(forced.finding), "chain.violation");
	assert_int_equal(forced.records, 40); /* in order, before the new incarnation */
	aside = verdict_of(restored.audit_aside);
	assert_int_equal(aside.status, AUDIT_OK);
	assert_int_equal(aside.records, 100);
	/* A chain id of its own, so no event id is ever given out twice. */
	log_in(w->other, 3);
	struct audit_snapshot now;
	assert_int_equal(audit_snapshot_take(in(w->other, "audit"), &now, NULL), 0);
	assert_int_equal(now.tip.incarnation, 1);
	assert_memory_not_equal(now.tip.chain_id, forced.chain_id, AUDIT_ID_SIZE);
	audit_snapshot_done(&now);
	backup_restored_done(&restored);
}

static void a_backup_can_be_restored_twice_in_a_row(void **state)
{
	struct world *w = *state;
	struct backup_restored restored;
	struct fault f;

	make_host(w);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(put_back(w, w->other, false, &restored, &f), 0);
		assert_int_equal(restored.audit, i ? BACKUP_AUDIT_KEPT : BACKUP_AUDIT_INSTALLED);
		backup_restored_done(&restored);
	}
	assert_int_equal(verdict_of(in(w->other, "audit")).records, 40 + 3);
	assert_int_equal(names_like(w->other, "weir.db.replaced-", NULL), 2);
}

static void a_tampered_log_is_backed_up_as_it_is_and_only_put_back_by_force(void **state)
{
	struct world *w = *state;
	struct backup_restored restored;
	struct fault f;
	bool ok = true;
	int fd;

	put_row(w->state, "198.51.100.7", "scan");
	log_in(w->state, 20);
	fd = open(in(w->state, "audit/00000000000000000000.seg"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "X", 1, 4096 + 200), 1);
	close(fd);
	back_up(w);
	assert_string_equal(refusal(w, &ok), "");
	assert_false(ok);
	assert_int_equal(put_back(w, w->other, false, &restored, &f), -EBADMSG);
	assert_string_equal(f.code, "backup.unsound");
	assert_int_not_equal(access(in(w->other, "weir.db"), F_OK), 0);
	assert_int_equal(put_back(w, w->other, true, &restored, &f), 0);
	assert_int_equal(verdict_of(in(w->other, "audit")).status, AUDIT_TAMPERED);
	backup_restored_done(&restored);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_backup_brings_back_entries_log_and_policy),
		TEST(the_archive_is_a_tar_that_only_its_owner_can_read),
		TEST(a_backup_is_consistent_while_a_daemon_writes),
		TEST(a_failed_backup_leaves_the_one_before),
		TEST(a_damaged_database_is_not_backed_up_as_if_it_were_none),
		TEST(a_log_without_its_state_file_is_not_backed_up_as_if_it_were_none),
		TEST(restoring_waits_for_the_daemon_to_end),
		TEST(what_was_there_is_set_aside_and_not_lost),
		TEST(a_log_that_went_on_since_stays_and_is_not_cut_back),
		TEST(a_log_that_lost_its_end_is_completed_from_the_backup),
		TEST(another_log_stays_and_the_one_of_the_backup_lies_beside_it),
		TEST(a_log_put_in_place_of_another_by_force_says_so_for_ever),
		TEST(a_backup_can_be_restored_twice_in_a_row),
		TEST(a_tampered_log_is_backed_up_as_it_is_and_only_put_back_by_force),
	};

	return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
