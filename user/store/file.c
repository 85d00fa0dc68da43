/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The file as a whole, also while a daemon uses it: is it sound, and one consistent copy of it. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "store/internal.h"

#define SNAPSHOT_PAGES 256 /* at a time: a daemon that writes waits no longer than for so many */
#define SNAPSHOT_TRIES 200
#define SNAPSHOT_PAUSE 10 /* ms */

static void sqlite3_closep(sqlite3 **db)
{
	sqlite3_close(*db);
}

static int db_fault(sqlite3 *db, const char *path, int rc, struct fault *reterr)
{
	struct store s = {.db = db};
	char name[256];

	if (!db)
		return store_no_memory(path, reterr);
	snprintf(name, sizeof(name), "%s", path);
	s.path = name;
	return store_fault(&s, rc, reterr);
}

static int open_file(const char *path, int flags, sqlite3 **ret, struct fault *reterr)
{
	_cleanup_(sqlite3_closep) sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc != SQLITE_OK)
		return db_fault(db, path, rc, reterr);
	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_timeout(db, 1000);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	*ret = take_ptr(db);
	return 0;
}

int store_snapshot(const char *path, const char *copy, struct fault *reterr)
{
	_cleanup_(sqlite3_closep) sqlite3 *from = NULL, *to = NULL;
	sqlite3_backup *backup;
	int rc, tries = 0;
	int r = open_file(path, SQLITE_OPEN_READWRITE, &from, reterr);

	if (r == 0)
		r = open_file(copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &to, reterr);
	if (r < 0)
		return r;
	backup = sqlite3_backup_init(to, "main", from, "main");
	if (!backup)
		return db_fault(to, copy, sqlite3_errcode(to), reterr);
	do {
		rc = sqlite3_backup_step(backup, SNAPSHOT_PAGES);
		if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
			sqlite3_sleep(SNAPSHOT_PAUSE);
	} while (rc == SQLITE_OK ||
		 ((rc == SQLITE_BUSY || rc == SQLITE_LOCKED) && tries++ < SNAPSHOT_TRIES));
	sqlite3_backup_finish(backup);
	if (rc != SQLITE_DONE)
		return db_fault(to, copy, rc, reterr);
	/* One file that holds everything, without a log beside it. */
	rc = sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : db_fault(to, copy, rc, reterr);
}

static int pragma(sqlite3 *db, const char *path, const char *sql, char *ret, size_t size,
		  struct fault *reterr)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL), r = 0;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		snprintf(ret, size, "%s", (const char *)sqlite3_column_text(statement, 0) ?: "");
	else
		r = db_fault(db, path, rc, reterr);
	sqlite3_finalize(statement);
	return r;
}

int store_check(const char *path, uint64_t *ret_schema, struct fault *reterr)
{
	_cleanup_(sqlite3_closep) sqlite3 *db = NULL;
	uint64_t number;
	char answer[256];
	int r = open_file(path, SQLITE_OPEN_READONLY, &db, reterr);

	if (r == 0)
		r = pragma(db, path, "PRAGMA application_id", answer, sizeof(answer), reterr);
	if (r < 0)
		return r;
	if (parse_u64(answer, 0, UINT64_MAX, &number) < 0 || number != STORE_APPLICATION_ID)
		return fault(reterr, -EINVAL, "store.foreign", "%s is no database of weir", path);
	r = pragma(db, path, "PRAGMA integrity_check(1)", answer, sizeof(answer), reterr);
	if (r < 0)
		return r;
	if (strcmp(answer, "ok") != 0)
		return fault(reterr, -EUCLEAN, "store.damaged", "%s: %s", path, answer);
	r = pragma(db, path, "PRAGMA user_version", answer, sizeof(answer), reterr);
	if (r < 0)
		return r;
	if (parse_u64(answer, 0, store_schema(), &number) < 0)
		return fault(reterr, -EPROTONOSUPPORT, "store.newer",
			     "%s has schema version %s; this weir knows up to %zu", path, answer,
			     store_schema());
	*ret_schema = number;
	return 0;
}

int store_set_aside(const char *path, const char *suffix, char *ret, size_t size,
		    struct fault *reterr)
{
	static const char *const parts[] = {"-wal", "-shm", ""};
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		char from[4096], to[4096];

		if ((size_t)snprintf(from, sizeof(from), "%s%s", path, parts[i]) >= sizeof(from) ||
		    (size_t)snprintf(to, sizeof(to), "%s.%s%s", path, suffix, parts[i]) >=
			    sizeof(to) ||
		    strlen(to) >= size)
			return fault(reterr, -ENAMETOOLONG, "store.io", "%s is too long a path",
				     path);
		if (lstat(from, &st) < 0 && errno == ENOENT)
			continue;
		if (rename(from, to) < 0)
			return fault(reterr, -errno, "store.io", "cannot rename %s to %s: %s", from,
				     to, strerror(errno));
	}
	snprintf(ret, size, "%s.%s", path, suffix);
	return 0;
}
