/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "vault/crypto.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "base/cleanup.h"

#define INFO_WRAP    "weir-vault-wrap-v1"
#define INFO_KEY_ID  "weir-vault-key-id-v1"
#define INFO_INDEX   "weir-vault-index-v1"
#define INFO_SUBJECT "weir-vault-subject-v1"

int crypto_init(struct crypto *c)
{
	c->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	c->kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	c->gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	c->cipher = EVP_CIPHER_CTX_new();
	if (c->mac) {
		c->index = EVP_MAC_CTX_new(c->mac);
		c->subject = EVP_MAC_CTX_new(c->mac);
	}
	if (c->kdf && c->gcm && c->cipher && c->index && c->subject && hasher_init(&c->hasher) == 0)
		return 0;
	crypto_done(c);
	return -ENOMEM;
}

void crypto_done(struct crypto *c)
{
	EVP_MAC_CTX_free(c->index);
	EVP_MAC_CTX_free(c->subject);
	EVP_MAC_free(c->mac);
	EVP_KDF_free(c->kdf);
	EVP_CIPHER_CTX_free(c->cipher);
	EVP_CIPHER_free(c->gcm);
	hasher_done(&c->hasher);
	OPENSSL_cleanse(c, sizeof(*c));
}

int crypto_random(void *ret, size_t length)
{
	return RAND_bytes(ret, (int)length) == 1 ? 0 : -EIO;
}

static OSSL_PARAM octets(const char *name, const void *data, size_t length)
{
	union {
		const void *from;
		void *to;
	} cast = {data}; /* libcrypto only reads it */

	return OSSL_PARAM_construct_octet_string(name, cast.to, length);
}

static OSSL_PARAM sha256(const char *name)
{
	static char digest[] = "SHA256";

	return OSSL_PARAM_construct_utf8_string(name, digest, 0);
}

static void kdf_freep(EVP_KDF_CTX **k)
{
	EVP_KDF_CTX_free(*k);
}

/* HKDF-SHA-256, RFC 5869. @salt may be NULL. */
static int derive(struct crypto *c, const uint8_t key[static CRYPTO_KEY], const uint8_t *salt,
		  const char *info, void *ret, size_t length)
{
	_cleanup_(kdf_freep) EVP_KDF_CTX *kdf = EVP_KDF_CTX_new(c->kdf);
	OSSL_PARAM params[5] = {
		sha256(OSSL_KDF_PARAM_DIGEST),
		octets(OSSL_KDF_PARAM_KEY, key, CRYPTO_KEY),
		octets(OSSL_KDF_PARAM_INFO, info, strlen(info)),
		salt ? octets(OSSL_KDF_PARAM_SALT, salt, CRYPTO_KEY) : OSSL_PARAM_construct_end(),
		OSSL_PARAM_construct_end(),
	};

	return kdf && EVP_KDF_derive(kdf, ret, length, params) == 1 ? 0 : -ENOMEM;
}

int crypto_set_root(struct crypto *c, const uint8_t root[static CRYPTO_KEY])
{
	const OSSL_PARAM params[] = {sha256(OSSL_MAC_PARAM_DIGEST), OSSL_PARAM_construct_end()};
	uint8_t index[CRYPTO_KEY];
	int r = derive(c, root, NULL, INFO_INDEX, index, sizeof(index));

	/* The digest of both is chosen here; the key of the second comes with each use. */
	if (r == 0 && (!EVP_MAC_init(c->index, index, sizeof(index), params) ||
		       !EVP_MAC_init(c->subject, index, sizeof(index), params)))
		r = -ENOMEM;
	OPENSSL_cleanse(index, sizeof(index));
	memcpy(c->root, root, CRYPTO_KEY);
	return r;
}

int crypto_key_id(struct crypto *c, const uint8_t master[static CRYPTO_KEY],
		  char ret[static CRYPTO_KEY_ID + 1])
{
	uint8_t id[CRYPTO_KEY_ID / 2];
	int r = derive(c, master, NULL, INFO_KEY_ID, id, sizeof(id));

	if (r == 0)
		hex_format(id, sizeof(id), ret);
	return r;
}

static int encrypt(struct crypto *c, const uint8_t *key, const uint8_t nonce[static CRYPTO_NONCE],
		   const void *aad, size_t aad_length, const void *value, size_t length,
		   uint8_t *ret)
{
	EVP_CIPHER_CTX *x = c->cipher;
	int n;

	if (EVP_EncryptInit_ex2(x, c->gcm, key, nonce, NULL) != 1 ||
	    EVP_EncryptUpdate(x, NULL, &n, aad, (int)aad_length) != 1 ||
	    EVP_EncryptUpdate(x, ret, &n, value, (int)length) != 1 ||
	    EVP_EncryptFinal_ex(x, ret + length, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, CRYPTO_TAG, ret + length) != 1)
		return -ENOMEM;
	return 0;
}

