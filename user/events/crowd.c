/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "events/crowd.h"

#include <stdlib.h>
#include <string.h>

#include "base/address.h"

#define TABLE_SIZE (2 * EVENTS_CROWDS_MAX)
#define IP4_BITS   (96 + 24)
#define IP6_BITS   48

struct crowds {
	struct {
		struct events_window window; /* free = last_ns 0 */
		struct events_crowd crowd;
	} table[TABLE_SIZE];
	size_t count;
};

struct crowds *crowds_new(void)
{
	return calloc(1, sizeof(struct crowds));
}

void crowds_free(struct crowds *c)
{
	free(c);
}

static uint64_t mix(const uint8_t address[static 16])
{
	uint64_t words[2], m;

	memcpy(words, address, sizeof(words));
	m = words[0] * 0x9e3779b97f4a7c15ULL ^ words[1];
	m = (m ^ m >> 32) * 0xbf58476d1ce4e5b9ULL;
	return m >> 40;
}

/* One bit per source. A /24 has as many addresses as there are bits; of a /48 several may share one. */
static void note(struct events_crowd *crowd, const uint8_t source[static 16])
{
	unsigned int bit = crowd->exact ? source[15] : (unsigned int)mix(source) % 256;
	uint64_t mask = 1ULL << bit % 64;

	if (crowd->seen[bit / 64] & mask)
		return;
	crowd->seen[bit / 64] |= mask;
	if (crowd->sources++ < EVENTS_EXEMPLARS)
		memcpy(crowd->exemplars[crowd->sources - 1], source, 16);
}

struct events_window *crowds_window(struct crowds *c, const struct weir_tally *t)
{
	bool ip4 = address_is_ipv4(t->source);
	struct events_window *w;
	uint8_t prefix[16];
	size_t i;

	memcpy(prefix, t->source, sizeof(prefix));
	address_mask(prefix, ip4 ? IP4_BITS : IP6_BITS);
	for (i = (size_t)mix(prefix) % TABLE_SIZE;; i = (i + 1) % TABLE_SIZE) {
		w = &c->table[i].window;
		if (!w->last_ns ||
		    (w->limit == t->limit && w->reason == t->reason && w->verdict == t->verdict &&
		     memcmp(w->source, prefix, sizeof(prefix)) == 0))
			break;
	}
	if (!w->last_ns) {
		if (c->count == EVENTS_CROWDS_MAX)
			return NULL;
		c->count++;
		c->table[i].crowd = (struct events_crowd){.exact = ip4};
		*w = (struct events_window){.bits = ip4 ? IP4_BITS : IP6_BITS,
					    .crowd = &c->table[i].crowd};
		memcpy(w->source, prefix, sizeof(prefix));
	}
	note(&c->table[i].crowd, t->source);
	return w;
}

void crowds_close(struct crowds *c, void (*fn)(const struct events_window *window, void *userdata),
		  void *userdata)
{
	if (!c->count)
		return;
	for (size_t i = 0; i < TABLE_SIZE; i++)
		if (c->table[i].window.packets)
			fn(&c->table[i].window, userdata);
	memset(c, 0, sizeof(*c));
}
