/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The segment as it was, compressed, before records are taken out of it: gunzip gives the very bytes. What is there
 * may be made anew without records that have to be forgotten. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <zlib.h>

#include "audit/archives.h"
#include "audit/directory.h"
#include "audit/rewrite.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault_point.h"
#include "base/fs.h"

#define CHUNK	  (64U << 10)
#define DIRECTORY "archive"
#define PARTIAL	  DIRECTORY "/partial" /* what is not complete yet */
#define SCRATCH	  "erasing"	       /* where an archive is unpacked */

#define SEGMENT_BYTES_MAX (256ULL << 20) /* four times what a segment may have */

static int failed(int r, const struct rewrite *w, struct fault *reterr)
{
	return fault(reterr, r, "audit.archive", "cannot archive segment %llu: %s",
		     (unsigned long long)w->segment, strerror(-r));
}

void rewrite_archive_name(const struct rewrite *r, char ret[static REWRITE_ARCHIVE_NAME_SIZE])
{
	char hex[AUDIT_HASH_TEXT];

	hex_format(r->hash_before, AUDIT_HASH_SIZE, hex);
	snprintf(ret, REWRITE_ARCHIVE_NAME_SIZE, "%020llu-%.16s.seg.gz",
		 (unsigned long long)r->segment, hex);
}

/* gzdopen() takes a descriptor of its own. */
static gzFile open_gz(int fd, const char *mode)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	gzFile gz = copy < 0 ? NULL : gzdopen(copy, mode);

	if (!gz && copy >= 0)
		close(copy);
	return gz;
}

static int compress_file(int from, uint64_t length, int to)
{
	uint8_t buffer[CHUNK];
	gzFile gz = open_gz(to, "wb6");
	int r = gz ? 0 : -ENOMEM;

	for (uint64_t at = 0; r == 0 && at < length;) {
		size_t want = length - at < sizeof(buffer) ? (size_t)(length - at) : sizeof(buffer);
		ssize_t n = file_read(from, buffer, want, at);

		if (n < (ssize_t)want)
			r = n < 0 ? (int)n : -ENODATA;
		else if (gzwrite(gz, buffer, (unsigned int)want) != (int)want)
			r = -EIO;
		at += want;
	}
	if (gz && gzclose(gz) != Z_OK && r == 0)
		r = -EIO;
	if (r == 0 && fsync(to) < 0)
		r = -errno;
	return r;
}

/* -EBADMSG: it does not hold those bytes. */
static int check_file(int fd, const struct rewrite *w)
{
	uint8_t buffer[CHUNK], hash[AUDIT_HASH_SIZE];
	struct hasher hasher;
	uint64_t length = 0;
	gzFile gz;
	int n, r = hasher_init(&hasher);

	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0 || !(gz = open_gz(fd, "rb"))) {
		hasher_done(&hasher);
		return -EIO;
	}
	hash_begin(&hasher);
	while ((n = gzread(gz, buffer, sizeof(buffer))) > 0 && length <= w->bytes_before) {
		hash_add(&hasher, buffer, (size_t)n);
		length += (uint64_t)n;
	}
	hash_end(&hasher, hash);
	hasher_done(&hasher);
	if (gzclose(gz) != Z_OK || n < 0 || length != w->bytes_before ||
	    memcmp(hash, w->hash_before, sizeof(hash)) != 0)
		return -EBADMSG;
	return 0;
}

