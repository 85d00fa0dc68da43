/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one way to write a policy: keys in the order of the table, two spaces, quotes only where a reader
 * of YAML needs them, short lists and mappings in brackets if they were, comments where they
 * were. What is written has the same meaning, and is written the same way again.
 */
#ifndef POLICY_FMT_H
#define POLICY_FMT_H

#include <stddef.h>

#include "base/fault.h"
#include "base/text.h"

/**
 * Format the YAML @text of a policy, or of a file that one includes; *@ret is the caller's to free.
 * It need not be correct as a policy. Faults are those of reading YAML, named @name:line:col.
 */
int policy_fmt(const char *name, const char *text, size_t length, char **ret, size_t *ret_length,
	       struct fault *reterr);

/* For this module: write the tree below @root, with the comments that hang on it. */
struct node;
void fmt_write(const struct node *root, struct text *t);

#endif
