/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/incarnation.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"

#define FIRST_SIZE 23 /* a number and a newline */

void incarnation_done(struct incarnation *i)
{
	free(i->segments);
	i->segments = NULL;
}

/* The number in the header of segment @at, or @before if there is none. */
static uint32_t number_of(struct scan *scan, int dir, uint64_t segment, uint32_t before)
{
	struct segment_header header;

	return scan_peek(scan, dir, segment, &header) == 0 ? header.incarnation : before;
}

int incarnation_load(int dir, struct hasher *hasher, uint32_t number, struct incarnation *ret)
{
	struct scan scan = {.hasher = hasher, .fd = -1};
	uint32_t current = 0;
	uint64_t *list;
	size_t count, from = 0, to = 0;
	int r = directory_segments(dir, &list, &count);

	*ret = (struct incarnation){.next = SEGMENT_NONE};
	if (r < 0)
		return r;
	for (size_t i = 0; i < count && ret->next == SEGMENT_NONE; i++) {
		uint32_t n = i ? number_of(&scan, dir, list[i], current) : 0;

		if (n > current)
			current = n; /* a lower one is wrong where it stands */
		if (current < number) {
			from = i + 1;
		} else if (current > number) {
			ret->next = list[i];
			ret->next_number = current;
		}
		if (current <= number)
			to = i + 1;
	}
	ret->count = to > from ? to - from : 0;
	if (ret->count)
		memmove(list, list + from, ret->count * sizeof(*list));
	ret->segments = list;
	return 0;
}

int incarnation_first(const char *path, uint32_t number, uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	char file[PATH_MAX];
	size_t length;
	int r;

	*ret = 0;
	if (!number)
		return 0;
	if (snprintf(file, sizeof(file), "%s/first", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	r = fs_read_file(file, FIRST_SIZE, &text, &length, NULL);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, 0, AUDIT_INDEX_MAX, ret);
}

uint32_t incarnation_of_origin(const char *origin)
{
	const char *slash = strrchr(origin, '/');
	uint32_t number;

	return slash && parse_u32(slash + 1, 1, UINT32_MAX, &number) == 0 ? number : 0;
}
