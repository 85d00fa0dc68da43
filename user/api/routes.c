/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The way from a request to its handler: route.def says what can be asked, identity/ by whom. */
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "base/text.h"

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

	c->operation = route->operation;
	if (!identity_may(c->roles, route->permission))
		return refuse(c, route);
	c->may_change = route->kind != READ;
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
