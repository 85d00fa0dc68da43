/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The same answer in each of the forms that -o names. */
#include "test_cli.h"

#define OK "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

#define FEEDS                                                                                           \
	"{\"items\":[{\"name\":\"drop\",\"list\":\"block\",\"entries\":5,\"bad_lines\":0,"              \
	"\"file\":\"/a\\tb\\\\c\\nd\\u0007\",\"format\":\"plain\",\"sha256\":\"ab\",\"read_at\":null}," \
	"{\"name\":\"off\",\"list\":\"allow\",\"error\":{\"detail\":\"gone: 1\"}}]}\n"

static void feeds(struct fixture *f)
{
	f->answers[0] = OK FEEDS;
	start(f);
}

static void tsv_has_all_columns_and_no_padding_and_escapes_what_would_end_a_cell(void **state)
{
	struct fixture *f = *state;

	feeds(f);
	assert_int_equal(run(f, "feeds", "-o", "tsv"), CLI_OK);
	assert_string_equal(
		f->out,
		"FEED\tLIST\tENTRIES\tADDED\tREMOVED\tBAD\tHITS\tREAD\tFILE\tFORMAT\tWRITTEN\t"
		"SHA256\tPROBLEM\n"
		"drop\tblock\t5\t0\t0\t0\t0\t-\t/a\\tb\\\\c\\nd?\tplain\t-\tab\t-\n"
		"off\tallow\t0\t0\t0\t0\t0\t-\t\t\t-\t\tgone: 1\n");
}

static void sentences_do_not_stand_among_the_rows_of_tsv(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = OK "{\"address\":\"192.0.2.1\",\"verdict\":\"within_limits\"}";
	start(f);
	assert_int_equal(run(f, "source", "192.0.2.1", "-o", "tsv"), CLI_OK);
	assert_string_equal(f->out, "");
	assert_has(f->err, "192.0.2.1 is on no list");
}

static void wide_has_columns_that_a_table_leaves_out(void **state)
{
	struct fixture *f = *state;

	f->answers[1] = OK FEEDS;
	feeds(f);
	assert_int_equal(run(f, "feeds", "-o", "wide"), CLI_OK);
	assert_has(f->out, "  FORMAT  WRITTEN  SHA256  PROBLEM\n");
	assert_has(f->out, "/a?b\\c?d?  plain   -        ab      -\n");
	assert_int_equal(run(f, "feeds", "-o", "table"), CLI_OK);
	assert_has(f->out, "  FILE       PROBLEM\n");
	assert_lacks(f->out, "SHA256");
}

static void ndjson_is_a_line_for_each_row(void **state)
{
	struct fixture *f = *state;

	feeds(f);
	assert_int_equal(run(f, "feeds", "-o", "ndjson"), CLI_OK);
	assert_has(f->out, "{\"name\":\"drop\",\"list\":\"block\",");
	assert_has(f->out, "\n{\"name\":\"off\",");
	assert_lacks(f->out, "items");
}

static void yaml_says_the_same_and_keeps_texts_texts(void **state)
{
	struct fixture *f = *state;

	f->answers[0] =
		OK "{\"a\":\"1\",\"b\":1,\"c\":\"no\",\"d\":null,\"e\":[true,{\"f\":\"x: y\"}],"
		   "\"g\":\"10.0.0.0/8\",\"h\":[],\"i\":\"two\\nlines\",\"j\":\"\"}";
	start(f);
	assert_int_equal(run(f, "status", "-o", "yaml"), CLI_OK);
	assert_string_equal(f->out, "a: \"1\"\nb: 1\nc: \"no\"\nd: null\ne:\n- true\n- f: 'x: y'\n"
				    "g: \"10.0.0.0/8\"\nh: []\ni: 'two\n\n  lines'\nj: \"\"\n");
}

static void a_refusal_is_yaml_too(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"
			"{\n  \"code\": \"lists.absent\",\n  \"detail\": \"none\"\n}\n";
	start(f);
	assert_int_equal(run(f, "unblock", "192.0.2.1", "-o", "yaml"), CLI_NOT_FOUND);
	assert_string_equal(f->out, "code: lists.absent\ndetail: none\n");
}

static void an_answer_deeper_than_any_of_ours_is_passed_on_as_it_came(void **state)
{
	struct fixture *f = *state;
	char answer[512] = OK "{\"a\":";

	for (size_t i = 0; i < 64; i++)
		strcat(answer, "[");
	for (size_t i = 0; i < 64; i++)
		strcat(answer, "]");
	strcat(answer, "}\n");
	f->answers[0] = answer;
	start(f);
	assert_int_equal(run(f, "status", "-o", "yaml"), CLI_OK);
	assert_string_equal(f->out, strchr(answer, '{'));
}

static void what_a_dry_run_says_is_neither_done_nor_asked_as_if_it_were(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = OK "{\"dry_run\":true,\"list\":\"block\",\"cidr\":\"192.0.2.0/24\","
			   "\"replaces\":false,\"refused\":true,\"safety\":[{\"code\":"
			   "\"safety.lockout\",\"detail\":\"it is you\"}],\"listed_by\":[]}";
	f->answers[1] = OK "{\"dry_run\":true,\"list\":\"block\",\"cidr\":\"192.0.2.0/24\","
			   "\"replaces\":true,\"refused\":false,\"safety\":[],\"listed_by\":[]}";
	start(f);
	assert_int_equal(run(f, "block", "192.0.2.0/24", "--dry-run"), CLI_CONFLICT);
	assert_string_equal(f->out,
			    "192.0.2.0/24 would not be put on the block list without --force\n"
			    "UNSAFE: it is you [safety.lockout]\n");
	assert_int_equal(run(f, "block", "192.0.2.0/24", "--dry-run", "--force"), CLI_OK);
	assert_has(f->out, "would be put on the block list, in the place of its entry there\n");
	stop(f);
	assert_has(f->requests[0], "POST /v1/lists/block?dry_run=true HTTP");
	assert_has(f->requests[1], "POST /v1/lists/block?force=true&dry_run=true HTTP");
}

static void a_plan_with_changes_is_exit_10(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = OK "{\"change_count\":0,\"base\":7}";
	f->answers[1] = OK "{\"change_count\":1,\"base\":7}";
	f->answers[2] = f->answers[1];
	start(f);
	assert_int_equal(run(f, "policy", "plan"), CLI_OK);
	assert_int_equal(run(f, "policy", "plan", "-o", "json"), CLI_DIFFERENT);
	assert_string_equal(f->out, "{\"change_count\":1,\"base\":7}\n");
	assert_int_equal(run(f, "policy", "apply", "--dry-run"), CLI_DIFFERENT);
	stop(f);
	assert_has(f->requests[2], "POST /v1/policy/plan?dry_run=true HTTP");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tsv_has_all_columns_and_no_padding_and_escapes_what_would_end_a_cell),
		TEST(sentences_do_not_stand_among_the_rows_of_tsv),
		TEST(wide_has_columns_that_a_table_leaves_out),
		TEST(ndjson_is_a_line_for_each_row),
		TEST(yaml_says_the_same_and_keeps_texts_texts),
		TEST(a_refusal_is_yaml_too),
		TEST(an_answer_deeper_than_any_of_ours_is_passed_on_as_it_came),
		TEST(what_a_dry_run_says_is_neither_done_nor_asked_as_if_it_were),
		TEST(a_plan_with_changes_is_exit_10),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
