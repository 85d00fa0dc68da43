/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One sorted array of pointers per kind: 65,536 of them are half a megabyte, so an insertion is a
 * short memmove(), and a bulk load sorts once and merges. Each entry is one allocation that its two
 * strings follow.
 */
#include "lists/set.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct entries {
	struct list_entry **items; /* sorted by entry_compare() */
	size_t count;
	size_t size;
};

struct list_set {
	struct entries lists[LIST_KIND_MAX];
};

static const char *const kind_names[] = {
	[LIST_ALLOW] = "allow",
	[LIST_BLOCK] = "block",
};
_Static_assert(ARRAY_SIZE(kind_names) == LIST_KIND_MAX, "a kind has no name");

static const char *const origin_names[] = {
	[LIST_POLICY] = "policy",
	[LIST_OPERATOR] = "operator",
};
_Static_assert(ARRAY_SIZE(origin_names) == LIST_ORIGIN_MAX, "an origin has no name");

const char *list_kind_to_str(enum list_kind kind)
{
	assert((unsigned int)kind < LIST_KIND_MAX);
	return kind_names[kind];
}

const char *list_origin_to_str(enum list_origin origin)
{
	assert((unsigned int)origin < LIST_ORIGIN_MAX);
	return origin_names[origin];
}

int list_kind_from_str(const char *name, enum list_kind *ret)
{
	for (unsigned int i = 0; i < LIST_KIND_MAX; i++) {
		if (strcmp(name, kind_names[i]) != 0)
			continue;
		*ret = (enum list_kind)i;
		return 0;
	}
	return -EINVAL;
}

static int entry_compare(const struct prefix *prefix, enum list_origin origin,
			 const struct list_entry *e)
{
	int r = prefix_compare(prefix, &e->key.prefix);

	return r ? r : (int)origin - (int)e->key.origin;
}

/* For qsort(): of equal keys the later deadline first. */
static int fresh_compare(const void *a, const void *b)
{
	const struct list_entry *x = *(const struct list_entry *const *)a;
	const struct list_entry *y = *(const struct list_entry *const *)b;
	int r = entry_compare(&x->key.prefix, x->key.origin, y);

	return r ? r : (x->until_ns < y->until_ns) - (x->until_ns > y->until_ns);
}

static int text_check(const char *text, size_t max, const char *code, struct fault *reterr)
{
	size_t length = text ? strlen(text) : 0;

	if (length > max)
		return fault(reterr, -EINVAL, code, "%zu bytes are too long: at most %zu", length,
			     max);
	if (length && !utf8_valid(text, length))
		return fault(reterr, -EINVAL, code, "the text is not valid UTF-8");
	return 0;
}

static int entry_check(const struct list_entry *e, struct fault *reterr)
{
	char text[PREFIX_TEXT_SIZE];
	struct prefix masked = e->key.prefix;
	int r;

	if ((unsigned int)e->key.kind >= LIST_KIND_MAX)
		return fault(reterr, -EINVAL, "list.kind", "there is no list number %u",
			     (unsigned int)e->key.kind);
	if (masked.bits > 128)
		return fault(reterr, -EINVAL, "list.prefix", "a prefix has no %u bits",
			     (unsigned int)masked.bits);
	address_mask(masked.address, masked.bits);
	if (prefix_compare(&masked, &e->key.prefix) != 0) {
		prefix_format(&e->key.prefix, text);
		return fault(reterr, -EINVAL, "list.prefix", "'%s' has bits beyond its length",
			     text);
	}
	r = text_check(e->reason, LIST_REASON_MAX, "list.reason", reterr);
	if (r < 0)
		return r;
	return text_check(e->added_by, LIST_ADDED_BY_MAX, "list.added_by", reterr);
}

static int full(struct fault *reterr)
{
	return fault(reterr, -ENOSPC, "list.full", "the lists hold at most %u entries together",
		     WEIR_LIST_ENTRIES_MAX);
}

