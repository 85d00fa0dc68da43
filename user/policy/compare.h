/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What changed from one policy to another, key by key: where something stands does not matter, limits
 * and feeds are told by their names, list entries by their prefixes. By the words of the texts: 2k/s and
 * 2000/s are told as a change.
 */
#ifndef POLICY_COMPARE_H
#define POLICY_COMPARE_H

#include <stddef.h>

#include "base/cleanup.h"
#include "base/fault.h"

#define POLICY_VALUE_MAX 200 /* bytes of a value as it is told; longer ones end in "..." */

enum policy_change_kind {
	POLICY_ADDED,
	POLICY_CHANGED,
	POLICY_REMOVED,
	POLICY_CHANGE_KIND_MAX,
};

const char *policy_change_kind_str(enum policy_change_kind kind); /* "added" */

struct policy_change {
	enum policy_change_kind kind;
	char *path;   /* "limits.web.rate", "lists.block.entries.198.51.100.7" */
	char *before; /* the value on one line; NULL if it was added */
	char *after;  /* NULL if it was removed */
};

struct policy_changes {
	struct policy_change *items;
	size_t count, size;
};

/* A policy as it is in force somewhere. */
struct policy_version {
	const char *text;
	size_t length;
	const char *profile; /* that is laid over it; NULL = none */
};

/**
 * Compare what two texts that policy_parse() accepts say with their profiles; end @ret with policy_changes_done(). Faults are those of
 * policy_parse() about the form, policy.profile.unknown, and policy.memory.
 */
int policy_compare(const struct policy_version *before, const struct policy_version *after,
		   struct policy_changes *ret, struct fault *reterr);
void policy_changes_done(struct policy_changes *changes);

#endif
