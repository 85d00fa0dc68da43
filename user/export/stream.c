/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/stream.h"

#include <errno.h>
#include <string.h>

#include "audit/reader.h"
#include "audit/rectified.h"

#define RECORDS_AT_ONCE 512 /* that are looked at in one call: a few milliseconds */

struct export_stream {
	struct reader *reader;
	struct rectified *rectified;
	struct audit_query query;
	bool sealed;
	enum export_format format;
	char host[EXPORT_HOST_SIZE];
	struct text text, view;
	size_t taken; /* of text */
	uint64_t records;
	bool ended;
};

void export_stream_close(struct export_stream *s)
{
	if (!s)
		return;
	reader_close(s->reader);
	rectified_free(s->rectified);
	text_done(&s->text);
	text_done(&s->view);
	free(s);
}

int export_stream_open(const char *audit_dir, enum export_format format,
		       const struct audit_query *query, const struct personal_opener *opener,
		       bool sealed, struct export_stream **ret, struct fault *reterr)
{
	_cleanup_(export_stream_closep) struct export_stream *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return fault(reterr, -ENOMEM, "export.memory", "out of memory");
	s->query = *query;
	s->sealed = sealed;
	s->format = format;
	text_init_growing(&s->text);
	text_init_growing(&s->view);
	export_host(s->host);
	r = reader_open(audit_dir, &s->reader, reterr);
	r = r ?: rectified_load(audit_dir, NULL, NULL, &s->rectified, reterr);
	if (r < 0)
		return r;
	reader_set_rectified(s->reader, s->rectified);
	reader_set_opener(s->reader, opener);
	reader_set_range(s->reader, query->since_ns, query->until_ns);
	export_put_head(&s->text, format);
	*ret = take_ptr(s);
	return 0;
}

/* Look at the next record. 1: there was one; 0: that was all. */
static int advance(struct export_stream *s, struct fault *reterr)
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
	r = export_put(&s->text, s->format, s->host, s->records++, s->view.data, s->view.length,
		       reterr);
	return r < 0 ? r : 1;
}

ssize_t export_stream_read(struct export_stream *s, char *buffer, size_t size, struct fault *reterr)
{
	size_t length = s->text.length - s->taken;

	for (int i = 0; i < RECORDS_AT_ONCE && length < size && !s->ended; i++) {
		int r;

		if (s->taken) {
			memmove(s->text.data, s->text.data + s->taken, length);
			s->text.length = length;
			s->taken = 0;
		}
		r = advance(s, reterr);
		if (r < 0)
			return r;
		if (r == 0) {
			s->ended = true;
			export_put_tail(&s->text, s->format);
		}
		length = s->text.length;
	}
	if (s->text.truncated)
		return fault(reterr, -ENOMEM, "export.memory", "out of memory");
	if (!length)
		return s->ended ? -ENODATA : 0;
	if (length > size)
		length = size;
	memcpy(buffer, s->text.data + s->taken, length);
	s->taken += length;
	return (ssize_t)length;
}
