/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A batch is read into memory as a whole, checked record by record as its frames come in, and shown
 * only when its COMMIT frame seals exactly what was seen.
 *
 * Which record is the bad one? If record k does not name the hash of k-1, either of them was
 * changed. Whoever comes after k decides: if it names the hash that k has, k is as it was and k-1
 * is bad.
 */
#include "audit/scan.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define READ_CHUNK  (64U << 10)
#define BUFFER_MIN  (4 * READ_CHUNK)
/* A batch of full size, and the largest frames that may follow before its limit is noticed. */
#define BUFFER_MAX  (BATCH_BYTES + 4 * READ_CHUNK)
#define RECORDS_MIN 64

int scan_init(struct scan *s, struct hasher *hasher, bool light)
{
	*s = (struct scan){.hasher = hasher,
			   .light = light,
			   .fd = -1,
			   .limit = UINT64_MAX,
			   .file_limit = UINT64_MAX};
	s->tip.segment = SEGMENT_NONE;
	s->before = s->tip;
	s->buffer_size = BUFFER_MIN;
	s->buffer = malloc(s->buffer_size);
	s->records_size = RECORDS_MIN;
	s->records = calloc(s->records_size, sizeof(*s->records));
	return s->buffer && s->records ? 0 : -ENOMEM;
}

void scan_done(struct scan *s)
{
	close_fdp(&s->fd);
	free(s->buffer);
	free(s->records);
	*s = (struct scan){.fd = -1};
}

/* Open a segment and read its header, which has to be that of a segment of this name. */
static int open_header(int dir, uint64_t first_index, struct hasher *hasher, int *ret_fd,
		       struct segment_header *ret, uint8_t ret_seal[static AUDIT_HASH_SIZE])
{
	_cleanup_close_ int fd = -1;
	struct segment_header header;
	uint8_t block[SEGMENT_HEADER_SIZE];
	int r = directory_open_segment(dir, first_index, O_RDONLY, &fd);
	ssize_t n;

	if (r < 0)
		return r;
	n = file_read(fd, block, sizeof(block), 0);
	if (n < 0)
		return (int)n;
	if ((size_t)n < sizeof(block))
		return -ENODATA;
	r = segment_header_decode(block, hasher, &header, ret_seal);
	if (r < 0)
		return r;
	if (header.first_index != first_index)
		return -EBADMSG;
	*ret = header;
	*ret_fd = take_fd(&fd);
	return 0;
}

int scan_open(struct scan *s, int dir, uint64_t first_index)
{
	uint8_t seal[AUDIT_HASH_SIZE];
	int fd, r = open_header(dir, first_index, s->hasher, &fd, &s->header, seal);

	if (r < 0)
		return r;
	close_fdp(&s->fd);
	s->fd = fd;
	memcpy(s->seal, seal, sizeof(seal));
	s->offset = SEGMENT_HEADER_SIZE;
	s->limit = s->file_limit = UINT64_MAX;
	s->saved = s->stubs = 0;
	s->ended = false;
	s->tail = 0;
	s->count = 0;
	s->start = s->filled = 0;
	return 0;
}

void scan_trust_header(struct scan *s)
{
	memcpy(s->tip.chain_id, s->header.chain_id, AUDIT_ID_SIZE);
	s->tip.incarnation = s->header.incarnation;
	s->tip.next_index = s->header.first_index;
	memcpy(s->tip.last_hash, s->header.previous_hash, AUDIT_HASH_SIZE);
}

int scan_peek(struct scan *s, int dir, uint64_t first_index, struct segment_header *ret)
{
	uint8_t seal[AUDIT_HASH_SIZE];
	int fd, r = open_header(dir, first_index, s->hasher, &fd, ret, seal);

	if (r == 0)
		close(fd);
	return r;
}

