/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A message in blocks, for who hashes several at once: not copied, but for the first block, which the head shares, and
 * what the padding shares at the end.
 */
#ifndef AUDIT_SHA256_LANE_H
#define AUDIT_SHA256_LANE_H

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "audit/sha256_pair.h"

extern const uint32_t sha256_constants[64]; /* FIPS 180-4, 4.2.2; where sha256_pair() is there */

struct sha256_lane {
	const uint8_t *data; /* of the message, behind its head */
	size_t head_length;
	size_t blocks, last; /* of the message; the number of the first one that is in `end` */
	uint8_t first[SHA256_BLOCK], end[2 * SHA256_BLOCK];
};

static inline void sha256_lane_copy(uint8_t *to, const void *from, size_t length)
{
	if (length)
		memcpy(to, from, length);
}

static inline void sha256_lane_init(struct sha256_lane *l, const struct sha256_message *m)
{
	size_t total = m->head_length + m->length, rest = total % SHA256_BLOCK;
	uint64_t bits_be = htobe64((uint64_t)total * 8);
	bool two = rest + 1 + sizeof(bits_be) > SHA256_BLOCK;
	uint8_t *begin;

	assert(m->head_length <= SHA256_HEAD_MAX);
	l->data = m->data;
	l->head_length = m->head_length;
	l->last = total / SHA256_BLOCK;
	l->blocks = l->last + 1 + two;
	memset(l->end, 0, sizeof(l->end));
	begin = l->last ? l->first : l->end;
	sha256_lane_copy(begin, m->head, m->head_length);
	sha256_lane_copy(begin + m->head_length, m->data,
			 (l->last ? SHA256_BLOCK : total) - m->head_length);
	if (l->last)
		sha256_lane_copy(l->end, l->data + (l->last * SHA256_BLOCK - m->head_length), rest);
	l->end[rest] = 0x80;
	memcpy(l->end + (1 + two) * SHA256_BLOCK - sizeof(bits_be), &bits_be, sizeof(bits_be));
}

/* Block @n, which is below l->blocks. */
static inline const uint8_t *sha256_lane_block(const struct sha256_lane *l, size_t n)
{
	if (n >= l->last)
		return l->end + (n - l->last) * SHA256_BLOCK;
	return n ? l->data + (n * SHA256_BLOCK - l->head_length) : l->first;
}

#endif
