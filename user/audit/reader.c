/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Walks the segments with a light scan. How far a segment counts is said by the header of the next
 * one, which may also appear while we stand at the end: the list is read again there.
 */
#include "audit/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "audit/directory.h"
#include "audit/scan.h"
#include "audit/sidecar.h"
#include "base/clock.h"

struct reader {
	int dir;
	struct hasher hasher;
	struct scan scan;
	size_t next;   /* record of the current batch */
	uint64_t from; /* records before this index are skipped */
	bool with_expired;
	uint64_t since_ns, until_ns; /* of segments, by their indexes */
	const struct personal_opener *opener;
	const struct rectified *rectified;
};

int reader_open(const char *path, struct reader **ret, struct fault *reterr)
{
	_cleanup_(reader_closep) struct reader *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return fault(reterr, -ENOMEM, "audit.read", "no memory to read the audit log");
	r->dir = r->scan.fd = -1;
	r->until_ns = UINT64_MAX;
	if (hasher_init(&r->hasher) < 0 || scan_init(&r->scan, &r->hasher, true) < 0)
		return fault(reterr, -ENOMEM, "audit.read", "no memory to read the audit log");
	error = directory_open_readonly(path, &r->dir, reterr);
	if (error < 0)
		return error;
	*ret = take_ptr(r);
	return 0;
}

void reader_close(struct reader *r)
{
	if (!r)
		return;
	scan_done(&r->scan);
	hasher_done(&r->hasher);
	close_fdp(&r->dir);
	free(r);
}

void reader_set_opener(struct reader *r, const struct personal_opener *opener)
{
	r->opener = opener;
}

void reader_set_rectified(struct reader *r, const struct rectified *rectified)
{
	r->rectified = rectified;
}

void reader_set_range(struct reader *r, uint64_t since_ns, uint64_t until_ns)
{
	r->since_ns = since_ns;
	r->until_ns = until_ns;
}

static int failed(int error, struct fault *reterr)
{
	return fault(reterr, error, "audit.read", "cannot read the audit log: %s",
		     strerror(-error));
}

/* The segments around @index: the last one that begins at or before it, the first one after it. */
static int neighbours(const struct reader *r, uint64_t index, uint64_t *ret_at, uint64_t *ret_after)
{
	_cleanup_free_ uint64_t *list = NULL;
	size_t count;
	int error = directory_segments(r->dir, &list, &count);

	if (error < 0)
		return error;
	*ret_at = *ret_after = SEGMENT_NONE;
	for (size_t i = 0; i < count && *ret_after == SEGMENT_NONE; i++) {
		if (list[i] <= index)
			*ret_at = list[i];
		else
			*ret_after = list[i];
	}
	return 0;
}

/* The segment after the current one; the first one of all if there is no current one. */
static int successor(const struct reader *r, uint64_t *ret)
{
	uint64_t at, after;
	int error;

	if (r->scan.fd >= 0)
		return neighbours(r, r->scan.header.first_index, &at, ret);
	error = neighbours(r, 0, &at, &after);
	if (error == 0)
		*ret = at != SEGMENT_NONE ? at : after;
	return error;
}

/*
 * Begin to read segment @first, as far as it counts: what recovery set aside may look like a batch, as
 * nothing here checks hashes. 1; 0: its header is still being written; -errno.
 */
static int enter(struct reader *r, uint64_t first)
{
	int error = scan_open(&r->scan, r->dir, first);
	uint64_t after;

	if (error < 0)
		return error == -ENODATA ? 0 : error;
	scan_trust_header(&r->scan);
	r->next = 0;
	error = successor(r, &after);
	if (error == 0 && after != SEGMENT_NONE)
		error = scan_limit(&r->scan, r->dir, after);
	return error < 0 ? error : 1;
}

/* The index of the complete segment @first, which @after follows, covers all of it, and nothing in it is of that time. */
static bool is_out_of_range(const struct reader *r, uint64_t first, uint64_t after)
{
	uint8_t seal[AUDIT_HASH_SIZE];
	_cleanup_close_ int fd = -1;
	struct sidecar sidecar;
	bool out;

	if (directory_open_segment(r->dir, first, O_RDONLY, &fd) < 0 ||
	    file_read(fd, seal, sizeof(seal), SEGMENT_HEADER_SIZE - sizeof(seal)) !=
		    (ssize_t)sizeof(seal) ||
	    sidecar_open(r->dir, first, seal, &sidecar) < 0)
		return false;
	out = sidecar.head.records == after - first &&
	      (sidecar.head.max_seconds < r->since_ns / NSEC_PER_SEC ||
	       sidecar.head.min_seconds > r->until_ns / NSEC_PER_SEC);
	sidecar_done(&sidecar);
	return out;
}

/* From segment *@first on, the first one that may have records of the range. */
static int pass_over(const struct reader *r, uint64_t *first)
{
	_cleanup_free_ uint64_t *list = NULL;
	size_t count = 0, i = 0;
	int error;

	if (!r->since_ns && r->until_ns == UINT64_MAX)
		return 0;
	error = directory_segments(r->dir, &list, &count);
	if (error < 0)
		return error;
	while (i < count && list[i] < *first)
		i++;
	while (i + 1 < count && is_out_of_range(r, list[i], list[i + 1]))
		i++;
	if (i < count)
		*first = list[i];
	return 0;
}

