/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Damage to a log. The input is a list of operations on the files of a small log that weir wrote:
 * bytes changed, cut out or put in, frames removed, repeated, swapped or given a right checksum,
 * files exchanged or gone. Reading, verifying and continuing such a log must end, in words; and
 * whatever was done, a log that verification finds in order still holds every record that had been
 * acknowledged, unchanged. None of the operations can forge a hash.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/crc32c.h"
#include "audit/reader.h"
#include "audit/segment.h"
#include "audit/verify.h"
#include "base/cleanup.h"
#include "fuzz.h"
#include "scratch.h"

#define SEGMENT_BYTES 7000 /* two segments for the records below */
#define RECORDS	      7	   /* acknowledged */
#define LAST_BATCH    1	   /* of them */
#define UNFINISHED    2	   /* in a batch after them that a crash came upon */
#define FILES	      4
#define FILE_MAX      24576
#define FRAMES_MAX    32
#define OPERATIONS    24

static const char *const names[FILES] = {
	"00000000000000000000.seg", "00000000000000000004.seg", "state",
	"00000000000000000007.seg", /* not there at first */
};

struct file {
	uint8_t data[FILE_MAX];
	size_t length;
	bool exists;
};

static struct file base[FILES], files[FILES];
static struct file unfinished; /* the second segment with the batch that was not acknowledged */
static uint8_t hashes[RECORDS + UNFINISHED][AUDIT_HASH_SIZE];
static char log_path[96];

/* In the place of libc's: a damaged state file is read again for 50 ms in case that somebody is writing
 * it, and here nobody is. */
int nanosleep(const struct timespec *requested, struct timespec *left)
{
	(void)requested;
	(void)left;
	return 0;
}

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static void file_name(unsigned int i, char ret[static 160])
{
	snprintf(ret, 160, "%s/%s", log_path, names[i]);
}

static void read_file(unsigned int i, struct file *ret)
{
	_cleanup_close_ int fd = -1;
	char path[160];
	ssize_t n;

	file_name(i, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	*ret = (struct file){.exists = fd >= 0};
	if (fd < 0)
		return;
	n = read(fd, ret->data, sizeof(ret->data));
	REQUIRE(n >= 0 && n < FILE_MAX, "%s has %zd bytes", names[i], n);
	ret->length = (size_t)n;
}

static void write_files(void)
{
	scratch_remove(log_path);
	REQUIRE(mkdir(log_path, 0700) == 0, "cannot make the log");
	for (unsigned int i = 0; i < FILES; i++) {
		_cleanup_close_ int fd = -1;
		char path[160];

		if (!files[i].exists)
			continue;
		file_name(i, path);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		REQUIRE(fd >= 0 && write(fd, files[i].data, files[i].length) ==
					   (ssize_t)files[i].length,
			"cannot write %s", names[i]);
	}
}

static void append(struct chain *chain, unsigned int count)
{
	struct fault f = {0};

	for (unsigned int i = 0; i < count; i++) {
		const struct audit_record record = {
			.event = AUDIT_EVENT_RATELIMIT_DROPPED,
			.resource = {"source", "198.51.100.7"},
		};

		REQUIRE(chain_append(chain, &record) == 0, "no record");
	}
	REQUIRE(chain_commit(chain, &f) == 0, "commit: %s", f.text);
}

static struct chain *open_log(int *ret_error, struct fault *reterr)
{
	const struct chain_options options = {.segment_bytes = SEGMENT_BYTES, .datasync = no_sync};
	struct chain *chain = NULL;

	*ret_error = chain_open(log_path, &options, &chain, reterr);
	return chain;
}

/* Read all records: there must be @count of them, each with the hash of the one before it, and the
 * first @known must be those that were written here. */
static void read_records(uint64_t count, uint64_t known)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	uint8_t previous[AUDIT_HASH_SIZE] = {0};
	struct reader_record record;
	struct fault f = {0};
	uint64_t i = 0;
	int r;

	REQUIRE(reader_open(log_path, &reader, &f) == 0, "%s", f.text);
	while ((r = reader_next(reader, &record, &f)) == 1) {
		REQUIRE(record.view.index == i, "record %llu follows %llu",
			(unsigned long long)record.view.index, (unsigned long long)i);
		REQUIRE(memcmp(record.view.previous_hash, previous, sizeof(previous)) == 0,
			"record %llu does not continue the chain", (unsigned long long)i);
		memcpy(previous, record.hash, sizeof(previous));
		REQUIRE(i >= known || memcmp(record.hash, hashes[i], AUDIT_HASH_SIZE) == 0,
			"record %llu of a log in order is another one", (unsigned long long)i);
		i++;
	}
	REQUIRE(r == 0 && i == count, "%llu records can be read of %llu: %s", (unsigned long long)i,
		(unsigned long long)count, f.text);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	static const unsigned int batches[] = {2, 2, 2, LAST_BATCH, UNFINISHED};
	struct reader_record record;
	struct chain *chain;
	struct fault f = {0};
	int r;

	(void)argc;
	(void)argv;
	snprintf(log_path, sizeof(log_path), "%s/log", scratch_directory());
	chain = open_log(&r, &f);
	REQUIRE(chain, "%s", f.text);
	for (size_t i = 0; i < ARRAY_SIZE(batches); i++) {
		if (i == ARRAY_SIZE(batches) - 1)
			for (unsigned int file = 0; file < FILES; file++)
				read_file(file, &base[file]);
		append(chain, batches[i]);
	}
	chain_close(chain);
	read_file(1, &unfinished);
	REQUIRE(base[1].exists && !base[3].exists && unfinished.length > base[1].length,
		"the log does not have the segments it should have");
	REQUIRE(reader_open(log_path, &reader, &f) == 0, "%s", f.text);
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++) {
		REQUIRE(reader_next(reader, &record, &f) == 1, "%s", f.text);
		memcpy(hashes[i], record.hash, AUDIT_HASH_SIZE);
	}
	return 0;
}