int scan_limit(struct scan *s, int dir, uint64_t successor)
{
	struct segment_header header;
	int r = scan_peek(s, dir, successor, &header);

	if (r < 0 && r != -ENOENT && r != -ENODATA && r != -EBADMSG)
		return r;
	s->limit = UINT64_MAX;
	if (r == 0 && header.previous.segment == s->header.first_index && header.previous.tail)
		s->limit = header.previous.end;
	return 0;
}

/* Make @need bytes from s->start fit into the buffer. */
static int make_room(struct scan *s, size_t need)
{
	size_t size = s->buffer_size;
	uint8_t *larger;

	assert(need <= BUFFER_MAX);
	if (s->start + need <= s->buffer_size)
		return 0;
	memmove(s->buffer, s->buffer + s->start, s->filled - s->start);
	s->filled -= s->start;
	s->start = 0;
	while (size < need)
		size = 2 * size < BUFFER_MAX ? 2 * size : BUFFER_MAX;
	if (size == s->buffer_size)
		return 0;
	larger = realloc(s->buffer, size);
	if (!larger)
		return -ENOMEM;
	s->buffer = larger;
	s->buffer_size = size;
	return 0;
}

/* Bytes from s->start on that count, with what was read of the batch: where the segment ended as it was written. */
static uint64_t counting(const struct scan *s)
{
	uint64_t gone = s->saved + s->batch_saved;

	if (s->limit == UINT64_MAX)
		return UINT64_MAX;
	return s->limit > s->offset + gone ? s->limit - s->offset - gone : 0;
}

/* Have @need bytes from s->start in the buffer, fewer at the end of what counts. */
static int load(struct scan *s, size_t need, size_t *ret_available)
{
	int r = make_room(s, need);

	if (r < 0)
		return r;
	while (s->filled - s->start < need) {
		uint64_t at = s->offset + (s->filled - s->start);
		uint64_t left = at < s->file_limit ? s->file_limit - at : 0;
		size_t want = s->buffer_size - s->filled;
		ssize_t n;

		if (want > READ_CHUNK)
			want = READ_CHUNK;
		if (want > left)
			want = (size_t)left;
		n = file_read(s->fd, s->buffer + s->filled, want, at);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		s->filled += (size_t)n;
	}
	*ret_available = s->filled - s->start;
	if (*ret_available > counting(s))
		*ret_available = (size_t)counting(s);
	return 0;
}

/* Move on over @length bytes that were understood. */
static void consume(struct scan *s, size_t length)
{
	s->start += length;
	s->offset += length;
}

static int broken_link(struct scan *s, size_t used, const uint8_t *confirmed_hash,
		       struct audit_problem *ret_problem)
{
	uint64_t index = s->tip.next_index + s->count - 1;

	/* The commit before has confirmed what precedes the first record of a batch. */
	if (s->count > 1 && confirmed_hash &&
	    memcmp(confirmed_hash, s->records[s->count - 1].hash, AUDIT_HASH_SIZE) == 0)
		index--;
	return audit_problem(ret_problem, AUDIT_FINDING_RECORD_CHANGED, index, s->offset + used,
			     "record %llu was changed: the records around it do not fit its hash",
			     (unsigned long long)index);
}

/* 1: @ret is the frame at @used; 0: the file ends before the frame does. */
static int next_frame(struct scan *s, size_t used, struct frame *ret, size_t *ret_available,
		      struct audit_problem *ret_problem)
{
	uint64_t index = s->tip.next_index + s->count;
	size_t size;
	int r = load(s, used + FRAME_HEADER_SIZE, ret_available);