static int decrypt(struct crypto *c, const uint8_t *key, const uint8_t nonce[static CRYPTO_NONCE],
		   const void *aad, size_t aad_length, const uint8_t *data, size_t length,
		   uint8_t *ret)
{
	EVP_CIPHER_CTX *x = c->cipher;
	uint8_t tag[CRYPTO_TAG];
	int n;

	if (length < CRYPTO_TAG)
		return -EBADMSG;
	length -= CRYPTO_TAG;
	memcpy(tag, data + length, CRYPTO_TAG);
	if (EVP_DecryptInit_ex2(x, c->gcm, key, nonce, NULL) != 1 ||
	    EVP_DecryptUpdate(x, NULL, &n, aad, (int)aad_length) != 1 ||
	    EVP_DecryptUpdate(x, ret, &n, data, (int)length) != 1 ||
	    EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, CRYPTO_TAG, tag) != 1)
		return -ENOMEM;
	return EVP_DecryptFinal_ex(x, ret + length, &n) == 1 ? 0 : -EBADMSG;
}

int crypto_wrap(struct crypto *c, const uint8_t master[static CRYPTO_KEY],
		const uint8_t root[static CRYPTO_KEY], uint8_t ret[static CRYPTO_WRAPPED])
{
	uint8_t key[CRYPTO_KEY];
	int r = crypto_random(ret, CRYPTO_NONCE);

	if (r == 0)
		r = derive(c, master, NULL, INFO_WRAP, key, sizeof(key));
	if (r == 0)
		r = encrypt(c, key, ret, INFO_WRAP, sizeof(INFO_WRAP) - 1, root, CRYPTO_KEY,
			    ret + CRYPTO_NONCE);
	OPENSSL_cleanse(key, sizeof(key));
	return r;
}

int crypto_unwrap(struct crypto *c, const uint8_t master[static CRYPTO_KEY],
		  const uint8_t wrapped[static CRYPTO_WRAPPED], uint8_t ret[static CRYPTO_KEY])
{
	uint8_t key[CRYPTO_KEY];
	int r = derive(c, master, NULL, INFO_WRAP, key, sizeof(key));

	if (r == 0)
		r = decrypt(c, key, wrapped, INFO_WRAP, sizeof(INFO_WRAP) - 1,
			    wrapped + CRYPTO_NONCE, CRYPTO_KEY + CRYPTO_TAG, ret);
	OPENSSL_cleanse(key, sizeof(key));
	return r == -EBADMSG ? -EKEYREJECTED : r;
}

int crypto_token(struct crypto *c, char space, const void *data, size_t length,
		 uint8_t ret[static CRYPTO_TOKEN])
{
	uint8_t mac[EVP_MAX_MD_SIZE];
	size_t n;

	if (!EVP_MAC_init(c->index, NULL, 0, NULL) ||
	    !EVP_MAC_update(c->index, (const uint8_t *)&space, 1) ||
	    !EVP_MAC_update(c->index, data, length) ||
	    !EVP_MAC_final(c->index, mac, &n, sizeof(mac)))
		return -ENOMEM;
	memcpy(ret, mac, CRYPTO_TOKEN);
	return 0;
}

int crypto_subject_keys(struct crypto *c, const uint8_t salt[static CRYPTO_KEY],
			struct subject_keys *ret)
{
	_Static_assert(sizeof(*ret) == 2 * CRYPTO_KEY, "no padding");

	return derive(c, c->root, salt, INFO_SUBJECT, ret, sizeof(*ret));
}

/* The key is of one value and one only, so the nonce may be the same for all. */
static const uint8_t zero_nonce[CRYPTO_NONCE];

int crypto_seal(struct crypto *c, const struct subject_keys *keys, uint64_t id, const void *value,
		size_t length, uint8_t *ret)
{
	uint64_t be = htobe64(id);

	return encrypt(c, keys->value, zero_nonce, &be, sizeof(be), value, length, ret);
}

int crypto_open(struct crypto *c, const struct subject_keys *keys, uint64_t id, const uint8_t *data,
		size_t length, void *ret)
{
	uint64_t be = htobe64(id);

	return decrypt(c, keys->value, zero_nonce, &be, sizeof(be), data, length, ret);
}

int crypto_salt(struct crypto *c, const uint8_t key[static CRYPTO_KEY],
		const struct personal_place *place, uint8_t ret[static PERSONAL_SALT_SIZE])
{
	size_t n;

	if (!EVP_MAC_init(c->subject, key, CRYPTO_KEY, NULL) ||
	    !EVP_MAC_update(c->subject, place->event_id, AUDIT_ID_SIZE) ||
	    !EVP_MAC_update(c->subject, (const uint8_t *)place->path, strlen(place->path)) ||
	    !EVP_MAC_final(c->subject, ret, &n, PERSONAL_SALT_SIZE))
		return -ENOMEM;
	return 0;
}