/* The frames of a segment as far as they can be told. */
static size_t find_frames(const struct file *file, size_t ret_at[static FRAMES_MAX + 1])
{
	size_t at = SEGMENT_HEADER_SIZE, count = 0, size;

	while (count < FRAMES_MAX && at + FRAME_HEADER_SIZE <= file->length &&
	       frame_measure(file->data + at, &size) == 0 && at + size <= file->length) {
		ret_at[count++] = at;
		at += size;
	}
	ret_at[count] = at;
	return count;
}

static void cut_out(struct file *file, size_t at, size_t length)
{
	if (at >= file->length)
		return;
	if (length > file->length - at)
		length = file->length - at;
	memmove(file->data + at, file->data + at + length, file->length - at - length);
	file->length -= length;
}

static void put_in(struct file *file, size_t at, const uint8_t *data, size_t length)
{
	if (at > file->length)
		at = file->length;
	if (length > FILE_MAX - file->length)
		length = FILE_MAX - file->length;
	memmove(file->data + at + length, file->data + at, file->length - at);
	memcpy(file->data + at, data, length);
	file->length += length;
}

static void fix_checksum(struct file *file, size_t at)
{
	size_t length = file->data[at] | (size_t)file->data[at + 1] << 8;
	uint32_t crc;

	if (length > file->length - at - FRAME_HEADER_SIZE)
		return;
	crc = crc32c(crc32c(0, file->data + at, 4), file->data + at + 8,
		     FRAME_HEADER_SIZE - 8 + length);
	for (unsigned int i = 0; i < 4; i++)
		file->data[at + 4 + i] = (uint8_t)(crc >> 8 * i);
}

struct operation {
	uint8_t kind;
	uint8_t file;
	uint8_t at[2];
	uint8_t value[2];
};

static void operate_on_frames(unsigned int kind, struct file *file, size_t at, size_t value)
{
	uint8_t copy[FILE_MAX];
	size_t frames[FRAMES_MAX + 1], count = find_frames(file, frames), one, size;

	if (!count)
		return;
	one = at % count;
	size = frames[one + 1] - frames[one];
	memcpy(copy, file->data + frames[one], size);
	switch (kind) {
	case 0:
		fix_checksum(file, frames[one]);
		break;
	case 1:
		cut_out(file, frames[one], size);
		break;
	case 2:
		put_in(file, frames[value % (count + 1)], copy, size);
		break;
	case 3: /* move */
		cut_out(file, frames[one], size);
		count = find_frames(file, frames);
		put_in(file, frames[value % (count + 1)], copy, size);
		break;
	case 4: /* change a byte behind the checksum, and make that right */
		file->data[frames[one] + 8 + (value >> 8) % (size - 8)] ^=
			(uint8_t)(value | !value);
		fix_checksum(file, frames[one]);
		break;
	default: /* take one from the other segment */
		put_in(&files[file == &files[0]], SEGMENT_HEADER_SIZE, copy, size);
	}
}

