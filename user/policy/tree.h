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

#define TREE_DEPTH_MAX 16
#define TREE_NODES_MAX (1U << 19) /* a full list takes seven per entry */

enum node_kind {
	NODE_SCALAR = 1 << 0,
	NODE_SEQUENCE = 1 << 1,
	NODE_MAPPING = 1 << 2,
};

struct node {
	enum node_kind kind;
	unsigned int line; /* both count from 1 */
	unsigned int column;
	bool plain;		     /* a scalar without quotes */
	size_t count;		     /* children; keys and values alternate in a mapping */
	const struct node *children; /* first of them; keys are scalars */
	const struct node *next;     /* sibling */
	struct node *allocated;	     /* the tree's list of all nodes */
	char text[];		     /* of a scalar: UTF-8 without control characters */
};

struct tree {
	const char *name; /* borrowed */
	const struct node *root;
	struct node *allocated;
	size_t node_count;
};

/**
 * Parse @length bytes of @text; @name stands in front of what is wrong and must outlive the tree.
 * -EINVAL: refused; -E2BIG: too long, too deep or too many nodes; -ENOMEM.
 */
int tree_parse(const char *name, const char *text, size_t length, struct tree **ret,
	       struct fault *reterr);
void tree_free(struct tree *tree);
DEFINE_CLEANUP(struct tree *, tree_free)

/** Fill @reterr with "name:line:column: " and the words; return @err. */
int fault_at(struct fault *reterr, const char *name, unsigned int line, unsigned int column,
	     int err, const char *code, const char *format, ...)
	__attribute__((format(printf, 7, 8)));

#endif
