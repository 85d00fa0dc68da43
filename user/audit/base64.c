/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/base64.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/cleanup.h"

void base64_put(struct text *t, const void *data, size_t length)
{
	unsigned char encoded[BASE64_LENGTH(BASE64_BYTES_MAX) + 1];
	int n;

	assert(length <= BASE64_BYTES_MAX);
	n = EVP_EncodeBlock(encoded, data, (int)length);
	text_put(t, (const char *)encoded, (size_t)n);
}

/* libcrypto is lenient: blanks around, bits behind the last byte. So what it read is written again. */
static int decode(const char *text, size_t length, unsigned char *ret)
{
	_cleanup_free_ unsigned char *again = malloc(length + 1);
	size_t padding = 0;
	int n;

	if (!again)
		return -ENOMEM;
	n = EVP_DecodeBlock(ret, (const unsigned char *)text, (int)length);
	while (padding < 2 && text[length - 1 - padding] == '=')
		padding++;
	if (n < (int)padding)
		return -EINVAL;
	n -= (int)padding;
	if (EVP_EncodeBlock(again, ret, n) != (int)length || memcmp(again, text, length) != 0)
		return -EINVAL;
	return n;
}

int base64_parse(const char *text, size_t text_length, uint8_t *ret, size_t size,
		 size_t *ret_length)
{
	_cleanup_free_ unsigned char *decoded = NULL;
	int n = 0;

	if (text_length % 4)
		return -EINVAL;
	if (text_length > BASE64_LENGTH(BASE64_BYTES_MAX) || text_length / 4 * 3 > size + 2)
		return -ENOBUFS;
	if (text_length) {
		decoded = malloc(text_length);
		n = decoded ? decode(text, text_length, decoded) : -ENOMEM;
	}
	if (n < 0)
		return n;
	if ((size_t)n > size)
		return -ENOBUFS;
	if (n)
		memcpy(ret, decoded, (size_t)n);
	*ret_length = (size_t)n;
	return 0;
}
