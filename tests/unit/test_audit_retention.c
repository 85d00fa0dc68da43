/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records that are past their time are taken out and the chain still verifies, as long as the log says that they were;
 * what is taken out without a record, or put back otherwise, is found.
 */
#include "test_audit.h"

#include <sys/wait.h>
#include <zlib.h>

#include "audit/archives.h"
#include "audit/hash.h"
#include "audit/index.h"
#include "audit/rewrite.h"
#include "audit/search.h"
#include "audit/snapshot.h"
#include "audit/stats.h"

#define SEGMENT_BYTES 9000 /* some ten records */
#define BATCHES	      12
#define BATCH	      3

static bool all(const char *data, const struct record_view *view, void *userdata)
{
	(void)data;
	(void)view;
	(void)userdata;
	return true;
}

static bool each_other(const char *data, const struct record_view *view, void *userdata)
{
	(void)data;
	(void)userdata;
	return view->index % 2;
}

/* All of a batch, one of another. */
static bool a_batch_and_some(const char *data, const struct record_view *view, void *userdata)
{
	(void)data;
	(void)userdata;
	return view->index % 9 < 5;
}

static int found(const struct reader_record *record, void *userdata)
{
	(void)userdata;
	assert_non_null(record->data);
	return 0;
}

static void wrong_index(const struct index_finding *finding, void *userdata)
{
	(void)userdata;
	fail_msg("%s", finding->words);
}

static bool none(const char *data, const struct record_view *view, void *userdata)
{
	(void)data;
	(void)view;
	(void)userdata;
	return false;
}

/* What the engine records before it puts the new file in place. */
static void explain(const struct log *l, const struct rewrite *w)
{
	_cleanup_(chain_closep) struct chain *c = log_open(l, SEGMENT_BYTES);
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_RETENTION_ARCHIVED,
		.resource = {"segment", "it"},
		.details = &details,
	};
	char hash[AUDIT_HASH_TEXT];

	hex_format(w->hash_after, AUDIT_HASH_SIZE, hash);
	audit_details_u64(&details, "segment", w->segment);
	audit_details_string(&details, "sha256_after", hash);
	assert_int_equal(chain_append(c, &record), 0);
	commit(c);
}

static int open_directory(const struct log *l)
{
	int fd = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static struct rewrite stage(int dir, uint64_t segment,
			    bool (*expired)(const char *, const struct record_view *, void *),
			    int want)
{
	struct rewrite w;
	struct fault f = {0};
	int r = rewrite_stage(dir, segment, expired, NULL, NULL, &w, &f);

	if (r != want)
		fail_msg("%d: %s", r, f.text);
	return w;
}

static void replace(int dir, const struct rewrite *w)
{
	struct fault f = {0};

	if (rewrite_commit(dir, w, &f) < 0)
		fail_msg("%s", f.text);
}

static uint64_t count_read(const struct log *l)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	struct reader_record record;
	struct fault f = {0};
	uint64_t n = 0;
	int r;

	assert_int_equal(reader_open(l->path, &reader, &f), 0);
	while ((r = reader_next(reader, &record, &f)) == 1)
		n++;
	if (r < 0)
		fail_msg("%s", f.text);
	return n;
}

static void expire_all(const struct log *l,
		       bool (*expired)(const char *, const struct record_view *, void *))
{
	_cleanup_close_ int dir = open_directory(l);
	_cleanup_free_ uint64_t *segments = NULL;
	struct fault f = {0};
	size_t count;

	assert_int_equal(rewrite_candidates(dir, &segments, &count, &f), 0);
	assert_true(count >= 2);
	for (size_t i = 0; i < count; i++) {
		struct rewrite w = stage(dir, segments[i], expired, 1);

		assert_true(w.bytes_after < w.bytes_before);
		explain(l, &w);
		replace(dir, &w);
	}
}

