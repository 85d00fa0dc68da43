/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of this folder share: the open database, its statements, and how one is run. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <sqlite3.h>

#include "store/store.h"

enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	LIST_PUT,
	LIST_DELETE,
	LIST_EACH,
	META_PUT,
	META_GET,
	FLAG_PUT,
	FLAG_DELETE,
	FLAG_EACH,
	POLICY_PUT,
	POLICY_STATE,
	POLICY_DELETE,
	POLICY_EACH,
	POLICY_TEXT_PUT,
	POLICY_TEXT_GET,
	POLICY_TEXT_SWEEP,
	PENDING_PUT,
	PENDING_GET,
	PENDING_DELETE,
	DOCUMENT_PUT,
	DOCUMENT_DELETE,
	DOCUMENT_EACH,
	ANSWER_PUT,
	ANSWER_GET,
	ANSWER_SWEEP,
	ANSWER_CLEAR,
	USAGE_ADD,
	USAGE_EACH,
	USAGE_HAS,
	USAGE_PRUNE,
	METER_PUT,
	METER_EACH,
	THRESHOLD_PUT,
	THRESHOLD_EACH,
	STATEMENT_MAX,
};

struct store {
	char *path;
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENT_MAX];
};

/* What SQLite says about its last failure, as a fault. */
int store_fault(struct store *s, int rc, struct fault *reterr);
int store_no_memory(const char *path, struct fault *reterr);
/* The text can be kept: -EMSGSIZE "store.text". */
int store_check_text(struct store *s, const char *text, struct fault *reterr);

/* Each call leaves the statement that it uses reset, whatever happened: _cleanup_(statement_resetp). */
void statement_resetp(sqlite3_stmt **statement);
/* Run a statement that gives no rows. */
int statement_run(struct store *s, sqlite3_stmt *statement, struct fault *reterr);

/* A failure to bind (no memory, beyond a limit) is sticky in @rc. */
void bind_text(sqlite3_stmt *statement, int column, const char *text, int *rc);
void bind_number(sqlite3_stmt *statement, int column, uint64_t number, int *rc);

#endif
