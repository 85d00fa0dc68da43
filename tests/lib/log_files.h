/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An audit log's files in memory, to be damaged and written back; and what somebody can do who has no key, and
 * makes everything right again that follows from a change: log_files_rechain().
 */
#ifndef LIB_LOG_FILES_H
#define LIB_LOG_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_FILES_MAX 40

struct log_file {
	char name[112]; /* below the log */
	uint8_t *data;
	size_t length;
};

struct log_files {
	struct log_file list[LOG_FILES_MAX]; /* by name */
	size_t count;
};

/* All files of the log in @path but for lock, reserve and index; they end the process if they cannot. */
void log_files_read(struct log_files *ret, const char *path);
/* Make those in @path these. What was not changed since @before, which is there, is not written; NULL: all is. */
void log_files_write(const struct log_files *files, const struct log_files *before,
		     const char *path);
/* @ret becomes a copy; what it had is freed. */
void log_files_copy(struct log_files *ret, const struct log_files *from);
void log_files_done(struct log_files *files);
bool log_files_equal(const struct log_files *a, const struct log_files *b);
/* NULL: there is none. */
struct log_file *log_files_find(struct log_files *files, const char *name);
bool log_file_is_segment(const struct log_file *f);
/* Take @gone bytes out at @at and put @length bytes in, which may be of the file itself. */
void log_file_splice(struct log_file *f, size_t at, size_t gone, const uint8_t *data,
		     size_t length);

enum log_forgery {
	LOG_FORGE_NOTHING,
	LOG_FORGE_DROP,	  /* the record is not there any more */
	LOG_FORGE_CHANGE, /* a digit of its details is another one, or else of its timestamp */
	LOG_FORGE_REPEAT, /* it is there twice */
	LOG_FORGE_STUB,	  /* it looks as if it had expired */
	LOG_FORGE_GONE,	  /* its whole batch looks as if it had expired */
	LOG_FORGE_CLOCK,  /* its batch was committed an hour later */
	LOG_FORGE_MAX
};

/**
 * Do @how to record @victim, and write indexes, ids, hashes, commits, seals, headers, names of segments and the
 * state file anew, as weir would have. False: the log is none that this understands, and stays as it is.
 */
bool log_files_rechain(struct log_files *files, uint64_t victim, enum log_forgery how);

struct hasher;
/**
 * Write to @ret, which is of @length bytes, the GONE frame that whole batches become which expired: the @length bytes of
 * @frames, in which they, or what is left of them, stand with their commits. Returns its size; 0: there are no such.
 */
size_t log_frames_expire(const uint8_t *frames, size_t length, struct hasher *hasher, uint8_t *ret);

#endif
