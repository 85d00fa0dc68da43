/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sessions: a token that is good for a short time, and one that gets the next pair. A token is a signed JSON object:
 *
 *	{"session", "kind": "token" or "refresh", "turn", "uid", "exp", "role", "permissions", ...}
 *
 * What it gives is what it carries; it is good as long as the session is in the ledger, which has the turn of the last
 * pair. A token to refresh that is older was copied by somebody: nobody can tell who came first, so the session ends.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "engine/credentials_internal.h"

static json_t *session_of(const struct engine *e, const char *id)
{
	return e->credentials ? json_object_get(e->credentials->sessions, id) : NULL;
}

/* A session whose time or key is over is none. */
static bool is_over(const struct engine *e, const json_t *session, uint64_t now_s)
{
	const char *key = credentials_text(session, "key");

	return credentials_number(session, "expires") <= now_s ||
	       (*key && (!json_object_get(e->credentials->keys, key) ||
			 key_trouble(json_object_get(e->credentials->keys, key), now_s)));
}

void sessions_sweep(struct engine *e)
{
	const char *id;
	json_t *session;
	void *next;

	json_object_foreach_safe(e->credentials->sessions, next, id, session)
	{
		if (is_over(e, session, credentials_now_s()))
			credentials_forget(e, SESSION, id, e->credentials->sessions);
	}
}

size_t sessions_count(const struct engine *e)
{
	size_t count = 0;
	const char *id;
	json_t *session;

	json_object_foreach (e->credentials->sessions, id, session) {
		count += !is_over(e, session, credentials_now_s());
	}
	return count;
}

bool engine_session_is_of(const struct engine *e, const char *id, uid_t uid)
{
	return session_of(e, id) && credentials_number(session_of(e, id), "uid") == uid;
}

static json_t *view_of(const json_t *session)
{
	json_t *view = json_deep_copy(session);

	credentials_put_time(view, "opened_at", session, "opened");
	credentials_put_time(view, "expires_at", session, "expires");
	json_object_del(view, "opened");
	json_object_del(view, "expires");
	json_object_del(view, "turn");
	return view;
}

json_t *engine_sessions_json(const struct engine *e, const uid_t *uid)
{
	json_t *items = json_array(), *session;
	const char *id;

	if (e->credentials) {
		json_object_foreach (e->credentials->sessions, id, session) {
			if (!is_over(e, session, credentials_now_s()) &&
			    (!uid || credentials_number(session, "uid") == *uid))
				json_array_append_new(items, view_of(session));
		}
	}
	return json_pack("{s:o}", "items", items);
}

static unsigned int count_of(const struct engine *e, uid_t uid)
{
	unsigned int count = 0;
	const char *id;
	json_t *session;

	json_object_foreach (e->credentials->sessions, id, session) {
		count += credentials_number(session, "uid") == uid;
	}
	return count;
}

static void record(struct engine *e, enum audit_event event, const char *id, const json_t *session,
		   const char *cause, const struct fault *f, const struct engine_actor *actor)
{
	_cleanup_free_ char *permissions =
		credentials_words(json_object_get(session, "permissions"));
	struct audit_details details = {0};
	struct audit_record record = {.event = event, .resource = {"session", id}};

	if (*credentials_text(session, "role"))
		audit_details_string(&details, "role", credentials_text(session, "role"));
	if (permissions)
		audit_details_string(&details, "permissions", permissions);
	if (*credentials_text(session, "key"))
		audit_details_string(&details, "api_key", credentials_text(session, "key"));
	if (event == AUDIT_EVENT_SESSION_ENDED && session)
		audit_details_string(&details, "of_user", credentials_text(session, "username"));
	if (cause)
		audit_details_string(&details, "cause", cause);
	credentials_record(e, &record, &details, f, actor);
}

/* Append a token of the session, good until @expires_s, to @view as @name. */
static int put_token(const struct engine *e, const json_t *session, const char *kind,
		     uint64_t expires_s, const char *name, json_t *view, struct fault *reterr)
{
	static const char *const carried[] = {"uid",	 "turn",  "role", "permissions", "prefixes",
					      "tenants", "hours", "rate", "key"};
	_cleanup_(json_decrefp) json_t *payload =
		json_pack("{s:O, s:s, s:I}", "session", json_object_get(session, "id"), "kind",
			  kind, "exp", (json_int_t)expires_s);
	_cleanup_(text_done) struct text token = {.growing = true};
	_cleanup_free_ char *text = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(carried); i++) {
		json_t *member = json_object_get(session, carried[i]);

		if (member)
			json_object_set(payload, carried[i], member);
	}
	text = json_dumps(payload, JSON_COMPACT);
	r = text ? credential_sign(e->credentials->token_key, text, &token) : -ENOMEM;
	if (r < 0)
		return fault(reterr, r, "session.token", "a token cannot be made: %s",
			     strerror(-r));
	json_object_set_new(view, name, json_string(token.data));
	return 0;
}

