/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reports: the figures of a small log, damage that is said, and nothing from records that acts in a page or a sheet. */
#include "test_audit.h"

#include <jansson.h>

#include "base/clock.h"
#include "report/collect.h"
#include "report/page.h"
#include "report/report.h"

#define BEGIN (1795000000 * NSEC_PER_SEC)
#define HOUR  (3600 * NSEC_PER_SEC)

static void put(struct chain *c, enum audit_event event, uint64_t at_ns, const char *user,
		const char *type, const char *id, const char *reason, uint64_t packets)
{
	struct audit_details d = {0};
	struct audit_record r = {
		.event = event,
		.resource = {type, id},
		.details = &d,
		.time_ns = BEGIN + at_ns,
	};

	if (user)
		r.actor = (struct audit_actor){.user_id = "0", .username = user, .role = "admin"};
	audit_details_string(&d, "reason", reason);
	if (packets) {
		audit_details_u64(&d, "packets", packets);
		audit_details_string(&d, "verdict", "drop");
	}
	assert_int_equal(chain_append(c, &r), 0);
}

static void make(const struct log *l, const char *name)
{
	_cleanup_(chain_closep) struct chain *c = log_open(l, 0);

	put(c, AUDIT_EVENT_RATELIMIT_DROPPED, 0, NULL, "source", "203.0.113.9", "over_packets", 1);
	put(c, AUDIT_EVENT_RATELIMIT_DROPPED, HOUR, NULL, "source", "203.0.113.9", "over_packets",
	    10);
	put(c, AUDIT_EVENT_RATELIMIT_DROPPED, HOUR, NULL, "source", "203.0.113.10", "over_bytes",
	    5);
	put(c, AUDIT_EVENT_WATCHDOG_TRIPPED, HOUR, NULL, "policy", "limits", "", 0);
	put(c, AUDIT_EVENT_LIST_ADD, HOUR + 90 * NSEC_PER_SEC, name, "block", "203.0.113.8/30",
	    name, 0);
	put(c, AUDIT_EVENT_AUDIT_LOSS, 2 * HOUR, NULL, "events", "ring", "", 7);
	put(c, AUDIT_EVENT_LIST_ADD, 3 * HOUR, name, "block", "203.0.113.9", name, 0);
	commit(c);
}

static json_t *report_of(const struct log *l)
{
	const struct report_options options = {
		.dir = l->path,
		.host = "<b>host</b>",
		.made_by = "root",
		.since_ns = BEGIN + HOUR,
		.until_ns = BEGIN + 3 * HOUR,
		.framework = REPORT_FRAMEWORK_SOC2,
	};
	struct fault f = {0};
	json_t *report = NULL;

	if (report_make(&options, &report, &f) < 0)
		fail_msg("%s", f.text);
	return report;
}

static json_t *record_at(const struct log *l, uint64_t index)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	struct reader_record record;

	assert_int_equal(reader_open(l->path, &reader, NULL), 0);
	assert_int_equal(reader_seek(reader, index, NULL), 0);
	assert_int_equal(reader_next(reader, &record, NULL), 1);
	return json_loadb(record.data, record.length, 0, NULL);
}

static int64_t at(const json_t *report, const char *object, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(report, object), key));
}

static void test_figures_are_of_the_records_in_the_range(void **state)
{
	const struct log *l = *state;
	const json_t *sources, *response;
	json_t *report;

	make(l, "anna");
	report = report_of(l);
	assert_true(json_is_true(json_object_get(json_object_get(report, "integrity"), "ok")));
	assert_int_equal(at(report, "figures", "records"), 5);
	assert_int_equal(at(report, "figures", "packets_dropped"), 15);
	assert_int_equal(at(report, "figures", "sources_dropped"), 2);
	assert_int_equal(at(report, "figures", "changes"), 1);
	assert_int_equal(at(report, "gaps", "packets_lost"), 7);
	assert_int_equal(at(report, "integrity", "records_verified"), 7);
	sources = json_object_get(report, "top_sources");
	assert_int_equal(json_array_size(sources), 2);
	assert_string_equal(page_member(json_array_get(sources, 0), "name"), "203.0.113.9");
	assert_int_equal(page_count(json_array_get(sources, 0), "blocked_after_seconds"), 90);
	response = json_object_get(report, "response");
	assert_int_equal(at(response, "first_drop_to_block", "count"), 2);
	assert_int_equal(at(response, "detection_to_change", "count"), 1);
	assert_int_equal(at(response, "detection_to_change", "median_seconds"), 90);
	json_decref(report);
}

