/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What stands beside the segments of a log, and what takes their place: retention's new segments and archives, files of
 * events, indexes. Whoever makes these dies after each call, or loses power; the log verifies, says the truth about what
 * is there, and goes on.
 */
#include "test_audit.h"

#include <jansson.h>
#include <poll.h>
#include <zlib.h>

#include "../lib/crash.h"
#include "audit/evidence.h"
#include "audit/hash.h"
#include "audit/index.h"
#include "audit/indexer.h"
#include "audit/rewrite.h"
#include "audit/search.h"

#define SEGMENT_BYTES 9000
#define PROMISES_MAX  64
#define ARCHIVES_MAX  16

struct promise {
	uint64_t length;
	unsigned int archives, evidence; /* so many are there, and whole */
};

/* Shared between who works and who looks. */
struct plan {
	const struct log *log;
	struct promise promises[PROMISES_MAX], next;
	char archives[ARCHIVES_MAX][REWRITE_ARCHIVE_NAME_SIZE];
	uint8_t archived[ARCHIVES_MAX][AUDIT_HASH_SIZE];
};

static struct plan *make_plan(const struct log *l)
{
	struct plan *p = crash_shared(sizeof(*p));

	p->log = l;
	return p;
}

static int open_log(const struct plan *p, struct chain **ret)
{
	const struct chain_options options = {.segment_bytes = SEGMENT_BYTES};

	return chain_open(p->log->path, &options, ret, NULL);
}

