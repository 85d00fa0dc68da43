/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel must hold for a set of lists: each distinct prefix once, with the deadlines of
 * itself and of all that cover it, so that one longest-prefix lookup decides. And the way from one
 * image to the next, in an order in which every address has, after each single step, either its old
 * verdict or its new one.
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

struct list_image_entry {
	struct prefix prefix;
	struct weir_list_value value;
};

struct list_image {
	struct list_image_entry *entries; /* in the order of prefix_compare(), no prefix twice */
	size_t count;
};

/**
 * The image of @s at @now_monotonic_ns; expired entries are left out. The caller ends it with
 * list_image_done(). -ENOMEM.
 */
int list_image_build(const struct list_set *s, uint64_t now_monotonic_ns, struct list_image *ret);
void list_image_done(struct list_image *image);

/** What the kernel's lookup will find for @address: the value of the longest prefix, or NULL. */
const struct weir_list_value *list_image_lookup(const struct list_image *image,
						const uint8_t address[static 16]);

/*
 * The steps from one image to another. Apply all upserts in the given order (longer prefixes before
 * those that cover them), then all deletes in the given order (the other way round). Until the deletes
 * are done the kernel holds both images: its maps need room for that.
 */
struct list_diff {
	struct list_image_entry *upserts; /* new prefixes and new values */
	size_t upsert_count;
	struct prefix *deletes;
	size_t delete_count;
};

/** Ends with list_diff_done(). -ENOMEM. */
int list_image_diff(const struct list_image *from, const struct list_image *to,
		    struct list_diff *ret);
void list_diff_done(struct list_diff *diff);

#endif
