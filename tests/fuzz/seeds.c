/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes the seeds that are no files: `seeds DIRECTORY` fills DIRECTORY/parse, record, audit, index and text. The
 * frames are the rows of tests/lib/packets.def, the records what record_write() makes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../lib/packets.h"
#include "audit/record.h"
#include "base/cleanup.h"

static int put(const char *dir, const char *target, size_t number, const void *data, size_t length)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, target);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "%s/%s/%03zu", dir, target, number);
	file = fopen(path, "we");
	if (!file || fwrite(data, 1, length, file) != length || fflush(file) != 0)
		return -errno;
	return 0;
}

static int put_frames(const char *dir)
{
	static struct packets_frame frame;
	int r = 0;

	for (size_t i = 0; i < packets_case_count && r == 0; i++) {
		packets_build(packets_cases[i].layers, &frame);
		if (frame.length <= 2200) /* jumbo frames would only make the corpus slow */
			r = put(dir, "parse", i, frame.data, frame.length);
	}
	return r;
}

static int put_records(const char *dir)
{
	static const uint8_t zeros[AUDIT_HASH_SIZE];
	const struct audit_position at = {.index = 1, .event_id = zeros, .previous_hash = zeros};
	/* What is not read is written: event and outcome, then strings. */
	static const char strings[] =
		"\5block\000198.51.100.7\0root\0000\0admin\0\0port scan\0\xff\"\\\n";
	size_t number = 0;
	int r = put(dir, "record", number++, strings, sizeof(strings) - 1);

	for (enum audit_event event = 0; event < AUDIT_EVENT_MAX && r == 0; event += 3) {
		struct audit_details details = {0};
		struct audit_record record = {
			.event = event,
			.outcome = event % AUDIT_OUTCOME_MAX,
			.resource = {"source", "198.51.100.7"},
			.details = &details,
			.time_ns = 1,
		};
		struct text out;

		audit_details_string(&details, "reason", "a \"quoted\" \xc3\xa9\n");
		audit_details_u64(&details, "packets", 1ULL << (event * 3));
		audit_details_bool(&details, "persisted", event & 1);
		text_init_growing(&out);
		record_write(&record, &at, &out);
		r = put(dir, "record", number++, out.data, out.length);
		text_done(&out);
	}
	return r;
}

/* One operation of each kind on each file: see struct operation of fuzz_audit.c. */
static int put_operations(const char *dir)
{
	int r = 0;

	for (uint8_t i = 0; i < 64 && r == 0; i++) {
		const uint8_t operation[6] = {i % 16, i / 16, (uint8_t)(i * 37), i % 20, i, 1};

		r = put(dir, "audit", i, operation, sizeof(operation));
	}
	return r;
}

/* Changes of one byte, all over an index: see make_file() of fuzz_index.c. */
static int put_changes(const char *dir)
{
	int r = 0;

	for (uint8_t i = 0; i < 64 && r == 0; i++) {
		const uint8_t change[4] = {0, (uint8_t)(i * 71), i / 8, i};

		r = put(dir, "index", i, change, sizeof(change));
	}
	return r;
}

static int put_lines(const char *dir)
{
	static const char *const lines[] = {
		"18446744073709551615",
		"36500d",
		"500ms",
		"100M/s",
		"1/d",
		"4k",
		"10MiB/s",
		"100Gbit/s",
		"1024GiB",
		"9216B",
		"192.0.2.255",
		"::ffff:192.0.2.0/120",
		"2001:db8:ffff:ffff:ffff:ffff:255.255.255.255/128",
		"0.0.0.0/0",
		"::/0",
		"198.51.100.7/24",
		"monitor",
		"block 198.51.100.0/24 a \"quoted\" \xc3\xa9",
		"allow ::/0 \\",
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lines) && r == 0; i++)
		r = put(dir, "text", i, lines[i], strlen(lines[i]));
	return r;
}

int main(int argc, char **argv)
{
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: seeds DIRECTORY\n");
		return 2;
	}
	r = put_frames(argv[1]);
	if (r == 0)
		r = put_records(argv[1]);
	if (r == 0)
		r = put_operations(argv[1]);
	if (r == 0)
		r = put_changes(argv[1]);
	if (r == 0)
		r = put_lines(argv[1]);
	if (r < 0)
		fprintf(stderr, "seeds: cannot write to %s: %s\n", argv[1], strerror(-r));
	return r < 0;
}
