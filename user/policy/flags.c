/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flags: their readers, and what they are set to. What a setting means to packets is in
 * compile_flags.c. */
#include "policy/flags.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "policy/schema.h"

_Static_assert(sizeof(((struct policy_flag *)0)->name) == POLICY_NAME_MAX + 1, "a name must fit");

const struct policy_flag *policy_flag_find(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->flag_count; i++)
		if (strcmp(policy->flags[i].name, name) == 0)
			return &policy->flags[i];
	return NULL;
}

struct policy_flag_value policy_flag_value(const struct policy_flag *flag)
{
	return (struct policy_flag_value){
		.on = flag->enabled,
		.permille = flag->permille,
		.sources = flag->sources,
		.source_count = flag->source_count,
		.tenants = flag->tenants,
		.tenant_count = flag->tenant_count,
	};
}

bool policy_flag_is_off(const struct policy_flag_value *value)
{
	return !value->on || (!value->permille && !value->source_count && !value->tenant_count);
}

bool policy_flag_is_inverted(const struct policy *policy, const struct policy_flag *flag)
{
	for (size_t i = 0; i < policy->limit_count; i++)
		if (policy->limits[i].flag == flag && policy->limits[i].flag_inverted)
			return true;
	return false;
}

int policy_rollout_parse(const char *text, uint16_t *ret_permille, struct fault *reterr)
{
	size_t digits = strspn(text, "0123456789");
	unsigned int permille = 0;
	const char *rest = text + digits;

	if (digits && !*rest)
		return fault(reterr, -EINVAL, "policy.unit.missing",
			     "'%.64s' has no unit: write %.64s%%", text, text);
	for (size_t i = 0; i < digits && permille <= POLICY_FLAG_ALL; i++)
		permille = permille * 10 + 10 * (unsigned int)(text[i] - '0');
	if (rest[0] == '.' && rest[1] >= '0' && rest[1] <= '9') {
		permille += (unsigned int)(rest[1] - '0');
		rest += 2;
	}
	if (!digits || strcmp(rest, "%") != 0)
		return fault(reterr, -EINVAL, "policy.number.syntax",
			     "'%.64s' is not a share such as 25%% or 0.5%%", text);
	if (permille > POLICY_FLAG_ALL)
		return fault(reterr, -ERANGE, "policy.number.range",
			     "'%.64s' is not within 0%% to 100%%", text);
	*ret_permille = (uint16_t)permille;
	return 0;
}

void policy_rollout_format(unsigned int permille, char ret[static POLICY_ROLLOUT_SIZE])
{
	if (permille % 10)
		snprintf(ret, POLICY_ROLLOUT_SIZE, "%u.%u%%", permille / 10 % 1000, permille % 10);
	else
		snprintf(ret, POLICY_ROLLOUT_SIZE, "%u%%", permille / 10 % 1000);
}

void pattern_flag_share(struct text *t)
{
	text_puts(t, "^[0-9]+(\\.[0-9])?%$");
}

int value_flag_rollout(struct reader *r, const struct node *n, void *into)
{
	struct policy_flag *flag = into;
	struct fault why;

	flag->has_rollout = true;
	return policy_rollout_parse(n->text, &flag->permille, &why) < 0
		       ? schema_refuse_value(r, n, &why)
		       : 0;
}

int value_flag_sources(struct reader *r, const struct node *n, void *into)
{
	struct policy_flag *flag = into;

	return value_prefixes(r, n, &r->src_total, "sources", &flag->sources, &flag->source_count);
}

int value_flag_tenants(struct reader *r, const struct node *n, void *into)
{
	struct policy_flag *flag = into;

	return value_tenant_numbers(r, n, &flag->tenants, &flag->tenant_count);
}

void pattern_flag_time(struct text *t)
{
	text_puts(t, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?Z$");
}

int value_flag_expires(struct reader *r, const struct node *n, void *into)
{
	if (clock_parse_rfc3339(n->text, into) < 0)
		return refuse(r, n, "policy.time",
			      "'%.64s' is no time: write it in UTC, such as 2026-12-31T00:00:00Z",
			      n->text);
	return 0;
}

/* A share of everybody else that nobody wrote would surprise whoever names those it is for. */
static int check_flag(struct reader *r, const struct node *key, const struct policy_flag *flag)
{
	if ((flag->source_count || flag->tenant_count) && !flag->has_rollout)
		return refuse(r, key, "policy.flag.rollout",
			      "flag '%s' names %s, so it needs a rollout, the share of everybody "
			      "else: 0%% for nobody",
			      flag->name, flag->source_count ? "sources" : "tenants");
	return 0;
}

static int read_flag(struct reader *r, const struct node *key, struct policy_flag *flag)
{
	int err = schema_name(r, key);

	if (err < 0)
		return err;
	for (const struct policy_flag *o = r->policy->flags; o < flag; o++)
		if (strcmp(o->name, key->text) == 0)
			return refuse(r, key, "policy.name.duplicate",
				      "flag '%s' is already defined in line %u", key->text,
				      o->line);
	if (key->next->kind != NODE_MAPPING)
		return refuse(r, key->next, "policy.value.kind",
			      "flag '%s' takes a mapping of enabled, rollout, sources, tenants and "
			      "expires",
			      key->text);
	memcpy(flag->name, key->text, strlen(key->text) + 1);
	flag->line = key->line;
	flag->permille = POLICY_FLAG_ALL;
	flag->expires = POLICY_FLAG_NEVER;
	err = schema_object(r, OBJECT_FLAG, key->next, flag);
	return err < 0 ? err : check_flag(r, key, flag);
}

int value_flags(struct reader *r, const struct node *n, void *into)
{
	struct policy *p = into;

	if (n->count / 2 > POLICY_FLAGS_MAX)
		return refuse_number(r, n, POLICY_FLAGS_MAX, "flags");
	p->flags = calloc(n->count / 2 + 1, sizeof(*p->flags));
	if (!p->flags)
		return -ENOMEM;
	for (const struct node *key = n->children; key; key = key->next->next) {
		int err = read_flag(r, key, &p->flags[p->flag_count++]);

		if (err < 0)
			return err;
	}
	return 0;
}

void pattern_flag_name(struct text *t)
{
	text_puts(t, "^!?[a-z0-9][a-z0-9-]*$");
}

/* The flag of a limit; "!name": where that one does not hold. */
int value_flag_name(struct reader *r, const struct node *n, void *into)
{
	const struct policy *p = r->policy;
	struct policy_limit *l = into;
	const char *known[POLICY_FLAGS_MAX], *name = n->text + (n->text[0] == '!');
	char hint[SCHEMA_SUGGESTION_SIZE];

	l->flag_inverted = n->text[0] == '!';
	l->flag = policy_flag_find(p, name);
	if (l->flag)
		return 0;
	for (size_t i = 0; i < p->flag_count; i++)
		known[i] = p->flags[i].name;
	schema_suggest(name, known, p->flag_count, hint);
	return refuse(r, n, "policy.word.unknown", "unknown flag '%.64s'%s", name, hint);
}
