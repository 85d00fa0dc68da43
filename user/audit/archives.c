/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/archives.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/directory.h"
#include "base/cleanup.h"
#include "base/fault_point.h"

#define DIRECTORY      "archive"
#define SUFFIX	       ".seg.gz"
#define MANIFEST       ".json"
#define INDEX_DIGITS   20
#define HASH_DIGITS    16
#define MANIFEST_BYTES 4096

static int failed(int r, const char *what, struct fault *reterr)
{
	return fault(reterr, r, "audit.archive", "cannot %s: %s", what, strerror(-r));
}

/* "<first index, 20 digits>-<16 hex digits>.seg.gz", or its manifest, with ".json" more. */
static bool parse_name(const char *name, struct archive *ret)
{
	const char *rest = name + INDEX_DIGITS + 1 + HASH_DIGITS;
	char segment[SEGMENT_NAME_SIZE];

	if (strspn(name, "0123456789") != INDEX_DIGITS || name[INDEX_DIGITS] != '-' ||
	    strspn(name + INDEX_DIGITS + 1, "0123456789abcdef") != HASH_DIGITS ||
	    strncmp(rest, SUFFIX, strlen(SUFFIX)) != 0)
		return false;
	rest += strlen(SUFFIX);
	if (*rest && strcmp(rest, MANIFEST) != 0)
		return false;
	snprintf(segment, sizeof(segment), "%.*s.seg", INDEX_DIGITS, name);
	*ret = (struct archive){0};
	ret->is_there = !*rest;
	memcpy(ret->name, name, (size_t)(rest - name));
	return segment_name_parse(segment, &ret->segment) == 0;
}

static void take_text(const json_t *manifest, const char *key, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(manifest, key));

	if (text && strlen(text) == size - 1)
		memcpy(ret, text, size);
}

/* What it does not say stays "". */
static void read_manifest(int dir, struct archive *ret)
{
	char name[REWRITE_ARCHIVE_NAME_SIZE + sizeof(MANIFEST)], text[MANIFEST_BYTES];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(name, sizeof(name), "%s" MANIFEST, ret->name);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	n = fd < 0 ? -1 : file_read(fd, text, sizeof(text), 0);
	json_t *manifest = n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;

	take_text(manifest, "archived_at", ret->archived_at, sizeof(ret->archived_at));
	take_text(manifest, "sha256", ret->sha256, sizeof(ret->sha256));
	json_decref(manifest);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct archive *)a)->name, ((const struct archive *)b)->name);
}

/* File and manifest of one were listed by themselves. Returns how many there are. */
static size_t join(int dir, struct archive *list, size_t count)
{
	size_t kept = 0;

	if (count)
		qsort(list, count, sizeof(*list), by_name);
	for (size_t i = 0; i < count; i++) {
		if (kept && by_name(&list[kept - 1], &list[i]) == 0)
			list[kept - 1].is_there |= list[i].is_there;
		else
			list[kept++] = list[i];
	}
	for (size_t i = 0; i < kept; i++)
		read_manifest(dir, &list[i]);
	return kept;
}

int archives_list(int dir, struct archive **ret, size_t *ret_count, struct fault *reterr)
{
	_cleanup_free_ struct archive *list = NULL;
	_cleanup_closedir_ DIR *stream = NULL;
	const struct dirent *entry;
	size_t count = 0;
	int fd = openat(dir, DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	*ret = NULL;
	*ret_count = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : failed(-errno, "list the archives", reterr);
	stream = fdopendir(fd);
	if (!stream) {
		close(fd);
		return failed(-ENOMEM, "list the archives", reterr);
	}
	while ((entry = readdir(stream))) {
		struct archive archive, *larger;

		if (!parse_name(entry->d_name, &archive))
			continue;
		larger = reallocarray(list, count + 1, sizeof(*list));
		if (!larger)
			return failed(-ENOMEM, "list the archives", reterr);
		list = larger;
		list[count++] = archive;
	}
	*ret_count = join(fd, list, count);
	*ret = take_ptr(list);
	return 0;
}

int archives_remove(int dir, const struct archive *a, struct fault *reterr)
{
	char what[REWRITE_ARCHIVE_NAME_SIZE + 40];
	char manifest[REWRITE_ARCHIVE_NAME_SIZE + sizeof(MANIFEST)];
	_cleanup_close_ int fd =
		openat(dir, DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	snprintf(what, sizeof(what), "remove the archive %s", a->name);
	snprintf(manifest, sizeof(manifest), "%s" MANIFEST, a->name);
	if (fault_point(reterr, "retention.remove") < 0)
		return -EIO;
	if (fd < 0 || (unlinkat(fd, a->name, 0) < 0 && errno != ENOENT) || fsync(fd) < 0 ||
	    (unlinkat(fd, manifest, 0) < 0 && errno != ENOENT) || fsync(fd) < 0)
		return failed(-errno, what, reterr);
	return 0;
}
