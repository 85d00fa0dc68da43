/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/text.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

void text_init(struct text *t, char *buffer, size_t size)
{
	assert(size > 0);
	*t = (struct text){.data = buffer, .size = size};
	buffer[0] = '\0';
}

void text_init_growing(struct text *t)
{
	*t = (struct text){.growing = true};
}

void text_done(struct text *t)
{
	if (t->growing)
		free(t->data);
	*t = (struct text){0};
}

char *text_take(struct text *t)
{
	char *data = NULL;

	assert(t->growing);
	if (!t->data)
		text_put(t, "", 0);
	if (!t->truncated)
		data = take_ptr(t->data);
	text_done(t);
	return data;
}

/* Make room for @more bytes and the NUL. */
static bool reserve(struct text *t, size_t more)
{
	size_t size = t->size ? t->size : 256;
	char *data;

	if (t->truncated)
		return false;
	if (t->size - t->length > more)
		return true;
	if (!t->growing) {
		t->truncated = true;
		return false;
	}
	while (size - t->length <= more)
		size *= 2;
	data = realloc(t->data, size);
	if (!data) {
		t->truncated = true;
		return false;
	}
	t->data = data;
	t->size = size;
	return true;
}

void text_put(struct text *t, const char *data, size_t length)
{
	if (!reserve(t, length))
		return;
	memcpy(t->data + t->length, data, length);
	t->length += length;
	t->data[t->length] = '\0';
}

void text_puts(struct text *t, const char *string)
{
	text_put(t, string, strlen(string));
}

void text_printf(struct text *t, const char *format, ...)
{
	va_list ap;
	int length;

	va_start(ap, format);
	length = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	assert(length >= 0);
	if (!reserve(t, (size_t)length))
		return;
	va_start(ap, format);
	vsnprintf(t->data + t->length, (size_t)length + 1, format, ap);
	va_end(ap);
	t->length += (size_t)length;
}

/*
 * The highest bit of each byte of @word that is @c is set in the result, as of those that are below @c in
 * has_below(). Bits above the lowest one set may be wrong (a borrow), that one never is.
 */
static uint64_t has_below(uint64_t word, unsigned char c)
{
	const uint64_t ones = 0x0101010101010101ULL;

	return (word - ones * c) & ~word & ones << 7;
}

static uint64_t has_byte(uint64_t word, unsigned char c)
{
	return has_below(word ^ 0x0101010101010101ULL * c, 1);
}

size_t text_plain_words(const char *data, size_t length)
{
	const uint64_t high = 0x8080808080808080ULL;
	size_t n = 0;
	uint64_t word;

	for (; length - n >= sizeof(word); n += sizeof(word)) {
		memcpy(&word, data + n, sizeof(word));
		word = le64toh(word);
		word = (word & high) | has_below(word, 0x20) | has_byte(word, '"') |
		       has_byte(word, '\\');
		if (word)
			return n + (size_t)__builtin_ctzll(word) / 8;
	}
	for (; n < length; n++) {
		unsigned char c = (unsigned char)data[n];

		if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
			break;
	}
	return n;
}

