/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The way from a request to its handler: route.def says what can be asked, identity/ by whom. */
#include <errno.h>
#include <string.h>

#include "api/etag.h"
#include "api/internal.h"
#include "api/route.h"
#include "base/text.h"

static const struct route {
	const char *method, *path, *operation;
	enum identity_permission permission;
	unsigned int kind;
	void (*handle)(struct call *c);
} routes[] = {
#define ROUTE(method, path, permission, kind, handle, operation)                                   \
	{method, path, operation, PERMISSION_##permission, kind, handle},
#include "api/route.def"
#undef ROUTE
};

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

static const char *step_up_word(unsigned int kind)
{
	return kind & STEP_UP ? "yes" : kind & STEP_UP_IF ? "some" : "no";
}

/* One line for each route: who may ask for it. */
static json_t *json_routes(void)
{
	json_t *items = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		json_array_append_new(items,
				      json_pack("{s:s, s:s, s:s, s:s, s:s}", "method",
						routes[i].method, "path", routes[i].path,
						"operation", routes[i].operation, "permission",
						identity_permission_to_str(routes[i].permission),
						"step_up", step_up_word(routes[i].kind)));
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
		if (call_may(c, i))
			json_array_append_new(mine, json_string(identity_permission_to_str(i)));
	}
	reply_json(c, 200,
		   json_pack("{s:o, s:o, s:o, s:o, s:{s:s, s:I, s:o, s:o, s:s?}}", "roles", roles,
			     "permissions", permissions, "rules", json_rules(c), "routes",
			     json_routes(), "you", "username", c->actor.username, "uid",
			     (json_int_t)c->actor.uid, "roles", json_role_names(c->roles),
			     "permissions", mine, "credential",
			     *c->credential.id ? c->credential.id : NULL));
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

/* ?dry_run, ?dry_run=true: check everything, say what it would do, and do nothing. 0, or answered. */
static int read_dry_run(struct call *c, unsigned int kind)
{
	const char *word = http_argument(c->request, "dry_run");
	bool is = word && (!*word || strcmp(word, "true") == 0);

	if (word && !is && strcmp(word, "false") != 0)
		reply_problem(c, 400, "request.dry_run", "dry_run must be true or false");
	else if (is && (kind & ONCE))
		reply_problem(c, 400, "request.dry_run",
			      "this cannot be tried: what it takes is good once");
	else {
		/* What changes nothing is its own dry run. */
		c->actor.dry_run = is && (kind & KIND) != READ;
		c->step_up = step_up_word(kind);
		return 0;
	}
	return -EINVAL;
}

/* The tenant that a path is about, if its first parameter is one. */
static const char *tenant_of(const struct call *c, const struct route *route, char *ret,
			     size_t size)
{
	const char *first = strchr(route->path, '{');

	if (!first || strncmp(first, "{tenant}", 8) != 0)
		return NULL;
	snprintf(ret, size, "%.*s", (int)strcspn(c->rest, "/"), c->rest);
	return ret;
}

static void enter(struct call *c, const struct route *route)
{
	unsigned int kind = route->kind & KIND;
	struct fault f = {0};
	char tenant[128];

	c->operation = route->operation;
	c->route = route->path;
	if (authorize(c, route->permission, tenant_of(c, route, tenant, sizeof(tenant))) < 0)
		return;
	c->may_change = kind != READ;
	/* Of several roles, the record names one that allows it. */
	c->actor.role = identity_strongest(c->roles & identity_permission_roles(route->permission)
						   ?: c->roles);
	if (read_force(c) < 0 || read_dry_run(c, route->kind) < 0)
		return;
	if (kind == CHANGE && engine_may_change(c->engine, &c->actor, c->request->path, &f) < 0)
		return reply_fault(c, &f);
	if (route->kind & SECRET)
		http_response_header(c->response, "X-Weir-Idempotency", "unkept");
	else if (kind != READ && !c->actor.dry_run && idempotency_answers(c))
		return;
	if (etag_refuses(c))
		return;
	/* Last: a one-time password is good for one attempt. */
	if ((route->kind & STEP_UP) && step_up(c) < 0)
		return;
	route->handle(c);
	etag_put(c);
}

void dispatch(struct call *c)
{
	char allowed[64] = "";

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		c->rest = match(routes[i].path, c->path);
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