/* One that takes the place of a @former one is as old. */
static int put_manifest(int archive, const struct rewrite *w, const char *name,
			const struct archive *former)
{
	char note[REWRITE_ARCHIVE_NAME_SIZE + 64] = "", text[1024], before[AUDIT_HASH_TEXT],
					      last[AUDIT_HASH_TEXT], when[CLOCK_RFC3339_SIZE];
	char path[REWRITE_ARCHIVE_NAME_SIZE + 8];
	int length, r;

	hex_format(w->hash_before, AUDIT_HASH_SIZE, before);
	hex_format(w->last_hash, AUDIT_HASH_SIZE, last);
	clock_format_rfc3339(clock_real_ns(), when);
	if (former && *former->archived_at)
		memcpy(when, former->archived_at, sizeof(when));
	if (former)
		snprintf(note, sizeof(note), ",\"replaces\":\"%s\"", former->name);
	length = snprintf(
		text, sizeof(text),
		"{\"archive\":\"%s\",\"archived_at\":\"%s\",\"bytes\":%llu,\"first_index\":"
		"%llu,\"last_hash\":\"%s\",\"next_index\":%llu%s,\"sha256\":\"%s\"}\n",
		name, when, (unsigned long long)w->bytes_before, (unsigned long long)w->segment,
		last, (unsigned long long)w->next_index, note, before);
	snprintf(path, sizeof(path), "%s.json", name);
	_cleanup_close_ int fd =
		openat(archive, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	r = file_write(fd, text, (size_t)length, 0);
	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

/* The segment in @from_dir, which is the log's or one beside it. */
static int make(int from_dir, int dir, const struct rewrite *w, int archive, const char *name,
		const struct archive *former)
{
	_cleanup_close_ int from = -1,
			    to = openat(dir, PARTIAL,
					O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = directory_open_segment(from_dir, w->segment, O_RDONLY, &from);

	if (to < 0)
		return -errno;
	if (r == 0)
		r = compress_file(from, w->bytes_before, to);
	if (r == 0)
		r = check_file(to, w);
	if (r == 0)
		r = put_manifest(archive, w, name, former);
	if (r == 0 && renameat(dir, PARTIAL, archive, name) < 0)
		r = -errno;
	if (r == 0 && fsync(archive) < 0)
		r = -errno;
	return r;
}

int rewrite_archive(int dir, const struct rewrite *w, struct fault *reterr)
{
	char name[REWRITE_ARCHIVE_NAME_SIZE];
	_cleanup_close_ int archive = -1, there = -1;
	int r;

	if (fault_point(reterr, "retention.archive") < 0)
		return -EIO;
	if (mkdirat(dir, DIRECTORY, 0700) < 0 && errno != EEXIST)
		return failed(-errno, w, reterr);
	archive = openat(dir, DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (archive < 0)
		return failed(-errno, w, reterr);
	r = fs_sync_name(archive);
	if (r < 0)
		return failed(r, w, reterr);
	rewrite_archive_name(w, name);
	there = openat(archive, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (there >= 0 && check_file(there, w) == 0)
		r = fsync(archive) < 0 ? -errno : 0; /* by somebody who died before he had */
	else
		r = make(dir, dir, w, archive, name, NULL);
	return r < 0 ? failed(r, w, reterr) : 0;
}

/* The file decompressed, as the segment @w->segment of @scratch; the header of the one behind it, which says how much
 * of it counts. */
static int unpack(int dir, int archive, int scratch, const char *name, uint64_t segment,
		  uint64_t next)
{
	_cleanup_close_ int fd = openat(archive, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC),
			    header = -1, to = -1, behind = -1;
	uint8_t buffer[CHUNK];
	char path[SEGMENT_NAME_SIZE];
	uint64_t at = 0;
	gzFile gz;
	int n, r;

	if (fd < 0)
		return -errno;
	segment_name(segment, path);
	to = openat(scratch, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	segment_name(next, path);
	behind = openat(scratch, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0 || behind < 0)
		return -errno;
	r = directory_open_segment(dir, next, O_RDONLY, &header);
	if (r == 0 && file_read(header, buffer, SEGMENT_HEADER_SIZE, 0) != SEGMENT_HEADER_SIZE)
		r = -ENODATA;
	r = r ?: file_write(behind, buffer, SEGMENT_HEADER_SIZE, 0);
	gz = r == 0 ? open_gz(fd, "rb") : NULL;
	if (!gz)
		return r ?: -ENOMEM;
	while (r == 0 && (n = gzread(gz, buffer, sizeof(buffer))) != 0) {
		r = n < 0 || at > SEGMENT_BYTES_MAX ? -EBADMSG
						    : file_write(to, buffer, (size_t)n, at);
		at += n > 0 ? (uint64_t)n : 0;
	}
	if (gzclose(gz) != Z_OK && r == 0)
		r = -EBADMSG;
	return r;
}

static void remove_below(int scratch, uint64_t segment)
{
	char path[SEGMENT_NAME_SIZE];

	segment_name(segment, path);
	unlinkat(scratch, path, 0);
}

/* The first record behind the segment, as the log's files say; SEGMENT_NONE: nothing follows. */
static uint64_t next_of(int dir, uint64_t segment)
{
	_cleanup_free_ uint64_t *list = NULL;
	uint64_t next = SEGMENT_NONE;
	size_t count = 0;

	if (directory_segments(dir, &list, &count) == 0)
		for (size_t i = 0; i < count && next == SEGMENT_NONE; i++)
			if (list[i] > segment)
				next = list[i];
	return next;
}

static int renew(int dir, int archive, int scratch, const struct archive *former, struct rewrite *w,
		 struct fault *reterr)
{
	char again[REWRITE_ARCHIVE_NAME_SIZE];
	int r = rewrite_commit(scratch, w, reterr);

	if (r < 0)
		return r;
	memcpy(w->hash_before, w->hash_after, sizeof(w->hash_before));
	w->bytes_before = w->bytes_after;
	rewrite_archive_name(w, again);
	r = make(scratch, dir, w, archive, again, former);
	return r < 0 ? failed(r, w, reterr) : 0;
}

int rewrite_archived(int dir, const struct archive *a,
		     bool (*expired)(const char *data, const struct record_view *view,
				     void *userdata),
		     void *userdata, const bool *stop, struct rewrite *ret, struct fault *reterr)
{
	_cleanup_close_ int archive = -1, scratch = -1;
	uint64_t segment = a->segment, next = next_of(dir, segment);
	int r;

	*ret = (struct rewrite){.segment = segment};
	if (next == SEGMENT_NONE)
		return failed(-ENOENT, ret, reterr);
	archive = openat(dir, DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (archive < 0 || (mkdirat(dir, SCRATCH, 0700) < 0 && errno != EEXIST))
		return failed(-errno, ret, reterr);
	scratch = openat(dir, SCRATCH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (scratch < 0)
		return failed(-errno, ret, reterr);
	r = unpack(dir, archive, scratch, a->name, segment, next);
	r = r < 0 ? failed(r, ret, reterr)
		  : rewrite_stage(scratch, segment, expired, userdata, stop, ret, reterr);
	if (r == 1)
		r = renew(dir, archive, scratch, a, ret, reterr) ?: 1;
	rewrite_abort(scratch, segment);
	remove_below(scratch, segment);
	remove_below(scratch, next);
	return r;
}

void rewrite_sweep(int dir)
{
	_cleanup_close_ int fd =
		openat(dir, SCRATCH, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ uint64_t *list = NULL;
	size_t count = 0;

	if (fd >= 0 && directory_segments(fd, &list, &count) == 0)
		for (size_t i = 0; i < count; i++) {
			rewrite_abort(fd, list[i]);
			remove_below(fd, list[i]);
		}
	if (fd >= 0) {
		unlinkat(fd, "retention", AT_REMOVEDIR);
		unlinkat(dir, SCRATCH, AT_REMOVEDIR);
	}
}
