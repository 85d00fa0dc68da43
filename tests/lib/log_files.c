/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "log_files.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/segment.h"
#include "base/cleanup.h"

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(2);
}

/* nftw(3) takes no pointer of ours. */
static struct log_files *reading;
static size_t root_length;

static int read_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *name = path + root_length + 1;
	struct log_file *f;
	int fd;

	(void)ftw;
	if (type != FTW_F || strcmp(name, "lock") == 0 || strcmp(name, "reserve") == 0 ||
	    strncmp(name, "index/", 6) == 0)
		return 0;
	need(reading->count < LOG_FILES_MAX && strlen(name) < sizeof(f->name), path);
	f = &reading->list[reading->count++];
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->length = (size_t)st->st_size;
	f->data = malloc(f->length + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	need(f->data && fd >= 0 && read(fd, f->data, f->length) == (ssize_t)f->length, path);
	close(fd);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct log_file *)a)->name, ((const struct log_file *)b)->name);
}

void log_files_read(struct log_files *ret, const char *path)
{
	log_files_done(ret);
	reading = ret;
	root_length = strlen(path);
	need(nftw(path, read_one, 8, FTW_PHYS) == 0, path);
	qsort(ret->list, ret->count, sizeof(*ret->list), by_name);
}

struct log_file *log_files_find(struct log_files *files, const char *name)
{
	for (size_t i = 0; i < files->count; i++)
		if (strcmp(files->list[i].name, name) == 0)
			return &files->list[i];
	return NULL;
}

static bool same(const struct log_file *a, const struct log_file *b)
{
	return a->length == b->length && (!a->length || memcmp(a->data, b->data, a->length) == 0);
}

bool log_files_equal(const struct log_files *a, const struct log_files *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct log_file *other =
			log_files_find((struct log_files *)(uintptr_t)b, a->list[i].name);

		if (!other || !same(&a->list[i], other))
			return false;
	}
	return true;
}

static void put_file(const struct log_file *f, const char *root)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, f->name);
	for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		need(mkdir(path, 0700) == 0 || errno == EEXIST, path);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	need(fd >= 0 && write(fd, f->data, f->length) == (ssize_t)f->length, path);
	close(fd);
}

void log_files_write(const struct log_files *files, const struct log_files *before,
		     const char *path)
{
	static struct log_files none;
	struct log_files *there = before ? (struct log_files *)(uintptr_t)before : &none;
	char old[256];

	for (size_t i = 0; i < there->count; i++)
		if (!log_files_find((struct log_files *)(uintptr_t)files, there->list[i].name)) {
			snprintf(old, sizeof(old), "%s/%s", path, there->list[i].name);
			need(unlink(old) == 0, old);
		}
	for (size_t i = 0; i < files->count; i++) {
		const struct log_file *was = log_files_find(there, files->list[i].name);

		if (!was || !same(&files->list[i], was))
			put_file(&files->list[i], path);
	}
}

void log_files_done(struct log_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->list[i].data);
	files->count = 0;
}

void log_files_copy(struct log_files *ret, const struct log_files *from)
{
	log_files_done(ret);
	*ret = *from;
	for (size_t i = 0; i < ret->count; i++) {
		ret->list[i].data = malloc(from->list[i].length + 1);
		need(ret->list[i].data, "memory");
		memcpy(ret->list[i].data, from->list[i].data, from->list[i].length);
	}
}

bool log_file_is_segment(const struct log_file *f)
{
	uint64_t first;

	return segment_name_parse(f->name, &first) == 0;
}

void log_file_splice(struct log_file *f, size_t at, size_t gone, const uint8_t *data, size_t length)
{
	uint8_t *larger = malloc(f->length - gone + length + 1);

	assert(at + gone <= f->length);
	need(larger, "memory");
	memcpy(larger, f->data, at);
	memcpy(larger + at, data, length);
	memcpy(larger + at + length, f->data + at + gone, f->length - at - gone);
	free(f->data);
	f->data = larger;
	f->length += length - gone;
}
