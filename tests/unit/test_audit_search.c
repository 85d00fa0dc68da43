/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Searching the log: the same records are found with and without an index, in both orders, page by page. An index
 * that somebody edited can hide a record, which is found out; it cannot make one up.
 */
#include "test_audit.h"

#include "audit/index.h"
#include "audit/indexer.h"
#include "audit/search.h"
#include "audit/stats.h"
#include "base/clock.h"

#define SEGMENT	  20000
#define BATCHES	  40
#define BATCH	  10
#define ALL	  (BATCHES * BATCH)
#define START_NS  (1790000000ULL * NSEC_PER_SEC)
#define FOUND_MAX 1000

/* Record number @i of the log that is searched: a bit of everything. */
static void add_mixed(struct chain *c, unsigned int i)
{
	struct audit_details d = {0};
	struct audit_record r = {.details = &d, .time_ns = START_NS + i * 60 * NSEC_PER_SEC};
	char address[32], name[64];

	snprintf(address, sizeof(address), "198.18.%u.%u", i % 7, i % 11);
	snprintf(name, sizeof(name), "a limit with quite a long name %u \"quoted\"", i % 3);
	switch (i % 5) {
	case 0:
		r.event = AUDIT_EVENT_LIST_ADD;
		snprintf(address, sizeof(address), "198.18.%u.0/24", i % 7);
		r.resource = (struct audit_resource){"block", address};
		r.actor = (struct audit_actor){"1000", "ann", "admin", "2001:db8::7"};
		audit_details_string(&d, "reason", "Port Scan");
		break;
	case 1:
		r.event = AUDIT_EVENT_AUTH_DENIED;
		r.outcome = AUDIT_DENIED;
		r.severity = 3 + i % 3;
		r.resource = (struct audit_resource){"request", "/v1/lists/block"};
		r.actor = (struct audit_actor){"65534", "nobody", "public", NULL};
		break;
	case 2:
		r.event = AUDIT_EVENT_FLAG_SET;
		r.resource = (struct audit_resource){"flag", "strict"};
		audit_details_string(&d, "sources", "10.0.0.0/8,203.0.113.9");
		break;
	default:
		r.event = AUDIT_EVENT_RATELIMIT_DROPPED;
		r.resource = (struct audit_resource){"source", address};
		audit_details_string(&d, "limit", name);
		audit_details_u64(&d, "packets", i);
	}
	assert_int_equal(chain_append(c, &r), 0);
}

static void make_log(const struct log *l)
{
	_cleanup_(chain_closep) struct chain *c = log_open(l, SEGMENT);

	for (unsigned int i = 0; i < ALL; i++) {
		add_mixed(c, i);
		if (i % BATCH == BATCH - 1)
			commit(c);
	}
	assert_true(verdict(l).segments > 5);
}

static void rebuild(const struct log *l)
{
	struct index_report report;
	struct fault f = {0};

	if (audit_index_rebuild(l->path, &report, &f) < 0)
		fail_msg("%s", f.text);
	assert_int_equal(report.covered, report.records);
}

struct found {
	uint64_t index[FOUND_MAX];
	size_t count;
};

static int keep(const struct reader_record *record, void *userdata)
{
	struct found *found = userdata;

	assert_true(found->count < FOUND_MAX);
	found->index[found->count++] = record->view.index;
	return 0;
}

static void ask(struct audit_query *q, enum query_criterion criterion, const char *words)
{
	struct fault f = {0};

	if (audit_query_set(q, criterion, words, &f) < 0)
		fail_msg("%s", f.text);
}

static struct audit_search_result search(const struct log *l, const struct audit_query *q,
					 bool oldest, bool scan, uint32_t page, struct found *ret)
{
	struct audit_search_options options = {
		.oldest = oldest, .scan = scan, .from = SEARCH_BEGIN, .limit = page};
	struct audit_search_result result, sum = {0};
	struct fault f = {0};

	*ret = (struct found){0};
	do {
		if (audit_search(l->path, q, &options, keep, ret, &result, &f) < 0)
			fail_msg("%s", f.text);
		options.from = result.next;
		sum.examined += result.examined;
		sum.indexed += result.indexed;
		sum.damaged += result.damaged;
		sum.tip = result.tip;
	} while (result.page != AUDIT_PAGE_END);
	return sum;
}

