/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Base 64 of RFC 4648, section 4, as notes carry it: padded, one way to write each value. */
#ifndef AUDIT_BASE64_H
#define AUDIT_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* Characters that @length bytes become. */
#define BASE64_LENGTH(length) (((length) + 2) / 3 * 4)
#define BASE64_BYTES_MAX      8192 /* that base64_put() takes */

/** Append @length bytes, at most BASE64_BYTES_MAX (asserted). */
void base64_put(struct text *t, const void *data, size_t length);
/**
 * Read all of @text into @ret, which has room for @size bytes. -EINVAL: not in the one way in which
 * base64_put() would write it; -ENOBUFS: more than @size.
 */
int base64_parse(const char *text, size_t text_length, uint8_t *ret, size_t size,
		 size_t *ret_length);

#endif
