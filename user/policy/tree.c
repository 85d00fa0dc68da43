/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "policy/tree.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <yaml.h>

#include "base/text.h"
#include "policy/policy.h"

struct place node_place(const struct node *n)
{
	return (struct place){n->file, n->line, n->column, n->width};
}

/* Length of the UTF-8 character at @s and what it is; 0 if there is none. */
static size_t character_read(const char *s, size_t left, uint32_t *ret)
{
	size_t length = 1;
	uint32_t c = (unsigned char)s[0];

	if (c < 0x80) {
		*ret = c;
		return 1;
	}
	while (length <= 4 && length <= left && !utf8_valid(s, length))
		length++;
	if (length > 4 || length > left)
		return 0;
	c &= 0x7fU >> length;
	for (size_t i = 1; i < length; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	*ret = c;
	return length;
}

/* Characters that are invisible, break lines only for some readers, or reorder what is shown. */
static bool character_hides(uint32_t c)
{
	return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || (c >= 0x7f && c < 0xa0) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfffe ||
	       c == 0xffff;
}

size_t tree_mark_length(const struct policy_file *file)
{
	return file->length >= 3 && memcmp(file->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

static int text_check(const struct policy_file *file, struct policy_report *report,
		      struct fault *reterr)
{
	struct place at = {file, 1, 1, 1};
	const char *text = file->text;
	size_t length = file->length, step;

	if (length > POLICY_TEXT_MAX)
		return diagnose(report, reterr, &at, -E2BIG, "policy.text.long",
				"the policy is longer than %u bytes", POLICY_TEXT_MAX);
	for (size_t i = tree_mark_length(file); i < length; i += step, at.column++) {
		uint32_t c;

		step = character_read(text + i, length - i, &c);
		if (!step)
			return diagnose(report, reterr, &at, -EINVAL, "policy.text.utf8",
					"byte 0x%02x is not UTF-8", (unsigned char)text[i]);
		if (character_hides(c) || (c == '\r' && (i + 1 == length || text[i + 1] != '\n')))
			return diagnose(report, reterr, &at, -EINVAL, "policy.text.control",
					"control character U+%04X is not allowed", c);
		if (c == '\n') {
			at.line++;
			at.column = 0;
		}
	}
	return 0;
}

struct builder {
	const struct policy_file *file;
	struct policy_report *report;
	struct tree *tree;
	struct node *open[TREE_DEPTH_MAX]; /* containers around the next node */
	struct node *last[TREE_DEPTH_MAX]; /* their youngest children */
	unsigned int depth;
	struct fault *reterr;
};

static struct place mark_place(const struct policy_file *file, const yaml_mark_t *mark)
{
	return (struct place){file, (unsigned int)mark->line + 1, (unsigned int)mark->column + 1,
			      0};
}

#define refuse_event(b, e, err, code, ...)                                                         \
	diagnose((b)->report, (b)->reterr,                                                         \
		 &(struct place){(b)->file, (unsigned int)(e)->start_mark.line + 1,                \
				 (unsigned int)(e)->start_mark.column + 1, 0},                     \
		 err, code, __VA_ARGS__)

static bool expects_key(const struct builder *b)
{
	const struct node *parent = b->depth ? b->open[b->depth - 1] : NULL;

	return parent && parent->kind == NODE_MAPPING && parent->count % 2 == 0;
}

struct node *tree_node(struct tree *tree, enum node_kind kind, const char *text, size_t length)
{
	struct node *n = calloc(1, sizeof(*n) + length + 1);

	if (!n)
		return NULL;
	n->kind = kind;
	memcpy(n->text, text, length);
	n->allocated = tree->allocated;
	tree->allocated = n;
	tree->node_count++;
	return n;
}

static int node_add(struct builder *b, const yaml_event_t *e, enum node_kind kind, const char *text,
		    size_t length)
{
	struct tree *tree = b->tree;
	struct node *n;

	if (tree->node_count == TREE_NODES_MAX)
		return refuse_event(b, e, -E2BIG, "policy.text.nodes",
				    "the policy has more than %u values", TREE_NODES_MAX);
	if (kind != NODE_SCALAR && b->depth == TREE_DEPTH_MAX)
		return refuse_event(b, e, -E2BIG, "policy.text.depth",
				    "nested deeper than %u levels", TREE_DEPTH_MAX);
	n = tree_node(tree, kind, text, length);
	if (!n)
		return -ENOMEM;
	n->file = b->file;
	n->line = (unsigned int)e->start_mark.line + 1;
	n->column = (unsigned int)e->start_mark.column + 1;
	n->end_line = (unsigned int)e->end_mark.line + 1;
	n->end_column = (unsigned int)e->end_mark.column + 1;
	if (n->end_line == n->line && n->end_column > n->column)
		n->width = n->end_column - n->column;
	if (!b->depth) {
		tree->root = n;
	} else {
		struct node *parent = b->open[b->depth - 1], **last = &b->last[b->depth - 1];

		if (*last)
			(*last)->next = n;
		else
			parent->children = n;
		*last = n;
		parent->count++;
	}
	if (kind != NODE_SCALAR) {
		b->open[b->depth] = n;
		b->last[b->depth] = NULL;
		b->depth++;
	}
	return 0;
}

static int add_container(struct builder *b, const yaml_event_t *e, enum node_kind kind, bool flow,
			 const yaml_char_t *anchor, const yaml_char_t *tag)
{
	int r;

	if (anchor || tag)
		return refuse_event(b, e, -EINVAL, "policy.yaml.anchor",
				    "anchors and tags are not allowed");
	if (expects_key(b))
		return refuse_event(b, e, -EINVAL, "policy.yaml.key", "a key must be a word");
	r = node_add(b, e, kind, "", 0);
	if (r == 0)
		b->tree->allocated->flow = flow;
	return r;
}

static int add_scalar(struct builder *b, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	size_t length = e->data.scalar.length;
	size_t step;
	uint32_t c;
	int r;

	if (e->data.scalar.anchor || e->data.scalar.tag)
		return refuse_event(b, e, -EINVAL, "policy.yaml.anchor",
				    "anchors and tags are not allowed");
	/* Escapes and block scalars can produce what the text itself must not hold. */
	for (size_t i = 0; i < length; i += step) {
		step = character_read(text + i, length - i, &c);
		assert(step); /* libyaml yields UTF-8 */
		if (c < 0x20 || character_hides(c))
			return refuse_event(b, e, -EINVAL, "policy.text.control",
					    "a value must not hold control character U+%04X", c);
	}
	if (expects_key(b) && strcmp(text, "<<") == 0)
		return refuse_event(b, e, -EINVAL, "policy.yaml.merge",
				    "merge keys are not allowed");
	r = node_add(b, e, NODE_SCALAR, text, length);
	if (r < 0)
		return r;
	b->tree->allocated->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return 0;
}

static int add_document(struct builder *b, const yaml_event_t *e)
{
	if (e->data.document_start.version_directive ||
	    e->data.document_start.tag_directives.start !=
		    e->data.document_start.tag_directives.end)
		return refuse_event(b, e, -EINVAL, "policy.yaml.directive",
				    "directives are not allowed");
	if (b->tree->root)
		return refuse_event(b, e, -EINVAL, "policy.yaml.documents",
				    "a second document begins here; a policy is one document");
	return 0;
}

static int add_event(struct builder *b, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		return add_document(b, e);
	case YAML_ALIAS_EVENT:
		return refuse_event(b, e, -EINVAL, "policy.yaml.alias", "aliases are not allowed");
	case YAML_SCALAR_EVENT:
		return add_scalar(b, e);
	case YAML_SEQUENCE_START_EVENT:
		return add_container(b, e, NODE_SEQUENCE,
				     e->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE,
				     e->data.sequence_start.anchor, e->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return add_container(b, e, NODE_MAPPING,
				     e->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE,
				     e->data.mapping_start.anchor, e->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		b->open[b->depth]->end_line = (unsigned int)e->end_mark.line + 1;
		b->open[b->depth]->end_column = (unsigned int)e->end_mark.column + 1;
		return 0;
	default:
		return 0;
	}
}

static int syntax_fault(const struct builder *b, const yaml_parser_t *parser)
{
	struct place at = mark_place(b->file, &parser->problem_mark);

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	return diagnose(b->report, b->reterr, &at, -EINVAL, "policy.yaml.syntax", "YAML: %s%s%s",
			parser->context ? parser->context : "", parser->context ? ", " : "",
			parser->problem ? parser->problem : "not readable");
}

static int tree_build(struct builder *b, yaml_parser_t *parser)
{
	struct place top = {b->file, 1, 1, 0};
	bool done = false;

	while (!done) {
		yaml_event_t event;
		int r;

		if (!yaml_parser_parse(parser, &event))
			return syntax_fault(b, parser);
		r = add_event(b, &event);
		done = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
		if (r < 0)
			return r;
	}
	if (!b->tree->root)
		return diagnose(b->report, b->reterr, &top, -EINVAL, "policy.text.empty",
				"the policy is empty");
	return 0;
}

int tree_parse(const struct policy_file *file, struct policy_report *report, struct tree **ret,
	       struct fault *reterr)
{
	_cleanup_(tree_freep) struct tree *tree = NULL;
	struct builder b = {.file = file, .report = report, .reterr = reterr};
	size_t mark = tree_mark_length(file);
	yaml_parser_t parser;
	int r;

	r = text_check(file, report, reterr);
	if (r < 0)
		return r;
	tree = calloc(1, sizeof(*tree));
	if (!tree || !yaml_parser_initialize(&parser))
		return -ENOMEM;
	b.tree = tree;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)file->text + mark,
				     file->length - mark);
	r = tree_build(&b, &parser);
	yaml_parser_delete(&parser);
	if (r < 0)
		return r;
	*ret = take_ptr(tree);
	return 0;
}

/* Goes as deep as TREE_DEPTH_MAX. */
struct node *tree_copy(struct tree *tree, const struct node *n)
{
	struct node *copy = tree_node(tree, n->kind, n->text, strlen(n->text)), **last;

	if (!copy)
		return NULL;
	copy->plain = n->plain;
	copy->flow = n->flow;
	copy->count = n->count;
	copy->file = n->file;
	copy->line = n->line;
	copy->column = n->column;
	copy->width = n->width;
	last = &copy->children;
	for (const struct node *child = n->children; child; child = child->next) {
		*last = tree_copy(tree, child);
		if (!*last)
			return NULL;
		last = &(*last)->next;
	}
	return copy;
}

void tree_append(struct node *parent, struct node *n)
{
	struct node **last = &parent->children;

	while (*last)
		last = &(*last)->next;
	*last = n;
	for (; n; n = n->next)
		parent->count++;
}

struct node *tree_key(const struct node *n, const char *key)
{
	if (n->kind != NODE_MAPPING)
		return NULL;
	for (struct node *k = n->children; k; k = k->next->next)
		if (strcmp(k->text, key) == 0)
			return k;
	return NULL;
}

void tree_free(struct tree *tree)
{
	if (!tree)
		return;
	while (tree->allocated) {
		struct node *n = tree->allocated;

		tree->allocated = n->allocated;
		while (n->remarks) {
			struct remark *next = n->remarks->next;

			free(n->remarks);
			n->remarks = next;
		}
		free(n);
	}
	free(tree);
}
