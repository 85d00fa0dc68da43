/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/talkers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/hash.h>
#include <weir/vocabulary.h>

#include "base/clock.h"
#include "engine/internal.h"
#include "engine/traffic_internal.h"

#define SLOTS	     (2U * TRAFFIC_SAMPLES_MAX) /* a power of two: never more than half full */
#define PREFIX4_BITS (96 + 24)
#define PREFIX6_BITS 48

static const char *const by_words[] = {
	[TALKERS_SOURCE] = "source",
	[TALKERS_PREFIX] = "prefix",
	[TALKERS_DESTINATION] = "destination",
	[TALKERS_SERVICE] = "service",
};
static const char *const order_words[] = {
	[TALKERS_PACKETS] = "packets",
	[TALKERS_BYTES] = "bytes",
	[TALKERS_DROPPED] = "dropped",
};
_Static_assert(ARRAY_SIZE(by_words) == TALKERS_BY_MAX, "a grouping has no word");
_Static_assert(ARRAY_SIZE(order_words) == TALKERS_ORDER_MAX, "an order has no word");

static int find_word(const char *const *words, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], word) == 0)
			return (int)i;
	return -EINVAL;
}

const char *talkers_by_str(enum talkers_by by)
{
	return (size_t)by < ARRAY_SIZE(by_words) ? by_words[by] : NULL;
}

int talkers_by_from_str(const char *word)
{
	return find_word(by_words, ARRAY_SIZE(by_words), word);
}

const char *talkers_order_str(enum talkers_order order)
{
	return (size_t)order < ARRAY_SIZE(order_words) ? order_words[order] : NULL;
}

int talkers_order_from_str(const char *word)
{
	return find_word(order_words, ARRAY_SIZE(order_words), word);
}

/* What is being counted: talkers in the order in which they were met, and where each is. */
struct census {
	const struct talkers_question *question;
	uint64_t seed;
	struct talker *talkers;
	size_t count, size;
	uint32_t *slots; /* numbers of talkers, from 1 */
};

/* Whose the sample is; nothing but that is set. */
static struct talker talker_of(const struct weir_sample *s, enum talkers_by by)
{
	struct talker t = {0};

	if (by == TALKERS_SERVICE) {
		t.protocol = s->protocol;
		t.port = s->flags & WEIR_SAMPLE_PORT ? s->destination_port : 0;
		return t;
	}
	memcpy(t.prefix.address, by == TALKERS_DESTINATION ? s->destination : s->source, 16);
	t.prefix.bits = 128;
	if (by == TALKERS_PREFIX) {
		t.prefix.bits = address_is_ipv4(t.prefix.address) ? PREFIX4_BITS : PREFIX6_BITS;
		address_mask(t.prefix.address, t.prefix.bits);
	}
	return t;
}

static bool is_same(const struct talker *a, const struct talker *b)
{
	return memcmp(a->prefix.address, b->prefix.address, 16) == 0 && a->port == b->port &&
	       a->protocol == b->protocol;
}

/* The slot of @t, or the empty one where it belongs. */
static uint32_t *find_slot(const struct census *c, const struct talker *t)
{
	uint64_t words[2], at;

	memcpy(words, t->prefix.address, sizeof(words));
	at = weir_hash(words[0], words[1], (uint64_t)t->port << 8 | t->protocol, c->seed);
	for (; c->slots[at & (SLOTS - 1)]; at++)
		if (is_same(&c->talkers[c->slots[at & (SLOTS - 1)] - 1], t))
			break;
	return &c->slots[at & (SLOTS - 1)];
}

static int grow(struct census *c)
{
	size_t size = c->size ? 2 * c->size : 1024;
	struct talker *more = reallocarray(c->talkers, size, sizeof(*more));

	if (!more)
		return -ENOMEM;
	c->talkers = more;
	c->size = size;
	return 0;
}

static bool is_drop(const struct weir_sample *s)
{
	return s->verdict == WEIR_VERDICT_DROP || s->verdict == WEIR_VERDICT_REPLY;
}

static int count_sample(struct census *c, const struct weir_sample *s)
{
	struct talker t = talker_of(s, c->question->by);
	uint32_t *slot = find_slot(c, &t);
	struct talker *to;

	if (!*slot) {
		if (c->count == c->size && grow(c) < 0)
			return -ENOMEM;
		c->talkers[c->count++] = t;
		*slot = (uint32_t)c->count;
	}
	to = &c->talkers[*slot - 1];
	to->samples++;
	to->packets += s->weight;
	to->bytes += (uint64_t)s->weight * s->length;
	to->dropped += is_drop(s) ? s->weight : 0;
	to->would_drop += s->verdict == WEIR_VERDICT_WOULD_DROP ? s->weight : 0;
	return 0;
}

/* Frames that no address could be read of are nobody's, but they are some service's: none. */
static bool is_asked(const struct talkers_question *q, const struct weir_sample *s)
{
	struct prefix source = {.bits = 128};

	memcpy(source.address, s->source, 16);
	if (q->by != TALKERS_SERVICE && !s->source[0] && !s->source[1])
		return false;
	return prefix_covers(&q->within, &source);
}

/* Call @fn for each sample from @from_ns on. */
static int for_each_since(const struct traffic *t, uint64_t from_ns,
			  int (*fn)(const struct weir_sample *s, void *userdata), void *userdata)
{
	uint64_t kept = t->count < TRAFFIC_SAMPLES_MAX ? t->count : TRAFFIC_SAMPLES_MAX;
	int r = 0;

	for (uint64_t i = 1; i <= kept && r == 0; i++) {
		const struct weir_sample *s = &t->samples[(t->count - i) % TRAFFIC_SAMPLES_MAX];

		if (s->time_ns >= from_ns)
			r = fn(s, userdata);
		else if (s->time_ns + NSEC_PER_SEC < from_ns)
			break; /* CPUs are read in turns: only about as old as they come */
	}
	return r;
}