	if (r < 0)
		return r;
	if (*ret_available < used + FRAME_HEADER_SIZE)
		return s->link_broken ? broken_link(s, used, NULL, ret_problem) : 0;
	r = frame_measure(s->buffer + s->start + used, &size);
	if (r == 0) {
		r = load(s, used + size, ret_available);
		if (r < 0)
			return r;
		if (*ret_available < used + size)
			return s->link_broken ? broken_link(s, used, NULL, ret_problem) : 0;
		r = frame_decode(s->buffer + s->start + used, ret);
	}
	if (r == 0)
		return 1;
	if (s->link_broken)
		return broken_link(s, used, NULL, ret_problem);
	if (frame_claims_seal(s->buffer + s->start + used))
		return audit_problem(ret_problem, AUDIT_FINDING_FRAME, s->tip.next_index,
				     s->offset + used,
				     "the frame that commits records from %llu on is damaged",
				     (unsigned long long)s->tip.next_index);
	return audit_problem(ret_problem, AUDIT_FINDING_FRAME, index, s->offset + used,
			     "the frame of record %llu is damaged", (unsigned long long)index);
}

/* The records from that in frame @f on which are in the buffer, as many as are hashed at once. */
static unsigned int look_ahead(const struct scan *s, const struct frame *f, size_t used,
			       struct record_slice ret[static HASH_MANY_MAX])
{
	unsigned int most = s->hasher->wide ? HASH_MANY_MAX : s->hasher->pairs ? 2 : 1, count = 1;
	const uint8_t *at = s->buffer + s->start + used + f->size, *end = s->buffer + s->filled;

	ret[0] = (struct record_slice){(const char *)f->payload, f->length};
	while (count < most && frame_peek_record(at, (size_t)(end - at), &ret[count]))
		at += frame_size(ret[count++].length);
	return count;
}

/*
 * The event_id that the next record must have, and its hash. Those of some records behind it are computed at the same
 * time, from the same bytes that are checked when it is their turn.
 */
static void hash_record(struct scan *s, const struct frame *f, size_t used, const uint8_t **ret_id,
			uint8_t ret_hash[static AUDIT_HASH_SIZE])
{
	struct record_slice records[HASH_MANY_MAX];
	unsigned int at;

	if (!s->ahead) {
		s->ahead = s->ahead_end = look_ahead(s, f, used, records);
		hash_event_ids(s->hasher, s->tip.chain_id, s->tip.next_index + s->count, s->ahead,
			       s->ahead_ids);
		hash_leaves(s->hasher, records, s->ahead, s->ahead_hashes);
	}
	at = s->ahead_end - s->ahead--;
	*ret_id = s->ahead_ids[at];
	memcpy(ret_hash, s->ahead_hashes[at], AUDIT_HASH_SIZE);
}

static int check_record(struct scan *s, const struct frame *f, size_t used,
			struct audit_problem *ret_problem)
{
	uint64_t index = s->tip.next_index + s->count, at = s->offset + used;
	struct scan_record *record = &s->records[s->count];
	const char *data = (const char *)f->payload;
	struct record_view view;
	const uint8_t *id;

	if (record_parse(data, f->length, &view) < 0)
		return s->link_broken
			       ? broken_link(s, used, NULL, ret_problem)
			       : audit_problem(
					 ret_problem, AUDIT_FINDING_RECORD_SYNTAX, index, at,
					 "record %llu is not canonical JSON as weir writes it",
					 (unsigned long long)index);
	if (s->link_broken)
		return broken_link(s, used, view.previous_hash, ret_problem);
	if (view.index != f->index)
		return audit_problem(ret_problem, AUDIT_FINDING_FRAME, index, at,
				     "record %llu stands in a frame that is numbered %llu",
				     (unsigned long long)view.index, (unsigned long long)f->index);
	if (view.index > index)
		return audit_problem(ret_problem, AUDIT_FINDING_RECORD_ORDER, index, at,
				     "record %llu is missing: record %llu stands in its place",
				     (unsigned long long)index, (unsigned long long)view.index);
	if (view.index < index)
		return audit_problem(ret_problem, AUDIT_FINDING_RECORD_ORDER, view.index, at,
				     "record %llu comes a second time, in the place of %llu",
				     (unsigned long long)view.index, (unsigned long long)index);
	hash_record(s, f, used, &id, record->hash);
	if (memcmp(id, view.event_id, AUDIT_ID_SIZE) != 0)
		return audit_problem(ret_problem, AUDIT_FINDING_RECORD_CHANGED, index, at,
				     "record %llu has the event_id of another chain or place",
				     (unsigned long long)index);
	/* AUDIT_RECORD_MAX is less than 64 KiB. */
	record->type_at = (uint16_t)(view.event_type.data - data);
	record->type_length = (uint16_t)view.event_type.length;
	record->details_at = (uint16_t)(view.details.data - data);
	record->details_length = (uint16_t)view.details.length;
	s->link_broken = memcmp(view.previous_hash, s->count ? record[-1].hash : s->tip.last_hash,
				AUDIT_HASH_SIZE) != 0;
	return 0;
}