static int damaged(uint64_t index, const char *words, struct fault *reterr)
{
	return fault(reterr, -EBADMSG, "audit.damaged",
		     "the audit log is damaged near record %llu (%s): run 'weir audit verify'",
		     (unsigned long long)index, words);
}

/* Load the next batch, from the next segment if need be. 1; 0: none yet; -errno. */
static int next_batch(struct reader *r, struct fault *reterr)
{
	struct scan *s = &r->scan;
	struct audit_problem problem;
	bool final = false;

	for (;;) {
		uint64_t after;
		int got = s->fd >= 0 ? scan_batch(s, &problem) : 0, error;

		r->next = 0;
		if (got == 1)
			return 1;
		if (got < 0 && got != -EBADMSG)
			return failed(got, reterr);
		error = successor(r, &after);
		if (error == 0 && s->fd >= 0 && after != SEGMENT_NONE)
			error = scan_limit(s, r->dir, after);
		if (error < 0)
			return failed(error, reterr);
		/* Look again: more may have been committed before there was a successor. */
		if (s->fd >= 0 && after != SEGMENT_NONE && !s->ended && !final) {
			final = true;
			continue;
		}
		if (got < 0 && s->offset + s->saved < s->limit)
			return damaged(problem.index, problem.words, reterr);
		if (after == SEGMENT_NONE)
			return 0;
		error = pass_over(r, &after);
		if (error == 0)
			error = enter(r, after);
		if (error == -EBADMSG)
			return damaged(after, "segment header", reterr);
		if (error <= 0)
			return error < 0 ? failed(error, reterr) : 0;
		final = false;
	}
}

int reader_seek(struct reader *r, uint64_t index, struct fault *reterr)
{
	uint64_t at = index, after;
	int error;

	do {
		error = neighbours(r, at, &at, &after);
		if (error == 0 && at != SEGMENT_NONE)
			error = enter(r, at);
		if (error < 0)
			return error == -EBADMSG ? damaged(at, "segment header", reterr)
						 : failed(error, reterr);
		if (error == 0 && (at == SEGMENT_NONE || at == 0)) {
			close_fdp(&r->scan.fd); /* nothing before @index: start with the first */
			r->scan.fd = -1;
			break;
		}
		at--; /* the header of that segment is still being written */
	} while (error == 0);
	r->from = index;
	return 0;
}

int reader_seek_tail(struct reader *r, uint64_t count, struct fault *reterr)
{
	struct state state;
	int error = state_load(r->dir, &r->hasher, &state);

	if (error == -ENOENT)
		return reader_seek(r, 0, reterr);
	if (error == -EBADMSG)
		return damaged(0, "state file", reterr);
	if (error < 0)
		return failed(error, reterr);
	return reader_seek(r, state.tip.next_index > count ? state.tip.next_index - count : 0,
			   reterr);
}

void reader_with_expired(struct reader *r)
{
	r->with_expired = true;
}

int reader_hash_at(struct reader *r, uint64_t index, uint8_t ret[static AUDIT_HASH_SIZE],
		   struct fault *reterr)
{
	struct scan *s = &r->scan;
	int error = reader_seek(r, index, reterr);

	if (error < 0)
		return error;
	do {
		error = next_batch(r, reterr);
	} while (error == 1 && s->tip.next_index <= index);
	if (error < 0)
		return error;
	if (error == 0 || index < s->before.next_index)
		return fault(reterr, -ENOENT, "audit.read", "there is no record %llu",
			     (unsigned long long)index);
	const struct scan_record *record = &s->records[index - s->before.next_index];

	if (record->stub)
		memcpy(ret, record->hash, AUDIT_HASH_SIZE);
	else
		hash_leaf(&r->hasher, s->batch + record->at, record->length, ret);
	return 0;
}

int reader_next(struct reader *r, struct reader_record *ret, struct fault *reterr)
{
	struct scan *s = &r->scan;

	for (;;) {
		while (r->next < s->count) {
			const struct scan_record *record = &s->records[r->next];
			uint64_t index = s->before.next_index + r->next++;

			if (index < r->from || (record->stub && !r->with_expired))
				continue;
			if (record->stub) {
				*ret = (struct reader_record){.view.index = index};
				memcpy(ret->hash, record->hash, AUDIT_HASH_SIZE);
				hash_event_id(&r->hasher, s->tip.chain_id, index,
					      ret->view.event_id);
				return 1;
			}
			ret->data = (const char *)s->batch + record->at;
			ret->length = record->length;
			if (record_parse(ret->data, ret->length, &ret->view) < 0)
				return damaged(index, "not a record", reterr);
			ret->view.opener = r->opener;
			ret->view.rectified = r->rectified;
			hash_leaf(&r->hasher, ret->data, ret->length, ret->hash);
			return 1;
		}
		int error = next_batch(r, reterr);

		if (error <= 0)
			return error;
	}
}
