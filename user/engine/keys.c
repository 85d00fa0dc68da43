/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* API keys: made, shown, used, rotated, revoked. What is over stays in the list for a while. */
#include <errno.h>
#include <string.h>

#include "audit/hash.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/credentials_internal.h"

#define KEEP_S	   (30 * 86400ULL) /* a key that is over, in the list */
#define USED_S	   60		   /* its last use is written down so often at most */
#define LIFETIME_S (3650 * 86400ULL)

const char *key_trouble(const json_t *key, uint64_t now_s)
{
	uint64_t expires = credentials_number(key, "expires");

	if (credentials_number(key, "revoked"))
		return "revoked";
	return expires && expires <= now_s ? "expired" : NULL;
}

static json_t *key_of(const struct engine *e, const char *id)
{
	return e->credentials ? json_object_get(e->credentials->keys, id) : NULL;
}

bool engine_key_is_of(const struct engine *e, const char *id, uid_t uid)
{
	return key_of(e, id) && credentials_number(key_of(e, id), "uid") == uid;
}

/* What everybody who may list keys sees of one: all but its digest. */
static json_t *view_of(const json_t *key)
{
	static const char *const members[] = {"id",	  "name",	 "role",  "permissions",
					      "prefixes", "tenants",	 "hours", "rate",
					      "made_by",  "rotated_from"};
	json_t *view = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		json_t *member = json_object_get(key, members[i]);

		if (member)
			json_object_set(view, members[i], member);
	}
	json_object_set_new(view, "state",
			    json_string(key_trouble(key, credentials_now_s()) ?: "good"));
	credentials_put_time(view, "made_at", key, "made");
	credentials_put_time(view, "expires_at", key, "expires");
	credentials_put_time(view, "revoked_at", key, "revoked");
	credentials_put_time(view, "last_used_at", key, "used");
	return view;
}

json_t *engine_keys_json(const struct engine *e)
{
	json_t *items = json_array(), *key;
	const char *id;

	if (e->credentials) {
		json_object_foreach (e->credentials->keys, id, key) {
			json_array_append_new(items, view_of(key));
		}
	}
	return json_pack("{s:o}", "items", items);
}

