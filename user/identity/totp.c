/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "identity/totp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/cleanup.h"
#include "identity/credential.h"

#define BASE32 "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

static const struct {
	const char *word, *in_uri;
	const EVP_MD *(*digest)(void);
} algorithms[] = {
	[TOTP_SHA1] = {"sha1", "SHA1", EVP_sha1},
	[TOTP_SHA256] = {"sha256", "SHA256", EVP_sha256},
};
_Static_assert(ARRAY_SIZE(algorithms) == TOTP_ALGORITHM_MAX, "an algorithm has no name");

const char *totp_algorithm_to_str(enum totp_algorithm algorithm)
{
	return algorithms[algorithm].word;
}

int totp_algorithm_from_str(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (strcmp(algorithms[i].word, word) == 0)
			return (int)i;
	return -EINVAL;
}

uint32_t totp_code(enum totp_algorithm algorithm, const uint8_t *secret, size_t length,
		   uint64_t step, unsigned int digits)
{
	uint8_t message[8], mac[EVP_MAX_MD_SIZE] = {0};
	unsigned int size = 20;
	uint32_t code, modulus = 1;
	const uint8_t *at;

	for (unsigned int i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(step >> (56 - 8 * i));
	HMAC(algorithms[algorithm].digest(), secret, (int)length, message, sizeof(message), mac,
	     &size);
	at = mac + (mac[size - 1] & 15); /* RFC 4226, section 5.3 */
	code = (uint32_t)(at[0] & 127) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
	while (digits--)
		modulus *= 10;
	return code % modulus;
}

int totp_check(const struct totp *t, const char *code, uint64_t unix_time, uint64_t *ret_step)
{
	uint64_t now = unix_time / TOTP_STEP_S, found = 0;
	char right[TOTP_DIGITS + 1];

	if (strlen(code) != TOTP_DIGITS || strspn(code, "0123456789") != TOTP_DIGITS)
		return -EINVAL;
	for (uint64_t step = now ? now - 1 : 0; step <= now + 1; step++) {
		snprintf(right, sizeof(right), "%06u",
			 totp_code(t->algorithm, t->secret, sizeof(t->secret), step, TOTP_DIGITS));
		if (credential_equal(right, code, TOTP_DIGITS) && step > found)
			found = step;
	}
	if (!found)
		return -EINVAL;
	if (found <= t->last_step)
		return -EALREADY;
	*ret_step = found;
	return 0;
}

void totp_put_base32(struct text *t, const uint8_t *data, size_t length)
{
	uint32_t bits = 0;
	unsigned int count = 0;

	for (size_t i = 0; i < length; i++) {
		bits = (bits << 8 | data[i]) & 0xffff;
		for (count += 8; count >= 5; count -= 5)
			text_put(t, &BASE32[bits >> (count - 5) & 31], 1);
	}
	if (count)
		text_put(t, &BASE32[bits << (5 - count) & 31], 1);
}

int totp_parse_base32(const char *text, uint8_t *ret, size_t length)
{
	uint32_t bits = 0;
	unsigned int count = 0;
	size_t bytes = 0;

	for (; *text; text++) {
		const char *digit = strchr(BASE32, *text);

		if (!digit || bytes == length)
			return -EINVAL;
		bits = (bits << 5 | (uint32_t)(digit - BASE32)) & 0xffff;
		count += 5;
		if (count >= 8) {
			count -= 8;
			ret[bytes++] = (uint8_t)(bits >> count);
		}
	}
	return bytes == length ? 0 : -EINVAL;
}

/* A label may have any byte of a user's or host's name. */
static void put_escaped(struct text *t, const char *value)
{
	for (; *value; value++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.",
			   *value))
			text_put(t, value, 1);
		else
			text_printf(t, "%%%02X", (unsigned char)*value);
}

void totp_put_uri(struct text *t, const struct totp *totp, const char *user, const char *host)
{
	text_puts(t, "otpauth://totp/weir:");
	put_escaped(t, user);
	text_puts(t, "%40");
	put_escaped(t, host);
	text_puts(t, "?secret=");
	totp_put_base32(t, totp->secret, sizeof(totp->secret));
	text_printf(t, "&issuer=weir&algorithm=%s&digits=%d&period=%d",
		    algorithms[totp->algorithm].in_uri, TOTP_DIGITS, TOTP_STEP_S);
}
