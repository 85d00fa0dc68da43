/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Commands that work on files, with or without a daemon: policies, the audit log, detach. */
#include "test_cli.h"

#include "audit/chain.h"

static const char *write_policy(struct fixture *f, const char *text)
{
	static char path[64];
	_cleanup_fclose_ FILE *file = NULL;

	snprintf(path, sizeof(path), "%s/policy.yaml", f->dir);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fchmod(fileno(file), 0600), 0);
	fputs(text, file);
	return path;
}

#define POLICY "apiVersion: weir/v1\nmode: monitor\nlimits:\n"

static void a_policy_is_checked_without_a_daemon(void **state)
{
	struct fixture *f = *state;
	const char *path = write_policy(f, POLICY "  - {name: a, scope: source, rate: 2k/s}\n");
	char want[128];

	assert_int_equal(run(f, "policy", "check", path), CLI_OK);
	snprintf(want, sizeof(want), "%s: ok: mode monitor, 1 limits", path);
	assert_has(f->out, want);
	write_policy(f, POLICY "  - {name: a, scope: source, rate: 2k}\n");
	assert_int_equal(run(f, "policy", "check", path), CLI_FAILED);
	snprintf(want, sizeof(want), "%s:4:", path);
	assert_ptr_equal(strstr(f->err, want), f->err);
	assert_int_equal(run(f, "policy", "check", "-ojson", path), CLI_FAILED);
	assert_has(f->out, "{\"ok\":false,\"code\":\"policy.");
}

#define ANSWER(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body
/* What is asked for first: the profile that the daemon runs with. */
#define NO_PROFILE	     ANSWER("200 OK", "{\"policy\":{\"daemon_profile\":null}}")

static void a_policy_is_sent_only_if_it_is_correct(void **state)
{
	struct fixture *f = *state;
	const char *path = write_policy(f, POLICY "  - {name: a, scope: source, rate: 2k}\n"
						  "  - {name: b, scope: source, rate: 3k}\n");

	f->answers[0] = f->answers[1] = NO_PROFILE;
	f->answers[2] = ANSWER("200 OK", "{\"generation\":4,\"changed\":true}");
	f->answers[3] = ANSWER("200 OK", "{\"generation\":4,\"changed\":false}");
	start(f);
	assert_int_equal(run(f, "policy", "apply", path), CLI_FAILED);
	assert_has(f->err, ":4:36: error: '2k' has no unit");
	assert_has(f->err, ":5:36: error: '3k' has no unit");
	write_policy(f, "apiVersion: weir/v1\nmode: off\n");
	assert_int_equal(run(f, "policy", "apply", path), CLI_OK);
	assert_string_equal(f->out, "policy generation 4 is in force\n");
	assert_int_equal(run(f, "policy", "apply"), CLI_OK);
	assert_has(f->out, "in force; its text is the same as before");
	stop(f);
	assert_has(f->requests[2], "PUT /v1/policy HTTP/1.1\r\n");
	assert_has(f->requests[2], "\r\n\r\napiVersion: weir/v1\nmode: off\n");
	assert_has(f->requests[3], "Content-Length: 0\r\n");
}

static void a_policy_is_planned_only_if_it_is_correct_and_all_is_said(void **state)
{
	struct fixture *f = *state;
	const char *path = write_policy(f, POLICY "  - {name: a, scope: source, rate: 2k}\n"
						  "  - {name: b, scope: source, rate: 3k}\n");

	assert_int_equal(run(f, "policy", "plan", path, "-o", "json"), CLI_FAILED);
	assert_has(f->err, ":4:36: error: '2k' has no unit");
	assert_has(f->err, ":5:36: error: '3k' has no unit");
	assert_has(f->out, "\"diagnostics\":[{");
}

