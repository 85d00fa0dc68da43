/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/erase_records.h"

#include <errno.h>
#include <string.h>

#include "audit/archives.h"
#include "audit/directory.h"
#include "audit/evidence.h"
#include "audit/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/errand.h"
#include "engine/internal.h"

/*
 * What verification and a restore read has to stay: what explains stubs, what the log says of itself. Of people
 * there is at most the name of an operator in it, who is told as one that is kept.
 */
static bool must_stay(const struct record_view *view)
{
	int event = audit_event_from_str(view->event_type.data, view->event_type.length);

	switch (event) {
	case AUDIT_EVENT_AUDIT_SEARCHED:
	case AUDIT_EVENT_AUDIT_EXPORTED:
	case AUDIT_EVENT_AUDIT_REPORTED:
		return false;
	case AUDIT_EVENT_RETENTION_ARCHIVED:
	case AUDIT_EVENT_REQUEST_ERASING:
	case AUDIT_EVENT_REQUEST_REMOVED:
	case AUDIT_EVENT_REQUEST_DONE:
	case AUDIT_EVENT_SYSTEM_RESTORE:
	case AUDIT_EVENT_SYSTEM_START:
	case AUDIT_EVENT_SYSTEM_UPGRADE:
	case AUDIT_EVENT_SYSTEM_CLOCK_STEP:
		return true;
	default:
		return event >= 0 &&
		       audit_event_category((enum audit_event)event) == AUDIT_CATEGORY_AUDIT;
	}
}

static void end_range(struct removal *x)
{
	size_t length = strlen(x->indexes);
	const char *comma = length ? "," : "";

	if (!x->in_range || x->indexes_full)
		return;
	if (length > REMOVAL_INDEXES_MAX) {
		x->indexes_full = true;
		snprintf(x->indexes + length, sizeof(x->indexes) - length, ",...");
		return;
	}
	if (x->range_first == x->range_last)
		snprintf(x->indexes + length, sizeof(x->indexes) - length, "%s%llu", comma,
			 (unsigned long long)x->range_first);
	else
		snprintf(x->indexes + length, sizeof(x->indexes) - length, "%s%llu-%llu", comma,
			 (unsigned long long)x->range_first, (unsigned long long)x->range_last);
}

/* The first record of a segment that has to go is asked about twice. */
static void put_index(struct removal *x, uint64_t index)
{
	if (x->in_range && index <= x->range_last)
		return;
	if (x->in_range && index == x->range_last + 1) {
		x->range_last = index;
		return;
	}
	end_range(x);
	x->in_range = true;
	x->range_first = x->range_last = index;
}

