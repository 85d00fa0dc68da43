/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long records are kept, what is held, what data subjects ask for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "api/job.h"
#include "base/clock.h"
#include "base/text.h"
#include "engine/governance.h"
#include "engine/privacy.h"
#include "engine/subject.h"

/* The body as an object of strings with these names. Answers itself if it is anything else, or if there is none. */
static json_t *read_body(struct call *c, const char *const *names, size_t count)
{
	const char *key;
	json_t *body, *value;

	if (!c->request->length) {
		reply_problem(c, 400, "request.json", "the body is no JSON object: there is none");
		return NULL;
	}
	body = body_read(c, names, count);
	json_object_foreach (body, key, value) {
		if (json_is_string(value))
			continue;
		reply_problem(c, 422, "request.member", "'%.40s' is no string", key);
		json_decref(body);
		return NULL;
	}
	return body;
}

static const char *member(const json_t *body, const char *name)
{
	return json_string_value(json_object_get(body, name));
}

void handle_retention_get(struct call *c)
{
	reply_json(c, 200, engine_retention_json(c->engine));
}

static void set(struct call *c, const char *category, const char *keep, const char *reason)
{
	struct fault f = {0};
	uint64_t keep_ns = 0;

	if (!category || !keep)
		return reply_problem(c, 422, "request.member",
				     "the body has the members 'category' and 'keep'");
	if (strcmp(keep, "forever") != 0 &&
	    (parse_duration_ns(keep, &keep_ns) < 0 || keep_ns < NSEC_PER_SEC))
		return reply_problem(c, 422, "retention.keep",
				     "'%.40s' is no age such as 30d, of at least 1s, nor 'forever'",
				     keep);
	if (engine_retention_set(c->engine, category, keep_ns / NSEC_PER_SEC, reason, &c->actor,
				 &f) < 0)
		return reply_fault(c, &f);
	reply_changed(c, 200, engine_retention_json(c->engine));
}

void handle_retention_set(struct call *c)
{
	static const char *const names[] = {"category", "keep", "reason"};
	json_t *body = read_body(c, names, ARRAY_SIZE(names));

	if (body)
		set(c, member(body, "category"), member(body, "keep"), member(body, "reason"));
	json_decref(body);
}

void handle_retention_apply(struct call *c)
{
	struct fault f = {0};

	if (engine_retention_apply(c->engine, &c->actor, &f) < 0)
		return reply_fault(c, &f);
	reply_json(c, 202, engine_retention_json(c->engine));
}

void handle_holds_get(struct call *c)
{
	reply_json(c, 200, engine_holds_json(c->engine));
}

static void add(struct call *c, const json_t *body)
{
	struct governance_hold hold = {
		.category = member(body, "category"),
		.subject = member(body, "subject"),
		.reason = member(body, "reason"),
	};
	const char *since = member(body, "since"), *until = member(body, "until"), *id;
	struct fault f = {0};

	if ((since && clock_parse_rfc3339(since, &hold.since) < 0) ||
	    (until && clock_parse_rfc3339(until, &hold.until) < 0))
		return reply_problem(c, 422, "hold.time",
				     "'since' and 'until' are times such as 2026-12-31T00:00:00Z");
	if (engine_hold_add(c->engine, &hold, &c->actor, &id, &f) < 0)
		return reply_fault(c, &f);
	reply_changed(c, 201, json_pack("{s:s}", "id", id));
}

void handle_hold_add(struct call *c)
{
	static const char *const names[] = {"category", "since", "until", "subject", "reason"};
	json_t *body = read_body(c, names, ARRAY_SIZE(names));

	if (body)
		add(c, body);
	json_decref(body);
}

void handle_hold_remove(struct call *c)
{
	struct fault f = {0};

	if (engine_hold_remove(c->engine, c->rest, http_argument(c->request, "reason"), &c->actor,
			       &f) < 0)
		return reply_fault(c, &f);
	reply_changed(c, 200, json_pack("{s:s}", "id", c->rest));
}

void handle_requests_get(struct call *c)
{
	reply_json(c, 200, engine_requests_json(c->engine));
}

struct records_job {
	struct job job;
	const char *dir;
	struct vault *vault;
	const struct personal_opener *opener;
	char subject[MENTION_MAX + 1];
	uint64_t from;
	struct subject_page page;
	struct fault fault; /* err 0: it has an answer */
};

