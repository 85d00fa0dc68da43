/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * YAML text as a small tree of nodes that know where they stand. Everything in YAML that lets a
 * text mean something else than it shows is refused here, before a schema is asked: anchors,
 * aliases, tags, merge keys, directives, several documents, control and direction characters.
 * Scalars stay text: what type a value has is the schema's to say, so `no` and `010` hold no
 * surprise.
 */
#ifndef POLICY_TREE_H
#define POLICY_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "policy/report.h"

#define TREE_DEPTH_MAX 16
#define TREE_NODES_MAX (1U << 19) /* a full list takes seven per entry */

enum node_kind {
	NODE_SCALAR = 1 << 0,
	NODE_SEQUENCE = 1 << 1,
	NODE_MAPPING = 1 << 2,
};

/* A comment, where it stands to the key or element that it belongs to. */
enum remark_at {
	REMARK_BEFORE,
	REMARK_BESIDE, /* on its first line */
	REMARK_AFTER,  /* behind all that is below it */
};

struct remark {
	struct remark *next;
	enum remark_at at;
	bool blank;  /* an empty line comes before it */
	char text[]; /* from its '#' on */
};

struct node {
	enum node_kind kind;
	bool plain;			/* a scalar without quotes */
	bool flow;			/* a container in brackets */
	size_t count;			/* children; keys and values alternate in a mapping */
	struct node *children;		/* first of them; keys are scalars */
	struct node *next;		/* sibling */
	struct node *allocated;		/* the tree's list of all nodes */
	const struct policy_file *file; /* where it stands, as in struct place; borrowed */
	unsigned int line, column;
	unsigned int width;
	unsigned int end_line, end_column; /* behind it */
	bool blank; /* an empty line comes before it; as the next, from comments_attach() */
	struct remark *remarks; /* in their order */
	char text[];		/* of a scalar: UTF-8 without control characters */
};

struct tree {
	struct node *root;
	struct node *allocated;
	size_t node_count;
};

/** Where @n stands. */
struct place node_place(const struct node *n);

/**
 * Parse the text of @file, which must outlive the tree. -EINVAL: refused; -E2BIG: too long, too deep
 * or too many nodes; -ENOMEM. What is wrong is said in @report (may be NULL) and @reterr.
 */
int tree_parse(const struct policy_file *file, struct policy_report *report, struct tree **ret,
	       struct fault *reterr);
/** Bytes of the byte order mark that the text begins with, which is no part of it. */
size_t tree_mark_length(const struct policy_file *file);
void tree_free(struct tree *tree);
DEFINE_CLEANUP(struct tree *, tree_free)

/** A node of @tree with @length bytes of @text, NULL if there is no memory. */
struct node *tree_node(struct tree *tree, enum node_kind kind, const char *text, size_t length);
/** A copy of @n and all below it that belongs to @tree; NULL if there is no memory. */
struct node *tree_copy(struct tree *tree, const struct node *n);
/* Put @n (or a key and its value, linked) behind the children of @parent. */
void tree_append(struct node *parent, struct node *n);
/**
 * Find the comments in the text of @root, which was parsed from it, and hang each on the key or element
 * it belongs to; those that head the file, on @root itself. -ENOMEM.
 */
int comments_attach(struct node *root);
/** The key of that name in the mapping @n, whose value is its next; NULL = none. */
struct node *tree_key(const struct node *n, const char *key);

#endif