static int put_tokens(const struct engine *e, const json_t *session, json_t **ret,
		      struct fault *reterr)
{
	_cleanup_(json_decrefp) json_t *view = view_of(session);
	uint64_t until = credentials_now_s() + CREDENTIALS_TOKEN_S;
	uint64_t end = credentials_number(session, "expires");
	int r;

	if (until > end)
		until = end;
	r = put_token(e, session, "token", until, "token", view, reterr);
	if (r == 0)
		r = put_token(e, session, "refresh", end, "refresh_token", view, reterr);
	if (r < 0)
		return r;
	json_object_set_new(view, "token_seconds",
			    json_integer((json_int_t)(until - credentials_now_s())));
	*ret = take_ptr(view);
	return 0;
}

/* What a session gives if nothing is said: what the key gives, or the strongest role of whoever asks. */
static int read_grant(const json_t *wanted, const struct engine_credential *by, uint32_t roles,
		      struct grant *ret, struct fault *reterr)
{
	_cleanup_(json_decrefp) json_t *object = json_object();
	int r;

	if (by->kind == ENGINE_KEY)
		grant_put(&by->grant, object);
	else
		json_object_set_new(object, "role", json_string(identity_strongest(roles)));
	if (json_object_get(wanted, "role"))
		json_object_del(object, "permissions"); /* they are of the role */
	json_object_update(object, (json_t *)(uintptr_t)wanted);
	r = grant_parse(object, ret, reterr);
	if (r == 0 && by->kind == ENGINE_KEY && !grant_within(ret, &by->grant))
		return fault(reterr, -EACCES, "session.wider",
			     "it would give more than the key that opens it has");
	return r;
}

static int open_session(struct engine *e, const struct grant *grant,
			const struct engine_credential *by, const struct engine_actor *actor,
			json_t *session, json_t **ret, struct fault *reterr)
{
	uint64_t now_s = credentials_now_s();
	char id[CREDENTIAL_ID + 1];
	int r;

	if (e->credentials->token_fault.err)
		return fault(reterr, -EIO, "session.key", "%s", e->credentials->token_fault.text);
	sessions_sweep(e);
	if (count_of(e, actor->uid) >= CREDENTIALS_SESSIONS_MAX)
		return fault(reterr, -E2BIG, "session.many",
			     "user %s has %d sessions already: end one", actor->username,
			     CREDENTIALS_SESSIONS_MAX);
	r = engine_proceed(actor, reterr, "open a session of user %s with the role %s",
			   actor->username, identity_role_to_str(grant->role));
	if (r < 0)
		return r;
	do {
		if (credential_random_id(id, CREDENTIAL_ID) < 0)
			return fault(reterr, -EIO, "session.id", "the kernel has no random bytes");
	} while (session_of(e, id));
	grant_put(grant, session);
	json_object_set_new(session, "id", json_string(id));
	json_object_set_new(session, "uid", json_integer((json_int_t)actor->uid));
	json_object_set_new(session, "username", json_string(actor->username));
	json_object_set_new(session, "turn", json_integer(1));
	json_object_set_new(session, "opened", json_integer((json_int_t)now_s));
	json_object_set_new(session, "expires",
			    json_integer((json_int_t)(now_s + CREDENTIALS_SESSION_S)));
	if (by->kind == ENGINE_KEY)
		json_object_set_new(session, "key", json_string(by->id));
	r = put_tokens(e, session, ret, reterr);
	if (r == 0)
		r = credentials_put(e, SESSION, id, e->credentials->sessions, session, reterr);
	if (r < 0 && *ret) {
		json_decref(*ret);
		*ret = NULL;
	}
	return r;
}

int engine_session_open(struct engine *e, const json_t *wanted, const struct engine_credential *by,
			uint32_t roles, const struct engine_actor *actor, json_t **ret,
			struct fault *reterr)
{
	_cleanup_(json_decrefp) json_t *session = json_object();
	struct fault f = {0};
	struct grant grant;
	int r = credentials_usable(e, &f);

	*ret = NULL;
	if (r == 0 && by->kind == ENGINE_SESSION)
		r = fault(&f, -EACCES, "session.nested", "a session opens no other one");
	if (r == 0)
		r = read_grant(wanted, by, roles, &grant, &f);
	if (r == 0)
		r = open_session(e, &grant, by, actor, session, ret, &f);
	record(e, AUDIT_EVENT_SESSION_OPENED, credentials_text(session, "id"), session, NULL, &f,
	       actor);
	return r < 0 ? fault(reterr, r, f.code, "%s", f.text) : 0;
}

