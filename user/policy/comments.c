/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Comments, which libyaml drops: found in the text by the places of the scalars, in which alone a '#'
 * can be anything else, and hung on the key or element that they belong to. What a comment beside,
 * above or below something means is decided by its line and its column, as a reader would.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/tree.h"

/* A key of a mapping, or an element of a sequence, in the order of the text. */
struct item {
	struct node *node;  /* that carries the comments */
	struct node *value; /* of a key; or the element itself */
	const struct node *container;
	size_t parent; /* the item that the container is the value of; SIZE_MAX = none */
};

struct comment {
	const char *text;
	size_t length;
	unsigned int line, column;
	bool alone; /* nothing before it on its line */
	bool blank; /* the line above is empty */
};

struct finder {
	struct node *root;
	struct item *items;
	size_t count, size;
};

static int items_collect(struct finder *f, struct node *container, size_t parent)
{
	struct node *n = container->children;

	while (n) {
		struct node *value = container->kind == NODE_MAPPING ? n->next : n;
		int r = 0;

		if (f->count == f->size) {
			size_t size = f->size ? 2 * f->size : 256;
			struct item *items = reallocarray(f->items, size, sizeof(*items));

			if (!items)
				return -ENOMEM;
			f->items = items;
			f->size = size;
		}
		f->items[f->count++] = (struct item){n, value, container, parent};
		if (value->kind != NODE_SCALAR)
			r = items_collect(f, value, f->count - 1);
		if (r < 0)
			return r;
		n = value->next;
	}
	return 0;
}

static bool is_before(unsigned int line, unsigned int column, unsigned int line2,
		      unsigned int column2)
{
	return line < line2 || (line == line2 && column < column2);
}

/* The first scalar of the items from @i on, keys included, at or behind a place. */
struct scalars {
	const struct finder *f;
	size_t item;
	bool value; /* the value of item is next, not its key */
};

static const struct node *scalar_next(struct scalars *s)
{
	while (s->item < s->f->count) {
		const struct item *i = &s->f->items[s->item];

		if (!s->value) {
			s->value = true;
			if (i->node != i->value)
				return i->node;
		}
		s->value = false;
		s->item++;
		if (i->value->kind == NODE_SCALAR)
			return i->value;
	}
	return NULL;
}

/* Reads the text by characters and knows where it is. */
struct cursor {
	const char *p, *end;
	unsigned int line, column;
	bool alone;	   /* only blanks so far on this line */
	bool empty, above; /* this line so far, and the one above it, hold nothing */
	bool after_blank;  /* the character before is a blank, or this is the first of the line */
};

static void step(struct cursor *c)
{
	char is = *c->p++;

	while (c->p < c->end && ((unsigned char)*c->p & 0xc0) == 0x80)
		c->p++;
	if (is == '\n') {
		c->line++;
		c->column = 1;
		c->above = c->empty;
		c->alone = c->empty = c->after_blank = true;
		return;
	}
	c->column++;
	c->after_blank = is == ' ' || is == '\t' || is == '\r';
	c->alone &= c->after_blank;
	c->empty &= c->after_blank;
}

static void comment_read(struct cursor *c, struct comment *ret)
{
	*ret = (struct comment){
		.text = c->p,
		.line = c->line,
		.column = c->column,
		.alone = c->alone,
		.blank = c->alone && c->above && c->line > 1,
	};
	while (c->p < c->end && *c->p != '\n')
		step(c);
	ret->length = (size_t)(c->p - ret->text);
	while (ret->length && strchr(" \t\r", ret->text[ret->length - 1]))
		ret->length--;
}

/* Pass over the scalar @n, which begins here; the head of a block scalar may have a comment. */
static bool scalar_pass(struct cursor *c, const struct node *n, struct comment *ret)
{
	bool block = *c->p == '|' || *c->p == '>', found = false;

	while (c->p < c->end && is_before(c->line, c->column, n->end_line, n->end_column)) {
		if (block && !found && c->line == n->line && *c->p == '#' && c->after_blank) {
			comment_read(c, ret);
			found = true;
			continue;
		}
		step(c);
	}
	return found;
}

static bool touches(const struct item *i, unsigned int line)
{
	const struct node *v = i->value;

	return i->node->line == line || i->node->end_line == line ||
	       ((v->kind == NODE_SCALAR || v->flow) && (v->line == line || v->end_line == line));
}

static bool encloses(const struct node *n, const struct comment *c)
{
	return n->flow && is_before(n->line, n->column, c->line, c->column) &&
	       is_before(c->line, c->column, n->end_line, n->end_column);
}

/* Where a block's items begin: its first key, or its first dash. */
static unsigned int column_of(const struct item *i)
{
	return i->container->column;
}

