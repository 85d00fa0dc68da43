/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a feed lists, at one reading of its file: each prefix once, in order, with its line and what the file
 * says of it. It never changes after it was made, so another thread can read it. The set keeps the content of
 * each feed beside the entries, which therefore hold neither line nor reason: a file in which everything moved
 * down by a line is a new content and no change of any entry.
 */
#ifndef LISTS_CONTENT_H
#define LISTS_CONTENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cleanup.h"

struct list_content_entry {
	struct prefix prefix;
	uint32_t line;
	uint32_t reason; /* offset into texts; 0 = none */
};

struct list_content {
	struct list_content_entry *entries; /* in the order of prefix_compare(), no prefix twice */
	size_t count;
	char *texts; /* starts with "" */
	size_t texts_size;
};

void list_content_free(struct list_content *c);
DEFINE_CLEANUP(struct list_content *, list_content_free)

/** Put the entries in order and drop all but the first line of equal prefixes. How many that were. */
size_t list_content_sort(struct list_content *c);

/** The entry of @prefix, or NULL. */
const struct list_content_entry *list_content_find(const struct list_content *c,
						   const struct prefix *prefix);
const char *list_content_reason(const struct list_content *c, const struct list_content_entry *e);

/* What leads from one content to the next, both in order. */
struct list_delta {
	struct prefix *adds, *removes;
	size_t add_count, remove_count;
};

/** @from may be NULL: nothing. The caller ends @ret with list_delta_done(). -ENOMEM. */
int list_content_diff(const struct list_content *from, const struct list_content *to,
		      struct list_delta *ret);
void list_delta_done(struct list_delta *delta);

#endif
