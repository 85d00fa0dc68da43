/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of what can be asked and by whom, and the way from a request to its handler. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "policy/describe.h"

enum permission {
	PUBLIC, /* whoever can connect */
	MEMBER, /* root, the daemon's user, the group `weir` */
	CHANGE, /* the same, but see engine_may_change() */
};

/* A path that ends in '/' takes the rest of the request's path as argument. This is the whole surface. The panic
 * switch and the numbers that limits follow are no changes that wait for a log. */
static const struct route {
	const char *method;
	const char *path;
	enum permission permission;
	void (*handle)(struct call *c);
} routes[] = {
	{"GET", "/v1/status", PUBLIC, handle_status},
	{"GET", "/v1/metrics", PUBLIC, handle_metrics},
	{"GET", "/metrics", PUBLIC, handle_metrics},
	{"GET", "/v1/limits", MEMBER, handle_limits},
	{"PUT", "/v1/limits/", MEMBER, handle_limit_put},
	{"GET", "/v1/source/", MEMBER, handle_source},
	{"GET", "/v1/lists", MEMBER, handle_lists},
	{"GET", "/v1/feeds", MEMBER, handle_feeds},
	{"GET", "/v1/lists/", MEMBER, handle_list_get},
	{"POST", "/v1/lists/", CHANGE, handle_list_add},
	{"DELETE", "/v1/lists/", CHANGE, handle_list_remove},
	{"GET", "/v1/policy", MEMBER, handle_policy_get},
	{"PUT", "/v1/policy", CHANGE, handle_policy_put},
	{"POST", "/v1/policy/plan", MEMBER, handle_policy_plan},
	{"POST", "/v1/policy/confirm", CHANGE, handle_policy_confirm},
	{"POST", "/v1/policy/rollback", CHANGE, handle_policy_rollback},
	{"GET", "/v1/policy/history", MEMBER, handle_policy_history},
	{"GET", "/v1/policy/history/", MEMBER, handle_policy_generation},
	{"GET", "/v1/audit/events", MEMBER, handle_audit_events},
	{"GET", "/v1/audit/export", MEMBER, handle_audit_export},
	{"GET", "/v1/audit/checkpoint", MEMBER, handle_audit_checkpoint},
	{"POST", "/v1/audit/checkpoint/acknowledge", CHANGE, handle_audit_acknowledge},
	{"POST", "/v1/audit/anchors", MEMBER, handle_audit_anchor},
	{"GET", "/v1/audit/keys", MEMBER, handle_audit_keys},
	{"POST", "/v1/audit/keys/rotate", CHANGE, handle_audit_rotate},
	{"GET", "/v1/audit/stats", MEMBER, handle_audit_stats},
	{"POST", "/v1/detach", CHANGE, handle_detach},
	{"POST", "/v1/audit/reports", MEMBER, handle_audit_report},
	{"GET", "/v1/risk/sources", MEMBER, handle_risk_sources},
	{"GET", "/v1/risk/sources/", MEMBER, handle_risk_source},
	{"GET", "/v1/flags", MEMBER, handle_flags},
	{"GET", "/v1/flags/", MEMBER, handle_flag_get},
	{"PUT", "/v1/flags/", CHANGE, handle_flag_put},
	{"DELETE", "/v1/flags/", CHANGE, handle_flag_delete},
	{"GET", "/v1/doctor", MEMBER, handle_doctor},
	{"GET", "/v1/panic", MEMBER, handle_panic_get},
	{"PUT", "/v1/panic", MEMBER, handle_panic_put},
	{"DELETE", "/v1/panic", MEMBER, handle_panic_clear},
	{"GET", "/v1/vault", MEMBER, handle_vault},
	{"POST", "/v1/vault/rotate", MEMBER, handle_vault_rotate},
	{"GET", "/v1/governance/retention-policies", MEMBER, handle_retention_get},
	{"POST", "/v1/governance/retention-policies", MEMBER, handle_retention_set},
	{"POST", "/v1/governance/retention-policies/apply", MEMBER, handle_retention_apply},
	{"GET", "/v1/governance/holds", MEMBER, handle_holds_get},
	{"POST", "/v1/governance/holds", MEMBER, handle_hold_add},
	{"DELETE", "/v1/governance/holds/", MEMBER, handle_hold_remove},
	{"GET", "/v1/governance/requests", MEMBER, handle_requests_get},
	{"GET", "/v1/governance/requests/", MEMBER, handle_request_get},
	{"POST", "/v1/governance/requests", MEMBER, handle_request_post},
};

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
	case 403:
		return "Forbidden";
	case 404:
		return "Not found";
	case 405:
		return "Method not allowed";
	case 409:
		return "Conflict";
	case 412:
		return "Precondition failed";
	case 413:
		return "Content too large";
	case 422:
		return "Unprocessable content";
	case 429:
		return "Too many requests";
	case 507:
		return "Insufficient storage";
	default:
		return "Internal error";
	}
}

/* @members (may be NULL) become members of the problem, too; the reference is taken. */
static void reply_problem_with(struct call *c, unsigned int status, const char *code,
			       const char *detail, json_t *members)
{
	json_t *problem = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title",
				    status_title(status), "status", (int)status, "code", code,
				    "detail", detail);

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
	case ENOSPC:
		return 507;
	default:
		return 500;
	}
}

