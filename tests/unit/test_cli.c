/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Command lines and the daemon's answers: what is asked, what is said of the answer, and the exit
 * code that scripts rely on. */
#include "test_cli.h"

static void a_mistyped_word_is_answered_with_the_one_that_was_meant(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, "blokc", "192.0.2.1"), CLI_USAGE);
	assert_has(f->err, "did you mean 'block'?");
	assert_int_equal(run(f, "policy", "chekc", "x"), CLI_USAGE);
	assert_has(f->err, "did you mean 'policy check'?");
	assert_int_equal(run(f, "block", "192.0.2.1", "--reasn=x"), CLI_USAGE);
	assert_has(f->err, "did you mean '--reason'?");
	assert_int_equal(run(f, "sing"), CLI_USAGE);
	assert_lacks(f->err, "did you mean");
	assert_string_equal(f->out, "");
}

static void what_a_command_does_not_take_is_refused_and_named(void **state)
{
	struct fixture *f = *state;
	static const struct {
		char *words[4];
		const char *told;
	} cases[] = {
		{{"status", "--ttl", "1m"}, "'weir status' has no option '--ttl'"},
		{{"status", "now"}, "does not know what to do with 'now'"},
		{{"block"}, "needs CIDR"},
		{{"block", "192.0.2.1", "--ttl"}, "'--ttl' needs a value"},
		{{"block", "192.0.2.1", "--ttl="}, "'--ttl' is empty"},
		{{"block", "192.0.2.1", "--ttl=10"}, "'10' is no duration"},
		{{"block", "192.0.2.1", "--ttl=0s"}, "'0s' is no duration"},
		{{"block", "192.0.2.1", "--help=x"}, "'--help' takes no value"},
		{{"status", "-o", "xml"}, "only table, wide, json, ndjson, yaml and tsv"},
		{{"status", "--timeout", "2h"}, "not between 1ms and 1h"},
		{{"audit", "tail", "-n0"}, "no number from 1"},
		{{"lists", "grey"}, "no list 'grey'"},
		{{"source", "192.0.2.0/24"}, "is no address"},
		{{"policy"}, "second word"},
		{{"limits", "post", "web"}, "needs LIMIT NUMBER"},
		{{"limits", "post", "web", "-1"}, "no option"},
		{{"limits", "post", "web", "1.5"}, "'1.5' is no whole number"},
		{{"limits", "post", "web/dns", "1"}, "'web/dns' is no name"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *const *w = cases[i].words;

		assert_int_equal(run(f, w[0], w[1], w[2], w[3]), CLI_USAGE);
		assert_has(f->err, cases[i].told);
		assert_string_equal(f->out, "");
	}
}

static void a_socket_path_that_is_too_long_is_refused(void **state)
{
	struct fixture *f = *state;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];

	memset(path, 'a', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(run(f, "status", "-s", path), CLI_USAGE);
	assert_has(f->err, "too long");
	path[sizeof(path) - 2] = '\0';
	assert_int_equal(run(f, "status", "-s", path), CLI_UNREACHABLE);
}

static void host_bits_are_refused_before_anything_is_sent(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_int_equal(run(f, "block", "198.51.100.7/24"), CLI_USAGE);
	assert_has(f->err, "did you mean 198.51.100.0/24, or 198.51.100.7 alone?");
	assert_int_equal(run(f, "block", "198.51.100.7/33"), CLI_USAGE);
	assert_int_equal(run(f, "block", "example.org"), CLI_USAGE);
	stop(f);
	assert_int_equal(f->asked, 0);
}

static void the_daemon_gets_its_arguments_unparsed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, "daemon", "--no-such-option", "-x"), 103);
	assert_int_equal(run(f, "help", "daemon"), 102);
	assert_int_equal(run(f, "--socket", "x", "daemon"), CLI_USAGE);
	assert_int_equal(run(f, "--", "daemon"), CLI_USAGE);
	assert_has(f->err, "stand after it");
}

static void help_is_made_from_the_tables(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, "help"), CLI_OK);
	assert_has(f->out, "policy check FILE");
	assert_int_equal(run(f, "block", "--help"), CLI_OK);
	assert_has(f->out, "usage: weir block CIDR [OPTIONS]");
	assert_has(f->out, "-t, --ttl DURATION");
	assert_lacks(f->out, "--bpffs");
	assert_int_equal(run(f, "help", "audit"), CLI_OK);
	assert_has(f->out, "audit verify [DIR]");
	assert_lacks(f->out, "policy");
}

