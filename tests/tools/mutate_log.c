/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Damages logs at random, one after the other, and says what verification finds: for agree.py, which asks the oracle
 * about each.
 *
 *   mutate_log DIR SEED FIRST COUNT
 *
 * Log number i is in DIR/log when the line "i STATUS INDEX FINDING WHAT WAS DONE" is printed, until a line is read; and
 * DIR/checkpoint and DIR/key are those that verification was given, if it was. What is done to it depends only on SEED
 * and its number; chain ids, keys and times are new in every run. The shapes of logs are lib/log_shapes.h's.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../lib/log_shapes.h"
#include "audit/crc32c.h"
#include "audit/segment.h"
#include "audit/verify.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/text.h"

#define PARTS_MAX 700

static struct log_shape shapes[LOG_SHAPES];
static const struct log_shape *shape;
static struct log_files now, there;
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

static size_t take_apart(const struct log_file *f, size_t ret[static PARTS_MAX + 1])
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

static void fix_checksum(struct log_file *f, size_t at, size_t size)
{
	uint8_t *frame = f->data + at;
	size_t length = (size_t)frame[0] | (size_t)frame[1] << 8 | (size_t)frame[2] << 16;
	uint32_t crc;

	if (FRAME_HEADER_SIZE + length > size)
		return;
	crc = crc32c(crc32c(0, frame, 4), frame + 8, FRAME_HEADER_SIZE - 8 + length);
	for (unsigned int i = 0; i < 4; i++)
		frame[4 + i] = (uint8_t)(crc >> 8 * i);
}

static void fix_block(struct log_file *f, size_t at)
{
	struct hasher h;

	if (at + SEGMENT_HEADER_SIZE > f->length || hasher_init(&h) < 0)
		return;
	hash_bytes(&h, f->data + at, SEGMENT_HEADER_SIZE - AUDIT_HASH_SIZE,
		   f->data + at + SEGMENT_HEADER_SIZE - AUDIT_HASH_SIZE);
	hasher_done(&h);
}

static void mutate_bytes(struct log_file *f, unsigned int how)
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

		log_file_splice(f, any(2) ? f->length : at, 0, noise, n);
		said("insert", at, n);
	} else if (how == 3) {
		size_t n = 1 + any(rest > 64 ? 64 : rest);

		log_file_splice(f, at, n, noise, 0);
		said("remove", at, n);
	} else {
		f->data[at] = noise[0];
		f->data[any(f->length)] = noise[1];
		said("poke", at, 0);
	}
}

static void swap_frames(struct log_file *f, const size_t *parts, size_t a)
{
	_cleanup_free_ uint8_t *second = malloc(parts[a + 2] - parts[a + 1]);
	size_t length = parts[a + 2] - parts[a + 1];

	need(second, "memory");
	memcpy(second, f->data + parts[a + 1], length);
	log_file_splice(f, parts[a + 1], length, second, 0);
	log_file_splice(f, parts[a], 0, second, length);
	said("swap", a, 0);
}

/* Frames removed, repeated, swapped, brought in from another log, or changed under a right checksum. */
static void mutate_frames(struct log_file *f, const struct log_file *other, unsigned int how)
{
	static size_t parts[PARTS_MAX + 1], others[PARTS_MAX + 1];
	size_t count = take_apart(f, parts), other_count = take_apart(other, others);
	size_t a = any(count), b = any(other_count), size;

	if (!count || !other_count)
		return;
	size = parts[a + 1] - parts[a];
	if (how == 0) {
		log_file_splice(f, parts[a], size, f->data, 0);
		said("drop", a, 0);
	} else if (how == 1) {
		log_file_splice(f, parts[any(count + 1)], 0, f->data + parts[a], size);
		said("repeat", a, 0);
	} else if (how == 2 && a + 1 < count) {
		swap_frames(f, parts, a);
	} else if (how == 3) {
		log_file_splice(f, parts[a], any(2) ? size : 0, other->data + others[b],
				others[b + 1] - others[b]);
		said("transplant", a, b);
	} else {
		size_t at = 8 + any(size - 8);

		f->data[parts[a] + at] ^= (uint8_t)(1U << any(8));
		fix_checksum(f, parts[a], size);
		said("forge", a, at);
	}
}