static void operate(const struct operation *o)
{
	struct file *file = &files[o->file % FILES];
	size_t at = o->at[0] | (size_t)o->at[1] << 8,
	       value = o->value[0] | (size_t)o->value[1] << 8;

	switch (o->kind % 16) {
	case 0:
		if (file->length)
			file->data[at % file->length] = o->value[0];
		break;
	case 1:
		if (file->length)
			file->data[at % file->length] ^= (uint8_t)(1U << o->value[0] % 8);
		break;
	case 2:
		if (at < file->length)
			file->length = at;
		break;
	case 3:
		cut_out(file, at, value % 512);
		break;
	case 4: /* bytes from somewhere else in it */
		if (file->length > 512)
			put_in(file, at, base[o->file % FILES].data + value % 4096, value % 512);
		break;
	case 5:
		file->exists = false;
		file->length = 0;
		break;
	case 6:
		*file = files[value % FILES];
		break;
	case 7: /* what a crash leaves: some of the next batch */
		files[1] = unfinished;
		files[1].length = base[1].length + at % (unfinished.length - base[1].length + 1);
		break;
	case 8:
		*file = base[value % FILES];
		break;
	case 9:
		put_in(file, file->length, base[0].data + value % 64, at % 512);
		break;
	default:
		if (o->file % FILES != 2)
			operate_on_frames(o->kind % 16 - 10, file, at, value);
	}
}

/* A verdict is whole. If it is good, so is the log: of @known records at least. */
static enum audit_status verify(uint64_t known)
{
	struct audit_verdict v;
	struct fault f = {0};

	REQUIRE(audit_verify(log_path, &v, &f) == 0, "no verdict: %s", f.text);
	REQUIRE(v.status < AUDIT_STATUS_MAX && v.finding < AUDIT_FINDING_MAX,
		"status %d, finding %d", (int)v.status, (int)v.finding);
	if (v.status != AUDIT_OK) {
		REQUIRE(v.finding != AUDIT_FINDING_NONE && *v.words, "bad without words");
		return v.status;
	}
	REQUIRE(v.finding == AUDIT_FINDING_NONE, "good with a finding: %s", v.words);
	REQUIRE(v.records >= known, "%llu records of %llu are in order",
		(unsigned long long)v.records, (unsigned long long)known);
	read_records(v.records, known);
	return v.status;
}

/* Verification has seen every byte: of what was committed and of what acknowledges it none may differ. */
static void check_unchanged(void)
{
	for (unsigned int i = 0; i < FILES; i++)
		if (base[i].exists)
			REQUIRE(files[i].length >= base[i].length &&
					memcmp(files[i].data, base[i].data, base[i].length) == 0,
				"%s was changed, and is found in order", names[i]);
}

/* Anybody may ask for the end of a log at any time: it must answer or say why not. */
static void read_tail(void)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	struct reader_record record;
	struct fault f = {0};
	size_t count = 0;
	int r;

	REQUIRE(reader_open(log_path, &reader, &f) == 0, "%s", f.text);
	r = reader_seek_tail(reader, 3, &f);
	while (r >= 0 && (r = reader_next(reader, &record, &f)) == 1)
		REQUIRE(++count < 1000, "there is no end to it");
	REQUIRE(r == 0 || (f.code && *f.text), "refused without words: %d", r);
}

/* Go on with the log, as a daemon that starts. */
static void go_on(enum audit_status before)
{
	struct fault f = {0};
	struct chain *chain;
	enum chain_origin origin;
	int error;

	chain = open_log(&error, &f);
	if (!chain) {
		REQUIRE(error < 0 && f.code && *f.text, "refused without words: %d", error);
		REQUIRE(before != AUDIT_OK, "a log in order is refused: %s", f.text);
		return;
	}
	origin = chain_origin(chain);
	REQUIRE(origin != CHAIN_CREATED || before != AUDIT_OK, "a log in order is taken for none");
	REQUIRE(origin != CHAIN_VIOLATED || before != AUDIT_OK, "a log in order is a violation: %s",
		chain_origin_words(chain));
	append(chain, 1);
	chain_close(chain);
	if (origin == CHAIN_VIOLATED)
		REQUIRE(verify(0) != AUDIT_OK, "a violation is forgotten");
	else if (before == AUDIT_OK)
		REQUIRE(verify(RECORDS) == AUDIT_OK, "a log in order was spoiled");
	else
		/* Half a state file acknowledges all but the last batch; none at all, nothing. */
		verify(origin == CHAIN_CREATED ? 0 : RECORDS - LAST_BATCH);
}

/* The lowest that is free. */
static int next_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	REQUIRE(fd >= 0, "no descriptor is left");
	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int descriptor = next_descriptor();
	enum audit_status status;

	if (size > OPERATIONS * sizeof(struct operation))
		return 0;
	memcpy(files, base, sizeof(files));
	for (size_t at = 0; at + sizeof(struct operation) <= size; at += sizeof(struct operation))
		operate((const struct operation *)(data + at));
	write_files();
	status = verify(RECORDS);
	if (status == AUDIT_OK)
		check_unchanged();
	read_tail();
	go_on(status);
	REQUIRE(next_descriptor() == descriptor, "descriptors were left open");
	return 0;
}
