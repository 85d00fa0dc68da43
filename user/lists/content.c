/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lists/content.h"

#include <errno.h>
#include <stdlib.h>

#include "lists/order.h"

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

size_t list_content_sort(struct list_content *c)
{
	size_t sorted = 1, kept = 0, before = c->count;
	void *entries = c->entries;

	if (!c->count)
		return 0;
	/* Most feeds come in order. */
	while (sorted < c->count &&
	       compare_entries(&c->entries[sorted - 1], &c->entries[sorted]) < 0)
		sorted++;
	if (sorted < c->count && prefix_sort(&entries, c->count, sizeof(*c->entries)) < 0)
		qsort(entries, c->count, sizeof(*c->entries), compare_entries);
	c->entries = entries;
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
