/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The store on real files in a directory of its own: what was put is there after a new start or a kill,
 * and every file that is not ours, damaged, or on a full disk gives a named refusal.
 */
#include "test_store.h"

#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct store_list_row row_of(const char *prefix, uint64_t until_ns)
{
	struct store_list_row row = {.kind = 1,
				     .until_real_ns = until_ns,
				     .added_ns = 5,
				     .reason = "scans",
				     .added_by = "uid 0"};

	assert_int_equal(prefix_parse(prefix, &row.prefix), 0);
	return row;
}

static int put(struct store *s, const char *prefix, uint64_t until_ns)
{
	struct store_list_row row = row_of(prefix, until_ns);

	return store_list_put(s, &row, NULL);
}

/* What a listing says, a line per row. */
struct listing {
	char text[1024];
	int stop; /* what the callback returns */
};

static int note_row(const struct store_list_row *row, void *userdata)
{
	struct listing *l = userdata;
	char prefix[PREFIX_TEXT_SIZE];
	size_t used = strlen(l->text);

	prefix_format(&row->prefix, prefix);
	snprintf(l->text + used, sizeof(l->text) - used, "%u %s %llu %llu '%s' '%s'\n", row->kind,
		 prefix, (unsigned long long)row->until_real_ns, (unsigned long long)row->added_ns,
		 row->reason, row->added_by);
	return l->stop;
}

static int count_row(const struct store_list_row *row, void *userdata)
{
	unsigned int *count = userdata;

	(void)row;
	++*count;
	return 0;
}

static unsigned int count_rows(struct store *s)
{
	unsigned int count = 0;

	assert_int_equal(store_list_each(s, count_row, &count, NULL), 0);
	return count;
}

static void rows_come_back_in_order_and_whole_after_a_new_start(void **state)
{
	struct fixture *x = *state;
	struct store_list_row row;
	struct listing l = {0};

	open_again(x);
	assert_int_equal(put(x->store, "2001:db8::/32", 77), 0);
	assert_int_equal(put(x->store, "198.18.0.1", STORE_FOREVER), 0);
	row = row_of("198.18.0.0/15", STORE_TIME_NS_MAX);
	row.reason = "qu'ote; DROP TABLE list_entry; \xc3\xa9";
	row.added_by = "";
	assert_int_equal(store_list_put(x->store, &row, NULL), 0);
	row.kind = 0;
	row.until_real_ns = 0;
	row.reason = "zero";
	assert_int_equal(store_list_put(x->store, &row, NULL), 0);
	open_again(x);
	assert_int_equal(store_list_each(x->store, note_row, &l, NULL), 0);
	assert_string_equal(l.text, "0 198.18.0.0/15 0 5 'zero' ''\n"
				    "1 198.18.0.0/15 9223372036854775807 5 "
				    "'qu'ote; DROP TABLE list_entry; \xc3\xa9' ''\n"
				    "1 198.18.0.1 18446744073709551615 5 'scans' 'uid 0'\n"
				    "1 2001:db8::/32 77 5 'scans' 'uid 0'\n");
}

static void a_put_of_the_same_key_replaces(void **state)
{
	struct fixture *x = *state;
	struct listing l = {0};

	open_again(x);
	assert_int_equal(put(x->store, "198.18.0.1", 1000), 0);
	assert_int_equal(put(x->store, "198.18.0.1", STORE_FOREVER), 0);
	assert_int_equal(put(x->store, "198.18.0.1", 3000), 0);
	assert_int_equal(store_list_each(x->store, note_row, &l, NULL), 0);
	assert_string_equal(l.text, "1 198.18.0.1 3000 5 'scans' 'uid 0'\n");
}

