/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A million addresses in no order: comparing them 20 times each takes ten times as long as sorting numbers by
 * their digits. So IPv4 is sorted by digits, as one number of address, length and place. IPv6 is sorted by
 * comparison, as a quarter of a million; all of it comes before or after all of IPv4.
 */
#include "lists/order.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "lists/nodes.h"

#define PLACE_BITS 26
#define PLACE_MASK ((1ULL << PLACE_BITS) - 1)

struct placed {
	struct node_key key;
	uint32_t place;
};

static int compare_placed(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	int r = node_key_compare(&x->key, &y->key);

	return r ? r : (x->place > y->place) - (x->place < y->place);
}

/* By the bits above the place, the lowest first; equal ones stay in the order of their place. */
static void sort_numbers(uint64_t *numbers, uint64_t *spare, size_t count)
{
	enum { DIGIT = 13, DIGITS = 1 << DIGIT };

	/* 38 bits in three passes: there, back and there, so that the result is in @spare. */
	for (unsigned int shift = PLACE_BITS; shift < 64; shift += DIGIT) {
		uint32_t starts[DIGITS] = {0}, start = 0;
		uint64_t *between;

		for (size_t i = 0; i < count; i++)
			starts[numbers[i] >> shift & (DIGITS - 1)]++;
		for (size_t i = 0; i < DIGITS; i++) {
			uint32_t here = starts[i];

			starts[i] = start;
			start += here;
		}
		for (size_t i = 0; i < count; i++)
			spare[starts[numbers[i] >> shift & (DIGITS - 1)]++] = numbers[i];
		between = numbers;
		numbers = spare;
		spare = between;
	}
}

/* The elements divided by family, each in the form in which it is sorted. */
struct families {
	uint64_t *numbers, *sorted;
	struct placed *others;
	size_t ip4, other, before; /* the last: of the others, those before all of IPv4 */
};

static void divide(struct families *f, const char *elements, size_t count, size_t size)
{
	for (size_t i = 0; i < count; i++) {
		struct node_key key = node_key((const struct prefix *)(elements + i * size));

		if (node_key_is_ip4(&key)) {
			f->numbers[f->ip4++] =
				(key.low & 0xffffffff) << 32 | (key.bits - 96ULL) << PLACE_BITS | i;
			continue;
		}
		f->before += key.high == 0 && key.low >> 32 < 0xffff;
		f->others[f->other++] = (struct placed){key, (uint32_t)i};
	}
}

int prefix_sort(void **elements, size_t count, size_t size)
{
	_cleanup_free_ uint64_t *numbers = calloc(count + 1, 2 * sizeof(*numbers));
	_cleanup_free_ struct placed *others = calloc(count + 1, sizeof(*others));
	_cleanup_free_ char *to = calloc(count + 1, size);
	struct families f = {.numbers = numbers, .others = others};
	const char *from = *elements;
	char *at = to;

	if (!numbers || !others || !to || count > PLACE_MASK)
		return -ENOMEM;
	f.sorted = numbers + count;
	divide(&f, from, count, size);
	sort_numbers(f.numbers, f.sorted, f.ip4);
	qsort(f.others, f.other, sizeof(*f.others), compare_placed);
	for (size_t i = 0; i < f.before; i++, at += size)
		memcpy(at, from + f.others[i].place * size, size);
	for (size_t i = 0; i < f.ip4; i++, at += size)
		memcpy(at, from + (f.sorted[i] & PLACE_MASK) * size, size);
	for (size_t i = f.before; i < f.other; i++, at += size)
		memcpy(at, from + f.others[i].place * size, size);
	free(*elements);
	*elements = take_ptr(to);
	return 0;
}
