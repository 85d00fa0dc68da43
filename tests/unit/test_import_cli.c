/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* weir import on the command line: what goes where, which options go together, and entries that the daemon is asked to take. */
#include "test_cli.h"

#define SET                                                                                        \
	"create n hash:net timeout 60\nadd n 10.1.0.0/16 nomatch\nadd n 10.0.0.0/8 timeout 50\n"   \
	"add n 2001:db8::1 comment \"x\"\nswap n m\n"
#define OK "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

static const char *put(struct fixture *f, const char *text)
{
	static char path[64];
	_cleanup_fclose_ FILE *file = NULL;

	snprintf(path, sizeof(path), "%s/input", f->dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	return path;
}

static void the_policy_is_data_and_what_is_missing_is_talk(void **state)
{
	struct fixture *f = *state;
	const char *path = put(f, SET);

	assert_int_equal(run(f, "import", "ipset", path), CLI_OK);
	assert_has(f->out, "apiVersion: weir/v1\nmode: monitor\nlists:\n  allow:\n");
	assert_has(f->err,
		   "weir: not translated: line 5: 'swap n m': only create and add are read\n");
	assert_has(f->err, "weir: different in weir: line 2: 'add n 10.1.0.0/16 nomatch': ");
	assert_has(f->err,
		   "weir: ipset: 1 to allow, 2 to block, 0 limits; 1 not translated, 1 different "
		   "in weir\n");
	assert_int_equal(run(f, "import", "ipset", path, "--strict"), CLI_FAILED);
	assert_int_equal(run(f, "import", "ipset", path, "--format", "fragment"), CLI_OK);
	assert_lacks(f->out, "mode:");
	assert_has(f->out, "apiVersion: weir/v1\nlists:\n");
	assert_int_equal(run(f, "import", "ipset", path, "--format", "list"), CLI_OK);
	assert_string_equal(f->out, "# Made by weir import: ipset\n10.0.0.0/8 # ipset: n\n"
				    "2001:db8::1 # ipset: n: x\n");
	assert_int_equal(run(f, "import", "ipset", path, "--format", "list", "--as", "allow"),
			 CLI_OK);
	assert_has(f->out, "10.0.0.0/8 # ipset: n\n");
}

static void a_file_is_written_in_one_step_and_private(void **state)
{
	struct fixture *f = *state;
	const char *path = put(f, SET);
	char made[64];
	struct stat st;

	snprintf(made, sizeof(made), "%s/policy.yaml", f->dir);
	assert_int_equal(run(f, "import", "ipset", path, "--file", made), CLI_OK);
	assert_string_equal(f->out, "");
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(run(f, "policy", "check", "--strict", made), CLI_OK);
	assert_int_equal(run(f, "policy", "fmt", "--check", made), CLI_OK);
	assert_int_equal(run(f, "import", "ipset", path, "--file", "/nonexistent/x"), CLI_FAILED);
}

static void json_is_a_summary_with_what_was_made(void **state)
{
	struct fixture *f = *state;
	const char *path = put(f, SET);

	assert_int_equal(run(f, "import", "ipset", path, "-o", "json"), CLI_OK);
	assert_has(f->out, "{\"tool\":\"ipset\",\"translated\":{\"allow\":1,\"block\":2,");
	assert_has(f->out,
		   "\"skipped\":[{\"line\":5,\"place\":null,\"text\":\"swap n m\",\"why\":\"");
	assert_has(f->out, "\"text\":\"# Made by weir import: ipset\\n");
	assert_int_equal(run(f, "import", "nft", path, "-o", "json"), CLI_FAILED);
	assert_has(f->out, "\"code\":\"import.syntax\"");
}

static void what_makes_no_sense_is_a_usage_error(void **state)
{
	struct fixture *f = *state;
	const char *path = put(f, SET);

	assert_int_equal(run(f, "import", "pf", path), CLI_USAGE);
	assert_has(f->err, "only fail2ban, nft, ipset, crowdsec and xdp-filter");
	assert_int_equal(run(f, "import", "ipset", path, "--format", "xml"), CLI_USAGE);
	assert_int_equal(run(f, "import", "ipset", path, "--as", "drop"), CLI_USAGE);
	assert_int_equal(run(f, "import", "ipset", path, "--apply", "--format", "list"), CLI_USAGE);
	assert_int_equal(run(f, "import", "ipset", path, "--force"), CLI_USAGE);
	assert_int_equal(run(f, "import"), CLI_USAGE);
	assert_int_equal(run(f, "import", "ipset", "/nonexistent"), CLI_FAILED);
	assert_has(f->err, "[import.read]");
}

static void entries_are_applied_one_by_one_exceptions_first(void **state)
{
	struct fixture *f = *state;
	const char *path = put(f, SET);

	f->answers[0] = f->answers[1] = f->answers[2] = OK;
	start(f);
	assert_int_equal(run(f, "import", "ipset", path, "--apply"), CLI_OK);
	stop(f);
	assert_int_equal(f->asked, 3);
	assert_has(f->out, "3 entries are applied\n");
	assert_has(f->requests[0], "POST /v1/lists/allow HTTP/1.1\r\n");
	assert_has(f->requests[0], "{\"cidr\":\"10.1.0.0/16\",\"reason\":\"ipset: n\"}");
	assert_has(f->requests[1], "POST /v1/lists/block HTTP/1.1\r\n");
	assert_has(f->requests[1],
		   "{\"cidr\":\"10.0.0.0/8\",\"ttl\":\"50s\",\"reason\":\"ipset: n\"}");
	assert_has(f->requests[2], "{\"cidr\":\"2001:db8::1\",\"reason\":\"ipset: n: x\"}");
}

static void a_refusal_ends_it_and_says_how_far_it_got(void **state)
{
	struct fixture *f = *state;
	const char *path = put(f, SET);

	f->answers[0] = OK;
	f->answers[1] =
		"HTTP/1.1 409 Conflict\r\nContent-Type: application/problem+json\r\n"
		"Content-Length: 72\r\n\r\n"
		"{\"status\":409,\"code\":\"safety.lockout\",\"title\":\"Conflict\",\"detail\":\"no!\"}";
	start(f);
	assert_int_equal(run(f, "import", "ipset", path, "--apply", "--force"), CLI_CONFLICT);
	stop(f);
	assert_int_equal(f->asked, 2);
	assert_has(f->requests[0], "POST /v1/lists/allow?force=true ");
	assert_has(f->err, "1 of 3 entries were applied before");
	assert_int_equal(run(f, "import", "ipset", path, "--apply"), CLI_UNREACHABLE);
}

static void more_entries_than_the_daemon_is_asked_to_take_are_a_list(void **state)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	struct fixture *f = *state;

	text_puts(&t, "create n hash:ip\n");
	for (unsigned int i = 0; i <= 1000; i++)
		text_printf(&t, "add n 10.0.%u.%u\n", i >> 7, 2 * (i & 127));
	assert_int_equal(run(f, "import", "ipset", put(f, t.data), "--apply"), CLI_FAILED);
	assert_has(f->err, "[import.apply]");
	assert_has(f->err, "--format list");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_policy_is_data_and_what_is_missing_is_talk),
		TEST(a_file_is_written_in_one_step_and_private),
		TEST(json_is_a_summary_with_what_was_made),
		TEST(what_makes_no_sense_is_a_usage_error),
		TEST(entries_are_applied_one_by_one_exceptions_first),
		TEST(a_refusal_ends_it_and_says_how_far_it_got),
		TEST(more_entries_than_the_daemon_is_asked_to_take_are_a_list),
	};

	return cmocka_run_group_tests_name("import: cli", tests, NULL, NULL);
}
