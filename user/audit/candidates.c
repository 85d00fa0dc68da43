/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/candidates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

int bitset_init(struct bitset *b, uint32_t size)
{
	size_t words = (size_t)size / 64 + 1;

	b->words = malloc(words * sizeof(*b->words));
	if (!b->words)
		return -ENOMEM;
	memset(b->words, 0xff, words * sizeof(*b->words));
	b->words[size / 64] &= (1ULL << size % 64) - 1;
	b->size = size;
	return 0;
}

void bitset_done(struct bitset *b)
{
	free(b->words);
	*b = (struct bitset){0};
}

int64_t bitset_next(const struct bitset *b, int64_t from)
{
	uint64_t word;

	if (from < 0)
		from = 0;
	if (from >= b->size)
		return -1;
	word = b->words[from / 64] & UINT64_MAX << from % 64;
	for (int64_t at = from / 64;; word = b->words[at]) {
		if (word)
			return at * 64 + __builtin_ctzll(word);
		if (++at > b->size / 64)
			return -1;
	}
}

int64_t bitset_previous(const struct bitset *b, int64_t from)
{
	uint64_t word;

	if (from >= b->size)
		from = (int64_t)b->size - 1;
	if (from < 0)
		return -1;
	word = b->words[from / 64] & UINT64_MAX >> (63 - from % 64);
	for (int64_t at = from / 64;; word = b->words[at]) {
		if (word)
			return at * 64 + 63 - __builtin_clzll(word);
		if (--at < 0)
			return -1;
	}
}

uint32_t bitset_count(const struct bitset *b, uint32_t bits)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < bits / 64; i++)
		count += (uint32_t)__builtin_popcountll(b->words[i]);
	if (bits % 64)
		count += (uint32_t)__builtin_popcountll(b->words[bits / 64] &
							((1ULL << bits % 64) - 1));
	return count;
}

/* One criterion: the records that have one of the terms that meet it. */
struct criterion {
	struct sidecar *sidecar;
	uint64_t *words;
	uint64_t budget; /* bytes of postings */
};

static int on_record(uint32_t record, void *userdata)
{
	uint64_t *words = userdata;

	words[record / 64] |= 1ULL << record % 64;
	return 0;
}

static int add_term(struct criterion *c, const struct sidecar_term *term)
{
	return sidecar_postings(c->sidecar, term, &c->budget, on_record, c->words);
}

/* All terms from @low to @high, both included, that @accept agrees to. */
static int add_range(struct criterion *c, const struct sidecar_key *low,
		     const struct sidecar_key *high,
		     bool (*accept)(const struct audit_query *q, const struct sidecar_term *term),
		     const struct audit_query *q)
{
	struct sidecar_term term;
	uint32_t at;
	int r = sidecar_find(c->sidecar, low, &at);

	for (; r == 0 && at < c->sidecar->head.terms; at++) {
		r = sidecar_term(c->sidecar, at, &term);
		if (r < 0 || memcmp(&term.key, high, sizeof(*high)) > 0)
			break;
		if (!accept || accept(q, &term))
			r = add_term(c, &term);
	}
	return r;
}

static int add_key(struct criterion *c, const struct sidecar_key *key)
{
	return add_range(c, key, key, NULL, NULL);
}

static int add_text(struct criterion *c, enum sidecar_kind kind, const char *text)
{
	struct sidecar_key key;

	sidecar_key_text(&key, kind, text, strlen(text));
	return add_key(c, &key);
}

/* All terms of a kind that @accept agrees to. */
static int add_kind(struct criterion *c, enum sidecar_kind kind,
		    bool (*accept)(const struct audit_query *q, const struct sidecar_term *term),
		    const struct audit_query *q)
{
	struct sidecar_key low = {.bytes = {(uint8_t)kind}}, high = {.bytes = {(uint8_t)kind}};

	memset(high.bytes + 1, 0xff, sizeof(high.bytes) - 1);
	return add_range(c, &low, &high, accept, q);
}

static int add_subjects(struct criterion *c, const struct query_subjects *subjects)
{
	int r = 0;

	for (size_t i = 0; i < subjects->count && r == 0; i++)
		r = add_text(c, SIDECAR_SUBJECT, subjects->ids[i]);
	return r;
}

