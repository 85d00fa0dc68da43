/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/search.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/candidates.h"
#include "audit/directory.h"
#include "audit/records.h"
#include "base/clock.h"

#define LOOK_AT_CLOCK 64 /* records between looks at the clock */
#define DONE	      1	 /* the page is complete, or the time over */

struct search {
	const struct audit_query *q;
	const struct audit_search_options *options;
	int (*fn)(const struct reader_record *record, void *userdata);
	void *userdata;
	struct audit_search_result *result;

	int dir;
	struct hasher hasher;
	struct state acknowledged;
	uint64_t *segments;
	size_t count;
	uint64_t from; /* records are due from here, or before here */
	bool full;
	uint64_t damaged_index;
};

static void search_done(struct search *s)
{
	hasher_done(&s->hasher);
	close_fdp(&s->dir);
	free(s->segments);
}

static int damaged(struct search *s, uint64_t index)
{
	s->damaged_index = index;
	return -EBADMSG;
}

/* DONE if the time is over. */
static int look_at_clock(struct search *s)
{
	const struct audit_search_options *o = s->options;

	if (o->is_cancelled && o->is_cancelled(o->userdata))
		return -ECANCELED;
	if (!o->deadline_ns || clock_monotonic_ns() < o->deadline_ns)
		return 0;
	s->result->page = AUDIT_PAGE_PARTIAL;
	return DONE;
}

/* Read the candidate, show it if it is one. */
static int try(struct search *s, struct records *r, uint32_t number)
{
	struct reader_record record;
	int error = records_get(r, number, &record);

	s->result->examined++;
	if (error == 0 && !record.data)
		return 0;
	record.view.opener = s->options->opener;
	if (error == 0 && !audit_query_match(s->q, &record.view))
		return 0;
	if (error == 0)
		error = records_confirm(r, number, &record);
	if (error == 0) {
		record.view.opener = s->options->sealed ? NULL : s->options->opener;
		record.view.rectified = s->options->rectified;
		error = s->fn(&record, s->userdata);
		if (++s->result->matched == s->options->limit || error > 0)
			s->full = true;
		return error < 0 ? error : 0;
	}
	return error == -EBADMSG ? damaged(s, r->header.first_index + number) : error;
}

/* The candidates of a segment, in order, as far as the page goes. */
static int try_all(struct search *s, struct records *r, const struct bitset *set)
{
	uint64_t first = r->header.first_index;
	bool oldest = s->options->oldest;
	int64_t at;

	if (oldest)
		at = bitset_next(set, s->from > first ? (int64_t)(s->from - first) : 0);
	else
		at = bitset_previous(set, s->from - first > r->count
						  ? (int64_t)r->count - 1
						  : (int64_t)(s->from - first) - 1);
	for (unsigned int n = 1; at >= 0; n++) {
		int error = try(s, r, (uint32_t)at);

		if (error < 0)
			return error;
		s->from = first + (uint64_t)at + oldest;
		if (s->full) {
			s->result->page = AUDIT_PAGE_FULL;
			return DONE;
		}
		error = n % LOOK_AT_CLOCK == 0 ? look_at_clock(s) : 0;
		if (error)
			return error;
		at = oldest ? bitset_next(set, at + 1) : bitset_previous(set, at - 1);
	}
	return 0;
}

/* The log acknowledges more records than its last segment has. */
static bool is_cut_off(const struct search *s, const struct records *r, uint64_t successor)
{
	const struct tip *tip = &s->acknowledged.tip;

	return successor == SEGMENT_NONE && tip->segment == r->header.first_index &&
	       memcmp(tip->chain_id, r->header.chain_id, AUDIT_ID_SIZE) == 0 &&
	       tip->next_index > r->header.first_index + r->count;
}

static int search_records(struct search *s, struct records *r, uint64_t successor)
{
	struct bitset set;
	int error;

	if (is_cut_off(s, r, successor))
		return r->indexed ? -ESTALE : damaged(s, r->header.first_index + r->count);
	if (successor == SEGMENT_NONE)
		s->result->tip = r->header.first_index + r->count;
	error = bitset_init(&set, r->count);
	if (error < 0)
		return error;
	error = candidates(r, s->q, &set);
	if (error == -EBADMSG)
		error = -ESTALE;
	if (error == 0)
		error = try_all(s, r, &set);
	bitset_done(&set);
	return error;
}

