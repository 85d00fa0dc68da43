/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The file of a feed: whether it can be trusted, read and hashed as a whole. What is in it: feed_parse.c. */
#include "lists/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"

static const char *const format_names[] = {
	[FEED_AUTO] = "auto", [FEED_PLAIN] = "plain", [FEED_NETSET] = "netset",
	[FEED_DROP] = "drop", [FEED_CSV] = "csv",
};
_Static_assert(ARRAY_SIZE(format_names) == FEED_FORMAT_MAX, "a format has no name");

const char *feed_format_to_str(enum feed_format format)
{
	return (unsigned int)format < FEED_FORMAT_MAX ? format_names[format] : "unknown";
}

int feed_format_from_str(const char *name, enum feed_format *ret)
{
	for (unsigned int i = 0; i < FEED_FORMAT_MAX; i++) {
		if (strcmp(name, format_names[i]) != 0)
			continue;
		*ret = (enum feed_format)i;
		return 0;
	}
	return -EINVAL;
}

static uint64_t time_ns(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * NSEC_PER_SEC + (uint64_t)t->tv_nsec;
}

static struct feed_signature signature_of(const struct stat *st)
{
	return (struct feed_signature){
		.device = st->st_dev,
		.inode = st->st_ino,
		.size = (uint64_t)st->st_size,
		.modified_ns = time_ns(&st->st_mtim),
		.changed_ns = time_ns(&st->st_ctim),
	};
}

int feed_stat(const char *path, struct feed_signature *ret)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	*ret = signature_of(&st);
	return 0;
}

bool feed_same(const struct feed_signature *a, const struct feed_signature *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

static int hash_text(const char *text, size_t length, char ret[static FEED_SHA256_SIZE])
{
	unsigned char digest[32];

	if (!EVP_Digest(text, length, digest, NULL, EVP_sha256(), NULL))
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

static int read_fault(struct fault *reterr, const char *path, int err)
{
	return fault(reterr, err, "feed.read", "%.300s: %s", path, strerror(-err));
}

/* Nothing that others could have put there. */
static int check_file(const char *path, const struct stat *st, struct fault *reterr)
{
	if (S_ISDIR(st->st_mode))
		return read_fault(reterr, path, -EISDIR);
	if (!S_ISREG(st->st_mode))
		return fault(reterr, -EINVAL, "feed.type", "%.300s: not a regular file", path);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return fault(reterr, -EPERM, "feed.writable",
			     "%.200s: others can write to it, and a feed decides who can reach the "
			     "host: chmod go-w %.200s",
			     path, path);
	if (st->st_size > FEED_FILE_MAX)
		return fault(reterr, -EFBIG, "feed.size", "%.300s: larger than %u MiB", path,
			     FEED_FILE_MAX >> 20);
	return 0;
}

/* All that is there, at most one byte more than @size. */
static int read_all(int fd, char *text, size_t size, size_t *ret_length)
{
	size_t length = 0;

	while (length <= size) {
		ssize_t n = read(fd, text + length, size + 1 - length);

		if (n == 0)
			break;
		if (n > 0)
			length += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	*ret_length = length;
	return 0;
}

static int read_file(const char *path, char **ret, size_t *ret_length, struct feed_report *report,
		     struct fault *reterr)
{
	/* O_NONBLOCK: the open of a fifo must not wait for somebody to write to it. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	struct feed_signature after;
	struct stat st;
	size_t size;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return read_fault(reterr, path, -errno);
	report->signature = signature_of(&st);
	r = check_file(path, &st, reterr);
	if (r < 0)
		return r;
	size = (size_t)st.st_size;
	text = malloc(size + 2);
	if (!text)
		return fault(reterr, -ENOMEM, "feed.memory", "%.300s: out of memory", path);
	r = read_all(fd, text, size, ret_length);
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r < 0)
		return read_fault(reterr, path, r);
	after = signature_of(&st);
	if (*ret_length != size || !feed_same(&after, &report->signature))
		return fault(reterr, -EAGAIN, "feed.changed",
			     "%.300s: it changed while it was read", path);
	if (hash_text(text, size, report->sha256) < 0)
		return fault(reterr, -ENOMEM, "feed.memory", "%.300s: out of memory", path);
	*ret = take_ptr(text);
	return 0;
}

int feed_read(const struct feed_source *source, struct list_content **ret,
	      struct feed_report *ret_report, struct fault *reterr)
{
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	int r;

	*ret_report = (struct feed_report){.format = source->format};
	r = read_file(source->path, &text, &length, ret_report, reterr);
	return r < 0 ? r : feed_parse(source, text, length, ret, ret_report, reterr);
}
