/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What one message has more of blocks than the other is hashed alone. */
#include "audit/sha256_pair.h"

#include <assert.h>

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>

#include "audit/sha256_lane.h"

#define WITH_SHA __attribute__((target("sha,sse4.1")))
#define INLINE	 static inline __attribute__((always_inline))

/* FIPS 180-4, 4.2.2. */
const uint32_t sha256_constants[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

/* A message while it is hashed. The state is as the instructions have it: the words a, b, e, f and c, d, g, h. */
struct lane {
	__m128i abef, cdgh;
	struct sha256_lane message;
};

static void lane_init(struct lane *l, const struct sha256_message *m)
{
	sha256_lane_init(&l->message, m);
	l->abef = _mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f, (int)0x9b05688c);
	l->cdgh = _mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19);
}

/* Words a to h, the highest byte first. */
WITH_SHA static void lane_hash(const struct lane *l, uint8_t *ret)
{
	const __m128i reverse = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
	__m128i dcba = _mm_unpackhi_epi64(l->cdgh, l->abef);
	__m128i hgfe = _mm_unpacklo_epi64(l->cdgh, l->abef);

	_mm_storeu_si128((__m128i *)(void *)ret, _mm_shuffle_epi8(dcba, reverse));
	_mm_storeu_si128((__m128i *)(void *)(ret + 16), _mm_shuffle_epi8(hgfe, reverse));
}

/* A block while it is compressed: the state, and sixteen words of the schedule. */
struct work {
	__m128i abef, cdgh, w[4];
};

WITH_SHA INLINE struct work begin(const struct lane *l, size_t n)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	const __m128i *from = (const __m128i *)(const void *)sha256_lane_block(&l->message, n);
	struct work k = {.abef = l->abef, .cdgh = l->cdgh};

	k.w[0] = _mm_shuffle_epi8(_mm_loadu_si128(from), swap);
	k.w[1] = _mm_shuffle_epi8(_mm_loadu_si128(from + 1), swap);
	k.w[2] = _mm_shuffle_epi8(_mm_loadu_si128(from + 2), swap);
	k.w[3] = _mm_shuffle_epi8(_mm_loadu_si128(from + 3), swap);
	return k;
}

/* Four rounds, with the words w[@at]. */
WITH_SHA INLINE void rounds(struct work *k, unsigned int at, const uint32_t *constant)
{
	const __m128i *from = (const __m128i *)(const void *)constant;
	__m128i sum = _mm_add_epi32(k->w[at], _mm_load_si128(from));

	k->cdgh = _mm_sha256rnds2_epu32(k->cdgh, k->abef, sum);
	k->abef = _mm_sha256rnds2_epu32(k->abef, k->cdgh, _mm_shuffle_epi32(sum, 0x0e));
}

/* And put those in the place of w[@at], the oldest four, that are due sixteen rounds later. */
WITH_SHA INLINE void step(struct work *k, unsigned int at, const uint32_t *constant)
{
	__m128i newest = k->w[(at + 3) % 4];
	__m128i moved = _mm_alignr_epi8(newest, k->w[(at + 2) % 4], 4);
	__m128i sum;

	rounds(k, at, constant);
	sum = _mm_add_epi32(_mm_sha256msg1_epu32(k->w[at], k->w[(at + 1) % 4]), moved);
	k->w[at] = _mm_sha256msg2_epu32(sum, newest);
}

WITH_SHA INLINE void finish(struct lane *l, const struct work *k)
{
	l->abef = _mm_add_epi32(l->abef, k->abef);
	l->cdgh = _mm_add_epi32(l->cdgh, k->cdgh);
}

WITH_SHA static void compress_both(struct lane *a, struct lane *b, size_t n)
{
	struct work x = begin(a, n), y = begin(b, n);
	const uint32_t *c = sha256_constants;

	for (; c < sha256_constants + 48; c += 16) {
		step(&x, 0, c);
		step(&y, 0, c);
		step(&x, 1, c + 4);
		step(&y, 1, c + 4);
		step(&x, 2, c + 8);
		step(&y, 2, c + 8);
		step(&x, 3, c + 12);
		step(&y, 3, c + 12);
	}
	rounds(&x, 0, c);
	rounds(&y, 0, c);
	rounds(&x, 1, c + 4);
	rounds(&y, 1, c + 4);
	rounds(&x, 2, c + 8);
	rounds(&y, 2, c + 8);
	rounds(&x, 3, c + 12);
	rounds(&y, 3, c + 12);
	finish(a, &x);
	finish(b, &y);
}

WITH_SHA static void compress_one(struct lane *l, size_t n)
{
	struct work k = begin(l, n);
	const uint32_t *c = sha256_constants;

	for (; c < sha256_constants + 48; c += 16) {
		step(&k, 0, c);
		step(&k, 1, c + 4);
		step(&k, 2, c + 8);
		step(&k, 3, c + 12);
	}
	rounds(&k, 0, c);
	rounds(&k, 1, c + 4);
	rounds(&k, 2, c + 8);
	rounds(&k, 3, c + 12);
	finish(l, &k);
}

void sha256_pair(const struct sha256_message *a, const struct sha256_message *b, uint8_t *ret_a,
		 uint8_t *ret_b)
{
	struct lane x, y, *longer;
	size_t n = 0;

	lane_init(&x, a);
	lane_init(&y, b);
	for (; n < x.message.blocks && n < y.message.blocks; n++)
		compress_both(&x, &y, n);
	for (longer = x.message.blocks > n ? &x : &y; n < longer->message.blocks; n++)
		compress_one(longer, n);
	lane_hash(&x, ret_a);
	lane_hash(&y, ret_b);
}

bool sha256_pair_there(void)
{
	unsigned int eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_SSE4_1))
		return false;
	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && ebx & bit_SHA;
}

#else

bool sha256_pair_there(void)
{
	return false;
}

void sha256_pair(const struct sha256_message *a, const struct sha256_message *b, uint8_t *ret_a,
		 uint8_t *ret_b)
{
	(void)a;
	(void)b;
	(void)ret_a;
	(void)ret_b;
	assert(false);
}

#endif
