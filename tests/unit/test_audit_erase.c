/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is named in the clear is found, however it is written, and nobody else; what names them can be taken out of
 * segments, archives and files of events, and the log still verifies as long as it says so.
 */
#include "test_audit.h"

#include <dirent.h>
#include <zlib.h>

#include "audit/archives.h"
#include "audit/evidence.h"
#include "audit/hash.h"
#include "audit/mention.h"
#include "audit/rewrite.h"

#define WHO   "198.51.100.77"
#define OTHER "198.51.100.7"

static void text_cases(void **state)
{
	static const struct {
		const char *subject, *text;
		bool is;
	} cases[] = {
		{"10.0.0.1", "10.0.0.1", true},
		{"10.0.0.1", "like 10.0.0.1.", true},
		{"10.0.0.1", "10.0.0.1:80", true}, /* a port may follow an address */
		{"10.0.0.1", "110.0.0.1", false},
		{"10.0.0.1", "10.0.0.12", false},
		{"10.0.0.1", "10.0.0.1.5", false},
		{"10.0.0.1", "10.0.0.0/24", false},
		{"10.0.0.1", "::ffff:a00:1 it was", true},
		{"2001:DB8::0:1", "from 2001:db8:0:0::1", true},
		{"2001:db8::1", "2001:db8::12", false},
		{"10.0.0.0/24", "list 10.0.0.0/24 went", true},
		{"10.0.0.0/24", "10.0.0.7", false},
		{"alice", "alice", true},
		{"alice", "malice", false},
		{"alice", "by alice, twice", true},
		{"alice", "alice-b", false},
		{"", "", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mention m;
		bool is = mention_init(&m, cases[i].subject) == 0 &&
			  mention_in_text(&m, cases[i].text);

		if (is != cases[i].is)
			fail_msg("%s in %s", cases[i].subject, cases[i].text);
	}
}

static void put(struct chain *c, enum audit_event event, const char *type, const char *id,
		const char *reason)
{
	struct audit_details d = {0};
	struct audit_record r = {
		.event = event,
		.actor = {.username = "system", .role = "system"},
		.resource = {type, id},
		.details = &d,
	};

	audit_details_string(&d, "reason", reason);
	audit_details_string(&d, "list", "block");
	assert_int_equal(chain_append(c, &r), 0);
}

static uint64_t count_mentions(const struct log *l, const char *subject)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	struct reader_record record;
	struct fault f = {0};
	struct mention m;
	uint64_t n = 0;

	assert_int_equal(mention_init(&m, subject), 0);
	assert_int_equal(reader_open(l->path, &reader, &f), 0);
	while (reader_next(reader, &record, &f) == 1)
		n += mention_in_record(&m, record.data, &record.view);
	return n;
}

static void values_about_people_only(void **state)
{
	const struct log *l = *state;
	_cleanup_(chain_closep) struct chain *c = log_open(l, 0);

	put(c, AUDIT_EVENT_LIST_ADD, "block", WHO, "so");
	put(c, AUDIT_EVENT_LIST_ADD, "block", OTHER, "like \"" WHO "\"\n");
	put(c, AUDIT_EVENT_LIST_ADD, "block", OTHER, "system");
	commit(c);
	assert_int_equal(count_mentions(l, WHO), 2);
	assert_int_equal(count_mentions(l, OTHER), 2);
	/* Neither vocabulary nor the daemon itself is somebody. */
	assert_int_equal(count_mentions(l, "block"), 0);
	assert_int_equal(count_mentions(l, "success"), 0);
	assert_int_equal(count_mentions(l, "system"), 1);
}

static bool names_who(const char *data, const struct record_view *view, void *userdata)
{
	return mention_in_record(userdata, data, view);
}

/* Every other record is about them; the segment behind it is begun for that. */
static void make(const struct log *l)
{
	_cleanup_(chain_closep) struct chain *c = log_open(l, 0);

	for (unsigned int i = 0; i < 20; i++)
		put(c, AUDIT_EVENT_LIST_ADD, "block", i % 2 ? WHO : OTHER, "so");
	commit(c);
	chain_rotate(c);
	add(c, 1);
	commit(c);
	add(c, 1);
	commit(c);
}