static void still_verifies(void **state)
{
	const struct log *l = *state;
	uint64_t before, records = BATCHES * BATCH;
	struct audit_verdict v;

	log_make(l, SEGMENT_BYTES, BATCHES, BATCH);
	before = verdict(l).segments;
	expire_all(l, each_other);
	v = verdict(l);
	assert_string_equal(v.words, "");
	assert_int_equal(v.status, AUDIT_OK);
	assert_true(v.expired >= 6);
	assert_int_equal(count_read(l), v.records - v.expired);
	assert_true(v.records >= records + before - 1);
	/* The rest of them, later. */
	expire_all(l, all);
	v = verdict(l);
	assert_int_equal(v.status, AUDIT_OK);
	assert_int_equal(count_read(l), v.records - v.expired);
	/* And the log goes on. */
	log_make(l, SEGMENT_BYTES, 2, 2);
	assert_in_order(l, v.records + 4);
}

static void unexplained(void **state)
{
	const struct log *l = *state;
	_cleanup_close_ int dir = -1;
	struct audit_verdict v;
	struct rewrite w;

	log_make(l, SEGMENT_BYTES, BATCHES, BATCH);
	dir = open_directory(l);
	w = stage(dir, 0, each_other, 1);
	assert_in_order(l, BATCHES * BATCH); /* nothing happened yet */
	replace(dir, &w);
	v = verdict(l);
	assert_int_equal(v.finding, AUDIT_FINDING_RECORD_STUBBED);
	assert_int_equal(v.status, AUDIT_INCOMPLETE);
	assert_int_equal(v.index, 1);
	assert_string_equal(v.segment, FIRST_SEGMENT);
	explain(l, &w);
	assert_int_equal(verdict(l).status, AUDIT_OK);
}

/* Each byte of the first frame of the first segment, once the records that @expired picks are gone. */
static void any_bit(const struct log *l,
		    bool (*expired)(const char *, const struct record_view *, void *),
		    enum frame_type type)
{
	_cleanup_(bytes_done) struct bytes b = {0};
	_cleanup_close_ int dir = -1;
	uint8_t frame[2 * SEGMENT_BYTES];
	struct rewrite w;
	size_t size;

	log_make(l, SEGMENT_BYTES, BATCHES, BATCH);
	dir = open_directory(l);
	w = stage(dir, 0, expired, 1);
	explain(l, &w);
	replace(dir, &w);
	assert_int_equal(verdict(l).status, AUDIT_OK);
	b = file_get(l, FIRST_SEGMENT);
	assert_int_equal(b.data[SEGMENT_HEADER_SIZE + 8], type);
	assert_int_equal(frame_measure(b.data + SEGMENT_HEADER_SIZE, &size), 0);
	assert_true(size < sizeof(frame));
	for (size_t at = 0; at < size; at++) {
		memcpy(frame, b.data + SEGMENT_HEADER_SIZE, size);
		frame[at] ^= 1;
		fix_checksum(frame,
			     b.data[SEGMENT_HEADER_SIZE] + 256U * b.data[SEGMENT_HEADER_SIZE + 1]);
		for (size_t i = 0; i < size; i++)
			file_poke(l, FIRST_SEGMENT, SEGMENT_HEADER_SIZE + i, frame[i]);
		if (memcmp(frame, b.data + SEGMENT_HEADER_SIZE, size) != 0 &&
		    verdict(l).status == AUDIT_OK)
			fail_msg("byte %zu", at);
	}
	file_put(l, FIRST_SEGMENT, b.data, b.length);
	assert_int_equal(verdict(l).status, AUDIT_OK);
}

static bool first(const char *data, const struct record_view *view, void *userdata)
{
	(void)data;
	(void)userdata;
	return view->index == 0;
}

/* Also the hash in a stub that only other stubs follow, which no record names. */
static void any_bit_of_a_stub(void **state)
{
	any_bit(*state, first, FRAME_STUB);
}

static void any_bit_of_what_is_gone(void **state)
{
	any_bit(*state, all, FRAME_GONE);
}

