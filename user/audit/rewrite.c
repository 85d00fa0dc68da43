/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/rewrite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/directory.h"
#include "audit/gone.h"
#include "audit/scan.h"
#include "audit/sidecar.h"
#include "base/cleanup.h"
#include "base/fault_point.h"

#define STAGE "retention" /* below the log: where the new file is made, under its name */

struct work {
	struct hasher hasher;
	struct scan scan;
	FILE *out;
	struct gone gone; /* batches that wait to be written as one frame */
	int stage;
	bool (*expired)(const char *data, const struct record_view *view, void *userdata);
	void *userdata;
};

static void work_done(struct work *w)
{
	scan_done(&w->scan);
	hasher_done(&w->hasher);
	gone_done(&w->gone);
	if (w->out)
		fclose(w->out);
	close_fdp(&w->stage);
}

static int failed(int r, uint64_t segment, const char *what, struct fault *reterr)
{
	return fault(reterr, r, "audit.write", "cannot %s segment %llu without what expired: %s",
		     what, (unsigned long long)segment, strerror(-r));
}

int rewrite_candidates(int dir, uint64_t **ret, size_t *ret_count, struct fault *reterr)
{
	_cleanup_(work_done) struct work w = {.scan.fd = -1, .stage = -1};
	_cleanup_free_ uint64_t *list = NULL;
	struct segment_header header;
	struct state state;
	size_t count = 0, kept = 0;
	int r = hasher_init(&w.hasher);

	if (r == 0)
		r = state_load(dir, &w.hasher, &state);
	w.scan.hasher = &w.hasher;
	if (r == 0)
		r = directory_segments(dir, &list, &count);
	if (r < 0 && r != -ENOENT)
		return fault(reterr, r, "audit.read", "cannot list the segments: %s", strerror(-r));
	for (size_t i = 0; i < count && list[i] < state.tip.segment; i++)
		if (scan_peek(&w.scan, dir, list[i], &header) == 0 &&
		    header.incarnation == state.tip.incarnation)
			list[kept++] = list[i];
	*ret = take_ptr(list);
	*ret_count = kept;
	return 0;
}

/* The segment behind @segment; it says how much of this one counts. */
static int successor(int dir, uint64_t segment, uint64_t *ret)
{
	_cleanup_free_ uint64_t *list = NULL;
	size_t count;
	int r = directory_segments(dir, &list, &count);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		if (list[i] > segment) {
			*ret = list[i];
			return 0;
		}
	return -ENOENT;
}

static int open_segment(struct work *w, int dir, uint64_t segment)
{
	uint64_t next;
	int r = successor(dir, segment, &next);

	if (r == 0)
		r = scan_open(&w->scan, dir, segment);
	if (r == 0)
		r = scan_limit(&w->scan, dir, next);
	if (r == 0)
		scan_trust_header(&w->scan);
	return r;
}

static bool has_expired(struct work *w, const struct scan_record *record)
{
	const char *data = (const char *)w->scan.batch + record->at;
	struct record_view view;

	return !record->stub && record_parse(data, record->length, &view) == 0 &&
	       w->expired(data, &view, w->userdata);
}

/* Nothing of the batch that was read last is to stay: *@ret_expired more records expired. */
static bool is_gone(struct work *w, uint64_t *ret_expired)
{
	uint64_t expired = 0;

	for (size_t i = 0; i < w->scan.count; i++) {
		bool now = has_expired(w, &w->scan.records[i]);

		if (!now && !w->scan.records[i].stub)
			return false;
		expired += now;
	}
	*ret_expired = expired;
	return true;
}

/* Write the batch that was read last, which took @bytes; its COMMIT follows the last record. */
static int write_batch(struct work *w, uint64_t bytes, struct rewrite *ret)
{
	const struct scan *s = &w->scan;
	const uint8_t *end = s->batch;
	uint64_t expired;

	if (is_gone(w, &expired)) {
		ret->expired += expired;
		return gone_add(&w->gone, s, bytes, w->out);
	}
	gone_flush(&w->gone, w->out);
	for (size_t i = 0; i < s->count; i++) {
		const struct scan_record *record = &s->records[i];
		const uint8_t *frame = s->batch + record->at - FRAME_HEADER_SIZE;
		size_t size = record->stub ? FRAME_STUB_SIZE : frame_size(record->length);
		uint8_t stub[FRAME_STUB_SIZE];

		end = frame + size;
		if (has_expired(w, record)) {
			frame_stub_encode(stub, s->before.next_index + i, record->hash,
					  record->length);
			frame = stub;
			size = sizeof(stub);
			ret->expired++;
		}
		fwrite(frame, 1, size, w->out);
	}
	fwrite(end, 1, FRAME_SEAL_SIZE, w->out);
	return 0;
}

