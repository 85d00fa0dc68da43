/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What flags were set to, on a real file: it comes back whole, and a file from before flags gets the table. */
#include "test_store.h"

#include <sqlite3.h>

static const struct store_flag_row whole = {
	.name = "strict",
	.enabled = 1,
	.permille = 125,
	.sources = "10.0.0.0/8 2001:db8::/32",
	.tenants = "",
	.until_real_ns = 99,
	.set_ns = 7,
	.reason = "qu'ote; \xc3\xa9",
	.set_by = "alice",
};

static int note_row(const struct store_flag_row *row, void *userdata)
{
	char *text = userdata;

	snprintf(text + strlen(text), 1024 - strlen(text),
		 "%s %d %d '%s' '%s' %llu %llu '%s' '%s'\n", row->name, row->enabled, row->permille,
		 row->sources ?: "-", row->tenants ?: "-", (unsigned long long)row->until_real_ns,
		 (unsigned long long)row->set_ns, row->reason, row->set_by);
	return 0;
}

static void assert_rows(struct store *s, const char *wanted)
{
	char text[1024] = "";

	assert_int_equal(store_flag_each(s, note_row, text, NULL), 0);
	assert_string_equal(text, wanted);
}

static void what_was_set_comes_back_and_what_was_not_does_not(void **state)
{
	struct fixture *x = *state;
	const struct store_flag_row bare = {.name = "bare",
					    .enabled = -1,
					    .permille = -1,
					    .until_real_ns = STORE_FOREVER,
					    .reason = "",
					    .set_by = ""};

	open_again(x);
	assert_int_equal(store_flag_put(x->store, &whole, NULL), 0);
	assert_int_equal(store_flag_put(x->store, &bare, NULL), 0);
	open_again(x);
	assert_rows(x->store, "bare -1 -1 '-' '-' 18446744073709551615 0 '' ''\n"
			      "strict 1 125 '10.0.0.0/8 2001:db8::/32' '' 99 7 "
			      "'qu'ote; \xc3\xa9' 'alice'\n");
}

static void a_put_replaces_and_a_delete_removes(void **state)
{
	struct fixture *x = *state;
	struct store_flag_row row = whole;
	struct fault f;

	open_again(x);
	assert_int_equal(store_flag_put(x->store, &row, NULL), 0);
	row.enabled = 0;
	row.sources = NULL;
	row.until_real_ns = STORE_FOREVER;
	assert_int_equal(store_flag_put(x->store, &row, NULL), 0);
	assert_rows(x->store, "strict 0 125 '-' '' 18446744073709551615 7 'qu'ote; \xc3\xa9' "
			      "'alice'\n");
	assert_int_equal(store_flag_delete(x->store, "other", &f), -ENOENT);
	assert_string_equal(f.code, "store.absent");
	assert_int_equal(store_flag_delete(x->store, "strict", &f), 0);
	assert_rows(x->store, "");
}

static void times_and_texts_beyond_their_limits_are_refused(void **state)
{
	struct fixture *x = *state;
	struct store_flag_row row = whole;
	char text[STORE_TEXT_MAX + 2];
	struct fault f;

	open_again(x);
	memset(text, 'a', sizeof(text));
	text[STORE_TEXT_MAX] = '\0';
	row.sources = text;
	assert_int_equal(store_flag_put(x->store, &row, &f), 0);
	text[STORE_TEXT_MAX] = 'a';
	text[STORE_TEXT_MAX + 1] = '\0';
	assert_int_equal(store_flag_put(x->store, &row, &f), -EMSGSIZE);
	row = whole;
	row.set_ns = STORE_TIME_NS_MAX + 1ULL;
	assert_int_equal(store_flag_put(x->store, &row, &f), -ERANGE);
	row = whole;
	row.permille = 1001;
	assert_int_equal(store_flag_put(x->store, &row, &f), -EINVAL);
}

/* As the first version made it. */
static void a_file_from_before_flags_gets_the_table(void **state)
{
	struct fixture *x = *state;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(x->path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(
			db,
			"CREATE TABLE list_entry (kind INTEGER NOT NULL, address BLOB NOT NULL, "
			"bits INTEGER NOT NULL, until_real_ns INTEGER, added_ns INTEGER NOT NULL, "
			"reason TEXT NOT NULL, added_by TEXT NOT NULL, PRIMARY KEY (kind, "
			"address, bits)) STRICT, WITHOUT ROWID;"
			"CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, "
			"WITHOUT ROWID;"
			"INSERT INTO meta VALUES ('a', 'b');"
			"PRAGMA application_id = 0x77656972; PRAGMA user_version = 1",
			NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	open_again(x);
	assert_int_equal(store_flag_put(x->store, &whole, NULL), 0);
	assert_int_equal(store_meta_get(x->store, "a", (char[8]){0}, 8, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_set_comes_back_and_what_was_not_does_not),
		TEST(a_put_replaces_and_a_delete_removes),
		TEST(times_and_texts_beyond_their_limits_are_refused),
		TEST(a_file_from_before_flags_gets_the_table),
	};

	return cmocka_run_group_tests_name("store_flags", tests, NULL, NULL);
}