/* An expired record: nobody can tell any more whether it named the hash before it. */
static int check_stub(struct scan *s, const struct frame *f, size_t used, size_t *ret_length,
		      struct audit_problem *ret_problem)
{
	uint64_t index = s->tip.next_index + s->count;
	struct scan_record *record = &s->records[s->count];

	if (s->link_broken)
		return broken_link(s, used, NULL, ret_problem);
	if (f->index != index)
		return audit_problem(
			ret_problem, AUDIT_FINDING_RECORD_ORDER, index, s->offset + used,
			"record %llu is missing: a stub of record %llu is in its place",
			(unsigned long long)index, (unsigned long long)f->index);
	if (frame_stub_decode(f, record->hash, ret_length) < 0)
		return audit_problem(ret_problem, AUDIT_FINDING_FRAME, index, s->offset + used,
				     "the stub of record %llu is not one that weir writes",
				     (unsigned long long)index);
	record->type_at = record->type_length = record->details_at = record->details_length = 0;
	s->batch_saved += frame_size(*ret_length) - f->size;
	s->batch_stubs++;
	return 0;
}

static int reserve_record(struct scan *s)
{
	struct scan_record *larger;

	if (s->count < s->records_size)
		return 0;
	larger = reallocarray(s->records, 2 * s->records_size, sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	s->records = larger;
	s->records_size *= 2;
	return 0;
}

static int take_record(struct scan *s, const struct frame *f, size_t used,
		       struct audit_problem *ret_problem)
{
	uint64_t index = s->tip.next_index + s->count;
	size_t length = f->length;
	int r = reserve_record(s);

	if (r < 0)
		return r;
	if (s->count == BATCH_RECORDS || used + f->size > BATCH_BYTES ||
	    (s->light && f->index != index))
		return audit_problem(ret_problem, AUDIT_FINDING_FRAME, index, s->offset + used,
				     "record %llu does not continue its batch",
				     (unsigned long long)index);
	if (f->type == FRAME_STUB)
		r = check_stub(s, f, used, &length, ret_problem);
	else if (!s->light)
		r = check_record(s, f, used, ret_problem);
	if (r < 0)
		return r;
	s->records[s->count].at = used + FRAME_HEADER_SIZE;
	s->records[s->count].length = length;
	s->records[s->count].stub = f->type == FRAME_STUB;
	s->count++;
	return 0;
}

static int check_commit(struct scan *s, const struct frame *f, size_t used, struct frame_seal *ret,
			struct audit_problem *ret_problem)
{
	uint64_t first = s->tip.next_index, missing = first + s->count;
	int r = frame_seal_decode(f, s->seal, s->hasher, ret);

	if (s->link_broken)
		return broken_link(s, used, ret->last_hash, ret_problem);
	if (r < 0 || ret->first != first || f->index != ret->first + ret->count || !ret->count)
		return audit_problem(ret_problem, AUDIT_FINDING_COMMIT, first, s->offset + used,
				     "the commit of the batch from record %llu on was changed",
				     (unsigned long long)first);
	if (ret->count < s->count)
		missing = first + ret->count;
	if (ret->count != s->count)
		return audit_problem(
			ret_problem, AUDIT_FINDING_RECORD_ORDER, missing, s->offset + used,
			"record %llu is missing or was added: %llu were committed, "
			"%zu are here",
			(unsigned long long)missing, (unsigned long long)ret->count, s->count);
	if (memcmp(ret->last_hash, s->records[s->count - 1].hash, AUDIT_HASH_SIZE) != 0)
		return audit_problem(ret_problem, AUDIT_FINDING_RECORD_CHANGED, missing - 1,
				     s->offset + used,
				     "record %llu was changed: its commit names another hash",
				     (unsigned long long)(missing - 1));
	return 0;
}

/* A batch, or what stands for some, is complete: go on behind it. */
static void stand_behind(struct scan *s, size_t size, uint64_t next_index,
			 const uint8_t last_hash[static AUDIT_HASH_SIZE])
{
	s->before = s->tip;
	s->batch = s->buffer + s->start;
	consume(s, size);
	s->tip.segment = s->header.first_index;
	s->saved += s->batch_saved;
	s->stubs += s->batch_stubs;
	s->batch_saved = s->batch_stubs = 0;
	s->tip.offset = s->offset + s->saved;
	s->tip.next_index = next_index;
	memcpy(s->tip.last_hash, last_hash, AUDIT_HASH_SIZE);
	memcpy(s->tip.seal, s->seal, AUDIT_HASH_SIZE);
}

static int take_commit(struct scan *s, const struct frame *f, size_t used,
		       struct audit_problem *ret_problem)
{
	struct frame_seal c;
	int r;

	if (s->light) {
		frame_seal_decode(f, s->seal, s->hasher, &c); /* for the fields only */
		if (!s->count || f->index != s->tip.next_index + s->count)
			return audit_problem(ret_problem, AUDIT_FINDING_COMMIT, s->tip.next_index,
					     s->offset + used, "a commit does not fit its batch");
	} else {
		r = check_commit(s, f, used, &c, ret_problem);
		if (r < 0)
			return r;
	}
	s->last_commit_ns = c.real_ns;
	s->last_commit_boot_ns = c.boot_ns;
	memcpy(s->seal, c.seal, AUDIT_HASH_SIZE);
	stand_behind(s, used + f->size, f->index, c.last_hash);
	return 1;
}

/* Batches that expired as a whole are shown as one, of stubs. What they were sealed with is believed, as stubs are. */
static int take_gone(struct scan *s, const struct frame *f, size_t used,
		     struct audit_problem *ret_problem)
{
	uint64_t first = s->tip.next_index;
	struct frame_gone g;

	if (s->link_broken)
		return broken_link(s, used, NULL, ret_problem);
	if (used)
		return audit_problem(
			ret_problem, AUDIT_FINDING_FRAME, first + s->count, s->offset + used,
			"batches that expired begin in the midst of one, at record %llu",
			(unsigned long long)(first + s->count));
	if (f->index != first)
		return audit_problem(
			ret_problem, AUDIT_FINDING_RECORD_ORDER, first, s->offset,
			"record %llu is missing: what expired from record %llu on is in its place",
			(unsigned long long)first, (unsigned long long)f->index);
	if (frame_gone_decode(f, &g) < 0)
		return audit_problem(ret_problem, AUDIT_FINDING_FRAME, first, s->offset,
				     "what stands for records from %llu on is not what weir writes",
				     (unsigned long long)first);
	for (; s->count < g.count; s->count++) {
		int r = reserve_record(s);

		if (r < 0)
			return r;
		s->records[s->count] = (struct scan_record){.at = FRAME_HEADER_SIZE, .stub = true};
		memcpy(s->records[s->count].hash, g.hashes + s->count * AUDIT_HASH_SIZE,
		       AUDIT_HASH_SIZE);
	}
	s->batch_saved = g.bytes - f->size;
	s->batch_stubs = g.count;
	s->last_commit_ns = g.real_ns;
	s->last_commit_boot_ns = g.boot_ns;
	memcpy(s->seal, g.seal, AUDIT_HASH_SIZE);
	stand_behind(s, f->size, first + g.count, s->records[g.count - 1].hash);
	return 1;
}

static int take_end(struct scan *s, const struct frame *f, size_t used,
		    struct audit_problem *ret_problem)
{
	struct frame_seal c;
	int r = frame_seal_decode(f, s->seal, s->hasher, &c);

	if (!s->light && s->link_broken)
		return broken_link(s, used, NULL, ret_problem);
	if (used || (!s->light &&
		     (r < 0 || c.first != s->tip.next_index || c.count || f->index != c.first ||
		      memcmp(c.last_hash, s->tip.last_hash, AUDIT_HASH_SIZE) != 0)))
		return audit_problem(ret_problem, AUDIT_FINDING_COMMIT, s->tip.next_index,
				     s->offset + used,
				     "the end of the segment, before record %llu, was changed",
				     (unsigned long long)s->tip.next_index);
	memcpy(s->seal, c.seal, AUDIT_HASH_SIZE);
	consume(s, f->size);
	s->ended = true;
	return 0;
}

static int check_after_end(struct scan *s, struct audit_problem *ret_problem)
{
	size_t available;
	int r = load(s, 1, &available);

	if (r < 0)
		return r;
	if (available)
		return audit_problem(ret_problem, AUDIT_FINDING_SEGMENT_TAIL, s->tip.next_index,
				     s->offset, "bytes were added after the end of the segment");
	return 0;
}

static int read_frames(struct scan *s, struct audit_problem *ret_problem)
{
	struct frame f;
	size_t available, used = 0;
	int r;

	while (!s->ended) {
		r = next_frame(s, used, &f, &available, ret_problem);
		if (r < 0)
			return r;
		if (r == 0) {
			s->tail = available;
			return 0;
		}
		if (f.type == FRAME_COMMIT)
			return take_commit(s, &f, used, ret_problem);
		if (f.type == FRAME_GONE)
			return take_gone(s, &f, used, ret_problem);
		if (f.type == FRAME_END)
			r = take_end(s, &f, used, ret_problem);
		else
			r = take_record(s, &f, used, ret_problem);
		if (r < 0)
			return r;
		used += f.size;
	}
	return check_after_end(s, ret_problem);
}

int scan_batch(struct scan *s, struct audit_problem *ret_problem)
{
	int r;

	s->count = 0;
	s->link_broken = false;
	s->ahead = 0;
	s->batch_saved = s->batch_stubs = 0;
	s->tail = 0;
	ret_problem->segment = s->header.first_index;
	r = read_frames(s, ret_problem);
	if (r != 1) {
		/* What is left may grow or be replaced: read it again next time. */
		s->start = s->filled = 0;
		s->count = 0;
		s->batch_saved = s->batch_stubs = 0;
	}
	return r;
}

int scan_later_commit(struct scan *s, bool *ret)
{
	struct frame_seal c;
	struct frame f;

	*ret = false;
	s->start = s->filled = 0; /* the buffer serves as a window over the file */
	for (uint64_t offset = s->offset; !*ret; offset += READ_CHUNK) {
		ssize_t n = file_read(s->fd, s->buffer, READ_CHUNK + FRAME_SEAL_SIZE, offset);

		if (n < FRAME_SEAL_SIZE)
			return n < 0 ? (int)n : 0;
		for (ssize_t at = 0; at + FRAME_SEAL_SIZE <= n && !*ret; at += 8) {
			if (s->buffer[at + 8] != FRAME_COMMIT ||
			    frame_decode(s->buffer + at, &f) < 0)
				continue;
			frame_seal_decode(&f, s->seal, s->hasher, &c); /* for the fields only */
			*ret = c.first != s->tip.next_index;
		}
	}
	return 0;
}