static void without_a_daemon_the_exit_is_6_and_the_socket_is_named(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, "status"), CLI_UNREACHABLE);
	assert_has(f->err, f->socket);
	assert_has(f->err, "there is no socket");
	start(f);
	stop(f);
	assert_int_equal(run(f, "status", "-o", "json"), CLI_UNREACHABLE);
	assert_has(f->err, "nobody listens");
	assert_has(f->out, "{\"code\":\"client.unreachable\"");
}

static void a_daemon_that_keeps_silent_is_given_up_on(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_int_equal(run(f, "status", "--timeout", "50ms"), CLI_UNREACHABLE);
	assert_has(f->err, "did not answer in time");
}

static void an_answer_beyond_the_limit_is_not_kept(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
	f->padding = CLIENT_RESPONSE_MAX + 65536;
	start(f);
	assert_int_equal(run(f, "metrics", "--timeout", "10m"), CLI_FAILED);
	assert_has(f->err, "exceeds 64 MiB");
}

#define DENIED                                                                                     \
	"{\"status\":403,\"code\":\"auth.denied\",\"detail\":\"it takes root\",\"hint\":\"sudo\"}\n"

static void a_refusal_for_lack_of_permission_is_exit_4(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n" DENIED;
	f->answers[1] = f->answers[0];
	start(f);
	assert_int_equal(run(f, "block", "192.0.2.1"), CLI_DENIED);
	assert_string_equal(f->err, "weir: it takes root [auth.denied]\nweir: sudo\n");
	assert_string_equal(f->out, "");
	assert_int_equal(run(f, "block", "192.0.2.1", "-o", "json"), CLI_DENIED);
	assert_string_equal(f->out, DENIED);
}

static void what_is_not_there_is_exit_3_and_a_conflict_is_exit_5(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"
			"{\"code\":\"lists.absent\",\"detail\":\"no such entry\"}";
	f->answers[1] = "HTTP/1.1 409 Conflict\r\nConnection: close\r\n\r\n"
			"{\"code\":\"lists.policy\",\"detail\":\"the policy has it\"}";
	f->answers[2] = "HTTP/1.1 412 Precondition Failed\r\nConnection: close\r\n\r\n"
			"{\"code\":\"policy.stale\",\"detail\":\"another one\"}";
	start(f);
	assert_int_equal(run(f, "unblock", "192.0.2.1"), CLI_NOT_FOUND);
	assert_has(f->err, "no such entry [lists.absent]\n");
	assert_has(f->err, "see 'weir lists block'");
	assert_int_equal(run(f, "unblock", "192.0.2.1"), CLI_CONFLICT);
	assert_int_equal(run(f, "policy", "apply", "--base", "7"), CLI_CONFLICT);
	assert_has(f->err, "see 'weir policy history'");
}

static void any_other_refusal_is_exit_1_also_without_a_problem_body(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = "HTTP/1.1 422 No\r\nConnection: close\r\n\r\n"
			"{\"code\":\"lists.absent\",\"detail\":\"no such entry\"}";
	f->answers[1] = "HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n<html>";
	f->answers[2] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[1,2";
	f->answers[3] = "SSH-2.0-OpenSSH_9.2\r\n";
	start(f);
	assert_int_equal(run(f, "unblock", "192.0.2.1"), CLI_FAILED);
	assert_has(f->err, "no such entry [lists.absent]");
	assert_int_equal(run(f, "status"), CLI_FAILED);
	assert_has(f->err, "HTTP status 500");
	assert_int_equal(run(f, "status"), CLI_FAILED);
	assert_has(f->err, "no JSON object");
	assert_int_equal(run(f, "status"), CLI_FAILED);
	assert_has(f->err, "no proper answer");
}

static void a_key_is_shown_from_a_file_or_the_environment(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/weir-key.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0 && write(fd, "weir_of_file\nmore", 17) == 17);
	close(fd);
	for (unsigned int i = 0; i < 3; i++)
		f->answers[i] = "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n"
				"{\"code\":\"auth.key\",\"detail\":\"there is no such key\"}";
	start(f);
	assert_int_equal(run(f, "status", "--totp", "123456"), CLI_DENIED);
	setenv("WEIR_KEY", "weir_of_environment", 1);
	assert_int_equal(run(f, "status"), CLI_DENIED);
	assert_int_equal(run(f, "status", "--key-file", path), CLI_DENIED);
	unsetenv("WEIR_KEY");
	unlink(path);
	assert_int_equal(run(f, "status", "--key-file", path), CLI_FAILED);
	stop(f);
	assert_lacks(f->requests[0], "Authorization:");
	assert_has(f->requests[0], "X-Weir-TOTP: 123456\r\n");
	assert_has(f->requests[1], "Authorization: Bearer weir_of_environment\r\n");
	assert_lacks(f->requests[1], "X-Weir-TOTP");
	assert_has(f->requests[2], "Authorization: Bearer weir_of_file\r\n");
	assert_int_equal(f->asked, 3);
}