struct counting {
	struct census census;
	struct talkers *sums;
};

static int count_one(const struct weir_sample *s, void *userdata)
{
	struct counting *x = userdata;

	if (!is_asked(x->census.question, s))
		return 0;
	x->sums->samples++;
	x->sums->packets += s->weight;
	x->sums->bytes += (uint64_t)s->weight * s->length;
	x->sums->dropped += is_drop(s) ? s->weight : 0;
	return count_sample(&x->census, s);
}

static uint64_t weight_of(const struct talker *t, enum talkers_order order)
{
	switch (order) {
	case TALKERS_BYTES:
		return t->bytes;
	case TALKERS_DROPPED:
		return t->dropped + t->would_drop;
	default:
		return t->packets;
	}
}

/* By weight; then so that two answers to one question are in one order. */
static int compare(const void *a, const void *b, void *order)
{
	const struct talker *x = a, *y = b;
	uint64_t wx = weight_of(x, *(const enum talkers_order *)order);
	uint64_t wy = weight_of(y, *(const enum talkers_order *)order);

	if (wx != wy)
		return wx < wy ? 1 : -1;
	if (x->packets != y->packets)
		return x->packets < y->packets ? 1 : -1;
	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return prefix_compare(&x->prefix, &y->prefix) ?: x->protocol - y->protocol;
}

struct reasons {
	struct census census; /* of those that are told, found by their slots */
	uint64_t (*packets)[WEIR_REASON_MAX];
};

static int count_reason(const struct weir_sample *s, void *userdata)
{
	struct reasons *x = userdata;
	struct talker t = talker_of(s, x->census.question->by);
	uint32_t number;

	if ((!is_drop(s) && s->verdict != WEIR_VERDICT_WOULD_DROP) ||
	    !is_asked(x->census.question, s))
		return 0;
	number = *find_slot(&x->census, &t);
	if (number)
		x->packets[number - 1][s->reason & (WEIR_REASON_MAX - 1)] += s->weight;
	return 0;
}

/* Another walk, now that it is known which few are told. */
static int find_reasons(const struct traffic *t, uint64_t from_ns, const struct census *c,
			struct talkers *told)
{
	struct reasons x = {.census = *c};
	_cleanup_free_ uint64_t(*packets)[WEIR_REASON_MAX] =
		calloc(told->count + 1, sizeof(*packets));

	if (!packets)
		return -ENOMEM;
	x.packets = packets;
	x.census.talkers = told->items;
	memset(c->slots, 0, SLOTS * sizeof(*c->slots));
	for (size_t i = 0; i < told->count; i++)
		*find_slot(&x.census, &told->items[i]) = (uint32_t)i + 1;
	for_each_since(t, from_ns, count_reason, &x);
	for (size_t i = 0; i < told->count; i++)
		for (unsigned int r = 1; r < WEIR_REASON_MAX; r++)
			if (packets[i][r] > packets[i][told->items[i].reason])
				told->items[i].reason = (uint8_t)r;
	return 0;
}

/* How far back the samples reach, at the most @seconds. */
static uint64_t reach(const struct traffic *t, uint32_t seconds, uint64_t now_ns)
{
	uint64_t from_ns = now_ns > seconds * NSEC_PER_SEC ? now_ns - seconds * NSEC_PER_SEC : 0;
	uint64_t oldest_ns = t->began_ns;

	if (t->count > TRAFFIC_SAMPLES_MAX)
		oldest_ns = t->samples[t->count % TRAFFIC_SAMPLES_MAX].time_ns;
	return from_ns > oldest_ns ? from_ns : oldest_ns;
}

int talkers_ask(const struct traffic *t, const struct talkers_question *q, uint64_t now_ns,
		uint64_t seed, struct talkers *ret)
{
	_cleanup_free_ uint32_t *slots = calloc(SLOTS, sizeof(*slots));
	uint64_t from_ns = reach(t, q->seconds, now_ns);
	_cleanup_free_ struct talker *talkers = NULL;
	struct talkers told = {0};
	struct counting x = {
		.census = {.question = q, .seed = seed, .slots = slots},
		.sums = &told,
	};
	enum talkers_order order = q->order;
	int r = slots ? for_each_since(t, from_ns, count_one, &x) : -ENOMEM;

	talkers = x.census.talkers;
	if (r < 0)
		return r;
	told.found = x.census.count;
	told.count = told.found < q->limit ? told.found : q->limit;
	told.seconds = now_ns > from_ns ? (double)(now_ns - from_ns) / NSEC_PER_SEC : 0;
	if (told.found)
		qsort_r(talkers, told.found, sizeof(*talkers), compare, &order);
	told.items = talkers;
	r = find_reasons(t, from_ns, &x.census, &told);
	if (r < 0)
		return r;
	*ret = told;
	talkers = NULL;
	return 0;
}

int engine_talkers(struct engine *e, const struct talkers_question *q, struct talkers *ret)
{
	if (!e->traffic)
		return -ENOMEM;
	traffic_read(e->traffic, e->datapath);
	return talkers_ask(e->traffic, q, clock_monotonic_ns(),
			   datapath_meta(e->datapath)->hash_seed, ret);
}

void talkers_done(struct talkers *t)
{
	free(t->items);
	*t = (struct talkers){0};
}