static int compare_indexes(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool is_to_go(const char *data, const struct record_view *view, void *userdata)
{
	struct removal *x = userdata;

	if (!mention_in_record(x->mention, data, view) &&
	    !(x->statement_count && bsearch(&view->index, x->statements, x->statement_count,
					    sizeof(*x->statements), compare_indexes)))
		return false;
	if (must_stay(view)) {
		x->kept += view->index >= x->kept_next;
		if (view->index >= x->kept_next)
			x->kept_next = view->index + 1;
		return false;
	}
	put_index(x, view->index);
	return true;
}

static void begin_indexes(struct removal *x)
{
	*x->indexes = '\0';
	x->in_range = x->indexes_full = false;
}

static void record(struct removal *x, struct audit_details *d)
{
	struct audit_record record = {
		.event = AUDIT_EVENT_REQUEST_REMOVED,
		.resource = {"subject_request", x->request},
		.details = d,
	};

	engine_record(x->engine, &record, &ENGINE_SYSTEM);
}

/* @archive: the new one; @former: the one it replaces; both NULL: it is the segment itself. */
static void record_segment(struct removal *x, const struct rewrite *w, const char *archive,
			   const char *former)
{
	char before[AUDIT_HASH_TEXT], after[AUDIT_HASH_TEXT];
	struct audit_details d = {0};

	end_range(x);
	hex_format(w->hash_before, AUDIT_HASH_SIZE, before);
	hex_format(w->hash_after, AUDIT_HASH_SIZE, after);
	if (archive) {
		audit_details_string(&d, "archive", archive);
		audit_details_string(&d, "archive_was", former);
	} else {
		audit_details_string(&d, "sha256_after", after);
		audit_details_string(&d, "sha256_before", before);
		audit_details_u64(&d, "bytes_after", w->bytes_after);
		audit_details_u64(&d, "bytes_before", w->bytes_before);
		audit_details_u64(&d, "next_index", w->next_index);
	}
	audit_details_string(&d, "indexes", x->indexes);
	audit_details_u64(&d, "removed", w->expired);
	audit_details_u64(&d, "segment", w->segment);
	audit_details_u64(&d, "stubs", w->stubs);
	record(x, &d);
}

/* Under the lock, so that who tells it to stop comes before or after, never amidst. */
static int locked(struct removal *x, int (*fn)(struct removal *x, void *what, struct fault *reterr),
		  void *what, struct fault *reterr)
{
	int error;

	pthread_mutex_lock(x->lock);
	error = *x->stop ? fault(reterr, -ECANCELED, "request.stopped", "it was told to stop")
			 : fn(x, what, reterr);
	pthread_mutex_unlock(x->lock);
	return error;
}

static int replace(struct removal *x, void *what, struct fault *reterr)
{
	return rewrite_commit(x->dir, what, reterr);
}

static int do_segment(struct removal *x, uint64_t segment, struct fault *reterr)
{
	struct rewrite w;
	int error;

	begin_indexes(x);
	x->kept_next = segment;
	error = rewrite_stage(x->dir, segment, is_to_go, x, x->stop, &w, reterr);
	if (error <= 0)
		return error;
	record_segment(x, &w, NULL, NULL);
	error = x->wait_durable(x->userdata, reterr);
	if (error == 0)
		error = locked(x, replace, &w, reterr);
	if (error < 0)
		rewrite_abort(x->dir, segment);
	else
		x->removed += w.expired;
	return error;
}

static int remove_archive(struct removal *x, void *what, struct fault *reterr)
{
	return archives_remove(x->dir, what, reterr);
}

static int do_archive(struct removal *x, struct archive *a, struct fault *reterr)
{
	char again[REWRITE_ARCHIVE_NAME_SIZE];
	struct rewrite w;
	int error;

	begin_indexes(x);
	error = rewrite_archived(x->dir, a, is_to_go, x, x->stop, &w, reterr);
	if (error <= 0)
		return error;
	rewrite_archive_name(&w, again);
	record_segment(x, &w, again, a->name);
	error = x->wait_durable(x->userdata, reterr);
	if (error == 0)
		error = locked(x, remove_archive, a, reterr);
	if (error == 0)
		x->archives++;
	return error;
}

/* What fails for one file does so for that one: it is told, and the rest is not left for it. */
static int note(struct removal *x, int error, const struct fault *f, struct fault *reterr)
{
	if (error >= 0)
		return 0;
	if (error == -ECANCELED) {
		*reterr = *f;
		return error;
	}
	if (x->failed_count < REMOVAL_FAILED_MAX)
		x->failed[x->failed_count++] = *f;
	return 0;
}

/* What is older than the first segment that may be changed is from before a violation. */
static void note_evidence(struct removal *x, uint64_t first)
{
	_cleanup_free_ uint64_t *all = NULL;
	struct fault f = {0};
	size_t count = 0;

	if (directory_segments(x->dir, &all, &count) < 0 || !count || all[0] >= first)
		return;
	fault(&f, -EPERM, "request.evidence",
	      "records before %llu are from before a violation and stay as they are",
	      (unsigned long long)first);
	note(x, f.err, &f, NULL);
}

int removal_segments(struct removal *x, struct fault *reterr)
{
	_cleanup_free_ uint64_t *segments = NULL;
	size_t count = 0;
	int error = rewrite_candidates(x->dir, &segments, &count, reterr);

	if (error == 0 && count)
		note_evidence(x, segments[0]);
	/* The newest first: a statement is not left when what it is about is gone, and nobody could tell whose it was. */
	for (size_t i = count; error == 0 && i-- > 0;) {
		struct fault f = {0};

		error = note(x, do_segment(x, segments[i], &f), &f, reterr);
	}
	x->kept_next = UINT64_MAX; /* what stays is in no archive only */
	return error;
}

int removal_archives(struct removal *x, struct fault *reterr)
{
	_cleanup_free_ struct archive *list = NULL;
	size_t count = 0;
	int error;

	rewrite_sweep(x->dir);
	error = archives_list(x->dir, &list, &count, reterr);
	for (size_t i = 0; error == 0 && i < count; i++) {
		struct fault f = {0};

		if (list[i].is_there)
			error = note(x, do_archive(x, &list[i], &f), &f, reterr);
	}
	rewrite_sweep(x->dir);
	return error;
}

static bool is_of(const uint8_t source[static 16], const void *userdata)
{
	return mention_is_source(userdata, source);
}

/* The caller removes it if this returns 1. */
static int about_to_remove(const char *name, void *userdata, struct fault *reterr)
{
	struct removal *x = userdata;
	struct audit_details d = {0};
	int error;

	audit_details_string(&d, "evidence", name);
	record(x, &d);
	error = x->wait_durable(x->userdata, reterr);
	if (error < 0)
		return error;
	x->evidence++;
	return 1;
}

int removal_evidence(struct removal *x, struct fault *reterr)
{
	return x->mention->is_prefix
		       ? evidence_remove(x->dir, is_of, x->mention, about_to_remove, x, reterr)
		       : 0;
}

void removal_announce(struct engine *e, const char *request, const struct errand_result *found)
{
	struct audit_details d = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_REQUEST_ERASING,
		.resource = {"subject_request", request},
		.details = &d,
	};

	audit_details_u64(&d, "subjects", found->count);
	audit_details_u64(&d, "configured", json_array_size(found->configured.places));
	engine_record(e, &record, &ENGINE_SYSTEM);
}