static void test_a_damaged_log_gets_a_report_that_says_so(void **state)
{
	const struct log *l = *state;
	struct text page = {.growing = true};
	json_t *report;

	make(l, "anna");
	file_poke(l, FIRST_SEGMENT, SEGMENT_HEADER_SIZE + 100, 0);
	report = report_of(l);
	assert_true(json_is_false(json_object_get(json_object_get(report, "integrity"), "ok")));
	report_put_html(&page, report);
	assert_non_null(strstr(page.data, "The log is not in order"));
	assert_null(strstr(page.data, "The log is in order"));
	text_done(&page);
	json_decref(report);
}

/* The first record of the log is about somebody, who says something else. */
static void test_a_statement_stands_beside_what_it_is_about(void **state)
{
	const struct log *l = *state;
	struct audit_details d = {0};
	const struct audit_record statement = {
		.event = AUDIT_EVENT_REQUEST_RECTIFIED,
		.resource = {"subject_request", "r1"},
		.details = &d,
		.time_ns = BEGIN + 4 * HOUR,
	};
	struct text page = {.growing = true};
	const json_t *lines, *change;
	json_t *report, *record;
	_cleanup_(chain_closep) struct chain *c = NULL;

	make(l, "anna");
	report = report_of(l);
	change = json_array_get(json_object_get(json_object_get(report, "changes"), "lines"), 0);
	assert_null(json_object_get(change, "statements"));
	record = record_at(l, (uint64_t)json_integer_value(json_object_get(change, "index")));
	json_decref(report);
	c = log_open(l, 0);
	audit_details_string(&d, "event", json_string_value(json_object_get(record, "event_id")));
	audit_details_string(&d, "statement", "<b>not me</b>");
	assert_int_equal(chain_append(c, &statement), 0);
	commit(c);
	report = report_of(l);
	change = json_array_get(json_object_get(json_object_get(report, "changes"), "lines"), 0);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(change, "statements"), 0)),
		"<b>not me</b>");
	lines = json_object_get(json_object_get(report, "statements"), "lines");
	assert_int_equal(json_array_size(lines), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(lines, 0), "type")),
			    "list.add");
	assert_string_equal(json_string_value(json_object_get(json_array_get(lines, 0), "request")),
			    "r1");
	report_put_html(&page, report);
	assert_non_null(strstr(page.data, "Statement: <bdi>&lt;b&gt;not me&lt;/b&gt;</bdi>"));
	assert_non_null(strstr(page.data, "Statements beside records"));
	assert_null(strstr(page.data, "<b>not me"));
	text_done(&page);
	json_decref(report);
	json_decref(record);
}

static unsigned int count_of(const char *text, const char *what)
{
	unsigned int n = 0;

	while ((text = strstr(text, what))) {
		n++;
		text++;
	}
	return n;
}

/* What somebody may call himself, and what must not stand in a page because of it. */
static const char *const hostile[] = {
	"<script>alert(1)</script>",
	"\"><img src=x onerror=alert(1)>",
	"</style><svg onload=alert(1)>",
	"' onmouseover='alert(1)",
	"\xe2\x80\xaegnp.exe\xe2\x80\xac",
	"\x1b[31mred\x07\r\nnew line\x7f",
	"=cmd|' /C calc'!A0",
	"+1",
	"-1",
	"@SUM(A1)",
	"&lt;&#60;",
};

static void assert_harmless_page(const struct text *page)
{
	assert_false(page->truncated);
	assert_null(strstr(page->data, "<script"));
	assert_null(strstr(page->data, "<img"));
	assert_null(strstr(page->data, "<svg onload"));
	assert_null(strstr(page->data, "' onmouse"));
	assert_null(strstr(page->data, "\xe2\x80\xae"));
	assert_null(strstr(page->data, "<b>host"));
	assert_int_equal(count_of(page->data, "<style>"), 1);
	assert_int_equal(count_of(page->data, "</style>"), 1);
	assert_int_equal(count_of(page->data, "</body>"), 1);
	for (size_t i = 0; i < page->length - 1; i++)
		assert_true((unsigned char)page->data[i] >= 0x20 && page->data[i] != 0x7f);
}

