/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/window.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "audit/directory.h"

#define AHEAD_MIN 4096

void window_init(struct window *w, int fd)
{
	*w = (struct window){.fd = fd, .ahead = AHEAD_MIN};
}

void window_done(struct window *w)
{
	free(w->buffer);
	*w = (struct window){.fd = -1};
}

/* Most files are looked at in a few places: what is never needed is never had. The content is lost. */
static bool reserve(struct window *w, size_t size)
{
	if (size <= w->size)
		return true;
	free(w->buffer);
	w->buffer = malloc(size);
	w->size = w->buffer ? size : 0;
	w->filled = 0;
	return w->buffer;
}

int window_get(struct window *w, uint64_t offset, size_t length, const uint8_t **ret)
{
	uint64_t start = offset, end = offset + length;
	size_t want;
	ssize_t n;

	assert(length <= WINDOW_BYTES);
	if (offset >= w->at && end <= w->at + w->filled) {
		*ret = w->buffer + (offset - w->at);
		return 0;
	}
	/* Next to what we have: somebody reads in order. */
	if (end >= w->at && offset <= w->at + w->filled && w->ahead < WINDOW_BYTES)
		w->ahead *= 2;
	else if (end < w->at || offset > w->at + w->filled)
		w->ahead = AHEAD_MIN;
	want = length > w->ahead ? length : w->ahead;
	if (offset < w->at && w->filled)
		start = end > want ? end - want : 0;
	if (!reserve(w, want))
		return -ENOMEM;
	n = file_read(w->fd, w->buffer, want, start);
	w->at = start;
	w->filled = n > 0 ? (size_t)n : 0;
	if (n < 0)
		return (int)n;
	if (end > w->at + w->filled)
		return -ENODATA;
	*ret = w->buffer + (offset - w->at);
	return 0;
}