static int copy_bytes(struct work *w, uint64_t from, uint64_t to)
{
	uint8_t buffer[1 << 14];

	while (from < to) {
		size_t want = to - from < sizeof(buffer) ? (size_t)(to - from) : sizeof(buffer);
		ssize_t n = file_read(w->scan.fd, buffer, want, from);

		if (n < 0)
			return (int)n;
		if ((size_t)n < want)
			return -ENODATA;
		fwrite(buffer, 1, want, w->out);
		from += want;
	}
	return 0;
}

/* All batches, each written if there is somewhere to write to. Ends at what follows the last. */
static int walk(struct work *w, const bool *stop, struct rewrite *ret, struct fault *reterr)
{
	struct audit_problem problem;
	uint64_t rest, at;
	int r;

	for (;;) {
		rest = w->scan.offset;
		at = rest + w->scan.saved;
		r = scan_batch(&w->scan, &problem);
		if (r != 1)
			break;
		if (stop && *stop)
			return fault(reterr, -ECANCELED, "retention.stopped", "told to stop");
		if (w->out)
			r = write_batch(w, w->scan.offset + w->scan.saved - at, ret);
		if (r < 0)
			break;
		for (size_t i = 0; !w->out && !ret->expired && i < w->scan.count; i++)
			ret->expired += has_expired(w, &w->scan.records[i]);
	}
	if (r == -EBADMSG)
		return fault(reterr, r, "audit.damaged", "segment %llu stays as it is: %s",
			     (unsigned long long)ret->segment, problem.words);
	if (r < 0)
		return failed(r, ret->segment, "read", reterr);
	ret->next_index = w->scan.tip.next_index;
	if (w->out)
		gone_flush(&w->gone, w->out);
	return w->out ? copy_bytes(w, rest, ret->bytes_before) : 0;
}

/* Whether anything expired is found without hashing: most segments have nothing. */
static int any_expired(struct work *w, int dir, const bool *stop, struct rewrite *ret,
		       struct fault *reterr)
{
	struct stat st;
	int r = scan_init(&w->scan, &w->hasher, true);

	if (r == 0)
		r = open_segment(w, dir, ret->segment);
	if (r == 0 && fstat(w->scan.fd, &st) < 0)
		r = -errno;
	if (r < 0)
		return failed(r, ret->segment, "read", reterr);
	ret->bytes_before = (uint64_t)st.st_size;
	r = walk(w, stop, ret, reterr);
	scan_done(&w->scan);
	return r < 0 ? r : ret->expired > 0;
}

