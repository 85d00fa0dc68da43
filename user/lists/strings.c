/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A hash table with chains; it doubles when every bucket has a text on average. */
#include "lists/strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a (Fowler, Noll, Vo). Operators choose these texts: who can do that can do worse than make them
 * collide. */
static uint32_t hash_text(const char *text)
{
	uint32_t hash = 2166136261U;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619U;
	return hash;
}

void strings_done(struct strings *s)
{
	for (uint32_t i = 1; i < s->count; i++)
		free(s->all[i].text);
	free(s->all);
	free(s->buckets);
	*s = (struct strings){0};
}

/* Double the numbers and the buckets. */
static int grow(struct strings *s)
{
	uint32_t size = s->size ? 2 * s->size : 16;
	uint32_t *buckets = calloc(size, sizeof(*buckets));
	struct string *all = buckets ? reallocarray(s->all, size, sizeof(*all)) : NULL;

	if (all)
		s->all = all;
	if (!all) {
		free(buckets);
		return -ENOMEM;
	}
	free(s->buckets);
	s->buckets = buckets;
	s->size = size;
	if (!s->count)
		s->all[s->count++] = (struct string){0};
	for (uint32_t i = 1; i < s->count; i++) {
		uint32_t *bucket = &buckets[hash_text(all[i].text) & (size - 1)];

		all[i].next = *bucket;
		*bucket = i;
	}
	return 0;
}

int strings_take(struct strings *s, const char *text, uint32_t *ret)
{
	uint32_t *bucket, i;
	char *copy;

	if (!*text) {
		*ret = 0;
		return 0;
	}
	/* Free numbers are used up before it grows, so all below count have a text then. */
	if (s->count == s->size && !s->free && grow(s) < 0)
		return -ENOMEM;
	bucket = &s->buckets[hash_text(text) & (s->size - 1)];
	for (i = *bucket; i; i = s->all[i].next) {
		if (strcmp(s->all[i].text, text) != 0)
			continue;
		s->all[i].users++;
		*ret = i;
		return 0;
	}
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	i = s->free;
	if (i)
		s->free = s->all[i].next;
	else
		i = s->count++;
	s->all[i] = (struct string){.text = copy, .users = 1, .next = *bucket};
	*bucket = i;
	*ret = i;
	return 0;
}

void strings_release(struct strings *s, uint32_t number)
{
	uint32_t *link;

	if (!number || --s->all[number].users)
		return;
	link = &s->buckets[hash_text(s->all[number].text) & (s->size - 1)];
	while (*link != number)
		link = &s->all[*link].next;
	*link = s->all[number].next;
	free(s->all[number].text);
	s->all[number] = (struct string){.next = s->free};
	s->free = number;
}

const char *strings_text(const struct strings *s, uint32_t number)
{
	return number ? s->all[number].text : "";
}