/* What must be found: every record is read and matched, in order. */
static void expect(const struct log *l, const struct audit_query *q, bool oldest, struct found *ret)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	struct reader_record record;

	*ret = (struct found){0};
	assert_int_equal(reader_open(l->path, &reader, NULL), 0);
	while (reader_next(reader, &record, NULL) == 1)
		if (audit_query_match(q, &record.view))
			keep(&record, ret);
	for (size_t i = 0; !oldest && i < ret->count / 2; i++) {
		uint64_t swap = ret->index[i];

		ret->index[i] = ret->index[ret->count - 1 - i];
		ret->index[ret->count - 1 - i] = swap;
	}
}

static const struct {
	enum query_criterion criterion[3];
	const char *words[3];
	size_t count; /* of records in ALL */
} questions[] = {
	{{0}, {NULL}, ALL},
	{{QUERY_TYPE}, {"list.add"}, 80},
	{{QUERY_TYPE}, {"*.d?n*"}, 80},
	{{QUERY_TYPE}, {"watchdog.tripped"}, 0},
	{{QUERY_CATEGORY}, {"traffic"}, 160},
	{{QUERY_SEVERITY}, {"4"}, 53},
	{{QUERY_OUTCOME}, {"denied"}, 80},
	{{QUERY_ACTOR}, {"ann"}, 80},
	{{QUERY_ACTOR}, {"1000"}, 80},
	{{QUERY_ACTOR}, {"weir"}, 240},
	{{QUERY_ACTOR}, {"an"}, 0},
	{{QUERY_ADDRESS}, {"2001:db8::7"}, 80},
	{{QUERY_ADDRESS}, {"203.0.113.9"}, 80},
	{{QUERY_ADDRESS}, {"10.1.2.3"}, 80},   /* prefixes around it */
	{{QUERY_ADDRESS}, {"10.0.0.0/7"}, 80}, /* and in it */
	{{QUERY_ADDRESS}, {"198.18.3.0/24"}, 35},
	{{QUERY_ADDRESS}, {"198.18.0.0/15"}, 240},
	{{QUERY_ADDRESS}, {"::/0"}, 320},
	{{QUERY_ADDRESS}, {"192.0.2.1"}, 0},
	{{QUERY_RULE}, {"block"}, 80},
	{{QUERY_RULE}, {"strict"}, 80},
	{{QUERY_RULE}, {"a limit with quite a long name 1 \"quoted\""}, 53},
	{{QUERY_RULE}, {"a limit with quite a long name 7 \"quoted\""}, 0},
	{{QUERY_RESOURCE}, {"flag"}, 80},
	{{QUERY_RESOURCE}, {"flag/strict"}, 80},
	{{QUERY_RESOURCE}, {"request//v1/lists/block"}, 80},
	{{QUERY_RESOURCE}, {"block/198.18.0.0/24"}, 12},
	{{QUERY_RESOURCE}, {"flag/block"}, 0},
	{{QUERY_TEXT}, {"port scan"}, 80},
	{{QUERY_TEXT}, {"\"QUOTED\""}, 160},
	{{QUERY_SINCE}, {"2026-09-21T14:43:20Z"}, 370},
	{{QUERY_SINCE, QUERY_UNTIL}, {"2026-09-21T14:43:20Z", "2026-09-21T14:53:20Z"}, 10},
	{{QUERY_TYPE, QUERY_ADDRESS, QUERY_SEVERITY}, {"ratelimit.*", "198.18.3.0/24", "2"}, 23},
	{{QUERY_ACTOR, QUERY_TEXT, QUERY_UNTIL}, {"ann", "scan", "2026-09-21T14:43:20Z"}, 6},
};

static void set_question(struct audit_query *q, size_t i)
{
	audit_query_init(q);
	for (size_t n = 0; n < 3 && questions[i].words[n]; n++)
		ask(q, questions[i].criterion[n], questions[i].words[n]);
}

/* All questions in both orders and with pages of several sizes. */
static void assert_all_found(const struct log *l, bool scan)
{
	static const uint32_t pages[] = {1000, 13};
	static struct found want, got;

	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		struct audit_query q;

		set_question(&q, i);
		for (unsigned int n = 0; n < 2 * ARRAY_SIZE(pages); n++) {
			expect(l, &q, n % 2, &want);
			search(l, &q, n % 2, scan, pages[n / 2], &got);
			if (got.count != want.count ||
			    memcmp(got.index, want.index, want.count * sizeof(want.index[0])) != 0)
				fail_msg("%s: %zu records, not %zu", questions[i].words[0] ?: "all",
					 got.count, want.count);
		}
	}
}