void reply_fault(struct call *c, const struct fault *f)
{
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

/* NULL: does not match. Otherwise the rest of the path. */
static const char *match(const struct route *route, const char *path)
{
	size_t length = strlen(route->path);

	if (route->path[length - 1] == '/')
		return strncmp(path, route->path, length) == 0 && path[length] ? path + length
									       : NULL;
	return strcmp(path, route->path) == 0 ? "" : NULL;
}

/* A page in somebody's browser must not be able to use their rights: no browser sends these requests
 * without saying where they come from. */
static bool from_browser(const struct http_request *request)
{
	return http_header(request, "Origin") || http_header(request, "Referer");
}

/* ?force, ?force=true: whatever it does to whoever asks. */
static int read_force(struct call *c)
{
	const char *word = http_argument(c->request, "force");

	c->actor.force = word && (!*word || strcmp(word, "true") == 0);
	if (!word || c->actor.force || strcmp(word, "false") == 0)
		return 0;
	reply_problem(c, 400, "request.force", "force must be true or false");
	return -EINVAL;
}

static void dispatch(struct call *c)
{
	char allowed[64] = "";
	struct fault f = {0};
	const char *rest;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		rest = match(&routes[i], c->request->path);
		if (!rest)
			continue;
		if (strcmp(routes[i].method, c->request->method) != 0) {
			snprintf(allowed + strlen(allowed), sizeof(allowed) - strlen(allowed),
				 "%s%s", *allowed ? ", " : "", routes[i].method);
			continue;
		}
		if (routes[i].permission != PUBLIC && !c->request->peer.is_member) {
			engine_denied(c->engine, &c->actor, c->request->path);
			return reply_problem(
				c, 403, "auth.denied",
				"user %s may not do this: it takes root or membership in "
				"the group '%s'",
				c->actor.username, API_GROUP);
		}
		c->rest = rest;
		if (read_force(c) < 0)
			return;
		if (routes[i].permission == CHANGE &&
		    engine_may_change(c->engine, &c->actor, c->request->path, &f) < 0)
			return reply_fault(c, &f);
		return routes[i].handle(c);
	}
	if (!*allowed)
		return reply_problem(c, 404, "request.path", "there is nothing at this path");
	http_response_header(c->response, "Allow", "%s", allowed);
	reply_problem(c, 405, "request.method", "this path does not take %s", c->request->method);
}

static void handle_control(const struct http_request *request, struct http_response *response,
			   void *userdata)
{
	struct api *a = userdata;
	struct call c = {
		.api = a,
		.engine = a->engine,
		.request = request,
		.response = response,
		.actor = {.uid = request->peer.uid,
			  .username = request->peer.username,
			  .role = request->peer.is_member ? "admin" : "public",
			  .pid = request->peer.pid},
	};

	if (request->too_long)
		reply_problem(&c, 413, "request.too_long", "a body may have %u bytes",
			      HTTP_BODY_BYTES_MAX);
	else if (from_browser(request))
		reply_problem(&c, 403, "auth.browser", "requests of web pages are refused");
	else
		dispatch(&c);
}

static void handle_tcp(const struct http_request *request, struct http_response *response,
		       void *userdata)
{
	struct api *a = userdata;
	struct call c = {
		.api = a,
		.engine = a->engine,
		.request = request,
		.response = response,
	};

	if (strcmp(request->path, "/metrics") != 0)
		reply_problem(&c, 404, "request.path", "only /metrics is served here");
	else if (strcmp(request->method, "GET") != 0)
		reply_problem(&c, 405, "request.method", "only GET is served here");
	else
		handle_metrics(&c);
}

static void hold(void (*release)(bool durable, void *token), void *token, void *userdata)
{
	struct api *a = userdata;

	if (recorder_when_durable(engine_recorder(a->engine), release, token) < 0)
		release(false, token);
}

/* The answer to a change says whether its record is on disk. */
static void released(struct http_response *response, bool durable, void *userdata)
{
	struct api *a = userdata;
	json_t *body = json_loadb(response->body, response->length, 0, NULL);

	if (body) {
		json_object_set_new(body, "audit", json_string(durable ? "durable" : "degraded"));
		free(response->body);
		set_body(response, response->status, response->content_type, dump(body));
	}
	if (a->detach_when_sent)
		a->options.detached(a->options.userdata);
}

static void api_free(struct api *a)
{
	close_fdp(&a->control_fd);
	close_fdp(&a->metrics_fd);
	free(a);
}
DEFINE_CLEANUP(struct api *, api_free)

int api_open(const struct api_options *options, struct api **ret, struct fault *reterr)
{
	_cleanup_(api_freep) struct api *a = calloc(1, sizeof(*a));
	int r = 0;

	if (!a)
		return fault(reterr, -ENOMEM, "http.start", "out of memory");
	a->options = *options;
	a->control_fd = a->metrics_fd = -1;
	if (options->metrics_address)
		r = http_listen_tcp(options->metrics_address, &a->metrics_fd, reterr);
	if (r == 0)
		r = http_listen_unix(options->socket_path, &a->control_fd, reterr);
	if (r < 0)
		return r;
	*ret = take_ptr(a);
	return 0;
}

/* Start a server at *@fd, which is its own from then on. */
static int serve(struct http_options *http, int *fd, struct http_server **ret, struct fault *reterr)
{
	int r;

	http->listen_fd = *fd;
	r = http_start(http, ret, reterr);
	if (r == 0)
		*fd = -1;
	return r;
}

int api_serve(struct api *a, struct engine *engine, struct fault *reterr)
{
	struct http_options http = {
		.loop = a->options.loop,
		.group = API_GROUP,
		.handle = handle_control,
		.hold = hold,
		.released = released,
		.userdata = a,
	};
	int r;

	a->engine = engine;
	r = serve(&http, &a->control_fd, &a->control, reterr);
	if (r < 0 || a->metrics_fd < 0)
		return r;
	http.handle = handle_tcp;
	return serve(&http, &a->metrics_fd, &a->metrics, reterr);
}

void api_stop(struct api *a)
{
	if (!a)
		return;
	unlink(a->options.socket_path);
	http_stop(a->control);
	http_stop(a->metrics);
	api_free(a);
}
