/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tests of the audit log share: a log in a directory of its own, and its files as bytes.
 */
#ifndef TEST_AUDIT_H
#define TEST_AUDIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/chain.h"
#include "audit/crc32c.h"
#include "audit/directory.h"
#include "audit/reader.h"
#include "audit/verify.h"

struct log {
	char root[48]; /* removed in the end */
	char path[64]; /* the log below it; not created yet */
};

static inline int log_set_up(void **state)
{
	struct log *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	/* In memory where possible: these tests commit thousands of times. */
	snprintf(l->root, sizeof(l->root), "%s/weir-audit-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(l->root));
	snprintf(l->path, sizeof(l->path), "%s/log", l->root);
	*state = l;
	return 0;
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int log_tear_down(void **state)
{
	struct log *l = *state;

	nftw(l->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(l);
	return 0;
}

/* Remove the log, not the directory around it. */
static inline void log_clear(const struct log *l)
{
	nftw(l->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct chain *log_open(const struct log *l, uint64_t segment_bytes)
{
	struct chain_options options = {.segment_bytes = segment_bytes};
	struct chain *c = NULL;
	struct fault f = {0};

	if (chain_open(l->path, &options, &c, &f) < 0)
		fail_msg("%s", f.text);
	return c;
}

static inline void add(struct chain *c, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		struct audit_details d = {0};
		struct audit_record r = {
			.event = AUDIT_EVENT_RATELIMIT_DROPPED,
			.resource = {"source", "198.51.100.7"},
			.details = &d,
		};

		audit_details_u64(&d, "packets", i);
		assert_int_equal(chain_append(c, &r), 0);
	}
}

static inline void commit(struct chain *c)
{
	struct fault f = {0};

	if (chain_commit(c, &f) < 0)
		fail_msg("%s", f.text);
}

/* A log of batches with @records records each, closed again. */
static inline void log_make(const struct log *l, uint64_t segment_bytes, unsigned int batches,
			    unsigned int records)
{
	_cleanup_(chain_closep) struct chain *c = log_open(l, segment_bytes);

	for (unsigned int i = 0; i < batches; i++) {
		add(c, records);
		commit(c);
	}
}

static inline struct audit_verdict verdict(const struct log *l)
{
	struct audit_verdict v;
	struct fault f = {0};

	if (audit_verify(l->path, &v, &f) < 0)
		fail_msg("%s", f.text);
	return v;
}

static inline void assert_in_order(const struct log *l, uint64_t records)
{
	struct audit_verdict v = verdict(l);

	if (v.status != AUDIT_OK)
		fail_msg("%s %s+%llu: %s", audit_finding_to_str(v.finding), v.segment,
			 (unsigned long long)v.offset, v.words);
	assert_int_equal(v.records, records);
}

/* The contents of a file of the log. */
struct bytes {
	uint8_t *data;
	size_t length;
};

static inline void bytes_done(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){0};
}

static inline void file_path(const struct log *l, const char *name, char ret[static 160])
{
	snprintf(ret, 160, "%s/%s", l->path, name);
}

static inline struct bytes file_get(const struct log *l, const char *name)
{
	struct bytes b = {0};
	struct stat st;
	char path[160];
	FILE *f;

	file_path(l, name, path);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	b.length = (size_t)st.st_size;
	b.data = malloc(b.length + 1);
	assert_non_null(b.data);
	assert_int_equal(fread(b.data, 1, b.length, f), b.length);
	fclose(f);
	return b;
}

static inline void file_put(const struct log *l, const char *name, const uint8_t *data,
			    size_t length)
{
	char path[160];
	FILE *f;

	file_path(l, name, path);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, length, f), length);
	assert_int_equal(fclose(f), 0);
}

static inline void file_remove(const struct log *l, const char *name)
{
	char path[160];

	file_path(l, name, path);
	assert_int_equal(unlink(path), 0);
}

/* Overwrite one byte in place: quicker than writing the file. */
static inline void file_poke(const struct log *l, const char *name, size_t at, uint8_t value)
{
	char path[160];
	int fd;

	file_path(l, name, path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &value, 1, (off_t)at), 1);
	close(fd);
}

#define FIRST_SEGMENT  "00000000000000000000.seg"
/* The small log has two segments: records 0..3 in two batches, then 4, 5 and 6. */
#define SECOND_SEGMENT "00000000000000000004.seg"
#define RECORDS	       7

static inline void make_small_log(const struct log *l)
{
	struct chain *c = log_open(l, 7000);

	for (unsigned int i = 0; i < 3; i++) {
		add(c, 2);
		commit(c);
	}
	add(c, 1);
	commit(c);
	chain_close(c);
	assert_in_order(l, RECORDS);
	assert_int_equal(verdict(l).segments, 2);
}

/* The frames of a segment, for taking it apart and putting it together again. */
struct part {
	size_t at, size;
	uint8_t type;
	uint64_t index;
};

static inline size_t take_apart(const struct bytes *b, struct part ret[static 16])
{
	size_t count = 0;

	for (size_t at = SEGMENT_HEADER_SIZE; at < b->length; at += ret[count++].size) {
		struct frame f;

		assert_true(count < 16);
		assert_int_equal(frame_decode(b->data + at, &f), 0);
		ret[count] = (struct part){at, f.size, (uint8_t)f.type, f.index};
	}
	return count;
}

static inline void fix_checksum(uint8_t *frame, size_t payload)
{
	uint32_t crc = crc32c(crc32c(0, frame, 4), frame + 8, FRAME_HEADER_SIZE - 8 + payload);

	for (unsigned int i = 0; i < 4; i++)
		frame[4 + i] = (uint8_t)(crc >> 8 * i);
}

static inline size_t payload_length(const uint8_t *frame)
{
	return (size_t)frame[0] | (size_t)frame[1] << 8;
}

static inline void assert_bad(const struct log *l, uint64_t index, const char *what)
{
	struct audit_verdict v = verdict(l);

	if (v.status == AUDIT_OK || v.index != index)
		fail_msg("%s: %s, index %llu instead of %llu: %s", what,
			 audit_finding_to_str(v.finding), (unsigned long long)v.index,
			 (unsigned long long)index, v.words);
	assert_true(*v.words && v.finding != AUDIT_FINDING_NONE);
}

static inline void assert_finding(const struct log *l, enum audit_finding finding, uint64_t index)
{
	struct audit_verdict v = verdict(l);

	if (v.finding != finding || v.index != index)
		fail_msg("%s, index %llu: %s", audit_finding_to_str(v.finding),
			 (unsigned long long)v.index, v.words);
	assert_int_equal(v.status, audit_finding_status(finding));
}

/* The record so far from the end has this event; its details begin with @details. */
static inline void assert_last(const struct log *l, uint64_t from_end, const char *event,
			       const char *details)
{
	_cleanup_(reader_closep) struct reader *r = NULL;
	struct reader_record record;

	assert_int_equal(reader_open(l->path, &r, NULL), 0);
	assert_int_equal(reader_seek_tail(r, from_end, NULL), 0);
	assert_int_equal(reader_next(r, &record, NULL), 1);
	assert_int_equal(record.view.event_type.length, strlen(event));
	assert_memory_equal(record.view.event_type.data, event, strlen(event));
	if (memcmp(record.view.details.data, details, strlen(details)) != 0)
		fail_msg("%.*s", (int)record.view.details.length, record.view.details.data);
}

#endif
