/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The keys of a vault and what is done with them, by libcrypto. One object per thread at a time.
 *
 *	master key      what an operator keeps: 32 bytes
 *	root key        random; in the vault, wrapped by the master key: AES-256-GCM. Everything below comes of it, so
 *	                another master key means to wrap 32 bytes anew
 *	index key       HKDF(root key): of the tokens by which a value is found again
 *	subject's keys  HKDF(root key, the row's random salt): one for the value, AES-256-GCM, one for the salts of
 *	                commitments. Without the row they cannot be had again
 */
#ifndef VAULT_CRYPTO_H
#define VAULT_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "audit/hash.h"
#include "audit/personal.h"

#define CRYPTO_KEY     32
#define CRYPTO_TOKEN   16
#define CRYPTO_TAG     16
#define CRYPTO_NONCE   12
#define CRYPTO_WRAPPED (CRYPTO_NONCE + CRYPTO_KEY + CRYPTO_TAG)
#define CRYPTO_KEY_ID  16 /* lower hex digits */

struct crypto {
	EVP_MAC *mac;
	EVP_MAC_CTX *index, *subject;
	EVP_KDF *kdf;
	EVP_CIPHER *gcm;
	EVP_CIPHER_CTX *cipher;
	struct hasher hasher;
	uint8_t root[CRYPTO_KEY];
};

struct subject_keys {
	uint8_t commit[CRYPTO_KEY]; /* of the salts of commitments */
	uint8_t value[CRYPTO_KEY];  /* used once: of one value */
};

/** -ENOMEM. End with crypto_done(), which forgets the keys and accepts a zeroed or half-built object. */
int crypto_init(struct crypto *c);
void crypto_done(struct crypto *c);
/** Take @root, and what follows from it. -ENOMEM. */
int crypto_set_root(struct crypto *c, const uint8_t root[static CRYPTO_KEY]);

/** A name for a master key, which does not give it away. */
int crypto_key_id(struct crypto *c, const uint8_t master[static CRYPTO_KEY],
		  char ret[static CRYPTO_KEY_ID + 1]);
int crypto_wrap(struct crypto *c, const uint8_t master[static CRYPTO_KEY],
		const uint8_t root[static CRYPTO_KEY], uint8_t ret[static CRYPTO_WRAPPED]);
/** -EKEYREJECTED: it was wrapped by another key, or changed. */
int crypto_unwrap(struct crypto *c, const uint8_t master[static CRYPTO_KEY],
		  const uint8_t wrapped[static CRYPTO_WRAPPED], uint8_t ret[static CRYPTO_KEY]);

/** The token of @length bytes, in the namespace @space. */
int crypto_token(struct crypto *c, char space, const void *data, size_t length,
		 uint8_t ret[static CRYPTO_TOKEN]);
int crypto_subject_keys(struct crypto *c, const uint8_t salt[static CRYPTO_KEY],
			struct subject_keys *ret);
/** Encrypt a value; @ret has room for @length + CRYPTO_TAG. */
int crypto_seal(struct crypto *c, const struct subject_keys *keys, uint64_t id, const void *value,
		size_t length, uint8_t *ret);
/** Decrypt @length bytes, the tag included; @ret has room for them without it. -EBADMSG: they were changed. */
int crypto_open(struct crypto *c, const struct subject_keys *keys, uint64_t id, const uint8_t *data,
		size_t length, void *ret);
/** The salt of the commitment to a value. */
int crypto_salt(struct crypto *c, const uint8_t key[static CRYPTO_KEY],
		const struct personal_place *place, uint8_t ret[static PERSONAL_SALT_SIZE]);

/** Random bytes of the kernel. */
int crypto_random(void *ret, size_t length);

#endif
