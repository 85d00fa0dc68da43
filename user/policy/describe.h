/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The language, told: as a JSON Schema for editors and other programs, and as text for people. Both
 * are made from the table of keys that the checker reads by. */
#ifndef POLICY_DESCRIBE_H
#define POLICY_DESCRIBE_H

#include <jansson.h>

#include "base/fault.h"
#include "base/text.h"

/** The JSON Schema (2020-12) of a policy, the caller's to json_decref(); NULL if there is no memory. */
json_t *policy_schema(void);

/**
 * Explain the key at @path, such as "limits.rate" or, if only one key is called so, "dport". Faults:
 * policy.explain.key (-ENOENT), with a suggestion.
 */
int policy_explain(const char *path, struct text *t, struct fault *reterr);
/** The same as JSON; *@ret is the caller's to json_decref(). */
int policy_explain_json(const char *path, json_t **ret, struct fault *reterr);

/** What a report has found, the caller's to json_decref(); NULL if there is no memory. */
struct policy_report;
json_t *policy_report_json(const struct policy_report *report);

/* All keys, one a line, as deep as they are. */
void policy_explain_all(struct text *t);
/** All keys as a JSON array; NULL if there is no memory. */
json_t *policy_explain_all_json(void);

/** What the value of a key stands for in JSON: numbers and truth values are none in quotes. For the module. */
struct node;
json_t *describe_value(const struct node *n);
/** Examples of a key as JSON values. */
struct field;
json_t *describe_examples(const struct field *f);

#endif
