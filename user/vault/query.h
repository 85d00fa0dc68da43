/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Searching the log for values that are sealed in it: which subjects a query means. */
#ifndef VAULT_QUERY_H
#define VAULT_QUERY_H

#include "audit/query.h"
#include "audit/stats.h"
#include "vault/vault.h"

/* The ids that a query borrows. Start zeroed, end with vault_meant_done() after the search. */
struct vault_meant {
	struct meant_ids {
		char (*ids)[PERSONAL_SUBJECT_TEXT + 1];
		const char **items;
		size_t count;
	} actors, addresses, resources;
};

/**
 * Have @q find sealed values, too, of the actor, address or resource that it asks for. A vault that does not work
 * adds nothing. -ERANGE "audit.query": the prefix has more than QUERY_SUBJECTS_MAX addresses that are in the log;
 * vault.io; -ENOMEM.
 */
int vault_mean(struct vault *v, struct audit_query *q, struct vault_meant *ret,
	       struct fault *reterr);
void vault_meant_done(struct vault_meant *m);

/** Give the actors that were counted by their subject their names, if the vault has them. */
void vault_name_actors(struct vault *v, struct audit_stats *s);

#endif
