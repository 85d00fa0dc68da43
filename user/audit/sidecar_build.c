/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * While records come in, each distinct term gets a number, and each occurrence becomes a pair (term,
 * record). In the end terms are sorted by key and pairs by term; within a term they are in order already.
 */
#include "audit/sidecar_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/fields.h"
#include "audit/sidecar.h"
#include "base/clock.h"

#define SLOTS_MIN 4096

struct term {
	struct sidecar_key key;
	uint32_t text, length; /* of a long value, in b->strings */
	uint32_t count, last;  /* last: number of the last record that has it, plus 1 */
	uint32_t first_pair;   /* once pairs are sorted */
};

struct pair {
	uint32_t term, record;
};

struct sidecar_builder {
	struct sidecar_head head;
	uint32_t *offsets;
	uint64_t *seconds;
	size_t records_size;
	struct term *terms;
	size_t term_count, terms_size;
	uint32_t *slots; /* of a hash table: a term's number plus 1, or 0 */
	size_t slot_count;
	struct pair *pairs;
	size_t pair_count, pairs_size;
	char *strings;
	size_t strings_used, strings_size;
	bool living; /* some record did not expire */
	int error;
};

int sidecar_builder_new(uint64_t first_index, const uint8_t seal[static AUDIT_HASH_SIZE],
			struct sidecar_builder **ret)
{
	_cleanup_(sidecar_builder_freep) struct sidecar_builder *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->head.first_index = first_index;
	memcpy(b->head.segment, seal, AUDIT_HASH_SIZE);
	b->slot_count = SLOTS_MIN;
	b->slots = calloc(b->slot_count, sizeof(*b->slots));
	if (!b->slots)
		return -ENOMEM;
	*ret = take_ptr(b);
	return 0;
}

void sidecar_builder_free(struct sidecar_builder *b)
{
	if (!b)
		return;
	free(b->offsets);
	free(b->seconds);
	free(b->terms);
	free(b->slots);
	free(b->pairs);
	free(b->strings);
	free(b);
}

/* Make room for one more of @size bytes in *@array. */
static bool grow(void *array, size_t count, size_t *size, size_t each)
{
	void **place = array;
	size_t more = *size ? 2 * *size : 1024;
	void *larger;

	if (count < *size)
		return true;
	larger = reallocarray(*place, more, each);
	if (!larger)
		return false;
	*place = larger;
	*size = more;
	return true;
}

static size_t hash_key(const struct sidecar_key *key)
{
	uint64_t words[SIDECAR_KEY_SIZE / 8], h = 0x9e3779b97f4a7c15;

	memcpy(words, key->bytes, sizeof(words));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		h = (h ^ words[i]) * 0xff51afd7ed558ccd;
		h ^= h >> 32;
	}
	return (size_t)h;
}

static bool grow_slots(struct sidecar_builder *b)
{
	size_t count = 4 * b->slot_count;
	uint32_t *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return false;
	for (size_t i = 0; i < b->term_count; i++) {
		size_t at = hash_key(&b->terms[i].key) & (count - 1);

		while (slots[at])
			at = (at + 1) & (count - 1);
		slots[at] = (uint32_t)i + 1;
	}
	free(b->slots);
	b->slots = slots;
	b->slot_count = count;
	return true;
}

/* The term with this key, made if need be. NULL: no memory, or too many. */
static struct term *find_term(struct sidecar_builder *b, const struct sidecar_key *key)
{
	size_t at;

	if (2 * b->term_count >= b->slot_count && !grow_slots(b))
		return NULL;
	at = hash_key(key) & (b->slot_count - 1);
	for (; b->slots[at]; at = (at + 1) & (b->slot_count - 1)) {
		struct term *t = &b->terms[b->slots[at] - 1];

		if (memcmp(&t->key, key, sizeof(*key)) == 0)
			return t;
	}
	if (b->term_count == SIDECAR_TERMS_MAX ||
	    !grow(&b->terms, b->term_count, &b->terms_size, sizeof(*b->terms)))
		return NULL;
	b->terms[b->term_count] = (struct term){.key = *key};
	b->slots[at] = (uint32_t)b->term_count + 1;
	return &b->terms[b->term_count++];
}

