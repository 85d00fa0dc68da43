/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * May this be asked: what the system says of the user, narrowed by the policy's rules of access and by the key or token that the
 * request shows, and the one-time password that some of it takes. Answers itself whenever the answer is no.
 */
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/text.h"

static void challenge(struct call *c, const char *error)
{
	http_response_header(c->response, "WWW-Authenticate", "Bearer realm=\"weir\", error=\"%s\"",
			     error);
}

static void reply_locked(struct call *c)
{
	uint32_t left_s = engine_locked_out(c->engine, c->actor.uid);

	http_response_header(c->response, "Retry-After", "%u", left_s ?: 1);
	reply_problem(c, 429, "auth.locked",
		      "user %s failed to authenticate too often and is locked out for %u s more",
		      c->actor.username, left_s);
}

void reply_credential_fault(struct call *c, const struct fault *f)
{
	if (strcmp(f->code, "auth.locked") == 0)
		return reply_locked(c);
	if (f->err == -EKEYREJECTED) {
		challenge(c, strcmp(f->code, "auth.step_up") == 0
				     ? "insufficient_user_authentication"
				     : "invalid_token");
		return reply_problem(c, 401, f->code, "%s", f->text);
	}
	if (f->err == -EACCES && strncmp(f->code, "store.", 6) != 0)
		return reply_problem(c, 403, f->code, "%s", f->text);
	reply_fault(c, f);
}

int authenticate(struct call *c)
{
	const char *header = http_header(c->request, "Authorization");
	struct fault f = {0};
	int r;

	if (!header)
		return 0;
	r = engine_authenticate(c->engine, header, &c->actor, &c->credential, &f);
	if (r < 0)
		reply_credential_fault(c, &f);
	return r;
}

/* The policy's rules about the user, and then what the key or session gives. *@ret_rule: the rule that refuses, or NULL. */
static enum grant_answer ask(const struct call *c, enum identity_permission permission,
			     const struct prefix *prefix, const char *tenant,
			     const struct policy_access **ret_rule)
{
	int64_t now_s = (int64_t)(clock_real_ns() / NSEC_PER_SEC);
	const struct grant_question question = {
		.permission = permission,
		.prefix = prefix,
		.tenant = tenant,
		.hour = (unsigned int)(now_s / 3600 % 24),
	};
	const struct policy_access_who who = {c->roles, c->actor.uid, c->actor.username};
	enum grant_answer answer = GRANT_YES;

	*ret_rule = NULL;
	if (!c->request->peer.is_owner)
		answer = policy_access_ask(engine_policy(c->engine), &who, &question, now_s,
					   ret_rule);
	if (answer != GRANT_YES)
		return answer;
	return grant_ask(c->roles, c->credential.kind ? &c->credential.grant : NULL, &question);
}

bool call_may(const struct call *c, enum identity_permission permission)
{
	const struct policy_access *rule;

	return ask(c, permission, NULL, NULL, &rule) == GRANT_YES;
}

/* "admin or operator": who could have asked for this. */
static void put_roles(uint32_t roles, struct text *t)
{
	const char *separator = "";

	for (enum identity_role i = 0; i < IDENTITY_ROLE_MAX; i++)
		if (roles & 1U << i) {
			text_printf(t, "%s%s (group %s)", separator, identity_role_to_str(i),
				    identity_role_group(i));
			separator = " or ";
		}
}

/* What stands against it, of whoever or whatever narrows. */
static void put_answer(enum grant_answer answer, enum identity_permission permission,
		       struct text *t)
{
	static const char *const words[] = {
		[GRANT_NO_SCOPE] = "is not for %s",
		[GRANT_NO_HOUR] = "is not good at this time: %s",
		[GRANT_NO_PREFIX] = "changes lists inside its prefixes only: %s",
		[GRANT_NO_TENANT] = "is for what is of its tenants and nothing else: %s",
	};

	text_printf(t, words[answer], identity_permission_to_str(permission));
}

static void refuse(struct call *c, enum identity_permission permission, enum grant_answer answer,
		   const struct policy_access *rule)
{
	const char *kind = c->credential.kind == ENGINE_KEY ? "key" : "session";
	char who[256];
	struct text t;

	engine_denied(c->engine, &c->actor, c->request->path, rule ? rule->name : NULL);
	text_init(&t, who, sizeof(who));
	if (answer == GRANT_NO_ROLE) {
		put_roles(identity_permission_roles(permission), &t);
		return reply_problem(c, 403, "auth.denied",
				     "user %s (%s) may not do this: %s is for %s",
				     c->actor.username, c->actor.role,
				     identity_permission_to_str(permission), who);
	}
	put_answer(answer, permission, &t);
	if (rule)
		return reply_problem(c, 403, "auth.rule",
				     "what the rule '%s' (line %u of the policy) leaves to user "
				     "%s %s",
				     rule->name, rule->line, c->actor.username, who);
	reply_problem(c, 403, "auth.scope", "the %s %s %s", kind, c->credential.id, who);
}

int authorize(struct call *c, enum identity_permission permission, const char *tenant)
{
	const struct policy_access *rule;
	enum grant_answer answer;

	if (!identity_may(0, permission) && engine_locked_out(c->engine, c->actor.uid)) {
		reply_locked(c);
		return -EAGAIN;
	}
	answer = ask(c, permission, NULL, tenant, &rule);
	if (answer == GRANT_YES)
		return 0;
	refuse(c, permission, answer, rule);
	return -EACCES;
}

int authorize_prefix(struct call *c, enum identity_permission permission,
		     const struct prefix *prefix)
{
	const struct policy_access *rule;
	enum grant_answer answer = ask(c, permission, prefix, NULL, &rule);

	/* That it is about no tenant was asked before. */
	if (answer == GRANT_YES)
		return 0;
	refuse(c, permission, answer, rule);
	return -EACCES;
}

int step_up(struct call *c)
{
	struct fault f = {0};
	int r;

	/* A one-time password is good for one attempt: a dry run says that it takes one. */
	if (c->actor.dry_run)
		return 0;
	r = engine_step_up(c->engine, http_header(c->request, "X-Weir-TOTP"), &c->actor, &f);

	if (r < 0)
		reply_credential_fault(c, &f);
	return r;
}
