/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lists/content.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void list_content_free(struct list_content *c)
{
	if (!c)
		return;
	free(c->entries);
	free(c->texts);
	free(c);
}

/* Of equal prefixes the first line first. */
static int compare_entries(const void *a, const void *b)
{
	const struct list_content_entry *x = a, *y = b;
	int r = prefix_compare(&x->prefix, &y->prefix);

	return r ? r : (x->line > y->line) - (x->line < y->line);
}

static bool is_ip4(const struct prefix *p)
{
	return p->bits >= 96 && address_is_ipv4(p->address);
}

/* Of an IPv4 prefix: address, length and index, so that numbers are in the order of prefixes. */
#define INDEX_BITS 26

static uint64_t number_of(const struct list_content_entry *e, size_t index)
{
	uint32_t address;

	memcpy(&address, e->prefix.address + 12, sizeof(address));
	return (uint64_t)be32toh(address) << 32 | (e->prefix.bits - 96ULL) << INDEX_BITS | index;
}

/* By the bits above the index, the lowest first; equal ones stay in the order of their index. */
static void sort_numbers(uint64_t *numbers, uint64_t *spare, size_t count)
{
	enum { DIGIT = 13, DIGITS = 1 << DIGIT };

	/* 38 bits in three passes, of which the first is odd: back and forth, and back. */
	for (unsigned int shift = INDEX_BITS; shift < 64; shift += DIGIT) {
		uint32_t places[DIGITS];
		uint32_t place = 0;
		uint64_t *between;

		memset(places, 0, sizeof(places));
		for (size_t i = 0; i < count; i++)
			places[numbers[i] >> shift & (DIGITS - 1)]++;
		for (size_t i = 0; i < DIGITS; i++) {
			uint32_t here = places[i];

			places[i] = place;
			place += here;
		}
		for (size_t i = 0; i < count; i++)
			spare[places[numbers[i] >> shift & (DIGITS - 1)]++] = numbers[i];
		between = numbers;
		numbers = spare;
		spare = between;
	}
}

/*
 * A million addresses in no order: comparing them 20 times each takes ten times as long as sorting numbers by
 * their digits. What is IPv6 is sorted by comparison and comes before or after all of IPv4. @to gets the
 * entries in order. -ENOMEM.
 */
static int sort_by_digits(const struct list_content *c, struct list_content_entry *to)
{
	_cleanup_free_ uint64_t *numbers = reallocarray(NULL, c->count + 1, 2 * sizeof(*numbers));
	size_t ip4 = 0, others = 0, before = 0;
	uint64_t *sorted;

	if (!numbers || c->count >> INDEX_BITS)
		return -ENOMEM;
	sorted = numbers + c->count;
	for (size_t i = 0; i < c->count; i++) {
		if (is_ip4(&c->entries[i].prefix))
			numbers[ip4++] = number_of(&c->entries[i], i);
		else
			to[others++] = c->entries[i];
	}
	sort_numbers(numbers, sorted, ip4);
	qsort(to, others, sizeof(*to), compare_entries);
	while (before < others && ip4 &&
	       prefix_compare(&to[before].prefix,
			      &c->entries[numbers[0] & ((1ULL << INDEX_BITS) - 1)].prefix) < 0)
		before++;
	memmove(to + before + ip4, to + before, (others - before) * sizeof(*to));
	for (size_t i = 0; i < ip4; i++)
		to[before + i] = c->entries[sorted[i] & ((1ULL << INDEX_BITS) - 1)];
	return 0;
}

size_t list_content_sort(struct list_content *c)
{
	size_t sorted = 1, kept = 0, before = c->count;

	if (!c->count)
		return 0;
	/* Most feeds come in order. */
	while (sorted < c->count &&
	       compare_entries(&c->entries[sorted - 1], &c->entries[sorted]) < 0)
		sorted++;
	if (sorted < c->count) {
		struct list_content_entry *to = reallocarray(NULL, c->count, sizeof(*to));

		if (to && sort_by_digits(c, to) == 0) {
			free(c->entries);
			c->entries = to;
		} else {
			free(to);
			qsort(c->entries, c->count, sizeof(*c->entries), compare_entries);
		}
	}
	for (size_t i = 1; i < c->count; i++)
		if (prefix_compare(&c->entries[kept].prefix, &c->entries[i].prefix) != 0)
			c->entries[++kept] = c->entries[i];
	c->count = kept + 1;
	return before - c->count;
}

static int compare_prefix(const void *prefix, const void *entry)
{
	return prefix_compare(prefix, &((const struct list_content_entry *)entry)->prefix);
}

const struct list_content_entry *list_content_find(const struct list_content *c,
						   const struct prefix *prefix)
{
	if (!c || !c->count)
		return NULL;
	return bsearch(prefix, c->entries, c->count, sizeof(*c->entries), compare_prefix);
}

const char *list_content_reason(const struct list_content *c, const struct list_content_entry *e)
{
	return e->reason ? c->texts + e->reason : "";
}

static int append(struct prefix **to, size_t *count, size_t *size, const struct prefix *prefix)
{
	struct prefix *bigger;

	if (*count == *size) {
		*size = *size ? 2 * *size : 64;
		bigger = reallocarray(*to, *size, sizeof(**to));
		if (!bigger)
			return -ENOMEM;
		*to = bigger;
	}
	(*to)[(*count)++] = *prefix;
	return 0;
}

int list_content_diff(const struct list_content *from, const struct list_content *to,
		      struct list_delta *ret)
{
	_cleanup_(list_delta_done) struct list_delta delta = {0};
	size_t i = 0, j = 0, adds_size = 0, removes_size = 0, from_count = from ? from->count : 0;

	while (i < from_count || j < to->count) {
		int order = i == from_count  ? 1
			    : j == to->count ? -1
					     : prefix_compare(&from->entries[i].prefix,
							      &to->entries[j].prefix);
		int r = 0;

		if (order < 0)
			r = append(&delta.removes, &delta.remove_count, &removes_size,
				   &from->entries[i].prefix);
		else if (order > 0)
			r = append(&delta.adds, &delta.add_count, &adds_size,
				   &to->entries[j].prefix);
		if (r < 0)
			return r;
		i += order <= 0;
		j += order >= 0;
	}
	*ret = delta;
	delta = (struct list_delta){0};
	return 0;
}

void list_delta_done(struct list_delta *delta)
{
	free(delta->adds);
	free(delta->removes);
	*delta = (struct list_delta){0};
}
