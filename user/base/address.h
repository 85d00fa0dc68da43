/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IP addresses and prefixes as 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest text: an IPv6 address, "/128" and the NUL. */
#define ADDRESS_TEXT_SIZE 46
#define PREFIX_TEXT_SIZE  50

struct prefix {
	uint8_t address[16];
	uint8_t bits; /* 0..128; an IPv4 prefix counts its 96 mapped bits */
};

bool address_is_ipv4(const uint8_t address[static 16]);

/** Parse an address without a prefix length. -EINVAL. A text like ::ffff:192.0.2.1 is IPv4. */
int address_parse(const char *text, uint8_t ret[static 16]);
void address_format(const uint8_t address[static 16], char ret[static ADDRESS_TEXT_SIZE]);

/**
 * Parse an address or CIDR prefix; without a length all bits count. -EINVAL: no prefix; -ERANGE: the
 * length is too long for the family; -EDOM: bits are set beyond the length (198.51.100.7/24), which
 * is nearly always a mistake: @ret is filled with the host bits cleared, for a suggestion.
 */
int prefix_parse(const char *text, struct prefix *ret);
/* An address of all bits is written without a length. */
void prefix_format(const struct prefix *p, char ret[static PREFIX_TEXT_SIZE]);

/** @p covers @other: equal or shorter, and the same leading bits. */
bool prefix_covers(const struct prefix *p, const struct prefix *other);
/** Order by address, then shorter first: an entry follows all that cover it. For qsort and friends. */
int prefix_compare(const struct prefix *a, const struct prefix *b);
/* Clear the bits beyond @bits. */
void address_mask(uint8_t address[static 16], unsigned int bits);

#endif
