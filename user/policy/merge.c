/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One tree of several: a file that is included adds to what is there and must not contradict it; a
 * profile is laid over it and wins. Which keys hold keys, names or lists, the table of keys says.
 */
#include <errno.h>
#include <string.h>

#include "policy/load.h"
#include "policy/schema.h"

#define MERGE_KEYS_MAX 2048 /* of one mapping; no key or name of the language needs as many */

struct merger {
	struct policy_report *report;
	struct fault *reterr;
	bool refused;
};

static int refuse_twice(struct merger *m, const struct node *key, const struct node *first)
{
	struct place place = node_place(key);
	int err = diagnose(m->report, m->refused ? NULL : m->reterr, &place, -EINVAL,
			   "policy.include.twice", "'%.64s' is given in %.200s:%u:%u already",
			   key->text, first->file->name, first->line, first->column);

	m->refused = true;
	return err;
}

static int refuse_many(struct merger *m, const struct node *n)
{
	struct place place = node_place(n);
	int err = diagnose(m->report, m->refused ? NULL : m->reterr, &place, -E2BIG, "policy.count",
			   "more than %u keys", MERGE_KEYS_MAX);

	m->refused = true;
	return err;
}

static int merge_keys(struct merger *m, const struct type *type, struct node *base,
		      struct node *from);

/* The key @first is there and @key comes from another file. */
static int merge_key(struct merger *m, const struct field *f, struct node *first, struct node *key)
{
	struct node *into = first->next, *value = key->next;
	bool same_kind = into->kind == value->kind;

	if (f && same_kind && into->kind == NODE_MAPPING &&
	    (f->type->form == FORM_OBJECT || f->type->form == FORM_NAMES))
		return merge_keys(m, f->type, into, value);
	if (f && same_kind && into->kind == NODE_SEQUENCE && f->type->form == FORM_LIST) {
		if (value->children)
			tree_append(into, value->children);
		return 0;
	}
	/* Each file may say which language it is in. */
	if (f && f->type->form == FORM_SCALAR && strcmp(f->key, "apiVersion") == 0 &&
	    strcmp(into->text, value->text) == 0)
		return 0;
	return refuse_twice(m, key, first);
}

/* @type is that of both mappings; NULL = they are whole policies. Goes as deep as the table does. */
static int merge_keys(struct merger *m, const struct type *type, struct node *base,
		      struct node *from)
{
	bool names = type && type->form == FORM_NAMES;
	struct node *key = from->children, *following;
	int first = 0;

	if (from->count / 2 > MERGE_KEYS_MAX || base->count / 2 > MERGE_KEYS_MAX)
		return refuse_many(m, from->count > base->count ? from : base);
	for (; key; key = following) {
		struct node *there = tree_key(base, key->text);
		const struct field *f =
			names ? NULL : schema_find(type ? type->inner : OBJECT_POLICY, key->text);
		int err = 0;

		following = key->next->next;
		key->next->next = NULL;
		if (there)
			err = merge_key(m, f, there, key);
		else
			tree_append(base, key);
		first = first ? first : err;
		if (err < 0 && (!m->report || m->report->full))
			break;
	}
	return first;
}

int merge_file(struct node *base, struct node *from, struct policy_report *report,
	       struct fault *reterr)
{
	struct merger m = {.report = report, .reterr = reterr};

	return merge_keys(&m, NULL, base, from);
}

static int overlay(struct merger *m, struct tree *tree, struct node *base, const struct node *over);

/* Copies of a key and its value. */
static int append_copy(struct tree *tree, struct node *base, const struct node *key)
{
	struct node *name = tree_copy(tree, key);

	if (!name)
		return -ENOMEM;
	name->next = tree_copy(tree, key->next);
	if (!name->next)
		return -ENOMEM;
	tree_append(base, name);
	return 0;
}

static const char *name_of(const struct node *limit)
{
	const struct node *key = tree_key(limit, "name");

	return key && key->next->kind == NODE_SCALAR ? key->next->text : NULL;
}

static int overlay_limits(struct merger *m, struct tree *tree, struct node *base,
			  const struct node *over)
{
	int r = 0;

	for (const struct node *e = over->children; e && r == 0; e = e->next) {
		const char *name = name_of(e);
		struct node *there = base->children, *copy;

		while (there && !(name && name_of(there) && strcmp(name_of(there), name) == 0))
			there = there->next;
		if (there) {
			r = overlay(m, tree, there, e);
			continue;
		}
		copy = tree_copy(tree, e);
		if (!copy)
			return -ENOMEM;
		tree_append(base, copy);
	}
	return r;
}

/* A target is one of several keys: another one takes its place. */
static bool is_merged(const struct node *key, const struct node *there)
{
	return there->next->kind == NODE_MAPPING && key->next->kind == NODE_MAPPING &&
	       strcmp(key->text, "target") != 0;
}

/* One that is too long is not merged but refused when it is read. */
static bool is_list_of_limits(const struct node *key)
{
	return strcmp(key->text, "limits") == 0 && key->next->kind == NODE_SEQUENCE &&
	       key->next->count <= WEIR_LIMITS_MAX;
}

/* Goes as deep as TREE_DEPTH_MAX. */
static int overlay(struct merger *m, struct tree *tree, struct node *base, const struct node *over)
{
	int r = 0;

	if (over->count / 2 > MERGE_KEYS_MAX || base->count / 2 > MERGE_KEYS_MAX)
		return refuse_many(m, over->count > base->count ? over : base);
	for (const struct node *key = over->children; key && r == 0; key = key->next->next) {
		struct node *there = tree_key(base, key->text), *copy;

		if (!there) {
			r = append_copy(tree, base, key);
		} else if (is_merged(key, there)) {
			r = overlay(m, tree, there->next, key->next);
		} else if (is_list_of_limits(key) && is_list_of_limits(there)) {
			r = overlay_limits(m, tree, there->next, key->next);
		} else {
			copy = tree_copy(tree, key->next);
			if (!copy)
				return -ENOMEM;
			copy->next = there->next->next;
			there->next = copy;
		}
	}
	return r;
}

int merge_profile(struct tree *tree, struct node *base, const struct node *over,
		  struct policy_report *report, struct fault *reterr)
{
	struct merger m = {.report = report, .reterr = reterr};
	int r = schema_check_keys(over, OBJECT_PROFILE, report, reterr);

	return r < 0 ? r : overlay(&m, tree, base, over);
}

int merge_chosen(struct tree *tree, const char *profile, struct fault *reterr)
{
	const struct node *profiles = tree_key(tree->root, "profiles"), *chosen = NULL;

	if (!profile)
		return 0;
	if (profiles)
		chosen = tree_key(profiles->next, profile);
	if (!chosen || chosen->next->kind != NODE_MAPPING)
		return fault(reterr, -EINVAL, "policy.profile.unknown",
			     "there is no profile '%.64s'", profile);
	return merge_profile(tree, tree->root, chosen->next, NULL, reterr);
}