static int begin(struct work *w, int dir, uint64_t segment)
{
	char name[SEGMENT_NAME_SIZE];
	int fd;

	if (mkdirat(dir, STAGE, 0700) < 0 && errno != EEXIST)
		return -errno;
	w->stage = openat(dir, STAGE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (w->stage < 0)
		return -errno;
	segment_name(segment, name);
	if (unlinkat(w->stage, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(w->stage, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	w->out = fdopen(fd, "w+");
	if (!w->out) {
		close(fd);
		return -ENOMEM;
	}
	return 0;
}

/* Read what was written: it has to come to the very same end. */
static int check(struct work *w, struct rewrite *ret, struct fault *reterr)
{
	struct tip tip = w->scan.tip;
	uint64_t expired = ret->expired;
	struct stat st;
	int r;

	memcpy(ret->last_hash, tip.last_hash, AUDIT_HASH_SIZE);
	if (fflush(w->out) != 0 || ferror(w->out) || fsync(fileno(w->out)) < 0 ||
	    fstat(fileno(w->out), &st) < 0)
		return -errno;
	ret->bytes_after = (uint64_t)st.st_size;
	r = file_hash(w->scan.fd, 0, ret->bytes_before, &w->hasher, ret->hash_before);
	if (r == 0)
		r = file_hash(fileno(w->out), 0, ret->bytes_after, &w->hasher, ret->hash_after);
	fclose(w->out);
	w->out = NULL;
	uint64_t limit = w->scan.limit;

	if (r == 0)
		r = scan_open(&w->scan, w->stage, ret->segment);
	if (r < 0)
		return r;
	w->scan.limit = limit;
	scan_trust_header(&w->scan);
	ret->expired = 1; /* nobody is to be asked again */
	r = walk(w, NULL, ret, reterr);
	ret->expired = expired;
	ret->stubs = w->scan.stubs;
	if (r == 0 && !tip_equal(&tip, &w->scan.tip))
		r = -EIO;
	return r;
}

int rewrite_stage(int dir, uint64_t segment,
		  bool (*expired)(const char *data, const struct record_view *view, void *userdata),
		  void *userdata, const bool *stop, struct rewrite *ret, struct fault *reterr)
{
	_cleanup_(work_done) struct work w = {
		.scan.fd = -1, .stage = -1, .expired = expired, .userdata = userdata};
	int r = hasher_init(&w.hasher);

	*ret = (struct rewrite){.segment = segment};
	if (r < 0)
		return failed(r, segment, "read", reterr);
	r = any_expired(&w, dir, stop, ret, reterr);
	if (r <= 0)
		return r;
	ret->expired = 0;
	r = scan_init(&w.scan, &w.hasher, false);
	if (r == 0)
		r = open_segment(&w, dir, segment);
	if (r == 0)
		r = begin(&w, dir, segment);
	if (r < 0)
		return failed(r, segment, "write", reterr);
	r = copy_bytes(&w, 0, SEGMENT_HEADER_SIZE);
	if (r == 0)
		r = walk(&w, stop, ret, reterr);
	if (r == 0)
		r = check(&w, ret, reterr);
	if (r == 0)
		return 1;
	rewrite_abort(dir, segment);
	return reterr && reterr->err ? r : failed(r, segment, "write", reterr);
}

/* What was made of the records that are to go. It is made again. */
static int remove_index(int dir, uint64_t segment)
{
	_cleanup_close_ int fd =
		openat(dir, SIDECAR_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char name[SIDECAR_NAME_SIZE];

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	sidecar_name(segment, name);
	if (unlinkat(fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

int rewrite_commit(int dir, const struct rewrite *r, struct fault *reterr)
{
	_cleanup_(work_done) struct work w = {.scan.fd = -1, .stage = -1};
	char name[SEGMENT_NAME_SIZE], from[sizeof(STAGE) + SEGMENT_NAME_SIZE];
	uint8_t hash[AUDIT_HASH_SIZE];
	_cleanup_close_ int fd = -1;
	int error = hasher_init(&w.hasher);

	if (error == 0)
		error = directory_open_segment(dir, r->segment, O_RDONLY, &fd);
	if (error == 0)
		error = file_hash(fd, 0, r->bytes_before, &w.hasher, hash);
	if (error < 0)
		return failed(error, r->segment, "replace", reterr);
	if (memcmp(hash, r->hash_before, sizeof(hash)) != 0)
		return fault(reterr, -ESTALE, "audit.changed", "segment %llu was changed meanwhile",
			     (unsigned long long)r->segment);
	segment_name(r->segment, name);
	snprintf(from, sizeof(from), "%s/%s", STAGE, name);
	if (fault_point(reterr, "retention.replace") < 0)
		return -EIO;
	/* Before, so that who dies leaves no index with what is gone; and after, as the indexer may have come between. */
	error = remove_index(dir, r->segment);
	if (error == 0 && (renameat(dir, from, dir, name) < 0 || fsync(dir) < 0))
		error = -errno;
	error = error ?: remove_index(dir, r->segment);
	return error < 0 ? failed(error, r->segment, "replace", reterr) : 0;
}

void rewrite_abort(int dir, uint64_t segment)
{
	char name[SEGMENT_NAME_SIZE], path[sizeof(STAGE) + SEGMENT_NAME_SIZE];

	segment_name(segment, name);
	snprintf(path, sizeof(path), "%s/%s", STAGE, name);
	unlinkat(dir, path, 0);
}
