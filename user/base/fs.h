/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files and directories that must be ours, and files that are replaced in one step. */
#ifndef BASE_FS_H
#define BASE_FS_H

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/fault.h"

/**
 * Make the name of the open directory @dir durable: what is in it is lost with it if the power fails. One above
 * which we may not read was made by somebody else, and nothing is done. -errno.
 */
int fs_sync_name(int dir);
/** Make the name @path durable in the directory that it is in. -errno. */
int fs_sync_parent(const char *path);
/** Write all @length bytes, in as many pieces as it takes. -errno. */
int fs_write_all(int fd, const void *data, size_t length);

/**
 * Make sure that @path is a directory, not a symbolic link, that belongs to us and that neither group
 * nor others can write to; create it with @mode if it is missing (its parent must exist), durably. Whoever can
 * write there could replace what we trust. Faults: fs.open, fs.owner.
 */
int fs_own_directory(const char *path, mode_t mode, struct fault *reterr);

/**
 * Replace the file @path by @length bytes of @data, all or nothing, durably: written beside it, synced,
 * renamed. Mode and owner of an existing file are kept; a new one gets @mode. A symbolic link is followed,
 * so that a linked policy stays linked. Faults: fs.write.
 */
int fs_replace_file(const char *path, const char *data, size_t length, mode_t mode,
		    struct fault *reterr);

/**
 * Read the regular file @path of at most @max bytes into memory from malloc(), followed by a NUL. Faults: fs.read
 * (-errno; -EINVAL: no regular file; -EFBIG).
 */
int fs_read_file(const char *path, size_t max, char **ret, size_t *ret_length,
		 struct fault *reterr);

/*
 * The same in two steps: after fs_stage_file() the new content is on disk beside the file, and only
 * fs_commit_file() puts it in the file's place. @staged is its name, to be given to one of the two others. If the
 * directory cannot be synced, the former file is put back, where the filesystem can exchange two.
 */
int fs_stage_file(const char *path, const char *data, size_t length, mode_t mode,
		  char staged[static PATH_MAX], struct fault *reterr);
int fs_commit_file(const char *path, const char *staged, struct fault *reterr);
void fs_abort_file(const char *staged);

#endif
