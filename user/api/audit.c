/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The end of the audit chain, as NDJSON. */
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "audit/reader.h"
#include "base/text.h"

#define RECORDS_DEFAULT 100
#define RECORDS_MAX	10000

void handle_audit_events(struct call *c)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	const char *sealed = http_argument(c->request, "sealed");
	struct reader_record record;
	struct fault f = {0};
	struct text body;
	uint32_t limit;
	int r;

	if (read_limit_argument(c, RECORDS_DEFAULT, RECORDS_MAX, &limit) < 0)
		return;
	if (sealed && *sealed && strcmp(sealed, "true") != 0)
		return reply_problem(c, 400, "request.sealed", "sealed takes no value but true");
	r = reader_open(engine_audit_dir(c->engine), &reader, &f);
	if (r == 0)
		r = reader_seek_tail(reader, limit, &f);
	if (r == 0 && !sealed)
		reader_set_opener(reader, engine_audit_opener(c->engine));
	text_init_growing(&body);
	while (r >= 0 && limit-- && (r = reader_next(reader, &record, &f)) > 0) {
		record_put_view(&body, record.data, record.length, &record.view, record.hash);
		text_puts(&body, "\n");
	}
	if (r < 0) {
		text_done(&body);
		return reply_fault(c, &f);
	}
	reply_text(c, "application/x-ndjson", &body);
}
