/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "identity/credential.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#define SECRET_BYTES 32
#define LABEL	     "weir-token-v1" /* its zero is signed, too */
#define ALPHABET     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

bool credential_equal(const void *a, const void *b, size_t length)
{
	return CRYPTO_memcmp(a, b, length) == 0;
}

static void put_base64url(struct text *t, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i += 3) {
		uint32_t group = (uint32_t)data[i] << 16 |
				 (uint32_t)(i + 1 < length ? data[i + 1] : 0) << 8 |
				 (i + 2 < length ? data[i + 2] : 0);
		size_t digits = length - i >= 3 ? 4 : length - i + 1;

		for (size_t k = 0; k < digits; k++)
			text_put(t, &ALPHABET[group >> (18 - 6 * k) & 63], 1);
	}
}

/* Decode @length digits to at most @size bytes; how many. -EINVAL, also for bits that no encoder leaves. */
static ssize_t parse_base64url(const char *text, size_t length, uint8_t *ret, size_t size)
{
	uint32_t bits = 0;
	unsigned int count = 0;
	size_t bytes = 0;

	if (length % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		const char *digit = text[i] ? strchr(ALPHABET, text[i]) : NULL;

		if (!digit)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)(digit - ALPHABET);
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		if (bytes == size)
			return -EINVAL;
		ret[bytes++] = (uint8_t)(bits >> count);
		bits &= (1U << count) - 1;
	}
	return bits ? -EINVAL : (ssize_t)bytes;
}

int credential_random_id(char *ret, size_t length)
{
	uint8_t byte;

	for (size_t i = 0; i < length; i += 2) {
		if (getrandom(&byte, 1, 0) != 1)
			return -EIO;
		ret[i] = "0123456789abcdef"[byte >> 4];
		ret[i + 1] = "0123456789abcdef"[byte & 15];
	}
	ret[length] = '\0';
	return 0;
}

static void digest_of(const char *secret, uint8_t ret[static CREDENTIAL_DIGEST])
{
	SHA256((const unsigned char *)secret, CREDENTIAL_SECRET, ret);
}

int credential_key_new(char ret[static CREDENTIAL_KEY_SIZE],
		       uint8_t ret_digest[static CREDENTIAL_DIGEST])
{
	char id[CREDENTIAL_ID + 1];
	uint8_t secret[SECRET_BYTES];
	struct text t;

	if (credential_random_id(id, CREDENTIAL_ID) < 0 ||
	    getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		return -EIO;
	text_init(&t, ret, CREDENTIAL_KEY_SIZE);
	text_printf(&t, CREDENTIAL_KEY_PREFIX "%s_", id);
	put_base64url(&t, secret, sizeof(secret));
	OPENSSL_cleanse(secret, sizeof(secret));
	digest_of(ret + t.length - CREDENTIAL_SECRET, ret_digest);
	return 0;
}

int credential_key_parse(const char *text, char ret_id[static CREDENTIAL_ID + 1],
			 uint8_t ret_digest[static CREDENTIAL_DIGEST])
{
	const char *id = text + strlen(CREDENTIAL_KEY_PREFIX), *secret = id + CREDENTIAL_ID + 1;

	if (strlen(text) != CREDENTIAL_KEY_SIZE - 1 ||
	    strncmp(text, CREDENTIAL_KEY_PREFIX, strlen(CREDENTIAL_KEY_PREFIX)) != 0 ||
	    strspn(id, "0123456789abcdef") != CREDENTIAL_ID || secret[-1] != '_' ||
	    strspn(secret, ALPHABET) != CREDENTIAL_SECRET)
		return -EINVAL;
	memcpy(ret_id, id, CREDENTIAL_ID);
	ret_id[CREDENTIAL_ID] = '\0';
	digest_of(secret, ret_digest);
	return 0;
}

static int mac_of(const uint8_t key[static CREDENTIAL_DIGEST], const void *payload, size_t length,
		  uint8_t ret[static CREDENTIAL_DIGEST])
{
	uint8_t message[sizeof(LABEL) + CREDENTIAL_PAYLOAD_MAX];

	memcpy(message, LABEL, sizeof(LABEL));
	memcpy(message + sizeof(LABEL), payload, length);
	return HMAC(EVP_sha256(), key, CREDENTIAL_DIGEST, message, sizeof(LABEL) + length, ret,
		    NULL)
		       ? 0
		       : -ENOMEM;
}

int credential_sign(const uint8_t key[static CREDENTIAL_DIGEST], const char *payload,
		    struct text *ret)
{
	uint8_t mac[CREDENTIAL_DIGEST];
	size_t length = strlen(payload);
	int r = length > CREDENTIAL_PAYLOAD_MAX ? -EMSGSIZE : mac_of(key, payload, length, mac);

	if (r < 0)
		return r;
	text_puts(ret, CREDENTIAL_TOKEN_PREFIX);
	put_base64url(ret, (const uint8_t *)payload, length);
	text_puts(ret, ".");
	put_base64url(ret, mac, sizeof(mac));
	return ret->truncated ? -ENOMEM : 0;
}

int credential_open(const uint8_t key[static CREDENTIAL_DIGEST], const char *token,
		    char ret[static CREDENTIAL_PAYLOAD_MAX + 1])
{
	uint8_t payload[CREDENTIAL_PAYLOAD_MAX], mac[CREDENTIAL_DIGEST], right[CREDENTIAL_DIGEST];
	const char *text = token + strlen(CREDENTIAL_TOKEN_PREFIX), *dot;
	ssize_t length;

	if (strncmp(token, CREDENTIAL_TOKEN_PREFIX, strlen(CREDENTIAL_TOKEN_PREFIX)) != 0)
		return -EINVAL;
	dot = strchr(text, '.');
	length = dot ? parse_base64url(text, (size_t)(dot - text), payload, sizeof(payload))
		     : -EINVAL;
	if (length < 0 ||
	    parse_base64url(dot + 1, strlen(dot + 1), mac, sizeof(mac)) != (ssize_t)sizeof(mac))
		return -EINVAL;
	if (mac_of(key, payload, (size_t)length, right) < 0)
		return -ENOMEM;
	if (!credential_equal(mac, right, sizeof(mac)))
		return -EBADMSG;
	memcpy(ret, payload, (size_t)length);
	ret[length] = '\0';
	return 0;
}

const char *credential_bearer(const char *header)
{
	if (strncasecmp(header, "Bearer ", 7) != 0)
		return NULL;
	return header + 7 + strspn(header + 7, " ");
}
