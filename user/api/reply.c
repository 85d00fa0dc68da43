/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Answers: JSON, text, and errors as problem+json (RFC 9457). */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "api/fields.h"
#include "api/internal.h"
#include "base/clock.h"
#include "base/text.h"
#include "policy/describe.h"

static void set_body(struct http_response *response, unsigned int status, const char *type,
		     char *body)
{
	response->status = body ? status : 500;
	response->content_type = body ? type : NULL;
	response->body = body;
	response->length = body ? strlen(body) : 0;
}

static char *dump(json_t *body)
{
	_cleanup_free_ char *line = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct text t;

	json_decref(body);
	if (!line)
		return NULL;
	text_init_growing(&t);
	text_puts(&t, line);
	text_puts(&t, "\n");
	return text_take(&t);
}

void reply_json(struct call *c, unsigned int status, json_t *body)
{
	set_body(c->response, status, "application/json", dump(body));
}

void reply_add(struct http_response *response, const char *key, const char *value)
{
	json_t *body = json_loadb(response->body, response->length, 0, NULL);

	if (!body)
		return;
	json_object_set_new(body, key, json_string(value));
	free(response->body);
	set_body(response, response->status, response->content_type, dump(body));
}

/* The member that is the list, where an answer is one. */
static const char *list_member(const struct call *c)
{
	if (c->version == API_V1 && strcmp(c->path, "/risk/sources") == 0)
		return "sources";
	if (c->version == API_V1 && strcmp(c->path, "/audit/keys") == 0)
		return "keys";
	return "items";
}

static bool is_json(const struct http_response *r)
{
	return r->body && r->content_type && strcmp(r->content_type, "application/json") == 0;
}

/* There are no fields in text, tables and streams. */
static void refuse_fields(struct call *c)
{
	struct http_response *r = c->response;

	if (r->stream)
		r->stream_end(r->stream_data);
	r->stream = NULL;
	r->when_durable = false;
	r->header_count = c->headers; /* the others are about what is not sent */
	free(r->body);
	reply_problem(c, 400, "request.fields", "this answer is no JSON value: it has no fields");
}

void reply_finish(struct call *c)
{
	struct http_response *r = c->response;
	struct fault f = {0};
	json_t *body;
	int refused;

	if (r->status >= 300 || (c->version == API_V1 && !c->fields))
		return;
	if (!is_json(r)) {
		if (c->fields && !r->later)
			refuse_fields(c);
		return;
	}
	body = r->as_is && !c->fields ? NULL : json_loadb(r->body, r->length, 0, NULL);
	if (!body)
		return;
	if (!r->as_is)
		api_migrate_response(c->version, c->path, body);
	refused = c->fields ? fields_select(body, list_member(c), c->fields, &f) : 0;
	free(r->body);
	if (refused == 0)
		return set_body(r, r->status, r->content_type, dump(body));
	json_decref(body);
	r->header_count = c->headers;
	reply_problem(c, refused == -EINVAL ? 400 : 500, f.code, "%s", f.text);
}

void reply_changed(struct call *c, unsigned int status, json_t *body)
{
	reply_json(c, status, body);
	c->response->when_durable = c->response->body;
}

void reply_text(struct call *c, const char *content_type, struct text *body)
{
	set_body(c->response, 200, content_type, text_take(body));
}

static const char *status_title(unsigned int status)
{
	switch (status) {
	case 400:
		return "Bad request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not found";
	case 405:
		return "Method not allowed";
	case 406:
		return "Not acceptable";
	case 409:
		return "Conflict";
	case 410:
		return "Gone";
	case 412:
		return "Precondition failed";
	case 413:
		return "Content too large";
	case 422:
		return "Unprocessable content";
	case 428:
		return "Precondition required";
	case 429:
		return "Too many requests";
	case 503:
		return "Service unavailable";
	case 507:
		return "Insufficient storage";
	default:
		return "Internal error";
	}
}

void reply_problem_with(struct call *c, unsigned int status, const char *code, const char *detail,
			json_t *members)
{
	json_t *problem = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title",
				    status_title(status), "status", (int)status, "code", code,
				    "detail", detail);

	if (*c->correlation.request_id)
		json_object_set_new(problem, "request_id", json_string(c->correlation.request_id));
	if (members)
		json_object_update(problem, members);
	json_decref(members);
	set_body(c->response, status, "application/problem+json", dump(problem));
}

void reply_problem(struct call *c, unsigned int status, const char *code, const char *format, ...)
{
	char detail[768];
	va_list ap;

	va_start(ap, format);
	vsnprintf(detail, sizeof(detail), format, ap);
	va_end(ap);
	utf8_repair(detail); /* a path or a method may hold any bytes */
	reply_problem_with(c, status, code, detail, NULL);
}

static unsigned int status_of(const struct fault *f)
{
	switch (-f->err) {
	case ENOENT:
		return 404;
	case EPERM:
	case EBUSY:
	case EEXIST:
		return 409;
	case ESTALE:
		return 412;
	case EINVAL:
	case ERANGE:
	case E2BIG:
	case EDOM:
		return 422;
	case EAGAIN:
		return 429;
	case ECANCELED:
		return 503;
	case ENOSPC:
		return 507;
	default:
		return 500;
	}
}

/* Nothing stood against it. */
static void reply_dry_run(struct call *c, const struct fault *f)
{
	reply_json(c, 200,
		   json_pack("{s:b, s:s, s:s, s:s}", "dry_run", 1, "operation", c->operation,
			     "would", f->text, "step_up", c->step_up));
	c->response->as_is = true; /* the same in each version */
}

void reply_fault(struct call *c, const struct fault *f)
{
	if (strcmp(f->code, ENGINE_DRY_RUN) == 0)
		return reply_dry_run(c, f);
	reply_problem_with(c, status_of(f), f->code, f->text, NULL);
}

json_t *json_findings(const struct safety_findings *findings)
{
	json_t *items = json_array();

	for (size_t i = 0; i < findings->count; i++)
		json_array_append_new(items,
				      json_pack("{s:s, s:s}", "code", findings->items[i].code,
						"detail", findings->items[i].text));
	return items;
}

void reply_refusal(struct call *c, const struct fault *f, struct engine_refusal *refusal)
{
	json_t *members = json_object();

	if (refusal->findings.count && strncmp(f->code, "safety.", 7) == 0)
		json_object_set_new(members, "findings", json_findings(&refusal->findings));
	if (refusal->report)
		json_object_set_new(members, "diagnostics", policy_report_json(refusal->report));
	engine_refusal_done(refusal);
	if (strcmp(f->code, ENGINE_DRY_RUN) == 0) {
		json_decref(members);
		return reply_dry_run(c, f);
	}
	reply_problem_with(c, status_of(f), f->code, f->text, members);
}

json_t *json_time(uint64_t real_ns)
{
	char text[CLOCK_RFC3339_SIZE];

	if (real_ns == WEIR_FOREVER)
		return json_null();
	clock_format_rfc3339(real_ns, text);
	return json_string(text);
}

int read_limit_argument(struct call *c, uint32_t fallback, uint32_t max, uint32_t *ret)
{
	const char *text = http_argument(c->request, "limit");

	*ret = fallback;
	if (!text || parse_u32(text, 1, max, ret) == 0)
		return 0;
	reply_problem(c, 400, "request.limit", "limit must be a number from 1 to %u", max);
	return -EINVAL;
}
