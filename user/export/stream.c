/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/stream.h"

#include <errno.h>
#include <string.h>

#include "audit/reader.h"
#include "audit/rectified.h"

#define RECORDS_AT_ONCE 512	    /* that are looked at in one call: a few milliseconds */
#define PIECE_BYTES	(64U << 10) /* it is full with the record that goes beyond */

struct export_stream {
	struct reader *reader;
	struct rectified *rectified;
	struct audit_query query;
	bool sealed;
	enum export_format format;
	char host[EXPORT_HOST_SIZE];
	struct text view;
	uint64_t records;
	bool begun, ended;
};

void export_stream_close(struct export_stream *s)
{
	if (!s)
		return;
	reader_close(s->reader);
	rectified_free(s->rectified);
	text_done(&s->view);
	free(s);
}

int export_stream_open(const struct export_stream_options *o, struct export_stream **ret,
		       struct fault *reterr)
{
	_cleanup_(export_stream_closep) struct export_stream *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return fault(reterr, -ENOMEM, "export.memory", "out of memory");
	s->query = *o->query;
	s->sealed = o->sealed;
	s->format = o->format;
	text_init_growing(&s->view);
	export_host(s->host);
	r = reader_open(o->audit_dir, &s->reader, reterr);
	r = r ?: rectified_load(o->audit_dir, o->is_cancelled, o->userdata, &s->rectified, reterr);
	if (r < 0)
		return r;
	reader_set_rectified(s->reader, s->rectified);
	reader_set_opener(s->reader, o->opener);
	reader_set_range(s->reader, s->query.since_ns, s->query.until_ns);
	*ret = take_ptr(s);
	return 0;
}

/* Look at the next record. 1: there was one; 0: that was all. */
static int advance(struct export_stream *s, struct text *t, struct fault *reterr)
{
	struct reader_record record;
	int r = reader_next(s->reader, &record, reterr);

	if (r <= 0)
		return r;
	if (!audit_query_match(&s->query, &record.view))
		return 1;
	if (s->sealed)
		record.view.opener = NULL;
	s->view.length = 0;
	record_put_view(&s->view, record.data, record.length, &record.view, record.hash);
	if (s->view.truncated)
		return fault(reterr, -ENOMEM, "export.memory", "out of memory");
	r = export_put(t, s->format, s->host, s->records++, s->view.data, s->view.length, reterr);
	return r < 0 ? r : 1;
}

int export_stream_next(struct export_stream *s, struct text *t, struct fault *reterr)
{
	size_t before = t->length;

	if (!s->begun)
		export_put_head(t, s->format);
	s->begun = true;
	for (int i = 0; i < RECORDS_AT_ONCE && t->length - before < PIECE_BYTES && !s->ended; i++) {
		int r = advance(s, t, reterr);

		if (r < 0)
			return r;
		s->ended = r == 0;
		if (s->ended)
			export_put_tail(t, s->format);
	}
	if (t->truncated)
		return fault(reterr, -ENOMEM, "export.memory", "out of memory");
	return !s->ended;
}
