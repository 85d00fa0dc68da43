/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A report of the audit log: minutes of work for a large one, by a job. Who has it made is recorded first, so the report
 * has that, and it is durable before the report goes out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/internal.h"
#include "api/job.h"
#include "audit/note.h"
#include "base/clock.h"
#include "report/report.h"

struct report_job {
	struct job job;
	struct report_options options;
	enum report_format format;
	char host[256], made_by[64];
	char *checkpoint; /* what the options borrow */
	json_t *report;
	struct text body;
	struct fault fault; /* err 0: it has an answer */
};

static void run_report(struct job *job)
{
	struct report_job *r = (struct report_job *)job;

	if (report_make(&r->options, &r->report, &r->fault) < 0)
		return;
	report_put(&r->body, r->format, r->report);
	if (r->body.truncated)
		fault(&r->fault, -ENOMEM, "report.memory", "out of memory");
}

static void finish_report(struct call *c, struct job *job)
{
	struct report_job *r = (struct report_job *)job;
	const json_t *figures = json_object_get(r->report, "figures");
	bool ok = json_is_true(json_object_get(json_object_get(r->report, "integrity"), "ok"));

	if (r->fault.err)
		return reply_fault(c, &r->fault);
	http_response_header(c->response, "X-Weir-Integrity", "%s", ok ? "ok" : "damaged");
	http_response_header(c->response, "X-Weir-Records", "%lld",
			     (long long)json_integer_value(json_object_get(figures, "records")));
	reply_text(c, report_format_type(r->format), &r->body);
	c->response->when_durable = c->response->body;
	c->response->as_is = true;
}

static void free_report(struct job *job)
{
	struct report_job *r = (struct report_job *)job;

	json_decref(r->report);
	text_done(&r->body);
	free(r->checkpoint);
	free(r);
}

static int record_it(struct call *c, const struct report_job *r, struct fault *reterr)
{
	char since[CLOCK_RFC3339_SIZE], until[CLOCK_RFC3339_SIZE];
	const struct engine_report report = {
		.since = since,
		.until = until,
		.framework = report_framework_to_str(r->options.framework),
		.format = report_format_to_str(r->format),
	};

	clock_format_rfc3339(r->options.since_ns, since);
	clock_format_rfc3339(r->options.until_ns, until);
	return engine_reported(c->engine, &report, &c->actor, reterr);
}

/* Fill in @r, which is zeroed. */
static int read_report(struct call *c, struct report_job *r, struct fault *reterr)
{
	struct report_words words = {
		.days = http_argument(c->request, "days"),
		.since = http_argument(c->request, "since"),
		.until = http_argument(c->request, "until"),
		.framework = http_argument(c->request, "framework"),
		.format = http_argument(c->request, "format"),
		.key = http_argument(c->request, "key"),
	};
	struct note note;
	int error;

	text_init_growing(&r->body);
	if (c->request->length > NOTE_SIZE_MAX)
		return fault(reterr, -E2BIG, "note.format", "a checkpoint has at most %d bytes",
			     NOTE_SIZE_MAX);
	if (c->request->length) {
		r->checkpoint = strndup(c->request->body, c->request->length);
		if (!r->checkpoint)
			return fault(reterr, -ENOMEM, "report.memory", "out of memory");
		words.checkpoint = r->checkpoint;
		words.checkpoint_length = strlen(r->checkpoint);
	}
	error = report_read(&words, &r->options, &r->format, reterr);
	if (error == 0 && words.checkpoint) /* before anything is recorded and read */
		error = note_parse(words.checkpoint, words.checkpoint_length, &note, reterr);
	return error ?: record_it(c, r, reterr);
}

void handle_audit_report(struct call *c)
{
	struct report_job *r = calloc(1, sizeof(*r));
	struct fault f = {0};

	if (!r)
		return reply_problem(c, 500, "api.memory", "out of memory");
	r->job = (struct job){.kind = JOB_REPORT,
			      .run = run_report,
			      .finish = finish_report,
			      .free = free_report};
	if (read_report(c, r, &f) < 0) {
		free_report(&r->job);
		return reply_fault(c, &f);
	}
	gethostname(r->host, sizeof(r->host) - 1);
	snprintf(r->made_by, sizeof(r->made_by), "%s", c->actor.username);
	r->options.dir = engine_audit_dir(c->engine);
	r->options.opener = engine_audit_opener(c->engine);
	r->options.host = r->host;
	r->options.made_by = r->made_by;
	r->options.threads = 1;
	r->options.is_cancelled = job_is_cancelled;
	r->options.userdata = &r->job;
	job_start(c, &r->job);
}
