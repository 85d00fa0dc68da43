/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The file of a vault: its tables, and its statements. Knows rows, not what they mean. */
#ifndef VAULT_DB_H
#define VAULT_DB_H

#include <sqlite3.h>

#include "vault/crypto.h"
#include "vault/vault.h"

enum db_statement {
	DB_BEGIN,
	DB_COMMIT,
	DB_PUT,
	DB_BY_TOKEN,
	DB_BY_ID,
	DB_BY_NARROW,
	DB_BY_WIDE,
	DB_EACH,
	DB_COUNT,
	DB_DELETE,
	DB_META_PUT,
	DB_META_GET,
	DB_STATEMENT_MAX,
};

struct db {
	char path[PATH_MAX];
	sqlite3 *sqlite;
	sqlite3_stmt *statements[DB_STATEMENT_MAX];
};

/* A row as it is kept. */
struct db_row {
	uint64_t id;
	enum field_kind kind;
	uint8_t token[CRYPTO_TOKEN], narrow[CRYPTO_TOKEN], wide[CRYPTO_TOKEN];
	bool has_narrow, has_wide;
	uint8_t salt[CRYPTO_KEY];
	const uint8_t *
		sealed; /* the value, encrypted; of a row that is read: valid until the next step */
	size_t length;
	uint64_t created_ns;
};

/** Open or create @path; @read_only: neither create nor change; @check: look at every page first. Faults: vault.damaged (-EUCLEAN), vault.io. */
int db_open(struct db *d, const char *path, bool read_only, bool check, struct fault *reterr);
void db_close(struct db *d);

int db_begin(struct db *d, struct fault *reterr);
int db_commit(struct db *d, struct fault *reterr);
void db_rollback(struct db *d);

int db_put(struct db *d, const struct db_row *row, struct fault *reterr);
/** *@ret_found: there was such a row. */
int db_delete(struct db *d, uint64_t id, bool *ret_found, struct fault *reterr);
/* Nothing of rows that were deleted stays in the log of the database, durably. -EBUSY: somebody reads. */
int db_forget(struct db *d, struct fault *reterr);

/** The row, by its token or its number; db_reset() when it is no longer needed. -ENOENT: there is none. */
int db_by_token(struct db *d, const uint8_t token[static CRYPTO_TOKEN], struct db_row *ret,
		struct fault *reterr);
int db_by_id(struct db *d, uint64_t id, struct db_row *ret, struct fault *reterr);
/** Rows one after the other: those with @token, DB_BY_NARROW or DB_BY_WIDE; or DB_EACH, at most @limit with
 * numbers greater than @after, which are signed here. db_each_next(): 1; 0 behind the last. */
int db_each_begin(struct db *d, enum db_statement which, const uint8_t *token,
		  struct fault *reterr);
int db_each_page(struct db *d, int64_t after, unsigned int limit, struct fault *reterr);
int db_each_next(struct db *d, enum db_statement which, struct db_row *ret, struct fault *reterr);
void db_reset(struct db *d, enum db_statement which);
int db_count(struct db *d, uint64_t *ret, struct fault *reterr);

int db_meta_put(struct db *d, const char *key, const void *value, size_t length,
		struct fault *reterr);
/** Exactly @length bytes. -ENOENT. */
int db_meta_get(struct db *d, const char *key, void *ret, size_t length, struct fault *reterr);

#endif
