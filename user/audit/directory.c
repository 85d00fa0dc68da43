/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* File access of the log. Knows names, permissions and durability; nothing of frames. */
#include "audit/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"

#define READ_CHUNK 65536

int directory_open_readonly(const char *path, int *ret_fd, struct fault *reterr)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return fault(reterr, -errno, "audit.read", "cannot open audit directory '%s': %s",
			     path, strerror(errno));
	*ret_fd = fd;
	return 0;
}

/* An open file description lock: unlike flock() it can be asked for without being taken. */
static int lock_file(int fd, int command, struct flock *ret)
{
	*ret = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
	return fcntl(fd, command, ret) < 0 ? -errno : 0;
}

bool directory_has_writer(int dir)
{
	_cleanup_close_ int fd =
		openat(dir, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct flock held;

	return fd >= 0 && lock_file(fd, F_OFD_GETLK, &held) == 0 && held.l_type != F_UNLCK;
}

int directory_open(const char *path, int *ret_fd, int *ret_lock, struct fault *reterr)
{
	_cleanup_close_ int fd = -1, lock = -1;
	struct flock held;
	struct stat st;
	int r;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return fault(reterr, -errno, "audit.open", "cannot create audit directory '%s': %s",
			     path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fault(reterr, -errno, "audit.open", "cannot open audit directory '%s': %s",
			     path, strerror(errno));
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return fault(
			reterr, -EPERM, "audit.owner",
			"audit directory '%s' (owner %u, mode %04o) must belong to user %u and "
			"be writable by nobody else",
			path, st.st_uid, st.st_mode & 07777, geteuid());
	/* Also if an earlier process made it: it may have died before this. */
	r = fs_sync_name(fd);
	if (r < 0)
		return fault(reterr, r, "audit.open", "cannot sync the directory above '%s': %s",
			     path, strerror(-r));
	lock = openat(fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock < 0)
		return fault(reterr, -errno, "audit.open", "cannot open '%s/lock': %s", path,
			     strerror(errno));
	if (lock_file(lock, F_OFD_SETLK, &held) < 0)
		return fault(reterr, -EBUSY, "audit.locked",
			     "another process is writing the audit log: '%s/lock' is taken", path);
	if (mkdirat(fd, "quarantine", 0700) < 0 && errno != EEXIST)
		return fault(reterr, -errno, "audit.open", "cannot create '%s/quarantine': %s",
			     path, strerror(errno));
	*ret_fd = take_fd(&fd);
	*ret_lock = take_fd(&lock);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int directory_segments(int dir, uint64_t **ret, size_t *ret_count)
{
	_cleanup_free_ uint64_t *list = NULL;
	size_t count = 0, size = 0;
	_cleanup_close_ int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *stream = NULL;

	if (fd < 0)
		return -errno;
	stream = fdopendir(fd);
	if (!stream)
		return -errno;
	take_fd(&fd);
	for (;;) {
		const struct dirent *entry;
		uint64_t first;

		errno = 0;
		entry = readdir(stream);
		if (!entry && errno)
			return -errno;
		if (!entry)
			break;
		if (segment_name_parse(entry->d_name, &first) < 0)
			continue;
		if (count == size) {
			uint64_t *larger;

			size = size ? 2 * size : 64;
			larger = reallocarray(list, size, sizeof(*list));
			if (!larger)
				return -ENOMEM;
			list = larger;
		}
		list[count++] = first;
	}
	if (count)
		qsort(list, count, sizeof(*list), by_number);
	*ret = take_ptr(list);
	*ret_count = count;
	return 0;
}

int directory_open_segment(int dir, uint64_t first_index, int flags, int *ret_fd)
{
	char name[SEGMENT_NAME_SIZE];
	_cleanup_close_ int fd = -1;
	struct stat st;

	segment_name(first_index, name);
	/* O_NONBLOCK: a FIFO under this name must not hang us. */
	fd = openat(dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	*ret_fd = take_fd(&fd);
	return 0;
}

int directory_set_aside(int dir, uint64_t first_index, struct hasher *hasher, uint64_t *ret_size,
			uint8_t ret_hash[static AUDIT_HASH_SIZE])
{
	char name[SEGMENT_NAME_SIZE], hex[AUDIT_HASH_TEXT];
	char target[sizeof("quarantine/.seg") + AUDIT_HASH_TEXT] = "quarantine/";
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r = directory_open_segment(dir, first_index, O_RDONLY, &fd);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = file_hash(fd, 0, (uint64_t)st.st_size, hasher, ret_hash);
	if (r < 0)
		return r;
	segment_name(first_index, name);
	hex_format(ret_hash, AUDIT_HASH_SIZE, hex);
	memcpy(target + strlen("quarantine/"), hex, AUDIT_HASH_TEXT - 1);
	memcpy(target + strlen("quarantine/") + AUDIT_HASH_TEXT - 1, ".seg", sizeof(".seg"));
	if (renameat(dir, name, dir, target) < 0 || fsync(dir) < 0)
		return -errno;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

ssize_t file_read(int fd, void *buffer, size_t length, uint64_t offset)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n = pread(fd, (char *)buffer + done, length - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int file_write(int fd, const void *data, size_t length, uint64_t offset)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = pwrite(fd, (const char *)data + done, length - done,
				   (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int file_hash(int fd, uint64_t from, uint64_t to, struct hasher *hasher,
	      uint8_t ret[static AUDIT_HASH_SIZE])
{
	uint8_t buffer[READ_CHUNK];

	hash_begin(hasher);
	while (from < to) {
		size_t want = to - from < sizeof(buffer) ? (size_t)(to - from) : sizeof(buffer);
		ssize_t n = file_read(fd, buffer, want, from);

		if (n < 0)
			return (int)n;
		if ((size_t)n < want)
			return -ENODATA;
		hash_add(hasher, buffer, want);
		from += want;
	}
	hash_end(hasher, ret);
	return 0;
}
