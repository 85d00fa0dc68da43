/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SQLite with a write-ahead log. synchronous=FULL makes each commit wait for the disk: a ban that was
 * acknowledged survives loss of power. Statements are prepared once; each call runs one of them and
 * leaves it reset, whatever happened.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fault_point.h"
#include "store/internal.h"

#define BUSY_MS 1000 /* how long a backup or a curious sqlite3 may hold us up */

/* Each migration leads from the schema version that is its index to the next. Append only: files of
 * every version are out there. */
static const char *const migrations[] = {
	"CREATE TABLE list_entry ("
	" kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 255),"
	" address BLOB NOT NULL CHECK (length(address) = 16)," /* network order, IPv4 mapped */
	" bits INTEGER NOT NULL CHECK (bits BETWEEN 0 AND 128),"
	" until_real_ns INTEGER CHECK (until_real_ns >= 0)," /* NULL = for ever */
	" added_ns INTEGER NOT NULL CHECK (added_ns >= 0),"
	" reason TEXT NOT NULL,"
	" added_by TEXT NOT NULL,"
	" PRIMARY KEY (kind, address, bits)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;",

	"CREATE TABLE flag ("
	" name TEXT PRIMARY KEY,"
	" enabled INTEGER CHECK (enabled BETWEEN 0 AND 1)," /* of these four, NULL = not set */
	" permille INTEGER CHECK (permille BETWEEN 0 AND 1000),"
	" sources TEXT,"				     /* prefixes, separated by blanks */
	" tenants TEXT,"				     /* names, likewise */
	" until_real_ns INTEGER CHECK (until_real_ns >= 0)," /* NULL = for ever */
	" set_ns INTEGER NOT NULL CHECK (set_ns >= 0),"
	" reason TEXT NOT NULL,"
	" set_by TEXT NOT NULL"
	") STRICT, WITHOUT ROWID;",

	"ALTER TABLE list_entry ADD COLUMN recovered INTEGER NOT NULL DEFAULT 0"
	" CHECK (recovered IN (0, 1));",

	"CREATE TABLE policy_generation ("
	" generation INTEGER PRIMARY KEY CHECK (generation BETWEEN 1 AND 4294967295),"
	" parent INTEGER NOT NULL," /* 0 = none */
	" sha256 TEXT NOT NULL,"
	" uid INTEGER NOT NULL,"
	" username TEXT NOT NULL,"
	" reason TEXT NOT NULL,"
	" applied_ns INTEGER NOT NULL CHECK (applied_ns >= 0),"
	" how TEXT NOT NULL,"
	" state TEXT NOT NULL"
	") STRICT;",

	"CREATE TABLE policy_text (sha256 TEXT PRIMARY KEY, text BLOB NOT NULL) STRICT;",

	"CREATE TABLE policy_pending ("
	" id INTEGER PRIMARY KEY CHECK (id = 1)," /* there is one or none */
	" generation INTEGER NOT NULL,"
	" asked INTEGER NOT NULL,"
	" former INTEGER NOT NULL,"
	" boot_id TEXT NOT NULL,"
	" until_boot_ns INTEGER NOT NULL,"
	" since_real_ns INTEGER NOT NULL,"
	" until_real_ns INTEGER NOT NULL"
	") STRICT;",

	/* '' = without one; NULL = made before this was kept */
	"ALTER TABLE policy_generation ADD COLUMN profile TEXT;"
	"ALTER TABLE policy_generation ADD COLUMN daemon_profile TEXT;",

	"CREATE TABLE governance ("
	" kind TEXT NOT NULL,"
	" id TEXT NOT NULL,"
	" body TEXT NOT NULL," /* a JSON object */
	" PRIMARY KEY (kind, id)"
	") STRICT, WITHOUT ROWID;",

	"CREATE TABLE answer ("
	" uid INTEGER NOT NULL,"
	" key TEXT NOT NULL,"
	" request TEXT NOT NULL," /* its SHA-256 */
	" status INTEGER NOT NULL,"
	" body TEXT NOT NULL,"
	" made_ns INTEGER NOT NULL CHECK (made_ns >= 0),"
	" PRIMARY KEY (uid, key)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX answer_made ON answer (made_ns);",

	/* what each tenant had, by day (since 1970, UTC) */
	"CREATE TABLE tenant_usage ("
	" tenant TEXT NOT NULL,"
	" day INTEGER NOT NULL,"
	" since INTEGER NOT NULL," /* the day from which on it may be of; day, if that is known */
	" passed_packets INTEGER NOT NULL,"
	" passed_bytes INTEGER NOT NULL,"
	" passed_connections INTEGER NOT NULL,"
	" refused_packets INTEGER NOT NULL,"
	" refused_bytes INTEGER NOT NULL,"
	" refused_connections INTEGER NOT NULL,"
	" PRIMARY KEY (tenant, day)"
	") STRICT, WITHOUT ROWID;",

	/* the kernel's counters, as far as they are in tenant_usage */
	"CREATE TABLE tenant_meter ("
	" tenant TEXT PRIMARY KEY,"
	" epoch INTEGER NOT NULL,"
	" passed_packets INTEGER NOT NULL,"
	" passed_bytes INTEGER NOT NULL,"
	" passed_connections INTEGER NOT NULL,"
	" refused_packets INTEGER NOT NULL,"
	" refused_bytes INTEGER NOT NULL,"
	" refused_connections INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;",

	/* which thresholds of a quota have been told in which period */
	"CREATE TABLE tenant_threshold ("
	" tenant TEXT NOT NULL,"
	" unit INTEGER NOT NULL,"
	" period INTEGER NOT NULL,"
	" number INTEGER NOT NULL,"
	" level INTEGER NOT NULL,"
	" PRIMARY KEY (tenant, unit, period)"
	") STRICT, WITHOUT ROWID;",
};