static void options_may_stand_anywhere_and_arrive_as_given(void **state)
{
	struct fixture *f = *state;

	f->answers[0] =
		"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n"
		"{\"entry\":{\"cidr\":\"2001:db8::/32\",\"origin\":\"operator\","
		"\"added_by\":\"alice\",\"left_seconds\":600,\"reason\":\"a \\\"scan\\\"\"},"
		"\"persisted\":true,\"audit\":\"durable\"}";
	f->answers[1] = f->answers[0];
	start(f);
	assert_int_equal(run(f, "--ttl=10m", "block", "--reason", "a \"scan\"", "2001:DB8::/32"),
			 CLI_OK);
	assert_string_equal(f->out, "blocked 2001:db8::/32, by alice, 10m left: a \"scan\"\n");
	assert_string_equal(f->err, "");
	assert_int_equal(run(f, "block", "-t10m", "--", "2001:db8::"), CLI_OK);
	stop(f);
	assert_has(f->requests[0], "POST /v1/lists/block HTTP/1.1\r\n");
	assert_has(f->requests[0], "Content-Type: application/json\r\n");
	assert_has(f->requests[0], "\r\n\r\n{\"cidr\":\"2001:db8::/32\",\"ttl\":\"10m\","
				   "\"reason\":\"a \\\"scan\\\"\"}");
	assert_has(f->requests[1], "\r\n\r\n{\"cidr\":\"2001:db8::\",\"ttl\":\"10m\"}");
}

static void a_change_that_is_not_kept_is_warned_of(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = "HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n"
			"{\"entry\":{},\"persisted\":false,\"audit\":\"degraded\"}";
	start(f);
	assert_int_equal(run(f, "block", "192.0.2.1"), CLI_OK);
	assert_has(f->err, "would not survive a reboot");
	assert_has(f->err, "audit log cannot be written");
}

static void unblock_says_what_still_blocks(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
			"{\"removed\":\"192.0.2.0/25\",\"persisted\":true,\"still_listed_by\":[{"
			"\"cidr\":\"192.0.2.0/24\",\"origin\":\"policy\",\"line\":12,"
			"\"left_seconds\":null}]}";
	f->answers[1] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
			"{\"persisted\":true,\"still_listed_by\":[]}";
	start(f);
	assert_int_equal(run(f, "unblock", "192.0.2.0/25"), CLI_OK);
	assert_string_equal(f->out, "the entry 192.0.2.0/25 is removed; still blocked by:\n"
				    "  192.0.2.0/24, policy line 12, for ever\n");
	assert_int_equal(run(f, "unblock", "192.0.2.1"), CLI_OK);
	assert_string_equal(f->out, "192.0.2.1 is no longer blocked\n");
	stop(f);
	assert_has(f->requests[0], "DELETE /v1/lists/block/192.0.2.0/25 HTTP/1.1\r\n");
}

static void the_pages_of_a_list_are_shown_as_one(void **state)
{
	struct fixture *f = *state;

	f->answers[0] =
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
		"{\"items\":[{\"cidr\":\"192.0.2.1\"}],\"next_cursor\":\"192.0.2.1,policy\"}";
	f->answers[1] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
			"{\"items\":[{\"cidr\":\"192.0.2.2\"}],\"next_cursor\":null}";
	start(f);
	assert_int_equal(run(f, "lists", "block", "-o", "json"), CLI_OK);
	stop(f);
	assert_string_equal(f->out,
			    "{\"items\":[{\"cidr\":\"192.0.2.1\"},{\"cidr\":\"192.0.2.2\"}],"
			    "\"next_cursor\":null}\n");
	assert_has(f->requests[1], "GET /v1/lists/block?limit=1000&cursor=192.0.2.1,policy HTTP");
}