/* What is left of a segment of which all is gone: its header, and a frame with a hash for each record. */
static void room_comes_back(void **state)
{
	const struct log *l = *state;
	_cleanup_close_ int dir = -1;
	struct audit_verdict v;
	struct rewrite w;
	struct stat st;
	char path[160];

	log_make(l, SEGMENT_BYTES, BATCHES, BATCH);
	dir = open_directory(l);
	w = stage(dir, 0, each_other, 1); /* stubs first: they become part of it */
	explain(l, &w);
	replace(dir, &w);
	w = stage(dir, 0, all, 1);
	explain(l, &w);
	replace(dir, &w);
	file_path(l, FIRST_SEGMENT, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size,
			 SEGMENT_HEADER_SIZE +
				 frame_size(FRAME_GONE_FIXED + w.next_index * AUDIT_HASH_SIZE) +
				 FRAME_SEAL_SIZE);
	v = verdict(l);
	assert_string_equal(v.words, "");
	assert_int_equal(v.status, AUDIT_OK);
	assert_int_equal(v.expired, w.next_index);
	assert_int_equal(count_read(l), v.records - v.expired);
}

/* Searched with the index and without, each record beside a stub is found, and none that is gone. */
static void search_beside_stubs(void **state)
{
	const struct log *l = *state;
	struct audit_search_options options = {.from = SEARCH_BEGIN, .limit = 10000};
	struct audit_search_result result, plain;
	struct index_report report;
	struct audit_query q;
	struct fault f = {0};
	uint64_t living;

	log_make(l, SEGMENT_BYTES, BATCHES, BATCH);
	expire_all(l, a_batch_and_some);
	living = count_read(l);
	assert_int_equal(audit_index_rebuild(l->path, &report, &f), 0);
	assert_int_equal(report.indexed, report.segments);
	assert_int_equal(report.covered, report.records);
	assert_int_equal(audit_index_check(l->path, wrong_index, NULL, &report, &f), 0);
	audit_query_init(&q);
	for (int oldest = 0; oldest < 2; oldest++) {
		options.oldest = oldest;
		options.scan = false;
		assert_int_equal(audit_search(l->path, &q, &options, found, NULL, &result, &f), 0);
		assert_int_equal(result.matched, living);
		assert_int_equal(result.examined, living); /* the index knows what is gone */
		assert_int_equal(result.indexed, result.segments);
		options.scan = true;
		assert_int_equal(audit_search(l->path, &q, &options, found, NULL, &plain, &f), 0);
		assert_int_equal(plain.matched, living);
	}
	assert_int_equal(audit_query_set(&q, QUERY_SINCE, "2020-01-01", &f), 0);
	options.scan = false;
	assert_int_equal(audit_search(l->path, &q, &options, found, NULL, &result, &f), 0);
	assert_int_equal(result.matched, living);
	for (int scan = 0; scan < 2; scan++) {
		_cleanup_(audit_stats_done) struct audit_stats stats = {0};
		struct audit_stats_options counted = {.until_ns = UINT64_MAX, .scan = scan};

		if (audit_stats(l->path, &counted, &stats, &f) < 0)
			fail_msg("%s", f.text);
		assert_int_equal(stats.records, living);
		assert_int_equal(stats.from_index, scan ? 0 : living);
	}
}

static void last_segment_stays(void **state)
{
	const struct log *l = *state;
	_cleanup_free_ uint64_t *segments = NULL;
	_cleanup_close_ int dir = -1;
	struct fault f = {0};
	size_t count;

	log_make(l, 0, BATCHES, BATCH);
	dir = open_directory(l);
	assert_int_equal(rewrite_candidates(dir, &segments, &count, &f), 0);
	assert_int_equal(count, 0);
	assert_int_equal(rewrite_stage(dir, 0, all, NULL, NULL, &(struct rewrite){0}, &f), -ENOENT);
}

static void nothing_expired(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes before = {0}, after = {0};
	_cleanup_close_ int dir = -1;

	log_make(l, SEGMENT_BYTES, BATCHES, BATCH);
	before = file_get(l, FIRST_SEGMENT);
	dir = open_directory(l);
	stage(dir, 0, none, 0);
	after = file_get(l, FIRST_SEGMENT);
	assert_int_equal(before.length, after.length);
	assert_memory_equal(before.data, after.data, before.length);
}