static void end(struct engine *e, const char *id, const char *cause,
		const struct engine_actor *actor)
{
	_cleanup_(json_decrefp) json_t *session = json_incref(session_of(e, id));

	credentials_forget(e, SESSION, credentials_text(session, "id"), e->credentials->sessions);
	record(e, AUDIT_EVENT_SESSION_ENDED, credentials_text(session, "id"), session, cause, NULL,
	       actor);
}

int engine_session_end(struct engine *e, const char *id, const struct engine_actor *actor,
		       struct fault *reterr)
{
	struct fault f = {0};

	if (session_of(e, id)) {
		if (engine_proceed(actor, reterr, "end the session %s of user %s", id,
				   credentials_text(session_of(e, id), "username")) < 0)
			return -EINPROGRESS;
		end(e, id, "asked", actor);
		return 0;
	}
	fault(&f, -ENOENT, "session.absent", "there is no session '%.40s'", id);
	record(e, AUDIT_EVENT_SESSION_ENDED, id, NULL, NULL, &f, actor);
	return fault(reterr, f.err, f.code, "%s", f.text);
}

void sessions_end_of_key(struct engine *e, const char *key, const struct engine_actor *actor)
{
	const char *id;
	json_t *session;
	void *next;

	json_object_foreach_safe(e->credentials->sessions, next, id, session)
	{
		if (strcmp(credentials_text(session, "key"), key) == 0)
			end(e, id, "key", actor);
	}
}

/* The payload of a token of @kind, and its session, if both are good for @actor. */
static int check_token(struct engine *e, const char *token, const char *kind,
		       const struct engine_actor *actor, json_t **ret_payload, json_t **ret_session,
		       struct fault *reterr)
{
	char text[CREDENTIAL_PAYLOAD_MAX + 1];
	_cleanup_(json_decrefp) json_t *payload = NULL;
	const char *cause = NULL;
	json_t *session;

	/* Without a key of ours a token could be signed with zeros. */
	if (e->credentials->token_fault.err ||
	    credential_open(e->credentials->token_key, token, text) < 0)
		return credentials_failed(e, "signature", actor, "auth.key",
					  "this is no token of weir", reterr);
	payload = json_loads(text, 0, NULL);
	session = session_of(e, credentials_text(payload, "session"));
	if (strcmp(credentials_text(payload, "kind"), kind) != 0)
		cause = "kind";
	else if (!session || is_over(e, session, credentials_now_s()))
		cause = "ended";
	else if (credentials_number(payload, "uid") != actor->uid)
		cause = "user";
	if (cause)
		return credentials_failed(
			e, cause, actor, "auth.key",
			"the session is over, of another user, or the token is not for this",
			reterr);
	/* Nobody guesses who has the right token a little too long, and several at once are no reason for a lock. */
	if (credentials_number(payload, "exp") <= credentials_now_s())
		return fault(reterr, -EKEYREJECTED, "auth.key",
			     "the token is over: refresh it, or open a session");
	*ret_payload = take_ptr(payload);
	*ret_session = session;
	return 0;
}

int session_authenticate(struct engine *e, const char *token, const struct engine_actor *actor,
			 struct engine_credential *ret, struct fault *reterr)
{
	_cleanup_(json_decrefp) json_t *payload = NULL;
	json_t *session;
	int r = check_token(e, token, "token", actor, &payload, &session, reterr);

	if (r < 0)
		return r;
	*ret = (struct engine_credential){.kind = ENGINE_SESSION};
	snprintf(ret->id, sizeof(ret->id), "%s", credentials_text(payload, "session"));
	snprintf(ret->key, sizeof(ret->key), "%s", credentials_text(payload, "key"));
	return grant_parse(payload, &ret->grant, reterr) == 0
		       ? 0
		       : credentials_failed(e, "grant", actor, "auth.key",
					    "the token gives what this version does not know",
					    reterr);
}

int engine_session_refresh(struct engine *e, const char *token, const struct engine_actor *actor,
			   json_t **ret, struct fault *reterr)
{
	_cleanup_(json_decrefp) json_t *payload = NULL, *next = NULL;
	json_t *session;
	int r = credentials_usable(e, reterr);

	if (r == 0)
		r = credentials_check_lock(e, actor, reterr);
	if (r == 0)
		r = check_token(e, token, "refresh", actor, &payload, &session, reterr);
	if (r < 0)
		return r;
	if (credentials_number(payload, "turn") != credentials_number(session, "turn")) {
		end(e, credentials_text(session, "id"), "reused", actor);
		return credentials_failed(
			e, "reused", actor, "auth.key",
			"this token was used before: somebody has a copy, and the session is ended",
			reterr);
	}
	next = json_copy(session);
	json_object_set_new(next, "turn",
			    json_integer((json_int_t)credentials_number(session, "turn") + 1));
	r = credentials_put(e, SESSION, credentials_text(session, "id"), e->credentials->sessions,
			    next, reterr);
	return r < 0 ? r : put_tokens(e, next, ret, reterr);
}
