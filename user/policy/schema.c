/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading by the table of keys: everything about unknown, repeated, missing and mistyped keys
 * follows from it. With a report, reading goes on behind what is wrong as far as that makes sense;
 * without one the first thing ends it.
 */
#include "policy/schema.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

int schema_refuse(struct reader *r, const struct node *n, int err, const char *code,
		  const char *format, ...)
{
	struct place place = node_place(n);
	va_list ap;

	va_start(ap, format);
	diagnose_va(r->report, r->refused ? NULL : r->reterr, &place, err, code, format, ap);
	va_end(ap);
	r->refused = true;
	return err;
}

bool schema_go_on(const struct reader *r, int err, int *first)
{
	if (err < 0 && *first == 0)
		*first = err;
	return err == 0 || (r->report && !r->report->full && err != -ENOMEM);
}

void schema_suggest(const char *word, const char *const *known, size_t count,
		    char ret[static SCHEMA_SUGGESTION_SIZE])
{
	unsigned int best = strlen(word) > 4 ? 3 : 2; /* this far off, it is another word */
	const char *near = NULL;
	struct text t;

	text_init(&t, ret, SCHEMA_SUGGESTION_SIZE);
	for (size_t i = 0; i < count; i++) {
		unsigned int distance = text_distance(word, known[i]);

		if (distance < best) {
			best = distance;
			near = known[i];
		}
	}
	if (near) {
		text_printf(&t, "; did you mean '%s'?", near);
		return;
	}
	if (!count)
		text_puts(&t, "; none is defined");
	for (size_t i = 0; i < count; i++)
		text_printf(&t, "%s%s", i ? ", " : "; known: ", known[i]);
}

int schema_refuse_word(struct reader *r, const struct node *n, const char *what,
		       const char *const *known, size_t count)
{
	char hint[SCHEMA_SUGGESTION_SIZE];

	schema_suggest(n->text, known, count, hint);
	return refuse(r, n, "policy.word.unknown", "unknown %s '%.64s'%s", what, n->text, hint);
}

int schema_refuse_value(struct reader *r, const struct node *n, const struct fault *f)
{
	return refuse(r, n, f->code, "%s", f->text);
}

int schema_refuse_vocabulary(struct reader *r, const struct node *n, const char *what)
{
	const char *known[32];
	size_t count = 0;

	while (count < ARRAY_SIZE(known) && r->field->type->word((unsigned int)count)) {
		known[count] = r->field->type->word((unsigned int)count);
		count++;
	}
	return schema_refuse_word(r, n, what, known, count);
}

int schema_word(struct reader *r, const struct node *n, const char *what, unsigned int *ret)
{
	for (unsigned int i = 0; r->field->type->word(i); i++) {
		if (strcmp(n->text, r->field->type->word(i)) == 0) {
			*ret = i;
			return 0;
		}
	}
	return schema_refuse_vocabulary(r, n, what);
}

#define NAME_FIRST "abcdefghijklmnopqrstuvwxyz0123456789"

void pattern_name(struct text *t)
{
	text_printf(t, "^[a-z0-9][a-z0-9-]{0,%u}$", POLICY_NAME_MAX - 1);
}

int schema_name(struct reader *r, const struct node *n)
{
	size_t length = strspn(n->text, NAME_FIRST "-");

	if (!length || n->text[length] || length > POLICY_NAME_MAX || n->text[0] == '-')
		return refuse(r, n, "policy.name",
			      "'%.64s' is no name: 1 to %u of a-z, 0-9 and '-', not '-' first",
			      n->text, POLICY_NAME_MAX);
	return 0;
}

int schema_elements(struct reader *r, const struct node *n, const struct node **ret_first,
		    size_t *ret_count)
{
	*ret_first = n->kind == NODE_SEQUENCE ? n->children : n;
	*ret_count = n->kind == NODE_SEQUENCE ? n->count : 1;
	if (!*ret_count)
		return refuse(r, n, "policy.value.missing", "'%s' is an empty list", r->field->key);
	if (n->kind == NODE_SEQUENCE)
		for (const struct node *e = n->children; e; e = e->next)
			if (e->kind != NODE_SCALAR)
				return refuse(r, e, "policy.value.kind",
					      "'%s' takes %s, nothing nested", r->field->key,
					      r->field->type->wanted);
	return 0;
}

static int refuse_key(struct reader *r, enum object object, const struct node *key)
{
	char hint[SCHEMA_SUGGESTION_SIZE];
	const char *known[SCHEMA_KEYS_MAX];
	size_t count = 0;

	for (size_t i = schema_next(object, 0); i != SIZE_MAX; i = schema_next(object, i + 1))
		known[count++] = schema_fields[i].key;
	schema_suggest(key->text, known, count, hint);
	return refuse(r, key, "policy.key.unknown", "unknown key '%.64s' in %s%s", key->text,
		      schema_object_str(object), hint);
}

