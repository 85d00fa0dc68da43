/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a process does to the files below one directory, call by call, watched with ptrace, and what a disk may hold
 * if the process is killed or the power fails after any of the calls: what was synced, and of the rest any part.
 * Writes count in sectors. A file's data is safe once the file is synced, a name once its directory is. The program
 * that is watched needs no hooks.
 */
#ifndef TESTS_LIB_DISK_H
#define TESTS_LIB_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DISK_OPS_MAX   8192
#define DISK_NAMES_MAX 256
#define DISK_PATH_MAX  96
#define DISK_SECTOR    512

enum disk_call {
	DISK_CREATE,
	DISK_MKDIR,
	DISK_WRITE,
	DISK_RESIZE,
	DISK_MODE,
	DISK_RENAME,
	DISK_EXCHANGE,
	DISK_UNLINK,
	DISK_SYNC,
	DISK_SYNC_DIR,
};

struct disk_op {
	enum disk_call call;
	int file;	     /* which one, whatever its name; -1: a directory */
	uint64_t acked;	     /* what the process had acknowledged before this call returned */
	unsigned int number; /* of the call; the sectors of one write share it */
	char path[DISK_PATH_MAX], to[DISK_PATH_MAX]; /* below the directory */
	mode_t mode;
	uint64_t offset; /* or new size */
	uint8_t *data;
	size_t length;
};

struct disk_name {
	char path[DISK_PATH_MAX];
	int file; /* -1: a directory */
	mode_t mode;
};

struct disk_trace {
	char root[128];
	struct disk_op ops[DISK_OPS_MAX];
	size_t count;
	struct disk_name names[DISK_NAMES_MAX]; /* as they are after the last call */
	size_t name_count;
	int files; /* so many were made */
	unsigned int calls;
	uint64_t acked; /* in the end */
};

/**
 * Run @work in a process of its own, in which it ends by returning 0, and watch what it does below @root, an empty
 * directory. It counts in @acked what it was promised. 0, -errno of ptrace (-EPERM: not allowed here), -EPIPE: @work failed.
 */
int disk_watch(const char *root, int (*work)(volatile uint64_t *acked, void *userdata),
	       void *userdata, struct disk_trace *ret);
void disk_done(struct disk_trace *t);

/* Ops that may or may not be on disk if the power fails after the first @end ones: their count, at most @max. */
size_t disk_unsynced(const struct disk_trace *t, size_t end, size_t *ret, size_t max);
/**
 * Make @root, an empty directory, what the disk holds after the first @end ops without those of them for which
 * @lost is set. 0 or -errno.
 */
int disk_replay(const struct disk_trace *t, size_t end, const bool *lost, const char *root);

#endif