static void run_records(struct job *job)
{
	struct records_job *r = (struct records_job *)job;
	const struct subject_waiter client = {.is_cancelled = job_is_cancelled, .userdata = job};

	subject_read(r->dir, r->vault, r->opener, r->subject, r->from, &client, &r->page,
		     &r->fault);
}

static void finish_records(struct call *c, struct job *job)
{
	struct records_job *r = (struct records_job *)job;
	json_t *next;

	if (r->fault.err)
		return reply_fault(c, &r->fault);
	next = r->page.next == UINT64_MAX ? json_null() : json_integer((json_int_t)r->page.next);
	/* "ready": of a time when one had to ask again. */
	reply_json(c, 200,
		   json_pack("{s:o, s:o, s:b}", "items", take_ptr(r->page.items), "next", next,
			     "ready", 1));
}

static void free_records(struct job *job)
{
	struct records_job *r = (struct records_job *)job;

	json_decref(r->page.items);
	free(r);
}

/* Fill in @r, which is zeroed. Answers itself if it cannot be. */
static int read_records(struct call *c, struct records_job *r, const char *id)
{
	const char *subject = http_argument(c->request, "subject");
	const char *from = http_argument(c->request, "from");
	struct fault f = {0};

	if (!subject)
		reply_problem(c, 400, "request.subject",
			      "?subject= says whose: the ledger does not have it");
	else if (strlen(subject) > MENTION_MAX)
		reply_problem(c, 422, "request.subject", "the subject is longer than %d bytes",
			      MENTION_MAX);
	else if (from && parse_u64(from, 0, AUDIT_INDEX_MAX, &r->from) < 0)
		reply_problem(c, 400, "request.from", "'%.40s' is no index", from);
	else if (engine_request_read(c->engine, id, subject, &c->actor, &f) < 0)
		reply_fault(c, &f);
	else {
		snprintf(r->subject, sizeof(r->subject), "%s", subject);
		r->dir = engine_audit_dir(c->engine);
		r->vault = engine_vault(c->engine);
		r->opener = engine_audit_opener(c->engine);
		return 0;
	}
	return -EINVAL;
}

static void reply_records(struct call *c, const char *id)
{
	struct records_job *r = calloc(1, sizeof(*r));

	if (!r)
		return reply_problem(c, 500, "api.memory", "out of memory");
	r->job = (struct job){.kind = JOB_READ,
			      .run = run_records,
			      .finish = finish_records,
			      .free = free_records};
	if (read_records(c, r, id) < 0)
		free_records(&r->job);
	else
		job_start(c, &r->job);
}

void handle_request_get(struct call *c)
{
	const char *slash = strchr(c->rest, '/');
	char id[64];
	json_t *request;

	snprintf(id, sizeof(id), "%.*s", (int)strcspn(c->rest, "/"), c->rest);
	if (slash && strcmp(slash, "/records") == 0)
		return reply_records(c, id);
	request = slash ? NULL : engine_request_json(c->engine, id);
	if (!request)
		return reply_problem(c, 404, "request.absent", "there is no request '%.40s'",
				     c->rest);
	reply_json(c, 200, request);
}

static void ask(struct call *c, const json_t *body)
{
	const char *keep = member(body, "keep_lists"), *id;
	const struct governance_request request = {
		.kind = member(body, "kind"),
		.subject = member(body, "subject"),
		.reason = member(body, "reason"),
		.keep_lists = keep && strcmp(keep, "yes") == 0,
		.event = member(body, "event"),
		.statement = member(body, "statement"),
	};
	struct fault f = {0};

	if (!request.kind || !request.subject)
		return reply_problem(c, 422, "request.member",
				     "the body has the members 'kind' and 'subject'");
	if (keep && strcmp(keep, "yes") != 0 && strcmp(keep, "no") != 0)
		return reply_problem(c, 422, "request.member", "'keep_lists' is yes or no");
	if (strcmp(request.kind, "erase") == 0 && step_up(c) < 0)
		return;
	if (engine_request(c->engine, &request, &c->actor, &id, &f) < 0)
		return reply_fault(c, &f);
	reply_changed(c, 201, engine_request_json(c->engine, id));
}

void handle_request_post(struct call *c)
{
	static const char *const names[] = {"kind",	  "subject", "reason",
					    "keep_lists", "event",   "statement"};
	json_t *body = read_body(c, names, ARRAY_SIZE(names));

	if (body)
		ask(c, body);
	json_decref(body);
}
