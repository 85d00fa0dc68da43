/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Damages logs at random, one after the other, and says what verification finds: for agree.py, which asks the oracle
 * about each.
 *
 *   mutate_log DIR SEED FIRST COUNT
 *
 * Log number i is in DIR/log when the line "i STATUS INDEX FINDING WHAT WAS DONE" is printed, until a line is read.
 * What is done to it depends only on SEED and its number; chain ids and times are new in every run.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/crc32c.h"
#include "audit/directory.h"
#include "audit/segment.h"
#include "audit/verify.h"
#include "base/text.h"

#define FILES	  6
#define FILE_MAX  40000
#define LOGS	  4
#define PARTS_MAX 40

struct file {
	char name[32];
	uint8_t data[FILE_MAX];
	size_t length;
};

struct files {
	struct file list[FILES];
	size_t count;
};

static struct files logs[LOGS], now;
static char path[160], done[400];
static uint64_t random_state;

/* In the place of libc's: a damaged state file is read again for 50 ms, and here nobody writes it. */
int nanosleep(const struct timespec *requested, struct timespec *left)
{
	(void)requested;
	(void)left;
	return 0;
}

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "mutate_log: %s: %s\n", what, strerror(errno));
	_exit(2);
}

/* splitmix64 */
static uint64_t any(uint64_t below)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return below ? (z ^ z >> 31) % below : 0;
}

static void said(const char *what, size_t a, size_t b)
{
	size_t n = strlen(done);

	snprintf(done + n, sizeof(done) - n, " %s(%zu,%zu)", what, a, b);
}

static void in_directory(const char *name, char ret[static 256])
{
	snprintf(ret, 256, "%s/%s", path, name);
}

static void clear(void)
{
	_cleanup_free_ uint64_t *list = NULL;
	_cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t count;

	need(dir >= 0 && directory_segments(dir, &list, &count) == 0, path);
	for (size_t i = 0; i < count; i++) {
		char name[SEGMENT_NAME_SIZE];

		segment_name(list[i], name);
		unlinkat(dir, name, 0);
	}
	unlinkat(dir, "state", 0);
}

static void put_files(void)
{
	clear();
	for (size_t i = 0; i < now.count; i++) {
		const struct file *f = &now.list[i];
		_cleanup_close_ int fd = -1;
		char name[256];

		in_directory(f->name, name);
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		need(fd >= 0 && write(fd, f->data, f->length) == (ssize_t)f->length, name);
	}
}

static void get_file(struct files *log, const char *file)
{
	struct file *f = &log->list[log->count++];
	_cleanup_close_ int fd = -1;
	char name[256];
	ssize_t n;

	need(log->count <= FILES, "too many files");
	in_directory(file, name);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	snprintf(f->name, sizeof(f->name), "%s", file);
	n = read(fd, f->data, FILE_MAX);
	need(n >= 0 && n < FILE_MAX, name);
	f->length = (size_t)n;
}

static void get_files(struct files *ret)
{
	_cleanup_free_ uint64_t *list = NULL;
	_cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t count;

	need(dir >= 0 && directory_segments(dir, &list, &count) == 0, path);
	ret->count = 0;
	for (size_t i = 0; i < count; i++) {
		char name[SEGMENT_NAME_SIZE];

		segment_name(list[i], name);
		get_file(ret, name);
	}
	get_file(ret, "state");
}

static void write_batches(unsigned int batches, unsigned int records)
{
	const struct chain_options options = {.segment_bytes = 7000};
	const struct audit_record record = {.event = AUDIT_EVENT_LIST_BLOCKED,
					    .resource = {"source", "198.51.100.7"}};
	_cleanup_(chain_closep) struct chain *c = NULL;

	need(chain_open(path, &options, &c, NULL) == 0, "open");
	for (unsigned int i = 0; i < batches; i++) {
		for (unsigned int n = 0; n < records; n++)
			need(chain_append(c, &record) == 0, "append");
		need(chain_commit(c, NULL) == 0, "commit");
	}
}

