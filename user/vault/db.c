/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "vault/db.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fault_point.h"

#define BUSY_MS	      2000 /* how long a reader or a backup may hold us up */
#define CHECKED_BYTES (64ULL << 20)

/* Each leads from the version that is its index to the next. Append only. */
static const char *const migrations[] = {
	"CREATE TABLE subject ("
	" id INTEGER PRIMARY KEY," /* random */
	" kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 255),"
	" token BLOB NOT NULL UNIQUE CHECK (length(token) = 16),"
	" narrow BLOB CHECK (length(narrow) = 16)," /* of its /24 or /64 */
	" wide BLOB CHECK (length(wide) = 16),"	    /* of its /16 or /48 */
	" salt BLOB NOT NULL CHECK (length(salt) = 32),"
	" value BLOB NOT NULL,"
	" created_ns INTEGER NOT NULL"
	") STRICT;"
	"CREATE INDEX subject_narrow ON subject (narrow) WHERE narrow IS NOT NULL;"
	"CREATE INDEX subject_wide ON subject (wide) WHERE wide IS NOT NULL;"
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;",
};

#define COLUMNS "id, kind, token, narrow, wide, salt, value, created_ns"

static const char *const texts[] = {
	[DB_BEGIN] = "BEGIN IMMEDIATE",
	[DB_COMMIT] = "COMMIT",
	[DB_PUT] = "INSERT INTO subject (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[DB_BY_TOKEN] = "SELECT " COLUMNS " FROM subject WHERE token = ?1",
	[DB_BY_ID] = "SELECT " COLUMNS " FROM subject WHERE id = ?1",
	[DB_BY_NARROW] = "SELECT " COLUMNS " FROM subject WHERE narrow = ?1",
	[DB_BY_WIDE] = "SELECT " COLUMNS " FROM subject WHERE wide = ?1",
	[DB_EACH] = "SELECT " COLUMNS " FROM subject WHERE id > ?1 ORDER BY id LIMIT ?2",
	[DB_COUNT] = "SELECT count(*) FROM subject",
	[DB_DELETE] = "DELETE FROM subject WHERE id = ?1",
	[DB_META_PUT] = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
	[DB_META_GET] = "SELECT value FROM meta WHERE key = ?1",
};
_Static_assert(ARRAY_SIZE(texts) == DB_STATEMENT_MAX, "a statement has no text");

static int db_fault(struct db *d, int rc, struct fault *reterr)
{
	int err = -EIO, primary = rc & 0xff;

	if (!d->sqlite || primary == SQLITE_NOMEM)
		return fault(reterr, -ENOMEM, "vault.io", "%.200s: no memory", d->path);
	if (primary == SQLITE_FULL || sqlite3_system_errno(d->sqlite) == ENOSPC)
		err = -ENOSPC;
	if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
		err = -EBUSY;
	if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
		err = -EUCLEAN;
	if (primary == SQLITE_READONLY || primary == SQLITE_PERM)
		err = -EROFS;
	return fault(reterr, err, err == -EUCLEAN ? "vault.damaged" : "vault.io", "%.200s: %s",
		     d->path, err == -ENOSPC ? strerror(ENOSPC) : sqlite3_errmsg(d->sqlite));
}

static int execute(struct db *d, const char *sql, struct fault *reterr)
{
	int rc = sqlite3_exec(d->sqlite, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_fault(d, rc, reterr);
}

/* The first column of the first row, as text. */
static int query(struct db *d, const char *sql, char *ret, size_t size, struct fault *reterr)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(d->sqlite, sql, -1, &s, NULL), r = 0;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		snprintf(ret, size, "%s", (const char *)sqlite3_column_text(s, 0) ?: "");
	else
		r = db_fault(d, rc, reterr);
	sqlite3_finalize(s);
	return r;
}