#define POLICY_COLUMNS                                                                             \
	"generation, parent, sha256, uid, username, reason, applied_ns, how, state, profile, "     \
	"daemon_profile"
#define PENDING_COLUMNS                                                                            \
	"generation, asked, former, boot_id, until_boot_ns, since_real_ns, until_real_ns"
#define FLAG_COLUMNS                                                                               \
	"name, enabled, permille, sources, tenants, until_real_ns, set_ns, reason, set_by"
#define USAGE_COLUMNS                                                                              \
	"passed_packets, passed_bytes, passed_connections, refused_packets, refused_bytes, "       \
	"refused_connections"
#define USAGE_SUM(column) column " = " column " + excluded." column
#define LIST_COLUMNS	  "kind, address, bits, until_real_ns, added_ns, reason, added_by, recovered"

static const char *const statements[] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[LIST_PUT] = "INSERT OR REPLACE INTO list_entry (" LIST_COLUMNS ")"
		     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[LIST_DELETE] = "DELETE FROM list_entry WHERE kind = ?1 AND address = ?2 AND bits = ?3",
	[LIST_EACH] = "SELECT " LIST_COLUMNS " FROM list_entry ORDER BY kind, address, bits",
	[META_PUT] = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
	[META_GET] = "SELECT value FROM meta WHERE key = ?1",
	[FLAG_PUT] = "INSERT OR REPLACE INTO flag (" FLAG_COLUMNS ")"
		     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[FLAG_DELETE] = "DELETE FROM flag WHERE name = ?1",
	[FLAG_EACH] = "SELECT " FLAG_COLUMNS " FROM flag ORDER BY name",
	[POLICY_PUT] = "INSERT OR REPLACE INTO policy_generation (" POLICY_COLUMNS ")"
		       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	[POLICY_STATE] = "UPDATE policy_generation SET how = ?2, state = ?3 WHERE generation = ?1",
	[POLICY_DELETE] = "DELETE FROM policy_generation WHERE generation = ?1",
	[POLICY_EACH] = "SELECT " POLICY_COLUMNS ", (SELECT length(text) FROM policy_text"
			" WHERE policy_text.sha256 = policy_generation.sha256)"
			" FROM policy_generation ORDER BY generation",
	[POLICY_TEXT_PUT] = "INSERT OR IGNORE INTO policy_text (sha256, text) VALUES (?1, ?2)",
	[POLICY_TEXT_GET] = "SELECT text FROM policy_text WHERE sha256 = ?1",
	[POLICY_TEXT_SWEEP] = "DELETE FROM policy_text WHERE sha256 NOT IN"
			      " (SELECT sha256 FROM policy_generation)",
	[PENDING_PUT] = "INSERT OR REPLACE INTO policy_pending (id, " PENDING_COLUMNS ")"
			" VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[PENDING_GET] = "SELECT " PENDING_COLUMNS " FROM policy_pending",
	[PENDING_DELETE] = "DELETE FROM policy_pending",
	[DOCUMENT_PUT] = "INSERT OR REPLACE INTO governance (kind, id, body) VALUES (?1, ?2, ?3)",
	[DOCUMENT_DELETE] = "DELETE FROM governance WHERE kind = ?1 AND id = ?2",
	[DOCUMENT_EACH] = "SELECT kind, id, body FROM governance ORDER BY kind, id",
	[ANSWER_PUT] = "INSERT OR REPLACE INTO answer (uid, key, request, status, body, made_ns)"
		       " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[ANSWER_GET] = "SELECT request, status, body FROM answer"
		       " WHERE uid = ?1 AND key = ?2 AND made_ns >= ?3",
	[ANSWER_SWEEP] = "DELETE FROM answer WHERE made_ns < ?1 OR (uid, key) IN"
			 " (SELECT uid, key FROM answer ORDER BY made_ns DESC LIMIT -1 OFFSET ?2)",
	[ANSWER_CLEAR] = "DELETE FROM answer",
	[USAGE_ADD] =
		"INSERT INTO tenant_usage (tenant, day, since, " USAGE_COLUMNS ")"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
		" ON CONFLICT (tenant, day) DO UPDATE SET"
		" since = min(since, excluded.since), " USAGE_SUM("passed_packets") ", " USAGE_SUM("passed_bytes") ", " USAGE_SUM(
			"passed_connections") ", " USAGE_SUM("refused_packets") ", " USAGE_SUM("refused_bytes") ", " USAGE_SUM("refused_connections"),
	[USAGE_EACH] = "SELECT day, since, " USAGE_COLUMNS " FROM tenant_usage"
		       " WHERE tenant = ?1 AND day BETWEEN ?2 AND ?3 ORDER BY day DESC",
	[USAGE_HAS] = "SELECT 1 FROM tenant_usage WHERE tenant = ?1 LIMIT 1",
	[USAGE_PRUNE] = "DELETE FROM tenant_usage WHERE day < ?1",
	[METER_PUT] = "INSERT OR REPLACE INTO tenant_meter (tenant, epoch, " USAGE_COLUMNS ")"
		      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[METER_EACH] = "SELECT tenant, epoch, " USAGE_COLUMNS " FROM tenant_meter ORDER BY tenant",
	[THRESHOLD_PUT] = "INSERT OR REPLACE INTO tenant_threshold"
			  " (tenant, unit, period, number, level) VALUES (?1, ?2, ?3, ?4, ?5)",
	[THRESHOLD_EACH] = "SELECT tenant, unit, period, number, level FROM tenant_threshold"
			   " ORDER BY tenant, unit, period",
};
_Static_assert(ARRAY_SIZE(statements) == STATEMENT_MAX, "a statement has no text");

