/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policies that were in force, their texts, and the one that waits to be confirmed. */
#include <errno.h>
#include <string.h>

#include "store/internal.h"

static int put_text(struct store *s, const char *sha256, const char *text, size_t length,
		    struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[POLICY_TEXT_PUT];
	int rc = SQLITE_OK;

	if (length > STORE_POLICY_TEXT_MAX)
		return fault(reterr, -EMSGSIZE, "store.text",
			     "%s: a policy of %zu bytes is over %u", s->path, length,
			     STORE_POLICY_TEXT_MAX);
	bind_text(statement, 1, sha256, &rc);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob64(statement, 2, text, length, SQLITE_STATIC);
	return rc == SQLITE_OK ? statement_run(s, statement, reterr) : store_fault(s, rc, reterr);
}

int store_policy_put(struct store *s, const struct store_policy_row *row, const char *text,
		     size_t length, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[POLICY_PUT];
	int rc = SQLITE_OK, r = store_check_text(s, row->reason, reterr);

	if (r < 0)
		return r;
	if (row->applied_ns > STORE_TIME_NS_MAX)
		return fault(reterr, -ERANGE, "store.time", "%s: a time beyond the year 2262",
			     s->path);
	r = put_text(s, row->sha256, text, length, reterr);
	if (r < 0)
		return r;
	bind_number(statement, 1, row->generation, &rc);
	bind_number(statement, 2, row->parent, &rc);
	bind_text(statement, 3, row->sha256, &rc);
	bind_number(statement, 4, row->uid, &rc);
	bind_text(statement, 5, row->username, &rc);
	bind_text(statement, 6, row->reason, &rc);
	bind_number(statement, 7, row->applied_ns, &rc);
	bind_text(statement, 8, row->how, &rc);
	bind_text(statement, 9, row->state, &rc);
	if (row->profile)
		bind_text(statement, 10, row->profile, &rc);
	if (row->daemon_profile)
		bind_text(statement, 11, row->daemon_profile, &rc);
	return rc == SQLITE_OK ? statement_run(s, statement, reterr) : store_fault(s, rc, reterr);
}

int store_policy_set_state(struct store *s, uint32_t generation, const char *how, const char *state,
			   struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[POLICY_STATE];
	int rc = SQLITE_OK, r;

	bind_number(statement, 1, generation, &rc);
	bind_text(statement, 2, how, &rc);
	bind_text(statement, 3, state, &rc);
	if (rc != SQLITE_OK)
		return store_fault(s, rc, reterr);
	r = statement_run(s, statement, reterr);
	if (r < 0)
		return r;
	if (!sqlite3_changes(s->db))
		return fault(reterr, -ENOENT, "store.absent", "%s: no generation %u", s->path,
			     generation);
	return 0;
}

static int sweep_texts(struct store *s, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[POLICY_TEXT_SWEEP];

	return statement_run(s, statement, reterr);
}

int store_policy_delete(struct store *s, uint32_t generation, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[POLICY_DELETE];
	int rc = SQLITE_OK, r;

	bind_number(statement, 1, generation, &rc);
	if (rc != SQLITE_OK)
		return store_fault(s, rc, reterr);
	r = statement_run(s, statement, reterr);
	return r < 0 ? r : sweep_texts(s, reterr);
}

static const char *text_at(sqlite3_stmt *statement, int column)
{
	return (const char *)sqlite3_column_text(statement, column);
}

static uint64_t number_at(sqlite3_stmt *statement, int column)
{
	return (uint64_t)sqlite3_column_int64(statement, column);
}

int store_policy_each(struct store *s,
		      int (*fn)(const struct store_policy_row *row, void *userdata), void *userdata,
		      struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[POLICY_EACH];
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		struct store_policy_row row = {
			.generation = (uint32_t)number_at(statement, 0),
			.parent = (uint32_t)number_at(statement, 1),
			.sha256 = text_at(statement, 2),
			.uid = (uint32_t)number_at(statement, 3),
			.username = text_at(statement, 4),
			.reason = text_at(statement, 5),
			.applied_ns = number_at(statement, 6),
			.how = text_at(statement, 7),
			.state = text_at(statement, 8),
			.profile = text_at(statement, 9),
			.daemon_profile = text_at(statement, 10),
			.length = number_at(statement, 11),
		};
		int r;

		if (!row.sha256 || !row.username || !row.reason || !row.how || !row.state)
			return store_no_memory(s->path, reterr);
		r = fn(&row, userdata);
		if (r < 0)
			return r;
	}
	return rc == SQLITE_DONE ? 0 : store_fault(s, rc, reterr);
}

int store_policy_text(struct store *s, const char *sha256, char **ret, size_t *ret_length,
		      struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[POLICY_TEXT_GET];
	const void *blob;
	int rc = SQLITE_OK;
	size_t length;
	char *text;

	bind_text(statement, 1, sha256, &rc);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_DONE)
		return fault(reterr, -ENOENT, "store.absent", "%s: no text of a policy %.12s",
			     s->path, sha256);
	if (rc != SQLITE_ROW)
		return store_fault(s, rc, reterr);
	blob = sqlite3_column_blob(statement, 0); /* NULL for an empty one */
	length = (size_t)sqlite3_column_bytes(statement, 0);
	text = malloc(length + 1);
	if (!text)
		return store_no_memory(s->path, reterr);
	if (blob)
		memcpy(text, blob, length);
	text[blob ? length : 0] = '\0';
	*ret = text;
	*ret_length = blob ? length : 0;
	return 0;
}

int store_pending_put(struct store *s, const struct store_pending_row *row, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[PENDING_PUT];
	int rc = SQLITE_OK;

	bind_number(statement, 1, row->generation, &rc);
	bind_number(statement, 2, row->asked, &rc);
	bind_number(statement, 3, row->former, &rc);
	bind_text(statement, 4, row->boot_id, &rc);
	bind_number(statement, 5, row->until_boot_ns, &rc);
	bind_number(statement, 6, row->since_real_ns, &rc);
	bind_number(statement, 7, row->until_real_ns, &rc);
	return rc == SQLITE_OK ? statement_run(s, statement, reterr) : store_fault(s, rc, reterr);
}

int store_pending_get(struct store *s, struct store_pending_row *ret, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[PENDING_GET];
	int rc = sqlite3_step(statement);
	const char *boot_id;

	if (rc == SQLITE_DONE)
		return fault(reterr, -ENOENT, "store.absent", "%s: nothing is to be confirmed",
			     s->path);
	if (rc != SQLITE_ROW)
		return store_fault(s, rc, reterr);
	boot_id = text_at(statement, 3);
	if (!boot_id)
		return store_no_memory(s->path, reterr);
	*ret = (struct store_pending_row){
		.generation = (uint32_t)number_at(statement, 0),
		.asked = (uint32_t)number_at(statement, 1),
		.former = (uint32_t)number_at(statement, 2),
		.until_boot_ns = number_at(statement, 4),
		.since_real_ns = number_at(statement, 5),
		.until_real_ns = number_at(statement, 6),
	};
	snprintf(ret->boot_id, sizeof(ret->boot_id), "%s", boot_id);
	return 0;
}

int store_pending_delete(struct store *s, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[PENDING_DELETE];

	return statement_run(s, statement, reterr);
}
