/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/format.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name, *type;
} formats[EXPORT_FORMAT_MAX] = {
#define EXPORT_F(constant, name, type, words) [EXPORT_##constant] = {name, type},
#include "audit/format.def"
#undef EXPORT_F
};

static const struct export_severity severities[] = {
#define EXPORT_S(ours, ocsf, syslog, cef, otlp, text) [ours] = {ocsf, syslog, cef, otlp, text},
#include "export/severity.def"
#undef EXPORT_S
};

const struct export_severity *export_severity(unsigned int severity)
{
	assert(severity && severity < sizeof(severities) / sizeof(*severities));
	return &severities[severity];
}

const char *export_format_to_str(enum export_format format)
{
	return formats[format].name;
}

const char *export_format_type(enum export_format format)
{
	return formats[format].type;
}

int export_format_from_str(const char *name)
{
	for (int i = 0; i < EXPORT_FORMAT_MAX; i++)
		if (strcmp(formats[i].name, name) == 0)
			return i;
	return -EINVAL;
}

void export_format_names(struct text *t)
{
	for (int i = 0; i < EXPORT_FORMAT_MAX; i++)
		text_printf(t, "%s%s", i ? ", " : "", formats[i].name);
}

void export_host(char ret[static EXPORT_HOST_SIZE])
{
	if (gethostname(ret, EXPORT_HOST_SIZE) < 0)
		ret[0] = '\0';
	ret[EXPORT_HOST_SIZE - 1] = '\0';
	utf8_repair(ret);
}

void export_put_head(struct text *t, enum export_format format)
{
	if (format == EXPORT_JSON)
		text_puts(t, "[");
	else if (format == EXPORT_CSV)
		text_puts(t, EXPORT_CSV_HEAD);
}

void export_put_tail(struct text *t, enum export_format format)
{
	if (format == EXPORT_JSON)
		text_puts(t, "\n]\n");
}

static void put_object(struct text *t, json_t *object)
{
	_cleanup_free_ char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (line)
		text_printf(t, "%s\n", line);
	else
		t->truncated = true;
}

static void put_event(struct text *t, enum export_format format, const char *host,
		      const struct export_event *e)
{
	switch (format) {
	case EXPORT_CSV:
		return line_put_csv(t, e, host);
	case EXPORT_CEF:
		return line_put_cef(t, e, host);
	case EXPORT_LEEF:
		return line_put_leef(t, e, host);
	case EXPORT_SYSLOG:
		return line_put_syslog(t, e, host);
	case EXPORT_OCSF:
		return put_object(t, ocsf_make(e, host));
	case EXPORT_ECS:
		return put_object(t, ecs_make(e, host));
	case EXPORT_OTLP:
		return otlp_put_line(t, e, host);
	default:
		assert(!"a format that is written as it is");
	}
}

int export_put(struct text *t, enum export_format format, const char *host, uint64_t number,
	       const char *view, size_t length, struct fault *reterr)
{
	struct export_event e;
	int r;

	if (format == EXPORT_JSON || format == EXPORT_NDJSON) {
		if (format == EXPORT_JSON)
			text_puts(t, number ? ",\n" : "\n");
		text_put(t, view, length);
		if (format == EXPORT_NDJSON)
			text_puts(t, "\n");
	} else {
		r = export_event_read(view, length, &e, reterr);
		if (r < 0)
			return r;
		put_event(t, format, host, &e);
		export_event_done(&e);
	}
	return t->truncated ? fault(reterr, -ENOMEM, "export.memory", "out of memory") : 0;
}
