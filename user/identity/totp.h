/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One-time passwords of the clock (RFC 6238): six digits, steps of 30 s, one step early or late. Pure. */
#ifndef IDENTITY_TOTP_H
#define IDENTITY_TOTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

#define TOTP_SECRET 20 /* bytes, as RFC 4226 recommends */
#define TOTP_DIGITS 6
#define TOTP_STEP_S 30

enum totp_algorithm { TOTP_SHA1, TOTP_SHA256, TOTP_ALGORITHM_MAX };

const char *totp_algorithm_to_str(enum totp_algorithm algorithm); /* "sha1" */
int totp_algorithm_from_str(const char *word);			  /* -EINVAL */

/** The password of a step, of @digits digits (6 to 8), as a number. */
uint32_t totp_code(enum totp_algorithm algorithm, const uint8_t *secret, size_t length,
		   uint64_t step, unsigned int digits);

struct totp {
	enum totp_algorithm algorithm;
	uint8_t secret[TOTP_SECRET];
	uint64_t last_step; /* of the last password that was taken; 0 = none was */
};

/**
 * Is @code one of now, @unix_time? *@ret_step becomes last_step then. -EINVAL: it is not; -EALREADY: it was used, or
 * an earlier one than was used.
 */
int totp_check(const struct totp *t, const char *code, uint64_t unix_time, uint64_t *ret_step);

/* Append the URI that an authenticator takes, as text or as a picture. */
void totp_put_uri(struct text *t, const struct totp *totp, const char *user, const char *host);
/** Base32 without padding, as secrets are written (RFC 4648, section 6). */
void totp_put_base32(struct text *t, const uint8_t *data, size_t length);
/** Exactly @length bytes. -EINVAL. */
int totp_parse_base32(const char *text, uint8_t *ret, size_t length);

#endif
