/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What operators set flags to. */
#include <errno.h>
#include <stdbool.h>

#include "store/internal.h"

static int check(struct store *s, const struct store_flag_row *row, struct fault *reterr)
{
	const char *const texts[] = {row->name, row->sources, row->tenants, row->reason,
				     row->set_by};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		int r = texts[i] ? store_check_text(s, texts[i], reterr) : 0;

		if (r < 0)
			return r;
	}
	if (row->set_ns > STORE_TIME_NS_MAX ||
	    (row->until_real_ns > STORE_TIME_NS_MAX && row->until_real_ns != STORE_FOREVER))
		return fault(reterr, -ERANGE, "store.time", "%s: a time beyond the year 2262",
			     s->path);
	return 0;
}

int store_flag_put(struct store *s, const struct store_flag_row *row, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[FLAG_PUT];
	int rc = SQLITE_OK, r = check(s, row, reterr);

	if (r < 0)
		return r;
	bind_text(statement, 1, row->name, &rc);
	/* What is not bound is NULL, and so is a text of NULL. */
	if (row->enabled >= 0)
		bind_number(statement, 2, (uint64_t)row->enabled, &rc);
	if (row->permille >= 0)
		bind_number(statement, 3, (uint64_t)row->permille, &rc);
	bind_text(statement, 4, row->sources, &rc);
	bind_text(statement, 5, row->tenants, &rc);
	if (row->until_real_ns != STORE_FOREVER)
		bind_number(statement, 6, row->until_real_ns, &rc);
	bind_number(statement, 7, row->set_ns, &rc);
	bind_text(statement, 8, row->reason, &rc);
	bind_text(statement, 9, row->set_by, &rc);
	return rc == SQLITE_OK ? statement_run(s, statement, reterr) : store_fault(s, rc, reterr);
}

int store_flag_delete(struct store *s, const char *name, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[FLAG_DELETE];
	int rc = SQLITE_OK, r;

	bind_text(statement, 1, name, &rc);
	if (rc != SQLITE_OK)
		return store_fault(s, rc, reterr);
	r = statement_run(s, statement, reterr);
	if (r < 0)
		return r;
	if (!sqlite3_changes(s->db))
		return fault(reterr, -ENOENT, "store.absent", "%s: no such flag", s->path);
	return 0;
}

static bool is_null(sqlite3_stmt *statement, int column)
{
	return sqlite3_column_type(statement, column) == SQLITE_NULL;
}

static int number_of(sqlite3_stmt *statement, int column)
{
	return is_null(statement, column) ? -1 : sqlite3_column_int(statement, column);
}

static const char *text_of(sqlite3_stmt *statement, int column)
{
	return (const char *)sqlite3_column_text(statement, column);
}

/* The strings belong to @statement until its next step. */
static int row_read(struct store *s, sqlite3_stmt *statement, struct store_flag_row *ret,
		    struct fault *reterr)
{
	struct store_flag_row row = {
		.name = text_of(statement, 0),
		.enabled = number_of(statement, 1),
		.permille = number_of(statement, 2),
		.sources = text_of(statement, 3),
		.tenants = text_of(statement, 4),
		.until_real_ns = is_null(statement, 5)
					 ? STORE_FOREVER
					 : (uint64_t)sqlite3_column_int64(statement, 5),
		.set_ns = (uint64_t)sqlite3_column_int64(statement, 6),
		.reason = text_of(statement, 7),
		.set_by = text_of(statement, 8),
	};

	if (!row.name || !row.reason || !row.set_by || (!row.sources && !is_null(statement, 3)) ||
	    (!row.tenants && !is_null(statement, 4)))
		return store_no_memory(s->path, reterr);
	*ret = row;
	return 0;
}

int store_flag_each(struct store *s, int (*fn)(const struct store_flag_row *row, void *userdata),
		    void *userdata, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[FLAG_EACH];
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		struct store_flag_row row;
		int r = row_read(s, statement, &row, reterr);

		if (r == 0)
			r = fn(&row, userdata);
		if (r < 0)
			return r;
	}
	return rc == SQLITE_DONE ? 0 : store_fault(s, rc, reterr);
}
