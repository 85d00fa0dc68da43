/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a word to prefixes. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "lists/feed.h"

#define RANGE_SIZE (2 * ADDRESS_TEXT_SIZE + 2)

static unsigned __int128 to_number(const uint8_t address[static 16])
{
	uint64_t high, low;

	memcpy(&high, address, 8);
	memcpy(&low, address + 8, 8);
	return (unsigned __int128)be64toh(high) << 64 | be64toh(low);
}

static void to_address(unsigned __int128 number, uint8_t ret[static 16])
{
	uint64_t high = htobe64((uint64_t)(number >> 64)), low = htobe64((uint64_t)number);

	memcpy(ret, &high, 8);
	memcpy(ret + 8, &low, 8);
}

/* How many bits the largest block has that begins at @first, is aligned, and ends no later than @last. */
static unsigned int block_bits(unsigned __int128 first, unsigned __int128 last)
{
	unsigned int bits = 0;

	while (bits < 128) {
		unsigned __int128 wider = ((unsigned __int128)1 << bits << 1) - 1;

		if (bits == 127)
			wider = ~(unsigned __int128)0;
		if ((first & wider) || wider > last - first)
			break;
		bits++;
	}
	return bits;
}

/* From both ends there is one block of each size at most, so 254 are enough. */
static size_t split_range(unsigned __int128 first, unsigned __int128 last,
			  struct prefix ret[static FEED_PREFIXES_MAX])
{
	size_t count = 0;

	for (;;) {
		unsigned int bits = block_bits(first, last);
		unsigned __int128 end =
			bits == 128 ? last : first + (((unsigned __int128)1 << bits) - 1);

		to_address(first, ret[count].address);
		ret[count++].bits = (uint8_t)(128 - bits);
		if (end == last)
			return count;
		first = end + 1;
	}
}

static enum feed_word parse_range(const char *text, const char *dash,
				  struct prefix ret[static FEED_PREFIXES_MAX], size_t *ret_count)
{
	char first[ADDRESS_TEXT_SIZE];
	uint8_t from[16], to[16];
	size_t length = (size_t)(dash - text);

	while (length && text[length - 1] == ' ')
		length--;
	dash += 1 + strspn(dash + 1, " ");
	if (length >= sizeof(first))
		return FEED_WORD_BAD;
	memcpy(first, text, length);
	first[length] = '\0';
	if (address_parse(first, from) < 0 || address_parse(dash, to) < 0 ||
	    address_is_ipv4(from) != address_is_ipv4(to) || memcmp(from, to, 16) > 0)
		return FEED_WORD_BAD;
	*ret_count = split_range(to_number(from), to_number(to), ret);
	return FEED_WORD_OK;
}

/* A decimal number of up to three digits without leading zeros; -1: none. */
static int read_number(const char **at, const char *end)
{
	int number = 0, digits = 0;

	for (; *at < end && **at >= '0' && **at <= '9' && digits < 4; ++*at, digits++)
		number = 10 * number + (**at - '0');
	return digits == 0 || digits > 3 || (digits > 1 && number < (digits == 2 ? 10 : 100))
		       ? -1
		       : number;
}

/* Nearly all that feeds hold: an IPv4 address or prefix. False: it is something else, or wrong. */
static bool parse_ip4(const char *word, size_t length, struct prefix *ret, bool *ret_masked)
{
	const char *at = word, *end = word + length;
	uint32_t address = 0, mask;
	int bits = 32;

	for (int i = 0; i < 4; i++) {
		int number = read_number(&at, end);

		if (number < 0 || number > 255)
			return false;
		address = address << 8 | (uint32_t)number;
		if (i < 3 && (at == end || *at++ != '.'))
			return false;
	}
	if (at < end && *at == '/') {
		at++;
		bits = read_number(&at, end);
	}
	if (at != end || bits < 0 || bits > 32)
		return false;
	mask = bits ? ~0U << (32 - bits) : 0;
	*ret_masked = address & ~mask;
	address = htobe32(address & mask);
	*ret = (struct prefix){.address = {[10] = 0xff, [11] = 0xff}, .bits = (uint8_t)(96 + bits)};
	memcpy(ret->address + 12, &address, 4);
	return true;
}

static bool covers_all(const struct prefix *p)
{
	return p->bits == 0 || (p->bits == 96 && address_is_ipv4(p->address));
}

enum feed_word feed_word_parse(const char *word, size_t length,
			       struct prefix ret[static FEED_PREFIXES_MAX], size_t *ret_count)
{
	enum feed_word result = FEED_WORD_OK;
	char text[RANGE_SIZE];
	const char *dash;
	bool masked;
	int r;

	*ret_count = 1;
	if (parse_ip4(word, length, ret, &masked)) {
		result = masked ? FEED_WORD_MASKED : FEED_WORD_OK;
	} else {
		if (!length || length >= sizeof(text) || memchr(word, '\0', length))
			return FEED_WORD_BAD;
		memcpy(text, word, length);
		text[length] = '\0';
		dash = strchr(text, '-');
		if (dash) {
			result = parse_range(text, dash, ret, ret_count);
		} else {
			r = prefix_parse(text, ret);
			result = r == 0	      ? FEED_WORD_OK
				 : r == -EDOM ? FEED_WORD_MASKED
					      : FEED_WORD_BAD;
		}
	}
	if (result != FEED_WORD_BAD && covers_all(&ret[0]))
		return FEED_WORD_ALL;
	return result;
}