/* Two segments; the same of another chain; one with a batch that was set aside; one of a single batch. */
static void make_logs(void)
{
	for (size_t i = 0; i < LOGS; i++) {
		clear();
		write_batches(i == 3 ? 1 : 3, i == 3 ? 5 : 2);
		if (i == 2) {
			get_files(&now);
			now.list[now.count - 2].length += 200;
			put_files();
		}
		if (i < 3)
			write_batches(1, 1);
		get_files(&logs[i]);
	}
}

static size_t take_apart(const struct file *f, size_t ret[static PARTS_MAX + 1])
{
	size_t count = 0, at = SEGMENT_HEADER_SIZE, size;

	while (count < PARTS_MAX && at + FRAME_HEADER_SIZE <= f->length &&
	       frame_measure(f->data + at, &size) == 0 && at + size <= f->length) {
		ret[count++] = at;
		at += size;
	}
	ret[count] = at;
	return count;
}

static void fix_checksum(struct file *f, size_t at, size_t size)
{
	uint8_t *frame = f->data + at;
	size_t length = (size_t)frame[0] | (size_t)frame[1] << 8;
	uint32_t crc;

	if (FRAME_HEADER_SIZE + length > size)
		return;
	crc = crc32c(crc32c(0, frame, 4), frame + 8, FRAME_HEADER_SIZE - 8 + length);
	for (unsigned int i = 0; i < 4; i++)
		frame[4 + i] = (uint8_t)(crc >> 8 * i);
}

/* Take @gone bytes out at @at and put @length bytes in. */
static void put_in(struct file *f, size_t at, size_t gone, const uint8_t *data, size_t length)
{
	static uint8_t copy[FILE_MAX];

	if (f->length - gone + length > FILE_MAX)
		return;
	memcpy(copy, data, length);
	memmove(f->data + at + length, f->data + at + gone, f->length - at - gone);
	memcpy(f->data + at, copy, length);
	f->length += length - gone;
}

static void fix_block(struct file *f, size_t at)
{
	struct hasher h;

	if (at + SEGMENT_HEADER_SIZE > f->length || hasher_init(&h) < 0)
		return;
	hash_bytes(&h, f->data + at, SEGMENT_HEADER_SIZE - AUDIT_HASH_SIZE,
		   f->data + at + SEGMENT_HEADER_SIZE - AUDIT_HASH_SIZE);
	hasher_done(&h);
}

static void mutate_bytes(struct file *f, unsigned int how)
{
	size_t at = any(f->length), rest = f->length - at;
	uint8_t noise[64];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)any(256);
	if (!f->length)
		return;
	if (how == 0) {
		f->data[at] ^= (uint8_t)(1U << any(8));
		said("flip", at, 0);
	} else if (how == 1) {
		f->length = at;
		said("cut", at, 0);
	} else if (how == 2) {
		size_t n = 1 + any(sizeof(noise));

		put_in(f, any(2) ? f->length : at, 0, noise, n);
		said("insert", at, n);
	} else if (how == 3) {
		size_t n = 1 + any(rest > 64 ? 64 : rest);

		put_in(f, at, n, noise, 0);
		said("remove", at, n);
	} else {
		f->data[at] = noise[0];
		f->data[any(f->length)] = noise[1];
		said("poke", at, 0);
	}
}

/* Frames removed, repeated, swapped, brought in from another log, or changed under a right checksum. */
static void mutate_frames(struct file *f, const struct file *other, unsigned int how)
{
	size_t parts[PARTS_MAX + 1], others[PARTS_MAX + 1];
	size_t count = take_apart(f, parts), other_count = take_apart(other, others);
	size_t a = any(count), b = any(other_count), size;

	if (!count || !other_count)
		return;
	size = parts[a + 1] - parts[a];
	if (how == 0) {
		put_in(f, parts[a], size, f->data, 0);
		said("drop", a, 0);
	} else if (how == 1) {
		put_in(f, parts[any(count + 1)], 0, f->data + parts[a], size);
		said("repeat", a, 0);
	} else if (how == 2 && a + 1 < count) {
		put_in(f, parts[a + 2], 0, f->data + parts[a], size);
		put_in(f, parts[a], size, f->data, 0);
		said("swap", a, 0);
	} else if (how == 3) {
		put_in(f, parts[a], any(2) ? size : 0, other->data + others[b],
		       others[b + 1] - others[b]);
		said("transplant", a, b);
	} else {
		size_t at = 8 + any(size - 8);

		f->data[parts[a] + at] ^= (uint8_t)(1U << any(8));
		fix_checksum(f, parts[a], size);
		said("forge", a, at);
	}
}

