/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* List entries that operators made. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "store/internal.h"

static void bind_key(sqlite3_stmt *statement, uint8_t kind, const struct prefix *prefix, int *rc)
{
	bind_number(statement, 1, kind, rc);
	if (*rc == SQLITE_OK)
		*rc = sqlite3_bind_blob(statement, 2, prefix->address, sizeof(prefix->address),
					SQLITE_STATIC);
	bind_number(statement, 3, prefix->bits, rc);
}

int store_list_put(struct store *s, const struct store_list_row *row, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[LIST_PUT];
	int rc = SQLITE_OK, r;

	r = store_check_text(s, row->reason, reterr);
	if (r < 0)
		return r;
	r = store_check_text(s, row->added_by, reterr);
	if (r < 0)
		return r;
	if (row->added_ns > STORE_TIME_NS_MAX ||
	    (row->until_real_ns > STORE_TIME_NS_MAX && row->until_real_ns != STORE_FOREVER))
		return fault(reterr, -ERANGE, "store.time", "%s: a time beyond the year 2262",
			     s->path);
	bind_key(statement, row->kind, &row->prefix, &rc);
	if (row->until_real_ns != STORE_FOREVER) /* what is not bound is NULL */
		bind_number(statement, 4, row->until_real_ns, &rc);
	bind_number(statement, 5, row->added_ns, &rc);
	bind_text(statement, 6, row->reason, &rc);
	bind_text(statement, 7, row->added_by, &rc);
	bind_number(statement, 8, row->recovered, &rc);
	return rc == SQLITE_OK ? statement_run(s, statement, reterr) : store_fault(s, rc, reterr);
}

int store_list_delete(struct store *s, uint8_t kind, const struct prefix *prefix,
		      struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[LIST_DELETE];
	int rc = SQLITE_OK, r;

	bind_key(statement, kind, prefix, &rc);
	if (rc != SQLITE_OK)
		return store_fault(s, rc, reterr);
	r = statement_run(s, statement, reterr);
	if (r < 0)
		return r;
	if (!sqlite3_changes(s->db))
		return fault(reterr, -ENOENT, "store.absent", "%s: no such list entry", s->path);
	return 0;
}

/* The strings belong to @statement until its next step. */
static int row_read(struct store *s, sqlite3_stmt *statement, struct store_list_row *ret,
		    struct fault *reterr)
{
	const void *address = sqlite3_column_blob(statement, 1);
	bool forever = sqlite3_column_type(statement, 3) == SQLITE_NULL;
	struct store_list_row row = {
		.kind = (uint8_t)sqlite3_column_int(statement, 0),
		.prefix.bits = (uint8_t)sqlite3_column_int(statement, 2),
		.until_real_ns = (uint64_t)sqlite3_column_int64(statement, 3),
		.added_ns = (uint64_t)sqlite3_column_int64(statement, 4),
		.reason = (const char *)sqlite3_column_text(statement, 5),
		.added_by = (const char *)sqlite3_column_text(statement, 6),
		.recovered = sqlite3_column_int(statement, 7),
	};

	if (!address || !row.reason || !row.added_by)
		return store_no_memory(s->path, reterr);
	memcpy(row.prefix.address, address, sizeof(row.prefix.address));
	if (forever)
		row.until_real_ns = STORE_FOREVER;
	*ret = row;
	return 0;
}

int store_list_each(struct store *s, int (*fn)(const struct store_list_row *row, void *userdata),
		    void *userdata, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[LIST_EACH];
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		struct store_list_row row;
		int r;

		r = row_read(s, statement, &row, reterr);
		if (r < 0)
			return r;
		r = fn(&row, userdata);
		if (r < 0)
			return r;
	}
	return rc == SQLITE_DONE ? 0 : store_fault(s, rc, reterr);
}
