/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What somebody shows besides being who the system says: an API key, a session's token, a one-time password. Keys and tokens
 * narrow what their user may (identity/grant.h). Keys, sessions, secrets of one-time passwords and locks are documents of the
 * store; of keys it has digests only. Every change, refused ones too, and every failure is a record.
 */
#ifndef ENGINE_CREDENTIALS_H
#define ENGINE_CREDENTIALS_H

#include <jansson.h>

#include "engine/engine.h"
#include "identity/credential.h"
#include "identity/grant.h"

#define CREDENTIALS_KEYS_MAX	 1000
#define CREDENTIALS_SESSIONS_MAX 8 /* of a user */
#define CREDENTIALS_TOKEN_S	 900
#define CREDENTIALS_SESSION_S	 86400
#define CREDENTIALS_NAME_MAX	 64 /* bytes of a key's name */

enum engine_credential_kind { ENGINE_NO_CREDENTIAL, ENGINE_KEY, ENGINE_SESSION };

struct engine_credential {
	enum engine_credential_kind kind;
	char id[CREDENTIAL_ID + 1];
	char key[CREDENTIAL_ID + 1]; /* of a session: the key that opened it; "" = none */
	struct grant grant;
};

/**
 * Check the value of an Authorization header. Faults: auth.key (-EKEYREJECTED: it is malformed, unknown, expired, revoked; it
 * counts as a failure), auth.locked (-EAGAIN: too many of these; engine_locked_out() says how long). A failure is recorded
 * once a second at most.
 */
int engine_authenticate(struct engine *e, const char *authorization,
			const struct engine_actor *actor, struct engine_credential *ret,
			struct fault *reterr);
/** For how many seconds the user is locked out, still; 0: is not. Root and the daemon's own user never are. */
uint32_t engine_locked_out(const struct engine *e, uid_t uid);
/**
 * Check the one-time password of a user who is enrolled; of others none is asked for. NULL: none was given. Faults: auth.step_up
 * (-EKEYREJECTED), auth.locked (-EAGAIN).
 */
int engine_step_up(struct engine *e, const char *code, const struct engine_actor *actor,
		   struct fault *reterr);

/*
 * Keys. @within: what the new key must not exceed; NULL: nothing. *@ret is the caller's: a key as in the list, and the key itself as "key".
 */
/**
 * Make one: {"name", "role", "permissions", "prefixes", "tenants", "hours", "expires_seconds"}. Faults: those of grant_parse(), key.name,
 * key.expires (-EINVAL), key.wider (-EACCES), key.many (-E2BIG), store.none and those of the store.
 */
int engine_key_create(struct engine *e, const json_t *wanted, const struct grant *within,
		      const struct engine_actor *actor, json_t **ret, struct fault *reterr);
/** Another one in the place of @id, which is good for @overlap_s seconds more. key.absent (-ENOENT), key.over (-EPERM). */
int engine_key_rotate(struct engine *e, const char *id, uint64_t overlap_s,
		      const struct grant *within, const struct engine_actor *actor, json_t **ret,
		      struct fault *reterr);
/** End it, and sessions that it opened. key.absent (-ENOENT), key.over (-EPERM). */
int engine_key_revoke(struct engine *e, const char *id, const struct engine_actor *actor,
		      struct fault *reterr);
json_t *engine_keys_json(const struct engine *e);
/** Whether @uid made the key. */
bool engine_key_is_of(const struct engine *e, const char *id, uid_t uid);

/*
 * Sessions. *@ret is the caller's: a session as in the list, and "token" and "refresh_token".
 */
/** Open one that gives what @wanted says, or all that @by does, which narrows it. Faults: those of grant_parse(), session.wider (-EACCES),
 * session.many (-E2BIG), session.nested (-EACCES: a session opens none), session.key (-EIO). */
int engine_session_open(struct engine *e, const json_t *wanted, const struct engine_credential *by,
			uint32_t roles, const struct engine_actor *actor, json_t **ret,
			struct fault *reterr);
/** Another pair of tokens. Faults: auth.key, auth.locked. A token that was used before ends its session. */
int engine_session_refresh(struct engine *e, const char *token, const struct engine_actor *actor,
			   json_t **ret, struct fault *reterr);
/** -ENOENT "session.absent". */
int engine_session_end(struct engine *e, const char *id, const struct engine_actor *actor,
		       struct fault *reterr);
/** Those of @uid, or if it is NULL everybody's. */
json_t *engine_sessions_json(const struct engine *e, const uid_t *uid);
bool engine_session_is_of(const struct engine *e, const char *id, uid_t uid);

/** Enroll @actor: {"secret", "uri", "algorithm"}. Faults: totp.algorithm (-EINVAL), totp.enrolled (-EEXIST). */
int engine_totp_enroll(struct engine *e, const char *algorithm, const struct engine_actor *actor,
		       json_t **ret, struct fault *reterr);
/** -ENOENT "totp.absent". */
int engine_totp_remove(struct engine *e, uid_t uid, const struct engine_actor *actor,
		       struct fault *reterr);

struct engine_credential_counts {
	size_t keys, sessions; /* that are good */
	size_t locked_out;     /* users */
};

void engine_count_credentials(const struct engine *e, struct engine_credential_counts *ret);

/* For the engine itself. */
struct credentials;
void credentials_start(struct engine *e);
void credentials_free(struct credentials *c);

#endif
