/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The language on the command line: check, fmt, schema, explain; none of them needs a daemon. */
#include "test_cli.h"

#define POLICY "apiVersion: weir/v1\nmode: monitor\n"

static const char *write_policy(struct fixture *f, const char *text)
{
	static char path[64];
	_cleanup_fclose_ FILE *file = NULL;

	snprintf(path, sizeof(path), "%s/policy.yaml", f->dir);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fchmod(fileno(file), 0640), 0);
	fputs(text, file);
	return path;
}

static void check_says_all_that_is_wrong_with_line_and_caret(void **state)
{
	struct fixture *f = *state;
	const char *path = write_policy(f, POLICY "limits: [{name: a, rate: 2k}]\nport: 1\n");
	char want[256];

	assert_int_equal(run(f, "policy", "check", path), CLI_FAILED);
	snprintf(want, sizeof(want),
		 "%s:3:10: error: 'scope' is missing from a limit; it takes a scope such as source "
		 "[policy.key.missing]\n  limits: [{name: a, rate: 2k}]\n           ^",
		 path);
	assert_ptr_equal(strstr(f->err, want), f->err);
	assert_has(f->err, ":3:26: error: '2k' has no unit: write 2k/s [policy.unit.missing]\n");
	assert_has(f->err, ":4:1: error: unknown key 'port' in the policy");
	assert_string_equal(f->out, "");
	assert_int_equal(run(f, "policy", "check", path, "-o", "json"), CLI_FAILED);
	assert_has(f->out, "{\"ok\":false,\"code\":\"policy.");
	assert_has(f->out,
		   "\"diagnostics\":[{\"severity\":\"error\",\"code\":\"policy.key.missing\",");
	assert_has(f->out, "\"line\":3,\"column\":26,\"width\":2,");
}

static void warnings_fail_a_check_only_if_it_is_strict(void **state)
{
	struct fixture *f = *state;
	const char *path = write_policy(f, POLICY "services: {web: {proto: tcp}}\n");

	assert_int_equal(run(f, "policy", "check", path), CLI_OK);
	assert_has(f->err, "3:12: warning: no limit names service 'web' [policy.service.unused]\n");
	assert_has(f->out, ": ok: mode monitor, 0 limits, 1 services, ");
	assert_has(f->out, "; 1 warning\n");
	assert_int_equal(run(f, "policy", "check", "--strict", path), CLI_FAILED);
	assert_int_equal(run(f, "policy", "check", path, "-ojson"), CLI_OK);
	assert_has(f->out, "{\"ok\":true,");
	assert_has(f->out, "\"severity\":\"warning\"");
	write_policy(f, POLICY);
	assert_int_equal(run(f, "policy", "check", "--strict", path), CLI_OK);
	assert_string_equal(f->err, "");
}

static void a_profile_is_chosen_by_its_name(void **state)
{
	struct fixture *f = *state;
	const char *path = write_policy(f, POLICY "profiles: {production: {mode: enforce}}\n");

	assert_int_equal(run(f, "policy", "check", path), CLI_OK);
	assert_has(f->out, "mode monitor");
	assert_int_equal(run(f, "policy", "check", "--profile", "production", path), CLI_OK);
	assert_has(f->out, "mode enforce");
	assert_int_equal(run(f, "policy", "check", "-p", "productoin", path), CLI_FAILED);
	assert_has(f->err, "there is no profile 'productoin'; did you mean 'production'?");
}

static void fmt_writes_to_stdout_or_in_place(void **state)
{
	struct fixture *f = *state;
	const char *path = write_policy(f, "mode: monitor # why\napiVersion: weir/v1\n");
	const char want[] = "apiVersion: weir/v1\nmode: monitor  # why\n";
	struct stat st;

	assert_int_equal(run(f, "policy", "fmt", path), CLI_OK);
	assert_string_equal(f->out, want);
	assert_int_equal(run(f, "policy", "fmt", "--check", path), CLI_FAILED);
	assert_has(f->err, "[policy.fmt.differs]");
	assert_int_equal(run(f, "policy", "fmt", "-w", path), CLI_OK);
	assert_string_equal(f->out, "");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_size, strlen(want));
	assert_int_equal(run(f, "policy", "fmt", "--check", path), CLI_OK);
	assert_int_equal(run(f, "policy", "fmt", "-w"), CLI_USAGE);
	assert_int_equal(run(f, "policy", "fmt", "-w", "--check", path), CLI_USAGE);
	write_policy(f, "a: [\n");
	assert_int_equal(run(f, "policy", "fmt", path), CLI_FAILED);
	assert_has(f->err, ":2:1: YAML: ");
	assert_int_equal(run(f, "policy", "fmt", "/nonexistent"), CLI_FAILED);
	assert_has(f->err, "/nonexistent: No such file or directory");
	assert_int_equal(remove(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(run(f, "policy", "fmt", path), CLI_FAILED);
	assert_int_equal(run(f, "policy", "fmt", f->dir), CLI_FAILED);
	assert_has(f->err, ": Is a directory");
}

static void the_language_is_told_as_schema_and_as_text(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, "policy", "schema"), CLI_OK);
	assert_has(f->out, "\"$schema\": \"https://json-schema.org/draft/2020-12/schema\"");
	assert_int_equal(run(f, "policy", "explain", "limits.rate"), CLI_OK);
	assert_has(f->out, "limits.rate\n");
	assert_has(f->out, "  example   rate: 2k/s\n");
	assert_int_equal(run(f, "policy", "explain", "limits.rate", "-ojson"), CLI_OK);
	assert_has(f->out, "{\"path\":\"limits.rate\",");
	assert_int_equal(run(f, "policy", "explain"), CLI_OK);
	assert_has(f->out, "apiVersion");
	assert_int_equal(run(f, "policy", "explain", "-ojson"), CLI_OK);
	assert_int_equal(f->out[0], '[');
	assert_int_equal(run(f, "policy", "explain", "limits.rte"), CLI_FAILED);
	assert_has(f->err, "did you mean 'rate'?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(check_says_all_that_is_wrong_with_line_and_caret),
		TEST(warnings_fail_a_check_only_if_it_is_strict),
		TEST(a_profile_is_chosen_by_its_name),
		TEST(fmt_writes_to_stdout_or_in_place),
		TEST(the_language_is_told_as_schema_and_as_text),
	};

	return cmocka_run_group_tests_name("cli_policy", tests, NULL, NULL);
}
