/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records for other programs, sent while they are read. That somebody took them is a record, durable before the first byte goes out. */
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "base/log.h"
#include "engine/export.h"
#include "engine/privacy.h"
#include "export/stream.h"
#include "vault/query.h"

/* An export and the ids of subjects that its query borrows. */
struct sending {
	struct export_stream *stream;
	struct vault_meant meant;
};

static void sending_free(struct sending *s)
{
	if (!s)
		return;
	export_stream_close(s->stream);
	vault_meant_done(&s->meant);
	free(s);
}
DEFINE_CLEANUP(struct sending *, sending_free)

static ssize_t read_stream(void *data, char *buffer, size_t size)
{
	const struct sending *s = data;
	struct fault f = {0};
	ssize_t n = export_stream_read(s->stream, buffer, size, &f);

	if (n < 0 && n != -ENODATA)
		log_error("an export broke off", "error", f.text);
	return n;
}

static void end_stream(void *data)
{
	sending_free(data);
}

static bool is_sealed(const struct call *c)
{
	const char *word = http_argument(c->request, "sealed");

	return word && strcmp(word, "false") != 0;
}

void handle_audit_export(struct call *c)
{
	const char *name = http_argument(c->request, "format") ?: "ndjson";
	int format = export_format_from_str(name);
	_cleanup_(sending_freep) struct sending *sending = NULL;
	struct audit_details asked = {0};
	struct audit_query query;
	struct fault f = {0};

	if (format < 0) {
		_cleanup_(text_done) struct text known = {.growing = true};

		export_format_names(&known);
		return reply_problem(c, 422, "export.format", "'%.32s' is no format; there are %s",
				     name, known.data ?: "");
	}
	if (read_query(c, &query, &asked) < 0)
		return;
	sending = calloc(1, sizeof(*sending));
	if (!sending)
		return reply_problem(c, 500, "export.memory", "out of memory");
	if (vault_mean(engine_vault(c->engine), &query, &sending->meant, &f) < 0 ||
	    export_stream_open(engine_audit_dir(c->engine), (enum export_format)format, &query,
			       engine_audit_opener(c->engine), is_sealed(c), &sending->stream,
			       &f) < 0)
		return reply_fault(c, &f);
	engine_exported(c->engine, export_format_to_str((enum export_format)format), &asked,
			&c->actor);
	c->response->status = 200;
	c->response->content_type = export_format_type((enum export_format)format);
	c->response->stream = read_stream;
	c->response->stream_end = end_stream;
	c->response->stream_data = take_ptr(sending);
	c->response->when_durable = true;
}

uint64_t export_lag(const struct engine *e, const struct ship_stats *s)
{
	struct recorder_stats recorder;

	recorder_get_stats(engine_recorder(e), &recorder);
	return recorder.records > s->confirmed ? recorder.records - s->confirmed : 0;
}

json_t *json_exports(const struct engine *e)
{
	struct ship_stats stats[SHIP_TARGETS_MAX];
	size_t count = engine_export_stats(e, stats);
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct ship_stats *s = &stats[i];

		json_array_append_new(
			array,
			json_pack("{s:s, s:s, s:s, s:b, s:s?, s:I, s:I, s:I, s:I, s:I, s:I}",
				  "name", s->name, "to", s->to, "format", s->format, "failing",
				  s->failing, "error", s->failing ? s->because : NULL, "next_index",
				  (json_int_t)s->next, "confirmed_index", (json_int_t)s->confirmed,
				  "lag_records", (json_int_t)export_lag(e, s), "sent",
				  (json_int_t)s->sent, "errors", (json_int_t)s->errors, "shortened",
				  (json_int_t)s->shortened));
	}
	return array;
}

void put_exports(struct metrics *m, struct call *c)
{
	struct ship_stats stats[SHIP_TARGETS_MAX];
	size_t count = engine_export_stats(c->engine, stats);

	metrics_family(m, METRIC_AUDIT_EXPORT_LAG_RECORDS);
	for (size_t i = 0; i < count; i++)
		metrics_sample(m, export_lag(c->engine, &stats[i]), "export", stats[i].name, NULL);
	metrics_family(m, METRIC_AUDIT_EXPORT_RECORDS_TOTAL);
	for (size_t i = 0; i < count; i++)
		metrics_sample(m, stats[i].sent, "export", stats[i].name, NULL);
	metrics_family(m, METRIC_AUDIT_EXPORT_ERRORS_TOTAL);
	for (size_t i = 0; i < count; i++)
		metrics_sample(m, stats[i].errors, "export", stats[i].name, NULL);
	metrics_family(m, METRIC_AUDIT_EXPORT_FAILING);
	for (size_t i = 0; i < count; i++)
		metrics_sample(m, stats[i].failing, "export", stats[i].name, NULL);
}
