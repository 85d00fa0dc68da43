/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The files of one log: <first index>.seg, state, lock and quarantine/. Everything is opened
 * relative to the directory's descriptor, never through a symlink, and files are created with mode
 * 0600.
 */
#ifndef AUDIT_DIRECTORY_H
#define AUDIT_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/hash.h"
#include "audit/segment.h"
#include "base/fault.h"

/**
 * Open @path for the only writer: create it (mode 0700) if need be, refuse what is not ours, take
 * the lock. The lock is held until both descriptors are closed. Errors as for chain_open().
 */
int directory_open(const char *path, int *ret_fd, int *ret_lock, struct fault *reterr);
/** Open @path for reading. -errno "audit.read". */
int directory_open_readonly(const char *path, int *ret_fd, struct fault *reterr);

/* Some process has the log open for writing. */
bool directory_has_writer(int dir);

/** The first indexes of all segments, ascending; the caller's to free. */
int directory_segments(int dir, uint64_t **ret, size_t *ret_count);
/** Open a segment for reading. -ENOENT; -EBADMSG: not a regular file. */
int directory_open_segment(int dir, uint64_t first_index, int flags, int *ret_fd);
/**
 * Move a segment in which nothing was ever committed to quarantine/<SHA-256 of its bytes>.seg.
 * Returns its size and hash.
 */
int directory_set_aside(int dir, uint64_t first_index, struct hasher *hasher, uint64_t *ret_size,
			uint8_t ret_hash[static AUDIT_HASH_SIZE]);

/** Hash the bytes [@from, @to) of a file. -ENODATA: it is shorter. */
int file_hash(int fd, uint64_t from, uint64_t to, struct hasher *hasher,
	      uint8_t ret[static AUDIT_HASH_SIZE]);
/**
 * Read up to @length bytes at @offset; fewer only at the end of the file. Their count or -errno.
 */
ssize_t file_read(int fd, void *buffer, size_t length, uint64_t offset);
/** Write all of it. -errno; then part of it may have been written. */
int file_write(int fd, const void *data, size_t length, uint64_t offset);

/* The state file: two slots, written alternately, so that one is whole at any time. */
struct state {
	uint64_t sequence;
	struct tip tip;
	bool damaged; /* the other slot is not the predecessor of this one */
};

/**
 * Read the newest state. -ENOENT: there is no state file; -EBADMSG: none of its slots is whole.
 * While there is a writer, a slot that is not whole is read again for a while.
 */
int state_load(int dir, struct hasher *hasher, struct state *ret);
/** Write @s as sequence s->sequence + 1 and make it durable; only then change s->sequence. */
int state_store(int dir, struct hasher *hasher, struct state *s);
/** Make the state file of a new log: both slots hold @s. */
int state_create(int dir, struct hasher *hasher, struct state *s);

#endif
