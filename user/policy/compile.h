/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the model to the image; for this module only. compile.c decides which limits there are,
 * compile_limit.c what each is made of, compile_tables.c and compile_flags.c which packets meet it. */
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
	const struct policy_flag_value *flags; /* of the policy's flags, in their order */
	struct policy_image *image;
	struct draft drafts[WEIR_LIMITS_MAX]; /* by bit */
	struct policy_limit
		cookies[POLICY_SERVICES_MAX]; /* what stands for services' syn_cookies */
	struct policy_report *report;
	struct fault *reterr;
};

/** policy_compile(), and what is wrong goes into @report (may be NULL) as well. */
int compile_report(const struct policy *policy, uint64_t tick_ns, struct policy_report *report,
		   struct policy_image **ret, struct fault *reterr);

/** Say what is wrong with @rule; returns @err. */
int refuse_rule(struct compiler *c, const struct policy_limit *rule, int err, const char *code,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

/** Fill @limit, zeroed, with all that makes it what it is; not with its place among others. */
int compile_limit(struct compiler *c, const struct draft *d, struct weir_limit *limit);

/** What the flag of @d is set to; NULL: it has none. */
const struct policy_flag_value *compile_flag_value(const struct compiler *c, const struct draft *d);
/** The same, if it counts what it names; NULL: nothing. */
const struct policy_flag_value *compile_flag_targets(const struct compiler *c,
						     const struct draft *d);
/** Fill in whom flags are on for; not the prefixes that they name. -ENOMEM. */
int compile_flags(struct compiler *c);

/** Fill the tables of ports, protocols, prefixes and tenants, and check that no packet meets too
 * many limits. */
int compile_tables(struct compiler *c);

#endif
