/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An export in pieces, for an answer that is sent while it is made. */
#ifndef EXPORT_STREAM_H
#define EXPORT_STREAM_H

#include <sys/types.h>

#include "audit/query.h"
#include "export/format.h"

struct export_stream;

/**
 * What the log in @audit_dir holds and @query matches, until there is no more. @opener, which outlives it, as what @query borrows does, finds text in what is sealed and, unless @sealed, opens it. Faults: audit.read, export.memory.
 */
int export_stream_open(const char *audit_dir, enum export_format format,
		       const struct audit_query *query, const struct personal_opener *opener,
		       bool sealed, struct export_stream **ret, struct fault *reterr);
void export_stream_close(struct export_stream *s);
DEFINE_CLEANUP(struct export_stream *, export_stream_close)

/**
 * Up to @size bytes of it. 0: none yet, as it looked at many records that do not match: call again; -ENODATA: that was all; other
 * -errno: it breaks off.
 */
ssize_t export_stream_read(struct export_stream *s, char *buffer, size_t size,
			   struct fault *reterr);

#endif
