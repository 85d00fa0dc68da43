/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A sweep goes over a stretch of the nodes in their order. The order puts a node behind all that cover it, so
 * those are a stack, and its top already carries the values of the others. A stretch is everything below a
 * prefix that changed; what covers that is found from the node before it, for whatever covers a node
 * covers its neighbour too or begins between them, and each node knows the length of the next one up.
 */
#include "lists/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lists/internal.h"
#include "lists/order.h"

struct covering {
	struct node_key key;
	struct list_value value;
};

struct sweep {
	struct list_set *s;
	uint64_t now_ns;
	struct covering stack[130]; /* what covers the last node, itself included */
	unsigned int depth;
	struct list_diff diff;
	size_t upserts_size, deletes_size;
	bool failed; /* for lack of memory */
};

uint64_t list_until_round(uint64_t until_ns)
{
	const uint64_t unit = 1ULL << WEIR_UNTIL_SHIFT;

	if (until_ns == WEIR_FOREVER || until_ns > WEIR_FOREVER - unit)
		return WEIR_FOREVER;
	return (until_ns + unit - 1) & ~(unit - 1);
}

static uint64_t later(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns > b_ns ? a_ns : b_ns;
}

static struct list_value later_of(struct list_value a, struct list_value b)
{
	return (struct list_value){
		.allow_until_ns = later(a.allow_until_ns, b.allow_until_ns),
		.block_until_ns = later(a.block_until_ns, b.block_until_ns),
	};
}

static bool same_for_kernel(const struct list_value *a, const struct list_value *b)
{
	return list_until_round(a->allow_until_ns) == list_until_round(b->allow_until_ns) &&
	       list_until_round(a->block_until_ns) == list_until_round(b->block_until_ns);
}

static bool is_something(const struct list_value *v)
{
	return v->allow_until_ns || v->block_until_ns;
}

static void emit_upsert(struct sweep *w, const struct node_key *key, struct list_value value)
{
	struct list_diff *d = &w->diff;

	if (d->upsert_count == w->upserts_size) {
		size_t size = w->upserts_size ? 2 * w->upserts_size : 64;
		struct list_image_entry *bigger = reallocarray(d->upserts, size, sizeof(*bigger));

		if (!bigger) {
			w->failed = true;
			return;
		}
		d->upserts = bigger;
		w->upserts_size = size;
	}
	d->upserts[d->upsert_count].value = value;
	node_prefix(key, &d->upserts[d->upsert_count++].prefix);
}

static void emit_delete(struct sweep *w, const struct node_key *key)
{
	struct list_diff *d = &w->diff;

	if (d->delete_count == w->deletes_size) {
		size_t size = w->deletes_size ? 2 * w->deletes_size : 64;
		struct prefix *bigger = reallocarray(d->deletes, size, sizeof(*bigger));

		if (!bigger) {
			w->failed = true;
			return;
		}
		d->deletes = bigger;
		w->deletes_size = size;
	}
	node_prefix(key, &d->deletes[d->delete_count++]);
}

/* What the node's own entries say. */
static struct list_value own_value(const struct sweep *w, const struct node *node)
{
	struct list_value v = {0};

	for (uint32_t n = node->items; n != NO_ITEM; n = item_of(w->s, n)->next) {
		const struct item *i = item_of(w->s, n);
		uint64_t *until_ns = i->kind == LIST_ALLOW ? &v.allow_until_ns : &v.block_until_ns;
		uint64_t item_until_ns = item_until(w->s, i);

		if (item_until_ns > w->now_ns)
			*until_ns = later(*until_ns, item_until_ns);
	}
	return v;
}

/* Bring one node up to date and tell what that means for the kernel. Whether it is still of use. */
static bool sweep_node(struct sweep *w, struct node *node, const struct node_key *key)
{
	struct list_value above = {0}, own = own_value(w, node);
	bool is_ip4 = node_key_compare(key, &all_of_ip4) == 0, wanted;

	while (w->depth > 0 && !node_key_covers(&w->stack[w->depth - 1].key, key))
		w->depth--;
	node->parent = w->depth > 0 ? w->stack[w->depth - 1].key.bits : NODE_NO_PARENT;
	if (w->depth > 0)
		above = w->stack[w->depth - 1].value;
	/* What is shorter than all of IPv4 ends here, see the header. */
	wanted = is_something(&own) || (is_ip4 && is_something(&above));
	if (!is_ip4)
		own = later_of(own, above);
	if (wanted && (!node->held || !same_for_kernel(&node->value, &own)))
		emit_upsert(w, key, own);
	else if (!wanted && node->held)
		emit_delete(w, key);
	node->held = wanted;
	node->value = own;
	if (is_ip4)
		w->s->ip4_value = own;
	if (!wanted && node->items == NO_ITEM && !is_ip4)
		return false;
	w->stack[w->depth++] = (struct covering){*key, own};
	return true;
}

/* Everything that @top covers, itself included, from @at on; NULL: everything. */
static void sweep_range(struct sweep *w, struct node_at at, const struct node_key *top)
{
	struct node *node;

	while ((node = nodes_get(&w->s->nodes, &at))) {
		struct node_key key = node_key_of(node);

		if (top && !node_key_covers(top, &key))
			return;
		if (sweep_node(w, node, &key))
			at.slot++;
		else
			nodes_erase(&w->s->nodes, &at);
	}
}