static void the_same_is_found_with_and_without_an_index(void **state)
{
	const struct log *l = *state;
	static struct found all;
	struct audit_search_result result;
	struct audit_query q;

	make_log(l);
	assert_all_found(l, false);
	rebuild(l);
	assert_all_found(l, false);
	assert_all_found(l, true);
	/* And the index is what finds it. */
	audit_query_init(&q);
	ask(&q, QUERY_ADDRESS, "198.18.3.3");
	result = search(l, &q, false, false, 1000, &all);
	assert_true(all.count > 0 && result.examined == all.count && result.indexed > 5);
	result = search(l, &q, false, true, 1000, &all);
	assert_true(result.examined == ALL && result.indexed == 0);
}

static void questions_mean_what_they_say(void **state)
{
	const struct log *l = *state;
	static struct found got;

	make_log(l);
	rebuild(l);
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		struct audit_query q;

		set_question(&q, i);
		search(l, &q, false, false, 1000, &got);
		if (got.count != questions[i].count)
			fail_msg("%s: %zu records, not %zu", questions[i].words[0] ?: "all",
				 got.count, questions[i].count);
	}
}

static void records_behind_the_index_are_found(void **state)
{
	const struct log *l = *state;
	struct chain *c;

	make_log(l);
	rebuild(l);
	c = log_open(l, SEGMENT);
	for (unsigned int i = 0; i < 25; i++) {
		add_mixed(c, i);
		commit(c);
		if (i % 5 == 0)
			assert_all_found(l, false);
	}
	add_mixed(c, 0); /* not committed, and not there */
	assert_all_found(l, false);
	chain_close(c);
	assert_all_found(l, false);
}

static void index_name(uint64_t first, char ret[static 48])
{
	char name[SIDECAR_NAME_SIZE];

	sidecar_name(first, name);
	snprintf(ret, 48, SIDECAR_DIR "/%s", name);
}

struct findings {
	struct index_finding last;
	unsigned int count;
};

static void on_finding(const struct index_finding *finding, void *userdata)
{
	struct findings *f = userdata;

	f->last = *finding;
	f->count++;
}

static struct findings check_index(const struct log *l)
{
	struct findings findings = {0};
	struct index_report report;
	struct fault f = {0};

	if (audit_index_check(l->path, on_finding, &findings, &report, &f) < 0)
		fail_msg("%s", f.text);
	assert_int_equal(report.wrong, findings.count);
	return findings;
}

/* What `weir audit verify` says. */
static struct audit_verdict verdict_with_indexes(const struct log *l)
{
	const struct audit_verify_options options = {.indexes = true};
	struct audit_verdict v;
	struct fault f = {0};

	if (audit_verify_with(l->path, &options, &v, &f) < 0)
		fail_msg("%s", f.text);
	return v;
}

/* Take a record away from a term of the first segment's index: the one with the key of @address. */
static void hide(const struct log *l, const char *address)
{
	struct bytes file;
	struct sidecar_key key;
	struct prefix p;
	char name[48];
	uint32_t records, terms;

	index_name(0, name);
	file = file_get(l, name);
	assert_int_equal(prefix_parse(address, &p), 0);
	sidecar_key_address(&key, &p);
	memcpy(&records, file.data + 12, 4);
	memcpy(&terms, file.data + 32, 4);
	for (uint32_t i = 0; i < terms; i++) {
		uint8_t *term = file.data + SIDECAR_HEADER_SIZE + 8 * (size_t)records +
				(size_t)i * SIDECAR_TERM_SIZE;

		if (memcmp(term, key.bytes, sizeof(key.bytes)) != 0)
			continue;
		/* One more in the number is another address. */
		term[16]++;
		file_put(l, name, file.data, file.length);
		bytes_done(&file);
		return;
	}
	fail_msg("%s is not in the index", address);
}

