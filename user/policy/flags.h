/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flags: named switches of limits, on for some sources and off for the others. A limit with a flag
 * applies to a packet if the flag is on and either names the packet's source or tenant, or has the source
 * in its share; one with an inverted flag ("!name") applies to every other packet. Which sources are in
 * the share is a matter of the flag's name and of the tables' seed alone: all limits of the flag agree
 * about it, in every policy, and a larger share has all sources of a smaller one.
 */
#ifndef POLICY_FLAGS_H
#define POLICY_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/fault.h"

struct policy;
struct policy_image;

#define POLICY_FLAGS_MAX    64
#define POLICY_FLAG_ALL	    1000 /* per mille: all sources */
#define POLICY_FLAG_NEVER   INT64_MAX
#define POLICY_ROLLOUT_SIZE 8 /* of "12.5%" and the NUL, at least */

/* What a flag is set to, by the policy or at run time. Whoever fills it in keeps the arrays. */
struct policy_flag_value {
	bool on;	   /* enabled, and its time is not over */
	uint16_t permille; /* of the sources, by hash: those that are not named */
	const struct prefix *sources;
	size_t source_count;
	const uint16_t *tenants; /* numbers */
	size_t tenant_count;
};

struct policy_flag {
	char name[33]; /* POLICY_NAME_MAX and the NUL */
	unsigned int line;
	char *description; /* NULL = none */
	bool enabled, has_rollout;
	uint16_t permille;	/* POLICY_FLAG_ALL if not given */
	struct prefix *sources; /* sorted, no duplicates */
	size_t source_count;
	uint16_t *tenants; /* numbers, ascending */
	size_t tenant_count;
	int64_t expires; /* seconds since 1970, or POLICY_FLAG_NEVER: off from then on */
};

/** The flag called @name, or NULL. */
const struct policy_flag *policy_flag_find(const struct policy *policy, const char *name);
/** What the policy sets @flag to; valid as long as the policy. Does not look at `expires`. */
struct policy_flag_value policy_flag_value(const struct policy_flag *flag);
/** A limit with this flag applies to nobody. */
bool policy_flag_is_off(const struct policy_flag_value *value);
/** Some limit has the flag inverted. */
bool policy_flag_is_inverted(const struct policy *policy, const struct policy_flag *flag);
/** What stands for the flag in the hash of sources: struct weir_share.key. -ENOMEM. */
int policy_flag_key(const char *name, uint64_t *ret);
/** The share of @permille as struct weir_share.below. */
uint64_t policy_flag_below(unsigned int permille);

/** Parse "25%" or "12.5%", within 0% and 100%. -EINVAL, -ERANGE, with a fault. */
int policy_rollout_parse(const char *text, uint16_t *ret_permille, struct fault *reterr);
/* "25%", "12.5%". */
void policy_rollout_format(unsigned int permille, char ret[static POLICY_ROLLOUT_SIZE]);

/**
 * As policy_compile(), with the flags set to @values, one for each of the policy's and in their order,
 * instead of what the policy says. The keys of limits do not depend on them: state is kept.
 */
int policy_compile_flags(const struct policy *policy, const struct policy_flag_value *values,
			 uint64_t tick_ns, struct policy_image **ret, struct fault *reterr);

#endif
