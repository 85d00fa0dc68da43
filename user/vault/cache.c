/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "vault/cache.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#define BUCKETS (1U << 15)

int cache_init(struct cache *c)
{
	*c = (struct cache){.buckets = calloc(BUCKETS, sizeof(*c->buckets))};
	c->last_new = &c->first_new;
	return c->buckets ? 0 : -ENOMEM;
}

static void cached_free(struct cached *item)
{
	OPENSSL_cleanse(item->key, sizeof(item->key));
	free(item->row);
	free(item);
}

/* Forget those that @unused allows, and whose row is in the file. */
static void sweep(struct cache *c, bool unused)
{
	for (size_t i = 0; c->buckets && i < BUCKETS; i++) {
		struct cached **at = &c->buckets[i];

		while (*at) {
			struct cached *item = *at;

			if (item->row || (unused && item->used)) {
				item->used = false;
				at = &item->next;
				continue;
			}
			*at = item->next;
			cached_free(item);
			c->count--;
		}
	}
}

void cache_clear(struct cache *c)
{
	assert(!c->new_count);
	sweep(c, false);
}

void cache_done(struct cache *c)
{
	cache_kept(c);
	sweep(c, false);
	free(c->buckets);
	*c = (struct cache){0};
}

/* Tokens are as good as random. */
static struct cached **bucket(struct cache *c, const uint8_t *token)
{
	uint32_t number;

	memcpy(&number, token, sizeof(number));
	return &c->buckets[number % BUCKETS];
}

struct cached *cache_find(struct cache *c, const uint8_t token[static CRYPTO_TOKEN])
{
	for (struct cached *item = *bucket(c, token); item; item = item->next)
		if (memcmp(item->token, token, CRYPTO_TOKEN) == 0) {
			item->used = true;
			return item;
		}
	return NULL;
}

struct cached *cache_add(struct cache *c, uint64_t id, const uint8_t token[static CRYPTO_TOKEN],
			 const uint8_t key[static CRYPTO_KEY], struct db_row *row)
{
	struct cached *item = calloc(1, sizeof(*item)), **at = bucket(c, token);

	if (!item)
		return NULL;
	item->id = id;
	memcpy(item->token, token, CRYPTO_TOKEN);
	memcpy(item->key, key, CRYPTO_KEY);
	item->used = true;
	item->row = row;
	item->next = *at;
	*at = item;
	c->count++;
	if (row) {
		*c->last_new = item;
		c->last_new = &item->next_new;
		c->new_count++;
	}
	return item;
}

void cache_kept(struct cache *c)
{
	struct cached *next;

	for (struct cached *item = c->first_new; item; item = next) {
		next = item->next_new;
		item->next_new = NULL;
		free(item->row);
		item->row = NULL;
	}
	c->first_new = NULL;
	c->last_new = &c->first_new;
	c->new_count = 0;
}

void cache_trim(struct cache *c)
{
	if (c->count > VAULT_CACHED_MAX)
		sweep(c, true);
	if (c->count > VAULT_CACHED_MAX)
		sweep(c, false);
}
