/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"

static bool is_there(int dir)
{
	struct stat st;

	return fstatat(dir, RESERVE_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size == RESERVE_BYTES;
}

bool reserve_make(int dir)
{
	_cleanup_close_ int fd = -1;
	struct statvfs fs;

	if (is_there(dir))
		return true;
	if (fstatvfs(dir, &fs) < 0 || (uint64_t)fs.f_bavail * fs.f_frsize < 2 * RESERVE_BYTES)
		return false;
	fd = openat(dir, RESERVE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	if (posix_fallocate(fd, 0, RESERVE_BYTES) == 0)
		return true;
	unlinkat(dir, RESERVE_NAME, 0);
	return false;
}

bool reserve_free(int dir)
{
	return unlinkat(dir, RESERVE_NAME, 0) == 0;
}
