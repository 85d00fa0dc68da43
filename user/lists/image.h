/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel must hold for a set of lists: each distinct prefix once, with the deadlines of
 * itself and of all that cover it, so that one longest-prefix lookup decides. And the way from what the
 * kernel holds to that, in an order in which every address has, after each single step, either its old
 * verdict or its new one.
 *
 * The set remembers what the kernel was told. A change marks the prefix it is about; an update then goes
 * over the marked prefixes and what lies under them and nothing else, so its cost is that of the change
 * and not that of the lists.
 *
 * A prefix shorter than ::ffff:0:0/96 means IPv6 addresses only, so 'block ::/0' doesn't cut off IPv4.
 * Where there is one, the image has an entry for ::ffff:0:0/96 that stops it, if need be with a value
 * of zeros (neither allowed nor blocked).
 */
#ifndef LISTS_IMAGE_H
#define LISTS_IMAGE_H

#include <weir/list.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "lists/set.h"

/* Entries of an image at most: those of a set, and ::ffff:0:0/96. */
#define LIST_IMAGE_MAX (WEIR_LIST_ENTRIES_MAX + 1)

/* Deadlines, CLOCK_MONOTONIC; WEIR_FOREVER = for ever. */
struct list_value {
	uint64_t allow_until_ns; /* allowed before this; 0 = not allowed */
	uint64_t block_until_ns;
};

struct list_image_entry {
	struct prefix prefix;
	struct list_value value;
};

struct list_image {
	struct list_image_entry *entries; /* in the order of prefix_compare(), no prefix twice */
	size_t count;
};

void list_image_done(struct list_image *image);

/* Put the entries, which are from malloc(), in order. */
void list_image_sort(struct list_image *image);

/* The deadline that the kernel makes of this one: it keeps them in units of 2^WEIR_UNTIL_SHIFT ns, rounded up. */
uint64_t list_until_round(uint64_t until_ns);

/** What the kernel's lookup will find for @address: the value of the longest prefix, or NULL. */
const struct list_value *list_image_lookup(const struct list_image *image,
					   const uint8_t address[static 16]);

/*
 * Steps. Apply all upserts in the given order (longer prefixes before those that cover them), then all
 * deletes in the given order (the other way round). Until the deletes are done the kernel holds what was
 * and what shall be.
 */
struct list_diff {
	struct list_image_entry *upserts; /* new prefixes and new values */
	size_t upsert_count;
	struct prefix *deletes;
	size_t delete_count;
};

void list_diff_done(struct list_diff *diff);

/**
 * The steps from what the kernel holds to what @s asks for at @now_monotonic_ns; expired entries are left out.
 * From then on @s takes the steps as done: if they fail, or if this returns -ENOMEM, say by
 * list_image_adopt() what the kernel holds. A deadline that differs by less than the kernel's unit is none
 * that changed. The caller ends @ret with list_diff_done().
 */
int list_image_update(struct list_set *s, uint64_t now_monotonic_ns, struct list_diff *ret);

/**
 * The kernel holds @held, whatever was thought before: the next update starts from there. In the order of
 * prefix_compare(). -ENOMEM: ask again.
 */
int list_image_adopt(struct list_set *s, const struct list_image *held);

/** What the kernel is thought to hold; the caller ends it with list_image_done(). -ENOMEM. */
int list_image_copy(const struct list_set *s, struct list_image *ret);

#endif
