/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The entries together. They are sorted, so that whatever covers an entry comes before it, and a stack of what
 * covers the current one is all that has to be looked at.
 */
#include <string.h>

#include "import/internal.h"

#define COVERING_MAX 1024 /* 129 lengths on two lists, for some chains */
#define DROPPED	     LIST_KIND_MAX

static int compare(const void *a, const void *b)
{
	const struct import_entry *x = a, *y = b;
	int order = prefix_compare(&x->prefix, &y->prefix);

	if (order)
		return order;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->chain != y->chain)
		return x->chain < y->chain ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/*
 * A rule that lets a source pass says so of packets that come to it, and only for its own chain; weir's allow list is asked
 * before everything else. They agree on the sources of a rule that blocks only if the one that lets them pass comes first in
 * the same chain.
 */
static bool disagree(const struct import_entry *allow, const struct import_entry *block)
{
	return allow->chain && block->chain &&
	       !(allow->chain == block->chain && allow->order < block->order);
}

static void withdraw(struct import *i, struct import_entry *allow)
{
	struct place_in place = {.name = import_reason(i, allow)};
	char text[PREFIX_TEXT_SIZE];

	prefix_format(&allow->prefix, text);
	import_note(
		i, IMPORT_SKIPPED, &place, text, strlen(text),
		"another rule drops some of it, in an earlier place or another chain, and weir's "
		"allow list would win");
	allow->kind = DROPPED;
}

struct stack {
	struct import_entry *items[COVERING_MAX];
	size_t count;
	bool overflowed;
};

static void push(struct stack *s, struct import_entry *e)
{
	if (s->count < COVERING_MAX)
		s->items[s->count++] = e;
	else
		s->overflowed = true;
}

/* Leave on the stack what covers @e. */
static void unwind(struct stack *s, const struct import_entry *e)
{
	while (s->count && !prefix_covers(&s->items[s->count - 1]->prefix, &e->prefix))
		s->count--;
}

static void withdraw_contradictions(struct import *i)
{
	struct stack s = {0};

	for (size_t n = 0; n < i->count; n++) {
		struct import_entry *e = &i->entries[n];

		unwind(&s, e);
		for (size_t k = 0; k < s.count && e->kind != DROPPED; k++) {
			struct import_entry *other = s.items[k];

			if (e->kind == LIST_ALLOW && other->kind == LIST_BLOCK &&
			    disagree(e, other))
				withdraw(i, e);
			else if (e->kind == LIST_BLOCK && other->kind == LIST_ALLOW &&
				 disagree(other, e))
				withdraw(i, other);
		}
		push(&s, e);
		if (s.overflowed && e->kind == LIST_ALLOW && e->chain)
			withdraw(i, e);
	}
}

/* Of the same prefix in the same place the first is what rules come to; the latest end holds. */
static void merge_equal(struct import *i)
{
	struct import_entry *kept = i->entries;

	for (size_t n = 1; n < i->count; n++) {
		const struct import_entry *e = &i->entries[n];

		if (e->kind != kept->kind || e->chain != kept->chain ||
		    prefix_compare(&e->prefix, &kept->prefix) != 0) {
			*++kept = *e;
			continue;
		}
		if (e->seconds > kept->seconds) {
			kept->seconds = e->seconds;
			kept->reason = e->reason;
		}
		i->covered++;
	}
	i->count = (size_t)(kept - i->entries) + 1;
}

/* One that is covered by another of its list, which holds at least as long, says nothing. */
static void drop_covered(struct import *i)
{
	struct stack s = {0};

	for (size_t n = 0; n < i->count; n++) {
		struct import_entry *e = &i->entries[n];
		uint8_t kind = e->kind;

		if (kind == DROPPED)
			continue;
		unwind(&s, e);
		for (size_t k = 0; k < s.count; k++)
			if (s.items[k]->kind == kind && s.items[k]->seconds >= e->seconds)
				e->kind = DROPPED;
		i->covered += e->kind == DROPPED;
		if (e->kind != DROPPED)
			push(&s, e);
	}
}

void import_tidy(struct import *i)
{
	size_t kept = 0;

	if (i->error || !i->count)
		return;
	qsort(i->entries, i->count, sizeof(*i->entries), compare);
	merge_equal(i);
	withdraw_contradictions(i);
	drop_covered(i);
	for (size_t n = 0; n < i->count; n++)
		if (i->entries[n].kind != DROPPED)
			i->entries[kept++] = i->entries[n];
	i->count = kept;
}
