/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A backup that somebody made: text as its manifest, anything else as the tar in it, of which each header gets a
 * checksum that is right, as no fuzzer guesses one. What is accepted has tame names and the sizes it says, and is the
 * same when written and read again; what is refused has a code and words.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#include "backup/archive.h"
#include "backup/manifest.h"
#include "fuzz.h"

#define SIZE_MOST 8192

static void check_refusal(int r, const struct fault *f)
{
	REQUIRE(f->err == r && f->code && strncmp(f->code, "backup.", 7) == 0 && *f->text,
		"%d is refused without words", r);
}

static void check_name(const char *name)
{
	REQUIRE(*name && *name != '/', "'%s'", name);
	for (const char *part = name; part; part = strchr(part, '/')) {
		part += *part == '/';
		REQUIRE(strncmp(part, "..", 2) != 0 || (part[2] && part[2] != '/'), "'%s'", name);
	}
	for (const char *c = name; *c; c++)
		REQUIRE(*c >= ' ' && *c <= '~', "a character %d", *c);
}

static void check_manifest(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_string(data, size), *written = NULL, *again = NULL;
	struct backup_manifest m, copy;
	struct fault f = {0};
	int r = backup_manifest_parse(text, size, &m, &f);

	if (r < 0)
		return check_refusal(r, &f);
	for (size_t i = 0; i < m.count; i++) {
		check_name(m.members[i].name);
		REQUIRE(backup_manifest_find(&m, m.members[i].name) == &m.members[i],
			"'%s' is there twice", m.members[i].name);
	}
	written = backup_manifest_format(&m);
	REQUIRE(written, "no text");
	r = backup_manifest_parse(written, strlen(written), &copy, &f);
	REQUIRE(r == 0, "%s: %s", f.text, written);
	again = backup_manifest_format(&copy);
	REQUIRE(again && strcmp(written, again) == 0, "%s became %s", written, again);
	backup_manifest_done(&copy);
	backup_manifest_done(&m);
}

/* Give the header at @block a checksum, and return how many bytes it says follow; it may say anything. */
static uint64_t mend(uint8_t *block)
{
	uint64_t size = 0;
	unsigned int sum = 0;

	memcpy(block + 257, "ustar", 5);
	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < USTAR_BLOCK; i++)
		sum += block[i];
	snprintf((char *)block + 148, 7, "%06o", sum & 0777777);
	for (size_t i = 124; i < 136 && block[i] >= '0' && block[i] <= '7'; i++)
		size = size << 3 | (uint64_t)(block[i] - '0');
	return size;
}

static void check_archive(int fd, const uint8_t *data)
{
	_cleanup_(archive_reader_closep) struct archive_reader *reader = NULL;
	struct ustar_entry entry;
	struct fault f = {0};
	char path[64];
	size_t at = 0;
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = archive_reader_open(path, &reader, &f);
	REQUIRE(r == 0, "%s", f.text);
	while ((r = archive_next(reader, &entry, &f)) == 1) {
		uint8_t buffer[100];
		uint64_t got = 0;
		ssize_t n;

		check_name(entry.name);
		at += USTAR_BLOCK;
		while ((n = archive_get(reader, buffer, sizeof(buffer), &f)) > 0) {
			REQUIRE(memcmp(buffer, data + at + got, (size_t)n) == 0, "another content");
			got += (uint64_t)n;
		}
		if (n < 0)
			return check_refusal((int)n, &f);
		REQUIRE(got == entry.size, "%llu of %llu bytes", (unsigned long long)got,
			(unsigned long long)entry.size);
		at += (got + USTAR_BLOCK - 1) / USTAR_BLOCK * USTAR_BLOCK;
	}
	if (r < 0)
		check_refusal(r, &f);
}

static void compress_to(int fd, uint8_t *data, size_t size)
{
	uint8_t out[2 * SIZE_MOST];
	z_stream stream = {
		.next_in = data, .avail_in = (uInt)size, .next_out = out, .avail_out = sizeof(out)};

	REQUIRE(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK,
		"no memory");
	REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END, "no room");
	REQUIRE(write(fd, out, stream.total_out) == (ssize_t)stream.total_out, "no room");
	deflateEnd(&stream);
}

static void check_tar(const uint8_t *data, size_t size)
{
	_cleanup_free_ uint8_t *tar = malloc(size + 1);
	_cleanup_close_ int fd = memfd_create("backup", MFD_CLOEXEC);

	REQUIRE(tar && fd >= 0, "no memory");
	memcpy(tar, data, size);
	for (size_t at = 0; at + USTAR_BLOCK <= size;) {
		static const uint8_t zeros[USTAR_BLOCK];
		uint64_t follow;

		if (memcmp(tar + at, zeros, USTAR_BLOCK) == 0)
			break;
		follow = mend(tar + at);
		if (follow > size)
			break;
		at += USTAR_BLOCK + (follow + USTAR_BLOCK - 1) / USTAR_BLOCK * USTAR_BLOCK;
	}
	compress_to(fd, tar, size);
	check_archive(fd, tar);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > SIZE_MOST)
		return 0;
	if (size && data[0] == '{')
		check_manifest(data, size);
	else
		check_tar(data, size);
	return 0;
}
