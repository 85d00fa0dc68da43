/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What credentials.c, keys.c, sessions.c and totp.c share. */
#ifndef ENGINE_CREDENTIALS_INTERNAL_H
#define ENGINE_CREDENTIALS_INTERNAL_H

#include "engine/credentials.h"
#include "engine/internal.h"
#include "identity/lockout.h"

/* Kinds of documents in the store. Times in them are seconds since 1970. */
#define API_KEY	  "api_key"
#define SESSION	  "session"
#define TOTP	  "totp"
#define LOCK	  "lockout"
#define USER_SIZE 12 /* a uid as text */

struct credentials {
	json_t *keys, *sessions, *totps; /* by id, by id, by uid */
	struct lockout lockout;
	uint8_t token_key[CREDENTIAL_DIGEST];
	struct fault token_fault; /* why there is none */
	uint64_t failed_ns;	  /* CLOCK_MONOTONIC of the last record of a failure */
	uint64_t failed_since;	  /* failures since that have none */
};

uint64_t credentials_now_s(void);
const char *credentials_text(const json_t *document, const char *key);
uint64_t credentials_number(const json_t *document, const char *key);
/* Set @key of @view to the time that @document has there, or null. */
void credentials_put_time(json_t *view, const char *name, const json_t *document, const char *key);
int credentials_usable(const struct engine *e, struct fault *reterr);
int credentials_put(struct engine *e, const char *kind, const char *id, json_t *into,
		    json_t *document, struct fault *reterr);
void credentials_forget(struct engine *e, const char *kind, const char *id, json_t *from);
/* @f: NULL or without an error: it was done. */
void credentials_record(struct engine *e, struct audit_record *record,
			struct audit_details *details, const struct fault *f,
			const struct engine_actor *actor);
/* A failed authentication, of which @cause says what was wrong. Returns -EKEYREJECTED. */
int credentials_failed(struct engine *e, const char *cause, const struct engine_actor *actor,
		       const char *code, const char *text, struct fault *reterr);
int credentials_check_lock(const struct engine *e, const struct engine_actor *actor,
			   struct fault *reterr);
/* Words of an array, joined by blanks, for a record; the caller's to free. NULL: there are none. */
char *credentials_words(const json_t *array);

/* keys.c: why the key cannot be used; NULL: it can. */
const char *key_trouble(const json_t *key, uint64_t now_s);
int key_authenticate(struct engine *e, const char *text, const struct engine_actor *actor,
		     struct engine_credential *ret, struct fault *reterr);
/* sessions.c */
int session_authenticate(struct engine *e, const char *token, const struct engine_actor *actor,
			 struct engine_credential *ret, struct fault *reterr);
/* Forget those that are over. */
void sessions_sweep(struct engine *e);
/* How many are not over. */
size_t sessions_count(const struct engine *e);
void sessions_end_of_key(struct engine *e, const char *key, const struct engine_actor *actor);

#endif