/* Ours alone, before SQLite puts anything into it. */
static int file_check(const char *path, bool read_only, struct fault *reterr)
{
	int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (read_only ? O_RDONLY : O_RDWR | O_CREAT);
	_cleanup_close_ int fd = open(path, flags, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fault(reterr, -errno, "vault.io", "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && !read_only) || st.st_mode & 022)
		return fault(reterr, -EPERM, "vault.io",
			     "%s must be a regular file of ours that nobody else may write to",
			     path);
	return 0;
}

static int migrate(struct db *d, bool read_only, struct fault *reterr)
{
	char answer[128];
	uint64_t version, application;
	int r = query(d, "PRAGMA user_version", answer, sizeof(answer), reterr);

	if (r < 0)
		return r;
	if (parse_u64(answer, 0, ARRAY_SIZE(migrations), &version) < 0)
		return fault(reterr, -EPROTONOSUPPORT, "vault.newer",
			     "%s has version %s; this weir knows up to %zu", d->path, answer,
			     ARRAY_SIZE(migrations));
	r = query(d, "PRAGMA application_id", answer, sizeof(answer), reterr);
	if (r < 0)
		return r;
	if (parse_u64(answer, 0, UINT32_MAX, &application) < 0 ||
	    (application != VAULT_APPLICATION_ID && (version || application)))
		return fault(reterr, -EINVAL, "vault.foreign", "%s is no vault of weir", d->path);
	if (read_only && version < ARRAY_SIZE(migrations))
		return fault(reterr, -ENOENT, "vault.io", "%s: there is no vault in it yet",
			     d->path);
	for (; version < ARRAY_SIZE(migrations); version++) {
		char sql[96];

		snprintf(sql, sizeof(sql),
			 "PRAGMA application_id = %d; PRAGMA user_version = %zu; COMMIT",
			 VAULT_APPLICATION_ID, (size_t)version + 1);
		r = execute(d, "BEGIN IMMEDIATE", reterr);
		if (r == 0)
			r = execute(d, migrations[version], reterr);
		if (r == 0)
			r = execute(d, sql, reterr);
		if (r < 0) {
			db_rollback(d);
			return r;
		}
	}
	return 0;
}

/* Each page, where that takes a fraction of a second; what is read is checked in any case. */
static int integrity_check(struct db *d, struct fault *reterr)
{
	char answer[256] = "ok";
	struct stat st;
	int r = 0;

	if (stat(d->path, &st) == 0 && (uint64_t)st.st_size <= CHECKED_BYTES)
		r = query(d, "PRAGMA quick_check(1)", answer, sizeof(answer), reterr);
	if (r == 0 && strcmp(answer, "ok") != 0)
		r = fault(reterr, -EUCLEAN, "vault.damaged", "%.200s: %.200s", d->path, answer);
	return r;
}

static int prepare(struct db *d, struct fault *reterr)
{
	for (size_t i = 0; i < DB_STATEMENT_MAX; i++) {
		int rc = sqlite3_prepare_v3(d->sqlite, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
					    &d->statements[i], NULL);

		if (rc != SQLITE_OK)
			return db_fault(d, rc, reterr);
	}
	return 0;
}

int db_open(struct db *d, const char *path, bool read_only, bool check, struct fault *reterr)
{
	int rc, r = file_check(path, read_only, reterr);

	*d = (struct db){0};
	snprintf(d->path, sizeof(d->path), "%s", path);
	if (r < 0)
		return r;
	/* To read a database in WAL mode takes files beside it, which a read-only connection makes only where it
	 * may write. */
	rc = sqlite3_open_v2(path, &d->sqlite,
			     (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
				     SQLITE_OPEN_NOMUTEX,
			     NULL);
	if (rc != SQLITE_OK)
		return db_fault(d, rc, reterr);
	sqlite3_extended_result_codes(d->sqlite, 1);
	sqlite3_busy_timeout(d->sqlite, BUSY_MS);
	sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	r = check ? integrity_check(d, reterr) : 0;
	if (r == 0 && !read_only)
		r = execute(d,
			    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			    "PRAGMA secure_delete = ON",
			    reterr);
	if (r == 0)
		r = migrate(d, read_only, reterr);
	/* Who died in the midst of erasing left the row in the log. A reader or a full disk may hold that up: then the
	 * next erasure does it. */
	if (r == 0 && !read_only)
		db_forget(d, NULL);
	return r < 0 ? r : prepare(d, reterr);
}

void db_close(struct db *d)
{
	for (size_t i = 0; i < DB_STATEMENT_MAX; i++)
		sqlite3_finalize(d->statements[i]);
	sqlite3_close(d->sqlite);
	*d = (struct db){0};
}

void db_reset(struct db *d, enum db_statement which)
{
	sqlite3_reset(d->statements[which]);
	sqlite3_clear_bindings(d->statements[which]);
}

static int run(struct db *d, enum db_statement which, struct fault *reterr)
{
	int rc = fault_point(NULL, "vault.step") < 0 ? SQLITE_IOERR
						     : sqlite3_step(d->statements[which]);
	int r = rc == SQLITE_DONE ? 0 : db_fault(d, rc, reterr);

	db_reset(d, which);
	return r;
}

int db_begin(struct db *d, struct fault *reterr)
{
	return run(d, DB_BEGIN, reterr);
}

int db_commit(struct db *d, struct fault *reterr)
{
	int r = run(d, DB_COMMIT, reterr);

	if (r < 0)
		db_rollback(d);
	return r;
}

void db_rollback(struct db *d)
{
	if (d->sqlite && !sqlite3_get_autocommit(d->sqlite))
		execute(d, "ROLLBACK", NULL);
}

static void bind_blob(sqlite3_stmt *s, int column, const void *data, size_t length, int *rc)
{
	if (*rc == SQLITE_OK)
		*rc = sqlite3_bind_blob64(s, column, data, length, SQLITE_STATIC);
}

static void bind_number(sqlite3_stmt *s, int column, uint64_t number, int *rc)
{
	if (*rc == SQLITE_OK)
		*rc = sqlite3_bind_int64(s, column, (int64_t)number);
}

int db_put(struct db *d, const struct db_row *row, struct fault *reterr)
{
	sqlite3_stmt *s = d->statements[DB_PUT];
	int rc = SQLITE_OK;

	bind_number(s, 1, row->id, &rc);
	bind_number(s, 2, row->kind, &rc);
	bind_blob(s, 3, row->token, sizeof(row->token), &rc);
	if (row->has_narrow)
		bind_blob(s, 4, row->narrow, sizeof(row->narrow), &rc);
	if (row->has_wide)
		bind_blob(s, 5, row->wide, sizeof(row->wide), &rc);
	bind_blob(s, 6, row->salt, sizeof(row->salt), &rc);
	bind_blob(s, 7, row->sealed, row->length, &rc);
	bind_number(s, 8, row->created_ns, &rc);
	if (rc != SQLITE_OK) {
		db_reset(d, DB_PUT);
		return db_fault(d, rc, reterr);
	}
	return run(d, DB_PUT, reterr);
}

int db_delete(struct db *d, uint64_t id, bool *ret_found, struct fault *reterr)
{
	int rc = SQLITE_OK, r;

	bind_number(d->statements[DB_DELETE], 1, id, &rc);
	r = rc == SQLITE_OK ? run(d, DB_DELETE, reterr) : db_fault(d, rc, reterr);
	*ret_found = r == 0 && sqlite3_changes(d->sqlite) > 0;
	return r;
}

/* SQLite cuts the file and leaves it at that: without this a power cut brings back what was in it. */
static int sync_log(struct db *d, struct fault *reterr)
{
	char path[sizeof(d->path) + 8];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s-wal", d->path);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	return fd < 0 || fsync(fd) < 0 ? fault(reterr, -errno, "vault.io", "cannot sync %.200s: %s",
					       path, strerror(errno))
				       : 0;
}

int db_forget(struct db *d, struct fault *reterr)
{
	int rc = sqlite3_wal_checkpoint_v2(d->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	return rc == SQLITE_OK ? sync_log(d, reterr) : db_fault(d, rc, reterr);
}

/* A blob of a known size; @ret stays as it is otherwise. */
static bool column_bytes(sqlite3_stmt *s, int column, void *ret, size_t size)
{
	const void *data = sqlite3_column_blob(s, column);

	if (!data || (size_t)sqlite3_column_bytes(s, column) != size)
		return false;
	memcpy(ret, data, size);
	return true;
}

static int step_row(struct db *d, enum db_statement which, struct db_row *ret, struct fault *reterr)
{
	sqlite3_stmt *s = d->statements[which];
	int rc = sqlite3_step(s);

	if (rc == SQLITE_DONE)
		return 0;
	if (rc != SQLITE_ROW)
		return db_fault(d, rc, reterr);
	*ret = (struct db_row){
		.id = (uint64_t)sqlite3_column_int64(s, 0),
		.kind = (enum field_kind)sqlite3_column_int(s, 1),
		.sealed = sqlite3_column_blob(s, 6),
		.length = (size_t)sqlite3_column_bytes(s, 6),
		.created_ns = (uint64_t)sqlite3_column_int64(s, 7),
	};
	ret->has_narrow = column_bytes(s, 3, ret->narrow, sizeof(ret->narrow));
	ret->has_wide = column_bytes(s, 4, ret->wide, sizeof(ret->wide));
	if (ret->kind >= AUDIT_FIELD_KIND_MAX ||
	    !column_bytes(s, 2, ret->token, sizeof(ret->token)) ||
	    !column_bytes(s, 5, ret->salt, sizeof(ret->salt)) || !ret->sealed ||
	    ret->length < CRYPTO_TAG || ret->length > VAULT_VALUE_MAX + CRYPTO_TAG)
		return fault(reterr, -EUCLEAN, "vault.damaged", "%.200s: a row is damaged",
			     d->path);
	return 1;
}

static int one_row(struct db *d, enum db_statement which, struct db_row *ret, struct fault *reterr)
{
	int r = step_row(d, which, ret, reterr);

	if (r == 1)
		return 0;
	db_reset(d, which);
	return r < 0 ? r : -ENOENT;
}

int db_by_token(struct db *d, const uint8_t token[static CRYPTO_TOKEN], struct db_row *ret,
		struct fault *reterr)
{
	int r = db_each_begin(d, DB_BY_TOKEN, token, reterr);

	return r < 0 ? r : one_row(d, DB_BY_TOKEN, ret, reterr);
}

int db_by_id(struct db *d, uint64_t id, struct db_row *ret, struct fault *reterr)
{
	int rc = SQLITE_OK;

	bind_number(d->statements[DB_BY_ID], 1, id, &rc);
	return rc == SQLITE_OK ? one_row(d, DB_BY_ID, ret, reterr) : db_fault(d, rc, reterr);
}

int db_each_begin(struct db *d, enum db_statement which, const uint8_t *token, struct fault *reterr)
{
	int rc = SQLITE_OK;

	if (token && rc == SQLITE_OK)
		rc = sqlite3_bind_blob64(d->statements[which], 1, token, CRYPTO_TOKEN,
					 SQLITE_TRANSIENT);
	return rc == SQLITE_OK ? 0 : db_fault(d, rc, reterr);
}

int db_each_page(struct db *d, int64_t after, unsigned int limit, struct fault *reterr)
{
	int rc = sqlite3_bind_int64(d->statements[DB_EACH], 1, after);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(d->statements[DB_EACH], 2, limit);
	return rc == SQLITE_OK ? 0 : db_fault(d, rc, reterr);
}

int db_each_next(struct db *d, enum db_statement which, struct db_row *ret, struct fault *reterr)
{
	return step_row(d, which, ret, reterr);
}

int db_count(struct db *d, uint64_t *ret, struct fault *reterr)
{
	sqlite3_stmt *s = d->statements[DB_COUNT];
	int rc = sqlite3_step(s);

	if (rc == SQLITE_ROW)
		*ret = (uint64_t)sqlite3_column_int64(s, 0);
	db_reset(d, DB_COUNT);
	return rc == SQLITE_ROW ? 0 : db_fault(d, rc, reterr);
}

int db_meta_put(struct db *d, const char *key, const void *value, size_t length,
		struct fault *reterr)
{
	sqlite3_stmt *s = d->statements[DB_META_PUT];
	int rc = sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);

	bind_blob(s, 2, value, length, &rc);
	return rc == SQLITE_OK ? run(d, DB_META_PUT, reterr) : db_fault(d, rc, reterr);
}

int db_meta_get(struct db *d, const char *key, void *ret, size_t length, struct fault *reterr)
{
	sqlite3_stmt *s = d->statements[DB_META_GET];
	int rc = sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC), r = 0;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_DONE)
		r = -ENOENT;
	else if (rc != SQLITE_ROW)
		r = db_fault(d, rc, reterr);
	else if (!column_bytes(s, 0, ret, length))
		r = fault(reterr, -EUCLEAN, "vault.damaged", "%.200s: '%s' is damaged", d->path,
			  key);
	db_reset(d, DB_META_GET);
	return r;
}
