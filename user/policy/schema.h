/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a tree to the model; for this module only. schema.c has the table, values.c the readers. */
#ifndef POLICY_SCHEMA_H
#define POLICY_SCHEMA_H

#include "policy/policy.h"
#include "policy/tree.h"

#define SCHEMA_API_VERSION     "weir/v1"
#define SCHEMA_SUGGESTION_SIZE 200

enum object {
	OBJECT_NONE,
	OBJECT_POLICY,
	OBJECT_METADATA,
	OBJECT_LISTS,
	OBJECT_LIST,
	OBJECT_ENTRY,
	OBJECT_SERVICE,
	OBJECT_LIMIT,
	OBJECT_PACKETS,
	OBJECT_FRAGMENTS,
	OBJECT_MAX,
};

struct reader {
	const char *name; /* of the text */
	struct policy *policy;
	struct fault *reterr;
	const struct field *field; /* whose value a reader is called for; inner objects change it */
	size_t dst_total;
};

struct type {
	unsigned int kinds; /* enum node_kind; others never reach the reader */
	int (*read)(struct reader *r, const struct node *n, void *into);
	const char *wanted; /* in words */
	enum object inner;
};

struct field {
	enum object object;
	const char *key;
	const struct type *type;
	size_t offset; /* of what the reader fills, in the object */
	bool required;
};

#define refuse_as(r, n, err, code, ...)                                                            \
	fault_at((r)->reterr, (r)->name, (n)->line, (n)->column, err, code, __VA_ARGS__)
#define refuse(r, n, code, ...) refuse_as(r, n, -EINVAL, code, __VA_ARGS__)

/** Fill @policy, which is zeroed but for its text, from @tree. On failure it may be half filled. */
int schema_read(const struct tree *tree, struct policy *policy, struct fault *reterr);

/** Read the mapping @n as an @object into the struct at @into. */
int schema_object(struct reader *r, enum object object, const struct node *n, void *into);

/* Write "; did you mean 'x'?" if one of the known words is near @word, else "; known: x, y". */
void schema_suggest(const char *word, const char *const *known, size_t count,
		    char ret[static SCHEMA_SUGGESTION_SIZE]);

/* The readers; @into is the field at its offset. Services, limits and fragments take the policy. */
int value_version(struct reader *r, const struct node *n, void *into);
int value_string(struct reader *r, const struct node *n, void *into);
int value_mode(struct reader *r, const struct node *n, void *into);
int value_scope(struct reader *r, const struct node *n, void *into);
int value_action(struct reader *r, const struct node *n, void *into);
int value_cidr(struct reader *r, const struct node *n, void *into);
int value_ttl(struct reader *r, const struct node *n, void *into);
int value_entries(struct reader *r, const struct node *n, void *into);
int value_dsts(struct reader *r, const struct node *n, void *into);
int value_protos(struct reader *r, const struct node *n, void *into);
int value_ports(struct reader *r, const struct node *n, void *into);
int value_services(struct reader *r, const struct node *n, void *into);
int value_limit_name(struct reader *r, const struct node *n, void *into);
int value_service_name(struct reader *r, const struct node *n, void *into);
int value_rate(struct reader *r, const struct node *n, void *into);
int value_burst(struct reader *r, const struct node *n, void *into);
int value_byte_rate(struct reader *r, const struct node *n, void *into);
int value_byte_burst(struct reader *r, const struct node *n, void *into);
int value_limits(struct reader *r, const struct node *n, void *into);
int value_fragments(struct reader *r, const struct node *n, void *into);

#endif