static int no_memory(struct fault *reterr)
{
	return fault(reterr, -ENOMEM, "list.memory", "no memory for a list entry");
}

static uint64_t deadline_to_monotonic(uint64_t until_ns, const struct list_now *now)
{
	if (until_ns == WEIR_FOREVER)
		return WEIR_FOREVER;
	if (until_ns <= now->real_ns) {
		uint64_t ago_ns = now->real_ns - until_ns;

		return ago_ns < now->monotonic_ns ? now->monotonic_ns - ago_ns : 0;
	}
	if (until_ns - now->real_ns >= WEIR_FOREVER - now->monotonic_ns)
		return WEIR_FOREVER - 1;
	return now->monotonic_ns + (until_ns - now->real_ns);
}

/* A checked copy of @entry under @origin. */
static int entry_new(const struct list_set *s, const struct list_entry *entry,
		     enum list_origin origin, const struct list_now *now, struct list_entry **ret,
		     struct fault *reterr)
{
	const char *reason = entry->reason ? entry->reason : "";
	const char *added_by = entry->added_by ? entry->added_by : "";
	size_t reason_size = strlen(reason) + 1, added_by_size = strlen(added_by) + 1;
	const struct list_entry *before;
	struct list_entry *e;
	char *strings;
	int r;

	r = entry_check(entry, reterr);
	if (r < 0)
		return r;
	e = malloc(sizeof(*e) + reason_size + added_by_size);
	if (!e)
		return no_memory(reterr);
	strings = (char *)(e + 1);
	memcpy(strings, reason, reason_size);
	memcpy(strings + reason_size, added_by, added_by_size);
	*e = *entry;
	e->key.origin = origin;
	e->reason = strings;
	e->added_by = strings + reason_size;
	before = list_set_find(s, &e->key);
	if (before && before->until_ns == e->until_ns)
		e->until_monotonic_ns = before->until_monotonic_ns;
	else
		e->until_monotonic_ns = deadline_to_monotonic(e->until_ns, now);
	*ret = e;
	return 0;
}

static int entries_reserve(struct entries *l, size_t size)
{
	struct list_entry **items;

	if (size <= l->size)
		return 0;
	if (size < 2 * l->size)
		size = 2 * l->size;
	items = reallocarray(l->items, size, sizeof(struct list_entry *));
	if (!items)
		return -ENOMEM;
	l->items = items;
	l->size = size;
	return 0;
}

/* Index of the first entry that is not before {@prefix, @origin}. */
static size_t entries_seek(const struct entries *l, const struct prefix *prefix,
			   enum list_origin origin)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (entry_compare(prefix, origin, l->items[middle]) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool entries_find(const struct entries *l, const struct list_key *key, size_t *ret)
{
	*ret = entries_seek(l, &key->prefix, key->origin);
	return *ret < l->count && entry_compare(&key->prefix, key->origin, l->items[*ret]) == 0;
}

/* Sort what was collected in any order and drop all but the first of equal keys. */
static void entries_sort(struct entries *l)
{
	size_t kept = 0;

	if (!l->count)
		return;
	qsort(l->items, l->count, sizeof(struct list_entry *), fresh_compare);
	for (size_t i = 1; i < l->count; i++) {
		struct list_entry *e = l->items[i];

		if (entry_compare(&e->key.prefix, e->key.origin, l->items[kept]) == 0)
			free(e);
		else
			l->items[++kept] = e;
	}
	l->count = kept + 1;
}

static size_t entries_count_of(const struct entries *l, enum list_origin origin)
{
	size_t count = 0;

	for (size_t i = 0; i < l->count; i++)
		count += l->items[i]->key.origin == origin;
	return count;
}

/* Move what @from has of other origins into @to, which has room for it, and free the rest. From the
 * back, so that nothing of @to is overwritten before it moved. */
static void entries_merge(struct entries *to, struct entries *from, enum list_origin origin)
{
	size_t left = to->count;
	size_t place = to->count + from->count - entries_count_of(from, origin);

	to->count = place;
	while (from->count > 0) {
		struct list_entry *e = from->items[--from->count];

		if (e->key.origin == origin) {
			free(e);
			continue;
		}
		while (left > 0 &&
		       entry_compare(&e->key.prefix, e->key.origin, to->items[left - 1]) < 0)
			to->items[--place] = to->items[--left];
		to->items[--place] = e;
	}
}

static void entries_done(struct entries *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i]);
	free(l->items);
}