static int result_to_errno(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_CANTOPEN:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_TOOBIG:
		return -EMSGSIZE;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return -EINVAL;
	default:
		return rc == SQLITE_IOERR_NOMEM ? -ENOMEM : -EIO;
	}
}

int store_fault(struct store *s, int rc, struct fault *reterr)
{
	int err = result_to_errno(rc), system_errno = 0;
	const char *why = sqlite3_errmsg(s->db);

	/* For other results it would be that of some earlier failure. */
	if ((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN)
		system_errno = sqlite3_system_errno(s->db);
	if (system_errno == ENOSPC || system_errno == EDQUOT)
		err = -ENOSPC;
	if (system_errno)
		return fault(reterr, err, "store.io", "%s: %s: %s", s->path, why,
			     strerror(system_errno));
	return fault(reterr, err, err == -EUCLEAN ? "store.damaged" : "store.io", "%s: %s", s->path,
		     why);
}

int store_no_memory(const char *path, struct fault *reterr)
{
	return fault(reterr, -ENOMEM, "store.io", "%s: no memory", path);
}

static int execute(struct store *s, const char *sql, struct fault *reterr)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : store_fault(s, rc, reterr);
}

void statement_resetp(sqlite3_stmt **statement)
{
	if (!*statement)
		return;
	sqlite3_reset(*statement);
	sqlite3_clear_bindings(*statement);
}

