/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fail2ban's database, which may be in use: the bans in force are in "bips", and in "bans" of older versions, which keep
 * the history there. It is only read, and nothing in it is run but two queries of ours: a view or an index of somebody
 * else's making cannot keep us.
 */
#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "import/fail2ban.h"

#define STEPS_MAX 20000 /* of STEP_SIZE instructions of SQLite */
#define STEP_SIZE 100000
#define VALUE_MAX (1 << 20) /* bytes */
#define BUSY_MS	  2000

static const char magic[] = "SQLite format 3";

static const char *const queries[] = {
	"SELECT ip, jail, timeofban, bantime, rowid FROM bips",
	"SELECT ip, jail, timeofban, bantime, rowid FROM bans",
};

static void closep(sqlite3 **db)
{
	sqlite3_close(*db);
}

static void finalizep(sqlite3_stmt **statement)
{
	sqlite3_finalize(*statement);
}

bool import_is_database(const char *text, size_t length)
{
	return length >= sizeof(magic) && memcmp(text, magic, sizeof(magic)) == 0;
}

static int db_fault(sqlite3 *db, const char *path, struct fault *reterr)
{
	return fault(reterr, -EIO, "import.database", "%.300s: %s", path,
		     db ? sqlite3_errmsg(db) : "out of memory");
}

/* Ends a query that takes too long. */
static int count_steps(void *userdata)
{
	unsigned int *steps = userdata;

	return ++*steps > STEPS_MAX;
}

static int open_database(const char *path, unsigned int *steps, sqlite3 **ret, struct fault *reterr)
{
	_cleanup_(closep) sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc != SQLITE_OK)
		return db_fault(db, path, reterr);
	sqlite3_busy_timeout(db, BUSY_MS);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	sqlite3_progress_handler(db, STEP_SIZE, count_steps, steps);
	*ret = take_ptr(db);
	return 0;
}

static void read_row(struct import *i, sqlite3_stmt *row)
{
	const char *ip, *jail;
	int64_t since, seconds, until;
	struct place_in place;
	char name[32];

	snprintf(name, sizeof(name), "row %lld", (long long)sqlite3_column_int64(row, 4));
	place = (struct place_in){.name = name};
	if (sqlite3_column_type(row, 0) != SQLITE_TEXT ||
	    sqlite3_column_type(row, 2) != SQLITE_INTEGER ||
	    sqlite3_column_type(row, 3) != SQLITE_INTEGER) {
		import_note(i, IMPORT_SKIPPED, &place, "", 0, "it is no ban as fail2ban keeps one");
		return;
	}
	ip = (const char *)sqlite3_column_text(row, 0) ?: "";
	jail = (const char *)sqlite3_column_text(row, 1) ?: "";
	since = sqlite3_column_int64(row, 2);
	seconds = sqlite3_column_int64(row, 3);
	if (seconds < 0 || __builtin_add_overflow(since, seconds, &until))
		until = INT64_MAX;
	/* The history is not worth a note. */
	if (until > i->now)
		fail2ban_add(i, ip, strlen(ip), jail, until, &place);
}

int import_database(struct import *i, const char *path, struct fault *reterr)
{
	_cleanup_(closep) sqlite3 *db = NULL;
	_cleanup_(finalizep) sqlite3_stmt *rows = NULL;
	unsigned int steps = 0;
	int rc = SQLITE_ERROR, r = open_database(path, &steps, &db, reterr);

	if (r < 0)
		return r;
	for (size_t n = 0; n < ARRAY_SIZE(queries) && rc == SQLITE_ERROR; n++)
		rc = sqlite3_prepare_v2(db, queries[n], -1, &rows, NULL);
	if (rc == SQLITE_ERROR)
		return fault(
			reterr, -EINVAL, "import.database",
			"%.300s: it has no table of bans with their duration, as fail2ban 0.11 and later "
			"keep",
			path);
	if (rc != SQLITE_OK)
		return db_fault(db, path, reterr);
	while (!i->error && (rc = sqlite3_step(rows)) == SQLITE_ROW)
		read_row(i, rows);
	if (!i->error && rc == SQLITE_INTERRUPT)
		return fault(reterr, -EINVAL, "import.database",
			     "%.300s: reading it takes too long for a database of fail2ban", path);
	if (!i->error && rc != SQLITE_DONE)
		return db_fault(db, path, reterr);
	import_tidy(i);
	fail2ban_say_reach(i);
	return import_end(i, reterr);
}
