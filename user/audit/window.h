/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A file read piece by piece, forward or backward: small reads where it is jumped about in, larger ones
 * where it is read in order. Not mmap(): a file that is cut off while it is read must be an error, not a
 * signal.
 */
#ifndef AUDIT_WINDOW_H
#define AUDIT_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#define WINDOW_BYTES (256U << 10) /* and the most that can be asked for at once */

struct window {
	int fd; /* the caller's */
	uint8_t *buffer;
	uint64_t at; /* of the buffer's content in the file */
	size_t filled, ahead, size;
};

/* End with window_done(), which accepts a zeroed one. */
void window_init(struct window *w, int fd);
void window_done(struct window *w);

/**
 * @length bytes at @offset, valid until the next call. -ENODATA: the file ends before; -ENOMEM and other -errno.
 */
int window_get(struct window *w, uint64_t offset, size_t length, const uint8_t **ret);

#endif
