/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files that a policy is made of, for this module only: load.c reads them and what they include,
 * merge.c makes one tree of several. */
#ifndef POLICY_LOAD_H
#define POLICY_LOAD_H

#include "policy/policy.h"
#include "policy/tree.h"

/** Add a file to @p, which takes @text. *@ret stays where it is. -ENOMEM: @text is freed. */
int policy_add_file(struct policy *p, const char *name, char *text, size_t length,
		    const struct policy_file **ret);

/**
 * Read the file at @path and all that it includes into @p->files, and what they say into one tree. If there
 * is more than one file, comments hang on it, for one text of all.
 */
int load_tree(struct policy *p, const char *path, struct policy_report *report, struct tree **ret,
	      struct fault *reterr);

/** Move what the mapping @from says into the mapping @base: the same key in both is an error unless
 * it holds a list, names or keys. */
int merge_file(struct node *base, struct node *from, struct policy_report *report,
	       struct fault *reterr);

/** Lay the profile @over over the mapping @base. What is taken from it is copied into @tree. */
int merge_profile(struct tree *tree, struct node *base, const struct node *over,
		  struct policy_report *report, struct fault *reterr);

/** Lay the profile of that name (NULL = none) that the policy in @tree has over it. Faults: policy.profile.unknown,
 * and those above. */
int merge_chosen(struct tree *tree, const char *profile, struct fault *reterr);

/* lint.c */
/** Say what is correct and yet odd. -ENOMEM. */
int policy_lint(const struct policy *policy, int64_t unix_time, struct policy_report *report);

#endif
