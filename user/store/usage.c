/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tenants had by day, how far the kernel's counters are in that, and what was told of their quotas. */
#include <errno.h>

#include "store/internal.h"

/* Days before 1970, should a clock say so, are negative: bind_number() would do, and say so less plainly. */
static void bind_day(sqlite3_stmt *statement, int column, int64_t day, int *rc)
{
	if (*rc == SQLITE_OK)
		*rc = sqlite3_bind_int64(statement, column, day);
}

static void bind_counts(sqlite3_stmt *statement, int column,
			const uint64_t counts[static STORE_USAGE_COUNTS], int *rc)
{
	for (int i = 0; i < STORE_USAGE_COUNTS; i++)
		bind_number(statement, column + i, counts[i], rc);
}

static void read_counts(sqlite3_stmt *statement, int column,
			uint64_t ret[static STORE_USAGE_COUNTS])
{
	for (int i = 0; i < STORE_USAGE_COUNTS; i++)
		ret[i] = (uint64_t)sqlite3_column_int64(statement, column + i);
}

static int check(struct store *s, const char *tenant,
		 const uint64_t counts[static STORE_USAGE_COUNTS], struct fault *reterr)
{
	for (int i = 0; i < STORE_USAGE_COUNTS; i++)
		if (counts[i] > INT64_MAX)
			return fault(reterr, -ERANGE, "store.usage", "%s: a count of %llu", s->path,
				     (unsigned long long)counts[i]);
	return store_check_text(s, tenant, reterr);
}

int store_usage_add(struct store *s, const struct store_usage_row *row, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[USAGE_ADD];
	int rc = SQLITE_OK, r = check(s, row->tenant, row->counts, reterr);

	if (r < 0)
		return r;
	bind_text(statement, 1, row->tenant, &rc);
	bind_day(statement, 2, row->day, &rc);
	bind_day(statement, 3, row->since, &rc);
	bind_counts(statement, 4, row->counts, &rc);
	return rc == SQLITE_OK ? statement_run(s, statement, reterr) : store_fault(s, rc, reterr);
}

int store_usage_each(struct store *s, const char *tenant, int64_t first, int64_t last,
		     int (*fn)(const struct store_usage_row *row, void *userdata), void *userdata,
		     struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[USAGE_EACH];
	int rc = SQLITE_OK;

	bind_text(statement, 1, tenant, &rc);
	bind_day(statement, 2, first, &rc);
	bind_day(statement, 3, last, &rc);
	if (rc != SQLITE_OK)
		return store_fault(s, rc, reterr);
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		struct store_usage_row row = {
			.tenant = tenant,
			.day = sqlite3_column_int64(statement, 0),
			.since = sqlite3_column_int64(statement, 1),
		};
		int r;

		read_counts(statement, 2, row.counts);
		r = fn(&row, userdata);
		if (r < 0)
			return r;
	}
	return rc == SQLITE_DONE ? 0 : store_fault(s, rc, reterr);
}

int store_usage_has(struct store *s, const char *tenant, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[USAGE_HAS];
	int rc = SQLITE_OK;

	bind_text(statement, 1, tenant, &rc);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return store_fault(s, rc, reterr);
	return rc == SQLITE_ROW;
}

int store_usage_prune(struct store *s, int64_t day, uint64_t *ret, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[USAGE_PRUNE];
	int rc = SQLITE_OK, r;

	bind_day(statement, 1, day, &rc);
	if (rc != SQLITE_OK)
		return store_fault(s, rc, reterr);
	r = statement_run(s, statement, reterr);
	if (r == 0)
		*ret = (uint64_t)sqlite3_changes(s->db);
	return r;
}

int store_meter_put(struct store *s, const struct store_meter_row *row, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[METER_PUT];
	int rc = SQLITE_OK, r = check(s, row->tenant, row->counts, reterr);

	if (r < 0)
		return r;
	bind_text(statement, 1, row->tenant, &rc);
	bind_number(statement, 2, row->epoch, &rc);
	bind_counts(statement, 3, row->counts, &rc);
	return rc == SQLITE_OK ? statement_run(s, statement, reterr) : store_fault(s, rc, reterr);
}

int store_meter_each(struct store *s, int (*fn)(const struct store_meter_row *row, void *userdata),
		     void *userdata, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[METER_EACH];
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		struct store_meter_row row = {
			.tenant = (const char *)sqlite3_column_text(statement, 0),
			.epoch = (uint64_t)sqlite3_column_int64(statement, 1),
		};
		int r = row.tenant ? 0 : store_no_memory(s->path, reterr);

		read_counts(statement, 2, row.counts);
		if (r == 0)
			r = fn(&row, userdata);
		if (r < 0)
			return r;
	}
	return rc == SQLITE_DONE ? 0 : store_fault(s, rc, reterr);
}

int store_threshold_put(struct store *s, const struct store_threshold_row *row,
			struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[THRESHOLD_PUT];
	int rc = SQLITE_OK, r = store_check_text(s, row->tenant, reterr);

	if (r < 0)
		return r;
	bind_text(statement, 1, row->tenant, &rc);
	bind_number(statement, 2, row->unit, &rc);
	bind_number(statement, 3, row->period, &rc);
	bind_day(statement, 4, row->number, &rc);
	bind_number(statement, 5, row->level, &rc);
	return rc == SQLITE_OK ? statement_run(s, statement, reterr) : store_fault(s, rc, reterr);
}

int store_threshold_each(struct store *s,
			 int (*fn)(const struct store_threshold_row *row, void *userdata),
			 void *userdata, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[THRESHOLD_EACH];
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		const struct store_threshold_row row = {
			.tenant = (const char *)sqlite3_column_text(statement, 0),
			.unit = (uint32_t)sqlite3_column_int64(statement, 1),
			.period = (uint32_t)sqlite3_column_int64(statement, 2),
			.number = sqlite3_column_int64(statement, 3),
			.level = (uint32_t)sqlite3_column_int64(statement, 4),
		};
		int r = row.tenant ? fn(&row, userdata) : store_no_memory(s->path, reterr);

		if (r < 0)
			return r;
	}
	return rc == SQLITE_DONE ? 0 : store_fault(s, rc, reterr);
}