static int hang(struct node *n, const struct comment *c, enum remark_at at)
{
	struct remark **last = &n->remarks, *r = malloc(sizeof(*r) + c->length + 1);

	if (!r)
		return -ENOMEM;
	*r = (struct remark){.at = at, .blank = c->blank};
	memcpy(r->text, c->text, c->length);
	r->text[c->length] = '\0';
	while (*last)
		last = &(*last)->next;
	*last = r;
	return 0;
}

/* The innermost container in brackets around a comment that comes behind item @i; NULL = none. */
static const struct node *brackets_around(const struct finder *f, size_t i, const struct comment *c)
{
	if (encloses(f->items[i].value, c))
		return f->items[i].value;
	for (; i != SIZE_MAX; i = f->items[i].parent)
		if (encloses(f->items[i].container, c))
			return f->items[i].container;
	return NULL;
}

static bool is_within(const struct finder *f, size_t i, const struct node *container)
{
	for (; i != SIZE_MAX; i = f->items[i].parent)
		if (f->items[i].container == container)
			return true;
	return false;
}

/* A comment at the end of a line: of what stands there last, or of the brackets that end there. */
static size_t beside(const struct finder *f, size_t previous, const struct comment *c)
{
	size_t i = previous;

	while (f->items[i].parent != SIZE_MAX && f->items[i].container->flow &&
	       !encloses(f->items[i].container, c))
		i = f->items[i].parent;
	return i;
}

/* @next is the first item behind the comment. */
static int comment_hang(struct finder *f, size_t next, const struct comment *c)
{
	size_t previous = next - 1, i; /* SIZE_MAX: none */
	const struct node *brackets;

	if (previous != SIZE_MAX && !c->alone) {
		i = beside(f, previous, c);
		if (touches(&f->items[i], c->line))
			return hang(f->items[i].node, c, REMARK_BESIDE);
	}
	brackets = previous != SIZE_MAX ? brackets_around(f, previous, c) : NULL;
	if (brackets && !(next < f->count && is_within(f, next, brackets))) {
		for (i = previous; f->items[i].container != brackets && brackets->children;)
			i = f->items[i].parent;
		return hang(f->items[i].node, c, REMARK_AFTER);
	}
	if (next < f->count && (brackets || c->column <= column_of(&f->items[next])))
		return hang(f->items[next].node, c, REMARK_BEFORE);
	for (i = previous;
	     i != SIZE_MAX && (column_of(&f->items[i]) > c->column || f->items[i].container->flow);)
		i = f->items[i].parent;
	if (next == f->count)
		return i == SIZE_MAX ? hang(f->root, c, REMARK_AFTER)
				     : hang(f->items[i].node, c, REMARK_AFTER);
	if (i != SIZE_MAX && column_of(&f->items[i]) > column_of(&f->items[next]))
		return hang(f->items[i].node, c, REMARK_AFTER);
	return hang(f->items[next].node, c, REMARK_BEFORE);
}

/* What heads the file stays there, whatever comes to stand first: comments, then an empty line. */
static void head_split(struct finder *f)
{
	struct node *first = f->items[0].node;
	struct remark **last = &first->remarks, **cut = NULL;

	while (*last && (*last)->at == REMARK_BEFORE) {
		if ((*last)->blank && last != &first->remarks)
			cut = last;
		last = &(*last)->next;
	}
	if (first->blank && last != &first->remarks)
		cut = last;
	if (!cut)
		return;
	struct remark *rest = *cut;

	*cut = NULL;
	f->root->remarks = first->remarks;
	first->remarks = rest;
}

static int text_scan(struct finder *f)
{
	const struct policy_file *file = f->root->file;
	struct cursor c = {file->text, file->text + file->length, 1, 1, true, true, false, true};
	struct scalars scalars = {.f = f};
	const struct node *scalar = scalar_next(&scalars);
	struct comment found;
	size_t next = 0;
	int r = 0;

	c.p += tree_mark_length(file);
	while (c.p < c.end && r == 0) {
		bool is_comment = false;

		while (next < f->count && !is_before(c.line, c.column, f->items[next].node->line,
						     f->items[next].node->column)) {
			f->items[next].node->blank = c.above && c.line > 1;
			next++;
		}
		if (scalar && !is_before(c.line, c.column, scalar->line, scalar->column)) {
			is_comment = scalar_pass(&c, scalar, &found);
			scalar = scalar_next(&scalars);
		} else if (*c.p == '#' && c.after_blank) {
			comment_read(&c, &found);
			is_comment = true;
		} else {
			step(&c);
		}
		if (is_comment)
			r = comment_hang(f, next, &found);
	}
	return r;
}

int comments_attach(struct node *root)
{
	struct finder f = {.root = root};
	int r = root->kind == NODE_SCALAR ? 0 : items_collect(&f, root, SIZE_MAX);

	if (r == 0 && f.count)
		r = text_scan(&f);
	if (r == 0 && f.count)
		head_split(&f);
	free(f.items);
	return r;
}
