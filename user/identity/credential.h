/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The texts that somebody proves something with, and how they are checked. Pure: what they are good for is the caller's.
 *
 *	API key	weir_<id>_<secret>: the id in 8 lower hex digits, the secret 32 random bytes in base64url. Whoever
 *		checks it has the secret's SHA-256 only
 *	token	weirs_<payload>.<signature>, both base64url: HMAC-SHA-256 of "weir-token-v1", a zero and the payload
 */
#ifndef IDENTITY_CREDENTIAL_H
#define IDENTITY_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

#define CREDENTIAL_ID		8  /* characters */
#define CREDENTIAL_SECRET	43 /* likewise */
#define CREDENTIAL_KEY_SIZE	(5 + CREDENTIAL_ID + 1 + CREDENTIAL_SECRET + 1)
#define CREDENTIAL_DIGEST	32 /* bytes */
#define CREDENTIAL_PAYLOAD_MAX	8192
#define CREDENTIAL_KEY_PREFIX	"weir_"
#define CREDENTIAL_TOKEN_PREFIX "weirs_"

/** Whether both are the same, in a time that depends on @length alone. */
bool credential_equal(const void *a, const void *b, size_t length);

/** A new random key, and what to keep of it. -EIO: there is no randomness. */
int credential_key_new(char ret[static CREDENTIAL_KEY_SIZE],
		       uint8_t ret_digest[static CREDENTIAL_DIGEST]);
/** The id in @text, which points into it, and the digest of its secret. -EINVAL. */
int credential_key_parse(const char *text, char ret_id[static CREDENTIAL_ID + 1],
			 uint8_t ret_digest[static CREDENTIAL_DIGEST]);

/** Append the token of @payload. -EMSGSIZE, -ENOMEM. */
int credential_sign(const uint8_t key[static CREDENTIAL_DIGEST], const char *payload,
		    struct text *ret);
/** The payload of @token and a NUL. -EINVAL: it is no token; -EBADMSG: it was not signed with @key. */
int credential_open(const uint8_t key[static CREDENTIAL_DIGEST], const char *token,
		    char ret[static CREDENTIAL_PAYLOAD_MAX + 1]);

/** What follows "Bearer " in the value of an Authorization header; NULL: it is of another scheme. */
const char *credential_bearer(const char *header);

/** @length lower hex digits of random bytes, and a NUL. -EIO. */
int credential_random_id(char *ret, size_t length);

#endif
