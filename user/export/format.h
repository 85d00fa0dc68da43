/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The formats of format.def. All are written from views, one record at a time, so that a file, an answer of the API and a
 * stream to a collector hold the same bytes for the same record.
 */
#ifndef EXPORT_FORMAT_H
#define EXPORT_FORMAT_H

#include "base/text.h"
#include "export/event.h"
#include "otlp/json.h"

enum export_format {
#define EXPORT_F(constant, name, type, words) EXPORT_##constant,
#include "audit/format.def"
#undef EXPORT_F
	EXPORT_FORMAT_MAX
};

const char *export_format_to_str(enum export_format format); /* "ndjson" */
const char *export_format_type(enum export_format format);   /* a Content-Type */
int export_format_from_str(const char *name);		     /* -EINVAL */
/* All names, by commas, for messages. */
void export_format_names(struct text *t);

#define EXPORT_HOST_SIZE 256

/* What stands in front of the first record, and behind the last: most formats have nothing there. */
void export_put_head(struct text *t, enum export_format format);
void export_put_tail(struct text *t, enum export_format format);
/**
 * Append the record in @view, of host @host, as number @number (from 0) of what is written. Ends with a newline, but in JSON. -ENOMEM, -EBADMSG
 * "export.record".
 */
int export_put(struct text *t, enum export_format format, const char *host, uint64_t number,
	       const char *view, size_t length, struct fault *reterr);
/* This host's name, as formats name it. */
void export_host(char ret[static EXPORT_HOST_SIZE]);

/* For this module: the formats by their files. */
void line_put_csv(struct text *t, const struct export_event *e, const char *host);
void line_put_cef(struct text *t, const struct export_event *e, const char *host);
void line_put_leef(struct text *t, const struct export_event *e, const char *host);
void line_put_syslog(struct text *t, const struct export_event *e, const char *host);
/* NULL: no memory. */
json_t *ocsf_make(const struct export_event *e, const char *host);
json_t *ecs_make(const struct export_event *e, const char *host);

/* A member of "logRecords", and a whole request with it: a line, as the file exporter of OpenTelemetry writes it. */
void otlp_put_record(struct text *t, const struct export_event *e);
void otlp_put_line(struct text *t, const struct export_event *e, const char *host);

struct export_severity {
	unsigned int ocsf, syslog, cef, otlp;
	const char *otlp_text;
};
const struct export_severity *export_severity(unsigned int severity);

#define EXPORT_CSV_HEAD                                                                            \
	"index,timestamp,event_id,event_type,category,severity,outcome,action,user_id,username,"   \
	"role,ip_address,resource_type,resource_id,details,hash,previous_hash\r\n"

#endif
