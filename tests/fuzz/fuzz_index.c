/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An index that somebody else wrote. The input is the content of the index of the first segment of a small log, or
 * changes to the right one; the header is made to fit, so that it is read at all. Whatever stands there, searching
 * and counting end without an error, nothing is found that a reader would not find, and the check of indexes
 * says that this is not the right one.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/crc32c.h"
#include "audit/index.h"
#include "audit/search.h"
#include "audit/stats.h"
#include "base/cleanup.h"
#include "fuzz.h"
#include "scratch.h"

#define RECORDS	  24
#define INPUT_MAX 4096
#define FILE_MAX  16384

static char log_path[96], index_path[160];
static uint8_t right[FILE_MAX], file[FILE_MAX];
static size_t right_length;

static const struct {
	enum query_criterion criterion;
	const char *words;
} questions[] = {
	{QUERY_ADDRESS, "198.51.100.0/28"},
	{QUERY_ADDRESS, "2001:db8::1"},
	{QUERY_TYPE, "list.*"},
	{QUERY_SEVERITY, "2"},
	{QUERY_ACTOR, "root"},
	{QUERY_RULE, "a name that is too long for a key"},
	{QUERY_SINCE, "1970-01-01"},
};

static struct found {
	uint64_t index[RECORDS];
	size_t count;
} truth[ARRAY_SIZE(questions)];

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static void append(struct chain *chain, unsigned int i)
{
	static const char *const sources[] = {"198.51.100.7", "2001:db8::/32", "198.51.100.0/24",
					      "198.51.100.9"};
	struct audit_details details = {0};
	const struct audit_record record = {
		.event = i % 3 ? AUDIT_EVENT_RATELIMIT_DROPPED : AUDIT_EVENT_LIST_ADD,
		.actor = {.username = i % 2 ? "root" : "ann"},
		.resource = {i % 3 ? "source" : "block", sources[i % ARRAY_SIZE(sources)]},
		.details = &details,
		.time_ns = (i + 1) * 1000000000ULL,
	};

	audit_details_string(&details, "limit", "a name that is too long for a key");
	REQUIRE(chain_append(chain, &record) == 0, "no record");
}

static int keep(const struct reader_record *record, void *userdata)
{
	struct found *found = userdata;

	REQUIRE(found->count < RECORDS, "more records than there are");
	found->index[found->count++] = record->view.index;
	return 0;
}

static void search(size_t question, bool scan, struct found *ret)
{
	const struct audit_search_options options = {
		.oldest = true, .scan = scan, .from = SEARCH_BEGIN, .limit = 1000};
	struct audit_search_result result;
	struct audit_query q;
	struct fault f = {0};

	*ret = (struct found){0};
	audit_query_init(&q);
	REQUIRE(audit_query_set(&q, questions[question].criterion, questions[question].words, &f) ==
			0,
		"%s", f.text);
	REQUIRE(audit_search(log_path, &q, &options, keep, ret, &result, &f) == 0, "%s", f.text);
	REQUIRE(result.page == AUDIT_PAGE_END && result.tip == RECORDS, "not all of it");
}

static void read_right_one(void)
{
	_cleanup_close_ int fd = open(index_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, right, sizeof(right)) : -1;

	REQUIRE(n > 0 && n < FILE_MAX, "the index has %zd bytes", n);
	right_length = (size_t)n;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct chain_options options = {.segment_bytes = 9000, .datasync = no_sync};
	_cleanup_(chain_closep) struct chain *chain = NULL;
	struct index_report report;
	struct fault f = {0};

	(void)argc;
	(void)argv;
	snprintf(log_path, sizeof(log_path), "%s/log", scratch_directory());
	snprintf(index_path, sizeof(index_path), "%s/" SIDECAR_DIR "/00000000000000000000.idx",
		 log_path);
	REQUIRE(chain_open(log_path, &options, &chain, &f) == 0, "%s", f.text);
	for (unsigned int i = 0; i < RECORDS; i++) {
		append(chain, i);
		if (i % 4 == 3)
			REQUIRE(chain_commit(chain, &f) == 0, "%s", f.text);
	}
	REQUIRE(audit_index_rebuild(log_path, &report, &f) == 0 && report.segments > 1, "%s",
		f.text);
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++)
		search(i, true, &truth[i]);
	read_right_one();
	return 0;
}

/* Magic, format, first index, the segment's seal and the checksum; what else is in the header is the input's. */
static void make_fit(uint8_t *data)
{
	uint32_t crc;

	memcpy(data, right, 12);
	memcpy(data + 16, right + 16, 8);
	memcpy(data + 56, right + 56, 32);
	crc = crc32c(0, data, SIDECAR_HEADER_SIZE - 4);
	for (unsigned int i = 0; i < 4; i++)
		data[SIDECAR_HEADER_SIZE - 4 + i] = (uint8_t)(crc >> 8 * i);
}

/* An even first byte: changes of three bytes, place and value. An odd one: the file. */
static size_t make_file(const uint8_t *data, size_t size)
{
	size_t length = right_length;

	memcpy(file, right, right_length);
	if (size && data[0] & 1) {
		memset(file, 0, SIDECAR_HEADER_SIZE);
		memcpy(file, data + 1, size - 1);
		length = size - 1 > SIDECAR_HEADER_SIZE ? size - 1 : SIDECAR_HEADER_SIZE;
	}
	for (size_t at = 1; !(data[0] & 1) && at + 3 <= size; at += 3)
		file[(data[at] | (size_t)data[at + 1] << 8) % length] = data[at + 2];
	make_fit(file);
	return length;
}

static void write_file(size_t length)
{
	_cleanup_close_ int fd = open(index_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	REQUIRE(fd >= 0 && write(fd, file, length) == (ssize_t)length, "cannot write the index");
}

static bool is_part_of(const struct found *some, const struct found *all)
{
	size_t at = 0;

	for (size_t i = 0; i < some->count; i++, at++) {
		while (at < all->count && all->index[at] != some->index[i])
			at++;
		if (at == all->count)
			return false;
	}
	return true;
}

static void on_finding(const struct index_finding *finding, void *userdata)
{
	unsigned int *count = userdata;

	REQUIRE(*finding->words && finding->record < RECORDS, "a finding without words");
	++*count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct audit_stats_options all = {.until_ns = UINT64_MAX},
					 some = {.since_ns = 3000000000, .until_ns = 9000000000};
	struct index_report report;
	struct audit_stats stats;
	unsigned int findings = 0;
	struct fault f = {0};
	struct found found;
	size_t length;

	if (!size || size > INPUT_MAX)
		return 0;
	length = make_file(data, size);
	write_file(length);
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		search(i, false, &found);
		REQUIRE(is_part_of(&found, &truth[i]), "more was found than there is");
	}
	REQUIRE(audit_stats(log_path, &all, &stats, &f) == 0, "%s", f.text);
	REQUIRE(stats.records <= RECORDS, "%llu records", (unsigned long long)stats.records);
	audit_stats_done(&stats);
	REQUIRE(audit_stats(log_path, &some, &stats, &f) == 0, "%s", f.text);
	audit_stats_done(&stats);
	REQUIRE(audit_index_check(log_path, on_finding, &findings, &report, &f) == 0, "%s", f.text);
	REQUIRE(findings == (length != right_length || memcmp(file, right, length) != 0),
		"%u findings", findings);
	return 0;
}
