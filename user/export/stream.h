/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An export in pieces, for who sends it while it is made. */
#ifndef EXPORT_STREAM_H
#define EXPORT_STREAM_H

#include "audit/query.h"
#include "export/format.h"

struct export_stream;

/**
 * What the log in @audit_dir holds and @query matches, until there is no more. @opener, which outlives it, as what @query borrows does,
 * finds text in what is sealed and, unless @sealed, opens it. @is_cancelled, which may be NULL, is asked now and then. Faults: audit.read,
 * export.memory, -ECANCELED.
 */
struct export_stream_options {
	const char *audit_dir;
	enum export_format format;
	const struct audit_query *query;
	const struct personal_opener *opener;
	bool sealed;
	bool (*is_cancelled)(void *userdata);
	void *userdata;
};

int export_stream_open(const struct export_stream_options *options, struct export_stream **ret,
		       struct fault *reterr);
void export_stream_close(struct export_stream *s);
DEFINE_CLEANUP(struct export_stream *, export_stream_close)

/** Append the next piece of it, about 64 KiB or less, to @t. 1: there may be more; 0: that was all. */
int export_stream_next(struct export_stream *s, struct text *t, struct fault *reterr);

#endif
