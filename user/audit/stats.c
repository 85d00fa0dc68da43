/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/candidates.h"
#include "audit/directory.h"
#include "audit/records.h"
#include "base/clock.h"

#define SECONDS_PER_HOUR 3600

/* The counting of one segment; a segment counts as a whole or not at all. */
struct counting {
	const struct audit_stats_options *options;
	struct audit_stats *stats;
	int dir;
	struct hasher hasher;
	uint64_t *segments;
	size_t count;
	uint64_t damaged_index;
};

static void counting_done(struct counting *c)
{
	hasher_done(&c->hasher);
	close_fdp(&c->dir);
	free(c->segments);
}

static int add(struct audit_counts *counts, const char *name, size_t length, uint64_t count)
{
	struct audit_count *item;
	char key[STATS_NAME_BYTES];

	if (length >= sizeof(key))
		length = sizeof(key) - 1;
	memcpy(key, name, length);
	key[length] = '\0';
	utf8_repair(key); /* it may have been cut in the midst of a character */
	for (size_t i = 0; i < counts->count; i++)
		if (strcmp(counts->items[i].name, key) == 0) {
			counts->items[i].count += count;
			return 0;
		}
	if (counts->count == STATS_NAMES_MAX) {
		counts->others += count;
		return 0;
	}
	if (counts->count == counts->size) {
		size_t size = counts->size ? 2 * counts->size : 32;
		struct audit_count *larger = reallocarray(counts->items, size, sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		counts->items = larger;
		counts->size = size;
	}
	item = &counts->items[counts->count++];
	memcpy(item->name, key, sizeof(key));
	item->count = count;
	return 0;
}

static void add_hour(struct audit_stats *s, uint64_t second, uint64_t count)
{
	uint64_t hour = second / SECONDS_PER_HOUR;

	if (hour < s->first_hour)
		s->earlier += count;
	else if (hour - s->first_hour < s->hour_count)
		s->hours[hour - s->first_hour] += count;
}

/* Room for the hours from @first to @last; the newest segments come first, so earlier ones are added. */
static int make_hours(struct audit_stats *s, uint64_t first, uint64_t last)
{
	uint64_t *hours, end = s->first_hour + s->hour_count;

	if (s->hour_count && first > s->first_hour)
		first = s->first_hour;
	if (s->hour_count && last < end)
		last = end - 1;
	if (last - first >= STATS_HOURS_MAX)
		first = last - STATS_HOURS_MAX + 1;
	if (s->hour_count && first == s->first_hour && last == end - 1)
		return 0;
	hours = calloc(last - first + 1, sizeof(*hours));
	if (!hours)
		return -ENOMEM;
	for (size_t i = 0; i < s->hour_count; i++) {
		if (s->first_hour + i < first)
			s->earlier += s->hours[i];
		else
			hours[s->first_hour + i - first] = s->hours[i];
	}
	free(s->hours);
	s->hours = hours;
	s->first_hour = first;
	s->hour_count = last - first + 1;
	return 0;
}

/* Records of a term that are in a set. */
struct term_count {
	const struct bitset *set;
	uint64_t count;
};

static int count_record(uint32_t record, void *userdata)
{
	struct term_count *c = userdata;

	c->count += bitset_has(c->set, record);
	return 0;
}

static int add_category(struct audit_stats *s, const char *type, size_t length, uint64_t count)
{
	int event = audit_event_from_str(type, length);
	const char *name =
		event < 0 ? "unknown"
			  : audit_category_to_str(audit_event_category((enum audit_event)event));

	return add(&s->categories, name, strlen(name), count);
}

/* @count records have this value. */
static int add_value(struct audit_stats *s, enum sidecar_kind kind, const char *text, size_t length,
		     uint64_t count)
{
	int r;

	switch (kind) {
	case SIDECAR_TYPE:
		r = add(&s->types, text, length, count);
		return r < 0 ? r : add_category(s, text, length, count);
	case SIDECAR_SEVERITY:
		if (length == 1 && text[0] >= '1' && text[0] <= '5')
			s->severities[text[0] - '0'] += count;
		return 0;
	case SIDECAR_PRINCIPAL:
		return add(&s->actors, text, length, count);
	case SIDECAR_RULE:
		return add(&s->rules, text, length, count);
	default:
		return 0;
	}
}

/* All terms of a kind; *@ret_total is the sum of what they count. */
static int count_kind(struct audit_stats *s, struct records *r, enum sidecar_kind kind,
		      const struct bitset *set, bool whole, uint64_t *ret_total)
{
	struct sidecar_key low = {.bytes = {(uint8_t)kind}};
	uint64_t budget = r->sidecar.size;
	struct sidecar_term term;
	uint32_t at;
	int error = sidecar_find(&r->sidecar, &low, &at);

	*ret_total = 0;
	for (; error == 0 && at < r->sidecar.head.terms; at++) {
		struct term_count count = {.set = set};

		error = sidecar_term(&r->sidecar, at, &term);
		if (error < 0 || term.key.bytes[0] != kind)
			break;
		count.count = term.count;
		if (!whole) {
			count.count = 0;
			error = sidecar_postings(&r->sidecar, &term, &budget, count_record, &count);
		}
		*ret_total += count.count;
		if (error == 0 && count.count)
			error = add_value(s, kind, term.text, term.length, count.count);
	}
	return error;
}

/* In a flood a whole segment lies within an hour. */
static int count_hours(struct audit_stats *s, struct records *r, const struct bitset *set,
		       uint64_t in_range)
{
	const struct sidecar_head *head = &r->sidecar.head;
	uint64_t second;

	if (head->min_seconds / SECONDS_PER_HOUR == head->max_seconds / SECONDS_PER_HOUR) {
		add_hour(s, head->min_seconds, in_range);
		return 0;
	}
	for (int64_t i = bitset_next(set, 0); i >= 0 && i < r->indexed;
	     i = bitset_next(set, i + 1)) {
		int error = sidecar_second(&r->sidecar, (uint32_t)i, &second);

		if (error < 0)
			return error;
		add_hour(s, second, 1);
	}
	return 0;
}

static int count_indexed(struct audit_stats *s, struct records *r, const struct bitset *set,
			 uint64_t in_range)
{
	bool whole = in_range == r->indexed;
	uint64_t types, severities, ignored;
	int error = count_kind(s, r, SIDECAR_TYPE, set, whole, &types);

	if (error == 0)
		error = count_kind(s, r, SIDECAR_SEVERITY, set, whole, &severities);
	if (error == 0)
		error = count_kind(s, r, SIDECAR_PRINCIPAL, set, whole, &ignored);
	if (error == 0)
		error = count_kind(s, r, SIDECAR_RULE, set, whole, &ignored);
	/* Each record has one type and one severity: cheap to hold the index to. */
	if (error == 0 && (types != in_range || severities != in_range))
		return -EBADMSG;
	if (error == 0)
		error = count_hours(s, r, set, in_range);
	s->from_index += in_range;
	s->records += in_range;
	return error;
}

struct value_adder {
	struct audit_stats *stats;
	struct record_slice rules[4]; /* of one record, each counted once */
	size_t rule_count;
	int error;
};

static void on_field(const struct field_value *v, void *userdata)
{
	struct value_adder *a = userdata;

	if (a->error < 0 || (v->field != RECORD_PRINCIPAL && v->field != RECORD_RULE))
		return;
	for (size_t i = 0; v->field == RECORD_RULE && i < a->rule_count; i++)
		if (a->rules[i].length == v->text.length &&
		    memcmp(a->rules[i].data, v->text.data, v->text.length) == 0)
			return;
	if (v->field == RECORD_RULE && a->rule_count < ARRAY_SIZE(a->rules))
		a->rules[a->rule_count++] = v->text;
	a->error = add_value(a->stats, v->field == RECORD_RULE ? SIDECAR_RULE : SIDECAR_PRINCIPAL,
			     v->text.data, v->text.length, 1);
}

static int count_one(struct counting *c, const struct record_view *view)
{
	uint64_t second = record_time_ns(view) / NSEC_PER_SEC;
	struct value_adder adder = {.stats = c->stats};
	char severity = (char)('0' + view->severity);
	int r;

	if (second < c->options->since_ns / NSEC_PER_SEC ||
	    second >= c->options->until_ns / NSEC_PER_SEC)
		return 0;
	r = make_hours(c->stats, second / SECONDS_PER_HOUR, second / SECONDS_PER_HOUR);
	if (r < 0)
		return r;
	add_hour(c->stats, second, 1);
	c->stats->records++;
	r = add_value(c->stats, SIDECAR_TYPE, view->event_type.data, view->event_type.length, 1);
	if (r == 0)
		r = add_value(c->stats, SIDECAR_SEVERITY, &severity, 1, 1);
	record_fields(view, on_field, &adder);
	return r < 0 ? r : adder.error;
}

/* Which of the indexed records are in the range of time, to the second; how many. */
static int in_time(struct counting *c, struct records *r, struct bitset *set, uint64_t *ret)
{
	uint64_t until = c->options->until_ns / NSEC_PER_SEC;
	int error = candidates_by_time(r, c->options->since_ns,
				       until ? (until - 1) * NSEC_PER_SEC : 0, set);

	*ret = bitset_count(set, r->indexed);
	return error;
}

static int count_segment_of(struct counting *c, struct records *r)
{
	const struct sidecar_head *head = &r->sidecar.head;
	struct bitset set = {0};
	struct reader_record record;
	uint64_t in_range;
	int error = bitset_init(&set, r->count);

	if (error == 0 && r->indexed) {
		error = in_time(c, r, &set, &in_range);
		if (error == 0 && in_range)
			error = make_hours(c->stats, head->min_seconds / SECONDS_PER_HOUR,
					   head->max_seconds / SECONDS_PER_HOUR);
		if (error == 0 && in_range)
			error = count_indexed(c->stats, r, &set, in_range);
		if (error == -EBADMSG)
			error = -ESTALE;
	}
	bitset_done(&set);
	for (uint32_t i = r->indexed; i < r->count && error == 0; i++) {
		error = records_get(r, i, &record);
		if (error == 0 && record.data)
			error = count_one(c, &record.view);
	}
	return error;
}

/* A copy to go back to if an index proves to be wrong half way. */
static int copy_counts(const struct audit_counts *from, struct audit_counts *ret)
{
	*ret = *from;
	ret->size = from->count;
	ret->items = calloc(from->count ? from->count : 1, sizeof(*ret->items));
	if (!ret->items)
		return -ENOMEM;
	if (from->count)
		memcpy(ret->items, from->items, from->count * sizeof(*ret->items));
	return 0;
}

static int copy_stats(const struct audit_stats *from, struct audit_stats *ret)
{
	int r;

	*ret = *from;
	ret->types.items = ret->actors.items = ret->rules.items = ret->categories.items = NULL;
	ret->hours = calloc(from->hour_count ? from->hour_count : 1, sizeof(*ret->hours));
	r = ret->hours ? copy_counts(&from->types, &ret->types) : -ENOMEM;
	if (r == 0)
		r = copy_counts(&from->actors, &ret->actors);
	if (r == 0)
		r = copy_counts(&from->rules, &ret->rules);
	if (r == 0)
		r = copy_counts(&from->categories, &ret->categories);
	if (r < 0)
		audit_stats_done(ret);
	else if (from->hour_count)
		memcpy(ret->hours, from->hours, from->hour_count * sizeof(*ret->hours));
	return r;
}

static int count_segment(struct counting *c, size_t i, bool index)
{
	_cleanup_(records_done) struct records r = {.fd = -1, .sidecar.fd = -1};
	uint64_t successor = i + 1 < c->count ? c->segments[i + 1] : SEGMENT_NONE;
	struct audit_stats before;
	int error = records_open(c->dir, c->segments[i], successor, index, &c->hasher, &r);

	if (error == -ENODATA && successor == SEGMENT_NONE)
		return 0;
	if (error == 0)
		error = copy_stats(c->stats, &before);
	if (error < 0)
		return error;
	error = count_segment_of(c, &r);
	if (error < 0) {
		audit_stats_done(c->stats);
		*c->stats = before;
		return error;
	}
	audit_stats_done(&before);
	if (r.count) {
		c->stats->first_index = c->segments[i];
		if (c->stats->last_index == UINT64_MAX)
			c->stats->last_index = c->segments[i] + r.count - 1;
	}
	return 0;
}

static int count_all(struct counting *c)
{
	for (size_t n = 0; n < c->count; n++) {
		size_t i = c->count - 1 - n;
		int r;

		if (c->options->is_cancelled && c->options->is_cancelled(c->options->userdata))
			return -ECANCELED;
		if (n && c->options->deadline_ns &&
		    clock_monotonic_ns() >= c->options->deadline_ns) {
			c->stats->partial = true;
			return 0;
		}
		r = count_segment(c, i, !c->options->scan);
		if (r == -ESTALE)
			r = count_segment(c, i, false);
		c->damaged_index = c->segments[i];
		if (r < 0)
			return r;
	}
	return 0;
}

static int larger_first(const void *a, const void *b)
{
	const struct audit_count *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void sort(struct audit_counts *counts)
{
	if (counts->count)
		qsort(counts->items, counts->count, sizeof(*counts->items), larger_first);
}

/* Hours in which nothing happened at either end say nothing. */
static void trim_hours(struct audit_stats *s)
{
	size_t skip = 0;

	while (s->hour_count && !s->hours[s->hour_count - 1])
		s->hour_count--;
	while (skip < s->hour_count && !s->hours[skip])
		skip++;
	if (skip)
		memmove(s->hours, s->hours + skip, (s->hour_count - skip) * sizeof(*s->hours));
	s->hour_count -= skip;
	s->first_hour += skip;
}

int audit_stats(const char *path, const struct audit_stats_options *options,
		struct audit_stats *ret, struct fault *reterr)
{
	_cleanup_(counting_done) struct counting c = {.options = options, .stats = ret, .dir = -1};
	int r = directory_open_readonly(path, &c.dir, reterr);

	*ret = (struct audit_stats){.last_index = UINT64_MAX};
	if (r < 0)
		return r;
	r = hasher_init(&c.hasher);
	if (r == 0)
		r = directory_segments(c.dir, &c.segments, &c.count);
	if (r == 0)
		r = count_all(&c);
	if (r < 0)
		audit_stats_done(ret);
	if (r == -EBADMSG)
		return fault(reterr, r, "audit.damaged",
			     "the audit log is damaged near record %llu: run 'weir audit verify'",
			     (unsigned long long)c.damaged_index);
	if (r == -ECANCELED)
		return fault(reterr, r, "audit.cancelled", "nobody waits for it any more");
	if (r < 0)
		return fault(reterr, r, "audit.read", "cannot read the audit log: %s",
			     strerror(-r));
	if (ret->last_index == UINT64_MAX) {
		ret->first_index = 1;
		ret->last_index = 0;
	}
	sort(&ret->types);
	sort(&ret->actors);
	sort(&ret->rules);
	sort(&ret->categories);
	trim_hours(ret);
	return 0;
}

void audit_stats_done(struct audit_stats *s)
{
	free(s->types.items);
	free(s->actors.items);
	free(s->rules.items);
	free(s->categories.items);
	free(s->hours);
	*s = (struct audit_stats){0};
}
