/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SHA-256 of up to sixteen messages at once: each word of a register of AVX-512 is of another message. A block takes
 * about half of the time that it takes with the SHA instructions, but all sixteen take it, so messages should be
 * many and of similar lengths.
 */
#ifndef AUDIT_SHA256_WIDE_H
#define AUDIT_SHA256_WIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/sha256_pair.h"

#define SHA256_WIDE 16 /* messages */

/* Has this CPU the instructions, and does the kernel keep the registers? */
bool sha256_wide_there(void);
/* Only if so. @count is 1 to SHA256_WIDE; hashes are written after all messages were read. */
void sha256_wide(const struct sha256_message *messages, unsigned int count, uint8_t (*ret)[32]);

#endif
