/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/records.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/directory.h"

static int read_header(int dir, uint64_t first, struct hasher *hasher, int *ret_fd,
		       struct segment_header *ret, uint8_t ret_seal[static AUDIT_HASH_SIZE])
{
	uint8_t block[SEGMENT_HEADER_SIZE];
	_cleanup_close_ int fd = -1;
	int r = directory_open_segment(dir, first, O_RDONLY, &fd);
	ssize_t n;

	if (r < 0)
		return r;
	n = file_read(fd, block, sizeof(block), 0);
	if (n < 0)
		return (int)n;
	if ((size_t)n < sizeof(block))
		return -ENODATA;
	r = segment_header_decode(block, hasher, ret, ret_seal);
	if (r < 0)
		return r;
	if (ret->first_index != first)
		return -EBADMSG;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* How many bytes of the segment count, and how many records have to be in it (0: any number). */
static int read_bounds(const struct records *r, int dir, uint64_t successor, uint64_t *ret_limit,
		       uint64_t *ret_count)
{
	uint8_t seal[AUDIT_HASH_SIZE];
	_cleanup_close_ int fd = -1;
	struct segment_header next;
	struct stat st;
	int error;

	if (fstat(r->fd, &st) < 0)
		return -errno;
	*ret_limit = (uint64_t)st.st_size;
	*ret_count = 0;
	if (successor == SEGMENT_NONE)
		return 0;
	error = read_header(dir, successor, r->hasher, &fd, &next, seal);
	if (error < 0) /* being written, or for verify to find */
		return error == -ENODATA || error == -EBADMSG || error == -ENOENT ? 0 : error;
	if (next.previous.segment != r->header.first_index)
		return 0;
	/* What the header says of the end is of the segment before records expired. */
	if (next.previous.tail && next.previous.tail < *ret_limit)
		*ret_limit -= next.previous.tail;
	if (next.previous.tail && next.previous.end < *ret_limit)
		*ret_limit = next.previous.end;
	if (next.incarnation == r->header.incarnation)
		*ret_count = next.first_index - r->header.first_index;
	return 0;
}

static int keep_offset(struct records *r, uint32_t number, uint64_t offset)
{
	if (r->indexed + number >= SIDECAR_RECORDS_MAX || offset / 8 > UINT32_MAX)
		return -E2BIG;
	if (number == r->walked_size) {
		uint32_t size = r->walked_size ? 2 * r->walked_size : 1024;
		uint32_t *larger = reallocarray(r->walked, size, sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		r->walked = larger;
		r->walked_size = size;
	}
	r->walked[number] = (uint32_t)(offset / 8);
	return 0;
}

static uint64_t frame_index(const uint8_t *frame)
{
	uint64_t index = 0;

	for (unsigned int i = 0; i < 8; i++)
		index |= (uint64_t)frame[12 + i] << 8 * i;
	return index;
}

/*
 * The frame at @offset, which has to be about @index. Only those of commits are checked as a whole. 1;
 * 0: there is none, or it ends behind @limit; -errno.
 */
static int look(struct records *r, uint64_t offset, uint64_t limit, uint64_t index,
		enum frame_type *ret_type, size_t *ret_records, size_t *ret_size)
{
	const uint8_t *frame;
	struct frame f;
	int error;

	if (offset + FRAME_HEADER_SIZE > limit)
		return 0;
	error = window_get(&r->window, offset, FRAME_HEADER_SIZE, &frame);
	if (error < 0)
		return error == -ENODATA ? 0 : error;
	if (frame_measure(frame, ret_size) < 0 || offset + *ret_size > limit ||
	    frame_index(frame) != index)
		return 0;
	*ret_type = frame[8];
	*ret_records =
		*ret_type == FRAME_RECORD || *ret_type == FRAME_STUB ? 1 : frame_gone_count(frame);
	if (*ret_type != FRAME_COMMIT && *ret_type != FRAME_END)
		return 1;
	error = window_get(&r->window, offset, *ret_size, &frame);
	if (error < 0)
		return error == -ENODATA ? 0 : error;
	return frame_decode(frame, &f) == 0;
}

/* Hop from frame to frame behind what the index covers. What no commit follows does not count. */
static int walk(struct records *r, uint64_t limit)
{
	uint64_t offset = r->end, first = r->header.first_index + r->indexed;
	uint32_t pending = 0;
	enum frame_type type;
	size_t count, size;
	int error;

	while ((error = look(r, offset, limit, first + pending, &type, &count, &size)) == 1) {
		if (type == FRAME_END)
			return 0;
		for (; count; count--) {
			error = keep_offset(r, pending, offset);
			if (error < 0)
				return error;
			pending++;
		}
		offset += size;
		if (type == FRAME_COMMIT || type == FRAME_GONE) {
			r->walked_count = pending;
			r->end = offset;
		}
	}
	return error;
}

static int open_records(int dir, uint64_t first, uint64_t successor, bool index, struct records *r)
{
	uint8_t seal[AUDIT_HASH_SIZE];
	uint64_t limit = 0, must = 0;
	int error = read_header(dir, first, r->hasher, &r->fd, &r->header, seal);

	window_init(&r->window, r->fd);
	if (error == 0)
		error = read_bounds(r, dir, successor, &limit, &must);
	if (error < 0)
		return error;
	r->end = SEGMENT_HEADER_SIZE;
	/* An index that cannot be read is as good as none. */
	if (index && sidecar_open(dir, first, seal, &r->sidecar) == 0) {
		r->indexed = r->sidecar.head.records;
		r->end = r->sidecar.head.end;
		if (r->end > limit || (must && r->indexed > must))
			return -ESTALE;
	}
	error = walk(r, limit);
	if (error < 0)
		return error;
	r->count = r->indexed + r->walked_count;
	if (must && r->count != must)
		return r->indexed ? -ESTALE : -EBADMSG;
	return 0;
}

int records_open(int dir, uint64_t first, uint64_t successor, bool index, struct hasher *hasher,
		 struct records *ret)
{
	struct records r = {.hasher = hasher, .fd = -1, .sidecar.fd = -1};
	int error = open_records(dir, first, successor, index, &r);

	if (error < 0) {
		records_done(&r);
		return error;
	}
	*ret = r;
	return 0;
}

void records_done(struct records *r)
{
	window_done(&r->window);
	sidecar_done(&r->sidecar);
	close_fdp(&r->fd);
	free(r->walked);
	*r = (struct records){.fd = -1, .sidecar.fd = -1};
}

/* A frame and as much of the one behind it as tells its hash: what may stand there is bounded. */
static int get_frame(struct records *r, uint64_t offset, struct frame *ret)
{
	const uint8_t *frame;
	size_t size;
	int error = window_get(&r->window, offset, FRAME_HEADER_SIZE, &frame);

	if (error == 0)
		error = frame_measure(frame, &size);
	if (error == 0 && size > WINDOW_BYTES)
		return -EBADMSG; /* what is due here is smaller */
	if (error == 0)
		error = window_get(&r->window, offset, size, &frame);
	if (error == 0)
		error = frame_decode(frame, ret);
	return error == -ENODATA ? -EBADMSG : error;
}

static int locate(struct records *r, uint32_t number, uint64_t *ret)
{
	int error;

	assert(number < r->count);
	if (number >= r->indexed) {
		*ret = 8ULL * r->walked[number - r->indexed];
		return 0;
	}
	error = sidecar_offset(&r->sidecar, number, ret);
	return error == -EBADMSG ? -ESTALE : error;
}

/* The frame at @offset stands for batches that expired, the record @index among them. */
static bool is_gone(struct records *r, uint64_t offset, uint64_t index)
{
	const uint8_t *frame;

	if (window_get(&r->window, offset, FRAME_HEADER_SIZE, &frame) < 0)
		return false;
	return index >= frame_index(frame) && index - frame_index(frame) < frame_gone_count(frame);
}

int records_get(struct records *r, uint32_t number, struct reader_record *ret)
{
	uint64_t offset, index = r->header.first_index + number;
	struct frame f;
	int error = locate(r, number, &offset);

	if (error < 0)
		return error;
	if (is_gone(r, offset, index)) {
		*ret = (struct reader_record){.view.index = index};
		return 0;
	}
	error = get_frame(r, offset, &f);
	if (error == 0 && f.type == FRAME_STUB && f.index == index) {
		*ret = (struct reader_record){.view.index = f.index};
		return 0;
	}
	if (error == 0 && (f.type != FRAME_RECORD || f.index != index ||
			   record_parse((const char *)f.payload, f.length, &ret->view) < 0 ||
			   ret->view.index != f.index))
		error = -EBADMSG;
	if (error < 0)
		return error == -EBADMSG && number < r->indexed ? -ESTALE : error;
	ret->data = (const char *)f.payload;
	ret->length = f.length;
	return 0;
}

/* What the frame behind a record says is that record's hash. */
static int named_hash(const struct frame *f, uint64_t index, uint8_t ret[static AUDIT_HASH_SIZE])
{
	struct record_view view;

	if (f->index != index + 1)
		return -EBADMSG;
	if (f->type == FRAME_COMMIT) {
		memcpy(ret, f->payload + 16, AUDIT_HASH_SIZE);
		return 0;
	}
	if (f->type != FRAME_RECORD || record_parse((const char *)f->payload, f->length, &view) < 0)
		return -EBADMSG;
	memcpy(ret, view.previous_hash, AUDIT_HASH_SIZE);
	return 0;
}

int records_confirm(struct records *r, uint32_t number, struct reader_record *ret)
{
	uint8_t named[AUDIT_HASH_SIZE];
	uint64_t offset;
	struct frame f;
	int error = locate(r, number, &offset);

	if (error < 0)
		return error;
	hash_leaf(r->hasher, ret->data, ret->length, ret->hash);
	error = get_frame(r, offset + frame_size(ret->length), &f);
	/* Before a record that expired, nothing but the hash of the whole file tells, which verify looks at. */
	if (error == 0 && f.type == FRAME_STUB && f.index == ret->view.index + 1)
		return records_get(r, number, ret);
	if (error == 0)
		error = named_hash(&f, ret->view.index, named);
	if (error == 0 && memcmp(named, ret->hash, sizeof(named)) != 0)
		error = -EBADMSG;
	return error < 0 ? error : records_get(r, number, ret);
}
