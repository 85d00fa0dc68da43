/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rules of access: their readers, and what they leave of somebody's roles. They narrow and never add. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/schema.h"

const char *word_role(unsigned int i)
{
	return i < IDENTITY_ROLE_MAX ? identity_role_to_str((enum identity_role)i) : NULL;
}

const char *word_permission(unsigned int i)
{
	return i < PERMISSION_MAX ? identity_permission_to_str((enum identity_permission)i) : NULL;
}

/* What useradd takes, or a number. */
void pattern_user(struct text *t)
{
	text_printf(t, "^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,%d}$", POLICY_USER_MAX - 1);
}

int value_access_user(struct reader *r, const struct node *n, void *into)
{
	static const char known[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "_.@-";
	struct policy_access *a = into;
	size_t length = strlen(n->text);

	if (!length || length > POLICY_USER_MAX || strchr(".@-", *n->text) ||
	    strspn(n->text, known) != length)
		return refuse(r, n, "policy.access.user",
			      "'%.64s' is no name of a user, and no number of one", n->text);
	if (strcmp(n->text, "root") == 0 || strcmp(n->text, "0") == 0)
		return refuse(r, n, "policy.access.user",
			      "rules are not for root, who mends them when they are wrong");
	memcpy(a->user, n->text, length + 1);
	return 0;
}

int value_access_role(struct reader *r, const struct node *n, void *into)
{
	struct policy_access *a = into;
	unsigned int word;
	int err = schema_word(r, n, "role", &word);

	if (err == 0)
		a->role = (int)word;
	return err;
}

int value_access_permissions(struct reader *r, const struct node *n, void *into)
{
	struct policy_access *a = into;
	const struct node *e;
	size_t count;
	int err = schema_elements(r, n, &e, &count);

	for (; err == 0 && count--; e = e->next) {
		unsigned int word;

		err = schema_word(r, e, "permission", &word);
		if (err == 0)
			a->permissions |= 1ULL << word;
	}
	return err;
}

int value_access_prefixes(struct reader *r, const struct node *n, void *into)
{
	struct policy_access *a = into;
	struct prefix *prefixes = NULL;
	size_t count = 0;
	int err = value_prefixes(r, n, &r->src_total, "sources", &prefixes, &count);

	if (err == 0 && count > GRANT_PREFIXES_MAX)
		err = refuse_number(r, n, GRANT_PREFIXES_MAX, "prefixes");
	for (size_t i = 0; err == 0 && i < count; i++)
		a->grant.prefixes[a->grant.prefix_count++] = prefixes[i];
	free(prefixes);
	return err;
}

int value_access_tenants(struct reader *r, const struct node *n, void *into)
{
	struct policy_access *a = into;
	uint16_t *numbers = NULL;
	size_t count = 0;
	int err = value_tenant_numbers(r, n, &numbers, &count);

	if (err == 0 && count > GRANT_TENANTS_MAX)
		err = refuse_number(r, n, GRANT_TENANTS_MAX, "tenants");
	for (size_t i = 0; err == 0 && i < count; i++)
		snprintf(a->grant.tenants[a->grant.tenant_count++], GRANT_TENANT_SIZE, "%s",
			 r->policy->tenants[numbers[i] - 1].name);
	free(numbers);
	return err;
}

/* What one key alone cannot tell. */
static int check_rule(struct reader *r, const struct node *key, struct policy_access *a)
{
	struct fault why;

	if (a->role < 0 && !*a->user)
		return refuse(r, key, "policy.access.who",
			      "the rule '%s' does not say whom it is about: a role, a user or both",
			      a->name);
	if (!a->permissions && !a->grant.prefix_count && !a->grant.tenant_count && !a->schedule)
		return refuse(r, key, "policy.access.empty",
			      "the rule '%s' leaves everything: it takes permissions, prefixes, "
			      "tenants or a schedule",
			      a->name);
	/* Of all that the user has: what an admin may is everything. */
	a->grant.role = a->role < 0 ? IDENTITY_ADMIN : (enum identity_role)a->role;
	if (grant_limit(&a->grant, a->permissions, &why) < 0)
		return refuse(r, key, "policy.access.permissions", "the rule '%s': %s", a->name,
			      why.text);
	return 0;
}

static int read_rule(struct reader *r, const struct node *key, struct policy *p)
{
	struct policy_access *a = &p->access[p->access_count];
	int err = schema_name(r, key);

	if (err < 0)
		return err;
	memcpy(a->name, key->text, strlen(key->text) + 1);
	a->line = key->line;
	a->role = -1;
	p->access_count++;
	if (key->next->kind != NODE_MAPPING)
		return refuse(r, key->next, "policy.value.kind",
			      "the rule '%s' takes a mapping of a role or a user and what is left "
			      "to them",
			      key->text);
	err = schema_object(r, OBJECT_ACCESS, key->next, a);
	return err < 0 ? err : check_rule(r, key, a);
}

int value_access(struct reader *r, const struct node *n, void *into)
{
	struct policy *p = into;
	int first = 0;

	if (n->count / 2 > POLICY_ACCESS_MAX)
		return refuse_number(r, n, POLICY_ACCESS_MAX, "rules of access");
	p->access = calloc(n->count / 2 + 1, sizeof(*p->access));
	if (!p->access)
		return -ENOMEM;
	for (const struct node *key = n->children; key; key = key->next->next)
		if (!schema_go_on(r, read_rule(r, key, p), &first))
			break;
	return first;
}

void policy_access_done(struct policy *p)
{
	for (size_t i = 0; i < p->access_count; i++)
		schedule_free(p->access[i].schedule);
	free(p->access);
}

bool policy_access_is_about(const struct policy_access *a, const struct policy_access_who *who,
			    enum identity_role role)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", who->uid);
	return (a->role < 0 || a->role == (int)role) &&
	       (!*a->user || strcmp(a->user, who->username) == 0 || strcmp(a->user, number) == 0);
}

/* What the rules say to somebody who has @role. */
static enum grant_answer ask_as(const struct policy *p, const struct policy_access_who *who,
				enum identity_role role, const struct grant_question *question,
				int64_t unix_time, const struct policy_access **ret_rule)
{
	for (size_t i = 0; i < p->access_count; i++) {
		const struct policy_access *a = &p->access[i];
		enum grant_answer answer;

		if (!policy_access_is_about(a, who, role))
			continue;
		answer = grant_ask(1U << role, &a->grant, question);
		if (answer == GRANT_YES && a->schedule &&
		    !policy_schedule_active(a->schedule, unix_time))
			answer = GRANT_NO_HOUR;
		if (answer != GRANT_YES) {
			*ret_rule = a;
			return answer;
		}
	}
	return GRANT_YES;
}

enum grant_answer policy_access_ask(const struct policy *p, const struct policy_access_who *who,
				    const struct grant_question *question, int64_t unix_time,
				    const struct policy_access **ret_rule)
{
	enum grant_answer answer = GRANT_NO_ROLE;

	*ret_rule = NULL;
	if (identity_may(0, question->permission))
		return GRANT_YES;
	for (enum identity_role i = 0; i < IDENTITY_ROLE_MAX; i++) {
		const struct policy_access *rule = NULL;
		enum grant_answer as;

		if (!(who->roles & 1U << i) || !identity_may(1U << i, question->permission))
			continue;
		as = ask_as(p, who, i, question, unix_time, &rule);
		if (as == GRANT_YES) {
			*ret_rule = NULL;
			return as;
		}
		/* The first that refuses is told: it is of the strongest role. */
		if (!*ret_rule) {
			answer = as;
			*ret_rule = rule;
		}
	}
	return answer;
}