static void a_deleted_row_is_gone_and_a_second_delete_says_so(void **state)
{
	struct fixture *x = *state;
	struct store_list_row row = row_of("198.18.0.1", 1);
	struct fault f;

	open_again(x);
	assert_int_equal(put(x->store, "198.18.0.1", 1), 0);
	assert_int_equal(store_list_delete(x->store, 0, &row.prefix, &f), -ENOENT);
	assert_string_equal(f.code, "store.absent");
	assert_int_equal(store_list_delete(x->store, 1, &row.prefix, &f), 0);
	assert_int_equal(store_list_delete(x->store, 1, &row.prefix, &f), -ENOENT);
	assert_int_equal(count_rows(x->store), 0);
}

static void a_listing_ends_when_its_callback_says_so(void **state)
{
	struct fixture *x = *state;
	struct listing l = {.stop = -ECANCELED};

	open_again(x);
	assert_int_equal(put(x->store, "198.18.0.1", 1), 0);
	assert_int_equal(put(x->store, "198.18.0.2", 1), 0);
	assert_int_equal(store_list_each(x->store, note_row, &l, NULL), -ECANCELED);
	assert_string_equal(l.text, "1 198.18.0.1 1 5 'scans' 'uid 0'\n");
	/* And the store can be written again: the listing holds nothing. */
	assert_int_equal(put(x->store, "198.18.0.3", 1), 0);
	assert_int_equal(count_rows(x->store), 3);
}

static void a_group_takes_effect_as_a_whole_or_not_at_all(void **state)
{
	struct fixture *x = *state;

	open_again(x);
	assert_int_equal(store_begin(x->store, NULL), 0);
	assert_int_equal(put(x->store, "198.18.0.1", 1), 0);
	assert_int_equal(put(x->store, "198.18.0.2", 1), 0);
	store_rollback(x->store);
	assert_int_equal(count_rows(x->store), 0);
	assert_int_equal(store_begin(x->store, NULL), 0);
	assert_int_equal(put(x->store, "198.18.0.1", 1), 0);
	assert_int_equal(put(x->store, "198.18.0.2", 1), 0);
	assert_int_equal(store_commit(x->store, NULL), 0);
	store_rollback(x->store); /* has nothing to undo */
	open_again(x);
	assert_int_equal(count_rows(x->store), 2);
}

static void times_and_texts_beyond_their_limits_are_refused(void **state)
{
	struct fixture *x = *state;
	struct store_list_row row = row_of("198.18.0.1", (uint64_t)STORE_TIME_NS_MAX + 1);
	char text[STORE_TEXT_MAX + 2], back[STORE_TEXT_MAX + 1];
	struct fault f;

	open_again(x);
	assert_int_equal(store_list_put(x->store, &row, &f), -ERANGE);
	assert_string_equal(f.code, "store.time");
	row.until_real_ns = 1;
	row.added_ns = UINT64_MAX;
	assert_int_equal(store_list_put(x->store, &row, &f), -ERANGE);
	memset(text, 't', sizeof(text));
	text[STORE_TEXT_MAX + 1] = '\0';
	assert_int_equal(store_meta_put(x->store, "k", text, &f), -EMSGSIZE);
	assert_string_equal(f.code, "store.text");
	text[STORE_TEXT_MAX] = '\0';
	assert_int_equal(store_meta_put(x->store, "k", text, &f), 0);
	assert_int_equal(store_meta_get(x->store, "k", back, STORE_TEXT_MAX, &f), -ENOBUFS);
	assert_int_equal(store_meta_get(x->store, "k", back, sizeof(back), &f), 0);
	assert_string_equal(back, text);
	assert_int_equal(count_rows(x->store), 0);
}

static void facts_are_kept_by_name(void **state)
{
	struct fixture *x = *state;
	struct fault f;
	char value[16] = "untouched";

	open_again(x);
	assert_int_equal(store_meta_get(x->store, "boot", value, sizeof(value), &f), -ENOENT);
	assert_string_equal(f.code, "store.absent");
	assert_string_equal(value, "untouched");
	assert_int_equal(store_meta_put(x->store, "boot", "one", NULL), 0);
	assert_int_equal(store_meta_put(x->store, "boot", "two", NULL), 0);
	open_again(x);
	assert_int_equal(store_meta_get(x->store, "boot", value, sizeof(value), &f), 0);
	assert_string_equal(value, "two");
}

