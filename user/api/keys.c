/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* API keys. */
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/text.h"

/* What a new key must not exceed: what was shown to ask for it. */
static const struct grant *within(const struct call *c)
{
	return c->credential.kind ? &c->credential.grant : NULL;
}

/* The member @name of @body, a duration, in seconds; 0 if it is not there. Answers itself if it is none. */
static int read_seconds(struct call *c, const json_t *body, const char *name, uint64_t *ret)
{
	const json_t *value = json_object_get(body, name);
	uint64_t ns;

	*ret = 0;
	if (!value)
		return 0;
	if (!json_is_string(value) || parse_duration_ns(json_string_value(value), &ns) < 0 ||
	    ns < NSEC_PER_SEC) {
		reply_problem(c, 422, "request.duration",
			      "'%s' is no duration of at least 1s such as 90d", name);
		return -EINVAL;
	}
	*ret = ns / NSEC_PER_SEC;
	return 0;
}

void handle_keys(struct call *c)
{
	reply_json(c, 200, engine_keys_json(c->engine));
}

static void create(struct call *c, json_t *body)
{
	struct fault f = {0};
	uint64_t expires_s;
	json_t *key;

	if (read_seconds(c, body, "expires", &expires_s) < 0)
		return;
	if (expires_s)
		json_object_set_new(body, "expires_seconds", json_integer((json_int_t)expires_s));
	if (engine_key_create(c->engine, body, within(c), &c->actor, &key, &f) < 0)
		return reply_credential_fault(c, &f);
	reply_changed(c, 201, key);
}

void handle_key_create(struct call *c)
{
	static const char *const names[] = {"name",    "role",	"permissions", "prefixes",
					    "tenants", "hours", "rate",	       "expires"};
	json_t *body = body_read(c, names, ARRAY_SIZE(names));

	if (body)
		create(c, body);
	json_decref(body);
}

/* Somebody else's key takes a one-time password. */
static int step_up_for(struct call *c, const char *id)
{
	return engine_key_is_of(c->engine, id, c->actor.uid) ? 0 : step_up(c);
}

static void rotate(struct call *c, const json_t *body)
{
	uint64_t overlap_s;
	struct fault f = {0};
	char id[64];
	json_t *key;

	snprintf(id, sizeof(id), "%.*s", (int)strcspn(c->rest, "/"), c->rest);
	if (read_seconds(c, body, "overlap", &overlap_s) < 0 || step_up_for(c, id) < 0)
		return;
	if (engine_key_rotate(c->engine, id, overlap_s, within(c), &c->actor, &key, &f) < 0)
		return reply_credential_fault(c, &f);
	reply_changed(c, 201, key);
}

void handle_key_rotate(struct call *c)
{
	static const char *const names[] = {"overlap"};
	json_t *body = body_read(c, names, ARRAY_SIZE(names));

	if (body)
		rotate(c, body);
	json_decref(body);
}

void handle_key_revoke(struct call *c)
{
	struct fault f = {0};

	if (step_up_for(c, c->rest) < 0)
		return;
	if (engine_key_revoke(c->engine, c->rest, &c->actor, &f) < 0)
		return reply_credential_fault(c, &f);
	reply_changed(c, 200, json_pack("{s:s}", "id", c->rest));
}
