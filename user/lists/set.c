/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changes of the set. Each is checked as a whole first, then what is new is added, which can still fail for
 * lack of memory and is undone then, and what is old is removed last, which cannot.
 */
#include "lists/set.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "lists/internal.h"

const struct node_key all_of_ip4 = {.low = 0xffffULL << 32, .bits = 96};

static const char *const kind_names[] = {
	[LIST_ALLOW] = "allow",
	[LIST_BLOCK] = "block",
};
_Static_assert(ARRAY_SIZE(kind_names) == LIST_KIND_MAX, "a kind has no name");

static const char *const origin_names[] = {
	[LIST_POLICY] = "policy", [LIST_OPERATOR] = "operator",	  [LIST_FEED] = "feed",
	[LIST_KEPT] = "kept",	  [LIST_RECOVERED] = "recovered",
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

int no_memory(struct fault *reterr)
{
	return fault(reterr, -ENOMEM, "list.memory", "no memory for a list entry");
}

uint64_t deadline_to_monotonic(uint64_t until_ns, const struct list_now *now)
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

int list_set_new(struct list_set **ret)
{
	_cleanup_(list_set_freep) struct list_set *s = calloc(1, sizeof(*s));
	struct node_at at;

	if (!s)
		return -ENOMEM;
	s->items.free = NO_ITEM;
	nodes_seek(&s->nodes, &all_of_ip4, &at);
	if (!nodes_insert(&s->nodes, &at, &all_of_ip4))
		return -ENOMEM;
	*ret = take_ptr(s);
	return 0;
}

static void source_done(struct source *source)
{
	free(source->name);
	free(source->file);
	free(source->reason);
	list_content_free(source->content);
	*source = (struct source){0};
}

void list_set_free(struct list_set *s)
{
	if (!s)
		return;
	nodes_done(&s->nodes);
	for (size_t i = 0; i < s->items.chunk_count; i++)
		free(s->items.chunks[i]);
	free(s->items.chunks);
	strings_done(&s->strings);
	deadlines_done(&s->deadlines);
	for (size_t i = 0; i < SOURCE_MAX; i++)
		source_done(&s->sources[i]);
	free(s->dirty);
	free(s);
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

/* What is about to be added, with what it replaces. Holds its strings until it is in the set. */
struct fresh {
	struct place place;
	struct item item;
	const struct list_entry *from;
	uint32_t old; /* NO_ITEM: the key is new */
};

static uint32_t find_place(const struct list_set *s, const struct place *p)
{
	const struct node *node = nodes_find(set_nodes(s), &p->key);

	return node ? item_find(s, node, p->kind, p->source) : NO_ITEM;
}

static int fresh_init(struct list_set *s, const struct list_entry *e, unsigned int source,
		      struct fresh *ret, struct fault *reterr)
{
	int r = entry_check(e, reterr);

	if (r < 0)
		return r;
	*ret = (struct fresh){
		.place = {node_key(&e->key.prefix), e->key.kind, source},
		.item = {.until_ns = e->until_ns,
			 .added_ns = e->added_ns,
			 .line = e->line,
			 .source = (uint16_t)source},
		.from = e,
	};
	ret->old = find_place(s, &ret->place);
	return 0;
}

/* What can fail, before anything changes. */
static int fresh_prepare(struct list_set *s, struct fresh *f, const struct list_now *now)
{
	const struct item *old = f->old != NO_ITEM ? item_of(s, f->old) : NULL;

	if (old && old->until_ns == f->item.until_ns)
		f->item.until_monotonic_ns = old->until_monotonic_ns;
	else
		f->item.until_monotonic_ns = deadline_to_monotonic(f->item.until_ns, now);
	if (strings_take(&s->strings, f->from->reason ?: "", &f->item.reason) < 0)
		return -ENOMEM;
	if (strings_take(&s->strings, f->from->added_by ?: "", &f->item.added_by) == 0)
		return 0;
	strings_release(&s->strings, f->item.reason);
	return -ENOMEM;
}

static void fresh_drop(struct list_set *s, const struct fresh *f)
{
	strings_release(&s->strings, f->item.reason);
	strings_release(&s->strings, f->item.added_by);
}

/* There is room in the deadlines. */
static void fresh_replace(struct list_set *s, struct fresh *f)
{
	struct item *old = item_of(s, f->old);

	if (old->until_monotonic_ns != f->item.until_monotonic_ns) {
		const struct deadline d = {f->item.until_monotonic_ns, f->place.key,
					   (uint16_t)f->place.source, (uint8_t)f->place.kind};

		s->timed -= old->until_ns != WEIR_FOREVER;
		s->timed += f->item.until_ns != WEIR_FOREVER;
		if (f->item.until_ns != WEIR_FOREVER)
			deadlines_push(&s->deadlines, &d);
		set_mark(s, &f->place.key);
	}
	strings_release(&s->strings, old->reason);
	strings_release(&s->strings, old->added_by);
	f->item.next = old->next;
	f->item.kind = old->kind;
	*old = f->item;
}

static bool deadline_holds(const struct deadline *d, void *userdata)
{
	const struct list_set *s = userdata;
	const struct place p = {d->key, d->kind, d->source};
	uint32_t number = find_place(s, &p);

	return number != NO_ITEM && item_of(s, number)->until_monotonic_ns == d->until_ns;
}

/* Notes of deadlines that are no more: never let them be first, nor be the most. */
static void tidy_deadlines(struct list_set *s)
{
	const struct deadline *first;

	if (s->deadlines.count > 2 * s->timed + 1024)
		deadlines_filter(&s->deadlines, deadline_holds, s);
	while ((first = deadlines_first(&s->deadlines)) && !deadline_holds(first, s))
		deadlines_pop(&s->deadlines);
}

int list_set_add(struct list_set *s, const struct list_entry *entry, const struct list_now *now,
		 struct fault *reterr)
{
	struct fresh f;
	struct room room;
	int r;

	assert(entry->key.origin == LIST_POLICY || entry->key.origin == LIST_OPERATOR ||
	       entry->key.origin == LIST_RECOVERED);
	r = fresh_init(s, entry, source_of(&entry->key), &f, reterr);
	if (r < 0)
		return r;
	if (f.old == NO_ITEM) {
		room_begin(&room, s);
		room_add(&room, s, &f.place.key);
		r = room_check(&room, reterr);
		if (r < 0)
			return r;
	}
	if (deadlines_reserve(&s->deadlines, 1) < 0 || fresh_prepare(s, &f, now) < 0)
		return no_memory(reterr);
	if (f.old != NO_ITEM) {
		fresh_replace(s, &f);
	} else if (place_add(s, &f.place, &f.item) < 0) {
		fresh_drop(s, &f);
		return no_memory(reterr);
	}
	tidy_deadlines(s);
	return 0;
}

int list_set_remove(struct list_set *s, const struct list_key *key)
{
	const struct place p = {node_key(&key->prefix), key->kind, source_of(key)};

	assert(key->origin != LIST_FEED);
	if (find_place(s, &p) == NO_ITEM)
		return -ENOENT;
	place_remove(s, &p);
	tidy_deadlines(s);
	return 0;
}

static int place_compare(const struct place *a, const struct place *b)
{
	int r = node_key_compare(&a->key, &b->key);

	return r ? r : (int)a->kind - (int)b->kind;
}

/* For qsort(): of equal keys the later deadline first. */
static int fresh_compare(const void *a, const void *b)
{
	const struct fresh *x = a, *y = b;
	int r = place_compare(&x->place, &y->place);

	return r ? r
		 : (x->item.until_ns < y->item.until_ns) - (x->item.until_ns > y->item.until_ns);
}

static size_t count_of(const struct list_set *s, unsigned int source)
{
	size_t sum = 0;

	for (unsigned int kind = 0; kind < LIST_KIND_MAX; kind++)
		sum += s->sources[source].count[kind].addresses +
		       s->sources[source].count[kind].prefixes;
	return sum;
}

/* The places of all entries of @source that are not among @fresh; both in order. */
static int find_stale(struct list_set *s, unsigned int source, const struct fresh *fresh,
		      size_t count, struct place **ret, size_t *ret_count)
{
	_cleanup_free_ struct place *stale = NULL;
	struct node_at at = {0};
	struct node *node;
	size_t found = 0, size = 0, i = 0, missing = count_of(s, source);

	for (size_t j = 0; j < count; j++)
		missing -= fresh[j].old != NO_ITEM;
	/* Of a million entries of others, none is looked at if all are to stay. */
	for (; found < missing && (node = nodes_get(&s->nodes, &at)); at.slot++) {
		for (uint32_t n = node->items; n != NO_ITEM; n = item_of(s, n)->next) {
			struct place p = {node_key_of(node), item_of(s, n)->kind, source};
			struct place *bigger;

			if (item_of(s, n)->source != source)
				continue;
			while (i < count && place_compare(&fresh[i].place, &p) < 0)
				i++;
			if (i < count && place_compare(&fresh[i].place, &p) == 0)
				continue;
			if (found == size) {
				size = size ? 2 * size : 64;
				bigger = reallocarray(stale, size, sizeof(*stale));
				if (!bigger)
					return -ENOMEM;
				stale = bigger;
			}
			stale[found++] = p;
		}
	}
	*ret = take_ptr(stale);
	*ret_count = found;
	return 0;
}

/* Add what is new, undo it if that fails; then replace what is changed and remove what is @stale. */
static int exchange(struct list_set *s, struct fresh *fresh, size_t count,
		    const struct place *stale, size_t stale_count, const struct list_now *now)
{
	size_t prepared = 0, added = 0;
	int r = deadlines_reserve(&s->deadlines, count);

	while (r == 0 && prepared < count) {
		r = fresh_prepare(s, &fresh[prepared], now);
		prepared += r == 0;
	}
	while (r == 0 && added < count) {
		if (fresh[added].old == NO_ITEM)
			r = place_add(s, &fresh[added].place, &fresh[added].item);
		added += r == 0;
	}
	if (r < 0) {
		for (size_t i = 0; i < prepared; i++)
			if (i < added && fresh[i].old == NO_ITEM)
				place_remove(s, &fresh[i].place);
			else
				fresh_drop(s, &fresh[i]);
		return r;
	}
	for (size_t i = 0; i < count; i++)
		if (fresh[i].old != NO_ITEM)
			fresh_replace(s, &fresh[i]);
	for (size_t i = 0; i < stale_count; i++)
		place_remove(s, &stale[i]);
	tidy_deadlines(s);
	return 0;
}

int list_set_replace_origin(struct list_set *s, enum list_origin origin,
			    const struct list_entry *entries, size_t count,
			    const struct list_now *now, struct fault *reterr)
{
	_cleanup_free_ struct fresh *fresh = calloc(count + 1, sizeof(*fresh));
	_cleanup_free_ struct place *stale = NULL;
	size_t stale_count, kept = 0;
	struct room room;
	int r;

	assert(origin == LIST_POLICY || origin == LIST_OPERATOR);
	if (!fresh)
		return no_memory(reterr);
	for (size_t i = 0; i < count; i++) {
		r = fresh_init(s, &entries[i], origin, &fresh[i], reterr);
		if (r < 0)
			return r;
	}
	qsort(fresh, count, sizeof(*fresh), fresh_compare);
	for (size_t i = 0; i < count; i++)
		if (!i || place_compare(&fresh[kept - 1].place, &fresh[i].place) != 0)
			fresh[kept++] = fresh[i];
	if (find_stale(s, origin, fresh, kept, &stale, &stale_count) < 0)
		return no_memory(reterr);
	room_begin(&room, s);
	for (size_t i = 0; i < kept; i++)
		if (fresh[i].old == NO_ITEM)
			room_add(&room, s, &fresh[i].place.key);
	for (size_t i = 0; i < stale_count; i++)
		room_remove(&room, s, &stale[i]);
	r = room_check(&room, reterr);
	if (r < 0)
		return r;
	return exchange(s, fresh, kept, stale, stale_count, now) < 0 ? no_memory(reterr) : 0;
}

uint64_t list_set_next_deadline(const struct list_set *s)
{
	const struct deadline *first = deadlines_first(&s->deadlines);

	return first ? first->until_ns : WEIR_FOREVER;
}

size_t list_set_remove_expired(struct list_set *s, uint64_t now_monotonic_ns,
			       void (*removed)(const struct list_entry *entry, void *userdata),
			       void *userdata)
{
	const struct deadline *first;
	size_t count = 0;

	while ((first = deadlines_first(&s->deadlines)) && first->until_ns <= now_monotonic_ns) {
		const struct place p = {first->key, first->kind, first->source};
		bool holds = deadline_holds(first, s);
		struct list_entry entry;

		deadlines_pop(&s->deadlines);
		if (!holds)
			continue;
		entry_view(s, &p.key, item_of(s, find_place(s, &p)), &entry);
		if (removed)
			removed(&entry, userdata);
		place_remove(s, &p);
		count++;
	}
	tidy_deadlines(s);
	return count;
}