/* A record looks as if it had expired. */
static void make_stub(struct log_file *f, size_t at, size_t size)
{
	uint8_t stub[FRAME_STUB_SIZE], hash[AUDIT_HASH_SIZE];
	struct frame frame;
	struct hasher h;

	if (frame_decode(f->data + at, &frame) < 0 || frame.type != FRAME_RECORD ||
	    hasher_init(&h) < 0)
		return;
	hash_leaf(&h, frame.payload, frame.length, hash);
	hasher_done(&h);
	frame_stub_encode(stub, frame.index, hash, frame.length);
	log_file_splice(f, at, size, stub, sizeof(stub));
	said("stub", at, 0);
}

/* A record that expired is put back from @whole, the file as it was. */
static void put_back(struct log_file *f, size_t at, size_t size, const struct log_file *whole)
{
	static size_t parts[PARTS_MAX + 1];
	size_t count = take_apart(whole, parts);
	struct frame stub, frame;

	if (frame_decode(f->data + at, &stub) < 0 || stub.type != FRAME_STUB)
		return;
	for (size_t i = 0; i < count; i++)
		if (frame_decode(whole->data + parts[i], &frame) == 0 &&
		    frame.type == FRAME_RECORD && frame.index == stub.index) {
			log_file_splice(f, at, size, whole->data + parts[i], frame.size);
			said("put-back", stub.index, 0);
			return;
		}
}

/* From the batch in which part @a is on, one or more look as if they had expired; all are right that are there. */
static void make_gone(struct log_file *f, const size_t *parts, size_t count, size_t a)
{
	size_t end = a, commits = 1 + any(3), length, size = 0;
	_cleanup_free_ uint8_t *gone = NULL;
	struct hasher h;

	while (a && (f->data[parts[a - 1] + 8] == FRAME_RECORD ||
		     f->data[parts[a - 1] + 8] == FRAME_STUB))
		a--;
	while (end < count && (f->data[parts[end] + 8] != FRAME_COMMIT || --commits))
		end++;
	length = parts[end < count ? end + 1 : end] - parts[a];
	gone = malloc(length + 1);
	need(gone && hasher_init(&h) == 0, "memory");
	if (length)
		size = log_frames_expire(f->data + parts[a], length, &h, gone);
	hasher_done(&h);
	if (!size)
		return;
	log_file_splice(f, parts[a], length, gone, size);
	said("make-gone", a, end);
}

/* Batches that expired are put back from @whole, the file as it was. */
static void put_batches_back(struct log_file *f, size_t at, size_t size,
			     const struct log_file *whole)
{
	static size_t parts[PARTS_MAX + 1];
	size_t count = take_apart(whole, parts), from = 0, to;
	struct frame frame, gone;
	struct frame_gone g;

	if (frame_decode(f->data + at, &gone) < 0 || frame_gone_decode(&gone, &g) < 0)
		return;
	while (from < count && (frame_decode(whole->data + parts[from], &frame) < 0 ||
				frame.type != FRAME_RECORD || frame.index != gone.index))
		from++;
	for (to = from; to < count; to++)
		if (frame_decode(whole->data + parts[to], &frame) < 0 ||
		    (frame.type == FRAME_COMMIT && frame.index >= gone.index + g.count))
			break;
	if (to >= count)
		return;
	log_file_splice(f, at, size, whole->data + parts[from], parts[to + 1] - parts[from]);
	said("put-batches-back", (size_t)gone.index, g.count);
}

/* Its fields, or hashes that are more or fewer, under a right checksum. */
static void forge_gone(struct log_file *f, size_t at, size_t size)
{
	size_t bit = any(8 * (FRAME_GONE_FIXED + AUDIT_HASH_SIZE)), count;
	_cleanup_free_ uint8_t *other = malloc(size + AUDIT_HASH_SIZE);
	struct frame frame;
	struct frame_gone g;

	if (frame_decode(f->data + at, &frame) < 0 || frame_gone_decode(&frame, &g) < 0)
		return;
	need(other, "memory");
	memcpy(other, f->data + at, frame.size);
	count = g.count;
	if (any(2)) {
		other[FRAME_HEADER_SIZE + bit / 8] ^= (uint8_t)(1U << bit % 8);
		memcpy(f->data + at, other, size);
		fix_checksum(f, at, size);
		said("forge-gone", at, bit);
		return;
	}
	g.count = any(2) ? count + 1 : count - 1;
	if (any(2))
		g.bytes += 8 * any(20);
	memcpy(other + FRAME_HEADER_SIZE + FRAME_GONE_FIXED + count * AUDIT_HASH_SIZE, g.seal,
	       AUDIT_HASH_SIZE);
	frame_gone_encode(other, frame.index, &g);
	log_file_splice(f, at, size, other,
			frame_size(FRAME_GONE_FIXED + g.count * AUDIT_HASH_SIZE));
	said("count-gone", count, g.count);
}