static void damaged_stays(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes b = {0};
	_cleanup_close_ int dir = -1;
	struct fault f = {0};
	struct rewrite w;

	log_make(l, SEGMENT_BYTES, BATCHES, BATCH);
	b = file_get(l, FIRST_SEGMENT);
	file_poke(l, FIRST_SEGMENT, SEGMENT_HEADER_SIZE + 100,
		  b.data[SEGMENT_HEADER_SIZE + 100] ^ 1);
	dir = open_directory(l);
	assert_int_equal(rewrite_stage(dir, 0, all, NULL, NULL, &w, &f), -EBADMSG);
	assert_string_equal(f.code, "audit.damaged");
	/* Changed between the two steps. */
	file_put(l, FIRST_SEGMENT, b.data, b.length);
	w = stage(dir, 0, all, 1);
	file_poke(l, FIRST_SEGMENT, SEGMENT_HEADER_SIZE + 100,
		  b.data[SEGMENT_HEADER_SIZE + 100] ^ 1);
	assert_int_equal(rewrite_commit(dir, &w, &f), -ESTALE);
}

/* A torn batch behind what counts is still accounted for by the next header. */
static void torn_segment(void **state)
{
	const struct log *l = *state;
	_cleanup_close_ int dir = -1;
	struct audit_verdict v;
	struct rewrite w;
	char path[160];
	FILE *file;

	log_make(l, 0, BATCHES, BATCH);
	file_path(l, FIRST_SEGMENT, path);
	file = fopen(path, "ae");
	assert_non_null(file);
	fputs("half a batch", file);
	fclose(file);
	log_make(l, 0, 1, 1);
	v = verdict(l);
	assert_int_equal(v.segments, 2);
	dir = open_directory(l);
	w = stage(dir, 0, each_other, 1);
	explain(l, &w);
	replace(dir, &w);
	v = verdict(l);
	assert_string_equal(v.words, "");
	assert_int_equal(v.status, AUDIT_OK);
	assert_int_equal(v.expired, BATCHES * BATCH / 2);
	assert_int_equal(count_read(l), v.records - v.expired);
}

/* A log and a former copy of it are still the same log, also where the copy ended at a record that is gone. */
static void same_log_as_before(void **state)
{
	const struct log *l = *state;
	enum audit_relation relation;
	char copy[128];
	_cleanup_close_ int dir = -1;
	struct fault f = {0};
	struct rewrite w;
	pid_t child;

	log_make(l, SEGMENT_BYTES, 1, BATCH);
	snprintf(copy, sizeof(copy), "%s/copy", l->root);
	child = fork();
	if (child == 0) {
		execlp("cp", "cp", "-a", l->path, copy, NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &(int){0}, 0), child);
	log_make(l, SEGMENT_BYTES, BATCHES, BATCH);
	dir = open_directory(l);
	w = stage(dir, 0, all, 1);
	explain(l, &w);
	replace(dir, &w);
	assert_int_equal(audit_compare(l->path, copy, &relation, NULL, &f), 0);
	assert_int_equal(relation, AUDIT_RELATION_CONTAINS);
}

static void archive_is_the_segment(void **state)
{
	const struct log *l = *state;
	_cleanup_(bytes_done) struct bytes before = {0};
	char name[REWRITE_ARCHIVE_NAME_SIZE], path[256];
	_cleanup_close_ int dir = -1;
	uint8_t buffer[2 * SEGMENT_BYTES];
	struct fault f = {0};
	struct rewrite w;
	gzFile gz;

	log_make(l, SEGMENT_BYTES, BATCHES, BATCH);
	before = file_get(l, FIRST_SEGMENT);
	dir = open_directory(l);
	w = stage(dir, 0, all, 1);
	for (unsigned int i = 0; i < 2; i++) /* the second time it is there */
		if (rewrite_archive(dir, &w, &f) < 0)
			fail_msg("%s", f.text);
	rewrite_archive_name(&w, name);
	snprintf(path, sizeof(path), "%s/archive/%s", l->path, name);
	gz = gzopen(path, "rb");
	assert_non_null(gz);
	assert_int_equal(gzread(gz, buffer, sizeof(buffer)), (int)before.length);
	gzclose(gz);
	assert_memory_equal(buffer, before.data, before.length);
	/* One that does not hold it is made again. */
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(rewrite_archive(dir, &w, &f), 0);
	gz = gzopen(path, "rb");
	assert_int_equal(gzread(gz, buffer, sizeof(buffer)), (int)before.length);
	gzclose(gz);
}

