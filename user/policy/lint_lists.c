/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Warnings about lists: entries that change nothing, because another one says the same or wins; and
 * what prefixes cover together. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "policy/lint.h"

/* An entry on its way into order. */
struct listed {
	const struct policy_entry *entry;
	bool allow;
};

static int compare_prefixes(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

/* Wider before narrower, allow before block, and the first of the text first. */
static int compare_listed(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;
	int order = prefix_compare(&x->entry->prefix, &y->entry->prefix);

	if (order)
		return order;
	if (x->allow != y->allow)
		return x->allow ? -1 : 1;
	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

/* IPv4 is a corner of the IPv6 addresses, but ::/0 says nothing of it. */
static bool is_ipv4(const struct prefix *p)
{
	return address_is_ipv4(p->address) && p->bits >= 96;
}

static bool covers(const struct prefix *p, const struct prefix *other)
{
	return is_ipv4(p) == is_ipv4(other) && prefix_covers(p, other);
}

void lint_sort(struct prefix *prefixes, size_t count)
{
	qsort(prefixes, count, sizeof(*prefixes), compare_prefixes);
}

static unsigned __int128 number_of(const uint8_t address[static 16])
{
	unsigned __int128 number = 0;

	for (size_t i = 0; i < 16; i++)
		number = number << 8 | address[i];
	return number;
}

static unsigned __int128 last_of(const struct prefix *p)
{
	unsigned __int128 host = p->bits >= 128 ? 0 : ~(unsigned __int128)0 >> p->bits;

	return number_of(p->address) | host;
}

bool lint_is_covered(const struct prefix *p, const struct prefix *others, size_t count, bool longer)
{
	unsigned __int128 next = number_of(p->address), last = last_of(p);

	for (size_t i = 0; i < count; i++) {
		const struct prefix *o = &others[i];

		if (longer ? o->bits <= p->bits || !covers(p, o) : !covers(p, o) && !covers(o, p))
			continue;
		if (number_of(o->address) > next)
			return false; /* sorted: nothing behind it fills the gap */
		if (last_of(o) >= last)
			return true;
		if (last_of(o) >= next)
			next = last_of(o) + 1;
	}
	return false;
}

static size_t keep_constant(const struct policy_list *list, struct prefix *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		if (!list->entries[i].ttl_ns)
			ret[count++] = list->entries[i].prefix;
	return count;
}

int lint_init(struct lint *l)
{
	const struct policy *p = l->policy;
	size_t prefixes = 1;

	for (size_t i = 0; i < p->tenant_count; i++)
		prefixes += p->tenants[i].dst_count + p->tenants[i].src_count;
	l->prefixes = calloc(prefixes, sizeof(*l->prefixes));
	l->decided = calloc(p->allow.count + p->block.count + 1, sizeof(*l->decided));
	if (!l->prefixes || !l->decided)
		return -ENOMEM;
	l->decided_count = keep_constant(&p->allow, l->decided);
	l->decided_count += keep_constant(&p->block, l->decided + l->decided_count);
	lint_sort(l->decided, l->decided_count);
	return 0;
}

void lint_done(struct lint *l)
{
	free(l->prefixes);
	free(l->decided);
}

bool lint_is_decided(const struct lint *l, const struct prefix *sources, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!lint_is_covered(&sources[i], l->decided, l->decided_count, false))
			return false;
	return true;
}

static bool lasts(const struct policy_entry *wide, const struct policy_entry *e)
{
	return !wide->ttl_ns || (e->ttl_ns && e->ttl_ns <= wide->ttl_ns);
}

static void warn_entry(struct lint *l, const struct listed *e, const struct listed *wide)
{
	char text[PREFIX_TEXT_SIZE], other[PREFIX_TEXT_SIZE];
	unsigned int line = wide->entry->line;

	prefix_format(&e->entry->prefix, text);
	prefix_format(&wide->entry->prefix, other);
	if (e->allow != wide->allow)
		diagnose_warning(l->report, &e->entry->place, "policy.list.allowed",
				 "'%s' is blocked in vain: '%s' (line %u) is on the allow list, "
				 "which wins",
				 text, other, line);
	else if (e->entry->prefix.bits == wide->entry->prefix.bits)
		diagnose_warning(l->report, &e->entry->place, "policy.list.twice",
				 "'%s' is on the list already (line %u)", text, line);
	else
		diagnose_warning(l->report, &e->entry->place, "policy.list.covered",
				 "'%s' changes nothing: '%s' (line %u) covers it", text, other,
				 line);
}

/* An entry that covers everything of its family leaves nothing to block or to limit. */
static void warn_everything(struct lint *l, const struct listed *e)
{
	bool v4 = is_ipv4(&e->entry->prefix);

	if (e->allow && e->entry->prefix.bits == (v4 ? 96 : 0))
		diagnose_warning(l->report, &e->entry->place, "policy.list.everything",
				 "every %s source is allowed: nothing blocks or limits one",
				 v4 ? "IPv4" : "IPv6");
}

/* In order, the entries that cover the next one lie on each other like the pages of a book. */
static void sweep(struct lint *l, struct listed *entries, size_t count, const struct listed **open)
{
	size_t depth = 0;

	for (size_t i = 0; i < count && !l->report->full; i++) {
		const struct listed *e = &entries[i], *same = NULL, *allowed = NULL;

		while (depth && !prefix_covers(&open[depth - 1]->entry->prefix, &e->entry->prefix))
			depth--;
		for (size_t d = depth; d-- && !(same && allowed);) {
			if (!lasts(open[d]->entry, e->entry) ||
			    !covers(&open[d]->entry->prefix, &e->entry->prefix))
				continue;
			if (open[d]->allow == e->allow && !same)
				same = open[d];
			if (open[d]->allow && !e->allow && !allowed)
				allowed = open[d];
		}
		if (allowed || same)
			warn_entry(l, e, allowed ? allowed : same);
		warn_everything(l, e);
		/* A second one of the same prefix says nothing that the first one does not. */
		if (!same || same->entry->prefix.bits != e->entry->prefix.bits)
			open[depth++] = e;
	}
}

int lint_lists(struct lint *l)
{
	const struct policy *p = l->policy;
	size_t count = p->allow.count + p->block.count;
	_cleanup_free_ struct listed *entries = calloc(count + 1, sizeof(*entries));
	_cleanup_free_ const struct listed **open = calloc(count + 1, sizeof(struct listed *));

	if (!entries || !open)
		return -ENOMEM;
	for (size_t i = 0; i < p->allow.count; i++)
		entries[i] = (struct listed){.entry = &p->allow.entries[i], .allow = true};
	for (size_t i = 0; i < p->block.count; i++)
		entries[p->allow.count + i] = (struct listed){.entry = &p->block.entries[i]};
	qsort(entries, count, sizeof(*entries), compare_listed);
	sweep(l, entries, count, open);
	return 0;
}
