/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Answers that are given again to a request that comes again: few, for a day, the oldest out first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

static int put(struct store *s, const struct store_answer *answer, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[ANSWER_PUT];
	int rc = SQLITE_OK;

	bind_number(statement, 1, answer->uid, &rc);
	bind_text(statement, 2, answer->key, &rc);
	bind_text(statement, 3, answer->request, &rc);
	bind_number(statement, 4, answer->status, &rc);
	bind_text(statement, 5, answer->body, &rc);
	bind_number(statement, 6, answer->made_ns, &rc);
	return rc == SQLITE_OK ? statement_run(s, statement, reterr) : store_fault(s, rc, reterr);
}

static int sweep(struct store *s, uint64_t since_ns, uint32_t rows, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[ANSWER_SWEEP];
	int rc = SQLITE_OK;

	bind_number(statement, 1, since_ns, &rc);
	bind_number(statement, 2, rows, &rc);
	return rc == SQLITE_OK ? statement_run(s, statement, reterr) : store_fault(s, rc, reterr);
}

int store_answer_put(struct store *s, const struct store_answer *answer, uint64_t since_ns,
		     uint32_t rows, struct fault *reterr)
{
	int r = store_check_text(s, answer->key, reterr);

	if (r < 0)
		return r;
	if (strlen(answer->body) > STORE_DOCUMENT_MAX)
		return fault(reterr, -EMSGSIZE, "store.text", "%s: a text of %zu bytes is over %u",
			     s->path, strlen(answer->body), STORE_DOCUMENT_MAX);
	r = store_begin(s, reterr);
	if (r < 0)
		return r;
	r = put(s, answer, reterr);
	if (r == 0)
		r = sweep(s, since_ns, rows, reterr);
	if (r == 0)
		return store_commit(s, reterr);
	store_rollback(s);
	return r;
}

int store_answer_get(struct store *s, uint32_t uid, const char *key, uint64_t since_ns,
		     struct store_answer_found *ret, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[ANSWER_GET];
	const char *request, *body;
	int rc = SQLITE_OK;

	bind_number(statement, 1, uid, &rc);
	bind_text(statement, 2, key, &rc);
	bind_number(statement, 3, since_ns, &rc);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_DONE)
		return fault(reterr, -ENOENT, "store.absent", "%s: no answer of that key", s->path);
	if (rc != SQLITE_ROW)
		return store_fault(s, rc, reterr);
	request = (const char *)sqlite3_column_text(statement, 0);
	body = (const char *)sqlite3_column_text(statement, 2);
	ret->body = request && body ? strdup(body) : NULL;
	if (!ret->body)
		return store_no_memory(s->path, reterr);
	snprintf(ret->request, sizeof(ret->request), "%s", request);
	ret->status = (uint32_t)sqlite3_column_int(statement, 1);
	return 0;
}

int store_answers_clear(struct store *s, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[ANSWER_CLEAR];

	return statement_run(s, statement, reterr);
}
