/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state file says how far the log was acknowledged. It tells the torn end of a batch that
 * nobody was told of from the truncation of one that somebody relies on. Slot n holds an even or
 * odd sequence number; while one is rewritten the other stays whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "audit/directory.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define STATE_ATTEMPTS 50 /* a slot is written in microseconds; this waits 50 ms at most */

struct slot {
	bool whole;
	uint64_t sequence;
	struct tip tip;
};

static int slots_read(int fd, struct hasher *hasher, struct slot ret[static STATE_SLOTS])
{
	/* One byte more, to see that nothing follows. */
	uint8_t data[STATE_SLOTS * STATE_SLOT_SIZE + 1];
	ssize_t n = file_read(fd, data, sizeof(data), 0);

	if (n < 0)
		return (int)n;
	for (unsigned int i = 0; i < STATE_SLOTS; i++) {
		ret[i].whole = n == sizeof(data) - 1 &&
			       state_decode(data + i * STATE_SLOT_SIZE, hasher, &ret[i].sequence,
					    &ret[i].tip) == 0 &&
			       ret[i].sequence % STATE_SLOTS == i;
	}
	return 0;
}

/* Both are whole and one was written right after the other. */
static bool slots_agree(const struct slot slots[static STATE_SLOTS])
{
	return slots[0].whole && slots[1].whole &&
	       (slots[0].sequence + 1 == slots[1].sequence ||
		slots[1].sequence + 1 == slots[0].sequence);
}

int state_load(int dir, struct hasher *hasher, struct state *ret)
{
	const struct timespec pause = {.tv_nsec = NSEC_PER_MSEC};
	_cleanup_close_ int fd =
		openat(dir, "state", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct slot slots[STATE_SLOTS] = {0};
	const struct slot *newest = &slots[0];
	int r;

	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	/* A slot that is not whole may just be in the writer's hands. */
	for (unsigned int i = 0; i < STATE_ATTEMPTS; i++) {
		r = slots_read(fd, hasher, slots);
		if (r < 0)
			return r;
		if (slots_agree(slots) || !directory_has_writer(dir))
			break;
		nanosleep(&pause, NULL);
	}
	if (!slots[0].whole && !slots[1].whole)
		return -EBADMSG;
	if (!slots[0].whole || (slots[1].whole && slots[1].sequence > slots[0].sequence))
		newest = &slots[1];
	ret->sequence = newest->sequence;
	ret->tip = newest->tip;
	ret->damaged = !slots_agree(slots);
	return 0;
}

int state_store(int dir, struct hasher *hasher, struct state *s)
{
	_cleanup_close_ int fd = openat(dir, "state", O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t sequence = s->sequence + 1;
	uint8_t slot[STATE_SLOT_SIZE];
	int r;

	if (fd < 0)
		return -errno;
	state_encode(sequence, &s->tip, hasher, slot);
	r = file_write(fd, slot, sizeof(slot), sequence % STATE_SLOTS * STATE_SLOT_SIZE);
	if (r < 0)
		return r;
	if (fdatasync(fd) < 0)
		return -errno;
	s->sequence = sequence;
	s->damaged = false;
	return 0;
}

int state_create(int dir, struct hasher *hasher, struct state *s)
{
	uint8_t slots[STATE_SLOTS * STATE_SLOT_SIZE];
	_cleanup_close_ int fd = openat(
		dir, "state.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	for (unsigned int i = 0; i < STATE_SLOTS; i++)
		state_encode(i, &s->tip, hasher, slots + i * STATE_SLOT_SIZE);
	r = file_write(fd, slots, sizeof(slots), 0);
	if (r < 0)
		return r;
	if (fsync(fd) < 0 || renameat(dir, "state.new", dir, "state") < 0 || fsync(dir) < 0)
		return -errno;
	s->sequence = STATE_SLOTS - 1;
	s->damaged = false;
	return 0;
}
