/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lists/deadlines.h"

#include <errno.h>
#include <stdlib.h>

void deadlines_done(struct deadlines *d)
{
	free(d->heap);
	*d = (struct deadlines){0};
}

int deadlines_reserve(struct deadlines *d, size_t more)
{
	size_t size = d->size ? d->size : 64;
	struct deadline *heap;

	if (d->count + more <= d->size)
		return 0;
	while (size < d->count + more)
		size *= 2;
	heap = reallocarray(d->heap, size, sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	d->heap = heap;
	d->size = size;
	return 0;
}

static void sift_up(struct deadlines *d, size_t at)
{
	struct deadline moved = d->heap[at];

	while (at > 0 && d->heap[(at - 1) / 2].until_ns > moved.until_ns) {
		d->heap[at] = d->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	d->heap[at] = moved;
}

static void sift_down(struct deadlines *d, size_t at)
{
	struct deadline moved = d->heap[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < d->count && d->heap[child + 1].until_ns < d->heap[child].until_ns)
			child++;
		if (child >= d->count || d->heap[child].until_ns >= moved.until_ns)
			break;
		d->heap[at] = d->heap[child];
		at = child;
	}
	d->heap[at] = moved;
}

void deadlines_push(struct deadlines *d, const struct deadline *deadline)
{
	d->heap[d->count] = *deadline;
	sift_up(d, d->count++);
}

const struct deadline *deadlines_first(const struct deadlines *d)
{
	return d->count ? &d->heap[0] : NULL;
}

void deadlines_pop(struct deadlines *d)
{
	d->heap[0] = d->heap[--d->count];
	if (d->count)
		sift_down(d, 0);
}

void deadlines_filter(struct deadlines *d,
		      bool (*holds)(const struct deadline *deadline, void *userdata),
		      void *userdata)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->count; i++)
		if (holds(&d->heap[i], userdata))
			d->heap[kept++] = d->heap[i];
	d->count = kept;
	for (size_t i = kept / 2; i-- > 0;)
		sift_down(d, i);
}
