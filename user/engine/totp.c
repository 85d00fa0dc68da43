/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One-time passwords, for what does harm: who is enrolled, and what was used. */
#include "identity/totp.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/text.h"
#include "engine/credentials_internal.h"

static const char *user_of(uid_t uid, char ret[static USER_SIZE])
{
	snprintf(ret, USER_SIZE, "%u", uid);
	return ret;
}

static void record(struct engine *e, enum audit_event event, const char *user,
		   const char *algorithm, const struct fault *f, const struct engine_actor *actor)
{
	struct audit_details details = {0};
	struct audit_record record = {.event = event, .resource = {"user", user}};

	if (algorithm)
		audit_details_string(&details, "algorithm", algorithm);
	credentials_record(e, &record, &details, f, actor);
}

static int enroll(struct engine *e, int algorithm, const char *user,
		  const struct engine_actor *actor, json_t **ret, struct fault *reterr)
{
	_cleanup_(text_done) struct text uri = {.growing = true}, secret = {.growing = true};
	_cleanup_(json_decrefp) json_t *document = NULL;
	struct totp totp = {.algorithm = (enum totp_algorithm)algorithm};
	char host[256] = "localhost";
	int r;

	if (getrandom(totp.secret, sizeof(totp.secret), 0) != sizeof(totp.secret))
		return fault(reterr, -EIO, "totp.random", "the kernel has no random bytes");
	gethostname(host, sizeof(host) - 1);
	totp_put_base32(&secret, totp.secret, sizeof(totp.secret));
	totp_put_uri(&uri, &totp, actor->username, host);
	if (secret.truncated || uri.truncated)
		return fault(reterr, -ENOMEM, "totp.memory", "out of memory");
	document = json_pack("{s:s, s:s, s:I, s:I}", "algorithm",
			     totp_algorithm_to_str(totp.algorithm), "secret", secret.data,
			     "last_step", (json_int_t)0, "made", (json_int_t)credentials_now_s());
	r = credentials_put(e, TOTP, user, e->credentials->totps, document, reterr);
	if (r == 0)
		*ret = json_pack("{s:s, s:s, s:s}", "secret", secret.data, "uri", uri.data,
				 "algorithm", totp_algorithm_to_str(totp.algorithm));
	return r;
}

int engine_totp_enroll(struct engine *e, const char *algorithm, const struct engine_actor *actor,
		       json_t **ret, struct fault *reterr)
{
	int number = totp_algorithm_from_str(algorithm), r;
	char user[USER_SIZE];
	struct fault f = {0};

	user_of(actor->uid, user);
	r = credentials_usable(e, &f);
	if (r == 0 && number < 0)
		r = fault(&f, -EINVAL, "totp.algorithm", "'%.20s' is none of sha1 and sha256",
			  algorithm);
	if (r == 0 && json_object_get(e->credentials->totps, user))
		r = fault(&f, -EEXIST, "totp.enrolled",
			  "user %s is enrolled already: remove that first", actor->username);
	r = r
		    ?: engine_proceed(actor, &f, "enroll user %s for one-time passwords",
				      actor->username);
	if (r == 0)
		r = enroll(e, number, user, actor, ret, &f);
	record(e, AUDIT_EVENT_TOTP_ENROLLED, user,
	       number < 0 ? NULL : totp_algorithm_to_str((enum totp_algorithm)number), &f, actor);
	return r < 0 ? fault(reterr, r, f.code, "%s", f.text) : 0;
}

int engine_totp_remove(struct engine *e, uid_t uid, const struct engine_actor *actor,
		       struct fault *reterr)
{
	char user[USER_SIZE];
	struct fault f = {0};
	int r;

	user_of(uid, user);
	r = credentials_usable(e, &f);
	if (r == 0 && !json_object_get(e->credentials->totps, user))
		r = fault(&f, -ENOENT, "totp.absent", "user %s is not enrolled", user);
	r = r ?: engine_proceed(actor, &f, "ask user %s for no one-time passwords any more", user);
	if (r == 0)
		r = store_document_delete(e->store, TOTP, user, &f);
	if (r == 0)
		json_object_del(e->credentials->totps, user);
	record(e, AUDIT_EVENT_TOTP_REMOVED, user, NULL, &f, actor);
	return r < 0 ? fault(reterr, r, f.code, "%s", f.text) : 0;
}

/* Take @code of the user's, who is enrolled. */
static int use(struct engine *e, const char *user, json_t *document, const char *code,
	       const struct engine_actor *actor, struct fault *reterr)
{
	_cleanup_(json_decrefp) json_t *used = NULL;
	struct totp totp = {.last_step = credentials_number(document, "last_step")};
	int algorithm = totp_algorithm_from_str(credentials_text(document, "algorithm"));
	uint64_t step;
	int r;

	if (algorithm < 0 || totp_parse_base32(credentials_text(document, "secret"), totp.secret,
					       sizeof(totp.secret)) < 0)
		return fault(reterr, -EIO, "totp.damaged", "the secret of user %s is damaged",
			     user);
	totp.algorithm = (enum totp_algorithm)algorithm;
	r = totp_check(&totp, code, credentials_now_s(), &step);
	if (r < 0)
		return credentials_failed(
			e, r == -EALREADY ? "totp_reused" : "totp", actor, "auth.step_up",
			r == -EALREADY ? "this one-time password was used: wait for the next"
				       : "this is not the one-time password of now",
			reterr);
	/* What cannot be written down could be used again after a restart. */
	used = json_copy(document);
	json_object_set_new(used, "last_step", json_integer((json_int_t)step));
	return credentials_put(e, TOTP, user, e->credentials->totps, used, reterr);
}

int engine_step_up(struct engine *e, const char *code, const struct engine_actor *actor,
		   struct fault *reterr)
{
	char user[USER_SIZE];
	json_t *document =
		e->credentials ? json_object_get(e->credentials->totps, user_of(actor->uid, user))
			       : NULL;
	int r;

	if (!document)
		return 0;
	r = credentials_check_lock(e, actor, reterr);
	if (r < 0)
		return r;
	if (!code)
		return fault(reterr, -EKEYREJECTED, "auth.step_up",
			     "user %s is enrolled: this takes a one-time password, in X-Weir-TOTP",
			     actor->username);
	r = credentials_usable(e, reterr);
	return r < 0 ? r : use(e, user, document, code, actor, reterr);
}
