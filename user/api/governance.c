/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long records are kept, what is held, what data subjects ask for. */
#include <string.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/text.h"
#include "engine/governance.h"

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

static void reply_records(struct call *c, const char *id, const char *subject)
{
	const char *from = http_argument(c->request, "from");
	struct fault f = {0};
	uint64_t index = 0;
	json_t *page;

	if (!subject)
		return reply_problem(c, 400, "request.subject",
				     "?subject= says whose: the ledger does not have it");
	if (from && parse_u64(from, 0, AUDIT_INDEX_MAX, &index) < 0)
		return reply_problem(c, 400, "request.from", "'%.40s' is no index", from);
	if (engine_request_records(c->engine, id, subject, index, &page, &f) < 0)
		return reply_fault(c, &f);
	reply_json(c, 200, page);
}

void handle_request_get(struct call *c)
{
	const char *slash = strchr(c->rest, '/');
	char id[64];
	json_t *request;

	snprintf(id, sizeof(id), "%.*s", (int)strcspn(c->rest, "/"), c->rest);
	if (slash && strcmp(slash, "/records") == 0)
		return reply_records(c, id, http_argument(c->request, "subject"));
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
