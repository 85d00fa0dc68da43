/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "policy/fmt.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/schema.h"
#include "policy/tree.h"

#define COLUMNS 100
#define INDENT	2

/* Where a comment at the end of a line begins, until all are aligned: no text holds this. */
#define BESIDE "\x01"

/* A key and its value, on their way into order. */
struct pair {
	const struct node *key;
	size_t rank, place;
};

static int compare_pairs(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

/* What the values below a key are, for the order of their keys. */
struct shape {
	enum object object;	  /* of a mapping; OBJECT_NONE = not in the table */
	const struct type *names; /* a mapping of names instead */
	const struct type *list;  /* of a sequence */
};

static struct shape shape_of(const struct type *type)
{
	if (type->form == FORM_NAMES)
		return (struct shape){.names = type};
	if (type->form == FORM_LIST)
		return (struct shape){.list = type};
	return (struct shape){.object = type->inner};
}

static struct shape shape_below(const struct shape *s, const struct node *key)
{
	const struct field *f;

	if (s->names)
		return (struct shape){.object = s->names->inner};
	f = s->object ? schema_find(s->object, key->text) : NULL;
	return f ? shape_of(f->type) : (struct shape){0};
}

static struct shape shape_element(const struct shape *s)
{
	return (struct shape){.object = s->list ? s->list->inner : OBJECT_NONE};
}

/* The pairs of a mapping in their order, NULL if there is no memory or nothing to order. */
static struct pair *pairs_sort(const struct node *n, const struct shape *s)
{
	struct pair *pairs = calloc(n->count / 2 + 1, sizeof(*pairs));
	size_t count = 0;

	if (!pairs)
		return NULL;
	for (const struct node *key = n->children; key; key = key->next->next) {
		const struct field *f = s->object ? schema_find(s->object, key->text) : NULL;

		pairs[count] = (struct pair){key,
					     f		 ? (size_t)(f - schema_fields)
					     : s->object ? SIZE_MAX
							 : 0,
					     count};
		count++;
	}
	qsort(pairs, count, sizeof(*pairs), compare_pairs);
	return pairs;
}

/* Text that other readers of YAML would take for something else, had it no quotes. */
static bool looks_typed(const char *text)
{
	static const char *const words[] = {"~",    "null",  "Null",  "NULL",  "true", "True",
					    "TRUE", "false", "False", "FALSE", "yes",  "no"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return strspn(text, "0123456789.+-eExXoabcdfABCDF_") == strlen(text) &&
	       strpbrk(text, "0123456789");
}

static bool can_be_plain(const struct node *n, bool flow)
{
	const char *s = n->text;
	size_t length = strlen(s);

	if (!length)
		return n->plain;
	if (strchr(" ,[]{}#&*!|>'\"%@`", s[0]) || s[length - 1] == ' ' || s[length - 1] == ':' ||
	    strstr(s, ": ") || strstr(s, " #") || strstr(s, "\xef\xbb\xbf"))
		return false;
	if (strchr("-?:", s[0]) && (!s[1] || s[1] == ' ' || flow))
		return false;
	if (strncmp(s, "---", 3) == 0 || strncmp(s, "...", 3) == 0)
		return false;
	if (flow && strpbrk(s, ",[]{}:"))
		return false;
	return n->plain || !looks_typed(s);
}

static void put_scalar(struct text *t, const struct node *n, bool flow)
{
	if (can_be_plain(n, flow)) {
		text_puts(t, n->text);
		return;
	}
	text_puts(t, "\"");
	for (const char *p = n->text; *p; p++) {
		if (strncmp(p, "\xef\xbb\xbf", 3) == 0) {
			text_puts(t, "\\uFEFF");
			p += 2;
			continue;
		}
		if (*p == '"' || *p == '\\')
			text_puts(t, "\\");
		text_put(t, p, 1);
	}
	text_puts(t, "\"");
}

static void put_flow(struct text *t, const struct node *n, const struct shape *s)
{
	struct pair *pairs;
	struct shape below;

	if (n->kind == NODE_SCALAR) {
		put_scalar(t, n, true);
		return;
	}
	if (n->kind == NODE_SEQUENCE) {
		text_puts(t, "[");
		for (const struct node *e = n->children; e; e = e->next) {
			below = shape_element(s);
			text_puts(t, e == n->children ? "" : ", ");
			put_flow(t, e, &below);
		}
		text_puts(t, "]");
		return;
	}
	pairs = pairs_sort(n, s);
	t->truncated |= !pairs;
	text_puts(t, "{");
	for (size_t i = 0; pairs && i < n->count / 2; i++) {
		below = shape_below(s, pairs[i].key);
		text_puts(t, i ? ", " : "");
		put_scalar(t, pairs[i].key, true);
		text_puts(t, ": ");
		put_flow(t, pairs[i].key->next, &below);
	}
	text_puts(t, "}");
	free(pairs);
}

/* Nothing below @n has a comment that a line of brackets has no room for. */
static bool is_bare(const struct node *n)
{
	for (const struct node *child = n->children; child; child = child->next)
		if (child->remarks || !is_bare(child))
			return false;
	return true;
}

static size_t width(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

/* One child of a block: an element, or a key with its value. */
struct child {
	const struct node *node, *value;
	struct shape shape; /* of the value */
	bool dash;
};

/* The value on the line that it begins on, if that is how it is written: @column is where. */
static bool put_on_line(struct text *t, const struct node *n, const struct shape *s, size_t column)
{
	if (n->kind == NODE_SCALAR) {
		put_scalar(t, n, false);
		return true;
	}
	if (n->children && !(n->flow && is_bare(n)))
		return false;
	put_flow(t, n, s);
	return !n->children || column + width(t->data ?: "") <= COLUMNS;
}

static bool is_on_line(const struct child *c, unsigned int indent)
{
	_cleanup_(text_done) struct text line = {.growing = true};
	_cleanup_(text_done) struct text name = {.growing = true};

	if (!c->dash)
		put_scalar(&name, c->node, false);
	return put_on_line(&line, c->value, &c->shape, indent + name.length + 2);
}

/* The children of @n in their order; NULL if there is no memory. */
static struct child *children_sort(const struct node *n, const struct shape *s, size_t *ret_count)
{
	bool dash = n->kind == NODE_SEQUENCE;
	size_t count = dash ? n->count : n->count / 2, i = 0;
	struct child *children = calloc(count + 1, sizeof(*children));
	_cleanup_free_ struct pair *pairs = dash ? NULL : pairs_sort(n, s);

	if (!children || (!dash && !pairs)) {
		free(children);
		return NULL;
	}
	for (const struct node *e = n->children; dash && e; e = e->next)
		children[i++] = (struct child){e, e, shape_element(s), true};
	for (; !dash && i < count; i++)
		children[i] = (struct child){pairs[i].key, pairs[i].key->next,
					     shape_below(s, pairs[i].key), false};
	*ret_count = count;
	return children;
}

/* What stands above the line of @c: its comments, and those of a first child on the same line. */
static void put_above(struct text *t, const struct child *c, unsigned int indent, bool first)
{
	_cleanup_free_ struct child *below = NULL;
	size_t count = 0;

	for (const struct remark *r = c->node->remarks; r; r = r->next) {
		if (r->at != REMARK_BEFORE)
			continue;
		text_printf(t, "%s%*s%s\n", r->blank && !first ? "\n" : "", (int)indent, "",
			    r->text);
		first = false;
	}
	if (c->node->blank && !first)
		text_puts(t, "\n");
	if (!c->dash || is_on_line(c, indent))
		return;
	for (const struct remark *r = c->node->remarks; r; r = r->next)
		if (r->at == REMARK_BESIDE)
			text_printf(t, "%*s%s\n", (int)indent, "", r->text);
	below = children_sort(c->value, &c->shape, &count);
	t->truncated |= !below;
	if (below)
		put_above(t, &below[0], indent, true);
}

static void put_beside(struct text *t, const struct node *n)
{
	const char *space = BESIDE;

	for (const struct remark *r = n->remarks; r; r = r->next) {
		if (r->at != REMARK_BESIDE)
			continue;
		text_printf(t, "%s%s", space, r->text);
		space = " ";
	}
	text_puts(t, "\n");
}

static void put_below(struct text *t, const struct node *n, unsigned int indent)
{
	for (const struct remark *r = n->remarks; r; r = r->next)
		if (r->at == REMARK_AFTER)
			text_printf(t, "%s%*s%s\n", r->blank ? "\n" : "", (int)indent, "", r->text);
}

static void put_block(struct text *t, const struct node *n, const struct shape *s,
		      unsigned int indent, bool behind_dash);

/* From where the line of @c begins: its indentation is there. */
static void put_child(struct text *t, const struct child *c, unsigned int indent)
{
	_cleanup_(text_done) struct text name = {.growing = true};
	_cleanup_(text_done) struct text line = {.growing = true};
	bool on_line;

	if (c->dash)
		text_puts(&name, "-");
	else
		put_scalar(&name, c->node, false);
	on_line = put_on_line(&line, c->value, &c->shape,
			      indent + width(name.data ?: "") + (c->dash ? 1 : 2));
	text_printf(t, "%s%s", name.data ?: "", c->dash ? "" : ":");
	if (on_line) {
		text_printf(t, "%s%s", line.length ? " " : "", line.data ?: "");
		put_beside(t, c->node);
	} else if (c->dash) {
		text_puts(t, " ");
		put_block(t, c->value, &c->shape, indent + INDENT, true);
	} else {
		put_beside(t, c->node);
		put_block(t, c->value, &c->shape, indent + INDENT, false);
	}
	put_below(t, c->node, indent);
	t->truncated |= name.truncated || line.truncated;
}

/* Goes as deep as TREE_DEPTH_MAX. */
static void put_block(struct text *t, const struct node *n, const struct shape *s,
		      unsigned int indent, bool behind_dash)
{
	size_t count = 0;
	_cleanup_free_ struct child *children = children_sort(n, s, &count);

	t->truncated |= !children;
	for (size_t i = 0; children && i < count; i++) {
		if (i || !behind_dash) {
			put_above(t, &children[i], indent, i == 0);
			text_printf(t, "%*s", (int)indent, "");
		}
		put_child(t, &children[i], indent);
	}
}

/* Characters of the line at @line before its comment at the end; 0 = it has none. */
static size_t beside_column(const char *line)
{
	size_t count = 0;

	for (; *line && *line != '\n' && *line != BESIDE[0]; line++)
		count += ((unsigned char)*line & 0xc0) != 0x80;
	return *line == BESIDE[0] ? count : 0;
}

/* Comments at the end of lines that follow each other stand below each other. */
static void align(const char *line, struct text *t)
{
	size_t column = 0; /* of the comments of the lines from here on; 0 = not known */

	for (const char *end; *line; line = end) {
		size_t mine = beside_column(line), longest = 0;
		const char *mark = strchrnul(line, BESIDE[0]);

		end = strchrnul(line, '\n');
		end += *end == '\n';
		if (!mine) {
			text_put(t, line, (size_t)(end - line));
			column = 0;
			continue;
		}
		for (const char *l = line; !column && *l && beside_column(l);) {
			longest = beside_column(l) > longest ? beside_column(l) : longest;
			l = strchrnul(l, '\n');
			l += *l == '\n';
		}
		column = column ? column : longest;
		text_put(t, line, (size_t)(mark - line));
		text_printf(t, "%*s", (int)(column - mine) + 2, "");
		text_put(t, mark + 1, (size_t)(end - mark - 1));
	}
}

static void put_policy(const struct node *root, struct text *t)
{
	const struct shape policy = {.object = OBJECT_POLICY};
	bool first = true;

	for (const struct remark *r = root->remarks; r; r = r->next) {
		if (r->at != REMARK_BEFORE)
			continue;
		text_printf(t, "%s%s\n", r->blank && !first ? "\n" : "", r->text);
		first = false;
	}
	if (!first)
		text_puts(t, "\n");
	if (root->kind == NODE_SCALAR || !root->children) {
		put_on_line(t, root, &policy, 0);
		text_puts(t, "\n");
	} else {
		put_block(t, root, &policy, 0, false);
	}
	put_below(t, root, 0);
}

void fmt_write(const struct node *root, struct text *t)
{
	_cleanup_(text_done) struct text raw = {.growing = true};

	put_policy(root, &raw);
	t->truncated |= raw.truncated;
	align(raw.data ?: "", t);
}

/* The same values, as far as order goes as fmt_write() orders them. */
static bool is_same(const struct node *a, const struct node *b, const struct shape *s)
{
	_cleanup_free_ struct child *x = NULL, *y = NULL;
	size_t count = 0;

	if (a->kind != b->kind || a->count != b->count || strcmp(a->text, b->text) != 0)
		return false;
	if (a->kind == NODE_SCALAR)
		return !*a->text ? a->plain == b->plain : true;
	x = children_sort(a, s, &count);
	y = children_sort(b, s, &count);
	if (!x || !y)
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(x[i].node->text, y[i].node->text) != 0 ||
		    !is_same(x[i].value, y[i].value, &x[i].shape))
			return false;
	return true;
}

/* A text that means something else than what it was made from must never replace a policy. */
static int verify(const struct policy_file *file, const struct node *before, struct fault *reterr)
{
	const struct shape policy = {.object = OBJECT_POLICY};
	_cleanup_(tree_freep) struct tree *tree = NULL;
	struct place top = {file, 1, 1, 0};
	int r = tree_parse(file, NULL, &tree, reterr);

	if (r == 0 && !is_same(before, tree->root, &policy))
		return diagnose(NULL, reterr, &top, -EINVAL, "policy.fmt",
				"cannot be formatted without a change of its meaning");
	return r;
}

int policy_fmt(const char *name, const char *text, size_t length, char **ret, size_t *ret_length,
	       struct fault *reterr)
{
	_cleanup_free_ char *path = strdup(name), *copy = malloc(length + 1);
	struct policy_file before = {path, copy, length}, after = {.name = path};
	_cleanup_(text_done) struct text t = {.growing = true};
	_cleanup_(tree_freep) struct tree *tree = NULL;
	int r = path && copy ? 0 : -ENOMEM;

	if (r == 0) {
		memcpy(copy, text, length);
		copy[length] = '\0';
		r = tree_parse(&before, NULL, &tree, reterr);
	}
	if (r == 0)
		r = comments_attach(tree->root);
	if (r == 0) {
		fmt_write(tree->root, &t);
		r = t.truncated ? -ENOMEM : 0;
	}
	if (r == 0) {
		after.text = t.data;
		after.length = t.length;
		r = verify(&after, tree->root, reterr);
	}
	if (r == -ENOMEM)
		return fault(reterr, r, "policy.memory", "%.200s: out of memory", name);
	if (r < 0)
		return r;
	*ret_length = t.length;
	*ret = text_take(&t);
	return 0;
}
