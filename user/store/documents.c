/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What governs the audit log: few, small, always read as a whole. */
#include <errno.h>
#include <string.h>

#include "store/internal.h"

int store_document_put(struct store *s, const struct store_document *document, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[DOCUMENT_PUT];
	int rc = SQLITE_OK, r = store_check_text(s, document->id, reterr);

	if (r < 0)
		return r;
	if (strlen(document->body) > STORE_DOCUMENT_MAX)
		return fault(reterr, -EMSGSIZE, "store.text", "%s: a text of %zu bytes is over %u",
			     s->path, strlen(document->body), STORE_DOCUMENT_MAX);
	bind_text(statement, 1, document->kind, &rc);
	bind_text(statement, 2, document->id, &rc);
	bind_text(statement, 3, document->body, &rc);
	return rc == SQLITE_OK ? statement_run(s, statement, reterr) : store_fault(s, rc, reterr);
}

int store_document_delete(struct store *s, const char *kind, const char *id, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[DOCUMENT_DELETE];
	int rc = SQLITE_OK, r;

	bind_text(statement, 1, kind, &rc);
	bind_text(statement, 2, id, &rc);
	if (rc != SQLITE_OK)
		return store_fault(s, rc, reterr);
	r = statement_run(s, statement, reterr);
	if (r < 0)
		return r;
	if (!sqlite3_changes(s->db))
		return fault(reterr, -ENOENT, "store.absent", "%s: there is no %s %.60s", s->path,
			     kind, id);
	return 0;
}

int store_document_each(struct store *s,
			int (*fn)(const struct store_document *document, void *userdata),
			void *userdata, struct fault *reterr)
{
	_cleanup_(statement_resetp) sqlite3_stmt *statement = s->statements[DOCUMENT_EACH];
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		struct store_document document = {
			(const char *)sqlite3_column_text(statement, 0),
			(const char *)sqlite3_column_text(statement, 1),
			(const char *)sqlite3_column_text(statement, 2),
		};
		int r;

		if (!document.kind || !document.id || !document.body)
			return store_no_memory(s->path, reterr);
		r = fn(&document, userdata);
		if (r < 0)
			return r;
	}
	return rc == SQLITE_DONE ? 0 : store_fault(s, rc, reterr);
}