int list_set_new(struct list_set **ret)
{
	struct list_set *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*ret = s;
	return 0;
}

void list_set_free(struct list_set *s)
{
	if (!s)
		return;
	for (unsigned int kind = 0; kind < LIST_KIND_MAX; kind++)
		entries_done(&s->lists[kind]);
	free(s);
}

int list_set_add(struct list_set *s, const struct list_entry *entry, const struct list_now *now,
		 struct fault *reterr)
{
	_cleanup_free_ struct list_entry *e = NULL;
	struct entries *l;
	size_t at;
	int r;

	assert((unsigned int)entry->key.origin < LIST_ORIGIN_MAX);
	r = entry_new(s, entry, entry->key.origin, now, &e, reterr);
	if (r < 0)
		return r;
	l = &s->lists[e->key.kind];
	if (entries_find(l, &e->key, &at)) {
		free(l->items[at]);
		l->items[at] = take_ptr(e);
		return 0;
	}
	if (s->lists[LIST_ALLOW].count + s->lists[LIST_BLOCK].count >= WEIR_LIST_ENTRIES_MAX)
		return full(reterr);
	if (entries_reserve(l, l->count + 1) < 0)
		return no_memory(reterr);
	memmove(l->items + at + 1, l->items + at, (l->count - at) * sizeof(struct list_entry *));
	l->items[at] = take_ptr(e);
	l->count++;
	return 0;
}

int list_set_remove(struct list_set *s, const struct list_key *key)
{
	struct entries *l = &s->lists[key->kind];
	size_t at;

	if (!entries_find(l, key, &at))
		return -ENOENT;
	free(l->items[at]);
	l->count--;
	memmove(l->items + at, l->items + at + 1, (l->count - at) * sizeof(struct list_entry *));
	return 0;
}

/* Fill @fresh with copies of @entries, with room for what stays of the other origins. */
static int fresh_fill(struct list_set *fresh, const struct list_set *s, enum list_origin origin,
		      const struct list_entry *entries, size_t count, const struct list_now *now,
		      struct fault *reterr)
{
	size_t total = 0;

	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ struct list_entry *e = NULL;
		struct entries *l;
		int r;

		r = entry_new(s, &entries[i], origin, now, &e, reterr);
		if (r < 0)
			return r;
		l = &fresh->lists[e->key.kind];
		if (entries_reserve(l, l->count + 1) < 0)
			return no_memory(reterr);
		l->items[l->count++] = take_ptr(e);
	}
	for (unsigned int kind = 0; kind < LIST_KIND_MAX; kind++) {
		const struct entries *old = &s->lists[kind];
		struct entries *l = &fresh->lists[kind];
		size_t after;

		entries_sort(l);
		after = l->count + old->count - entries_count_of(old, origin);
		if (entries_reserve(l, after) < 0)
			return no_memory(reterr);
		total += after;
	}
	return total > WEIR_LIST_ENTRIES_MAX ? full(reterr) : 0;
}

