/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Text in and out: an append-only buffer of fixed or growing size, JSON string escaping, and strict
 * number parsing (no sign, no blanks, no octal, whole string or nothing).
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct text {
	char *data; /* always NUL-terminated */
	size_t length;
	size_t size;
	bool growing;	/* data is ours, from malloc */
	bool truncated; /* something did not fit (or no memory): the content is not complete */
};

/* Append into caller's memory; @size includes the NUL. */
void text_init(struct text *t, char *buffer, size_t size);
/* Append into memory that grows. Start zeroed or with this; end with text_done() or text_take(). */
void text_init_growing(struct text *t);
void text_done(struct text *t);
/** The string, now the caller's to free; NULL if anything was truncated. */
char *text_take(struct text *t);

void text_put(struct text *t, const char *data, size_t length);
void text_puts(struct text *t, const char *string);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The string in double quotes, escaped by RFC 8785: \b \t \n \f \r \" \\ and \u00xx for the other
 * control characters; invalid UTF-8 becomes U+FFFD. */
void text_put_json(struct text *t, const char *string);

/** How many of the @length bytes of @data, from the first on, are ASCII that stands for itself in a JSON string. */
static inline __attribute__((always_inline)) size_t text_plain(const char *data, size_t length);
size_t text_plain_words(const char *data, size_t length); /* the same, eight bytes at a time */

/** @length bytes of @data are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool utf8_valid(const char *data, size_t length);
/* Turn bytes of @string that belong to no UTF-8 character into '?': what was cut between two bytes of one,
 * or came from outside. */
void utf8_repair(char *string);

/** Parse all of @string as a decimal number in [@min, @max]. -EINVAL: not a number; -ERANGE. */
int parse_u64(const char *string, uint64_t min, uint64_t max, uint64_t *ret);
int parse_u32(const char *string, uint32_t min, uint32_t max, uint32_t *ret);

/** Edit distance of two short strings, for "did you mean". At most 63 bytes of each count. */
unsigned int text_distance(const char *a, const char *b);

/** Parse a duration with a unit: 500ms, 90s, 10m, 2h, 7d, 1w. -EINVAL or -ERANGE (over 100 years). */
int parse_duration_ns(const char *string, uint64_t *ret_ns);
/** Write a duration as people read it: "1d 2h", "3m 20s", "250ms". */
void format_duration(uint64_t ns, char *ret, size_t size);

static inline __attribute__((always_inline)) size_t text_plain(const char *data, size_t length)
{
	size_t n = 0;

#ifdef __SSE2__
	for (; length - n >= 16; n += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(data + n));
		/* As a signed number 0x80 and what is above are below 0x20. */
		__m128i found = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
		unsigned int bits;

		found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
		found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
		bits = (unsigned int)_mm_movemask_epi8(found);
		if (bits)
			return n + (size_t)__builtin_ctz(bits);
	}
#endif
	return n + text_plain_words(data + n, length - n);
}

#endif
