/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between the two halves of an explanation: what is known in memory, and what the audit log says. */
#ifndef API_EXPLAIN_H
#define API_EXPLAIN_H

#include "api/internal.h"

/* What is behind the verdict. */
struct explain_cause {
	uint32_t generation;	 /* a policy; 0 = something else */
	bool listed;		 /* an entry that is not the policy's: */
	struct list_entry entry; /* its strings are valid until the set changes */
};

/**
 * Answer with @answer, whose reference is taken, and `events` and `cause`: the last records about @source, and the one
 * behind the verdict. Both are null for who may not read the log.
 */
void explain_reply(struct call *c, json_t *answer, const char *source,
		   const struct explain_cause *cause);

#endif