static void a_policy_is_checked_with_the_profile_that_it_is_applied_with(void **state)
{
	struct fixture *f = *state;
	const char *path = write_policy(f, "apiVersion: weir/v1\nmode: off\n"
					   "profiles: {a: {mode: monitor}, none: {}}\n");

	f->answers[0] = ANSWER("200 OK", "{\"policy\":{\"daemon_profile\":\"b\"}}");
	f->answers[1] = f->answers[2] = ANSWER("200 OK", "{\"generation\":4,\"changed\":true}");
	start(f);
	assert_int_equal(run(f, "policy", "apply", path), CLI_FAILED);
	assert_has(f->err, "there is no profile 'b'");
	assert_int_equal(run(f, "policy", "apply", path, "--profile", "c"), CLI_FAILED);
	assert_int_equal(run(f, "policy", "apply", path, "--profile", "a"), CLI_OK);
	assert_int_equal(run(f, "policy", "apply", path, "--profile", "none"), CLI_OK);
	stop(f);
	assert_has(f->requests[1], "PUT /v1/policy?profile=a HTTP/1.1\r\n");
	assert_has(f->requests[2], "PUT /v1/policy?profile= HTTP/1.1\r\n");
}

static void all_that_the_daemon_finds_is_shown(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = ANSWER("409 Conflict",
			       "{\"code\":\"safety.lockout\",\"detail\":\"first, and 1 more\","
			       "\"findings\":[{\"code\":\"safety.lockout\",\"detail\":\"first\"},"
			       "{\"code\":\"safety.max_blocked\",\"detail\":\"sec\\u001bond\"}]}");
	f->answers[1] = ANSWER("422 Unprocessable",
			       "{\"code\":\"policy.x\",\"detail\":\"d\",\"diagnostics\":["
			       "{\"severity\":\"error\",\"code\":\"policy.x\",\"file\":\"p\","
			       "\"line\":2,\"column\":3,\"width\":2,\"text\":\"wrong\","
			       "\"source\":\"a bc\",\"source_at\":2}]}");
	start(f);
	assert_int_equal(run(f, "policy", "apply"), CLI_CONFLICT);
	assert_has(f->err, "UNSAFE: first [safety.lockout]");
	assert_has(f->err, "UNSAFE: sec?ond [safety.max_blocked]");
	assert_int_equal(run(f, "policy", "apply"), CLI_FAILED);
	assert_has(f->err, "p:2:3: error: wrong [policy.x]\n  a bc\n    ^~\n");
	stop(f);
}

/* A log of three records below the fixture's directory, in <dir>/audit. */
static struct chain *write_log(struct fixture *f, char path[static 64])
{
	struct chain *chain;

	snprintf(path, 64, "%s/audit", f->dir);
	assert_int_equal(chain_open(path, NULL, &chain, NULL), 0);
	for (unsigned int i = 0; i < 3; i++) {
		struct audit_details details = {0};
		struct audit_record record = {
			.event = AUDIT_EVENT_LIST_ADD,
			.resource = {"list", "block"},
			.details = &details,
		};

		audit_details_u64(&details, "number", i);
		audit_details_string(&details, "reason", "two words");
		assert_int_equal(chain_append(chain, &record), 0);
	}
	assert_int_equal(chain_commit(chain, NULL), 0);
	return chain;
}

