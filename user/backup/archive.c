/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Nothing is taken from the compressed stream but what a header announced, so memory and disk that an archive takes are
 * decided by who reads it. */
#include "backup/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/fs.h"

#define CHUNK	 65536
#define LEVEL	 5
#define GZIP	 (15 + 16)  /* window bits, and: with gzip's header and checksum */
#define TAIL_MAX (1U << 20) /* zeros that may follow the end of an archive */

void archive_progress(struct archive_progress *p, size_t bytes)
{
	p->done += bytes;
	if (p->fn)
		p->fn(p->done, p->done - bytes, p->total, p->userdata);
}

struct archive_writer {
	int fd;
	z_stream stream;
	uint64_t left, padding; /* of the file that is being written */
	uint8_t out[CHUNK];
};

int archive_writer_new(int fd, struct archive_writer **ret)
{
	_cleanup_free_ struct archive_writer *w = calloc(1, sizeof(*w));

	if (!w || deflateInit2(&w->stream, LEVEL, Z_DEFLATED, GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	w->fd = fd;
	*ret = take_ptr(w);
	return 0;
}

void archive_writer_free(struct archive_writer *w)
{
	if (!w)
		return;
	deflateEnd(&w->stream);
	free(w);
}

static int compress_bytes(struct archive_writer *w, const void *data, size_t length, int flush)
{
	int r, z;

	w->stream.next_in = (z_const Bytef *)(uintptr_t)data;
	w->stream.avail_in = (uInt)length;
	do {
		w->stream.next_out = w->out;
		w->stream.avail_out = sizeof(w->out);
		z = deflate(&w->stream, flush);
		if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
			return -EIO;
		r = fs_write_all(w->fd, w->out, sizeof(w->out) - w->stream.avail_out);
		if (r < 0)
			return r;
	} while (flush == Z_FINISH ? z != Z_STREAM_END : w->stream.avail_in > 0);
	return 0;
}

static uint64_t padding_of(uint64_t size)
{
	return (USTAR_BLOCK - size % USTAR_BLOCK) % USTAR_BLOCK;
}

int archive_put_header(struct archive_writer *w, const struct ustar_entry *entry)
{
	uint8_t block[USTAR_BLOCK];
	int r = w->left ? -EINVAL : ustar_encode(entry, block);

	if (r < 0)
		return r;
	w->left = entry->size;
	w->padding = padding_of(entry->size);
	return compress_bytes(w, block, sizeof(block), Z_NO_FLUSH);
}

int archive_put(struct archive_writer *w, const void *data, size_t length)
{
	static const uint8_t zeros[USTAR_BLOCK];
	int r = length > w->left || length > UINT_MAX ? -EINVAL
						      : compress_bytes(w, data, length, Z_NO_FLUSH);

	if (r < 0)
		return r;
	w->left -= length;
	if (w->left)
		return 0;
	r = compress_bytes(w, zeros, (size_t)w->padding, Z_NO_FLUSH);
	w->padding = 0;
	return r;
}

int archive_writer_end(struct archive_writer *w)
{
	static const uint8_t end[2 * USTAR_BLOCK];

	return w->left ? -EINVAL : compress_bytes(w, end, sizeof(end), Z_FINISH);
}

struct archive_reader {
	int fd;
	bool inflating, ended; /* ended: the compressed stream */
	z_stream stream;
	uint64_t left, padding;
	uint8_t in[CHUNK];
};

int archive_reader_open(const char *path, struct archive_reader **ret, struct fault *reterr)
{
	_cleanup_(archive_reader_closep) struct archive_reader *r = calloc(1, sizeof(*r));
	struct stat st;

	if (!r)
		return fault(reterr, -ENOMEM, "backup.read", "out of memory");
	r->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (r->fd < 0 || fstat(r->fd, &st) < 0)
		return fault(reterr, -errno, "backup.read", "cannot open '%s': %s", path,
			     strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fault(reterr, -EINVAL, "backup.read", "'%s' is no regular file", path);
	if (inflateInit2(&r->stream, GZIP) != Z_OK)
		return fault(reterr, -ENOMEM, "backup.read", "out of memory");
	r->inflating = true;
	*ret = take_ptr(r);
	return 0;
}

void archive_reader_close(struct archive_reader *r)
{
	if (!r)
		return;
	if (r->inflating)
		inflateEnd(&r->stream);
	close_fdp(&r->fd);
	free(r);
}

static int refill(struct archive_reader *r, struct fault *reterr)
{
	ssize_t n;

	do
		n = read(r->fd, r->in, sizeof(r->in));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fault(reterr, -errno, "backup.read", "cannot read the archive: %s",
			     strerror(errno));
	r->stream.next_in = r->in;
	r->stream.avail_in = (uInt)n;
	return n > 0;
}

/* Up to @size bytes of the stream; fewer only at its end. */
static ssize_t expand(struct archive_reader *r, void *buffer, size_t size, struct fault *reterr)
{
	r->stream.next_out = buffer;
	r->stream.avail_out = (uInt)size;
	while (!r->ended && r->stream.avail_out) {
		int more = r->stream.avail_in ? 1 : refill(r, reterr), z;

		if (more < 0)
			return more;
		if (!more)
			return fault(reterr, -EBADMSG, "backup.truncated",
				     "the archive ends in the middle: it is truncated");
		z = inflate(&r->stream, Z_NO_FLUSH);
		r->ended = z == Z_STREAM_END;
		if (z == Z_MEM_ERROR)
			return fault(reterr, -ENOMEM, "backup.read", "out of memory");
		if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
			return fault(reterr, -EBADMSG, "backup.gzip",
				     "this is not gzip, or it is damaged: %s",
				     r->stream.msg ?: "the data make no sense");
	}
	return (ssize_t)(size - r->stream.avail_out);
}

static int skip(struct archive_reader *r, uint64_t bytes, struct fault *reterr)
{
	uint8_t buffer[4096];

	while (bytes) {
		size_t want = bytes < sizeof(buffer) ? (size_t)bytes : sizeof(buffer);
		ssize_t n = expand(r, buffer, want, reterr);

		if (n < 0)
			return (int)n;
		if ((size_t)n < want)
			return fault(reterr, -EBADMSG, "backup.truncated",
				     "the archive ends in the middle of a file");
		bytes -= want;
	}
	return 0;
}

static int trailing(struct fault *reterr)
{
	return fault(reterr, -EBADMSG, "backup.trailing",
		     "something follows the end of the archive that does not belong to it");
}

/* After the first block of zeros there are only more of them, and nothing follows the stream. */
static int check_end(struct archive_reader *r, struct fault *reterr)
{
	uint8_t buffer[4096];
	uint64_t seen = 0;

	while (!r->ended) {
		ssize_t n = expand(r, buffer, sizeof(buffer), reterr);

		if (n < 0)
			return (int)n;
		for (ssize_t i = 0; i < n; i++)
			if (buffer[i])
				return trailing(reterr);
		seen += (uint64_t)n;
		if (seen > TAIL_MAX)
			return trailing(reterr);
	}
	if (r->stream.avail_in)
		return trailing(reterr);
	switch (refill(r, reterr)) {
	case 0:
		return 0;
	case 1:
		return trailing(reterr);
	default:
		return -EIO;
	}
}

int archive_next(struct archive_reader *r, struct ustar_entry *ret, struct fault *reterr)
{
	uint8_t block[USTAR_BLOCK];
	ssize_t n;
	int s = skip(r, r->left + r->padding, reterr);

	if (s < 0)
		return s;
	r->left = r->padding = 0;
	n = expand(r, block, sizeof(block), reterr);
	if (n < 0)
		return (int)n;
	if (n < (ssize_t)sizeof(block))
		return fault(reterr, -EBADMSG, "backup.truncated",
			     "the archive has no end: it is truncated");
	s = ustar_decode(block, ret, reterr);
	if (s == 0)
		return check_end(r, reterr);
	if (s < 0)
		return s;
	r->left = ret->size;
	r->padding = padding_of(ret->size);
	return 1;
}

ssize_t archive_get(struct archive_reader *r, void *buffer, size_t size, struct fault *reterr)
{
	ssize_t n;

	if (size > r->left)
		size = (size_t)r->left;
	if (!size)
		return 0;
	n = expand(r, buffer, size, reterr);
	if (n < 0)
		return n;
	if ((size_t)n < size)
		return fault(reterr, -EBADMSG, "backup.truncated",
			     "the archive ends in the middle of a file");
	r->left -= (uint64_t)n;
	return n;
}