static void the_file_is_private_even_if_it_was_not(void **state)
{
	struct fixture *x = *state;
	struct stat st;

	open_again(x);
	assert_int_equal(stat(x->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	store_close(x->store);
	x->store = NULL;
	assert_int_equal(chmod(x->path, 0664), 0);
	open_again(x);
	assert_int_equal(stat(x->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void refused(struct fixture *x, int err, const char *code)
{
	struct fault f = {0};

	assert_int_equal(store_open(x->path, &x->store, &f), err);
	assert_null(x->store);
	assert_string_equal(f.code, code);
	assert_non_null(strstr(f.text, x->path));
}

static void a_symbolic_link_is_refused(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(symlink("elsewhere", x->path), 0);
	refused(x, -ELOOP, "store.path");
}

static void what_is_no_regular_file_is_refused(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(mkfifo(x->path, 0600), 0);
	refused(x, -EINVAL, "store.path");
}

static void a_file_of_somebody_else_is_refused(void **state)
{
	struct fixture *x = *state;

	if (geteuid() != 0) {
		print_message("skipped: only root can give a file away\n");
		skip();
	}
	open_again(x);
	store_close(x->store);
	x->store = NULL;
	assert_int_equal(chown(x->path, 65534, 65534), 0);
	refused(x, -EPERM, "store.path");
}

static void a_missing_directory_is_an_error_with_the_path(void **state)
{
	struct fixture *x = *state;

	snprintf(x->path, sizeof(x->path), "%s/none/weir.db", x->directory);
	refused(x, -ENOENT, "store.io");
}

static void make_foreign(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_database_of_another_program_is_refused(void **state)
{
	struct fixture *x = *state;

	make_foreign(x->path, "CREATE TABLE songs (title TEXT)");
	refused(x, -EINVAL, "store.foreign");
}

static void a_file_of_a_later_version_is_refused(void **state)
{
	struct fixture *x = *state;

	open_again(x);
	store_close(x->store);
	x->store = NULL;
	make_foreign(x->path, "PRAGMA user_version = 999");
	refused(x, -EPROTONOSUPPORT, "store.newer");
}

static void overwrite(const char *path, off_t offset, size_t length)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char junk[4096];

	memset(junk, 0x5a, sizeof(junk));
	assert_true(length <= sizeof(junk));
	assert_int_equal(pwrite(fd, junk, length, offset), (ssize_t)length);
}

static void a_file_that_is_no_database_is_called_damaged(void **state)
{
	struct fixture *x = *state;

	overwrite(x->path, 0, 4096);
	refused(x, -EUCLEAN, "store.damaged");
}

static void a_damaged_page_is_found_on_opening(void **state)
{
	struct fixture *x = *state;

	open_again(x);
	assert_int_equal(put(x->store, "198.18.0.1", 1), 0);
	store_close(x->store); /* writes the log back into the file */
	x->store = NULL;
	overwrite(x->path, 4096, 64); /* the head of the second page */
	refused(x, -EUCLEAN, "store.damaged");
}

static void what_was_acknowledged_survives_a_kill(void **state)
{
	struct fixture *x = *state;
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *s;

		if (store_open(x->path, &s, NULL) < 0 || put(s, "198.18.0.1", 1) < 0 ||
		    put(s, "198.18.0.2", 1) < 0 || store_begin(s, NULL) < 0 ||
		    put(s, "198.18.0.3", 1) < 0)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	open_again(x);
	assert_int_equal(count_rows(x->store), 2);
}

/* In a child with a mount namespace of its own. The exit status tells what happened. */
static int fill_disk(const struct fixture *x)
{
	char reason[STORE_TEXT_MAX + 1];
	struct store *s;
	struct store_list_row row;
	struct fault f;
	unsigned int count = 0, found = 0;
	int r = 0;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("weir", x->directory, "tmpfs", 0, "size=512k") < 0)
		return 77;
	if (store_open(x->path, &s, &f) < 0)
		return 2;
	memset(reason, 'r', sizeof(reason));
	reason[STORE_TEXT_MAX] = '\0';
	prefix_parse("198.18.0.0", &row.prefix);
	row = (struct store_list_row){.prefix = row.prefix, .reason = reason, .added_by = ""};
	for (; count < 1000 && r == 0; count += r == 0) {
		row.prefix.address[14] = (uint8_t)(count >> 8);
		row.prefix.address[15] = (uint8_t)count;
		r = store_list_put(s, &row, &f);
	}
	if (r != -ENOSPC || f.err != -ENOSPC || strcmp(f.code, "store.io") != 0)
		return 3;
	/* Still answers, and has lost nothing that it acknowledged. */
	if (store_list_each(s, count_row, &found, NULL) < 0 || found != count)
		return 4;
	store_close(s);
	if (store_open(x->path, &s, &f) < 0)
		return 5;
	found = 0;
	if (store_list_each(s, count_row, &found, NULL) < 0 || found != count)
		return 6;
	store_close(s);
	return 0;
}

static void a_full_disk_is_an_error_that_loses_nothing(void **state)
{
	struct fixture *x = *state;
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fill_disk(x));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: no mount namespace without privileges\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_store_that_another_process_writes_to_is_busy_not_stuck(void **state)
{
	struct fixture *x = *state;
	struct store_list_row row = row_of("198.18.0.1", 1);
	struct fault f;
	sqlite3 *other;

	open_again(x);
	assert_int_equal(sqlite3_open(x->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(store_list_put(x->store, &row, &f), -EBUSY);
	assert_string_equal(f.code, "store.io");
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	assert_int_equal(store_list_put(x->store, &row, &f), 0);
}

static int last_recovered(const struct store_list_row *row, void *userdata)
{
	*(bool *)userdata = row->recovered;
	return 0;
}

static void an_entry_that_was_recovered_stays_marked_and_older_files_have_none(void **state)
{
	struct fixture *x = *state;
	struct store_list_row row = row_of("198.18.0.1", 1);
	bool recovered = true;
	sqlite3 *other;

	/* As the first version left it. */
	assert_int_equal(sqlite3_open(x->path, &other), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(
			other,
			"CREATE TABLE list_entry (kind INTEGER NOT NULL,"
			" address BLOB NOT NULL, bits INTEGER NOT NULL, until_real_ns INTEGER,"
			" added_ns INTEGER NOT NULL, reason TEXT NOT NULL,"
			" added_by TEXT NOT NULL, PRIMARY KEY (kind, address, bits)"
			") STRICT, WITHOUT ROWID;"
			"CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
			" STRICT, WITHOUT ROWID;"
			"INSERT INTO list_entry VALUES (1, x'00000000000000000000ffffc6120001',"
			" 128, NULL, 1, 'scan', 'root');"
			"PRAGMA application_id = 0x77656972; PRAGMA user_version = 1",
			NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	open_again(x);
	assert_int_equal(store_list_each(x->store, last_recovered, &recovered, NULL), 0);
	assert_false(recovered);
	row.recovered = true;
	assert_int_equal(store_list_put(x->store, &row, NULL), 0);
	open_again(x);
	assert_int_equal(store_list_each(x->store, last_recovered, &recovered, NULL), 0);
	assert_true(recovered);
}

static void a_copy_is_whole_while_the_file_is_in_use(void **state)
{
	struct fixture *x = *state;
	struct store_list_row row = row_of("198.18.0.1", 1);
	char copy[80];
	uint64_t schema = 0;
	struct fault f;

	open_again(x);
	assert_int_equal(store_list_put(x->store, &row, NULL), 0);
	/* Begun and not committed: no part of it. */
	assert_int_equal(store_begin(x->store, NULL), 0);
	assert_int_equal(store_meta_put(x->store, "key", "value", NULL), 0);
	snprintf(copy, sizeof(copy), "%s.copy", x->path);
	assert_int_equal(store_snapshot(x->path, copy, &f), 0);
	assert_int_equal(store_commit(x->store, NULL), 0);
	assert_int_equal(store_check(copy, &schema, &f), 0);
	assert_int_equal(schema, store_schema());
	store_close(x->store);
	assert_int_equal(store_open(copy, &x->store, NULL), 0);
	assert_int_equal(store_meta_get(x->store, "key", copy, sizeof(copy), NULL), -ENOENT);
	assert_int_equal(store_list_delete(x->store, row.kind, &row.prefix, NULL), 0);
}

static void a_check_without_opening_says_what_is_wrong(void **state)
{
	struct fixture *x = *state;
	sqlite3 *other;
	uint64_t schema;
	struct fault f;

	assert_int_equal(store_check(x->path, &schema, &f), -EACCES); /* not there */
	assert_string_equal(f.code, "store.io");
	assert_int_equal(sqlite3_open(x->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "CREATE TABLE t (x)", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(store_check(x->path, &schema, &f), -EINVAL);
	assert_string_equal(f.code, "store.foreign");
	assert_int_equal(sqlite3_exec(other, "DROP TABLE t", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	open_again(x);
	store_close(x->store);
	x->store = NULL;
	assert_int_equal(store_check(x->path, &schema, &f), 0);
	assert_int_equal(sqlite3_open(x->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "PRAGMA user_version = 999", NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	assert_int_equal(store_check(x->path, &schema, &f), -EPROTONOSUPPORT);
	assert_string_equal(f.code, "store.newer");
}

static void what_is_set_aside_takes_its_log_with_it(void **state)
{
	struct fixture *x = *state;
	char name[96];
	struct fault f;
	FILE *file;

	open_again(x); /* has a write-ahead log */
	store_close(take_ptr(x->store));
	snprintf(name, sizeof(name), "%s-wal", x->path);
	file = fopen(name, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(store_set_aside(x->path, "aside", name, sizeof(name), &f), 0);
	assert_int_equal(access(name, F_OK), 0);
	strncat(name, "-wal", sizeof(name) - strlen(name) - 1);
	assert_int_equal(access(name, F_OK), 0);
	assert_int_not_equal(access(x->path, F_OK), 0);
	/* What is not there is no error. */
	assert_int_equal(store_set_aside(x->path, "again", name, sizeof(name), &f), 0);
	assert_int_equal(store_set_aside(x->path, "aside", name, 10, &f), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_come_back_in_order_and_whole_after_a_new_start),
		TEST(a_put_of_the_same_key_replaces),
		TEST(a_deleted_row_is_gone_and_a_second_delete_says_so),
		TEST(a_listing_ends_when_its_callback_says_so),
		TEST(a_group_takes_effect_as_a_whole_or_not_at_all),
		TEST(times_and_texts_beyond_their_limits_are_refused),
		TEST(facts_are_kept_by_name),
		TEST(the_file_is_private_even_if_it_was_not),
		TEST(a_symbolic_link_is_refused),
		TEST(what_is_no_regular_file_is_refused),
		TEST(a_file_of_somebody_else_is_refused),
		TEST(a_missing_directory_is_an_error_with_the_path),
		TEST(a_database_of_another_program_is_refused),
		TEST(a_file_of_a_later_version_is_refused),
		TEST(a_file_that_is_no_database_is_called_damaged),
		TEST(a_damaged_page_is_found_on_opening),
		TEST(what_was_acknowledged_survives_a_kill),
		TEST(a_full_disk_is_an_error_that_loses_nothing),
		TEST(a_store_that_another_process_writes_to_is_busy_not_stuck),
		TEST(an_entry_that_was_recovered_stays_marked_and_older_files_have_none),
		TEST(a_copy_is_whole_while_the_file_is_in_use),
		TEST(a_check_without_opening_says_what_is_wrong),
		TEST(what_is_set_aside_takes_its_log_with_it),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
