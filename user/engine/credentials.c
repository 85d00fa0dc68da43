/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What keys, sessions and one-time passwords have in common: where they are kept, and what becomes of who guesses. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "audit/hash.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/credentials_internal.h"

#define TOKEN_KEY_TEXT (2 * CREDENTIAL_DIGEST)

uint64_t credentials_now_s(void)
{
	return clock_real_ns() / NSEC_PER_SEC;
}

const char *credentials_text(const json_t *document, const char *key)
{
	return json_string_value(json_object_get(document, key)) ?: "";
}

uint64_t credentials_number(const json_t *document, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(document, key));

	return value > 0 ? (uint64_t)value : 0;
}

void credentials_put_time(json_t *view, const char *name, const json_t *document, const char *key)
{
	uint64_t time_s = credentials_number(document, key);
	char text[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(time_s * NSEC_PER_SEC, text);
	json_object_set_new(view, name, time_s ? json_string(text) : json_null());
}

char *credentials_words(const json_t *array)
{
	struct text t = {.growing = true};
	const json_t *word;
	size_t i;

	json_array_foreach (array, i, word) {
		text_printf(&t, "%s%s", i ? " " : "", json_string_value(word) ?: "");
	}
	return t.length ? text_take(&t) : NULL;
}

static void take_lock(struct credentials *c, const char *id, const json_t *body)
{
	uint32_t uid;

	if (parse_u32(id, 0, UINT32_MAX - 1, &uid) == 0)
		lockout_restore(&c->lockout, uid, (uint32_t)credentials_number(body, "locks"),
				credentials_number(body, "until"));
}

static int take_document(const struct store_document *document, void *userdata)
{
	struct credentials *c = userdata;
	json_t *body = json_loads(document->body, 0, NULL);
	json_t *into = strcmp(document->kind, API_KEY) == 0   ? c->keys
		       : strcmp(document->kind, SESSION) == 0 ? c->sessions
		       : strcmp(document->kind, TOTP) == 0    ? c->totps
							      : NULL;

	if (into && json_is_object(body))
		json_object_set(into, document->id, body);
	if (strcmp(document->kind, LOCK) == 0)
		take_lock(c, document->id, body);
	json_decref(body);
	return 0;
}

static int make_token_key(const char *path, struct credentials *c, struct fault *reterr)
{
	char text[TOKEN_KEY_TEXT + 2];

	if (getrandom(c->token_key, sizeof(c->token_key), 0) != sizeof(c->token_key))
		return fault(reterr, -EIO, "session.key", "the kernel has no random bytes");
	hex_format(c->token_key, sizeof(c->token_key), text);
	text[TOKEN_KEY_TEXT] = '\n';
	return fs_replace_file(path, text, TOKEN_KEY_TEXT + 1, 0400, reterr);
}

/* What signs tokens: keys/session.key in the state directory, made by the first start. */
static int load_token_key(const struct engine *e, struct credentials *c, struct fault *reterr)
{
	_cleanup_free_ char *text = NULL;
	char directory[PATH_MAX], path[PATH_MAX];
	struct fault f = {0};
	size_t length;
	int r;

	if (snprintf(directory, sizeof(directory), "%s/keys", e->options.state_dir) >=
		    (int)sizeof(directory) ||
	    snprintf(path, sizeof(path), "%s/session.key", directory) >= (int)sizeof(path))
		return fault(reterr, -ENAMETOOLONG, "session.key", "%s is too long a path",
			     e->options.state_dir);
	r = fs_own_directory(directory, 0700, reterr);
	if (r < 0)
		return r;
	r = fs_read_file(path, TOKEN_KEY_TEXT + 1, &text, &length, &f);
	if (r == -ENOENT)
		return make_token_key(path, c, reterr);
	if (r < 0)
		return fault(reterr, r, "session.key", "%s", f.text);
	if (length != TOKEN_KEY_TEXT + 1 || hex_parse(text, sizeof(c->token_key), c->token_key) < 0)
		return fault(reterr, -EINVAL, "session.key",
			     "%s is not one line of 64 lower hex digits: remove it, and a new one "
			     "is made; sessions end",
			     path);
	return 0;
}

void credentials_start(struct engine *e)
{
	struct credentials *c = calloc(1, sizeof(*c));
	struct fault f = {0};

	e->credentials = c;
	if (!c)
		return;
	c->keys = json_object();
	c->sessions = json_object();
	c->totps = json_object();
	if (load_token_key(e, c, &c->token_fault) < 0)
		log_error("there are no sessions: their key cannot be read", "error",
			  c->token_fault.text);
	if (e->store && store_document_each(e->store, take_document, c, &f) < 0)
		log_error("keys and sessions cannot be read: none is good", "error", f.text);
	sessions_sweep(e);
}

void credentials_free(struct credentials *c)
{
	if (!c)
		return;
	json_decref(c->keys);
	json_decref(c->sessions);
	json_decref(c->totps);
	explicit_bzero(c->token_key, sizeof(c->token_key));
	free(c);
}

int credentials_usable(const struct engine *e, struct fault *reterr)
{
	if (!e->credentials)
		return fault(reterr, -ENOMEM, "store.none", "there is no memory for keys");
	if (!e->store)
		return fault(reterr, -EIO, "store.none",
			     "the database cannot be used, and keys are kept nowhere else");
	return 0;
}

int credentials_put(struct engine *e, const char *kind, const char *id, json_t *into,
		    json_t *document, struct fault *reterr)
{
	_cleanup_free_ char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
	const struct store_document row = {kind, id, text};
	int r = text ? store_document_put(e->store, &row, reterr)
		     : fault(reterr, -ENOMEM, "store.none", "out of memory");

	if (r == 0 && into)
		json_object_set(into, id, document);
	return r;
}

/* What cannot be deleted in the store is gone until the next start, and over by then or soon. */
void credentials_forget(struct engine *e, const char *kind, const char *id, json_t *from)
{
	struct fault f = {0};
	char key[32];

	snprintf(key, sizeof(key), "%s", id); /* @id may be the member's own */
	json_object_del(from, key);
	if (e->store && store_document_delete(e->store, kind, key, &f) < 0)
		log_error("it cannot be deleted in the database", "kind", kind, "error", f.text);
}

void credentials_record(struct engine *e, struct audit_record *record,
			struct audit_details *details, const struct fault *f,
			const struct engine_actor *actor)
{
	if (f && f->err) {
		record->outcome = AUDIT_DENIED;
		audit_details_string(details, "code", f->code);
		audit_details_string(details, "error", f->text);
	}
	record->details = details;
	engine_record(e, record, actor);
}

/* Nobody locks those out who mend it. */
static bool is_owner(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

uint32_t engine_locked_out(const struct engine *e, uid_t uid)
{
	if (!e->credentials || is_owner(uid))
		return 0;
	return lockout_left(&e->credentials->lockout, uid, credentials_now_s());
}

void engine_count_credentials(const struct engine *e, struct engine_credential_counts *ret)
{
	const struct credentials *c = e->credentials;
	uint64_t now_s = credentials_now_s();
	const char *id;
	json_t *key;

	*ret = (struct engine_credential_counts){0};
	if (!c)
		return;
	json_object_foreach (c->keys, id, key) {
		ret->keys += !key_trouble(key, now_s);
	}
	ret->sessions = sessions_count(e);
	ret->locked_out = lockout_count(&c->lockout, now_s);
}

int credentials_check_lock(const struct engine *e, const struct engine_actor *actor,
			   struct fault *reterr)
{
	uint32_t left_s = engine_locked_out(e, actor->uid);

	if (!left_s)
		return 0;
	return fault(reterr, -EAGAIN, "auth.locked",
		     "user %s failed to authenticate too often and is locked out for %u s more",
		     actor->username, left_s);
}

static void lock(struct engine *e, const struct lockout_user *u, const struct engine_actor *actor)
{
	json_t *document = json_pack("{s:I, s:I}", "locks", (json_int_t)u->locks, "until",
				     (json_int_t)u->until_s);
	struct audit_details details = {0};
	char user[USER_SIZE];
	struct audit_record record = {
		.event = AUDIT_EVENT_AUTH_LOCKED,
		.outcome = AUDIT_DENIED,
		.resource = {"user", user},
	};
	struct fault f = {0};

	snprintf(user, sizeof(user), "%u", u->uid);
	if (e->store && credentials_put(e, LOCK, user, NULL, document, &f) < 0)
		log_error("a lock cannot be kept over a restart", "error", f.text);
	json_decref(document);
	audit_details_u64(&details, "failures", LOCKOUT_FAILURES);
	audit_details_u64(&details, "locks", u->locks);
	audit_details_u64(&details, "lock_seconds", u->until_s - credentials_now_s());
	credentials_record(e, &record, &details, NULL, actor);
}

int credentials_failed(struct engine *e, const char *cause, const struct engine_actor *actor,
		       const char *code, const char *text, struct fault *reterr)
{
	struct credentials *c = e->credentials;
	uint64_t now_ns = clock_monotonic_ns();
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_AUTH_FAILED,
		.outcome = AUDIT_DENIED,
		.resource = {"authentication", cause},
	};
	const struct lockout_user *locked;

	/* Root is never locked out: its failures must not fill the log either. */
	if (c->failed_ns && now_ns - c->failed_ns < NSEC_PER_SEC) {
		c->failed_since++;
	} else {
		audit_details_string(&details, "cause", cause);
		audit_details_u64(&details, "unrecorded_before", c->failed_since);
		c->failed_ns = now_ns;
		c->failed_since = 0;
		credentials_record(e, &record, &details, NULL, actor);
	}
	locked = is_owner(actor->uid) ? NULL
				      : lockout_fail(&c->lockout, actor->uid, credentials_now_s());
	if (locked)
		lock(e, locked, actor);
	return fault(reterr, -EKEYREJECTED, code, "%s", text);
}

int engine_authenticate(struct engine *e, const char *authorization,
			const struct engine_actor *actor, struct engine_credential *ret,
			struct fault *reterr)
{
	const char *text = credential_bearer(authorization);
	int r = e->credentials ? credentials_check_lock(e, actor, reterr)
			       : fault(reterr, -ENOMEM, "store.none", "there is no memory");

	if (r < 0)
		return r;
	if (!text)
		return credentials_failed(
			e, "scheme", actor, "auth.key",
			"the Authorization header is not 'Bearer' and a key or a token", reterr);
	if (strncmp(text, CREDENTIAL_TOKEN_PREFIX, strlen(CREDENTIAL_TOKEN_PREFIX)) == 0)
		return session_authenticate(e, text, actor, ret, reterr);
	return key_authenticate(e, text, actor, ret, reterr);
}
