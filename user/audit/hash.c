/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/hash.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/cleanup.h"

int hasher_init(struct hasher *h)
{
	h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	h->context = EVP_MD_CTX_new();
	/* The first init allocates; all later ones reuse that and cannot fail. */
	h->pairs = sha256_pair_there();
	h->wide = sha256_wide_there();
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

static void hash_message(struct hasher *h, const struct sha256_message *m,
			 uint8_t ret[static AUDIT_HASH_SIZE])
{
	hash_begin(h);
	hash_add(h, m->head, m->head_length);
	hash_add(h, m->data, m->length);
	hash_end(h, ret);
}

#define WIDE_GAIN 9 /* blocks in pairs, in the time of a block of all at once */

/* Together they take as long as the longest. */
static bool is_worth_wide(const struct sha256_message *messages, unsigned int count)
{
	size_t longest = 0, total = 0;

	for (unsigned int i = 0; i < count; i++) {
		size_t blocks = (messages[i].head_length + messages[i].length) / SHA256_BLOCK + 1;

		longest = blocks > longest ? blocks : longest;
		total += blocks;
	}
	return total > WIDE_GAIN * longest;
}

void hash_many(struct hasher *h, const struct sha256_message *messages, unsigned int count,
	       uint8_t (*ret)[AUDIT_HASH_SIZE])
{
	unsigned int i = 0;

	if (h->wide && is_worth_wide(messages, count))
		return sha256_wide(messages, count, ret);
	for (; h->pairs && i + 2 <= count; i += 2)
		sha256_pair(&messages[i], &messages[i + 1], ret[i], ret[i + 1]);
	for (; i < count; i++)
		hash_message(h, &messages[i], ret[i]);
}

void hash_leaf(struct hasher *h, const void *record, size_t length,
	       uint8_t ret[static AUDIT_HASH_SIZE])
{
	hash_begin(h);
	hash_add(h, "", 1);
	hash_add(h, record, length);
	hash_end(h, ret);
}

void hash_leaves(struct hasher *h, const struct record_slice *records, unsigned int count,
		 uint8_t (*ret)[AUDIT_HASH_SIZE])
{
	struct sha256_message messages[HASH_MANY_MAX];

	assert(count >= 1 && count <= HASH_MANY_MAX);
	for (unsigned int i = 0; i < count; i++)
		messages[i] = (struct sha256_message){"", records[i].data, 1, records[i].length};
	hash_many(h, messages, count, ret);
}

#define NAME_SIZE (AUDIT_ID_SIZE + sizeof(uint64_t))

/* What an event_id is the hash of. */
static void name_event(const uint8_t chain_id[static AUDIT_ID_SIZE], uint64_t index,
		       uint8_t ret[static NAME_SIZE])
{
	uint64_t index_be = htobe64(index);

	memcpy(ret, chain_id, AUDIT_ID_SIZE);
	memcpy(ret + AUDIT_ID_SIZE, &index_be, sizeof(index_be));
}

static void make_id(const uint8_t hash[static AUDIT_HASH_SIZE], uint8_t ret[static AUDIT_ID_SIZE])
{
	memcpy(ret, hash, AUDIT_ID_SIZE);
	ret[6] = (uint8_t)(0x80 | (ret[6] & 0x0f)); /* version 8 */
	ret[8] = (uint8_t)(0x80 | (ret[8] & 0x3f)); /* variant */
}

void hash_event_id(struct hasher *h, const uint8_t chain_id[static AUDIT_ID_SIZE], uint64_t index,
		   uint8_t ret[static AUDIT_ID_SIZE])
{
	uint8_t hash[AUDIT_HASH_SIZE], name[NAME_SIZE];

	name_event(chain_id, index, name);
	hash_bytes(h, name, sizeof(name), hash);
	make_id(hash, ret);
}

void hash_event_ids(struct hasher *h, const uint8_t chain_id[static AUDIT_ID_SIZE], uint64_t first,
		    unsigned int count, uint8_t (*ret)[AUDIT_ID_SIZE])
{
	uint8_t hashes[HASH_MANY_MAX][AUDIT_HASH_SIZE], names[HASH_MANY_MAX][NAME_SIZE];
	struct sha256_message messages[HASH_MANY_MAX];

	assert(count >= 1 && count <= HASH_MANY_MAX);
	for (unsigned int i = 0; i < count; i++) {
		name_event(chain_id, first + i, names[i]);
		messages[i] = (struct sha256_message){"", names[i], 0, NAME_SIZE};
	}
	hash_many(h, messages, count, hashes);
	for (unsigned int i = 0; i < count; i++)
		make_id(hashes[i], ret[i]);
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

#ifdef __SSE2__
/* Eight bytes from 16 digits. */
static bool parse_sixteen(const char *text, uint8_t *ret)
{
	__m128i c = _mm_loadu_si128((const __m128i *)(const void *)text);
	__m128i digit = _mm_sub_epi8(c, _mm_set1_epi8('0'));
	__m128i letter = _mm_sub_epi8(c, _mm_set1_epi8('a'));
	/* Without a sign, at most 9, and at most 5. */
	__m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
	__m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
	__m128i value =
		_mm_or_si128(_mm_and_si128(is_digit, digit),
			     _mm_and_si128(is_letter, _mm_add_epi8(letter, _mm_set1_epi8(10))));
	/* In 16 bits, the lower byte is the digit that comes first, so the higher one of two. */
	__m128i bytes = _mm_or_si128(_mm_slli_epi16(value, 4), _mm_srli_epi16(value, 8));

	if (_mm_movemask_epi8(_mm_or_si128(is_digit, is_letter)) != 0xffff)
		return false;
	bytes = _mm_and_si128(bytes, _mm_set1_epi16(0xff));
	_mm_storel_epi64((__m128i *)(void *)ret, _mm_packus_epi16(bytes, bytes));
	return true;
}
#endif

int hex_parse(const char *text, size_t length, uint8_t *ret)
{
	size_t i = 0;

#ifdef __SSE2__
	for (; length - i >= 8; i += 8)
		if (!parse_sixteen(text + 2 * i, ret + i))
			return -EINVAL;
#endif
	for (; i < length; i++) {
		unsigned int high = hex_values[(unsigned char)text[2 * i]];
		unsigned int low = hex_values[(unsigned char)text[2 * i + 1]];

		if (!high || !low)
			return -EINVAL;
		ret[i] = (uint8_t)((high - 1) << 4 | (low - 1));
	}
	return 0;
}