/* What a death left of one, its manifest, is listed, so that the next run ends it. */
static void archives_by_their_manifests(void **state)
{
	const struct log *l = *state;
	char name[REWRITE_ARCHIVE_NAME_SIZE], path[256], hash[AUDIT_HASH_TEXT];
	_cleanup_free_ struct archive *list = NULL, *left = NULL, *none_left = NULL, *bare = NULL;
	_cleanup_close_ int dir = -1;
	struct fault f = {0};
	struct rewrite w;
	size_t count;

	log_make(l, SEGMENT_BYTES, BATCHES, BATCH);
	dir = open_directory(l);
	assert_int_equal(archives_list(dir, &list, &count, &f), 0);
	assert_int_equal(count, 0);
	w = stage(dir, 0, all, 1);
	assert_int_equal(rewrite_archive(dir, &w, &f), 0);
	snprintf(path, sizeof(path), "%s/archive/strange.seg.gz.json", l->path);
	fclose(fopen(path, "we"));
	free(list);
	assert_int_equal(archives_list(dir, &list, &count, &f), 0);
	assert_int_equal(count, 1);
	rewrite_archive_name(&w, name);
	hex_format(w.hash_before, AUDIT_HASH_SIZE, hash);
	assert_string_equal(list[0].name, name);
	assert_string_equal(list[0].sha256, hash);
	assert_int_equal(list[0].segment, 0);
	assert_int_equal(strlen(list[0].archived_at), CLOCK_RFC3339_SIZE - 1);
	assert_true(list[0].is_there);
	snprintf(path, sizeof(path), "%s/archive/%s", l->path, name);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(archives_list(dir, &left, &count, &f), 0);
	assert_int_equal(count, 1);
	assert_false(left[0].is_there);
	assert_int_equal(archives_remove(dir, &left[0], &f), 0);
	assert_int_equal(archives_list(dir, &none_left, &count, &f), 0);
	assert_int_equal(count, 0);
	assert_int_equal(archives_remove(dir, &left[0], &f), 0); /* it is gone */
	/* One without a manifest is there, and nobody knows how old it is. */
	assert_int_equal(rewrite_archive(dir, &w, &f), 0);
	snprintf(path, sizeof(path), "%s/archive/%s.json", l->path, name);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(archives_list(dir, &bare, &count, &f), 0);
	assert_int_equal(count, 1);
	assert_true(bare[0].is_there);
	assert_string_equal(bare[0].archived_at, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define LOG_TEST(name, fn) {name, fn, log_set_up, log_tear_down, NULL}
		LOG_TEST("a log verifies after records expired, twice, and goes on",
			 still_verifies),
		LOG_TEST("records that were taken out without a record of it are a finding",
			 unexplained),
		LOG_TEST("any byte of a stub that is changed is found", any_bit_of_a_stub),
		LOG_TEST("any byte of what stands for whole batches that is changed is found",
			 any_bit_of_what_is_gone),
		LOG_TEST("of a segment of which every record expired a hash of each is left",
			 room_comes_back),
		LOG_TEST("a search misses no record beside those that expired",
			 search_beside_stubs),
		LOG_TEST("nothing is taken out of the segment that is written to",
			 last_segment_stays),
		LOG_TEST("a segment in which nothing expired stays as it is", nothing_expired),
		LOG_TEST("a segment that is damaged, or changed meanwhile, stays as it is",
			 damaged_stays),
		LOG_TEST("records of a segment with a torn end can expire", torn_segment),
		LOG_TEST("a log with expired records contains what it was before",
			 same_log_as_before),
		LOG_TEST("the archive holds the very bytes of the segment", archive_is_the_segment),
		LOG_TEST("archives are listed and removed by their manifests",
			 archives_by_their_manifests),
	};

	return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