static void pages_line_up_under_one_head_and_feeds_are_named(void **state)
{
	struct fixture *f = *state;

	f->answers[0] =
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
		"{\"items\":[{\"cidr\":\"192.0.2.128/25\",\"origin\":\"feed\",\"feed\":\"drop\","
		"\"file\":\"/etc/drop\",\"line\":7,\"hits\":12,\"reason\":\"SBL1\"}],"
		"\"next_cursor\":\"192.0.2.128/25,feed:drop\"}";
	f->answers[1] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
			"{\"items\":[{\"cidr\":\"192.0.3.1\",\"origin\":\"kept\"}],"
			"\"next_cursor\":null}";
	start(f);
	assert_int_equal(run(f, "lists", "block"), CLI_OK);
	assert_string_equal(
		f->out,
		"LIST   ENTRY           HITS  LEFT      SINCE  FROM                    REASON\n"
		"block  192.0.2.128/25    12  for ever  -      feed drop, /etc/drop:7  SBL1\n"
		"block  192.0.3.1          -  for ever  -      an earlier daemon       -\n");
	stop(f);
	assert_has(f->requests[1], "cursor=192.0.2.128/25,feed:drop HTTP");
}

static void a_listing_that_breaks_off_says_where_it_goes_on(void **state)
{
	struct fixture *f = *state;

	f->answers[0] =
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
		"{\"items\":[{\"cidr\":\"192.0.2.1\"}],\"next_cursor\":\"192.0.2.1,policy\"}";
	f->answers[1] = "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n\r\n"
			"{\"code\":\"x\",\"detail\":\"no\"}";
	start(f);
	assert_int_equal(run(f, "lists", "block", "-o", "json"), CLI_FAILED);
	assert_string_equal(f->out, "{\"items\":[{\"cidr\":\"192.0.2.1\"}],"
				    "\"next_cursor\":\"192.0.2.1,policy\"}\n");
	assert_string_equal(f->err, "weir: no [x]\n");
}

static void feeds_are_shown_with_what_is_wrong(void **state)
{
	struct fixture *f = *state;

	f->answers[0] =
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
		"{\"items\":[{\"name\":\"drop\",\"list\":\"block\",\"entries\":5,\"added\":2,"
		"\"removed\":1,\"bad_lines\":0,\"hits\":9,\"read_at\":null,"
		"\"file\":\"/f\",\"error\":{\"code\":\"feed.read\",\"detail\":\"gone\"}}]}";
	start(f);
	assert_int_equal(run(f, "feeds"), CLI_OK);
	assert_string_equal(f->out,
			    "FEED  LIST   ENTRIES  ADDED  REMOVED  BAD  HITS  READ  FILE  PROBLEM\n"
			    "drop  block        5      2        1    0     9  -     /f    gone\n");
	stop(f);
	assert_has(f->requests[0], "GET /v1/feeds HTTP");
}

static void json_is_passed_on_as_it_came(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
			"{ \"b\" : 1,\"a\":\"\\u00e4\"}";
	start(f);
	assert_int_equal(run(f, "status", "-o", "json"), CLI_OK);
	assert_string_equal(f->out, "{ \"b\" : 1,\"a\":\"\\u00e4\"}\n");
}

static void words_of_others_cannot_steer_the_terminal(void **state)
{
	struct fixture *f = *state;

	f->answers[0] =
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
		"{\"items\":[{\"cidr\":\"192.0.2.1\",\"reason\":\"\\u001b[2J\\nblock \\u009b1m\"}],"
		"\"next_cursor\":null}";
	f->answers[1] = "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"
			"{\"code\":\"x\",\"detail\":\"\\u001b[2J\\u007f\"}";
	start(f);
	assert_int_equal(run(f, "lists", "block"), CLI_OK);
	assert_has(f->out, "?[2J?block ??1m\n");
	assert_int_equal(run(f, "status"), CLI_NOT_FOUND);
	assert_string_equal(f->err, "weir: ?[2J? [x]\n");
}