/* Headers and state with a right hash, and whole files. */
static void mutate_files(struct file *f, const struct files *other, unsigned int how)
{
	size_t i = any(now.count), at = any(256);
	bool state = strcmp(f->name, "state") == 0;

	if (how == 0 && now.count > 1) {
		now.list[i] = now.list[--now.count];
		said("unlink", i, 0);
	} else if (how == 1) {
		static struct file swap;

		swap = *f;
		f->length = now.list[i].length;
		memcpy(f->data, now.list[i].data, f->length);
		now.list[i].length = swap.length;
		memcpy(now.list[i].data, swap.data, swap.length);
		said("exchange", i, 0);
	} else if (how == 2) {
		const struct file *from = &other->list[any(other->count)];

		if (any(2))
			from = &other->list[i < other->count ? i : 0];
		f->length = from->length;
		memcpy(f->data, from->data, from->length);
		said("foreign", i, 0);
	} else if (f->length >= SEGMENT_HEADER_SIZE) {
		size_t block =
			state && f->length >= 2 * STATE_SLOT_SIZE ? any(2) * STATE_SLOT_SIZE : 0;

		f->data[block + at] ^= (uint8_t)(1U << any(8));
		fix_block(f, block);
		said("rehash", block, at);
	}
}

static bool same(const struct files *a, const struct files *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->list[i].name, b->list[i].name) != 0 ||
		    a->list[i].length != b->list[i].length ||
		    memcmp(a->list[i].data, b->list[i].data, a->list[i].length) != 0)
			return false;
	return true;
}

/* False: nothing came of it. */
static bool mutate(void)
{
	size_t which = any(LOGS), other = (which + 1 + any(LOGS - 1)) % LOGS;
	unsigned int times = any(8) ? 1 : 1 + any(3);

	now = logs[which];
	snprintf(done, sizeof(done), "log%zu", which);
	for (unsigned int i = 0; i < times && now.count; i++) {
		struct file *f = &now.list[any(now.count)];
		const struct file *from = &logs[other].list[any(logs[other].count)];
		size_t n = strlen(done);

		snprintf(done + n, sizeof(done) - n, " %s", f->name);
		switch (any(3)) {
		case 0:
			mutate_bytes(f, (unsigned int)any(5));
			break;
		case 1:
			mutate_frames(f, from, (unsigned int)any(5));
			break;
		default:
			mutate_files(f, &logs[other], (unsigned int)any(5));
			break;
		}
	}
	return !same(&now, &logs[which]);
}

int main(int argc, char **argv)
{
	uint64_t seed, first, count;
	char line[16];

	if (argc != 5 || parse_u64(argv[2], 0, UINT32_MAX, &seed) < 0 ||
	    parse_u64(argv[3], 0, UINT32_MAX, &first) < 0 ||
	    parse_u64(argv[4], 0, UINT32_MAX, &count) < 0) {
		fprintf(stderr, "usage: mutate_log DIR SEED FIRST COUNT\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/log", argv[1]);
	need(mkdir(path, 0700) == 0, path);
	make_logs();
	for (uint64_t i = first; i < first + count; i++) {
		struct audit_verdict v;
		struct fault f = {0};

		random_state = seed << 32 ^ i * 7919;
		while (!mutate())
			;
		put_files();
		if (audit_verify(path, &v, &f) < 0)
			printf("%" PRIu64 " error 0 %s %s\n", i, f.code, done);
		else
			printf("%" PRIu64 " %s %" PRIu64 " %s %s\n", i,
			       v.status == AUDIT_OK ? "ok" : "bad",
			       v.status == AUDIT_OK ? v.records : v.index,
			       audit_finding_to_str(v.finding), done);
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin))
			return 1;
	}
	return 0;
}