/* Length of the well-formed UTF-8 sequence at @s, 0 if there is none (RFC 3629, table in section 4). */
static size_t utf8_sequence(const unsigned char *s, size_t available)
{
	size_t need;
	unsigned char low = 0x80, high = 0xbf;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		need = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		need = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		need = 4;
	else
		return 0;
	if (available < need)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0; /* overlong */
	else if (s[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

bool utf8_valid(const char *data, size_t length)
{
	const unsigned char *s = (const unsigned char *)data;

	while (length) {
		size_t n = text_plain((const char *)s, length) ?: utf8_sequence(s, length);

		if (!n)
			return false;
		s += n;
		length -= n;
	}
	return true;
}

void utf8_repair(char *string)
{
	unsigned char *s = (unsigned char *)string;
	size_t left = strlen(string);

	while (left) {
		size_t n = utf8_sequence(s, left);

		if (!n) {
			*s = '?';
			n = 1;
		}
		s += n;
		left -= n;
	}
}

void text_put_json(struct text *t, const char *string)
{
	const unsigned char *s = (const unsigned char *)string;
	size_t left = strlen(string);

	text_put(t, "\"", 1);
	while (left) {
		static const char short_escapes[] = "btn.fr"; /* 0x08 .. 0x0d; 0x0b has none */
		size_t plain = text_plain((const char *)s, left),
		       n = plain ?: utf8_sequence(s, left);

		if (plain) {
			text_put(t, (const char *)s, plain);
		} else if (!n) {
			text_puts(t, "\xef\xbf\xbd");
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			char escaped[2] = {'\\', (char)*s};

			text_put(t, escaped, sizeof(escaped));
		} else if (*s >= 0x08 && *s <= 0x0d && *s != 0x0b) {
			char escaped[2] = {'\\', short_escapes[*s - 0x08]};

			text_put(t, escaped, sizeof(escaped));
		} else if (*s < 0x20) {
			text_printf(t, "\\u%04x", *s);
		} else {
			text_put(t, (const char *)s, n);
		}
		s += n;
		left -= n;
	}
	text_put(t, "\"", 1);
}

int parse_u64(const char *string, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*string || (string[0] == '0' && string[1]))
		return -EINVAL;
	for (; *string; string++) {
		unsigned int digit = (unsigned int)*string - '0';

		if (digit > 9)
			return -EINVAL;
		if (value > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
	}
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_u32(const char *string, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t value;
	int r = parse_u64(string, min, max, &value);

	if (r < 0)
		return r;
	*ret = (uint32_t)value;
	return 0;
}

unsigned int text_distance(const char *a, const char *b)
{
	unsigned int row[64];
	size_t length_a = strnlen(a, 63), length_b = strnlen(b, 63);

	for (unsigned int j = 0; j <= length_b; j++)
		row[j] = j;
	for (unsigned int i = 1; i <= length_a; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= length_b; j++) {
			unsigned int cost = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < cost)
				cost = row[j] + 1;
			if (row[j - 1] + 1 < cost)
				cost = row[j - 1] + 1;
			row[j] = cost;
		}
	}
	return row[length_b];
}

static const struct {
	const char *name;
	uint64_t ns;
} duration_units[] = {
	{"w", 7 * 86400 * NSEC_PER_SEC}, {"d", 86400 * NSEC_PER_SEC}, {"h", 3600 * NSEC_PER_SEC},
	{"m", 60 * NSEC_PER_SEC},	 {"s", NSEC_PER_SEC},	      {"ms", NSEC_PER_MSEC},
};

int parse_duration_ns(const char *string, uint64_t *ret_ns)
{
	const uint64_t max_ns = 100ULL * 365 * 86400 * NSEC_PER_SEC;
	size_t digits = strspn(string, "0123456789");
	char number[21];
	uint64_t value;
	int r;

	if (!digits)
		return -EINVAL;
	if (digits >= sizeof(number))
		return -ERANGE;
	memcpy(number, string, digits);
	number[digits] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(duration_units); i++) {
		if (strcmp(string + digits, duration_units[i].name) != 0)
			continue;
		r = parse_u64(number, 0, max_ns / duration_units[i].ns, &value);
		if (r < 0)
			return r;
		*ret_ns = value * duration_units[i].ns;
		return 0;
	}
	return -EINVAL;
}

void format_duration(uint64_t ns, char *ret, size_t size)
{
	struct text t;
	int parts = 0;

	text_init(&t, ret, size);
	if (ns < NSEC_PER_MSEC) {
		text_printf(&t, "%llu.%03llu ms", (unsigned long long)(ns / NSEC_PER_MSEC),
			    (unsigned long long)(ns / 1000 % 1000));
		return;
	}
	for (size_t i = 1; i < ARRAY_SIZE(duration_units) && parts < 2; i++) {
		uint64_t n = ns / duration_units[i].ns;

		if (!n && !parts)
			continue;
		ns -= n * duration_units[i].ns;
		if (n)
			text_printf(&t, "%s%llu%s", parts ? " " : "", (unsigned long long)n,
				    duration_units[i].name);
		parts++;
	}
}
