/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a value to its subject and a commitment; new subjects wait in memory for the next sync. */
#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/clock.h"
#include "vault/internal.h"

unsigned int vault_narrow_bits(const uint8_t address[static 16])
{
	return address_is_ipv4(address) ? 96 + 24 : 64;
}

unsigned int vault_wide_bits(const uint8_t address[static 16])
{
	return address_is_ipv4(address) ? 96 + 16 : 48;
}

int vault_token(struct crypto *c, enum field_kind kind, const char *value, size_t length,
		uint8_t ret[static CRYPTO_TOKEN])
{
	static const char spaces[AUDIT_FIELD_KIND_MAX] = {'a', 'n', 't', 'o'};

	return crypto_token(c, spaces[kind], value, length, ret);
}

int vault_prefix_token(struct crypto *c, const uint8_t address[static 16], unsigned int bits,
		       uint8_t ret[static CRYPTO_TOKEN])
{
	uint8_t data[17];

	memcpy(data, address, 16);
	address_mask(data, bits);
	data[16] = (uint8_t)bits;
	return crypto_token(c, 'p', data, sizeof(data), ret);
}

/* The prefixes that a single address or prefix is found by. */
static int put_prefixes(struct crypto *c, const char *value, struct db_row *row)
{
	struct prefix p;
	int r = 0;

	if (row->kind != AUDIT_FIELD_ADDRESS || prefix_parse(value, &p) < 0)
		return 0;
	row->has_narrow = p.bits >= vault_narrow_bits(p.address);
	row->has_wide = p.bits >= vault_wide_bits(p.address);
	if (row->has_narrow)
		r = vault_prefix_token(c, p.address, vault_narrow_bits(p.address), row->narrow);
	if (r == 0 && row->has_wide)
		r = vault_prefix_token(c, p.address, vault_wide_bits(p.address), row->wide);
	return r;
}

/* A row for a value that has none: to be written with the next sync. */
static int make_row(struct crypto *c, enum field_kind kind, const char *value, size_t length,
		    const uint8_t *token, struct subject_keys *ret_keys, struct db_row **ret)
{
	_cleanup_free_ struct db_row *row = calloc(1, sizeof(*row) + length + CRYPTO_TAG);
	uint8_t *sealed;
	int r;

	if (!row)
		return -ENOMEM;
	sealed = (uint8_t *)(row + 1);
	row->kind = kind;
	row->sealed = sealed;
	row->length = length + CRYPTO_TAG;
	row->created_ns = clock_real_ns();
	memcpy(row->token, token, CRYPTO_TOKEN);
	r = crypto_random(row->salt, sizeof(row->salt));
	if (r == 0)
		r = crypto_random(&row->id, sizeof(row->id));
	if (r == 0)
		r = crypto_subject_keys(c, row->salt, ret_keys);
	if (r == 0)
		r = crypto_seal(c, ret_keys, row->id, value, length, sealed);
	if (r == 0)
		r = put_prefixes(c, value, row);
	if (r == 0)
		*ret = take_ptr(row);
	return r;
}

/* The subject of @value, from memory, from the file, or a new one. */
static int find_or_make(struct vault *v, enum field_kind kind, const char *value, size_t length,
			struct cached **ret)
{
	struct crypto *c = &v->writing.crypto;
	_cleanup_free_ struct db_row *made = NULL;
	uint8_t token[CRYPTO_TOKEN];
	struct subject_keys keys;
	struct db_row row;
	struct fault f = {0};
	int r = vault_token(c, kind, value, length, token);

	if (r < 0)
		return r;
	*ret = cache_find(&v->cache, token);
	if (*ret)
		return 0;
	r = db_by_token(&v->writing.db, token, &row, &f);
	if (r == 0) {
		r = crypto_subject_keys(c, row.salt, &keys);
		db_reset(&v->writing.db, DB_BY_TOKEN);
	} else if (r == -ENOENT) {
		r = make_row(c, kind, value, length, token, &keys, &made);
		row.id = r == 0 ? made->id : 0;
	} else {
		vault_note(v, &f);
	}
	if (r == 0) {
		*ret = cache_add(&v->cache, row.id, token, keys.commit, made);
		r = *ret ? 0 : -ENOMEM;
	}
	if (r == 0)
		made = NULL; /* the cache has it */
	OPENSSL_cleanse(&keys, sizeof(keys));
	return r;
}

static void count(struct vault *v, bool sealed)
{
	pthread_mutex_lock(&v->status_lock);
	v->status.sealed += sealed;
	v->status.refused += !sealed;
	pthread_mutex_unlock(&v->status_lock);
}

int vault_seal(enum field_kind kind, const char *value, const struct personal_place *place,
	       struct personal_sealed *ret, void *userdata)
{
	struct vault *v = userdata;
	struct crypto *c = &v->writing.crypto;
	uint8_t salt[PERSONAL_SALT_SIZE];
	size_t length = strlen(value);
	struct cached *subject = NULL;
	int r = vault_check(v, true, NULL);

	if (r == 0 && length > VAULT_VALUE_MAX)
		r = -EMSGSIZE;
	if (r == 0) {
		pthread_mutex_lock(&v->writing.lock);
		r = find_or_make(v, kind, value, length, &subject);
		if (r == 0)
			r = crypto_salt(c, subject->key, place, salt);
		if (r == 0) {
			ret->subject = subject->id;
			personal_commit(&c->hasher, place, salt, value, length, ret->commitment);
		}
		pthread_mutex_unlock(&v->writing.lock);
	}
	count(v, r == 0);
	return r;
}

int vault_sync_locked(struct vault *v, struct fault *reterr)
{
	struct db *d = &v->writing.db;
	size_t added = v->cache.new_count;
	struct fault f = {0};
	int r;

	if (!added)
		return 0;
	r = db_begin(d, &f);
	for (struct cached *c = v->cache.first_new; c && r == 0; c = c->next_new) {
		r = db_put(d, c->row, &f);
		if (r < 0)
			db_rollback(d);
	}
	if (r == 0)
		r = db_commit(d, &f);
	if (r < 0) {
		vault_note(v, &f);
		return fault(reterr, r, f.code, "%s", f.text);
	}
	cache_kept(&v->cache);
	cache_trim(&v->cache);
	pthread_mutex_lock(&v->status_lock);
	v->status.subjects += added;
	v->status.new_subjects += added;
	pthread_mutex_unlock(&v->status_lock);
	return 0;
}

int vault_sync(struct fault *reterr, void *userdata)
{
	struct vault *v = userdata;
	int r;

	if (vault_check(v, true, NULL) < 0)
		return 0; /* then nothing was sealed */
	pthread_mutex_lock(&v->writing.lock);
	r = vault_sync_locked(v, reterr);
	pthread_mutex_unlock(&v->writing.lock);
	return r;
}
