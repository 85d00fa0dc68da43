/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys, sessions and one-time passwords: one of each that is good, nothing of it kept. */
#include <errno.h>
#include <string.h>

#include "engine/credentials.h"
#include "fake_engine.h"
#include "fuzz.h"

#define KEY_ID "0badcafe"

int engine_authenticate(struct engine *e, const char *authorization,
			const struct engine_actor *actor, struct engine_credential *ret,
			struct fault *reterr)
{
	const char *text = credential_bearer(authorization);
	static const uint8_t key[CREDENTIAL_DIGEST];
	char payload[CREDENTIAL_PAYLOAD_MAX + 1], id[CREDENTIAL_ID + 1];
	uint8_t digest[CREDENTIAL_DIGEST];
	json_t *object;

	(void)e;
	(void)actor;
	if (text && credential_key_parse(text, id, digest) == 0) {
		*ret = (struct engine_credential){.kind = ENGINE_KEY, .id = KEY_ID};
		object = json_pack("{s:s, s:[s]}", "role", "operator", "prefixes", "198.18.0.0/16");
	} else if (text && credential_open(key, text, payload) != -EINVAL) {
		*ret = (struct engine_credential){.kind = ENGINE_SESSION, .id = KEY_ID};
		object = json_pack("{s:s}", "role", "admin");
	} else {
		return fault(reterr, -EKEYREJECTED, "auth.key", "there is no such key");
	}
	REQUIRE(grant_parse(object, &ret->grant, reterr) == 0, "no grant");
	json_decref(object);
	return 0;
}

uint32_t engine_locked_out(const struct engine *e, uid_t uid)
{
	(void)e;
	(void)uid;
	return 0;
}

int engine_step_up(struct engine *e, const char *code, const struct engine_actor *actor,
		   struct fault *reterr)
{
	(void)e;
	(void)actor;
	return code ? fault(reterr, -EKEYREJECTED, "auth.step_up", "that is not the one of now")
		    : 0;
}

int engine_key_create(struct engine *e, const json_t *wanted, const struct grant *within,
		      const struct engine_actor *actor, json_t **ret, struct fault *reterr)
{
	struct grant grant;
	int r = grant_parse(wanted, &grant, reterr);

	(void)actor;
	if (r == 0 && within && !grant_within(&grant, within))
		return fault(reterr, -EACCES, "key.wider", "it would give more");
	if (r < 0)
		return r;
	e->changes++;
	*ret = json_object();
	grant_put(&grant, *ret);
	return 0;
}

int engine_key_rotate(struct engine *e, const char *id, uint64_t overlap_s,
		      const struct grant *within, const struct engine_actor *actor, json_t **ret,
		      struct fault *reterr)
{
	(void)within;
	(void)actor;
	(void)overlap_s;
	if (strcmp(id, KEY_ID) != 0)
		return fault(reterr, -ENOENT, "key.absent", "there is no key '%.40s'", id);
	e->changes++;
	*ret = json_pack("{s:s}", "id", id);
	return 0;
}

int engine_key_revoke(struct engine *e, const char *id, const struct engine_actor *actor,
		      struct fault *reterr)
{
	json_t *ignored = NULL;
	int r = engine_key_rotate(e, id, 0, NULL, actor, &ignored, reterr);

	json_decref(ignored);
	return r;
}

json_t *engine_keys_json(const struct engine *e)
{
	(void)e;
	return json_pack("{s:[]}", "items");
}

bool engine_key_is_of(const struct engine *e, const char *id, uid_t uid)
{
	(void)e;
	(void)id;
	return uid & 1;
}

int engine_session_open(struct engine *e, const json_t *wanted, const struct engine_credential *by,
			uint32_t roles, const struct engine_actor *actor, json_t **ret,
			struct fault *reterr)
{
	REQUIRE(roles, "a session for nobody");
	if (by->kind == ENGINE_SESSION)
		return fault(reterr, -EACCES, "session.nested", "a session opens no other one");
	return engine_key_create(e, wanted, by->kind ? &by->grant : NULL, actor, ret, reterr);
}

int engine_session_refresh(struct engine *e, const char *token, const struct engine_actor *actor,
			   json_t **ret, struct fault *reterr)
{
	(void)e;
	(void)token;
	(void)actor;
	(void)ret;
	return fault(reterr, -EKEYREJECTED, "auth.key", "this is no token of weir");
}

int engine_session_end(struct engine *e, const char *id, const struct engine_actor *actor,
		       struct fault *reterr)
{
	return engine_key_revoke(e, id, actor, reterr);
}

json_t *engine_sessions_json(const struct engine *e, const uid_t *uid)
{
	(void)uid;
	return engine_keys_json(e);
}

bool engine_session_is_of(const struct engine *e, const char *id, uid_t uid)
{
	return engine_key_is_of(e, id, uid);
}

int engine_totp_enroll(struct engine *e, const char *algorithm, const struct engine_actor *actor,
		       json_t **ret, struct fault *reterr)
{
	(void)actor;
	if (strcmp(algorithm, "sha1") != 0)
		return fault(reterr, -EINVAL, "totp.algorithm", "'%.20s' is unknown", algorithm);
	e->changes++;
	*ret = json_object();
	return 0;
}

int engine_totp_remove(struct engine *e, uid_t uid, const struct engine_actor *actor,
		       struct fault *reterr)
{
	(void)actor;
	if (uid > 1000)
		return fault(reterr, -ENOENT, "totp.absent", "user %u is not enrolled", uid);
	e->changes++;
	return 0;
}
