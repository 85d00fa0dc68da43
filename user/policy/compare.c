/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "policy/compare.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "policy/load.h"
#include "policy/tree.h"

static const char *const kind_names[] = {
	[POLICY_ADDED] = "added",
	[POLICY_CHANGED] = "changed",
	[POLICY_REMOVED] = "removed",
};
_Static_assert(ARRAY_SIZE(kind_names) == POLICY_CHANGE_KIND_MAX, "a kind has no name");

const char *policy_change_kind_str(enum policy_change_kind kind)
{
	return kind_names[kind];
}

/* A child of a mapping or a sequence, by what tells it from its siblings. */
struct member {
	const char *key;
	const struct node *value;
};

struct members {
	struct member *items;
	size_t count;
};

static void done(struct members *m)
{
	free(m->items);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

/* What tells an element of a sequence from the others; NULL: only its place. */
static const char *element_key(const struct node *n)
{
	static const char *const keys[] = {"name", "cidr"};

	if (n->kind == NODE_SCALAR)
		return n->text;
	for (const struct node *key = n->kind == NODE_MAPPING ? n->children : NULL; key;
	     key = key->next->next)
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			if (strcmp(key->text, keys[i]) == 0 && key->next->kind == NODE_SCALAR)
				return key->next->text;
	return NULL;
}

/* -ENODATA: some have no key. */
static int members_of(const struct node *n, struct members *ret)
{
	*ret = (struct members){.items = calloc(n->count + 1, sizeof(*ret->items))};
	if (!ret->items)
		return -ENOMEM;
	for (const struct node *child = n->children; child; child = child->next) {
		struct member *m = &ret->items[ret->count++];

		if (n->kind == NODE_MAPPING) {
			m->key = child->text;
			m->value = child = child->next;
		} else {
			m->key = element_key(child);
			m->value = child;
		}
		if (!m->key)
			return -ENODATA;
	}
	qsort(ret->items, ret->count, sizeof(*ret->items), by_key);
	return 0;
}

/* On one line. The parser bounds the depth. */
static void flatten(const struct node *n, struct text *out)
{
	bool mapping = n->kind == NODE_MAPPING, value = false;

	if (n->kind == NODE_SCALAR) {
		text_puts(out, n->text);
		return;
	}
	text_puts(out, mapping ? "{" : "[");
	for (const struct node *child = n->children; child && out->length <= POLICY_VALUE_MAX;
	     child = child->next) {
		if (child != n->children)
			text_puts(out, value ? ": " : ", ");
		flatten(child, out);
		value = mapping && !value;
	}
	text_puts(out, mapping ? "}" : "]");
}

static bool same(const struct node *a, const struct node *b)
{
	if (a->kind != b->kind || a->count != b->count)
		return false;
	if (a->kind == NODE_SCALAR)
		return strcmp(a->text, b->text) == 0;
	a = a->children;
	b = b->children;
	for (; a && b; a = a->next, b = b->next)
		if (!same(a, b))
			return false;
	return !a && !b;
}

static char *value_of(const struct node *n)
{
	struct text out;

	text_init_growing(&out);
	flatten(n, &out);
	if (out.data && out.length > POLICY_VALUE_MAX) {
		memcpy(out.data + POLICY_VALUE_MAX - 3, "...", 4);
		utf8_repair(out.data);
	}
	return text_take(&out);
}

static int add(struct policy_changes *c, const struct text *path, const struct node *before,
	       const struct node *after)
{
	struct policy_change *item;

	if (c->count == c->size) {
		size_t size = c->size ? 2 * c->size : 64;
		struct policy_change *items = reallocarray(c->items, size, sizeof(*items));

		if (!items)
			return -ENOMEM;
		c->items = items;
		c->size = size;
	}
	item = &c->items[c->count++];
	*item = (struct policy_change){
		.kind = !before ? POLICY_ADDED
			: after ? POLICY_CHANGED
				: POLICY_REMOVED,
		.path = strdup(path->data ?: ""),
		.before = before ? value_of(before) : NULL,
		.after = after ? value_of(after) : NULL,
	};
	return item->path && (!before || item->before) && (!after || item->after) ? 0 : -ENOMEM;
}

static int compare(struct policy_changes *c, struct text *path, const struct node *a,
		   const struct node *b);

/* The same with @key at the end of the path, for as long. */
static int compare_member(struct policy_changes *c, struct text *path, const char *key,
			  const struct node *a, const struct node *b)
{
	size_t length = path->length;
	int r;

	text_printf(path, "%s%s", length ? "." : "", key);
	r = a && b ? compare(c, path, a, b) : add(c, path, a, b);
	path->length = length;
	path->data[length] = '\0';
	return r;
}

static int compare_members(struct policy_changes *c, struct text *path, const struct members *a,
			   const struct members *b)
{
	size_t i = 0, j = 0;
	int r = 0;

	while (r == 0 && (i < a->count || j < b->count)) {
		const struct member *x = i < a->count ? &a->items[i] : NULL;
		const struct member *y = j < b->count ? &b->items[j] : NULL;
		int order = !x ? 1 : !y ? -1 : strcmp(x->key, y->key);

		if (order < 0)
			r = compare_member(c, path, x->key, x->value, NULL);
		else if (order > 0)
			r = compare_member(c, path, y->key, NULL, y->value);
		else
			r = compare_member(c, path, x->key, x->value, y->value);
		i += order <= 0;
		j += order >= 0;
	}
	return r;
}

static int compare(struct policy_changes *c, struct text *path, const struct node *a,
		   const struct node *b)
{
	_cleanup_(done) struct members x = {0}, y = {0};
	int r;

	if (same(a, b))
		return 0;
	if (a->kind != b->kind || a->kind == NODE_SCALAR)
		return add(c, path, a, b);
	r = members_of(a, &x);
	r = r ?: members_of(b, &y);
	if (r == -ENODATA)
		return add(c, path, a, b);
	return r ?: compare_members(c, path, &x, &y);
}

static int read_version(const struct policy_file *file, const char *profile, struct tree **ret,
			struct fault *reterr)
{
	int r = tree_parse(file, NULL, ret, reterr);

	return r < 0 ? r : merge_chosen(*ret, profile, reterr);
}

int policy_compare(const struct policy_version *before, const struct policy_version *after,
		   struct policy_changes *ret, struct fault *reterr)
{
	const struct policy_file from = {"before", (char *)(uintptr_t)before->text, before->length};
	const struct policy_file to = {"after", (char *)(uintptr_t)after->text, after->length};
	_cleanup_(tree_freep) struct tree *a = NULL, *b = NULL;
	_cleanup_(text_done) struct text path = {0};
	int r;

	*ret = (struct policy_changes){0};
	r = read_version(&from, before->profile, &a, reterr);
	if (r == 0)
		r = read_version(&to, after->profile, &b, reterr);
	if (r < 0)
		return r == -ENOMEM ? fault(reterr, r, "policy.memory", "out of memory") : r;
	text_init_growing(&path);
	text_put(&path, "", 0);
	r = path.data ? compare(ret, &path, a->root, b->root) : -ENOMEM;
	if (r < 0) {
		policy_changes_done(ret);
		return fault(reterr, r, "policy.memory", "out of memory");
	}
	return 0;
}

void policy_changes_done(struct policy_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		free(changes->items[i].path);
		free(changes->items[i].before);
		free(changes->items[i].after);
	}
	free(changes->items);
	*changes = (struct policy_changes){0};
}
