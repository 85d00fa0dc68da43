/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

bool address_is_ipv4(const uint8_t address[static 16])
{
	return memcmp(address, mapped, sizeof(mapped)) == 0;
}

int address_parse(const char *text, uint8_t ret[static 16])
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		memcpy(ret, mapped, sizeof(mapped));
		memcpy(ret + 12, &v4, 4);
		return 0;
	}
	return inet_pton(AF_INET6, text, ret) == 1 ? 0 : -EINVAL;
}

void address_format(const uint8_t address[static 16], char ret[static ADDRESS_TEXT_SIZE])
{
	if (address_is_ipv4(address))
		inet_ntop(AF_INET, address + 12, ret, ADDRESS_TEXT_SIZE);
	else
		inet_ntop(AF_INET6, address, ret, ADDRESS_TEXT_SIZE);
}

void address_mask(uint8_t address[static 16], unsigned int bits)
{
	for (unsigned int i = 0; i < 16; i++) {
		if (bits >= 8) {
			bits -= 8;
			continue;
		}
		address[i] &= (uint8_t)(0xff00 >> bits);
		bits = 0;
	}
}

int prefix_parse(const char *text, struct prefix *ret)
{
	char buffer[PREFIX_TEXT_SIZE];
	struct prefix p = {.bits = 128};
	uint8_t given[16];
	uint32_t bits;
	char *slash;
	int r;

	if (strlen(text) >= sizeof(buffer))
		return -EINVAL;
	memcpy(buffer, text, strlen(text) + 1);
	slash = strchr(buffer, '/');
	if (slash)
		*slash++ = '\0';
	r = address_parse(buffer, p.address);
	if (r < 0)
		return r;
	if (slash) {
		unsigned int base = address_is_ipv4(p.address) && !strchr(buffer, ':') ? 96 : 0;

		r = parse_u32(slash, 0, 128 - base, &bits);
		if (r < 0)
			return r;
		p.bits = (uint8_t)(base + bits);
	}
	memcpy(given, p.address, sizeof(given));
	address_mask(p.address, p.bits);
	*ret = p;
	return memcmp(given, p.address, sizeof(given)) == 0 ? 0 : -EDOM;
}

void prefix_format(const struct prefix *p, char ret[static PREFIX_TEXT_SIZE])
{
	char address[ADDRESS_TEXT_SIZE];
	bool v4 = p->bits >= 96 && address_is_ipv4(p->address);

	if (v4)
		inet_ntop(AF_INET, p->address + 12, address, sizeof(address));
	else
		inet_ntop(AF_INET6, p->address, address, sizeof(address));
	if (p->bits == 128)
		snprintf(ret, PREFIX_TEXT_SIZE, "%s", address);
	else
		snprintf(ret, PREFIX_TEXT_SIZE, "%s/%u", address,
			 (unsigned int)p->bits - (v4 ? 96 : 0));
}

bool prefix_covers(const struct prefix *p, const struct prefix *other)
{
	unsigned int whole = p->bits / 8, rest = p->bits % 8;

	if (p->bits > other->bits || memcmp(p->address, other->address, whole) != 0)
		return false;
	return !rest || !((p->address[whole] ^ other->address[whole]) & (0xff00 >> rest) & 0xff);
}

int prefix_compare(const struct prefix *a, const struct prefix *b)
{
	int r = memcmp(a->address, b->address, sizeof(a->address));

	return r ? r : (int)a->bits - (int)b->bits;
}