static int open_directory(const struct log *l)
{
	int fd = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void explain(const struct log *l, const struct rewrite *w, enum audit_event event)
{
	_cleanup_(chain_closep) struct chain *c = log_open(l, 0);
	struct audit_details details = {0};
	struct audit_record record = {
		.event = event, .resource = {"subject_request", "it"}, .details = &details};
	char hash[AUDIT_HASH_TEXT];

	hex_format(w->hash_after, AUDIT_HASH_SIZE, hash);
	audit_details_u64(&details, "segment", w->segment);
	audit_details_string(&details, "sha256_after", hash);
	assert_int_equal(chain_append(c, &record), 0);
	commit(c);
}

static void rotated_at_once(void **state)
{
	const struct log *l = *state;
	struct audit_verdict v;

	make(l);
	assert_in_order(l, 22);
	v = verdict(l);
	assert_int_equal(v.segments, 2); /* once, not for each batch from then on */
}

static struct rewrite take_out(const struct log *l, int dir, struct mention *m)
{
	struct fault f = {0};
	struct rewrite w;

	assert_int_equal(mention_init(m, WHO), 0);
	if (rewrite_stage(dir, 0, names_who, m, NULL, &w, &f) != 1)
		fail_msg("%s", f.text);
	assert_int_equal(w.expired, 10);
	(void)l;
	return w;
}

static void explained_by_the_request(void **state)
{
	const struct log *l = *state;
	_cleanup_close_ int dir = -1;
	struct audit_verdict v;
	struct fault f = {0};
	struct rewrite w;
	struct mention m;

	make(l);
	dir = open_directory(l);
	w = take_out(l, dir, &m);
	assert_int_equal(rewrite_commit(dir, &w, &f), 0);
	assert_int_equal(verdict(l).finding, AUDIT_FINDING_RECORD_STUBBED);
	explain(l, &w, AUDIT_EVENT_REQUEST_ERASING); /* that is not what explains it */
	assert_int_equal(verdict(l).finding, AUDIT_FINDING_RECORD_STUBBED);
	explain(l, &w, AUDIT_EVENT_REQUEST_REMOVED);
	v = verdict(l);
	assert_int_equal(v.status, AUDIT_OK);
	assert_int_equal(v.expired, 10);
	assert_int_equal(count_mentions(l, WHO), 0);
	assert_int_equal(count_mentions(l, OTHER), 12); /* those that add() makes, too */
}

static bool archive_has(const struct log *l, const char *name, const char *word)
{
	static uint8_t buffer[1 << 20];
	char path[256];
	gzFile gz;
	int n;

	snprintf(path, sizeof(path), "%s/archive/%s", l->path, name);
	gz = gzopen(path, "rb");
	assert_non_null(gz);
	n = gzread(gz, buffer, sizeof(buffer));
	gzclose(gz);
	assert_true(n > 0);
	return memmem(buffer, (size_t)n, word, strlen(word));
}

static void archives_are_made_anew(void **state)
{
	const struct log *l = *state;
	_cleanup_free_ struct archive *list = NULL, *anew = NULL;
	char again[REWRITE_ARCHIVE_NAME_SIZE];
	struct rewrite w, archived;
	_cleanup_close_ int dir = -1;
	struct fault f = {0};
	struct mention m;
	size_t count;

	make(l);
	dir = open_directory(l);
	w = take_out(l, dir, &m);
	assert_int_equal(rewrite_archive(dir, &w, &f), 0);
	rewrite_abort(dir, 0);
	assert_int_equal(archives_list(dir, &list, &count, &f), 0);
	assert_int_equal(count, 1);
	assert_true(archive_has(l, list[0].name, WHO));
	if (rewrite_archived(dir, &list[0], names_who, &m, NULL, &archived, &f) != 1)
		fail_msg("%s", f.text);
	assert_int_equal(archived.expired, 10);
	rewrite_archive_name(&archived, again);
	assert_string_not_equal(again, list[0].name);
	assert_false(archive_has(l, again, WHO));
	assert_true(archive_has(l, again, "\"" OTHER "\""));
	assert_int_equal(archives_remove(dir, &list[0], &f), 0);
	assert_int_equal(archives_remove(dir, &list[0], &f), 0);
	/* It takes the former one's place, and is as old. */
	assert_int_equal(archives_list(dir, &anew, &count, &f), 0);
	assert_int_equal(count, 1);
	assert_string_equal(anew[0].name, again);
	assert_string_equal(anew[0].archived_at, list[0].archived_at);
	/* Again: nothing to do, and nothing is left of the work. */
	assert_int_equal(rewrite_archived(dir, &anew[0], names_who, &m, NULL, &archived, &f), 0);
	rewrite_sweep(dir);
	assert_int_equal(faccessat(dir, "erasing", F_OK, 0), -1);
	assert_in_order(l, 22);
}

static void damaged_archive_stays(void **state)
{
	const struct log *l = *state;
	_cleanup_close_ int dir = -1;
	struct rewrite w, archived;
	struct fault f = {0};
	_cleanup_free_ struct archive *list = NULL;
	char path[256];
	struct mention m;
	size_t count;

	make(l);
	dir = open_directory(l);
	w = take_out(l, dir, &m);
	assert_int_equal(rewrite_archive(dir, &w, &f), 0);
	assert_int_equal(archives_list(dir, &list, &count, &f), 0);
	snprintf(path, sizeof(path), "%s/archive/%s", l->path, list[0].name);
	assert_int_equal(truncate(path, 200), 0);
	assert_true(rewrite_archived(dir, &list[0], names_who, &m, NULL, &archived, &f) < 0);
	assert_non_null(f.code);
	assert_int_equal(access(path, F_OK), 0);
}

static int yes(const char *name, void *userdata, struct fault *reterr)
{
	unsigned int *n = userdata;

	(void)reterr;
	assert_int_equal(strlen(name), AUDIT_HASH_TEXT - 1);
	(*n)++;
	return 1;
}

static bool is_of(const uint8_t source[static 16], const void *userdata)
{
	return mention_is_source(userdata, source);
}

static void keep_event(struct evidence *e, struct chain *c, const char *source)
{
	uint8_t event[EVIDENCE_EVENT_SIZE] = {0};

	assert_int_equal(address_parse(source, event), 0);
	evidence_add(e, event, 1);
	evidence_close(e, c);
}

static void files_of_events_go(void **state)
{
	const struct log *l = *state;
	_cleanup_(chain_closep) struct chain *c = log_open(l, 0);
	_cleanup_(evidence_done) struct evidence e = {.dir = -1};
	_cleanup_close_ int dir = open_directory(l);
	struct fault f = {0};
	unsigned int removed = 0;
	struct mention m;

	assert_int_equal(evidence_open(&e, l->path), 0);
	keep_event(&e, c, WHO);
	keep_event(&e, c, OTHER);
	commit(c);
	assert_int_equal(verdict(l).evidence, 2);
	assert_int_equal(mention_init(&m, WHO), 0);
	assert_int_equal(evidence_remove(dir, is_of, &m, yes, &removed, &f), 0);
	assert_int_equal(removed, 1);
	assert_int_equal(verdict(l).evidence, 1);
	assert_int_equal(verdict(l).status, AUDIT_OK);
	assert_int_equal(mention_init(&m, "198.51.100.0/24"), 0);
	assert_int_equal(evidence_remove(dir, is_of, &m, yes, &removed, &f), 0);
	assert_int_equal(removed, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define LOG_TEST(name, fn) {name, fn, log_set_up, log_tear_down, NULL}
		{"somebody is found however it is written, and nobody else", text_cases, NULL, NULL,
		 NULL},
		LOG_TEST("only values that may be about people name somebody",
			 values_about_people_only),
		LOG_TEST("a log that is told to begin a segment does so once", rotated_at_once),
		LOG_TEST("stubs are explained by the record of the request, and by no other",
			 explained_by_the_request),
		LOG_TEST("an archive is made anew without them, and has the others",
			 archives_are_made_anew),
		LOG_TEST("an archive that is damaged stays, and is told", damaged_archive_stays),
		LOG_TEST("files with events of theirs go, others stay", files_of_events_go),
	};

	return cmocka_run_group_tests_name("erase", tests, NULL, NULL);
}
