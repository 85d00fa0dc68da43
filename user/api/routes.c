/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The way from a request to its handler: route.def says what can be asked, identity/ by whom. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "policy/describe.h"

enum route_kind { READ, CHANGE, ALWAYS };

static const struct route {
	const char *method, *path, *operation;
	enum identity_permission permission;
	enum route_kind kind;
	void (*handle)(struct call *c);
} routes[] = {
#define ROUTE(method, path, permission, kind, handle, operation)                                   \
	{method, path, operation, PERMISSION_##permission, kind, handle},
#include "api/route.def"
#undef ROUTE
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

/* NULL: does not match. Otherwise the path from its first parameter on; "" if there is none. */
static const char *match(const char *template, const char *path)
{
	const char *first = NULL;

	while (*template && *path) {
		if (*template != '{') {
			if (*template ++ != *path++)
				return NULL;
			continue;
		}
		if (*path == '/')
			return NULL; /* an empty parameter is none */
		first = first ?: path;
		path += template[1] == '+' ? strlen(path) : strcspn(path, "/");
		template = strchr(template, '}') + 1;
	}
	return *template || *path ? NULL : first ?: path;
}

/* One line for each route: who may ask for it. */
static json_t *json_routes(void)
{
	json_t *items = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		json_array_append_new(items,
				      json_pack("{s:s, s:s, s:s, s:s}", "method", routes[i].method,
						"path", routes[i].path, "operation",
						routes[i].operation, "permission",
						identity_permission_to_str(routes[i].permission)));
	return items;
}

static json_t *json_role_names(uint32_t roles)
{
	json_t *items = json_array();

	for (enum identity_role i = 0; i < IDENTITY_ROLE_MAX; i++)
		if (roles & 1U << i)
			json_array_append_new(items, json_string(identity_role_to_str(i)));
	return items;
}

void handle_roles(struct call *c)
{
	json_t *roles = json_array(), *permissions = json_array(), *mine = json_array();

	for (enum identity_role i = 0; i < IDENTITY_ROLE_MAX; i++)
		json_array_append_new(roles,
				      json_pack("{s:s, s:s, s:s}", "role", identity_role_to_str(i),
						"group", identity_role_group(i), "description",
						identity_role_words(i)));
	for (enum identity_permission i = 0; i < PERMISSION_MAX; i++) {
		uint32_t who = identity_permission_roles(i);

		json_array_append_new(permissions,
				      json_pack("{s:s, s:o, s:b, s:s}", "permission",
						identity_permission_to_str(i), "roles",
						json_role_names(who), "anybody",
						(who & IDENTITY_ANYBODY) != 0, "description",
						identity_permission_words(i)));
		if (identity_may(c->roles, i))
			json_array_append_new(mine, json_string(identity_permission_to_str(i)));
	}
	reply_json(c, 200,
		   json_pack("{s:o, s:o, s:o, s:{s:s, s:I, s:o, s:o}}", "roles", roles,
			     "permissions", permissions, "routes", json_routes(), "you", "username",
			     c->actor.username, "uid", (json_int_t)c->actor.uid, "roles",
			     json_role_names(c->roles), "permissions", mine));
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

/* "admin or operator": who could have asked for this. */
static void put_roles(uint32_t roles, struct text *t)
{
	const char *separator = "";

	for (enum identity_role i = 0; i < IDENTITY_ROLE_MAX; i++)
		if (roles & 1U << i) {
			text_printf(t, "%s%s (group %s)", separator, identity_role_to_str(i),
				    identity_role_group(i));
			separator = " or ";
		}
}

static void refuse(struct call *c, const struct route *route)
{
	char who[256];
	struct text t;

	text_init(&t, who, sizeof(who));
	put_roles(identity_permission_roles(route->permission), &t);
	engine_denied(c->engine, &c->actor, c->request->path);
	reply_problem(c, 403, "auth.denied", "user %s (%s) may not do this: %s is for %s",
		      c->actor.username, c->actor.role,
		      identity_permission_to_str(route->permission), who);
}

static void enter(struct call *c, const struct route *route)
{
	struct fault f = {0};

	if (!identity_may(c->roles, route->permission))
		return refuse(c, route);
	/* Of several roles, the record names one that allows it. */
	c->actor.role = identity_strongest(c->roles & identity_permission_roles(route->permission)
						   ?: c->roles);
	if (read_force(c) < 0)
		return;
	if (route->kind == CHANGE &&
	    engine_may_change(c->engine, &c->actor, c->request->path, &f) < 0)
		return reply_fault(c, &f);
	route->handle(c);
}

static void dispatch(struct call *c)
{
	char allowed[64] = "";

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		c->rest = match(routes[i].path, c->request->path);
		if (!c->rest)
			continue;
		if (strcmp(routes[i].method, c->request->method) == 0)
			return enter(c, &routes[i]);
		snprintf(allowed + strlen(allowed), sizeof(allowed) - strlen(allowed), "%s%s",
			 *allowed ? ", " : "", routes[i].method);
	}
	if (!*allowed)
		return reply_problem(c, 404, "request.path", "there is nothing at this path");
	http_response_header(c->response, "Allow", "%s", allowed);
	reply_problem(c, 405, "request.method", "this path does not take %s", c->request->method);
}

/* Root and the daemon's own user are admin; everybody else is what the system's groups say. */
static uint32_t roles_of(const struct http_peer *peer)
{
	return peer->is_owner ? IDENTITY_BIT(ADMIN) | peer->groups : peer->groups;
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
		.roles = roles_of(&request->peer),
		.actor = {.uid = request->peer.uid,
			  .username = request->peer.username,
			  .role = identity_strongest(roles_of(&request->peer)),
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
		.handle = handle_control,
		.hold = hold,
		.released = released,
		.userdata = a,
	};
	int r;

	_Static_assert(IDENTITY_ROLE_MAX <= HTTP_GROUPS_MAX, "http_peer.groups is a set of roles");
	for (enum identity_role i = 0; i < IDENTITY_ROLE_MAX; i++)
		http.groups[i] = identity_role_group(i);
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