static int check_kind(struct reader *r, const struct field *f, const struct node *n)
{
	const char *is = n->kind == NODE_MAPPING    ? "a mapping"
			 : n->kind == NODE_SEQUENCE ? "a list"
						    : "a single value";
	char wanted[128];
	struct text t;

	text_init(&t, wanted, sizeof(wanted));
	schema_wanted(f->type, &t);
	if (n->kind == NODE_SCALAR && n->plain && !*n->text)
		return refuse(r, n, "policy.value.missing", "'%s' has no value: it takes %s",
			      f->key, wanted);
	if (!(n->kind & f->type->kinds))
		return refuse(r, n, "policy.value.kind", "'%s' takes %s, not %s", f->key, wanted,
			      is);
	return 0;
}

/* What the text gives for each key: a value, or something wrong, which has been said. */
struct given {
	const struct node *values[SCHEMA_KEYS_MAX];
	bool bad[SCHEMA_KEYS_MAX];
};

static int take_key(struct reader *r, enum object object, const struct node *key, struct given *g)
{
	const struct field *f = schema_find(object, key->text);
	size_t i = f ? (size_t)(f - schema_fields) : 0;
	int err;

	if (!f)
		return refuse_key(r, object, key);
	if (g->values[i])
		return refuse(r, key, "policy.key.duplicate",
			      "'%s' is given a second time in %s, first in line %u", key->text,
			      schema_object_str(object), g->values[i]->line);
	g->values[i] = key->next;
	err = check_kind(r, f, key->next);
	g->bad[i] = err < 0;
	return err;
}

static int take_keys(struct reader *r, enum object object, const struct node *n, struct given *g)
{
	int first = 0;

	for (const struct node *key = n->children; key; key = key->next->next)
		if (!schema_go_on(r, take_key(r, object, key, g), &first))
			break;
	return first;
}

int schema_check_keys(const struct node *n, enum object object, struct policy_report *report,
		      struct fault *reterr)
{
	struct reader r = {.report = report, .reterr = reterr};
	int first = 0;

	for (const struct node *key = n->children; key; key = key->next->next)
		if (!schema_find(object, key->text) &&
		    !schema_go_on(&r, refuse_key(&r, object, key), &first))
			break;
	return first;
}

static int refuse_missing(struct reader *r, const struct field *f, const struct node *n)
{
	char wanted[128];
	struct text t;

	text_init(&t, wanted, sizeof(wanted));
	schema_wanted(f->type, &t);
	return refuse(r, n, "policy.key.missing", "'%s' is missing from %s; it takes %s", f->key,
		      schema_object_str(f->object), wanted);
}

/* Readers call this for inner objects: it goes as deep as the table does, not as the text. */
int schema_object(struct reader *r, enum object object, const struct node *n, void *into)
{
	struct given g = {0};
	int first = take_keys(r, object, n, &g);

	if (first < 0 && !r->report)
		return first;
	for (size_t i = schema_next(object, 0); i != SIZE_MAX; i = schema_next(object, i + 1)) {
		const struct field *f = &schema_fields[i];
		int err = 0;

		if (f->required && !g.values[i])
			err = refuse_missing(r, f, n);
		if (g.values[i] && !g.bad[i]) {
			r->field = f;
			err = f->type->read(r, g.values[i], (char *)into + f->offset);
		}
		if (!schema_go_on(r, err, &first))
			break;
	}
	return first;
}

int schema_read(const struct node *root, struct policy *policy, struct policy_report *report,
		struct fault *reterr)
{
	struct reader r = {.policy = policy, .report = report, .reterr = reterr};
	int err;

	policy->malformed = POLICY_DROP;
	policy->other = POLICY_PASS;
	policy->fragments = POLICY_LIMIT;
	policy->sources = WEIR_SOURCES_DEFAULT;
	policy->metrics.kernel_drops = true;
	safety_begin(&policy->safety);
	limit_begin(&policy->fragment_limit);
	memcpy(policy->fragment_limit.name, POLICY_FRAGMENTS, sizeof(POLICY_FRAGMENTS));
	policy->fragment_limit.rate = (struct policy_rate){1000, NSEC_PER_SEC};
	limit_finish(&r, root, &policy->fragment_limit);
	policy->fragment_limit.line = 0; /* built in */
	if (root->kind != NODE_MAPPING)
		return refuse(&r, root, "policy.value.kind", "a policy is a mapping of keys");
	err = schema_object(&r, OBJECT_POLICY, root, policy);
	return err < 0 ? err : quotas_finish(&r, root);
}