static void record(struct engine *e, enum audit_event event, const char *id, const json_t *key,
		   const struct fault *f, const struct engine_actor *actor)
{
	_cleanup_free_ char *permissions = credentials_words(json_object_get(key, "permissions"));
	_cleanup_free_ char *prefixes = credentials_words(json_object_get(key, "prefixes"));
	_cleanup_free_ char *tenants = credentials_words(json_object_get(key, "tenants"));
	const struct {
		const char *name, *value;
	} strings[] = {
		{"key_name", credentials_text(key, "name")},
		{"role", credentials_text(key, "role")},
		{"permissions", permissions},
		{"prefixes", prefixes},
		{"tenants", tenants},
		{"hours", credentials_text(key, "hours")},
		{"requests_rate", credentials_text(key, "rate")},
		{"rotated_from", credentials_text(key, "rotated_from")},
	};
	struct audit_details details = {0};
	struct audit_record record = {.event = event, .resource = {"key", id}};
	char expires[CLOCK_RFC3339_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		if (strings[i].value && *strings[i].value)
			audit_details_string(&details, strings[i].name, strings[i].value);
	if (credentials_number(key, "expires")) {
		clock_format_rfc3339(credentials_number(key, "expires") * NSEC_PER_SEC, expires);
		audit_details_string(&details, "expires", expires);
	}
	credentials_record(e, &record, &details, f, actor);
}

/* Make room: those that have been over for long. */
static void sweep(struct engine *e)
{
	uint64_t now_s = credentials_now_s();
	const char *id;
	json_t *key;
	void *next;

	json_object_foreach_safe(e->credentials->keys, next, id, key)
	{
		uint64_t revoked = credentials_number(key, "revoked");
		uint64_t over = revoked ?: credentials_number(key, "expires");

		if (over && over + KEEP_S < now_s)
			credentials_forget(e, API_KEY, id, e->credentials->keys);
	}
}

/* Keep @key, which lacks nothing but what is random, and what it begins with. */
static int issue(struct engine *e, json_t *key, const struct engine_actor *actor, json_t **ret,
		 struct fault *reterr)
{
	char text[CREDENTIAL_KEY_SIZE], id[CREDENTIAL_ID + 1], hex[2 * CREDENTIAL_DIGEST + 1];
	uint8_t digest[CREDENTIAL_DIGEST];
	json_t *view;
	int r;

	sweep(e);
	if (json_object_size(e->credentials->keys) >= CREDENTIALS_KEYS_MAX)
		return fault(reterr, -E2BIG, "key.many", "there are %d keys already",
			     CREDENTIALS_KEYS_MAX);
	r = engine_proceed(actor, reterr, "make a key '%s' with the role %s",
			   credentials_text(key, "name"), credentials_text(key, "role"));
	if (r < 0)
		return r;
	do {
		if (credential_key_new(text, digest) < 0)
			return fault(reterr, -EIO, "key.random", "the kernel has no random bytes");
		credential_key_parse(text, id, digest);
	} while (key_of(e, id));
	hex_format(digest, sizeof(digest), hex);
	json_object_set_new(key, "id", json_string(id));
	json_object_set_new(key, "sha256", json_string(hex));
	r = credentials_put(e, API_KEY, id, e->credentials->keys, key, reterr);
	if (r < 0)
		return r;
	view = view_of(key);
	json_object_set_new(view, "key", json_string(text));
	explicit_bzero(text, sizeof(text));
	*ret = view;
	return 0;
}

/* Who makes it, and until when it is good. */
static void put_origin(json_t *key, uint64_t lifetime_s, const struct engine_actor *actor)
{
	uint64_t now_s = credentials_now_s();

	json_object_set_new(key, "made_by", json_string(actor->username));
	json_object_set_new(key, "uid", json_integer((json_int_t)actor->uid));
	json_object_set_new(key, "made", json_integer((json_int_t)now_s));
	json_object_set_new(key, "lifetime", json_integer((json_int_t)lifetime_s));
	json_object_set_new(key, "expires",
			    json_integer(lifetime_s ? (json_int_t)(now_s + lifetime_s) : 0));
}

static int check(const struct engine *e, const json_t *wanted, const struct grant *within,
		 struct grant *ret, struct fault *reterr)
{
	const char *name = credentials_text(wanted, "name");
	const json_t *expires = json_object_get(wanted, "expires_seconds");
	int r = credentials_usable(e, reterr);

	if (r < 0)
		return r;
	if (!*name || strlen(name) > CREDENTIALS_NAME_MAX)
		return fault(reterr, -EINVAL, "key.name", "a key has a 'name' of 1 to %d bytes",
			     CREDENTIALS_NAME_MAX);
	if (expires && (!credentials_number(wanted, "expires_seconds") ||
			credentials_number(wanted, "expires_seconds") > LIFETIME_S))
		return fault(reterr, -EINVAL, "key.expires", "a key is good for 1s to 10 years");
	r = grant_parse(wanted, ret, reterr);
	if (r == 0 && within && !grant_within(ret, within))
		return fault(reterr, -EACCES, "key.wider",
			     "it would give more than the key or session that asks for it has");
	return r;
}

int engine_key_create(struct engine *e, const json_t *wanted, const struct grant *within,
		      const struct engine_actor *actor, json_t **ret, struct fault *reterr)
{
	json_t *key = json_object();
	struct fault f = {0};
	struct grant grant;
	int r = check(e, wanted, within, &grant, &f);

	json_object_set(key, "name", json_object_get(wanted, "name"));
	if (r == 0) {
		grant_put(&grant, key);
		put_origin(key, credentials_number(wanted, "expires_seconds"), actor);
		r = issue(e, key, actor, ret, &f);
	}
	record(e, AUDIT_EVENT_KEY_CREATED, r == 0 ? credentials_text(key, "id") : "", key, &f,
	       actor);
	json_decref(key);
	return r < 0 ? fault(reterr, r, f.code, "%s", f.text) : 0;
}

/* The key, if it is good. */
static int find_good(const struct engine *e, const char *id, json_t **ret, struct fault *reterr)
{
	const char *trouble;
	int r = credentials_usable(e, reterr);

	if (r < 0)
		return r;
	*ret = key_of(e, id);
	if (!*ret)
		return fault(reterr, -ENOENT, "key.absent", "there is no key '%.40s'", id);
	trouble = key_trouble(*ret, credentials_now_s());
	if (trouble)
		return fault(reterr, -EPERM, "key.over", "the key %s is %s already", id, trouble);
	return 0;
}

/* @former ends in a while, and not later than it would have. */
static int end_later(struct engine *e, json_t *former, uint64_t overlap_s, struct fault *reterr)
{
	_cleanup_(json_decrefp) json_t *ending = json_copy(former);
	uint64_t end = credentials_now_s() + overlap_s, expires;

	expires = credentials_number(former, "expires");
	if (expires && expires < end)
		end = expires;
	json_object_set_new(ending, "expires", json_integer((json_int_t)end));
	return credentials_put(e, API_KEY, credentials_text(former, "id"), e->credentials->keys,
			       ending, reterr);
}

static int rotate(struct engine *e, json_t *former, uint64_t overlap_s, const struct grant *within,
		  const struct engine_actor *actor, json_t **ret, struct fault *reterr)
{
	_cleanup_(json_decrefp) json_t *key = json_copy(former), *held = json_incref(former);
	struct grant grant;
	int r = grant_parse(former, &grant, reterr);

	if (r == 0 && within && !grant_within(&grant, within))
		r = fault(reterr, -EACCES, "key.wider",
			  "it gives more than the key or session that asks for it has");
	if (r < 0)
		return r;
	json_object_set(key, "rotated_from", json_object_get(former, "id"));
	json_object_set_new(key, "used", json_integer(0));
	put_origin(key, credentials_number(former, "lifetime"), actor);
	r = engine_proceed(actor, reterr, "make another key in the place of %s",
			   credentials_text(former, "id"));
	if (r < 0)
		return r;
	/* Both in one step: a former key must not stay good because the disk filled up in between. */
	r = store_begin(e->store, reterr);
	if (r < 0)
		return r;
	r = issue(e, key, actor, ret, reterr);
	if (r == 0)
		r = end_later(e, former, overlap_s, reterr);
	if (r == 0)
		r = store_commit(e->store, reterr);
	else
		store_rollback(e->store);
	if (r == 0)
		return 0;
	json_object_del(e->credentials->keys, credentials_text(key, "id"));
	json_object_set(e->credentials->keys, credentials_text(held, "id"), held);
	json_decref(*ret);
	*ret = NULL;
	return r;
}

int engine_key_rotate(struct engine *e, const char *id, uint64_t overlap_s,
		      const struct grant *within, const struct engine_actor *actor, json_t **ret,
		      struct fault *reterr)
{
	struct fault f = {0};
	json_t *former = NULL;
	int r = find_good(e, id, &former, &f);

	*ret = NULL;
	if (r == 0)
		r = rotate(e, former, overlap_s, within, actor, ret, &f);
	record(e, AUDIT_EVENT_KEY_ROTATED, r == 0 ? credentials_text(*ret, "id") : id,
	       r == 0 ? key_of(e, credentials_text(*ret, "id")) : NULL, &f, actor);
	return r < 0 ? fault(reterr, r, f.code, "%s", f.text) : 0;
}

int engine_key_revoke(struct engine *e, const char *id, const struct engine_actor *actor,
		      struct fault *reterr)
{
	_cleanup_(json_decrefp) json_t *revoked = NULL;
	struct fault f = {0};
	json_t *key = NULL;
	int r = find_good(e, id, &key, &f);

	r = r ?: engine_proceed(actor, &f, "end the key %s, and sessions that it opened", id);
	if (r == 0) {
		revoked = json_copy(key);
		json_object_set_new(revoked, "revoked",
				    json_integer((json_int_t)credentials_now_s()));
		r = credentials_put(e, API_KEY, id, e->credentials->keys, revoked, &f);
	}
	record(e, AUDIT_EVENT_KEY_REVOKED, id, key_of(e, id), &f, actor);
	if (r < 0)
		return fault(reterr, r, f.code, "%s", f.text);
	sessions_end_of_key(e, id, actor);
	return 0;
}

static void note_use(struct engine *e, json_t *key, uint64_t now_s)
{
	uint64_t used = credentials_number(key, "used");
	struct fault f = {0};

	if (now_s >= used && now_s - used < USED_S)
		return;
	json_object_set_new(key, "used", json_integer((json_int_t)now_s));
	if (e->store && credentials_put(e, API_KEY, credentials_text(key, "id"), NULL, key, &f) < 0)
		log_warn("when a key was used last is not written down", "error", f.text);
}

int key_authenticate(struct engine *e, const char *text, const struct engine_actor *actor,
		     struct engine_credential *ret, struct fault *reterr)
{
	uint8_t digest[CREDENTIAL_DIGEST], kept[CREDENTIAL_DIGEST] = {0};
	uint64_t now_s = credentials_now_s();
	const char *hex, *trouble;
	char id[CREDENTIAL_ID + 1];
	json_t *key;

	if (credential_key_parse(text, id, digest) < 0)
		return credentials_failed(
			e, "malformed", actor, "auth.key",
			"this is no key of weir: weir_, 8 digits, _, 43 characters", reterr);
	key = key_of(e, id);
	hex = credentials_text(key, "sha256");
	/* One answer for both, so that nobody learns which ids there are. */
	if ((*hex && hex_parse(hex, sizeof(kept), kept) < 0) ||
	    !credential_equal(kept, digest, sizeof(kept)) || !key)
		return credentials_failed(e, "unknown", actor, "auth.key", "there is no such key",
					  reterr);
	trouble = key_trouble(key, now_s);
	if (trouble) {
		char words[64];

		snprintf(words, sizeof(words), "the key %s is %s", id, trouble);
		return credentials_failed(e, trouble, actor, "auth.key", words, reterr);
	}
	*ret = (struct engine_credential){.kind = ENGINE_KEY};
	memcpy(ret->id, id, sizeof(id));
	if (grant_parse(key, &ret->grant, reterr) < 0)
		return credentials_failed(e, "grant", actor, "auth.key",
					  "the key gives what this version does not know", reterr);
	note_use(e, key, now_s);
	return 0;
}
