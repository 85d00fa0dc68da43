/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/subject.h"

#include <errno.h>
#include <stdlib.h>

#include "audit/personal.h"
#include "audit/rectified.h"
#include "base/clock.h"
#include "base/text.h"

#define RECORDS_BETWEEN_LOOKS 256 /* at the clock and at who waits */

struct finding_numbers {
	const struct mention *mention;
	const struct subject_waiter *waiter;
	uint64_t *numbers;
	size_t count;
};

static bool is_cancelled(const struct subject_waiter *w)
{
	return w->is_cancelled(w->userdata);
}

static int take_number(const struct vault_subject *v, void *userdata)
{
	struct finding_numbers *f = userdata;

	if (is_cancelled(f->waiter))
		return -ECANCELED;
	if (!mention_in_text(f->mention, v->value))
		return 0;
	if (f->count == SUBJECT_NUMBERS_MAX)
		return -E2BIG;
	f->numbers[f->count++] = v->id;
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int stopped(struct fault *reterr)
{
	return fault(reterr, -ECANCELED, "request.stopped", "it was told to stop");
}

int subject_find(struct vault *v, const struct mention *mention,
		 const struct subject_waiter *waiter, uint64_t ret[static SUBJECT_NUMBERS_MAX],
		 size_t *ret_count, struct fault *reterr)
{
	struct finding_numbers f = {.mention = mention, .waiter = waiter, .numbers = ret};
	int error = vault_each(v, take_number, &f, reterr);

	qsort(ret, f.count, sizeof(ret[0]), compare_numbers);
	*ret_count = f.count;
	if (error == -E2BIG)
		return fault(reterr, error, "request.subject",
			     "more than %d values name the subject: say it more exactly",
			     SUBJECT_NUMBERS_MAX);
	return error == -ECANCELED ? stopped(reterr) : error;
}

bool subject_is_in(const struct mention *mention, const uint64_t *numbers, size_t count,
		   const struct reader_record *record)
{
	for (unsigned int i = 0; i < record->view.sealed_count; i++) {
		size_t at = record->view.sealed[i];
		struct personal_sealed sealed;

		if (personal_parse_sealed(record->data + at, record->length - at, &sealed) >= 0 &&
		    bsearch(&sealed.subject, numbers, count, sizeof(numbers[0]), compare_numbers))
			return true;
	}
	return mention_in_record(mention, record->data, &record->view);
}

/* A page that is being read. */
struct reading {
	struct mention mention;
	uint64_t numbers[SUBJECT_NUMBERS_MAX];
	size_t count;
	struct rectified *rectified;
	struct reader *reader;
	json_t *items;
	size_t bytes;
};

static void reading_free(struct reading *r)
{
	if (!r)
		return;
	reader_close(r->reader);
	rectified_free(r->rectified);
	json_decref(r->items);
	free(r);
}
DEFINE_CLEANUP(struct reading *, reading_free)

/* Put the record on the page. 1: that is full. */
static int take_record(struct reading *r, const struct reader_record *record, struct fault *reterr)
{
	_cleanup_(text_done) struct text view = {.growing = true};
	json_t *item;

	record_put_view(&view, record->data, record->length, &record->view, record->hash);
	item = view.truncated ? NULL : json_loadb(view.data, view.length, 0, NULL);
	if (json_array_append_new(r->items, item) < 0)
		return fault(reterr, -ENOMEM, "request.memory", "out of memory");
	r->bytes += view.length;
	return r->bytes >= SUBJECT_PAGE_BYTES || json_array_size(r->items) >= SUBJECT_PAGE_ITEMS;
}

/* *@ret_next: as in the page. */
static int read_on(struct reading *r, const struct subject_waiter *waiter, uint64_t *ret_next,
		   struct fault *reterr)
{
	uint64_t until_ns = clock_monotonic_ns() + SUBJECT_PAGE_NS;
	struct reader_record record;
	int error, full = 0;

	for (unsigned int n = 1; full == 0; n++) {
		error = reader_next(r->reader, &record, reterr);
		if (error <= 0) {
			*ret_next = UINT64_MAX;
			return error;
		}
		if (subject_is_in(&r->mention, r->numbers, r->count, &record))
			full = take_record(r, &record, reterr);
		if (n % RECORDS_BETWEEN_LOOKS || full)
			continue;
		if (is_cancelled(waiter))
			return stopped(reterr);
		full = clock_monotonic_ns() >= until_ns;
	}
	*ret_next = record.view.index + 1;
	return full < 0 ? full : 0;
}

int subject_read(const char *audit_dir, struct vault *v, const struct personal_opener *opener,
		 const char *subject, uint64_t from, const struct subject_waiter *waiter,
		 struct subject_page *ret, struct fault *reterr)
{
	_cleanup_(reading_freep) struct reading *r = calloc(1, sizeof(*r));
	uint64_t next;
	int error;

	if (!r || !(r->items = json_array()))
		return fault(reterr, -ENOMEM, "request.memory", "out of memory");
	if (mention_init(&r->mention, subject) < 0)
		return fault(reterr, -EINVAL, "request.subject",
			     "the subject is empty, longer than %d bytes, or no UTF-8",
			     MENTION_MAX);
	error = subject_find(v, &r->mention, waiter, r->numbers, &r->count, reterr);
	error = error ?: reader_open(audit_dir, &r->reader, reterr);
	error = error ?: reader_seek(r->reader, from, reterr);
	error = error
			?: rectified_load(audit_dir, waiter->is_cancelled, waiter->userdata,
					  &r->rectified, reterr);
	if (error < 0)
		return error;
	reader_set_opener(r->reader, opener);
	reader_set_rectified(r->reader, r->rectified);
	error = read_on(r, waiter, &next, reterr);
	if (error < 0)
		return error;
	ret->items = take_ptr(r->items);
	ret->next = next;
	return 0;
}