static void statement_finalizep(sqlite3_stmt **statement)
{
	sqlite3_finalize(*statement);
}

int statement_run(struct store *s, sqlite3_stmt *statement, struct fault *reterr)
{
	int rc = fault_point(NULL, "store.step") < 0 ? SQLITE_IOERR : sqlite3_step(statement);

	return rc == SQLITE_DONE ? 0 : store_fault(s, rc, reterr);
}

/* The first column of the first row: a number. */
static int query_number(struct store *s, const char *sql, int64_t *ret, struct fault *reterr)
{
	_cleanup_(statement_finalizep) sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc != SQLITE_ROW)
		return store_fault(s, rc, reterr);
	*ret = sqlite3_column_int64(statement, 0);
	return 0;
}

/* Make sure that the file is there, and ours. */
static int file_check(const char *path, struct fault *reterr)
{
	_cleanup_close_ int fd =
		open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return fault(reterr, -ELOOP, "store.path", "%s is a symbolic link", path);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int err = errno;

		return fault(reterr, -err, "store.io", "%s: %s", path, strerror(err));
	}
	if (!S_ISREG(st.st_mode))
		return fault(reterr, -EINVAL, "store.path", "%s is no regular file", path);
	if (st.st_uid != geteuid())
		return fault(reterr, -EPERM, "store.path", "%s belongs to user %u, not to us", path,
			     (unsigned int)st.st_uid);
	if ((st.st_mode & 077) && fchmod(fd, 0600) < 0) {
		int err = errno;

		return fault(reterr, -err, "store.io", "%s: %s", path, strerror(err));
	}
	return 0;
}

/* An SQLite file that is neither empty nor marked as ours belongs to another program. */
static int owner_check(struct store *s, struct fault *reterr)
{
	int64_t id, tables;
	int r;

	r = query_number(s, "PRAGMA application_id", &id, reterr);
	if (r < 0 || id == STORE_APPLICATION_ID)
		return r;
	r = query_number(s, "SELECT count(*) FROM sqlite_schema", &tables, reterr);
	if (r < 0)
		return r;
	if (id || tables)
		return fault(reterr, -EINVAL, "store.foreign",
			     "%s is a database of another program", s->path);
	return 0;
}

int store_scrub(struct store *s, struct fault *reterr)
{
	return execute(s, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)", reterr);
}

size_t store_schema(void)
{
	return ARRAY_SIZE(migrations);
}

/* Everything, indexes against tables too, where that takes a fraction of a second; the structure of each page where
 * it would hold up protection. */
static int integrity_check(struct store *s, struct fault *reterr)
{
	_cleanup_(statement_finalizep) sqlite3_stmt *statement = NULL;
	struct stat st;
	bool full = stat(s->path, &st) == 0 && (uint64_t)st.st_size <= STORE_FULL_CHECK_BYTES;
	int rc = sqlite3_prepare_v2(s->db,
				    full ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)",
				    -1, &statement, NULL);
	const char *answer;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc != SQLITE_ROW)
		return store_fault(s, rc, reterr);
	answer = (const char *)sqlite3_column_text(statement, 0);
	if (!answer)
		return store_no_memory(s->path, reterr);
	if (strcmp(answer, "ok") != 0)
		return fault(reterr, -EUCLEAN, "store.damaged", "%s: %s", s->path, answer);
	return 0;
}

static int migrate_step(struct store *s, size_t version, struct fault *reterr)
{
	char sql[96];
	int r;

	r = execute(s, migrations[version], reterr);
	if (r < 0)
		return r;
	snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %zu; COMMIT",
		 STORE_APPLICATION_ID, version + 1);
	return execute(s, sql, reterr);
}

static int migrate(struct store *s, struct fault *reterr)
{
	int64_t version;
	int r;

	r = query_number(s, "PRAGMA user_version", &version, reterr);
	if (r < 0)
		return r;
	if (version < 0 || (uint64_t)version > ARRAY_SIZE(migrations))
		return fault(reterr, -EPROTONOSUPPORT, "store.newer",
			     "%s has schema version %lld; this weir knows up to %zu", s->path,
			     (long long)version, ARRAY_SIZE(migrations));
	for (size_t i = (size_t)version; i < ARRAY_SIZE(migrations); i++) {
		r = execute(s, statements[BEGIN], reterr);
		if (r < 0)
			return r;
		r = migrate_step(s, i, reterr);
		if (r < 0) {
			store_rollback(s);
			return r;
		}
	}
	return 0;
}

