/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What people ask of flags, and what they read of them. */
#include "test_cli.h"

#define OK "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define SET                                                                                        \
	OK "{\"flag\":{\"name\":\"strict\",\"enabled\":true,\"in_force\":true,"                    \
	   "\"rollout\":\"25%\",\"sources\":[\"10.0.0.0/8\"],\"tenants\":[\"acme\"],"              \
	   "\"set_by\":\"alice\"},\"persisted\":true}"

static void a_flag_is_set_as_asked(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ANSWERS_MAX; i++)
		f->answers[i] = SET;
	start(f);
	assert_int_equal(run(f, "flags", "set", "strict", "on", "--reason", "CHG-1", "--ttl", "2h"),
			 CLI_OK);
	assert_string_equal(f->out,
			    "flag strict is on for 25% of the sources and 10.0.0.0/8 acme\n");
	assert_int_equal(run(f, "flags", "set", "strict", "off", "--ttl", "none"), CLI_OK);
	assert_int_equal(run(f, "flags", "rollout", "strict", "12.5%"), CLI_OK);
	assert_int_equal(run(f, "flags", "target", "strict", "--sources", "10.0.0.0/8,::1",
			     "--tenants", "none"),
			 CLI_OK);
	stop(f);
	assert_has(f->requests[0], "PUT /v1/flags/strict HTTP");
	assert_has(f->requests[0],
		   "\r\n\r\n{\"enabled\":true,\"ttl\":\"2h\",\"reason\":\"CHG-1\"}");
	assert_has(f->requests[1], "\r\n\r\n{\"enabled\":false,\"ttl\":null}");
	assert_has(f->requests[2], "\r\n\r\n{\"rollout\":\"12.5%\"}");
	assert_has(f->requests[3], "\r\n\r\n{\"sources\":[\"10.0.0.0/8\",\"::1\"],\"tenants\":[]}");
}

static void what_makes_no_sense_is_not_asked(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, "flags", "set", "strict", "maybe"), CLI_USAGE);
	assert_has(f->err, "'maybe' is neither on nor off");
	assert_int_equal(run(f, "flags", "set", "../policy", "on"), CLI_USAGE);
	assert_has(f->err, "'../policy' is no name of a flag");
	assert_int_equal(run(f, "flags", "rollout", "strict", "25"), CLI_USAGE);
	assert_has(f->err, "'25' has no unit: write 25%");
	assert_int_equal(run(f, "flags", "target", "strict"), CLI_USAGE);
	assert_has(f->err, "say whom");
	assert_int_equal(run(f, "flags", "unset", "strict", "--ttl", "1h"), CLI_USAGE);
}

static void what_is_taken_back_is_the_policy_s(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = OK "{\"flag\":{\"name\":\"strict\",\"enabled\":false,\"rollout\":\"5%\","
			   "\"set_by\":null},\"persisted\":false}";
	f->answers[1] = OK "{\"flag\":null,\"persisted\":true}";
	start(f);
	assert_int_equal(run(f, "flags", "unset", "strict"), CLI_OK);
	assert_string_equal(f->out, "flag strict is off; its share is 5% of the sources, as the "
				    "policy says\n");
	assert_has(f->err, "NOT KEPT");
	assert_int_equal(run(f, "flags", "unset", "gone"), CLI_OK);
	assert_string_equal(f->out, "flag gone is forgotten\n");
	stop(f);
	assert_has(f->requests[0], "DELETE /v1/flags/strict HTTP");
}

static void the_list_says_who_and_until_when(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = OK
		"{\"items\":["
		"{\"name\":\"a\",\"enabled\":true,\"rollout\":\"25%\",\"sources\":[\"10.0.0.0/8\"],"
		"\"tenants\":[\"acme\"],\"limits\":[\"dns\",\"!old\"],\"set_by\":\"alice\","
		"\"set_at\":\"2026-11-21T04:29:53.01Z\",\"until\":\"2026-11-21T06:29:53.01Z\","
		"\"reason\":\"try it\\u001b[2J\"},"
		"{\"name\":\"b\",\"enabled\":true,\"expired\":true,\"rollout\":\"100%\","
		"\"description\":\"halve it\","
		"\"policy\":{\"expires\":\"2026-01-01T00:00:00.000000000Z\"}},"
		"{\"name\":\"c\",\"orphaned\":true,\"rollout\":\"0%\",\"set_by\":\"bob\"}]}";
	start(f);
	assert_int_equal(run(f, "flags", "list"), CLI_OK);
	stop(f);
	assert_has(f->out, "a     on            25%  10.0.0.0/8 acme  dns !old  alice   "
			   "2026-11-21T04:29:53Z  2026-11-21T06:29:53Z  try it?[2J\n");
	assert_has(f->out,
		   "b     expired      100%  -                -         policy  -           "
		   "          2026-01-01T00:00:00Z  halve it\n");
	assert_has(f->out, "c     orphaned       0%  -                -         bob");
}

static void status_and_limits_tell_of_flags(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = OK
		"{\"attached\":\"native\",\"lists\":{\"persisted\":true},"
		"\"waiting\":[{\"limit\":\"l\",\"unit\":\"packets\",\"off\":false,\"flag\":\"a\","
		"\"flag_off\":true,\"from\":null}],"
		"\"flags_set\":[{\"name\":\"a\",\"enabled\":false,\"rollout\":\"25%\","
		"\"sources\":[\"10.0.0.0/8\"],\"set_by\":\"alice\","
		"\"set_at\":\"2026-11-21T04:29:53.01Z\",\"until\":\"2026-11-21T06:29:53.01Z\","
		"\"reason\":\"trial\"}]}";
	f->answers[1] =
		OK "{\"items\":["
		   "{\"name\":\"l\",\"in_force\":false,\"flag\":\"a\",\"flag_off\":true},"
		   "{\"name\":\"m\",\"in_force\":true,\"flag\":\"!a\",\"flag_off\":false}]}";
	start(f);
	assert_int_equal(run(f, "status"), CLI_OK);
	assert_has(f->out, "flag        a: off, 25% and 10.0.0.0/8, set by alice at "
			   "2026-11-21T04:29:53Z, until 2026-11-21T06:29:53Z: trial\n");
	assert_has(f->out, "l (packets): off: flag a is off or for nobody\n");
	assert_int_equal(run(f, "limits"), CLI_OK);
	stop(f);
	assert_has(f->out, "off: flag a is off or for nobody\n");
	assert_has(f->out, "in force by flag !a\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_flag_is_set_as_asked),
		TEST(what_makes_no_sense_is_not_asked),
		TEST(what_is_taken_back_is_the_policy_s),
		TEST(the_list_says_who_and_until_when),
		TEST(status_and_limits_tell_of_flags),
	};

	return cmocka_run_group_tests_name("cli_flags", tests, NULL, NULL);
}