static void a_hidden_record_is_found_by_a_scan_and_by_the_check(void **state)
{
	const struct log *l = *state;
	static struct found before, after, scanned;
	struct findings findings;
	struct audit_verdict v;
	struct audit_query q;

	make_log(l);
	rebuild(l);
	assert_int_equal(check_index(l).count, 0);
	audit_query_init(&q);
	ask(&q, QUERY_ADDRESS, "198.18.3.3");
	search(l, &q, true, false, 1000, &before);
	assert_int_equal(before.index[0], 3);
	hide(l, "198.18.3.3");
	search(l, &q, true, false, 1000, &after);
	assert_int_equal(after.count, before.count - 1);
	search(l, &q, true, true, 1000, &scanned);
	assert_int_equal(scanned.count, before.count);
	findings = check_index(l);
	assert_int_equal(findings.count, 1);
	assert_int_equal(findings.last.record, 3);
	assert_non_null(strstr(findings.last.words, "198.18.3.3"));
	v = verdict_with_indexes(l);
	assert_int_equal(v.finding, AUDIT_FINDING_INDEX);
	assert_int_equal(v.index, 3);
	assert_string_equal(v.segment, "index/00000000000000000000.idx");
	assert_int_equal(verdict(l).status, AUDIT_OK);
	rebuild(l);
	assert_int_equal(check_index(l).count, 0);
	v = verdict_with_indexes(l);
	assert_int_equal(v.status, AUDIT_OK);
	assert_true(v.indexed > 0);
	assert_all_found(l, false);
}

/* One that cannot be an index is not used, so it is no finding; it is made again. */
static void a_cut_index_hides_nothing(void **state)
{
	const struct log *l = *state;
	struct bytes file;
	char name[48];

	make_log(l);
	rebuild(l);
	index_name(0, name);
	file = file_get(l, name);
	for (size_t length = 0; length < file.length; length += length < 300 ? 85 : 9973) {
		file_put(l, name, file.data, length);
		assert_int_equal(check_index(l).count, 1);
		if (length < SIDECAR_HEADER_SIZE)
			assert_int_equal(verdict_with_indexes(l).status, AUDIT_OK);
		assert_all_found(l, false);
	}
	file_remove(l, name);
	assert_int_equal(verdict_with_indexes(l).status, AUDIT_OK);
	bytes_done(&file);
}

/* Whatever stands in an index, what is shown meets the query and is in the log. */
static void an_index_cannot_make_up_a_record(void **state)
{
	const struct log *l = *state;
	static struct found real, got;
	struct bytes file;
	struct audit_query q;
	char name[48];

	make_log(l);
	rebuild(l);
	index_name(0, name);
	file = file_get(l, name);
	audit_query_init(&q);
	ask(&q, QUERY_TYPE, "list.add");
	ask(&q, QUERY_UNTIL, "2026-09-21T15:00:00Z");
	expect(l, &q, true, &real);
	/* Small changes lead to another record or term, large ones out of the file. */
	for (size_t at = 0; at < file.length; at += 5) {
		size_t next = 0;

		file_poke(l, name, at, file.data[at] ^ (at % 2 ? 0x01 : 0x41));
		search(l, &q, true, false, 1000, &got);
		for (size_t i = 0; i < got.count; i++) {
			while (next < real.count && real.index[next] != got.index[i])
				next++;
			if (next == real.count)
				fail_msg("byte %zu: record %llu", at,
					 (unsigned long long)got.index[i]);
		}
		if (at % 50 == 0)
			assert_int_equal(check_index(l).count, 1);
		file_poke(l, name, at, file.data[at]);
	}
	assert_int_equal(check_index(l).count, 0);
	bytes_done(&file);
}

static int search_once(const struct log *l, bool scan, struct fault *f)
{
	static struct found got;
	struct audit_search_options options = {.scan = scan, .from = SEARCH_BEGIN, .limit = 1000};
	struct audit_search_result result;
	struct audit_query q;

	got = (struct found){0};
	audit_query_init(&q);
	return audit_search(l->path, &q, &options, keep, &got, &result, f);
}

static void a_changed_record_is_not_shown(void **state)
{
	const struct log *l = *state;
	struct fault f = {0};
	struct bytes file;
	uint8_t *frame;

	make_log(l);
	rebuild(l);
	file = file_get(l, FIRST_SEGMENT);
	frame = file.data + SEGMENT_HEADER_SIZE;
	/* "198.18.0.0/24" of the first record becomes another one, and its checksum is made right. */
	frame = memmem(frame, 4096, "198.18.0.0/24", 13);
	assert_non_null(frame);
	frame[7] = '1';
	fix_checksum(file.data + SEGMENT_HEADER_SIZE,
		     payload_length(file.data + SEGMENT_HEADER_SIZE));
	file_put(l, FIRST_SEGMENT, file.data, file.length);
	bytes_done(&file);
	for (unsigned int scan = 0; scan < 2; scan++) {
		assert_int_equal(search_once(l, scan, &f), -EBADMSG);
		assert_string_equal(f.code, "audit.damaged");
		assert_non_null(strstr(f.text, "near record 0:"));
	}
}