static int open_directory(const struct plan *p)
{
	return open(p->log->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int promise(struct plan *p, struct chain *c, volatile uint64_t *acked)
{
	if (chain_commit(c, NULL) < 0)
		return -EIO;
	p->next.length = chain_length(c);
	p->promises[(*acked)++] = p->next;
	return 0;
}

static int put_batches(struct plan *p, struct chain *c, unsigned int batches,
		       volatile uint64_t *acked)
{
	int r = 0;

	for (unsigned int i = 0; i < batches && r == 0; i++) {
		for (unsigned int n = 0; n < 3; n++) {
			const struct audit_record record = {
				.event = AUDIT_EVENT_LIST_BLOCKED,
				.resource = {"source", i % 2 ? "198.51.100.7" : "198.51.100.8"},
			};

			chain_append(c, &record);
		}
		r = promise(p, c, acked);
	}
	return r;
}

/* The log as a daemon finds it: in order, with what was promised, and able to go on. */
static uint64_t look_at_log(const struct crash *x, const struct plan *p, uint64_t acked)
{
	struct audit_verdict v;
	struct fault f = {0};
	struct chain *c = NULL;

	if (open_log(p, &c) < 0 || chain_commit(c, &f) < 0)
		crash_broken(x, "opening", f.text);
	if (chain_origin(c) == CHAIN_VIOLATED)
		crash_broken(x, "called a violation", chain_origin_words(c));
	chain_close(c);
	v = verdict(p->log);
	if (v.status != AUDIT_OK)
		crash_broken(x, audit_finding_to_str(v.finding), v.words);
	if (acked && v.records < p->promises[acked - 1].length)
		crash_broken(x, "promised records", "are gone");
	if (v.evidence_gone)
		crash_broken(x, "a record of events", "without its file");
	if (acked && v.evidence < p->promises[acked - 1].evidence)
		crash_broken(x, "promised events", "are gone");
	return v.expired;
}

static bool each_other(const char *data, const struct record_view *view, void *userdata)
{
	(void)data;
	(void)userdata;
	return view->index % 2 && view->event_type.length == strlen("list.blocked") &&
	       memcmp(view->event_type.data, "list.blocked", view->event_type.length) == 0;
}

static int record(struct chain *c, enum audit_event event, const struct rewrite *w)
{
	struct audit_details d = {0};
	const struct audit_record record = {
		.event = event, .resource = {"segment", "it"}, .details = &d};
	char hash[AUDIT_HASH_TEXT];

	hex_format(w->hash_after, AUDIT_HASH_SIZE, hash);
	audit_details_u64(&d, "segment", w->segment);
	audit_details_string(&d, "sha256_after", hash);
	return chain_append(c, &record);
}

/* The steps of user/engine/retention.c for one segment. 0: nothing expired. */
static int expire(struct plan *p, struct chain *c, int dir, uint64_t segment,
		  volatile uint64_t *acked)
{
	struct rewrite w;
	int r = rewrite_stage(dir, segment, each_other, NULL, NULL, &w, NULL);

	if (r <= 0)
		return r;
	r = rewrite_archive(dir, &w, NULL);
	if (r == 0 && acked) {
		assert_true(p->next.archives < ARCHIVES_MAX);
		rewrite_archive_name(&w, p->archives[p->next.archives]);
		memcpy(p->archived[p->next.archives++], w.hash_before, AUDIT_HASH_SIZE);
	}
	r = r ?: record(c, AUDIT_EVENT_RETENTION_ARCHIVED, &w);
	r = r ?: acked ? promise(p, c, acked) : chain_commit(c, NULL);
	r = r ?: rewrite_commit(dir, &w, NULL);
	r = r ?: record(c, AUDIT_EVENT_RETENTION_EXPIRED, &w);
	r = r ?: acked ? promise(p, c, acked) : chain_commit(c, NULL);
	return r ?: 1;
}

static int expire_all(struct plan *p, volatile uint64_t *acked)
{
	_cleanup_free_ uint64_t *segments = NULL;
	_cleanup_close_ int dir = open_directory(p);
	struct chain *c = NULL;
	size_t count = 0, done = 0;
	int r = open_log(p, &c);

	r = r ?: rewrite_candidates(dir, &segments, &count, NULL);
	for (size_t i = 0; r >= 0 && i < count; i++) {
		r = expire(p, c, dir, segments[i], acked);
		done += r == 1;
	}
	chain_close(c);
	return r < 0 ? r : (int)done;
}

static int write_and_expire(volatile uint64_t *acked, void *userdata)
{
	struct plan *p = userdata;
	struct index_report report;
	struct chain *c = NULL;
	int r = open_log(p, &c);

	r = r ?: put_batches(p, c, 8, acked);
	chain_close(c);
	r = r ?: audit_index_rebuild(p->log->path, &report, NULL);
	return r ?: expire_all(p, acked) >= 2 ? 0 : -EIO;
}

static void look_at_archive(const struct crash *x, const struct plan *p, unsigned int n)
{
	uint8_t buffer[4096], hash[AUDIT_HASH_SIZE];
	struct hasher h;
	char path[160];
	gzFile gz;
	int length;

	snprintf(path, sizeof(path), "%s/archive/%s", p->log->path, p->archives[n]);
	gz = gzopen(path, "rb");
	if (!gz)
		crash_broken(x, path, "a record says that it is there");
	assert_int_equal(hasher_init(&h), 0);
	hash_begin(&h);
	while ((length = gzread(gz, buffer, sizeof(buffer))) > 0)
		hash_add(&h, buffer, (size_t)length);
	hash_end(&h, hash);
	hasher_done(&h);
	if (gzclose(gz) != Z_OK || memcmp(hash, p->archived[n], sizeof(hash)) != 0)
		crash_broken(x, path, "is not the segment as it was");
	snprintf(path, sizeof(path), "%s/archive/%s.json", p->log->path, p->archives[n]);
	json_t *manifest = json_load_file(path, 0, NULL);
	if (!manifest)
		crash_broken(x, path, "is no manifest");
	json_decref(manifest);
}

static void differs(const struct index_finding *finding, void *userdata)
{
	(void)finding;
	(void)userdata;
}

/* Right, all that are there; of segments that another one follows each too if they @are_there. */
static bool indexes_are_right(const struct plan *p, bool are_there)
{
	struct index_report report;

	return audit_index_check(p->log->path, differs, NULL, &report, NULL) == 0 &&
	       !report.wrong && (!are_there || report.indexed + 1 >= report.segments);
}

static void look_at_retention(const struct crash *x, uint64_t acked, void *userdata)
{
	struct plan *p = userdata;
	uint64_t expired = look_at_log(x, p, acked), before;
	struct audit_verdict v;

	if (!indexes_are_right(p, false))
		crash_broken(x, "an index", "has what its segment has no more");
	for (unsigned int n = 0; acked && n < p->promises[acked - 1].archives; n++)
		look_at_archive(x, p, n);
	/* The next runs do what this one had not got to (what they record may end a segment), until one finds nothing
	 * to do. */
	for (int r = 1; r != 0;)
		if ((r = expire_all(p, NULL)) < 0)
			crash_broken(x, "retention", "cannot go on");
	v = verdict(p->log);
	if (v.status != AUDIT_OK)
		crash_broken(x, "after the next retention", v.words);
	if (v.expired < expired)
		crash_broken(x, "what expired", "is back");
	before = crash_checksum(p->log->root);
	if (expire_all(p, NULL) != 0 || crash_checksum(p->log->root) != before)
		crash_broken(x, "a retention with nothing to do", "changed files");
}

static int write_events(volatile uint64_t *acked, void *userdata)
{
	struct plan *p = userdata;
	_cleanup_(evidence_done) struct evidence e = {.dir = -1};
	struct chain *c = NULL;
	int r = open_log(p, &c);

	r = r ?: put_batches(p, c, 1, acked);
	r = r ?: evidence_open(&e, p->log->path);
	for (unsigned int i = 0; i < 4 && r == 0; i++) {
		uint8_t event[EVIDENCE_EVENT_SIZE] = {1};

		for (unsigned int n = 0; n < 12 + i; n++) {
			event[5] = (uint8_t)n;
			evidence_add(&e, event, 1);
		}
		evidence_close(&e, c);
		p->next.evidence++;
		r = promise(p, c, acked);
	}
	chain_close(c);
	return r;
}

static void look_at_events(const struct crash *x, uint64_t acked, void *userdata)
{
	look_at_log(x, userdata, acked);
}

static int write_and_index(volatile uint64_t *acked, void *userdata)
{
	struct plan *p = userdata;
	struct index_report report;
	struct chain *c = NULL;
	int r = open_log(p, &c);

	for (unsigned int i = 0; i < 2 && r == 0; i++) {
		r = put_batches(p, c, 5, acked);
		r = r ?: audit_index_rebuild(p->log->path, &report, NULL);
	}
	r = r ?: put_batches(p, c, 1, acked);
	chain_close(c);
	return r;
}

static int note_index(const struct reader_record *r, void *userdata)
{
	uint64_t *found = userdata;

	*found = *found * 31 + r->view.index + 1;
	return 0;
}

static void look_for(const struct crash *x, const struct plan *p, enum query_criterion criterion,
		     const char *words)
{
	uint64_t found[2] = {0};

	for (unsigned int scan = 0; scan < 2; scan++) {
		const struct audit_search_options o = {
			.scan = scan, .from = SEARCH_BEGIN, .limit = 1000};
		struct audit_search_result result;
		struct audit_query q;
		struct fault f = {0};

		audit_query_init(&q);
		assert_int_equal(audit_query_set(&q, criterion, words, NULL), 0);
		if (audit_search(p->log->path, &q, &o, note_index, &found[scan], &result, &f) < 0)
			crash_broken(x, "searching", f.text);
		found[scan] = found[scan] * 31 + result.matched;
	}
	if (found[0] != found[1])
		crash_broken(x, words, "the index hides records, or makes some up");
}

static void look_at_index(const struct crash *x, uint64_t acked, void *userdata)
{
	const struct plan *p = userdata;
	struct indexer *indexer = NULL;
	static unsigned int crashes;

	look_at_log(x, p, acked);
	look_for(x, p, QUERY_ADDRESS, "198.51.100.7");
	look_for(x, p, QUERY_ADDRESS, "198.51.100.8");
	look_for(x, p, QUERY_TYPE, "list.blocked");
	look_for(x, p, QUERY_SEVERITY, "1");
	if (!indexes_are_right(p, false))
		crash_broken(x, "an index", "is not as it should be");
	/* The indexer takes what nobody else wants of the CPU, so it is not asked each time. */
	if (crashes++ % 16 || indexes_are_right(p, true))
		return;
	assert_int_equal(indexer_start(p->log->path, &indexer, NULL), 0);
	while (!indexes_are_right(p, true))
		poll(NULL, 0, 1);
	indexer_stop(indexer);
}

static void run(const struct log *l, int (*work)(volatile uint64_t *acked, void *userdata),
		void (*look)(const struct crash *x, uint64_t acked, void *userdata))
{
	const struct crash_plan plan = {
		.root = l->root,
		.work = work,
		.look = look,
		.userdata = make_plan(l),
		.all = crash_full() ? 6 : 2,
		.some = crash_full() ? 60 : 6,
	};

	crash_run(&plan);
}

static void retention(void **state)
{
	run(*state, write_and_expire, look_at_retention);
}

static void events(void **state)
{
	run(*state, write_events, look_at_events);
}

static void indexes(void **state)
{
	run(*state, write_and_index, look_at_index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(words, fn) {words, fn, log_set_up, log_tear_down, NULL}
		T("retention that dies after any call, or loses power, leaves a log that verifies "
		  "and archives that are whole",
		  retention),
		T("a record of events is never there without their file", events),
		T("an index that a crash tore hides nothing, and is made again", indexes),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