static void columns_line_up_also_beyond_ascii(void **state)
{
	struct fixture *f = *state;
	_cleanup_(table_done) struct table t = {0};
	size_t size;
	struct cli cli = {.out = open_memstream(&f->out, &size)};

	table_init(&t, "NAME", ">N", "END", NULL);
	for (size_t i = 0; i < 2; i++) {
		table_cell(&t, "%s", i ? "\303\244\303\266\303\274\303\237-long" : "a");
		table_cell(&t, "%d", i ? 5 : 12345);
		table_cell(&t, "x");
	}
	assert_int_equal(table_print(&t, &cli), CLI_OK);
	fclose(cli.out);
	assert_string_equal(f->out, "NAME           N  END\n"
				    "a          12345  x\n"
				    "\303\244\303\266\303\274\303\237-long      5  x\n");
}

static void source_is_answered_in_one_sentence_first(void **state)
{
	struct fixture *f = *state;

	f->answers[0] =
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
		"{\"address\":\"192.0.2.1\",\"verdict\":\"blocked\",\"mode\":\"enforce\","
		"\"lists\":[{\"list\":\"block\",\"cidr\":\"192.0.2.0/24\",\"origin\":\"operator\","
		"\"added_by\":\"bob\",\"reason\":\"scan\",\"left_seconds\":null}],"
		"\"limits\":[{\"name\":\"web\",\"unit\":\"packets\",\"known\":true,"
		"\"available\":3,\"burst\":40,\"wait_ns\":2000000,"
		"\"algorithm\":\"token_bucket\",\"effect\":\"drop\"}],"
		"\"recent\":[{\"reason\":\"blocked\",\"verdict\":\"drop\",\"packets\":7,"
		"\"bytes\":700}],\"undo\":\"weir unblock 192.0.2.0/24\"}";
	f->answers[1] =
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
		"{\"address\":\"192.0.2.1\",\"verdict\":\"over_limit\",\"mode\":\"monitor\"}";
	start(f);
	assert_int_equal(run(f, "source", "::ffff:192.0.2.1"), CLI_OK);
	assert_ptr_equal(strstr(f->out, "192.0.2.1 is on the block list"), f->out);
	assert_has(f->out, "\nto let it through: weir unblock 192.0.2.0/24\n");
	assert_has(f->out, "block  192.0.2.0/24     -  for ever  -      bob   scan\n");
	assert_has(f->out, "web    packets  token_bucket     3     40   2ms  drop\n");
	assert_int_equal(run(f, "source", "192.0.2.1"), CLI_OK);
	assert_has(f->out, "the mode is monitor: nothing is really dropped");
	stop(f);
	assert_has(f->requests[0], "GET /v1/source/192.0.2.1 HTTP/1.1\r\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_mistyped_word_is_answered_with_the_one_that_was_meant),
		TEST(what_a_command_does_not_take_is_refused_and_named),
		TEST(a_socket_path_that_is_too_long_is_refused),
		TEST(host_bits_are_refused_before_anything_is_sent),
		TEST(the_daemon_gets_its_arguments_unparsed),
		TEST(help_is_made_from_the_tables),
		TEST(without_a_daemon_the_exit_is_6_and_the_socket_is_named),
		TEST(a_daemon_that_keeps_silent_is_given_up_on),
		TEST(an_answer_beyond_the_limit_is_not_kept),
		TEST(a_refusal_for_lack_of_permission_is_exit_4),
		TEST(what_is_not_there_is_exit_3_and_a_conflict_is_exit_5),
		TEST(any_other_refusal_is_exit_1_also_without_a_problem_body),
		TEST(a_key_is_shown_from_a_file_or_the_environment),
		TEST(options_may_stand_anywhere_and_arrive_as_given),
		TEST(a_change_that_is_not_kept_is_warned_of),
		TEST(unblock_says_what_still_blocks),
		TEST(the_pages_of_a_list_are_shown_as_one),
		TEST(pages_line_up_under_one_head_and_feeds_are_named),
		TEST(a_listing_that_breaks_off_says_where_it_goes_on),
		TEST(feeds_are_shown_with_what_is_wrong),
		TEST(json_is_passed_on_as_it_came),
		TEST(words_of_others_cannot_steer_the_terminal),
		TEST(columns_line_up_also_beyond_ascii),
		TEST(source_is_answered_in_one_sentence_first),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