static void a_log_that_was_cut_off_is_not_searched_as_if_it_were_whole(void **state)
{
	const struct log *l = *state;
	struct fault f = {0};
	struct bytes file;

	make_small_log(l);
	assert_int_equal(search_once(l, false, &f), 0);
	file = file_get(l, SECOND_SEGMENT);
	file_put(l, SECOND_SEGMENT, file.data, file.length - 1);
	assert_int_equal(search_once(l, false, &f), -EBADMSG);
	file_put(l, SECOND_SEGMENT, file.data, file.length);
	bytes_done(&file);
	file = file_get(l, FIRST_SEGMENT);
	file_put(l, FIRST_SEGMENT, file.data, file.length - 400);
	assert_int_equal(search_once(l, false, &f), -EBADMSG);
	bytes_done(&file);
}

static void a_search_whose_time_is_over_goes_on_where_it_ended(void **state)
{
	const struct log *l = *state;
	struct audit_search_options options = {
		.from = SEARCH_BEGIN, .limit = FOUND_MAX, .deadline_ns = 1};
	static struct found want, got;
	struct audit_search_result result;
	unsigned int pages = 0;
	struct audit_query q;

	make_log(l);
	got = (struct found){0};
	audit_query_init(&q);
	ask(&q, QUERY_TEXT, "scan");
	expect(l, &q, false, &want);
	do {
		assert_int_equal(audit_search(l->path, &q, &options, keep, &got, &result, NULL), 0);
		options.from = result.next;
		pages++;
	} while (result.page == AUDIT_PAGE_PARTIAL);
	assert_true(pages > 5);
	assert_int_equal(got.count, want.count);
	assert_memory_equal(got.index, want.index, want.count * sizeof(want.index[0]));
}

static void an_empty_log_has_nothing(void **state)
{
	const struct log *l = *state;
	struct audit_stats stats;

	chain_close(log_open(l, 0));
	assert_int_equal(search_once(l, false, NULL), 0);
	assert_int_equal(audit_stats(l->path, &(struct audit_stats_options){.until_ns = UINT64_MAX},
				     &stats, NULL),
			 0);
	assert_int_equal(stats.records, 0);
	audit_stats_done(&stats);
}

static uint64_t count_of(const struct audit_counts *counts, const char *name)
{
	for (size_t i = 0; i < counts->count; i++)
		if (strcmp(counts->items[i].name, name) == 0)
			return counts->items[i].count;
	return 0;
}

static json_t *stats_of(const struct log *l, uint64_t since_ns, uint64_t until_ns, bool scan)
{
	const struct audit_stats_options options = {
		.since_ns = since_ns, .until_ns = until_ns, .scan = scan};
	struct audit_stats stats;
	struct fault f = {0};
	json_t *json;

	if (audit_stats(l->path, &options, &stats, &f) < 0)
		fail_msg("%s", f.text);
	if (scan)
		assert_int_equal(stats.from_index, 0);
	stats.from_index = 0;
	json = audit_stats_json(&stats, 100);
	assert_non_null(json);
	audit_stats_done(&stats);
	return json;
}

static void counts_are_the_same_with_and_without_an_index(void **state)
{
	const struct log *l = *state;
	const struct audit_stats_options all = {.until_ns = UINT64_MAX};
	struct audit_stats s;

	make_log(l);
	rebuild(l);
	assert_int_equal(audit_stats(l->path, &all, &s, NULL), 0);
	assert_int_equal(s.records, ALL);
	assert_int_equal(s.from_index, ALL);
	assert_int_equal(s.first_index, 0);
	assert_int_equal(s.last_index, ALL - 1);
	assert_int_equal(count_of(&s.types, "ratelimit.dropped"), 160);
	assert_int_equal(count_of(&s.categories, "traffic"), 160);
	assert_int_equal(count_of(&s.actors, "ann"), 80);
	assert_int_equal(count_of(&s.actors, "weir"), 240);
	assert_int_equal(count_of(&s.rules, "block"), 80);
	assert_int_equal(s.severities[1] + s.severities[2] + s.severities[3] + s.severities[4] +
				 s.severities[5],
			 ALL);
	assert_int_equal(s.hour_count, 7);
	audit_stats_done(&s);
	for (unsigned int i = 0; i < 40; i++) {
		uint64_t since = START_NS + i * 600 * NSEC_PER_SEC,
			 until = since + i * 900 * NSEC_PER_SEC;
		json_t *indexed = stats_of(l, since, until, false);
		json_t *scanned = stats_of(l, since, until, true);

		if (!json_equal(indexed, scanned))
			fail_msg("%s\n%s", json_dumps(indexed, 0), json_dumps(scanned, 0));
		json_decref(indexed);
		json_decref(scanned);
	}
}