static void mutate_stubs(struct log_file *f)
{
	static size_t parts[PARTS_MAX + 1];
	size_t count = take_apart(f, parts), a = any(count), size;
	struct log_file *whole =
		log_files_find((struct log_files *)(uintptr_t)&shape->unexpired, f->name);
	struct frame frame;

	if (!count)
		return;
	size = parts[a + 1] - parts[a];
	if (frame_decode(f->data + parts[a], &frame) < 0)
		return;
	if (any(4) == 0 && frame.type != FRAME_END) {
		make_gone(f, parts, count, a);
	} else if (frame.type == FRAME_GONE && whole && any(3) == 0) {
		put_batches_back(f, parts[a], size, whole);
	} else if (frame.type == FRAME_GONE) {
		forge_gone(f, parts[a], size);
	} else if (frame.type == FRAME_RECORD) {
		make_stub(f, parts[a], size);
	} else if (frame.type == FRAME_STUB && whole && any(2)) {
		put_back(f, parts[a], size, whole);
	} else if (frame.type == FRAME_STUB) {
		size_t at = FRAME_HEADER_SIZE + any(FRAME_STUB_LENGTH);

		f->data[parts[a] + at] ^= (uint8_t)(1U << any(8));
		fix_checksum(f, parts[a], size);
		said("forge-stub", a, at);
	}
}

static void set_data(struct log_file *f, const struct log_file *from)
{
	if (f != from)
		log_file_splice(f, 0, f->length, from->data, from->length);
}

/* Headers and state with a right hash, and whole files. */
static void mutate_files(struct log_file *f, const struct log_files *other, unsigned int how)
{
	size_t i = any(now.count), at = any(256);
	bool state = strcmp(f->name, "state") == 0;

	if (how == 0 && now.count > 1) {
		free(now.list[i].data);
		now.list[i] = now.list[--now.count];
		said("unlink", i, 0);
	} else if (how == 1) {
		struct log_file swap = *f;

		f->data = now.list[i].data;
		f->length = now.list[i].length;
		now.list[i].data = swap.data;
		now.list[i].length = swap.length;
		said("exchange", i, 0);
	} else if (how == 2) {
		set_data(f, &other->list[any(2) ? any(other->count) : i % other->count]);
		said("foreign", i, 0);
	} else if (f->length >= SEGMENT_HEADER_SIZE && (state || log_file_is_segment(f))) {
		size_t block =
			state && f->length >= 2 * STATE_SLOT_SIZE ? any(2) * STATE_SLOT_SIZE : 0;

		f->data[block + at] ^= (uint8_t)(1U << any(8));
		fix_block(f, block);
		said("rehash", block, at);
	}
}

/* What somebody does who understands the format and has no key. */
static void mutate_whole(void)
{
	unsigned int how = (unsigned int)any(LOG_FORGE_MAX + 3);

	if (how < LOG_FORGE_MAX) {
		uint64_t victim = any(shape->files.count > 20 ? 500 : 30);

		if (log_files_rechain(&now, victim, (enum log_forgery)how))
			said("rechain", how, victim);
	} else if (how == LOG_FORGE_MAX && shape->older.count) {
		/* An older copy, whose checkpoint stays as it is now in half of them. */
		struct log_files mixed = {0};

		log_files_copy(&mixed, &shape->older);
		if (any(2))
			for (size_t i = 0; i < mixed.count; i++) {
				const struct log_file *late =
					log_files_find(&now, mixed.list[i].name);

				if (late && !log_file_is_segment(late) &&
				    strcmp(late->name, "state") != 0)
					set_data(&mixed.list[i], late);
			}
		log_files_done(&now);
		now = mixed;
		said("roll-back", 0, 0);
	} else if (how == LOG_FORGE_MAX + 1) {
		struct log_file *note = log_files_find(&now, "checkpoint");

		if (note) {
			free(note->data);
			*note = now.list[--now.count];
			said("unsign", 0, 0);
		}
	} else if (shape->unexpired.count) {
		size_t i = any(shape->unexpired.count);
		struct log_file *f = log_files_find(&now, shape->unexpired.list[i].name);

		if (f && log_file_is_segment(f)) {
			set_data(f, &shape->unexpired.list[i]);
			said("unexpire", i, 0);
		}
	}
}