/* Start the stack with the longest node that covers @key, which is at @at. */
static void find_cover(struct sweep *w, struct node_at at, const struct node_key *key)
{
	const struct node *node = nodes_before(&w->s->nodes, at);

	w->depth = 0;
	while (node) {
		struct node_key candidate = node_key_of(node);

		if (node_key_covers(&candidate, key)) {
			w->stack[w->depth++] = (struct covering){candidate, node->value};
			return;
		}
		if (node->parent == NODE_NO_PARENT)
			return;
		/* What nothing else covers has this one for its parent: no need to look for it. */
		if (node->parent == all_of_ip4.bits && node_key_covers(&all_of_ip4, key)) {
			w->stack[w->depth++] = (struct covering){all_of_ip4, w->s->ip4_value};
			return;
		}
		candidate = node_key_mask(candidate, node->parent);
		node = nodes_find(&w->s->nodes, &candidate);
	}
}

static int compare_keys(const void *a, const void *b)
{
	return node_key_compare(a, b);
}

static void sweep_dirty(struct sweep *w)
{
	struct list_set *s = w->s;
	const struct node_key *done = NULL;

	qsort(s->dirty, s->dirty_count, sizeof(*s->dirty), compare_keys);
	for (size_t i = 0; i < s->dirty_count; i++) {
		const struct node_key *key = &s->dirty[i];
		struct node_at at;

		if (done && node_key_covers(done, key))
			continue;
		done = key;
		if (!nodes_seek(&s->nodes, key, &at))
			continue;
		find_cover(w, at, key);
		sweep_range(w, at, key);
	}
}

/* The sweeps found shorter prefixes first. */
static void reverse_upserts(struct list_diff *d)
{
	for (size_t i = 0; i < d->upsert_count / 2; i++) {
		struct list_image_entry *a = &d->upserts[i];
		struct list_image_entry *b = &d->upserts[d->upsert_count - 1 - i];
		struct list_image_entry between = *a;

		*a = *b;
		*b = between;
	}
}

int list_image_update(struct list_set *s, uint64_t now_monotonic_ns, struct list_diff *ret)
{
	struct sweep w = {.s = s, .now_ns = now_monotonic_ns};

	if (s->all_dirty)
		sweep_range(&w, (struct node_at){0}, NULL);
	else if (s->dirty_count)
		sweep_dirty(&w);
	s->all_dirty = false;
	s->dirty_count = 0;
	nodes_compact(&s->nodes);
	if (w.failed) {
		list_diff_done(&w.diff);
		s->all_dirty = true;
		return -ENOMEM;
	}
	reverse_upserts(&w.diff);
	*ret = w.diff;
	return 0;
}

void list_diff_done(struct list_diff *diff)
{
	free(diff->upserts);
	free(diff->deletes);
	*diff = (struct list_diff){0};
}

int list_image_adopt(struct list_set *s, const struct list_image *held)
{
	struct node_at at = {0};
	struct node *node;

	s->all_dirty = true;
	for (; (node = nodes_get(&s->nodes, &at)); at.slot++)
		node->held = false;
	for (size_t i = 0; i < held->count; i++) {
		struct node_key key = node_key(&held->entries[i].prefix);

		node = nodes_seek(&s->nodes, &key, &at) ? nodes_get(&s->nodes, &at)
							: nodes_insert(&s->nodes, &at, &key);
		if (!node)
			return -ENOMEM;
		node->held = true;
		node->value = held->entries[i].value;
	}
	return 0;
}

int list_image_copy(const struct list_set *s, struct list_image *ret)
{
	struct list_image image = {.entries = calloc(s->nodes.count, sizeof(*image.entries))};
	struct node_at at = {0};
	const struct node *node;

	if (!image.entries)
		return -ENOMEM;
	for (; (node = nodes_get(set_nodes(s), &at)); at.slot++) {
		struct node_key key = node_key_of(node);

		if (!node->held)
			continue;
		image.entries[image.count].value = node->value;
		node_prefix(&key, &image.entries[image.count++].prefix);
	}
	*ret = image;
	return 0;
}

void list_image_done(struct list_image *image)
{
	free(image->entries);
	*image = (struct list_image){0};
}

static int compare_entries(const void *a, const void *b)
{
	return prefix_compare(&((const struct list_image_entry *)a)->prefix,
			      &((const struct list_image_entry *)b)->prefix);
}

void list_image_sort(struct list_image *image)
{
	void *entries = image->entries;

	if (prefix_sort(&entries, image->count, sizeof(*image->entries)) < 0)
		qsort(entries, image->count, sizeof(*image->entries), compare_entries);
	image->entries = entries;
}

static int compare_prefix(const void *prefix, const void *entry)
{
	return prefix_compare(prefix, &((const struct list_image_entry *)entry)->prefix);
}

const struct list_value *list_image_lookup(const struct list_image *image,
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
		e = bsearch(&p, image->entries, image->count, sizeof(*e), compare_prefix);
		if (e)
			return &e->value;
	}
	return NULL;
}