static bool keep_text(struct sidecar_builder *b, struct term *t, const char *text, size_t length)
{
	while (b->strings_size - b->strings_used < length)
		if (!grow(&b->strings, b->strings_size, &b->strings_size, 1))
			return false;
	t->text = (uint32_t)b->strings_used;
	t->length = (uint32_t)length;
	memcpy(b->strings + b->strings_used, text, length);
	b->strings_used += length;
	return true;
}

/* The record that is being added has this term. @text is of a long one. */
static void add_key(struct sidecar_builder *b, const struct sidecar_key *key, const char *text,
		    size_t length)
{
	struct term *t = find_term(b, key);
	uint32_t record = b->head.records;

	if (!t || !grow(&b->pairs, b->pair_count, &b->pairs_size, sizeof(*b->pairs))) {
		b->error = -ENOMEM;
		return;
	}
	if (t->last == record + 1)
		return;
	if (!t->count && sidecar_key_is_long(key) && !keep_text(b, t, text, length)) {
		b->error = -ENOMEM;
		return;
	}
	t->last = record + 1;
	t->count++;
	b->pairs[b->pair_count++] = (struct pair){(uint32_t)(t - b->terms), record};
}

static void add_text(struct sidecar_builder *b, enum sidecar_kind kind, const char *text,
		     size_t length)
{
	struct sidecar_key key;

	sidecar_key_text(&key, kind, text, length);
	add_key(b, &key, text, length);
}

static void on_field(const struct field_value *v, void *userdata)
{
	static const enum sidecar_kind kinds[] = {
		[RECORD_ACTOR] = SIDECAR_ACTOR,
		[RECORD_PRINCIPAL] = SIDECAR_PRINCIPAL,
		[RECORD_SUBJECT] = SIDECAR_SUBJECT,
		[RECORD_RULE] = SIDECAR_RULE,
		[RECORD_RESOURCE_TYPE] = SIDECAR_RESOURCE_TYPE,
		[RECORD_RESOURCE_ID] = SIDECAR_RESOURCE_ID,
	};
	struct sidecar_builder *b = userdata;
	struct sidecar_key key;

	if (v->field != RECORD_ADDRESS) {
		add_text(b, kinds[v->field], v->text.data, v->text.length);
		return;
	}
	sidecar_key_address(&key, &v->prefix);
	b->head.lengths[v->prefix.bits / 8] |= (uint8_t)(1U << v->prefix.bits % 8);
	add_key(b, &key, NULL, 0);
}

/* The row of the next record. */
static int add_row(struct sidecar_builder *b, uint64_t offset, uint64_t second)
{
	size_t seconds_size = b->records_size;
	uint32_t record = b->head.records;

	if (record == SIDECAR_RECORDS_MAX || offset / 8 > UINT32_MAX)
		return -E2BIG;
	if (!grow(&b->seconds, record, &seconds_size, sizeof(*b->seconds)) ||
	    !grow(&b->offsets, record, &b->records_size, sizeof(*b->offsets)))
		return -ENOMEM;
	b->offsets[record] = (uint32_t)(offset / 8);
	b->seconds[record] = second;
	return 0;
}

int sidecar_builder_add(struct sidecar_builder *b, uint64_t offset, const struct record_view *view)
{
	uint64_t second = record_time_ns(view) / NSEC_PER_SEC;
	char severity = (char)('0' + view->severity);
	int r = add_row(b, offset, second);

	if (r < 0)
		return r;
	if (!b->living || second < b->head.min_seconds)
		b->head.min_seconds = second;
	if (second > b->head.max_seconds)
		b->head.max_seconds = second;
	b->living = true;
	add_text(b, SIDECAR_TYPE, view->event_type.data, view->event_type.length);
	add_text(b, SIDECAR_OUTCOME, view->outcome.data, view->outcome.length);
	add_text(b, SIDECAR_SEVERITY, &severity, 1);
	record_fields(view, on_field, b);
	b->head.records++;
	return b->error;
}

int sidecar_builder_add_expired(struct sidecar_builder *b, uint64_t offset)
{
	int r = add_row(b, offset, 0);

	if (r < 0)
		return r;
	add_text(b, SIDECAR_EXPIRED, "", 0);
	b->head.records++;
	return b->error;
}

