/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A sweep over both lists in prefix order. The order puts an entry behind all that cover it, so those
 * are a stack, and its top already carries the values of the others.
 */
#include "lists/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ::ffff:0:0/96, all of IPv4 */
static const struct prefix ipv4 = {.address = {[10] = 0xff, [11] = 0xff}, .bits = 96};

struct sweep {
	struct list_image_entry *entries;
	size_t count;
	const struct list_image_entry *covering[129]; /* of the last entry, itself included */
	unsigned int depth;
};

static uint64_t later(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns > b_ns ? a_ns : b_ns;
}

/* Forget what does not cover @prefix. Whether anything is left. */
static bool sweep_covered(struct sweep *w, const struct prefix *prefix)
{
	while (w->depth > 0 && !prefix_covers(&w->covering[w->depth - 1]->prefix, prefix))
		w->depth--;
	return w->depth > 0;
}

static void sweep_emit(struct sweep *w, const struct prefix *prefix, struct weir_list_value value)
{
	/* What is shorter than all of IPv4 ends here, see the header. */
	if (sweep_covered(w, prefix) && prefix_compare(prefix, &ipv4) != 0) {
		const struct weir_list_value *above = &w->covering[w->depth - 1]->value;

		value.allow_until_ns = later(value.allow_until_ns, above->allow_until_ns);
		value.block_until_ns = later(value.block_until_ns, above->block_until_ns);
	}
	w->entries[w->count] = (struct list_image_entry){.prefix = *prefix, .value = value};
	w->covering[w->depth++] = &w->entries[w->count++];
}

/* One list on its way through the sweep. */
struct cursor {
	const struct list_entry *const *at;
	size_t left;
	uint64_t now_ns;
};

static void cursor_advance(struct cursor *c)
{
	c->at++;
	c->left--;
}

/* Of the next entry in force, NULL at the end. */
static const struct prefix *cursor_prefix(struct cursor *c)
{
	while (c->left > 0 && !list_entry_active(*c->at, c->now_ns))
		cursor_advance(c);
	return c->left > 0 ? &(*c->at)->key.prefix : NULL;
}

/* The latest deadline of the entries for exactly @prefix, which are next; 0 = there are none. */
static uint64_t cursor_take(struct cursor *c, const struct prefix *prefix)
{
	uint64_t until_ns = 0;
	const struct prefix *p;

	while ((p = cursor_prefix(c)) && prefix_compare(p, prefix) == 0) {
		until_ns = later(until_ns, (*c->at)->until_monotonic_ns);
		cursor_advance(c);
	}
	return until_ns;
}

int list_image_build(const struct list_set *s, uint64_t now_monotonic_ns, struct list_image *ret)
{
	struct cursor cursors[LIST_KIND_MAX];
	bool ipv4_pending = true;
	struct sweep w = {0};
	size_t most = 1;

	for (unsigned int kind = 0; kind < LIST_KIND_MAX; kind++) {
		struct cursor *c = &cursors[kind];

		c->now_ns = now_monotonic_ns;
		c->at = list_set_entries(s, kind, &c->left);
		most += c->left;
	}
	w.entries = calloc(most, sizeof(*w.entries));
	if (!w.entries)
		return -ENOMEM;
	for (;;) {
		const struct prefix *allow = cursor_prefix(&cursors[LIST_ALLOW]);
		const struct prefix *block = cursor_prefix(&cursors[LIST_BLOCK]);
		const struct prefix *next = allow ? allow : block;
		struct weir_list_value value;

		if (allow && block && prefix_compare(block, allow) < 0)
			next = block;
		if (ipv4_pending && (!next || prefix_compare(next, &ipv4) >= 0)) {
			ipv4_pending = false;
			if (sweep_covered(&w, &ipv4))
				next = &ipv4;
		}
		if (!next)
			break;
		value.allow_until_ns = cursor_take(&cursors[LIST_ALLOW], next);
		value.block_until_ns = cursor_take(&cursors[LIST_BLOCK], next);
		sweep_emit(&w, next, value);
	}
	*ret = (struct list_image){.entries = w.entries, .count = w.count};
	return 0;
}

void list_image_done(struct list_image *image)
{
	free(image->entries);
	*image = (struct list_image){0};
}

static int image_compare(const void *prefix, const void *entry)
{
	return prefix_compare(prefix, &((const struct list_image_entry *)entry)->prefix);
}

const struct weir_list_value *list_image_lookup(const struct list_image *image,
						const uint8_t address[static 16])
{
	struct prefix p;

	if (!image->count)
		return NULL;
	memcpy(p.address, address, sizeof(p.address));
	for (int bits = 128; bits >= 0; bits--) {
		const struct list_image_entry *e;

		p.bits = (uint8_t)bits;
		address_mask(p.address, p.bits);
		e = bsearch(&p, image->entries, image->count, sizeof(*e), image_compare);
		if (e)
			return &e->value;
	}
	return NULL;
}

/* From the longest to the shortest: when a prefix appears or changes, what lies below it and should
 * hide it is there already. */
static void diff_upserts(const struct list_image *from, const struct list_image *to,
			 struct list_diff *diff)
{
	size_t i = from->count;

	for (size_t j = to->count; j-- > 0;) {
		const struct list_image_entry *e = &to->entries[j], *old;

		while (i > 0 && prefix_compare(&from->entries[i - 1].prefix, &e->prefix) > 0)
			i--;
		old = i > 0 ? &from->entries[i - 1] : NULL;
		if (!old || prefix_compare(&old->prefix, &e->prefix) != 0 ||
		    old->value.allow_until_ns != e->value.allow_until_ns ||
		    old->value.block_until_ns != e->value.block_until_ns)
			diff->upserts[diff->upsert_count++] = *e;
	}
}

/* From the shortest to the longest: what a removed prefix uncovers is to stay. */
static void diff_deletes(const struct list_image *from, const struct list_image *to,
			 struct list_diff *diff)
{
	size_t j = 0;

	for (size_t i = 0; i < from->count; i++) {
		const struct prefix *p = &from->entries[i].prefix;

		while (j < to->count && prefix_compare(&to->entries[j].prefix, p) < 0)
			j++;
		if (j == to->count || prefix_compare(&to->entries[j].prefix, p) != 0)
			diff->deletes[diff->delete_count++] = *p;
	}
}

int list_image_diff(const struct list_image *from, const struct list_image *to,
		    struct list_diff *ret)
{
	struct list_diff diff = {0};

	/* calloc(0) may be NULL without being a failure. */
	diff.upserts = calloc(to->count + 1, sizeof(*diff.upserts));
	diff.deletes = calloc(from->count + 1, sizeof(*diff.deletes));
	if (!diff.upserts || !diff.deletes) {
		list_diff_done(&diff);
		return -ENOMEM;
	}
	diff_upserts(from, to, &diff);
	diff_deletes(from, to, &diff);
	*ret = diff;
	return 0;
}

void list_diff_done(struct list_diff *diff)
{
	free(diff->upserts);
	free(diff->deletes);
	*diff = (struct list_diff){0};
}
