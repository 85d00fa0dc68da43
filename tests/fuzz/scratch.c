/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "scratch.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fuzz.h"

static char path[64];

static int remove_entry(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

void scratch_remove(const char *name)
{
	nftw(name, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void remove_ours(void)
{
	scratch_remove(path);
}

/* A file system that is mounted nowhere: only the descriptor leads there. */
static int detached_tmpfs(void)
{
	_cleanup_close_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "size", "64m", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0700", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(fs, FSMOUNT_CLOEXEC, 0);
}

const char *scratch_directory(void)
{
	int fd;

	if (*path)
		return path;
	fd = detached_tmpfs();
	if (fd >= 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (access(path, W_OK | X_OK) == 0)
			return path;
		close(fd);
	}
	snprintf(path, sizeof(path), "/tmp/weir-fuzz-XXXXXX");
	REQUIRE(mkdtemp(path), "no directory in /tmp");
	atexit(remove_ours);
	return path;
}
