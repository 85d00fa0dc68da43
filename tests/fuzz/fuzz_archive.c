/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An archive of a segment that is there already when retention wants to write it. The first byte of an input says what the
 * rest is: the file (gzip); what is compressed to be the file; or changes (place in 2 bytes, a byte) to the right file. Whatever it
 * was, in the end an archive is there that gives the segment's very bytes, with a manifest that says so.
 */
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <zlib.h>

#include "audit/chain.h"
#include "audit/hash.h"
#include "audit/rewrite.h"
#include "base/fs.h"
#include "fuzz.h"
#include "scratch.h"

#define SIZE_MOST    4096
#define SEGMENT_MOST (64U << 10)
#define RECORDS	     24

static int dir = -1;
static struct rewrite work;
static char path[256];
static char *right, *segment;
static size_t right_length, segment_length;

static bool all(const char *data, const struct record_view *view, void *userdata)
{
	(void)data;
	(void)view;
	(void)userdata;
	return true;
}

static void make_log(const char *log)
{
	const struct chain_options options = {.segment_bytes = 8192};
	const struct audit_record record = {.event = AUDIT_EVENT_LIST_BLOCKED,
					    .resource = {"source", "198.51.100.7"},
					    .time_ns = 1};
	struct chain *c = NULL;
	struct fault f = {0};

	REQUIRE(chain_open(log, &options, &c, &f) == 0, "%s", f.text);
	for (unsigned int i = 0; i < RECORDS; i++)
		REQUIRE(chain_append(c, &record) == 0 && chain_commit(c, &f) == 0, "%s", f.text);
	chain_close(c);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char log[128], name[REWRITE_ARCHIVE_NAME_SIZE];
	struct fault f = {0};

	(void)argc;
	(void)argv;
	snprintf(log, sizeof(log), "%s/log", scratch_directory());
	make_log(log);
	dir = open(log, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(rewrite_stage(dir, 0, all, NULL, NULL, &work, &f) == 1, "%s", f.text);
	REQUIRE(rewrite_archive(dir, &work, &f) == 0, "%s", f.text);
	rewrite_archive_name(&work, name);
	snprintf(path, sizeof(path), "%s/archive/%s", log, name);
	REQUIRE(fs_read_file(path, SEGMENT_MOST, &right, &right_length, &f) == 0, "%s", f.text);
	snprintf(log + strlen(log), 64, "/00000000000000000000.seg");
	REQUIRE(fs_read_file(log, SEGMENT_MOST, &segment, &segment_length, &f) == 0, "%s", f.text);
	return 0;
}

static void put(const void *data, size_t length)
{
	FILE *f = fopen(path, "we");

	REQUIRE(f && fwrite(data, 1, length, f) == length && fclose(f) == 0, "no file");
}

static void put_compressed(const uint8_t *data, size_t length)
{
	gzFile gz = gzopen(path, "wb1");

	REQUIRE(gz && gzwrite(gz, data, (unsigned int)length) == (int)length && gzclose(gz) == Z_OK,
		"no file");
}

static void put_changed(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *copy = malloc(right_length);

	REQUIRE(copy, "no memory");
	memcpy(copy, right, right_length);
	for (size_t i = 0; i + 3 <= size; i += 3)
		copy[(data[i] | (size_t)data[i + 1] << 8) % right_length] ^= (char)data[i + 2];
	/* An odd byte at the end cuts the file. */
	put(copy, size % 3 ? right_length * data[size - 1] / 256 : right_length);
}

static void check_content(void)
{
	static char content[SEGMENT_MOST];
	gzFile gz = gzopen(path, "rb");
	int n = gz ? gzread(gz, content, sizeof(content)) : -1;

	REQUIRE(gz && gzclose(gz) == Z_OK, "it is no archive");
	REQUIRE(n == (int)segment_length && memcmp(content, segment, segment_length) == 0,
		"%d bytes that are not those of the segment", n);
}

static void check_manifest(void)
{
	char manifest[sizeof(path) + 8], hex[AUDIT_HASH_TEXT];
	const char *said;
	json_t *o;

	snprintf(manifest, sizeof(manifest), "%s.json", path);
	hex_format(work.hash_before, AUDIT_HASH_SIZE, hex);
	o = json_load_file(manifest, 0, NULL);
	said = json_string_value(json_object_get(o, "sha256"));
	REQUIRE(said && strcmp(said, hex) == 0, "the manifest says %s", said ?: "nothing");
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fault f = {0};

	if (!size || size > SIZE_MOST)
		return 0;
	if (data[0] % 3 == 0)
		put(data + 1, size - 1);
	else if (data[0] % 3 == 1)
		put_compressed(data + 1, size - 1);
	else
		put_changed(data + 1, size - 1);
	REQUIRE(rewrite_archive(dir, &work, &f) == 0, "%s", f.text);
	check_content();
	check_manifest();
	return 0;
}
