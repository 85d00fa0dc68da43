/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records for other programs, sent by a job while they are read. That somebody took them is a record, durable before the
 * first byte goes out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "api/job.h"
#include "base/log.h"
#include "engine/export.h"
#include "engine/privacy.h"
#include "export/stream.h"
#include "vault/query.h"

struct export_job {
	struct job job;
	struct export_stream_options options;
	struct audit_query query;
	struct vault *vault;
	struct audit_details asked;
	struct engine_actor actor;
	char username[33];
	struct correlation correlation;
	struct fault fault; /* why there is none; err 0: there is */
};

static int send_all(struct export_job *e, struct export_stream *stream, struct fault *reterr)
{
	_cleanup_(text_done) struct text piece = {.growing = true};
	int r = 1;

	while (r == 1 && !job_is_cancelled(e)) {
		int sent = 0;

		piece.length = 0;
		r = export_stream_next(stream, &piece, reterr);
		if (r >= 0 && piece.length)
			sent = job_put(&e->job, piece.data, piece.length);
		if (sent < 0)
			return sent;
	}
	return r == 1 ? -ECANCELED : r;
}

static void run_export(struct job *job)
{
	_cleanup_(export_stream_closep) struct export_stream *stream = NULL;
	_cleanup_(vault_meant_done) struct vault_meant meant = {0};
	struct export_job *e = (struct export_job *)job;
	struct fault f = {0};
	int r;

	if (vault_mean(e->vault, &e->query, &meant, &e->fault) < 0 ||
	    export_stream_open(&e->options, &stream, &e->fault) < 0)
		return;
	r = job_stream(job);
	if (r < 0) {
		fault(&e->fault, r, "export.memory", "out of memory, or nobody waits for it");
		return;
	}
	r = send_all(e, stream, &f);
	job->broken = r < 0;
	if (r < 0 && r != -ECANCELED)
		log_error("an export broke off", "error", f.text);
}

static void finish_export(struct call *c, struct job *job)
{
	const struct export_job *e = (struct export_job *)job;

	if (e->fault.err)
		return reply_fault(c, &e->fault);
	engine_exported(c->engine, export_format_to_str(e->options.format), &e->asked, &e->actor);
	c->response->status = 200;
	c->response->content_type = export_format_type(e->options.format);
	c->response->when_durable = true;
}

static void free_export(struct job *job)
{
	free(job);
}

static bool is_sealed(const struct call *c)
{
	const char *word = http_argument(c->request, "sealed");

	return word && strcmp(word, "false") != 0;
}

/* Fill in @e, which is zeroed. Answers itself if it cannot be. */
static int read_export(struct call *c, struct export_job *e)
{
	const char *name = http_argument(c->request, "format") ?: "ndjson";
	int format = export_format_from_str(name);

	if (format < 0) {
		_cleanup_(text_done) struct text known = {.growing = true};

		export_format_names(&known);
		reply_problem(c, 422, "export.format", "'%.32s' is no format; there are %s", name,
			      known.data ?: "");
		return -EINVAL;
	}
	if (read_query(c, &e->query, &e->asked) < 0)
		return -EINVAL;
	e->vault = engine_vault(c->engine);
	e->actor = c->actor;
	snprintf(e->username, sizeof(e->username), "%s", c->actor.username);
	e->actor.username = e->username;
	e->correlation = c->correlation;
	e->actor.request_id = e->correlation.request_id;
	e->actor.trace_id = e->correlation.trace_id;
	e->options = (struct export_stream_options){
		.audit_dir = engine_audit_dir(c->engine),
		.format = (enum export_format)format,
		.query = &e->query,
		.opener = engine_audit_opener(c->engine),
		.sealed = is_sealed(c),
		.is_cancelled = job_is_cancelled,
		.userdata = &e->job,
	};
	return 0;
}

void handle_audit_export(struct call *c)
{
	struct export_job *e = calloc(1, sizeof(*e));

	if (!e)
		return reply_problem(c, 500, "export.memory", "out of memory");
	e->job = (struct job){.kind = JOB_EXPORT,
			      .run = run_export,
			      .finish = finish_export,
			      .free = free_export};
	if (read_export(c, e) < 0)
		free_export(&e->job);
	else
		job_start(c, &e->job);
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
			json_pack("{s:s, s:s, s:s, s:b, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
				  "name", s->name, "to", s->to, "format", s->format, "failing",
				  s->failing, "error", s->failing ? s->because : NULL, "next_index",
				  (json_int_t)s->next, "confirmed_index", (json_int_t)s->confirmed,
				  "lag_records", (json_int_t)export_lag(e, s), "sent",
				  (json_int_t)s->sent, "errors", (json_int_t)s->errors, "shortened",
				  (json_int_t)s->shortened, "rejected", (json_int_t)s->rejected));
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
