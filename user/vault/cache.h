/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Subjects in memory: those that were sealed lately, and the rows of those that are new and not in the file yet. */
#ifndef VAULT_CACHE_H
#define VAULT_CACHE_H

#include "vault/db.h"

struct cached {
	struct cached *next;
	uint64_t id;
	uint8_t token[CRYPTO_TOKEN];
	uint8_t key[CRYPTO_KEY]; /* of the salts of commitments */
	bool used;		 /* since cache_trim() */
	struct db_row *row;	 /* not in the file yet; NULL: it is */
	struct cached *next_new;
};

struct cache {
	struct cached **buckets;
	size_t count;
	struct cached *first_new, **last_new;
	size_t new_count;
};

/** -ENOMEM. End with cache_done(). */
int cache_init(struct cache *c);
void cache_done(struct cache *c);
struct cached *cache_find(struct cache *c, const uint8_t token[static CRYPTO_TOKEN]);
/** Add a subject that the cache does not have; @row, from malloc(), is taken over, NULL: it is in the file. NULL: no
 * memory, and @row is still the caller's. */
struct cached *cache_add(struct cache *c, uint64_t id, const uint8_t token[static CRYPTO_TOKEN],
			 const uint8_t key[static CRYPTO_KEY], struct db_row *row);
/* All new ones are in the file now. */
void cache_kept(struct cache *c);
/* Forget what was not used lately, if there is more than VAULT_CACHED_MAX; new ones stay. */
void cache_trim(struct cache *c);
/* Forget all; there must be no new ones. */
void cache_clear(struct cache *c);

#endif
