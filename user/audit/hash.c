/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/hash.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

int hasher_init(struct hasher *h)
{
	h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	h->context = EVP_MD_CTX_new();
	/* The first init allocates; all later ones reuse that and cannot fail. */
	if (h->md && h->context && EVP_DigestInit_ex2(h->context, h->md, NULL))
		return 0;
	hasher_done(h);
	return -ENOMEM;
}

void hasher_done(struct hasher *h)
{
	EVP_MD_CTX_free(h->context);
	EVP_MD_free(h->md);
	*h = (struct hasher){0};
}

void hash_begin(struct hasher *h)
{
	int ok = EVP_DigestInit_ex2(h->context, NULL, NULL);

	assert(ok);
}

void hash_add(struct hasher *h, const void *data, size_t length)
{
	int ok = EVP_DigestUpdate(h->context, data, length);

	assert(ok);
}

void hash_end(struct hasher *h, uint8_t ret[static AUDIT_HASH_SIZE])
{
	int ok = EVP_DigestFinal_ex(h->context, ret, NULL);

	assert(ok);
}

void hash_bytes(struct hasher *h, const void *data, size_t length,
		uint8_t ret[static AUDIT_HASH_SIZE])
{
	hash_begin(h);
	hash_add(h, data, length);
	hash_end(h, ret);
}

void hash_leaf(struct hasher *h, const void *record, size_t length,
	       uint8_t ret[static AUDIT_HASH_SIZE])
{
	hash_begin(h);
	hash_add(h, "", 1);
	hash_add(h, record, length);
	hash_end(h, ret);
}

void hash_event_id(struct hasher *h, const uint8_t chain_id[static AUDIT_ID_SIZE], uint64_t index,
		   uint8_t ret[static AUDIT_ID_SIZE])
{
	uint8_t hash[AUDIT_HASH_SIZE], name[AUDIT_ID_SIZE + sizeof(uint64_t)];
	uint64_t index_be = htobe64(index);

	memcpy(name, chain_id, AUDIT_ID_SIZE);
	memcpy(name + AUDIT_ID_SIZE, &index_be, sizeof(index_be));
	hash_bytes(h, name, sizeof(name), hash);
	memcpy(ret, hash, AUDIT_ID_SIZE);
	ret[6] = (uint8_t)(0x80 | (ret[6] & 0x0f)); /* version 8 */
	ret[8] = (uint8_t)(0x80 | (ret[8] & 0x3f)); /* variant */
}

void hex_format(const uint8_t *data, size_t length, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		*ret++ = digits[data[i] >> 4];
		*ret++ = digits[data[i] & 15];
	}
	*ret = '\0';
}

/* Of the digits, one more than their value: what is not mentioned is none. */
static const uint8_t hex_values[256] = {
	['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

int hex_parse(const char *text, size_t length, uint8_t *ret)
{
	for (size_t i = 0; i < length; i++) {
		unsigned int high = hex_values[(unsigned char)text[2 * i]];
		unsigned int low = hex_values[(unsigned char)text[2 * i + 1]];

		if (!high || !low)
			return -EINVAL;
		ret[i] = (uint8_t)((high - 1) << 4 | (low - 1));
	}
	return 0;
}
