/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sessions and one-time passwords: what somebody manages for themselves. */
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "base/text.h"

void handle_sessions(struct call *c)
{
	bool all = call_may(c, PERMISSION_KEYS_READ);

	reply_json(c, 200, engine_sessions_json(c->engine, all ? NULL : &c->actor.uid));
}

void handle_session_open(struct call *c)
{
	static const char *const names[] = {"role",    "permissions", "prefixes",
					    "tenants", "hours",	      "rate"};
	json_t *body = body_read(c, names, ARRAY_SIZE(names)), *session;
	struct fault f = {0};

	if (!body)
		return;
	if (engine_session_open(c->engine, body, &c->credential, c->roles, &c->actor, &session,
				&f) < 0)
		reply_credential_fault(c, &f);
	else
		reply_changed(c, 201, session);
	json_decref(body);
}

void handle_session_refresh(struct call *c)
{
	static const char *const names[] = {"refresh_token"};
	json_t *body = body_read(c, names, ARRAY_SIZE(names)), *session;
	const char *token = json_string_value(json_object_get(body, "refresh_token"));
	struct fault f = {0};

	if (!body)
		return;
	if (!token)
		reply_problem(c, 422, "request.member", "the body has the member 'refresh_token'");
	else if (engine_session_refresh(c->engine, token, &c->actor, &session, &f) < 0)
		reply_credential_fault(c, &f);
	else
		reply_changed(c, 200, session);
	json_decref(body);
}

void handle_session_end(struct call *c)
{
	bool own = engine_session_is_of(c->engine, c->rest, c->actor.uid);
	struct fault f = {0};

	/* Of others only an admin learns whether there are any. */
	if (!own && !call_may(c, PERMISSION_KEYS_WRITE)) {
		engine_denied(c->engine, &c->actor, c->request->path, NULL);
		return reply_problem(c, 404, "session.absent", "user %s has no session '%.40s'",
				     c->actor.username, c->rest);
	}
	if (!own && step_up(c) < 0)
		return;
	if (engine_session_end(c->engine, c->rest, &c->actor, &f) < 0)
		return reply_credential_fault(c, &f);
	reply_changed(c, 200, json_pack("{s:s}", "id", c->rest));
}

/* A tool must not make itself, or its user, somebody who proves more. */
static bool refuse_credential(struct call *c)
{
	if (!c->credential.kind)
		return false;
	engine_denied(c->engine, &c->actor, c->request->path, NULL);
	reply_problem(c, 403, "auth.scope",
		      "one-time passwords are managed without a key and outside of sessions");
	return true;
}

void handle_totp_enroll(struct call *c)
{
	static const char *const names[] = {"algorithm"};
	json_t *body = body_read(c, names, ARRAY_SIZE(names)), *enrolled;
	const char *algorithm = json_string_value(json_object_get(body, "algorithm"));
	struct fault f = {0};

	if (!body)
		return;
	if (!algorithm)
		reply_problem(c, 422, "request.member",
			      "the body has the member 'algorithm': sha1 or sha256");
	else if (!refuse_credential(c)) {
		if (engine_totp_enroll(c->engine, algorithm, &c->actor, &enrolled, &f) < 0)
			reply_credential_fault(c, &f);
		else
			reply_changed(c, 201, enrolled);
	}
	json_decref(body);
}

static void remove_totp(struct call *c, uid_t uid)
{
	struct fault f = {0};

	if (refuse_credential(c))
		return;
	if (engine_totp_remove(c->engine, uid, &c->actor, &f) < 0)
		return reply_credential_fault(c, &f);
	reply_changed(c, 200, json_pack("{s:I}", "uid", (json_int_t)uid));
}

void handle_totp_remove(struct call *c)
{
	remove_totp(c, c->actor.uid);
}

void handle_totp_remove_of(struct call *c)
{
	uint32_t uid;

	if (parse_u32(c->rest, 0, UINT32_MAX - 1, &uid) < 0)
		return reply_problem(c, 422, "request.user", "'%.40s' is no number of a user",
				     c->rest);
	remove_totp(c, uid);
}
