/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A gzipped tar archive as a stream, in both directions. Knows files and bytes, not what a backup consists of.
 */
#ifndef BACKUP_ARCHIVE_H
#define BACKUP_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backup/ustar.h"
#include "base/cleanup.h"
#include "base/fault.h"

/* Called now and then with how many bytes of the content are done, and were at the call before. */
struct archive_progress {
	void (*fn)(uint64_t done, uint64_t before, uint64_t total, void *userdata);
	void *userdata;
	uint64_t done, total;
};

/* @bytes more are done. */
void archive_progress(struct archive_progress *p, size_t bytes);

struct archive_writer;

/** Write to @fd, which stays the caller's. -ENOMEM. */
int archive_writer_new(int fd, struct archive_writer **ret);
/* Without archive_writer_end() the archive is not complete. */
void archive_writer_free(struct archive_writer *w);
DEFINE_CLEANUP(struct archive_writer *, archive_writer_free)
/* Each file: its header, then exactly as many bytes in any number of pieces. -errno of write(2), or of ustar_encode(). */
int archive_put_header(struct archive_writer *w, const struct ustar_entry *entry);
int archive_put(struct archive_writer *w, const void *data, size_t length);
/** Write the end of the archive. */
int archive_writer_end(struct archive_writer *w);

struct archive_reader;

/** -errno "backup.read". */
int archive_reader_open(const char *path, struct archive_reader **ret, struct fault *reterr);
void archive_reader_close(struct archive_reader *r);
DEFINE_CLEANUP(struct archive_reader *, archive_reader_close)
/**
 * The next file: 1, and archive_get() reads its content; 0: the end, with nothing behind it. Faults:
 * backup.truncated, backup.gzip, backup.trailing (all -EBADMSG), and those of ustar_decode(). What was not read
 * of the file before is skipped.
 */
int archive_next(struct archive_reader *r, struct ustar_entry *ret, struct fault *reterr);
/** Up to @size bytes of the file; 0: that was all of it. */
ssize_t archive_get(struct archive_reader *r, void *buffer, size_t size, struct fault *reterr);

#endif