/* Sort the pairs by term; they come out as record numbers, term after term. */
static uint32_t *sort_pairs(struct sidecar_builder *b)
{
	uint32_t *records = calloc(b->pair_count, sizeof(*records)), at = 0;

	if (!records)
		return NULL;
	for (size_t i = 0; i < b->term_count; i++) {
		b->terms[i].first_pair = at;
		at += b->terms[i].count;
	}
	for (size_t i = 0; i < b->pair_count; i++)
		records[b->terms[b->pairs[i].term].first_pair++] = b->pairs[i].record;
	for (size_t i = 0; i < b->term_count; i++)
		b->terms[i].first_pair -= b->terms[i].count;
	return records;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(((const struct term *)a)->key.bytes, ((const struct term *)b)->key.bytes,
		      SIDECAR_KEY_SIZE);
}

static void put32(struct text *t, uint32_t value)
{
	const char bytes[] = {(char)value, (char)(value >> 8), (char)(value >> 16),
			      (char)(value >> 24)};

	text_put(t, bytes, sizeof(bytes));
}

static void put_varint(struct text *t, uint32_t value)
{
	char bytes[5];
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		bytes[n++] = (char)(value | 0x80);
	bytes[n++] = (char)value;
	text_put(t, bytes, n);
}

static void put_postings(const struct sidecar_builder *b, const struct term *term,
			 const uint32_t *records, struct text *t)
{
	uint32_t next = 0;

	if (sidecar_key_is_long(&term->key)) {
		put_varint(t, term->length);
		text_put(t, b->strings + term->text, term->length);
	}
	for (uint32_t i = 0; i < term->count; i++) {
		put_varint(t, records[term->first_pair + i] - next);
		next = records[term->first_pair + i] + 1;
	}
}

static void put_rows(const struct sidecar_builder *b, struct text *t)
{
	for (uint32_t i = 0; i < b->head.records; i++)
		put32(t, b->offsets[i]);
	for (uint32_t i = 0; i < b->head.records; i++) {
		uint64_t after = b->seconds[i] > b->head.min_seconds
					 ? b->seconds[i] - b->head.min_seconds
					 : 0; /* also of those that expired */

		put32(t, after < UINT32_MAX ? (uint32_t)after : UINT32_MAX);
	}
}

/* Everything, in the order of the file. */
static int put_file(struct sidecar_builder *b, const uint32_t *records, struct text *file)
{
	_cleanup_(text_done) struct text postings = {.growing = true};
	uint8_t header[SIDECAR_HEADER_SIZE];

	sidecar_head_encode(&b->head, header);
	text_put(file, (const char *)header, sizeof(header));
	put_rows(b, file);
	for (size_t i = 0; i < b->term_count; i++) {
		const struct term *term = &b->terms[i];

		text_put(file, (const char *)term->key.bytes, SIDECAR_KEY_SIZE);
		put32(file, (uint32_t)postings.length);
		put32(file, term->count);
		put_postings(b, term, records, &postings);
	}
	if (postings.truncated)
		return -ENOMEM;
	if (postings.length > UINT32_MAX)
		return -E2BIG;
	text_put(file, postings.data, postings.length);
	return file->truncated ? -ENOMEM : 0;
}

int sidecar_builder_finish(struct sidecar_builder *b, uint64_t end, uint8_t **ret,
			   size_t *ret_length)
{
	_cleanup_free_ uint32_t *records = NULL;
	_cleanup_(text_done) struct text file = {.growing = true};
	int r;

	if (b->error || !b->head.records)
		return b->error ? b->error : -ENODATA;
	b->head.end = end;
	b->head.terms = (uint32_t)b->term_count;
	records = sort_pairs(b);
	if (!records)
		return -ENOMEM;
	qsort(b->terms, b->term_count, sizeof(*b->terms), by_key);
	r = put_file(b, records, &file);
	if (r < 0)
		return r;
	*ret_length = file.length;
	*ret = (uint8_t *)text_take(&file);
	return *ret ? 0 : -ENOMEM;
}
