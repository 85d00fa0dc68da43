/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The file as a whole, without a key: one consistent copy of it, and rows out of it. */
#include <errno.h>
#include <string.h>

#include "vault/internal.h"

#define SNAPSHOT_PAGES 256 /* at a time: a daemon that writes waits no longer than for so many */
#define SNAPSHOT_TRIES 200
#define SNAPSHOT_PAUSE 10 /* ms */

static void db_closep(struct db *d)
{
	db_close(d);
}

static int copy_pages(sqlite3 *to, sqlite3 *from)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
	int rc, tries = 0;

	if (!backup)
		return sqlite3_errcode(to);
	do {
		rc = sqlite3_backup_step(backup, SNAPSHOT_PAGES);
		if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
			sqlite3_sleep(SNAPSHOT_PAUSE);
	} while (rc == SQLITE_OK ||
		 ((rc == SQLITE_BUSY || rc == SQLITE_LOCKED) && tries++ < SNAPSHOT_TRIES));
	sqlite3_backup_finish(backup);
	return rc == SQLITE_DONE
		       ? sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL)
		       : rc;
}

int vault_file_snapshot(const char *path, const char *copy, struct fault *reterr)
{
	_cleanup_(db_closep) struct db from = {0};
	sqlite3 *to = NULL;
	int rc, r = db_open(&from, path, true, false, reterr);

	if (r < 0)
		return r;
	rc = sqlite3_open_v2(copy, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	if (rc == SQLITE_OK)
		rc = copy_pages(to, from.sqlite);
	if (rc != SQLITE_OK)
		r = fault(reterr, rc == SQLITE_FULL ? -ENOSPC : -EIO, "vault.io",
			  "cannot copy %.200s: %s", path, sqlite3_errstr(rc));
	sqlite3_close(to);
	return r;
}

int vault_file_erase(const char *path, const uint64_t *ids, size_t count, size_t *ret_erased,
		     struct fault *reterr)
{
	_cleanup_(db_closep) struct db d = {0};
	size_t erased = 0;
	int r = db_open(&d, path, false, true, reterr);

	if (r == 0)
		r = db_begin(&d, reterr);
	for (size_t i = 0; i < count && r == 0; i++) {
		bool found = false;

		r = db_delete(&d, ids[i], &found, reterr);
		erased += found;
	}
	r = r ?: db_commit(&d, reterr);
	r = r ?: db_forget(&d, reterr);
	if (r == 0)
		*ret_erased = erased;
	return r;
}
