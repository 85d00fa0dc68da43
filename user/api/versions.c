/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What versions of the API there are, and what it takes to go from one to another. */
#include <string.h>

#include "api/internal.h"
#include "base/clock.h"

static json_t *json_moment(int64_t unix_time)
{
	return unix_time ? json_time((uint64_t)unix_time * NSEC_PER_SEC) : json_null();
}

static json_t *json_version(enum api_version version)
{
	const struct api_version_info *v = api_version(version);

	return json_pack("{s:s, s:s, s:b, s:o, s:o, s:s}", "version", v->word, "status",
			 api_status_to_str(v->status), "latest", version == api_version_latest(),
			 "deprecated_at", json_moment(v->deprecated_at), "sunset_at",
			 json_moment(v->sunset_at), "description", v->words);
}

/* What became otherwise with @version; of @resource alone, or of all if it is NULL. */
static json_t *json_changes(enum api_version version, const char *resource)
{
	json_t *items = json_array();
	size_t count;
	const struct api_migration *m = api_migrations(&count);

	for (size_t i = 0; i < count; i++)
		if (m[i].version == version && (!resource || strcmp(m[i].resource, resource) == 0))
			json_array_append_new(items, json_pack("{s:s, s:s, s:b, s:b}", "resource",
							       m[i].resource, "change", m[i].words,
							       "requests", m[i].request != NULL,
							       "responses", m[i].response != NULL));
	return items;
}

void handle_versions(struct call *c)
{
	json_t *items = json_array();

	for (enum api_version i = 0; i < API_VERSION_MAX; i++)
		json_array_append_new(items, json_version(i));
	reply_json(c, 200, json_pack("{s:o}", "items", items));
}

/* The version that the path names; below 0: there is none, which is the answer. */
static int read_version(struct call *c)
{
	char word[16];
	int version;

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(c->rest, "/"), c->rest);
	version = api_version_from_str(word);
	if (version < 0)
		reply_problem(c, 404, "version.unknown", "there is no version '%s' of the API",
			      word);
	return version;
}

void handle_version(struct call *c)
{
	int version = read_version(c);
	json_t *body;

	if (version < 0)
		return;
	body = json_version((enum api_version)version);
	json_object_set_new(body, "changes", json_changes((enum api_version)version, NULL));
	reply_json(c, 200, body);
}

/* The paths of a resource are in the table of routes. */
static bool is_resource(const char *resource)
{
	static const char *const paths[] = {
#define ROUTE(method, path, permission, kind, handler, operation) path,
#include "api/route.def"
#undef ROUTE
	};
	size_t length = strlen(resource);

	for (size_t i = 0; length && i < ARRAY_SIZE(paths); i++)
		if (strncmp(paths[i] + 1, resource, length) == 0 &&
		    (!paths[i][1 + length] || paths[i][1 + length] == '/'))
			return true;
	return false;
}

void handle_compatibility(struct call *c)
{
	int version = read_version(c);
	const char *resource;
	json_t *changes;

	if (version < 0)
		return;
	resource = strchr(c->rest, '/') + strlen("/compatibility/");
	if (!is_resource(resource))
		return reply_problem(c, 404, "version.resource", "there is no resource '%.60s'",
				     resource);
	changes = json_changes((enum api_version)version, resource);
	reply_json(c, 200,
		   json_pack("{s:s, s:s, s:s?, s:b, s:o}", "version",
			     api_version((enum api_version)version)->word, "resource", resource,
			     "since",
			     version ? api_version((enum api_version)(version - 1))->word : NULL,
			     "compatible", json_array_size(changes) == 0, "changes", changes));
}