static int prepare(struct store *s, struct fault *reterr)
{
	for (size_t i = 0; i < STATEMENT_MAX; i++) {
		int rc = sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
					    &s->statements[i], NULL);

		if (rc != SQLITE_OK)
			return store_fault(s, rc, reterr);
	}
	return 0;
}

int store_open(const char *path, struct store **ret, struct fault *reterr)
{
	_cleanup_(store_closep) struct store *s = calloc(1, sizeof(*s));
	int rc, r;

	if (!s)
		return store_no_memory(path, reterr);
	s->path = strdup(path);
	if (!s->path)
		return store_no_memory(path, reterr);
	r = file_check(path, reterr);
	if (r < 0)
		return r;
	rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (!s->db)
		return store_no_memory(path, reterr);
	if (rc != SQLITE_OK)
		return store_fault(s, rc, reterr);
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, STORE_POLICY_TEXT_MAX + (1 << 20));
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);

	r = owner_check(s, reterr);
	if (r < 0)
		return r;
	r = integrity_check(s, reterr);
	if (r < 0)
		return r;
	r = execute(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", reterr);
	if (r < 0)
		return r;
	r = migrate(s, reterr);
	if (r < 0)
		return r;
	r = prepare(s, reterr);
	if (r < 0)
		return r;
	*ret = take_ptr(s);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < STATEMENT_MAX; i++)
		sqlite3_finalize(s->statements[i]);
	sqlite3_close(s->db);
	free(s->path);
	free(s);
}

static int run(struct store *s, enum statement which, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[which];

	return statement_run(s, statement, reterr);
}

int store_begin(struct store *s, struct fault *reterr)
{
	return run(s, BEGIN, reterr);
}

int store_commit(struct store *s, struct fault *reterr)
{
	int r = run(s, COMMIT, reterr);

	if (r < 0)
		store_rollback(s);
	return r;
}

/* A full disk may have rolled back by itself; then there is nothing left to do. */
void store_rollback(struct store *s)
{
	if (!sqlite3_get_autocommit(s->db))
		execute(s, statements[ROLLBACK], NULL);
}

void bind_text(sqlite3_stmt *statement, int column, const char *text, int *rc)
{
	if (*rc == SQLITE_OK)
		*rc = sqlite3_bind_text(statement, column, text, -1, SQLITE_STATIC);
}

void bind_number(sqlite3_stmt *statement, int column, uint64_t number, int *rc)
{
	if (*rc == SQLITE_OK)
		*rc = sqlite3_bind_int64(statement, column, (int64_t)number);
}

int store_check_text(struct store *s, const char *text, struct fault *reterr)
{
	if (strlen(text) > STORE_TEXT_MAX)
		return fault(reterr, -EMSGSIZE, "store.text", "%s: a text of %zu bytes is over %u",
			     s->path, strlen(text), STORE_TEXT_MAX);
	return 0;
}

int store_meta_put(struct store *s, const char *key, const char *value, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[META_PUT];
	int rc = SQLITE_OK, r;

	r = store_check_text(s, key, reterr);
	if (r < 0)
		return r;
	r = store_check_text(s, value, reterr);
	if (r < 0)
		return r;
	bind_text(statement, 1, key, &rc);
	bind_text(statement, 2, value, &rc);
	return rc == SQLITE_OK ? statement_run(s, statement, reterr) : store_fault(s, rc, reterr);
}

int store_meta_get(struct store *s, const char *key, char *ret, size_t size, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[META_GET];
	const char *value;
	int rc = SQLITE_OK;
	size_t length;

	bind_text(statement, 1, key, &rc);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_DONE)
		return fault(reterr, -ENOENT, "store.absent", "%s: no '%s'", s->path, key);
	if (rc != SQLITE_ROW)
		return store_fault(s, rc, reterr);
	value = (const char *)sqlite3_column_text(statement, 0);
	if (!value)
		return store_no_memory(s->path, reterr);
	length = strlen(value);
	if (length >= size)
		return fault(reterr, -ENOBUFS, "store.text", "%s: '%s' has %zu bytes", s->path, key,
			     length);
	memcpy(ret, value, length + 1);
	return 0;
}
