/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reasons and authors, each distinct text once, for this folder only: a hundred thousand entries of one
 * author and one reason cost two texts. Texts are counted by who uses them and known by number; 0 is "".
 */
#ifndef LISTS_STRINGS_H
#define LISTS_STRINGS_H

#include <stddef.h>
#include <stdint.h>

struct string {
	char *text; /* NULL: the number is free */
	uint32_t users;
	uint32_t next; /* of the same bucket, or the next free number */
};

struct strings {
	struct string *all;
	uint32_t count, size;
	uint32_t free;	   /* the first free number; 0 = none */
	uint32_t *buckets; /* size of them; 0 ends a chain */
};

void strings_done(struct strings *s);
/** The number of @text, with one more user. -ENOMEM. */
int strings_take(struct strings *s, const char *text, uint32_t *ret);
void strings_release(struct strings *s, uint32_t number);
/* The text, valid as long as it has a user. */
const char *strings_text(const struct strings *s, uint32_t number);

#endif