/* Each line is two fields; neither begins as a formula does. */
static void assert_harmless_sheet(const char *at)
{
	while (*at) {
		for (unsigned int field = 0; field < 2; field++) {
			bool quoted = *at == '"';

			at += quoted;
			if (quoted && *at && *at != '"')
				assert_null(strchr("=+-@\t\r\n", *at));
			for (; *at && (quoted || !strchr(",\r", *at)); at++)
				if (quoted && *at == '"' && *++at != '"')
					break;
			if (field == 0)
				assert_int_equal(*at++, ',');
		}
		assert_memory_equal(at, "\r\n", 2);
		at += 2;
	}
}

static void test_names_cannot_act_in_a_page_or_a_sheet(void **state)
{
	const struct log *l = *state;

	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		struct text page = {.growing = true}, sheet = {.growing = true};
		json_t *report;

		log_clear(l);
		make(l, hostile[i]);
		report = report_of(l);
		report_put_html(&page, report);
		report_put_csv(&sheet, report);
		assert_harmless_page(&page);
		assert_harmless_sheet(sheet.data);
		text_done(&page);
		text_done(&sheet);
		json_decref(report);
	}
}

static void test_long_names_are_cut_and_said_to_be(void **unused)
{
	struct text t = {.growing = true};
	static char name[10241];

	(void)unused;
	memset(name, 'x', sizeof(name) - 1);
	page_text(&t, name);
	assert_true(t.length < 200);
	assert_non_null(strstr(t.data, "10240 bytes in all"));
	text_done(&t);
}

static void test_what_is_sealed_or_erased_keeps_its_number(void **unused)
{
	json_t *erased = json_pack("{s:s, s:s, s:s}", "sealed", "x", "subject", "AAAAAAAAAAE",
				   "state", "erased");
	json_t *locked = json_pack("{s:s, s:s, s:s}", "sealed", "x", "subject", "AAAAAAAAAAI",
				   "state", "no_key");
	json_t *odd = json_pack("{s:i}", "subject", 1);
	char room[64];

	(void)unused;
	assert_string_equal(report_text(erased, room), "erased AAAAAAAAAAE");
	assert_string_equal(report_text(locked, room), "sealed AAAAAAAAAAI");
	assert_string_equal(report_text(odd, room), "sealed ?");
	assert_string_equal(report_text(NULL, room), "");
	json_decref(erased);
	json_decref(locked);
	json_decref(odd);
}

static void test_numbers_are_written_as_people_read_them(void **unused)
{
	struct text t = {.growing = true};

	(void)unused;
	page_number(&t, 0);
	text_puts(&t, " ");
	page_number(&t, 1234567);
	text_puts(&t, " ");
	page_number(&t, UINT64_MAX);
	text_puts(&t, " ");
	page_bytes(&t, 999);
	text_puts(&t, " ");
	page_bytes(&t, 12000);
	text_puts(&t, " ");
	page_bytes(&t, UINT64_MAX);
	assert_string_equal(t.data, "0 1,234,567 18,446,744,073,709,551,615 999 B 12.0 kB 18.4 EB");
	text_done(&t);
}

static void test_no_page_claims_more_than_evidence(void **state)
{
	static const char *const words[] = {"complian",	   "certif",	"tamper-proof",
					    "tamperproof", "immutable", "guarantee"};
	const struct log *l = *state;

	make(l, "anna");
	for (enum report_framework i = 0; i < REPORT_FRAMEWORK_MAX; i++) {
		const struct report_options options = {.dir = l->path,
						       .host = "",
						       .made_by = "",
						       .until_ns = 2 * BEGIN,
						       .framework = i};
		struct text page = {.growing = true};
		json_t *report = NULL;

		assert_int_equal(report_make(&options, &report, NULL), 0);
		report_put_html(&page, report);
		for (size_t w = 0; w < ARRAY_SIZE(words); w++)
			assert_null(strcasestr(page.data, words[w]));
		assert_int_equal(i != REPORT_FRAMEWORK_NONE,
				 strstr(page.data, "What they cannot show") != NULL);
		text_done(&page);
		json_decref(report);
	}
}

#define LOG_TEST(fn) cmocka_unit_test_setup_teardown(fn, log_set_up, log_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(test_figures_are_of_the_records_in_the_range),
		LOG_TEST(test_a_damaged_log_gets_a_report_that_says_so),
		LOG_TEST(test_a_statement_stands_beside_what_it_is_about),
		LOG_TEST(test_names_cannot_act_in_a_page_or_a_sheet),
		cmocka_unit_test(test_long_names_are_cut_and_said_to_be),
		cmocka_unit_test(test_what_is_sealed_or_erased_keeps_its_number),
		cmocka_unit_test(test_numbers_are_written_as_people_read_them),
		LOG_TEST(test_no_page_claims_more_than_evidence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
