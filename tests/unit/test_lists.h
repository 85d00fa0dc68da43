/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of the lists share: one instant, entries in few words, addresses that meet. */
#ifndef TEST_LISTS_H
#define TEST_LISTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lists/image.h"
#include "lists/set.h"

static const struct list_now now = {.real_ns = 1700000000ULL << 30, .monotonic_ns = 5ULL << 40};

static inline uint64_t in(uint64_t seconds)
{
	return now.real_ns + seconds * 1000000000;
}

static inline uint64_t monotonic_in(uint64_t seconds)
{
	return now.monotonic_ns + seconds * 1000000000;
}

static inline struct prefix prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static inline struct list_entry entry_of(enum list_kind kind, const char *prefix, uint64_t until_ns)
{
	return (struct list_entry){.key = {kind, prefix_of(prefix), LIST_OPERATOR, 0},
				   .until_ns = until_ns,
				   .reason = "test"};
}

static inline struct list_set *set_new(void)
{
	struct list_set *s;

	assert_int_equal(list_set_new(&s), 0);
	return s;
}

static inline int add(struct list_set *s, enum list_kind kind, const char *prefix,
		      uint64_t until_ns)
{
	struct list_entry e = entry_of(kind, prefix, until_ns);

	return list_set_add(s, &e, &now, NULL);
}

static inline size_t total(const struct list_set *s)
{
	struct list_count allow = list_set_count(s, LIST_ALLOW);
	struct list_count block = list_set_count(s, LIST_BLOCK);

	return allow.addresses + allow.prefixes + block.addresses + block.prefixes;
}

static inline struct list_entry found(const struct list_set *s, const struct list_key *key)
{
	struct list_entry e;

	assert_int_equal(list_set_find(s, key, &e), 0);
	return e;
}

/* xorshift64 (Marsaglia 2003) */
static inline uint64_t random_u64(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Few distinct bits, so that random prefixes nest, meet and repeat. */
static inline void random_address(uint64_t *state, uint8_t ret[static 16])
{
	uint64_t r = random_u64(state);

	memset(ret, 0, 16);
	if (r & 1)
		ret[10] = ret[11] = 0xff;
	else
		ret[0] = (uint8_t)((r >> 1) & 0x40);
	ret[12] = (uint8_t)((r >> 8) & 0x81);
	ret[13] = (uint8_t)((r >> 16) & 0x11);
	ret[15] = (uint8_t)((r >> 24) & 0x83);
}

static inline struct prefix random_prefix(uint64_t *state)
{
	static const uint8_t lengths[] = {0,   1,   2,	 80,  95,  96,	97,
					  104, 111, 112, 120, 126, 128, 128};
	struct prefix p;

	random_address(state, p.address);
	p.bits = lengths[random_u64(state) % ARRAY_SIZE(lengths)];
	address_mask(p.address, p.bits);
	return p;
}

/* Whether @p covers @address, bit by bit; what is shorter than all of IPv4 covers none of it. */
static inline bool model_covers(const struct prefix *p, const uint8_t address[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (p->bits < 96 && memcmp(address, mapped, sizeof(mapped)) == 0)
		return false;
	for (unsigned int i = 0; i < p->bits; i++)
		if ((p->address[i / 8] ^ address[i / 8]) & (0x80 >> i % 8))
			return false;
	return true;
}

/* Content that lists @prefixes, which may be in any order, each in the line of its place. */
static inline struct list_content *content_of(const struct prefix *prefixes, size_t count)
{
	struct list_content *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->entries = calloc(count + 1, sizeof(*c->entries));
	assert_non_null(c->entries);
	c->count = count;
	for (size_t i = 0; i < count; i++)
		c->entries[i] = (struct list_content_entry){prefixes[i], (uint32_t)i + 1, 0};
	list_content_sort(c);
	return c;
}

static inline int feed_update(struct list_set *s, unsigned int feed, const struct prefix *prefixes,
			      size_t count, uint64_t until_ns, struct fault *f)
{
	_cleanup_(list_content_freep) struct list_content *c = content_of(prefixes, count);
	_cleanup_(list_delta_done) struct list_delta delta = {0};

	assert_int_equal(list_content_diff(list_set_feed_content(s, feed), c, &delta), 0);
	return list_set_update_feed(s, feed, &c, &delta, until_ns, &now, f);
}

static inline unsigned int feed_new(struct list_set *s, enum list_kind kind, const char *name)
{
	const struct list_feed feed = {kind, name, "/etc/weir/feed", "listed"};
	unsigned int id;

	assert_int_equal(list_set_add_feed(s, &feed, &id, NULL), 0);
	return id;
}

#endif
