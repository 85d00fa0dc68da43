/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the model to the image; for this module only. compile.c decides which limits there are,
 * compile_limit.c what each is made of, compile_tables.c which packets meet it. */
#ifndef POLICY_COMPILE_H
#define POLICY_COMPILE_H

#include "policy/policy.h"
#include "policy/tree.h"

/* One limit on its way. */
struct draft {
	const struct policy_limit *rule;
	const struct policy_service *service; /* the rule's, or one of all */
	enum weir_unit unit;
	int index; /* of the rule, or below */
};

#define DRAFT_FRAGMENTS (-1) /* the limit on fragments */
#define DRAFT_COOKIES	(-2) /* the SYN rate above which a service answers with cookies */

struct compiler {
	const struct policy *policy;
	struct policy_image *image;
	struct draft drafts[WEIR_LIMITS_MAX]; /* by bit */
	struct policy_limit
		cookies[POLICY_SERVICES_MAX]; /* what stands for services' syn_cookies */
	struct fault *reterr;
};

#define refuse_rule(c, rule, err, code, ...)                                                       \
	fault_at((c)->reterr, (c)->policy->name, (rule)->line ? (rule)->line : 1,                  \
		 (rule)->line ? (rule)->column : 1, err, code, __VA_ARGS__)

/** Fill @limit, zeroed, with all that makes it what it is; not with its place among others. */
int compile_limit(struct compiler *c, const struct draft *d, struct weir_limit *limit);

/** Fill the tables of ports, protocols, prefixes and tenants, and check that no packet meets too
 * many limits. */
int compile_tables(struct compiler *c);

#endif
