/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/outlook.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"

struct outlook {
	const struct list_set *lists;
	struct list_set *own; /* the policy's entries */
	struct outlook_feed *feeds;
	size_t feed_count, feed_size;
	bool gone[LIST_FEEDS_MAX]; /* feeds of the lists, by their number there */
	uint64_t now_ns;	   /* CLOCK_MONOTONIC */
};

/* How long an entry holds is not asked: it will be there. */
static void add_entries(struct list_entry *to, const struct policy_list *list, enum list_kind kind)
{
	for (size_t i = 0; i < list->count; i++)
		to[i] = (struct list_entry){
			.key = {.kind = kind, .prefix = list->entries[i].prefix},
			.until_ns = WEIR_FOREVER,
			.added_by = "",
			.reason = "",
		};
}

int outlook_new(const struct list_set *lists, const struct policy *policy, struct outlook **ret,
		struct fault *reterr)
{
	const struct policy_list *allow = &policy->allow, *block = &policy->block;
	size_t count = allow->count + block->count;
	struct list_now now = {clock_real_ns(), clock_monotonic_ns()};
	_cleanup_free_ struct list_entry *entries = calloc(count + 1, sizeof(*entries));
	_cleanup_(outlook_freep) struct outlook *o = calloc(1, sizeof(*o));
	int r;

	if (o) {
		o->lists = lists;
		o->now_ns = now.monotonic_ns;
		o->feed_size = allow->feed_count + block->feed_count;
		o->feeds = calloc(o->feed_size + 1, sizeof(*o->feeds));
	}
	if (!entries || !o || !o->feeds || list_set_new(&o->own) < 0)
		return fault(reterr, -ENOMEM, "policy.memory", "out of memory");
	add_entries(entries, allow, LIST_ALLOW);
	add_entries(entries + allow->count, block, LIST_BLOCK);
	r = list_set_replace_origin(o->own, LIST_POLICY, entries, count, &now, reterr);
	if (r < 0)
		return r;
	*ret = take_ptr(o);
	return 0;
}

void outlook_free(struct outlook *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->feed_count; i++)
		list_content_free(o->feeds[i].content);
	free(o->feeds);
	list_set_free(o->own);
	free(o);
}

void outlook_add_feed(struct outlook *o, const struct outlook_feed *feed)
{
	struct outlook_feed *to = &o->feeds[o->feed_count];

	assert(o->feed_count < o->feed_size);
	o->feed_count++;
	*to = *feed;
	for (size_t i = 0; to->content && i < to->content->count; i++)
		to->lengths[to->content->entries[i].prefix.bits] = true;
}

void outlook_drop_feed(struct outlook *o, unsigned int id)
{
	assert(id < LIST_FEEDS_MAX);
	o->gone[id] = true;
}

bool outlook_drops(const struct outlook *o, unsigned int id)
{
	return id < LIST_FEEDS_MAX && o->gone[id];
}

int outlook_refused(const struct outlook *o, struct fault *reterr)
{
	for (size_t i = 0; i < o->feed_count; i++) {
		if (!o->feeds[i].fault.err)
			continue;
		if (reterr)
			*reterr = o->feeds[i].fault;
		return o->feeds[i].fault.err;
	}
	return 0;
}

const struct outlook_feed *outlook_feed(const struct outlook *o, size_t index)
{
	return index < o->feed_count ? &o->feeds[index] : NULL;
}

/* As lists have it: what is shorter than all of IPv4 covers IPv6 only. */
static bool feed_lists(const struct outlook_feed *feed, const uint8_t address[static 16])
{
	struct prefix prefix;

	for (unsigned int bits = address_is_ipv4(address) ? 96 : 0; feed->content && bits <= 128;
	     bits++) {
		if (!feed->lengths[bits])
			continue;
		prefix.bits = (uint8_t)bits;
		memcpy(prefix.address, address, sizeof(prefix.address));
		address_mask(prefix.address, bits);
		if (list_content_find(feed->content, &prefix))
			return true;
	}
	return false;
}

static bool stays(const struct outlook *o, const struct list_key *key)
{
	return key->origin != LIST_POLICY && !(key->origin == LIST_FEED && o->gone[key->feed]);
}

void outlook_ask(const struct outlook *o, const uint8_t address[static 16],
		 bool ret_listed[static LIST_KIND_MAX])
{
	struct list_entry entries[LIST_COVERING_MAX];
	size_t count = list_set_covering(o->own, address, o->now_ns, entries);

	memset(ret_listed, 0, LIST_KIND_MAX * sizeof(*ret_listed));
	for (size_t i = 0; i < count; i++)
		ret_listed[entries[i].key.kind] = true;
	count = list_set_covering(o->lists, address, o->now_ns, entries);
	for (size_t i = 0; i < count; i++)
		if (stays(o, &entries[i].key))
			ret_listed[entries[i].key.kind] = true;
	for (size_t i = 0; i < o->feed_count; i++)
		if (feed_lists(&o->feeds[i], address))
			ret_listed[o->feeds[i].kind] = true;
}

void outlook_count(struct outlook *o, const uint8_t address[static 16])
{
	for (size_t i = 0; i < o->feed_count; i++) {
		struct outlook_feed *feed = &o->feeds[i];

		if (!feed_lists(feed, address))
			continue;
		if (feed->hosts < OUTLOOK_EXAMPLES)
			memcpy(feed->examples[feed->hosts], address, 16);
		feed->hosts++;
	}
}