/* Look into segment number @i, by its index first; if that is no good, without, from where we are. */
static int search_segment(struct search *s, size_t i)
{
	uint64_t first = s->segments[i];
	uint64_t successor = i + 1 < s->count ? s->segments[i + 1] : SEGMENT_NONE;
	bool index = !s->options->scan;
	struct records r;
	int error;

	s->result->segments++;
	for (;; index = false) {
		error = records_open(s->dir, first, successor, index, &s->hasher, &r);
		if (error == 0) {
			error = search_records(s, &r, successor);
			s->result->indexed += r.indexed && error >= 0;
			records_done(&r);
		} else if (error == -EBADMSG) {
			damaged(s, first);
		}
		if (error != -ESTALE || !index)
			break;
		s->result->damaged++;
	}
	/* A header that is still being written: there are no records behind it. */
	return error == -ENODATA && successor == SEGMENT_NONE ? 0 : error;
}

/* Segments that end before the records that are due, or begin behind them. */
static bool passes_by(const struct search *s, size_t i)
{
	if (!s->options->oldest)
		return s->segments[i] >= s->from;
	return i + 1 < s->count && s->segments[i + 1] <= s->from;
}

static int search_segments(struct search *s)
{
	bool oldest = s->options->oldest;
	int error = 0;

	for (size_t n = 0; n < s->count; n++) {
		size_t i = oldest ? n : s->count - 1 - n;

		if (passes_by(s, i))
			continue;
		if (s->result->segments)
			error = look_at_clock(s);
		if (error == 0)
			error = search_segment(s, i);
		if (error)
			return error < 0 ? error : 0;
		if (!oldest)
			s->from = s->segments[i];
		else if (i + 1 < s->count)
			s->from = s->segments[i + 1];
	}
	s->result->page = AUDIT_PAGE_END;
	if (oldest && s->result->tip > s->from)
		s->from = s->result->tip;
	return 0;
}

static int begin(struct search *s)
{
	int error = hasher_init(&s->hasher);

	if (error < 0)
		return error;
	/* Before the segments: what is acknowledged by then is in them. */
	if (state_load(s->dir, &s->hasher, &s->acknowledged) < 0)
		s->acknowledged = (struct state){.tip.segment = SEGMENT_NONE};
	s->from = s->options->from;
	if (s->from == SEARCH_BEGIN)
		s->from = s->options->oldest ? 0 : AUDIT_INDEX_MAX + 1;
	s->result->tip = s->acknowledged.tip.next_index;
	return directory_segments(s->dir, &s->segments, &s->count);
}

int audit_search(const char *path, const struct audit_query *q,
		 const struct audit_search_options *options,
		 int (*fn)(const struct reader_record *record, void *userdata), void *userdata,
		 struct audit_search_result *ret, struct fault *reterr)
{
	_cleanup_(search_done) struct search s = {
		.q = q,
		.options = options,
		.fn = fn,
		.userdata = userdata,
		.result = ret,
		.dir = -1,
	};
	int error = directory_open_readonly(path, &s.dir, reterr);

	assert(options->limit > 0);
	if (error < 0)
		return error;
	*ret = (struct audit_search_result){0};
	error = begin(&s);
	if (error == 0)
		error = search_segments(&s);
	ret->next = s.from;
	if (error == -EBADMSG)
		return fault(reterr, error, "audit.damaged",
			     "the audit log is damaged near record %llu: run 'weir audit verify'",
			     (unsigned long long)s.damaged_index);
	if (error == -ECANCELED)
		return fault(reterr, error, "audit.cancelled", "nobody waits for it any more");
	if (error < 0)
		return fault(reterr, error, "audit.read", "cannot search the audit log: %s",
			     strerror(-error));
	return 0;
}

void audit_cursor_format(uint64_t from, bool oldest, char ret[static SEARCH_CURSOR_SIZE])
{
	snprintf(ret, SEARCH_CURSOR_SIZE, "%c%llu", oldest ? 'a' : 'b', (unsigned long long)from);
}

int audit_cursor_parse(const char *text, bool oldest, uint64_t *ret, struct fault *reterr)
{
	if (text[0] == (oldest ? 'a' : 'b') &&
	    parse_u64(text + 1, 0, AUDIT_INDEX_MAX + 1, ret) == 0)
		return 0;
	return fault(reterr, -EINVAL, "audit.cursor",
		     "'%.40s' is no place where a page of this order ended", text);
}

const char *audit_page_to_str(enum audit_page page)
{
	static const char *const names[] = {
		[AUDIT_PAGE_END] = "end",
		[AUDIT_PAGE_FULL] = "full",
		[AUDIT_PAGE_PARTIAL] = "partial",
	};

	return names[page];
}