/* What lies in the prefix is in order; what lies around it is asked for length by length. */
static int add_addresses(struct criterion *c, const struct audit_query *q)
{
	struct prefix end = q->address;
	struct sidecar_key low, high;
	int r;

	for (unsigned int bit = end.bits; bit < 128; bit++)
		end.address[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	end.bits = 255;
	sidecar_key_address(&low, &q->address);
	sidecar_key_address(&high, &end);
	r = add_range(c, &low, &high, NULL, NULL);
	for (unsigned int bits = 0; bits < q->address.bits && r == 0; bits++) {
		struct prefix around = q->address;

		if (!(c->sidecar->head.lengths[bits / 8] & 1U << bits % 8))
			continue;
		address_mask(around.address, bits);
		around.bits = (uint8_t)bits;
		sidecar_key_address(&low, &around);
		r = add_key(c, &low);
	}
	return r < 0 ? r : add_subjects(c, &q->addresses);
}

static bool accept_type(const struct audit_query *q, const struct sidecar_term *term)
{
	return audit_query_match_type(q, term->text, term->length);
}

static bool accept_severity(const struct audit_query *q, const struct sidecar_term *term)
{
	return (unsigned int)(term->text[0] - '0') >= q->severity;
}

static int add_type(struct criterion *c, const struct audit_query *q)
{
	return add_kind(c, SIDECAR_TYPE, accept_type, q);
}

static int add_severity(struct criterion *c, const struct audit_query *q)
{
	return add_kind(c, SIDECAR_SEVERITY, accept_severity, q);
}

static int add_actor(struct criterion *c, const struct audit_query *q)
{
	int r = add_text(c, SIDECAR_ACTOR, q->actor);

	return r < 0 ? r : add_subjects(c, &q->actors);
}

static int add_rule(struct criterion *c, const struct audit_query *q)
{
	return add_text(c, SIDECAR_RULE, q->rule);
}

static int add_resource_type(struct criterion *c, const struct audit_query *q)
{
	return add_text(c, SIDECAR_RESOURCE_TYPE, q->resource_type);
}

static int add_resource_id(struct criterion *c, const struct audit_query *q)
{
	struct sidecar_key key;

	if (!q->resource_is_address)
		return add_text(c, SIDECAR_RESOURCE_ID, q->resource_id);
	sidecar_key_address(&key, &q->resource_address);
	return add_key(c, &key);
}

static int add_outcome(struct criterion *c, const struct audit_query *q)
{
	return add_text(c, SIDECAR_OUTCOME, q->words[QUERY_OUTCOME]);
}

/* Keep of the indexed records those that @add finds. The others are looked at anyway. */
static int restrict_to(struct records *r, struct bitset *set,
		       int (*add)(struct criterion *c, const struct audit_query *q),
		       const struct audit_query *q)
{
	uint32_t words = r->indexed / 64 + 1;
	struct criterion c = {.sidecar = &r->sidecar, .budget = r->sidecar.size};
	int error;

	c.words = calloc(words, sizeof(*c.words));
	if (!c.words)
		return -ENOMEM;
	error = add(&c, q);
	c.words[words - 1] |= UINT64_MAX << r->indexed % 64;
	for (uint32_t i = 0; i < words && error == 0; i++)
		set->words[i] &= c.words[i];
	free(c.words);
	return error;
}

static int leave_out(uint32_t record, void *userdata)
{
	uint64_t *words = userdata;

	words[record / 64] &= ~(1ULL << record % 64);
	return 0;
}

static int leave_out_expired(struct records *r, struct bitset *set)
{
	uint64_t budget = r->sidecar.size;
	struct sidecar_term term;
	struct sidecar_key key;
	uint32_t at;
	int error;

	sidecar_key_text(&key, SIDECAR_EXPIRED, "", 0);
	error = sidecar_find(&r->sidecar, &key, &at);
	if (error < 0 || at == r->sidecar.head.terms)
		return error;
	error = sidecar_term(&r->sidecar, at, &term);
	if (error < 0 || memcmp(&term.key, &key, sizeof(key)) != 0)
		return error;
	return sidecar_postings(&r->sidecar, &term, &budget, leave_out, set->words);
}

int candidates_by_time(struct records *r, uint64_t since_ns, uint64_t until_ns, struct bitset *set)
{
	int expired = r->indexed ? leave_out_expired(r, set) : 0;
	uint64_t since = since_ns / NSEC_PER_SEC, until = until_ns / NSEC_PER_SEC, second;

	if (expired < 0 || !r->indexed ||
	    (since <= r->sidecar.head.min_seconds && until > r->sidecar.head.max_seconds))
		return expired;
	for (uint32_t i = 0; i < r->indexed; i++) {
		int error = sidecar_second(&r->sidecar, i, &second);

		if (error < 0)
			return error;
		if (second < since || second > until)
			set->words[i / 64] &= ~(1ULL << i % 64);
	}
	return 0;
}

int candidates(struct records *r, const struct audit_query *q, struct bitset *set)
{
	const struct {
		bool asked;
		int (*add)(struct criterion *c, const struct audit_query *q);
	} criteria[] = {
		{audit_query_has(q, QUERY_ADDRESS), add_addresses},
		{audit_query_has(q, QUERY_ACTOR), add_actor},
		{audit_query_has(q, QUERY_RULE), add_rule},
		{audit_query_has(q, QUERY_RESOURCE), add_resource_type},
		{q->resource_id[0], add_resource_id},
		{audit_query_has(q, QUERY_OUTCOME), add_outcome},
		{audit_query_has(q, QUERY_SEVERITY), add_severity},
		{audit_query_has(q, QUERY_TYPE) || audit_query_has(q, QUERY_CATEGORY), add_type},
	};
	int error = 0;

	if (!r->indexed)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(criteria) && error == 0; i++)
		if (criteria[i].asked && bitset_next(set, 0) >= 0)
			error = restrict_to(r, set, criteria[i].add, q);
	if (error == 0 && bitset_next(set, 0) >= 0)
		error = candidates_by_time(r, q->since_ns, q->until_ns, set);
	return error;
}
