/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What can be asked of the log, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "audit/query.h"
#include "base/cleanup.h"

static void ask(struct audit_query *q, enum query_criterion criterion, const char *words)
{
	struct fault f = {0};

	if (audit_query_set(q, criterion, words, &f) < 0)
		fail_msg("%s", f.text);
}

static void what_cannot_be_asked_is_refused_with_words(void **state)
{
	static const struct {
		enum query_criterion criterion;
		const char *words;
	} bad[] = {
		{QUERY_SINCE, "yesterday"},
		{QUERY_SINCE, "2026-13-01"},
		{QUERY_SINCE, "2026-11-20T10:00Z"},
		{QUERY_UNTIL, "2026-11-20T10:00:00.Z"},
		{QUERY_UNTIL, "2026-11-20T10:00:00.1"},
		{QUERY_TYPE, "list.addd"},
		{QUERY_TYPE, "[a-z]*"},
		{QUERY_TYPE, "*a*b*c*d*e"},
		{QUERY_CATEGORY, "trafic"},
		{QUERY_CATEGORY, "lists,x"},
		{QUERY_CATEGORY, "lists,"},
		{QUERY_SEVERITY, "0"},
		{QUERY_SEVERITY, "6"},
		{QUERY_ADDRESS, "198.18.0.1/24"},
		{QUERY_ADDRESS, "a host"},
		{QUERY_OUTCOME, "bad"},
		{QUERY_TEXT, ""},
		{QUERY_ACTOR, "\xff"},
		{QUERY_TEXT, "0123456789012345678901234567890123456789012345678901234567890123"
			     "01234567890123456789012345678901234567890123456789012345678901234"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fault f = {0};
		struct audit_query q;

		audit_query_init(&q);
		if (audit_query_set(&q, bad[i].criterion, bad[i].words, &f) >= 0)
			fail_msg("'%s' is accepted", bad[i].words);
		assert_true(f.code && *f.text);
		assert_false(audit_query_has(&q, bad[i].criterion));
	}
}

static void a_longest_word_of_controls_is_kept_whole(void **state)
{
	char words[QUERY_WORD_MAX + 1];
	struct audit_query q;

	(void)state;
	memset(words, 1, QUERY_WORD_MAX);
	words[QUERY_WORD_MAX] = '\0';
	audit_query_init(&q);
	ask(&q, QUERY_ACTOR, words);
	assert_int_equal(strlen(q.actor), 6 * QUERY_WORD_MAX);
}

#define SEAL "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA" /* a commitment, to anything */

static void a_subject_stands_for_a_value_that_is_sealed(void **state)
{
	static const char record[] =
		"{\"action\":\"dropped\",\"actor\":{\"ip_address\":\"\",\"role\":\"admin\",\"user_id\":"
		"\"7\",\"username\":{\"sealed\":\"" SEAL
		"\",\"subject\":\"AAAAAAAAAAA\"}},\"details\":{},"
		"\"event_id\":\"00000000-0000-8000-8000-000000000000\",\"event_type\":"
		"\"ratelimit.dropped\",\"index\":0,\"outcome\":\"success\",\"previous_hash\":"
		"\"0000000000000000000000000000000000000000000000000000000000000000\",\"resource\":"
		"{\"id\":{\"sealed\":\"" SEAL
		"\",\"subject\":\"BBBBBBBBBBA\"},\"type\":\"source\"},"
		"\"severity\":2,\"timestamp\":\"2026-11-20T00:00:00.000000000Z\"}";
	const char *const ann = "AAAAAAAAAAA", *const source = "BBBBBBBBBBA", *const other = "C";
	struct record_view view;
	struct audit_query q;

	(void)state;
	assert_int_equal(record_parse(record, strlen(record), &view), 0);
	audit_query_init(&q);
	ask(&q, QUERY_ACTOR, "ann");
	ask(&q, QUERY_ADDRESS, "192.0.2.0/24");
	assert_false(audit_query_match(&q, &view));
	q.actors = (struct query_subjects){&ann, 1};
	q.addresses = (struct query_subjects){&other, 1};
	assert_false(audit_query_match(&q, &view));
	q.addresses = (struct query_subjects){&source, 1};
	assert_true(audit_query_match(&q, &view));
}

static void categories_are_some_by_commas(void **state)
{
	struct audit_query q;
	json_t *o;

	(void)state;
	audit_query_init(&q);
	assert_true(audit_query_match_type(&q, "list.add", 8));
	ask(&q, QUERY_CATEGORY, "policy,lists");
	assert_true(audit_query_match_type(&q, "list.add", 8));
	assert_true(audit_query_match_type(&q, "policy.apply", 12));
	assert_false(audit_query_match_type(&q, "system.start", 12));
	assert_false(audit_query_match_type(&q, "of.tomorrow", 11));
	ask(&q, QUERY_SINCE, "2026-11-20");
	o = audit_query_json(&q);
	assert_string_equal(json_string_value(json_object_get(o, "category")), "policy,lists");
	assert_string_equal(json_string_value(json_object_get(o, "since")),
			    "2026-11-20T00:00:00.000000000Z");
	assert_int_equal(json_object_size(o), 2);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_asked_is_refused_with_words),
		cmocka_unit_test(a_longest_word_of_controls_is_kept_whole),
		cmocka_unit_test(categories_are_some_by_commas),
		cmocka_unit_test(a_subject_stands_for_a_value_that_is_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