int list_set_replace_origin(struct list_set *s, enum list_origin origin,
			    const struct list_entry *entries, size_t count,
			    const struct list_now *now, struct fault *reterr)
{
	_cleanup_(list_set_freep) struct list_set *fresh = NULL;
	int r;

	assert((unsigned int)origin < LIST_ORIGIN_MAX);
	if (list_set_new(&fresh) < 0)
		return no_memory(reterr);
	r = fresh_fill(fresh, s, origin, entries, count, now, reterr);
	if (r < 0)
		return r;
	/* Nothing can fail from here on. */
	for (unsigned int kind = 0; kind < LIST_KIND_MAX; kind++) {
		struct entries old = s->lists[kind];

		entries_merge(&fresh->lists[kind], &old, origin);
		s->lists[kind] = fresh->lists[kind];
		fresh->lists[kind] = old;
	}
	return 0;
}

const struct list_entry *list_set_find(const struct list_set *s, const struct list_key *key)
{
	const struct entries *l = &s->lists[key->kind];
	size_t at;

	return entries_find(l, key, &at) ? l->items[at] : NULL;
}

const struct list_entry *list_set_next(const struct list_set *s, const struct list_key *after)
{
	unsigned int kind = after ? (unsigned int)after->kind : 0;
	size_t at = 0;

	if (after && entries_find(&s->lists[kind], after, &at))
		at++;
	for (; kind < LIST_KIND_MAX; kind++, at = 0)
		if (at < s->lists[kind].count)
			return s->lists[kind].items[at];
	return NULL;
}

const struct list_entry *const *list_set_entries(const struct list_set *s, enum list_kind kind,
						 size_t *ret_count)
{
	*ret_count = s->lists[kind].count;
	return (const struct list_entry *const *)s->lists[kind].items;
}

size_t list_set_covering(const struct list_set *s, const uint8_t address[static 16],
			 uint64_t now_monotonic_ns,
			 const struct list_entry *ret[static LIST_COVERING_MAX])
{
	unsigned int shortest = address_is_ipv4(address) ? 96 : 0;
	size_t count = 0;

	for (unsigned int kind = 0; kind < LIST_KIND_MAX; kind++) {
		const struct entries *l = &s->lists[kind];

		for (unsigned int bits = shortest; bits <= 128; bits++) {
			struct prefix p = {.bits = (uint8_t)bits};
			size_t at;

			memcpy(p.address, address, sizeof(p.address));
			address_mask(p.address, bits);
			at = entries_seek(l, &p, 0);
			for (; at < l->count; at++) {
				if (prefix_compare(&p, &l->items[at]->key.prefix) != 0)
					break;
				if (list_entry_active(l->items[at], now_monotonic_ns))
					ret[count++] = l->items[at];
			}
		}
	}
	return count;
}

struct list_count list_set_count(const struct list_set *s, enum list_kind kind)
{
	const struct entries *l = &s->lists[kind];
	struct list_count count = {0};

	for (size_t i = 0; i < l->count; i++) {
		if (l->items[i]->key.prefix.bits == 128)
			count.addresses++;
		else
			count.prefixes++;
	}
	return count;
}

uint64_t list_set_next_deadline(const struct list_set *s)
{
	uint64_t next_ns = WEIR_FOREVER;

	for (unsigned int kind = 0; kind < LIST_KIND_MAX; kind++) {
		const struct entries *l = &s->lists[kind];

		for (size_t i = 0; i < l->count; i++)
			if (l->items[i]->until_monotonic_ns < next_ns)
				next_ns = l->items[i]->until_monotonic_ns;
	}
	return next_ns;
}

size_t list_set_remove_expired(struct list_set *s, uint64_t now_monotonic_ns,
			       void (*removed)(const struct list_entry *entry, void *userdata),
			       void *userdata)
{
	size_t removed_count = 0;

	for (unsigned int kind = 0; kind < LIST_KIND_MAX; kind++) {
		struct entries *l = &s->lists[kind];
		size_t kept = 0;

		for (size_t i = 0; i < l->count; i++) {
			struct list_entry *e = l->items[i];

			if (list_entry_active(e, now_monotonic_ns)) {
				l->items[kept++] = e;
				continue;
			}
			if (removed)
				removed(e, userdata);
			free(e);
			removed_count++;
		}
		l->count = kept;
	}
	return removed_count;
}
