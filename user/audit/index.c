/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/index.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "audit/directory.h"
#include "audit/index_compare.h"
#include "audit/sidecar_build.h"

#define PATH_SIZE (sizeof(SIDECAR_DIR "/") + SIDECAR_NAME_SIZE + 16)

/* The log that is gone through. */
struct log {
	int dir;
	struct hasher hasher;
	uint64_t *segments;
	size_t count;
	uint64_t damaged_index;
};

static void log_done(struct log *l)
{
	hasher_done(&l->hasher);
	close_fdp(&l->dir);
	free(l->segments);
}

int index_make(struct records *r, uint32_t count, uint64_t end, const bool *stop, uint8_t **ret,
	       size_t *ret_length)
{
	_cleanup_(sidecar_builder_freep) struct sidecar_builder *b = NULL;
	uint8_t block[SEGMENT_HEADER_SIZE];
	struct reader_record record;
	ssize_t n = file_read(r->fd, block, sizeof(block), 0);
	int error;

	if (n < 0)
		return (int)n;
	if ((size_t)n < sizeof(block))
		return -EBADMSG;
	error = sidecar_builder_new(r->header.first_index, block + sizeof(block) - AUDIT_HASH_SIZE,
				    &b);
	for (uint32_t i = 0; i < count && error == 0; i++) {
		if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED))
			return -ECANCELED;
		error = records_get(r, i, &record);
		if (error == 0 && record.data)
			error = sidecar_builder_add(b, 8ULL * r->walked[i], &record.view);
		else if (error == 0)
			error = sidecar_builder_add_expired(b, 8ULL * r->walked[i]);
	}
	return error < 0 ? error : sidecar_builder_finish(b, end, ret, ret_length);
}

int index_write(int dir, uint64_t first, const uint8_t *data, size_t length)
{
	char name[SIDECAR_NAME_SIZE], path[PATH_SIZE], temporary[PATH_SIZE];
	_cleanup_close_ int fd = -1;
	int error;

	sidecar_name(first, name);
	snprintf(path, sizeof(path), SIDECAR_DIR "/%s", name);
	snprintf(temporary, sizeof(temporary), SIDECAR_DIR "/%s.%d", name, (int)gettid());
	if (mkdirat(dir, SIDECAR_DIR, 0700) < 0 && errno != EEXIST)
		return -errno;
	unlinkat(dir, temporary, 0);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	/* Synced before it has its name: where a power cut left holes in it, records would be hidden. */
	error = file_write(fd, data, length, 0);
	if (error == 0 && fdatasync(fd) < 0)
		error = -errno;
	if (error == 0 && renameat(dir, temporary, dir, path) < 0)
		error = -errno;
	if (error < 0)
		unlinkat(dir, temporary, 0);
	return error;
}

static bool is_wanted(const char *name, const uint64_t *segments, size_t count)
{
	char known[SIDECAR_NAME_SIZE];

	for (size_t i = 0; i < count; i++) {
		sidecar_name(segments[i], known);
		if (strcmp(known, name) == 0)
			return true;
	}
	return false;
}

