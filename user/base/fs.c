/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fault_point.h"

int fs_sync_name(int dir)
{
	_cleanup_close_ int parent = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (parent < 0)
		return errno == EACCES ? 0 : -errno;
	return fsync(parent) < 0 ? -errno : 0;
}

int fs_own_directory(const char *path, mode_t mode, struct fault *reterr)
{
	struct stat st;
	_cleanup_close_ int fd = -1;
	int r;

	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return fault(reterr, -errno, "fs.open", "cannot create the directory %s: %s", path,
			     strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fault(reterr, -errno, "fs.open", "cannot open the directory %s: %s", path,
			     errno == ELOOP || errno == ENOTDIR
				     ? "it is a symbolic link or no directory"
				     : strerror(errno));
	if (st.st_uid != geteuid() || st.st_mode & 022)
		return fault(reterr, -EPERM, "fs.owner",
			     "%s belongs to uid %u with mode %04o: it must be ours (uid %u) and "
			     "writable by nobody else",
			     path, st.st_uid, st.st_mode & 07777, geteuid());
	r = fs_sync_name(fd);
	if (r < 0)
		return fault(reterr, r, "fs.open", "cannot sync the directory above %s: %s", path,
			     strerror(-r));
	return 0;
}

int fs_write_all(int fd, const void *data, size_t length)
{
	const char *rest = data;

	while (length) {
		ssize_t n = write(fd, rest, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		rest += n;
		length -= (size_t)n;
	}
	return 0;
}

/* Write, take over mode and owner, sync. The name @temporary is the caller's to remove. */
static int write_temporary(const char *temporary, const char *data, size_t length, mode_t mode,
			   const struct stat *like)
{
	_cleanup_close_ int fd =
		open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fault_point(NULL, "fs.create");

	if (r < 0 || fd < 0)
		return r ?: -errno;
	r = fault_point(NULL, "fs.mode");
	if (r < 0)
		return r;
	if (fchmod(fd, like ? like->st_mode & 07777 : mode) < 0)
		return -errno;
	if (like && fchown(fd, like->st_uid, like->st_gid) < 0)
		return -errno;
	r = fault_point(NULL, "fs.write") ?: fs_write_all(fd, data, length);
	r = r ?: fault_point(NULL, "fs.sync");
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

int fs_sync_parent(const char *path)
{
	char parent[PATH_MAX];
	char *slash;
	_cleanup_close_ int fd = -1;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash)
		slash[1] = '\0';
	fd = open(slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int fs_stage_file(const char *path, const char *data, size_t length, mode_t mode,
		  char staged[static PATH_MAX], struct fault *reterr)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	const char *target = real ?: path;
	struct stat st;
	bool exists = stat(target, &st) == 0;
	int r;

	if (snprintf(staged, PATH_MAX, "%s.%d.new", target, getpid()) >= PATH_MAX)
		return fault(reterr, -ENAMETOOLONG, "fs.write", "%s is too long a path", path);
	r = write_temporary(staged, data, length, mode, exists ? &st : NULL);
	if (r == -EEXIST) { /* of a process that had our number and died */
		unlink(staged);
		r = write_temporary(staged, data, length, mode, exists ? &st : NULL);
	}
	if (r < 0) {
		unlink(staged);
		return fault(reterr, r, "fs.write", "cannot replace %s: %s", path, strerror(-r));
	}
	return 0;
}

int fs_commit_file(const char *path, const char *staged, struct fault *reterr)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	const char *target = real ?: path;
	int r = fault_point(NULL, "fs.rename");
	bool swapped = false;

	/* Where the filesystem can, the former file takes the staged one's name, so that it can come back. */
	if (r == 0)
		swapped = renameat2(AT_FDCWD, staged, AT_FDCWD, target, RENAME_EXCHANGE) == 0;
	if (r == 0 && !swapped && rename(staged, target) < 0)
		r = -errno;
	else if (r == 0)
		r = fault_point(NULL, "fs.sync_directory") ?: fs_sync_parent(target);
	if (r < 0 && swapped)
		renameat2(AT_FDCWD, staged, AT_FDCWD, target, RENAME_EXCHANGE);
	if (r < 0 || swapped)
		unlink(staged);
	if (r < 0)
		return fault(reterr, r, "fs.write", "cannot replace %s: %s", path, strerror(-r));
	return 0;
}

int fs_read_file(const char *path, size_t max, char **ret, size_t *ret_length, struct fault *reterr)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	_cleanup_free_ char *data = NULL;
	size_t length = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fault(reterr, -errno, "fs.read", "cannot read %s: %s", path,
			     strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fault(reterr, -EINVAL, "fs.read", "%s is no regular file", path);
	if ((uint64_t)st.st_size > max)
		return fault(reterr, -EFBIG, "fs.read", "%s has more than %zu bytes", path, max);
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return fault(reterr, -ENOMEM, "fs.read", "cannot read %s: out of memory", path);
	while (length < (size_t)st.st_size) {
		ssize_t n = read(fd, data + length, (size_t)st.st_size - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault(reterr, -errno, "fs.read", "cannot read %s: %s", path,
				     strerror(errno));
		if (n == 0)
			break;
		length += (size_t)n;
	}
	data[length] = '\0';
	*ret = take_ptr(data);
	*ret_length = length;
	return 0;
}

void fs_abort_file(const char *staged)
{
	unlink(staged);
}

int fs_replace_file(const char *path, const char *data, size_t length, mode_t mode,
		    struct fault *reterr)
{
	char staged[PATH_MAX];
	int r = fs_stage_file(path, data, length, mode, staged, reterr);

	return r < 0 ? r : fs_commit_file(path, staged, reterr);
}