static void mutate_one(const struct log_shape *other)
{
	struct log_file *f = &now.list[any(now.count)];
	const struct log_file *from = &other->files.list[any(other->files.count)];
	size_t n = strlen(done);

	/* Most files of some logs are of events; what matters more are segments. */
	if (strchr(f->name, '/') && !any(3))
		f = &now.list[any(now.count)];
	snprintf(done + n, sizeof(done) - n, " %s", f->name);
	switch (any(5)) {
	case 0:
		mutate_bytes(f, (unsigned int)any(5));
		break;
	case 1:
		if (log_file_is_segment(f))
			mutate_frames(f, from, (unsigned int)any(5));
		break;
	case 2:
		mutate_stubs(f);
		break;
	case 3:
		mutate_files(f, &other->files, (unsigned int)any(5));
		break;
	default:
		mutate_whole();
		break;
	}
}

/* False: nothing came of it. */
static bool mutate(void)
{
	size_t which = any(LOG_SHAPES), other = (which + 1 + any(LOG_SHAPES - 1)) % LOG_SHAPES;
	unsigned int times = any(8) ? 1 : 1 + (unsigned int)any(3);

	/* One with tiles is twenty times as large as the others, and takes as long. */
	if (strcmp(shapes[which].name, "tiles") == 0 && any(3))
		return false;
	shape = &shapes[which];
	log_files_copy(&now, &shape->files);
	snprintf(done, sizeof(done), "%s", shape->name);
	for (unsigned int i = 0; i < times && now.count; i++)
		mutate_one(&shapes[other]);
	return !log_files_equal(&now, &shape->files);
}

static void put_beside(const char *directory, const char *name, const char *text)
{
	char file[200];

	snprintf(file, sizeof(file), "%s/%s", directory, name);
	if (text)
		need(fs_replace_file(file, text, strlen(text), 0600, NULL) == 0, file);
	else
		unlink(file);
}

/* What verification is given: a checkpoint and a key, one of them, or none. */
static void choose(const char *directory, struct audit_verify_options *ret)
{
	static struct note_verifier verifier;
	const struct log_shape *of = any(20) ? shape : &shapes[any(LOG_SHAPES)];
	const char *checkpoint = any(2) ? of->late : of->early;
	unsigned int what = (unsigned int)any(4);
	bool key = *shape->key && what >= 2;

	*ret = (struct audit_verify_options){.threads = 1 + (unsigned int)any(2)};
	if (checkpoint && what % 2) {
		ret->checkpoint = checkpoint;
		ret->checkpoint_length = strlen(checkpoint);
	}
	put_beside(directory, "checkpoint", ret->checkpoint);
	put_beside(directory, "key", key ? shape->key : NULL);
	if (key) {
		need(note_verifier_parse(shape->key, &verifier, NULL) == 0, "key");
		ret->key = &verifier;
	}
	said(ret->checkpoint ? "given" : "alone", (size_t)(of - shapes), key);
}

static void ask(uint64_t number, const char *directory)
{
	struct audit_verify_options options;
	struct audit_verdict v;
	struct fault f = {0};

	choose(directory, &options);
	log_files_write(&now, &there, path);
	log_files_copy(&there, &now);
	if (audit_verify_with(path, &options, &v, &f) < 0)
		printf("%" PRIu64 " error 0 %s %s\n", number, f.code, done);
	else
		printf("%" PRIu64 " %s %" PRIu64 " %s %s\n", number,
		       v.status == AUDIT_OK ? "ok" : "bad",
		       v.status == AUDIT_OK ? v.records : v.index, audit_finding_to_str(v.finding),
		       done);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	uint64_t seed, first, count;
	char line[16], keys[160];

	if (argc != 5 || parse_u64(argv[2], 0, UINT32_MAX, &seed) < 0 ||
	    parse_u64(argv[3], 0, UINT32_MAX, &first) < 0 ||
	    parse_u64(argv[4], 0, UINT32_MAX, &count) < 0) {
		fprintf(stderr, "usage: mutate_log DIR SEED FIRST COUNT\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/log", argv[1]);
	snprintf(keys, sizeof(keys), "%s/keys", argv[1]);
	log_shapes_make(shapes, path, keys);
	need(mkdir(path, 0700) == 0, path);
	for (uint64_t i = first; i < first + count; i++) {
		random_state = seed << 32 ^ i * 7919;
		while (!mutate())
			;
		ask(i, argv[1]);
		if (!fgets(line, sizeof(line), stdin))
			return 1;
	}
	log_files_done(&now);
	log_files_done(&there);
	log_shapes_done(shapes);
	return 0;
}
