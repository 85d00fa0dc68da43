/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the state file has acknowledged is there for good; whatever follows it is left out. */
#include "audit/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/directory.h"
#include "audit/reader.h"

static void hasher_donep(struct hasher *h)
{
	hasher_done(h);
}

static int damaged(const char *path, const char *words, struct fault *reterr)
{
	return fault(reterr, -EBADMSG, "audit.damaged",
		     "the audit log in '%.300s' is damaged: %s; run 'weir audit verify'", path,
		     words);
}

static int measure(struct audit_snapshot *s, const char *path, struct fault *reterr)
{
	for (size_t i = 0; i < s->count; i++) {
		_cleanup_close_ int fd = -1;
		struct stat st;
		int r = audit_snapshot_open(s, i, &fd);

		if (r == 0 && fstat(fd, &st) < 0)
			r = -errno;
		if (r < 0)
			return fault(reterr, r, "audit.read", "cannot read a segment in '%s': %s",
				     path, strerror(-r));
		s->extents[i].bytes = (uint64_t)st.st_size;
		if (s->extents[i].first_index != s->tip.segment)
			continue;
		if (s->extents[i].bytes < s->tip.offset)
			return damaged(path, "acknowledged records are missing", reterr);
		s->extents[i].bytes = s->tip.offset;
	}
	return 0;
}

/* The segments up to the one that was committed to last. */
static int list(struct audit_snapshot *s, const char *path, struct fault *reterr)
{
	_cleanup_free_ uint64_t *segments = NULL;
	size_t count;
	int r = directory_segments(s->dir, &segments, &count);

	if (r < 0)
		return fault(reterr, r, "audit.read", "cannot list '%s': %s", path, strerror(-r));
	while (count && segments[count - 1] > s->tip.segment)
		count--;
	if (!count || segments[count - 1] != s->tip.segment)
		return damaged(path, "the segment of the last commit is missing", reterr);
	s->extents = calloc(count, sizeof(*s->extents));
	if (!s->extents)
		return fault(reterr, -ENOMEM, "audit.read", "out of memory");
	for (; s->count < count; s->count++)
		s->extents[s->count].first_index = segments[s->count];
	return 0;
}

static bool has_segments(int dir)
{
	_cleanup_free_ uint64_t *segments = NULL;
	size_t count;

	return directory_segments(dir, &segments, &count) < 0 || count;
}

static int take(const char *path, struct hasher *hasher, struct audit_snapshot *s,
		struct fault *reterr)
{
	struct state state;
	int r = directory_open_readonly(path, &s->dir, reterr);

	if (r < 0)
		return r;
	r = state_load(s->dir, hasher, &state);
	if (r == -EBADMSG || (r == -ENOENT && has_segments(s->dir)))
		return damaged(path, "its state file is missing or no longer one", reterr);
	if (r < 0)
		return fault(reterr, r, "audit.read", "there is no audit log in '%s': %s", path,
			     strerror(-r));
	if (!state.tip.next_index)
		return fault(reterr, -ENOENT, "audit.read", "the audit log in '%s' has no records",
			     path);
	s->tip = state.tip;
	for (unsigned int i = 0; i < STATE_SLOTS; i++)
		state_encode(i, &s->tip, hasher, s->state + i * STATE_SLOT_SIZE);
	r = list(s, path, reterr);
	return r < 0 ? r : measure(s, path, reterr);
}

int audit_snapshot_take(const char *path, struct audit_snapshot *ret, struct fault *reterr)
{
	_cleanup_(hasher_donep) struct hasher hasher = {0};
	struct audit_snapshot s = {.dir = -1};
	int r = hasher_init(&hasher);

	if (r < 0)
		return fault(reterr, r, "audit.read", "no memory to read the audit log");
	r = take(path, &hasher, &s, reterr);
	if (r < 0) {
		audit_snapshot_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void audit_snapshot_done(struct audit_snapshot *s)
{
	close_fdp(&s->dir);
	free(s->extents);
	*s = (struct audit_snapshot){.dir = -1};
}

int audit_snapshot_open(const struct audit_snapshot *s, size_t index, int *ret_fd)
{
	return directory_open_segment(s->dir, s->extents[index].first_index, O_RDONLY, ret_fd);
}

/* The hash of record @index of the log in @path equals @hash. */
static int passes_through(const char *path, uint64_t index, const uint8_t *hash, bool *ret)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	uint8_t has[AUDIT_HASH_SIZE] = {0};
	int r = reader_open(path, &reader, NULL);

	if (r == 0)
		r = reader_hash_at(reader, index, has, NULL);
	*ret = r == 0 && memcmp(has, hash, AUDIT_HASH_SIZE) == 0;
	return r;
}

int audit_compare(const char *first, const char *second, enum audit_relation *ret,
		  struct tip *ret_first, struct fault *reterr)
{
	_cleanup_(audit_snapshot_done) struct audit_snapshot a = {.dir = -1}, b = {.dir = -1};
	bool same = false;
	int r = audit_snapshot_take(second, &b, reterr);

	if (r < 0)
		return r;
	r = audit_snapshot_take(first, &a, NULL);
	if (ret_first)
		*ret_first = a.tip;
	*ret = AUDIT_RELATION_DIFFERENT;
	if (r == -ENOENT) {
		*ret = AUDIT_RELATION_EMPTY;
	} else if (r == 0 && a.tip.next_index >= b.tip.next_index) {
		passes_through(first, b.tip.next_index - 1, b.tip.last_hash, &same);
		*ret = same ? AUDIT_RELATION_CONTAINS : AUDIT_RELATION_DIFFERENT;
	} else if (r == 0) {
		passes_through(second, a.tip.next_index - 1, a.tip.last_hash, &same);
		*ret = same ? AUDIT_RELATION_CONTAINED : AUDIT_RELATION_DIFFERENT;
	}
	return 0;
}
