/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/sha256_wide.h"

#include <assert.h>

#ifdef __x86_64__

#include <immintrin.h>

#include "audit/sha256_lane.h"

#define WITH_AVX512 __attribute__((target("avx512f,avx512bw")))
#define INLINE	    static inline __attribute__((always_inline))

/* What the third argument of a ternary operation stands for. */
#define XOR_ALL	 0x96
#define CHOOSE	 0xca /* FIPS 180-4, 4.1.2: Ch */
#define MAJORITY 0xe8 /* Maj */

WITH_AVX512 INLINE __m512i add(__m512i a, __m512i b)
{
	return _mm512_add_epi32(a, b);
}

WITH_AVX512 INLINE __m512i xor_all(__m512i a, __m512i b, __m512i c)
{
	return _mm512_ternarylogic_epi32(a, b, c, XOR_ALL);
}

/* Sixteen words of each of sixteen messages become sixteen times a word of each. */
WITH_AVX512 INLINE void transpose(__m512i w[static 16])
{
	__m512i t[16];

	for (int i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_epi32(w[i], w[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi32(w[i], w[i + 1]);
	}
	for (int i = 0; i < 16; i += 4) {
		w[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
		w[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
		w[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
		w[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	for (int i = 0; i < 4; i++) {
		t[i] = _mm512_shuffle_i32x4(w[i], w[i + 4], 0x88);
		t[i + 4] = _mm512_shuffle_i32x4(w[i], w[i + 4], 0xdd);
		t[i + 8] = _mm512_shuffle_i32x4(w[i + 8], w[i + 12], 0x88);
		t[i + 12] = _mm512_shuffle_i32x4(w[i + 8], w[i + 12], 0xdd);
	}
	for (int i = 0; i < 8; i++) {
		w[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
		w[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
	}
}

/* Put that word in the place of w[@i] which is due sixteen rounds later. */
WITH_AVX512 INLINE void schedule(__m512i w[static 16], unsigned int i)
{
	__m512i x = w[(i + 1) % 16], y = w[(i + 14) % 16];

	w[i] = add(add(w[i], w[(i + 9) % 16]),
		   add(xor_all(_mm512_ror_epi32(x, 7), _mm512_ror_epi32(x, 18),
			       _mm512_srli_epi32(x, 3)),
		       xor_all(_mm512_ror_epi32(y, 17), _mm512_ror_epi32(y, 19),
			       _mm512_srli_epi32(y, 10))));
}

/* The sixteen words of a block of each message. */
WITH_AVX512 INLINE void load(const uint8_t *const blocks[static 16], __m512i ret[static 16])
{
	const __m512i swap =
		_mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));

	for (int i = 0; i < 16; i++)
		ret[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(blocks[i]), swap);
	transpose(ret);
}

/* The first of two parts of a round (FIPS 180-4, 6.2.2), T1. */
WITH_AVX512 INLINE __m512i first_part(__m512i e, __m512i f, __m512i g, __m512i h, __m512i word)
{
	__m512i turned =
		xor_all(_mm512_ror_epi32(e, 6), _mm512_ror_epi32(e, 11), _mm512_ror_epi32(e, 25));

	return add(add(h, word), add(turned, _mm512_ternarylogic_epi32(e, f, g, CHOOSE)));
}

/* T2 */
WITH_AVX512 INLINE __m512i second_part(__m512i a, __m512i b, __m512i c)
{
	__m512i turned =
		xor_all(_mm512_ror_epi32(a, 2), _mm512_ror_epi32(a, 13), _mm512_ror_epi32(a, 22));

	return add(turned, _mm512_ternarylogic_epi32(a, b, c, MAJORITY));
}

/* A block of each message; those that have no more keep their state. */
WITH_AVX512 static void compress(__m512i s[static 8], const uint8_t *const blocks[static 16],
				 __mmask16 live)
{
	__m512i a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
	__m512i w[16];

	load(blocks, w);
	for (unsigned int from = 0; from < 64; from += 16) {
#pragma GCC unroll 16
		for (unsigned int i = 0; i < 16; i++) {
			__m512i word =
				add(w[i], _mm512_set1_epi32((int)sha256_constants[from + i]));
			__m512i sum = first_part(e, f, g, h, word);

			h = g;
			g = f;
			f = e;
			e = add(d, sum);
			d = c;
			c = b;
			b = a;
			a = add(sum, second_part(a, c, d));
			if (from < 48)
				schedule(w, i);
		}
	}
	s[0] = _mm512_mask_add_epi32(s[0], live, s[0], a);
	s[1] = _mm512_mask_add_epi32(s[1], live, s[1], b);
	s[2] = _mm512_mask_add_epi32(s[2], live, s[2], c);
	s[3] = _mm512_mask_add_epi32(s[3], live, s[3], d);
	s[4] = _mm512_mask_add_epi32(s[4], live, s[4], e);
	s[5] = _mm512_mask_add_epi32(s[5], live, s[5], f);
	s[6] = _mm512_mask_add_epi32(s[6], live, s[6], g);
	s[7] = _mm512_mask_add_epi32(s[7], live, s[7], h);
}

WITH_AVX512 void sha256_wide(const struct sha256_message *messages, unsigned int count,
			     uint8_t (*ret)[32])
{
	static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	struct sha256_lane lanes[SHA256_WIDE];
	const uint8_t *blocks[SHA256_WIDE];
	uint32_t words[8][SHA256_WIDE];
	size_t longest = 0;
	__m512i state[8];

	assert(count >= 1 && count <= SHA256_WIDE);
	for (unsigned int i = 0; i < count; i++) {
		sha256_lane_init(&lanes[i], &messages[i]);
		longest = lanes[i].blocks > longest ? lanes[i].blocks : longest;
	}
	for (unsigned int i = 0; i < 8; i++)
		state[i] = _mm512_set1_epi32((int)initial[i]);
	for (size_t n = 0; n < longest; n++) {
		unsigned int live = 0;

		for (unsigned int i = 0; i < SHA256_WIDE; i++) {
			bool more = i < count && n < lanes[i].blocks;

			blocks[i] = more ? sha256_lane_block(&lanes[i], n) : lanes[0].end;
			live |= (unsigned int)more << i;
		}
		compress(state, blocks, (__mmask16)live);
	}
	for (unsigned int i = 0; i < 8; i++)
		_mm512_storeu_si512(words[i], state[i]);
	for (unsigned int i = 0; i < count; i++)
		for (unsigned int word = 0; word < 8; word++) {
			uint32_t be = htobe32(words[word][i]);

			memcpy(ret[i] + 4 * word, &be, sizeof(be));
		}
}

bool sha256_wide_there(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

#else

bool sha256_wide_there(void)
{
	return false;
}

void sha256_wide(const struct sha256_message *messages, unsigned int count, uint8_t (*ret)[32])
{
	(void)messages;
	(void)count;
	(void)ret;
	assert(false);
}

#endif