static void a_thread_makes_indexes_of_what_is_complete(void **state)
{
	const struct log *l = *state;
	struct indexer *indexer = NULL;
	struct indexer_stats stats;
	uint64_t segments;

	make_log(l);
	segments = verdict(l).segments;
	assert_int_equal(indexer_start(l->path, &indexer, NULL), 0);
	do {
		usleep(1000);
		indexer_get_stats(indexer, &stats);
	} while (stats.built + 1 < segments);
	indexer_stop(indexer);
	assert_int_equal(stats.failed, 0);
	assert_int_equal(check_index(l).count, 0);
	assert_all_found(l, false);
}

static uint64_t first_in_range(const struct log *l, uint64_t since_ns, uint64_t until_ns,
			       uint64_t *ret_count)
{
	_cleanup_(reader_closep) struct reader *r = NULL;
	struct reader_record record;
	uint64_t first = UINT64_MAX;
	struct fault f = {0};

	assert_int_equal(reader_open(l->path, &r, &f), 0);
	reader_set_range(r, since_ns, until_ns);
	for (*ret_count = 0; reader_next(r, &record, &f) == 1; ++*ret_count)
		if (first == UINT64_MAX)
			first = record.view.index;
	assert_int_equal(f.err, 0);
	return first;
}

/* An export of yesterday does not read the whole log. */
static void a_reader_passes_over_segments_of_another_time(void **state)
{
	const struct log *l = *state;
	uint64_t now_ns = clock_real_ns(), day_ns = 24 * 3600 * NSEC_PER_SEC, count, last;
	_cleanup_free_ uint64_t *segments = NULL;
	struct index_report report;
	struct fault f = {0};
	size_t segment_count;
	int dir;

	log_make(l, 9000, 12, 3);
	dir = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(directory_segments(dir, &segments, &segment_count), 0);
	close(dir);
	assert_true(segment_count >= 3);
	last = segments[segment_count - 1];
	/* Without indexes nothing is passed over. */
	assert_int_equal(first_in_range(l, now_ns + day_ns, UINT64_MAX, &count), 0);
	assert_int_equal(count, 36);
	assert_int_equal(audit_index_rebuild(l->path, &report, &f), 0);
	assert_int_equal(first_in_range(l, now_ns + day_ns, UINT64_MAX, &count), last);
	assert_int_equal(count, 36 - last);
	assert_int_equal(first_in_range(l, 0, now_ns - day_ns, &count), last);
	assert_int_equal(first_in_range(l, now_ns - day_ns, now_ns + day_ns, &count), 0);
	assert_int_equal(count, 36);
	assert_int_equal(first_in_range(l, 0, UINT64_MAX, &count), 0);
	assert_int_equal(count, 36);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, log_set_up, log_tear_down)
		TEST(a_reader_passes_over_segments_of_another_time),
		TEST(the_same_is_found_with_and_without_an_index),
		TEST(questions_mean_what_they_say),
		TEST(records_behind_the_index_are_found),
		TEST(a_hidden_record_is_found_by_a_scan_and_by_the_check),
		TEST(a_cut_index_hides_nothing),
		TEST(an_index_cannot_make_up_a_record),
		TEST(a_changed_record_is_not_shown),
		TEST(a_log_that_was_cut_off_is_not_searched_as_if_it_were_whole),
		TEST(a_search_whose_time_is_over_goes_on_where_it_ended),
		TEST(an_empty_log_has_nothing),
		TEST(counts_are_the_same_with_and_without_an_index),
		TEST(a_thread_makes_indexes_of_what_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
