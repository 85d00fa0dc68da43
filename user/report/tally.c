/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "report/tally.h"

#include <stdlib.h>
#include <string.h>

void tally_done(struct tally *t)
{
	json_decref(t->numbers);
	free(t->items);
	*t = (struct tally){.max = t->max};
}

static bool grow(struct tally *t)
{
	size_t room = t->room ? 2 * t->room : 64;
	struct tally_item *items = reallocarray(t->items, room, sizeof(*items));

	if (!items)
		return false;
	t->items = items;
	t->room = room;
	return true;
}

struct tally_item *tally_of(struct tally *t, const char *name)
{
	const json_t *number = json_object_get(t->numbers, name);

	if (number)
		return &t->items[json_integer_value(number)];
	if (!t->numbers)
		t->numbers = json_object();
	if (t->count == t->max || (t->count == t->room && !grow(t)) ||
	    json_object_set_new(t->numbers, name, json_integer((json_int_t)t->count)) < 0)
		return &t->others;
	t->items[t->count] = (struct tally_item){0};
	return &t->items[t->count++];
}

void tally_add(struct tally_item *item, int64_t at, uint64_t packets)
{
	item->events++;
	item->packets += packets;
	if (!item->first || at < item->first)
		item->first = at;
	if (at > item->last)
		item->last = at;
}

static int by_weight(const void *a, const void *b)
{
	const struct tally_item *x = a, *y = b;

	if (x->packets != y->packets)
		return x->packets < y->packets ? 1 : -1;
	if (x->events != y->events)
		return x->events < y->events ? 1 : -1;
	return strcmp(x->name, y->name);
}

void tally_sort(struct tally *t)
{
	const char *name;
	json_t *number;

	json_object_foreach (t->numbers, name, number) {
		size_t at = (size_t)json_integer_value(number);

		t->items[at].name = name;
	}
	if (t->count)
		qsort(t->items, t->count, sizeof(*t->items), by_weight);
}