void index_tidy(int dir, const uint64_t *segments, size_t count)
{
	_cleanup_close_ int fd =
		openat(dir, SIDECAR_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_closedir_ DIR *stream = NULL;
	const struct dirent *entry;

	if (fd >= 0)
		stream = fdopendir(dup(fd));
	while (stream && (entry = readdir(stream)))
		if (strlen(entry->d_name) >= SIDECAR_NAME_SIZE - 1 &&
		    strncmp(entry->d_name + 20, ".idx", 4) == 0 &&
		    !is_wanted(entry->d_name, segments, count))
			unlinkat(fd, entry->d_name, 0);
}

static int log_open(const char *path, struct log *ret, struct fault *reterr)
{
	int r;

	*ret = (struct log){.dir = -1};
	r = directory_open_readonly(path, &ret->dir, reterr);
	if (r < 0)
		return r;
	r = hasher_init(&ret->hasher);
	if (r == 0)
		r = directory_segments(ret->dir, &ret->segments, &ret->count);
	return r < 0 ? fault(reterr, r, "audit.read", "cannot read the audit log: %s", strerror(-r))
		     : 0;
}

static int log_failed(const struct log *l, int error, struct fault *reterr)
{
	if (error == -EBADMSG)
		return fault(
			reterr, error, "audit.damaged",
			"the audit log is damaged in the segment from record %llu on: run 'weir "
			"audit verify'",
			(unsigned long long)l->damaged_index);
	return fault(reterr, error, "audit.index", "cannot index the audit log: %s",
		     strerror(-error));
}

/* Open segment @i; 0 and no records if it has none yet. */
static int open_segment(struct log *l, size_t i, bool index, struct records *ret)
{
	uint64_t successor = i + 1 < l->count ? l->segments[i + 1] : SEGMENT_NONE;
	int r = records_open(l->dir, l->segments[i], successor, index, &l->hasher, ret);

	if (r == -ENODATA && successor == SEGMENT_NONE) {
		*ret = (struct records){.fd = -1, .sidecar.fd = -1};
		return 0;
	}
	if (r == -EBADMSG)
		l->damaged_index = l->segments[i];
	return r;
}

static int rebuild(struct log *l, size_t i, struct index_report *report)
{
	_cleanup_(records_done) struct records r = {.fd = -1, .sidecar.fd = -1};
	_cleanup_free_ uint8_t *data = NULL;
	size_t length;
	int error = open_segment(l, i, false, &r);

	report->segments++;
	if (error < 0 || !r.count)
		return error;
	report->records += r.count;
	error = index_make(&r, r.count, r.end, NULL, &data, &length);
	if (error == 0)
		error = index_write(l->dir, l->segments[i], data, length);
	if (error < 0) {
		l->damaged_index = l->segments[i];
		return error;
	}
	report->indexed++;
	report->covered += r.count;
	report->bytes += length;
	return 0;
}

int audit_index_rebuild(const char *path, struct index_report *ret, struct fault *reterr)
{
	_cleanup_(log_done) struct log l;
	int r = log_open(path, &l, reterr);

	*ret = (struct index_report){0};
	if (r < 0)
		return r;
	index_tidy(l.dir, l.segments, l.count);
	for (size_t i = 0; i < l.count && r == 0; i++)
		r = rebuild(&l, i, ret);
	return r < 0 ? log_failed(&l, r, reterr) : 0;
}

/* What the index covers ends where the next record begins, or all do. @plain may know of more of them. */
static bool ends_right(const struct records *indexed, const struct records *plain)
{
	uint32_t count = indexed->indexed;
	uint64_t end = indexed->sidecar.head.end;

	return count < plain->count ? 8ULL * plain->walked[count] == end
				    : count == plain->count && plain->end == end;
}

/* The index that is there, against the one made from the records without it. */
static int compare(struct records *indexed, struct records *plain, struct index_finding *ret)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t length;
	int r;

	ret->used = true;
	if (!ends_right(indexed, plain)) {
		snprintf(ret->words, sizeof(ret->words),
			 "it does not say where the records that it covers end");
		return 1;
	}
	r = index_make(plain, indexed->indexed, indexed->sidecar.head.end, NULL, &data, &length);
	return r < 0 ? r : index_compare(&indexed->sidecar, data, length, ret);
}

/* 1: @ret says what is wrong with the index of segment @i; 0: nothing is; -errno. */
static int check(struct log *l, size_t i, struct index_report *report, struct index_finding *ret)
{
	_cleanup_(records_done) struct records plain = {.fd = -1, .sidecar.fd = -1},
					       indexed = plain;
	int r = open_segment(l, i, false, &plain);

	*ret = (struct index_finding){.segment = l->segments[i], .record = l->segments[i]};
	report->segments++;
	report->records += plain.count;
	if (r < 0 || !plain.count)
		return r;
	r = open_segment(l, i, true, &indexed);
	if (r < 0 && r != -ESTALE)
		return r;
	if (r == -ESTALE) {
		snprintf(ret->words, sizeof(ret->words), "it is of other records than these");
		return 1;
	}
	if (!indexed.indexed)
		return index_is_there(l->dir, l->segments[i], ret);
	/* The daemon may have written more meanwhile. */
	if (indexed.count > plain.count) {
		records_done(&plain);
		r = open_segment(l, i, false, &plain);
		if (r < 0)
			return r;
	}
	report->indexed++;
	report->covered += indexed.indexed;
	report->bytes += indexed.sidecar.size;
	r = compare(&indexed, &plain, ret);
	if (r == -EBADMSG)
		l->damaged_index = l->segments[i];
	return r;
}

int audit_index_check(const char *path,
		      void (*fn)(const struct index_finding *finding, void *userdata),
		      void *userdata, struct index_report *ret, struct fault *reterr)
{
	return audit_index_check_part(path, 0, UINT64_MAX, fn, userdata, ret, reterr);
}

int audit_index_check_part(const char *path, uint64_t first, uint64_t last,
			   void (*fn)(const struct index_finding *finding, void *userdata),
			   void *userdata, struct index_report *ret, struct fault *reterr)
{
	_cleanup_(log_done) struct log l;
	struct index_finding finding;
	int r = log_open(path, &l, reterr);

	*ret = (struct index_report){0};
	for (size_t i = 0; i < l.count && r >= 0; i++) {
		if (l.segments[i] < first || l.segments[i] > last)
			continue;
		r = check(&l, i, ret, &finding);
		if (r == 1) {
			ret->wrong++;
			fn(&finding, userdata);
		}
	}
	return r < 0 && l.dir >= 0 ? log_failed(&l, r, reterr) : r < 0 ? r : 0;
}
