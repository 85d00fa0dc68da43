/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SHA-256 of two messages at once, with the SHA instructions of x86 (FIPS 180-4). Each of them waits for the one before,
 * which leaves half of the unit idle; two messages fill it. Who hashes one message, or has another CPU, takes OpenSSL
 * (hash.h), which this is tested against.
 */
#ifndef AUDIT_SHA256_PAIR_H
#define AUDIT_SHA256_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_BLOCK	64 /* bytes */
#define SHA256_HEAD_MAX SHA256_BLOCK

/* A message: @head, at most SHA256_HEAD_MAX bytes, and @data behind it. */
struct sha256_message {
	const void *head, *data;
	size_t head_length, length;
};

/* Has this CPU the instructions? */
bool sha256_pair_there(void);
/* Only if it has. The hashes are 32 bytes each. */
void sha256_pair(const struct sha256_message *a, const struct sha256_message *b, uint8_t *ret_a,
		 uint8_t *ret_b);

#endif