static void change_byte(const char *dir, const char *before)
{
	char path[128], data[8192];
	_cleanup_close_ int fd = -1;
	const char *found;

	snprintf(path, sizeof(path), "%s/00000000000000000000.seg", dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(pread(fd, data, sizeof(data), 0) > 4096);
	found = memmem(data, sizeof(data), before, strlen(before));
	assert_non_null(found);
	assert_int_equal(pwrite(fd, "X", 1, found - data), 1);
}

static void a_log_is_verified_offline_and_its_first_bad_record_named(void **state)
{
	struct fixture *f = *state;
	char dir[64];

	chain_close(write_log(f, dir));
	assert_int_equal(run(f, "audit", "verify", dir), CLI_OK);
	assert_has(f->out, "ok: 3 records in 1 segments");
	assert_int_equal(run(f, "audit", "verify", dir, "-o", "json"), CLI_OK);
	assert_has(f->out, "{\"ok\":true,\"status\":\"ok\"");
	change_byte(dir, "number\":1");
	assert_int_equal(run(f, "audit", "verify", dir), CLI_FAILED);
	assert_has(f->out, " at record 1: ");
	assert_has(f->out, "in 00000000000000000000.seg at byte ");
	assert_int_equal(run(f, "audit", "verify", dir, "-o", "json"), CLI_FAILED);
	assert_has(f->out, "\"index\":1,");
	assert_int_equal(run(f, "audit", "verify", "/nonexistent"), CLI_FAILED);
	assert_has(f->err, "[audit.read]");
}

static void the_tail_of_a_log_is_the_same_from_files_and_from_the_daemon(void **state)
{
	struct fixture *f = *state;
	char dir[64], answer[8192];
	_cleanup_free_ char *offline = NULL;
	const char *newest;

	chain_close(write_log(f, dir));
	assert_int_equal(run(f, "audit", "tail", "--dir", dir, "-n2", "-ojson"), CLI_OK);
	assert_has(f->out, "\"number\":1");
	assert_has(f->out, "\"hash\":\"");
	assert_lacks(f->out, "\"number\":0");
	/* The daemon gives the newest first. */
	newest = strchr(f->out, '\n') + 1;
	snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%s%.*s",
		 newest, (int)(newest - f->out), f->out);
	assert_int_equal(run(f, "audit", "tail", "--dir", dir, "--lines=2"), CLI_OK);
	assert_has(f->out,
		   "Z list.add             weir     list block number=2 reason='two words'\n");
	offline = take_ptr(f->out);
	f->answers[0] = answer;
	start(f);
	assert_int_equal(run(f, "audit", "tail", "-n", "2"), CLI_OK);
	stop(f);
	assert_string_equal(f->out, offline);
	assert_has(f->requests[0], "GET /v1/audit/events?limit=2 HTTP/1.1\r\n");
}

static void detach_never_works_around_a_daemon_that_lives(void **state)
{
	struct fixture *f = *state;
	_cleanup_(chain_closep) struct chain *daemons = NULL;
	char dir[64];

	/* Its socket is not where we look, but its log is locked. */
	daemons = write_log(f, dir);
	assert_int_equal(run(f, "detach", "--state-dir", f->dir, "--bpffs", f->dir),
			 CLI_UNREACHABLE);
	assert_has(f->err, "a daemon is running");
	/* It hangs. */
	start(f);
	assert_int_equal(run(f, "detach", "--bpffs", f->dir, "--timeout=50ms"), CLI_UNREACHABLE);
	assert_has(f->err, "did not answer in time");
}

static void detach_without_a_daemon_does_not_guess(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, "detach"), CLI_UNREACHABLE);
	assert_has(f->err, "--bpffs");
	assert_int_equal(run(f, "detach", "--bpffs", f->dir, "--state-dir", f->dir), CLI_FAILED);
	assert_has(f->err, "[detach.nothing]");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_policy_is_checked_without_a_daemon),
		TEST(a_policy_is_sent_only_if_it_is_correct),
		TEST(a_policy_is_planned_only_if_it_is_correct_and_all_is_said),
		TEST(a_policy_is_checked_with_the_profile_that_it_is_applied_with),
		TEST(all_that_the_daemon_finds_is_shown),
		TEST(a_log_is_verified_offline_and_its_first_bad_record_named),
		TEST(the_tail_of_a_log_is_the_same_from_files_and_from_the_daemon),
		TEST(detach_never_works_around_a_daemon_that_lives),
		TEST(detach_without_a_daemon_does_not_guess),
	};

	return cmocka_run_group_tests_name("cli_files", tests, NULL, NULL);
}
