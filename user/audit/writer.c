/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A failed write leaves bytes that were never acknowledged: they are cut off and the batch is
 * written again later. After a failed fdatasync nothing is known about the file any more (the
 * kernel marks the pages clean), so it is left behind and the batch goes to a new segment.
 */
#include "audit/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"

/* Zeros where there is no /proc: the boot id is for people who compare clocks. */
static void read_boot_id(uint8_t ret[static AUDIT_ID_SIZE])
{
	_cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[36];
	size_t at = 0;

	memset(ret, 0, AUDIT_ID_SIZE);
	if (fd < 0 || read(fd, text, sizeof(text)) != (ssize_t)sizeof(text))
		return;
	for (size_t i = 0; i + 1 < sizeof(text) && at < AUDIT_ID_SIZE; i++)
		if (text[i] != '-' && hex_parse(text + i++, 1, ret + at++) < 0)
			return;
}

void writer_init(struct writer *w, int dir, struct hasher *hasher, struct recovery *found)
{
	*w = (struct writer){
		.dir = dir,
		.hasher = hasher,
		.segment_bytes = CHAIN_SEGMENT_BYTES,
		.datasync = fdatasync,
		.state = found->state,
		.state_stale = found->state_stale,
		.state_lost = found->state_lost,
		.fd = take_fd(&found->fd),
		.segment = found->state.tip.segment,
		.offset = found->state.tip.offset,
		.previous = found->previous,
	};
	memcpy(w->seal, found->seal, AUDIT_HASH_SIZE);
	read_boot_id(w->boot_id);
}

void writer_done(struct writer *w)
{
	close_fdp(&w->fd);
	w->fd = -1;
}

static bool has_commit(const struct writer *w)
{
	return w->state.tip.segment == w->segment;
}

/* Leave the current segment; the next one will say how much of this one counts. */
static void abandon(struct writer *w)
{
	struct stat st;

	/*
	 * Without a commit it has to make room for the next segment of this name: see
	 * create_segment.
	 */
	if (has_commit(w)) {
		w->previous = (struct segment_link){.segment = w->segment, .end = w->offset};
		memcpy(w->previous.seal, w->seal, AUDIT_HASH_SIZE);
		/* If the tail cannot be read, verification will rightly find it unaccounted for. */
		if (fstat(w->fd, &st) == 0 && (uint64_t)st.st_size > w->offset) {
			w->previous.tail = (uint64_t)st.st_size - w->offset;
			file_hash(w->fd, w->offset, (uint64_t)st.st_size, w->hasher,
				  w->previous.tail_hash);
		}
	}
	writer_done(w);
}

/* Append frames to the current segment, all or nothing. */
static int append(struct writer *w, const uint8_t *frames, size_t length)
{
	int r = file_write(w->fd, frames, length, w->offset);
	bool unknown = false;

	if (r == 0 && w->datasync(w->fd) < 0) {
		r = -errno;
		unknown = true;
	}
	if (r == 0) {
		w->offset += length;
		return 0;
	}
	if (ftruncate(w->fd, (off_t)w->offset) < 0)
		unknown = true;
	if (unknown)
		abandon(w);
	return r;
}

static int create_segment(struct writer *w, int *ret_fd)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	uint64_t first = w->state.tip.next_index, size;
	uint8_t hash[AUDIT_HASH_SIZE];
	char name[SEGMENT_NAME_SIZE];
	int r;

	segment_name(first, name);
	*ret_fd = openat(w->dir, name, flags, 0600);
	if (*ret_fd >= 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	/* An earlier attempt, in which nothing was committed: its records would begin here. */
	r = directory_set_aside(w->dir, first, w->hasher, &size, hash);
	if (r < 0)
		return r;
	*ret_fd = openat(w->dir, name, flags, 0600);
	return *ret_fd < 0 ? -errno : 0;
}

static int start_segment(struct writer *w)
{
	const struct tip *tip = &w->state.tip;
	struct segment_header h = {
		.incarnation = tip->incarnation,
		.first_index = tip->next_index,
		.real_ns = clock_real_ns(),
		.previous = w->previous,
	};
	_cleanup_close_ int fd = -1;
	uint8_t block[SEGMENT_HEADER_SIZE], seal[AUDIT_HASH_SIZE];
	int r = create_segment(w, &fd);

	if (r < 0)
		return r;
	memcpy(h.chain_id, tip->chain_id, AUDIT_ID_SIZE);
	memcpy(h.previous_hash, tip->last_hash, AUDIT_HASH_SIZE);
	memcpy(h.boot_id, w->boot_id, AUDIT_ID_SIZE);
	segment_header_encode(&h, w->hasher, block, seal);
	r = file_write(fd, block, sizeof(block), 0);
	if (r == 0 && (w->datasync(fd) < 0 || fsync(w->dir) < 0))
		r = -errno;
	if (r < 0) {
		char name[SEGMENT_NAME_SIZE];

		segment_name(h.first_index, name);
		unlinkat(w->dir, name, 0);
		return r;
	}
	w->fd = take_fd(&fd);
	w->segment = h.first_index;
	w->offset = SEGMENT_HEADER_SIZE;
	memcpy(w->seal, seal, AUDIT_HASH_SIZE);
	return 0;
}

static int end_segment(struct writer *w)
{
	struct frame_seal end = {.first = w->state.tip.next_index};
	uint8_t frame[FRAME_SEAL_SIZE];
	int r;

	clock_both(&end.real_ns, &end.boot_ns);
	memcpy(end.last_hash, w->state.tip.last_hash, AUDIT_HASH_SIZE);
	frame_seal_encode(frame, FRAME_END, &end, w->seal, w->hasher);
	r = append(w, frame, sizeof(frame));
	if (r < 0)
		return r;
	memcpy(w->seal, end.seal, AUDIT_HASH_SIZE);
	abandon(w);
	return 0;
}

int writer_commit(struct writer *w, uint8_t *batch, size_t length, size_t count,
		  const uint8_t last_hash[static AUDIT_HASH_SIZE])
{
	struct tip *tip = &w->state.tip;
	struct frame_seal commit = {.first = tip->next_index, .count = count};
	int r = 0;

	clock_both(&commit.real_ns, &commit.boot_ns);
	/* Room for the END frame is reckoned in. A segment takes at least one batch. */
	if (w->fd >= 0 && has_commit(w) &&
	    (w->rotate || w->offset + length + 2 * FRAME_SEAL_SIZE > w->segment_bytes))
		r = end_segment(w);
	if (r == 0 && w->fd < 0)
		r = start_segment(w);
	if (r < 0)
		return r;
	w->rotate = false;
	memcpy(commit.last_hash, last_hash, AUDIT_HASH_SIZE);
	frame_seal_encode(batch + length, FRAME_COMMIT, &commit, w->seal, w->hasher);
	r = append(w, batch, length + FRAME_SEAL_SIZE);
	if (r < 0)
		return r;
	memcpy(w->seal, commit.seal, AUDIT_HASH_SIZE);
	tip->segment = w->segment;
	tip->offset = w->offset;
	tip->next_index += count;
	memcpy(tip->last_hash, last_hash, AUDIT_HASH_SIZE);
	memcpy(tip->seal, commit.seal, AUDIT_HASH_SIZE);
	w->state_stale = true;
	return 0;
}

int writer_acknowledge(struct writer *w)
{
	int r = 0;

	if (w->state_lost)
		r = state_create(w->dir, w->hasher, &w->state);
	else if (w->state_stale)
		r = state_store(w->dir, w->hasher, &w->state);
	if (r < 0)
		return r;
	w->state_stale = w->state_lost = false;
	return 0;
}
