/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/crc32c.h"

#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t length)
{
	/* The remainders of the 16 values of a nibble; polynomial 0x82f63b78, reflected. */
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	const uint8_t *p = data;

	crc = ~crc;
	while (length--) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

#ifdef __x86_64__
#define STRIDE	 64 /* bytes; a multiple of 8 */
/* x^(8n - 33) modulo the polynomial, reflected, for n = STRIDE and 2 * STRIDE; the instruction multiplies by x^33. */
#define OVER_ONE 0x9e4addf8
#define OVER_TWO 0x0d3b6092

/*
 * The instruction waits three cycles for the one before, and one can begin in each: so three pieces are summed at a time.
 * A sum is carried over the pieces behind its own by a multiplication without carries.
 */
__attribute__((target("sse4.2,pclmul"))) static uint64_t sum_pieces(uint64_t state,
								    const uint8_t *p)
{
	uint64_t second = 0, third = 0, words[3];
	__m128i carried;

	for (unsigned int i = 0; i < STRIDE; i += 8) {
		for (unsigned int piece = 0; piece < 3; piece++)
			memcpy(&words[piece], p + (size_t)piece * STRIDE + i, 8);
		state = _mm_crc32_u64(state, words[0]);
		second = _mm_crc32_u64(second, words[1]);
		third = _mm_crc32_u64(third, words[2]);
	}
	carried = _mm_xor_si128(_mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)state),
						     _mm_cvtsi64_si128(OVER_TWO), 0),
				_mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)second),
						     _mm_cvtsi64_si128(OVER_ONE), 0));
	return third ^ _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(carried));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t
crc32c_sse42(uint32_t crc, const uint8_t *p, size_t length)
{
	uint64_t state = ~crc, word;

	for (; length >= 3 * STRIDE; length -= 3 * STRIDE, p += 3 * STRIDE)
		state = sum_pieces(state, p);
	for (; length >= sizeof(word); length -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		state = _mm_crc32_u64(state, word);
	}
	while (length--)
		state = _mm_crc32_u8((uint32_t)state, *p++);
	return ~(uint32_t)state;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t length)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
		return crc32c_sse42(crc, data, length);
#endif
	return crc32c_portable(crc, data, length);
}
