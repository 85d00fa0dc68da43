/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/archived.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "audit/hash.h"
#include "audit/segment.h"
#include "base/cleanup.h"

#define DIRECTORY  "archive"
#define FRAME_MAX  (1U << 20) /* bytes; more than any frame takes */
#define SEGMENT_OF 20	      /* digits of the segment's first index, with which a name begins */

/* The frame that begins where @gz stands: its header, and what else it takes. 1; 0: there is none, or it is no frame. */
static int next_frame(gzFile gz, uint8_t header[static FRAME_HEADER_SIZE], size_t *ret_length)
{
	uint32_t length_le;

	if (gzread(gz, header, FRAME_HEADER_SIZE) != FRAME_HEADER_SIZE)
		return 0;
	memcpy(&length_le, header, sizeof(length_le));
	*ret_length = le32toh(length_le);
	return *ret_length < FRAME_MAX;
}

static bool is_record(const uint8_t header[static FRAME_HEADER_SIZE], size_t length, uint64_t index)
{
	uint64_t index_le;

	memcpy(&index_le, header + 12, sizeof(index_le));
	return header[8] == FRAME_RECORD && le64toh(index_le) == index && length &&
	       length <= AUDIT_RECORD_MAX;
}

/* 0; -ENOENT: it is not in there, or its bytes have another hash. */
static int take_record(gzFile gz, size_t length, const uint8_t *hash, char **ret)
{
	_cleanup_(hasher_done) struct hasher h = {0};
	_cleanup_free_ char *data = malloc(length);
	uint8_t own[AUDIT_HASH_SIZE];

	if (!data || hasher_init(&h) < 0)
		return -ENOMEM;
	if (gzread(gz, data, (unsigned int)length) != (int)length)
		return -ENOENT;
	hash_leaf(&h, data, length, own);
	if (memcmp(own, hash, sizeof(own)) != 0)
		return -ENOENT;
	*ret = take_ptr(data);
	return 0;
}

static int search(gzFile gz, uint64_t index, const uint8_t *hash, char **ret, size_t *ret_length)
{
	uint8_t header[FRAME_HEADER_SIZE];
	size_t length;

	if (gzseek(gz, SEGMENT_HEADER_SIZE, SEEK_SET) != SEGMENT_HEADER_SIZE)
		return -ENOENT;
	while (next_frame(gz, header, &length)) {
		if (is_record(header, length, index)) {
			*ret_length = length;
			return take_record(gz, length, hash, ret);
		}
		if (gzseek(gz, (z_off_t)(frame_size(length) - FRAME_HEADER_SIZE), SEEK_CUR) < 0)
			break;
	}
	return -ENOENT;
}

/* The first index of an archive, <first index, 20 digits>-<16 digits>.seg.gz. */
static bool is_archive(const char *name, uint64_t *ret_first)
{
	char segment[SEGMENT_NAME_SIZE];
	const char *end = strstr(name, ".seg.gz");

	snprintf(segment, sizeof(segment), "%.*s.seg", SEGMENT_OF, name);
	return end && !end[strlen(".seg.gz")] && segment_name_parse(segment, ret_first) == 0;
}

/* That of the archives which may have @index; they all begin alike. */
static uint64_t find_first(DIR *list, uint64_t index)
{
	uint64_t found = SEGMENT_NONE, first;

	for (const struct dirent *e; (e = readdir(list));)
		if (is_archive(e->d_name, &first) && first <= index &&
		    (found == SEGMENT_NONE || first > found))
			found = first;
	rewinddir(list);
	return found;
}

static int search_file(int dir, const char *name, uint64_t index, const uint8_t *hash, char **ret,
		       size_t *ret_length)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r;
	gzFile gz = fd < 0 ? NULL : gzdopen(fd, "rb");

	if (!gz) {
		close_fdp(&fd);
		return -ENOENT;
	}
	r = search(gz, index, hash, ret, ret_length);
	gzclose(gz);
	return r;
}

int archived_record(int dir, uint64_t index, const uint8_t hash[static AUDIT_HASH_SIZE], char **ret,
		    size_t *ret_length)
{
	int fd = openat(dir, DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
	    r = -ENOENT;
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	uint64_t wanted, first;

	if (!list) {
		close_fdp(&fd);
		return -ENOENT;
	}
	wanted = find_first(list, index);
	for (const struct dirent *e; r == -ENOENT && (e = readdir(list));)
		if (is_archive(e->d_name, &first) && first == wanted)
			r = search_file(fd, e->d_name, index, hash, ret, ret_length);
	closedir(list);
	return r;
}
