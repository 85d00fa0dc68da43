/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What people read of limits: in force or not, adaptive, short of room. */
#include "test_cli.h"

#define OK "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

static void a_number_is_posted_as_given(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = OK "{\"limit\":\"host\",\"value\":42,\"recorded\":false}";
	start(f);
	assert_int_equal(run(f, "limits", "post", "host", "42"), CLI_OK);
	assert_string_equal(f->out, "limit host follows 42 from now on\n");
	stop(f);
	assert_has(f->requests[0], "PUT /v1/limits/host/target HTTP");
	assert_has(f->requests[0], "\r\n\r\n{\"value\":42}");
}

static void limits_say_whether_they_are_in_force(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = OK
		"{\"items\":["
		"{\"name\":\"a\",\"unit\":\"packets\",\"algorithm\":\"token_bucket\",\"rate\":\"1/s\","
		"\"burst\":1,\"scope\":\"source\",\"service\":null,\"passed\":1,\"dropped\":2,"
		"\"would_drop\":3,\"marked\":4,\"in_force\":true,\"shadow\":true,"
		"\"adaptive\":{\"factor_permille\":335},\"state\":{\"level\":\"full\"}},"
		"{\"name\":\"b\",\"in_force\":false,\"adaptive\":null,"
		"\"changes_at\":\"2026-11-21T18:00:00.000000000Z\",\"state\":{\"level\":\"normal\"}},"
		"{\"name\":\"c\",\"in_force\":false,\"off\":true,\"changes_at\":null},"
		"{\"name\":\"d\",\"in_force\":false,\"changes_at\":null,"
		"\"state\":{\"level\":\"sharing\"}}]}";
	start(f);
	assert_int_equal(run(f, "limits"), CLI_OK);
	stop(f);
	assert_has(f->out,
		   "1        2           3       4  in force, shadow, at 33.5 %, no cells left\n");
	assert_has(f->out, "  not now, from 2026-11-21T18:00:00Z\n");
	assert_has(f->out, "  off: rolled out to nobody\n");
	assert_has(f->out, "  not now, nor within a month, sharing cells\n");
}

static void status_tells_of_schedules_targets_and_exhaustion(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = OK
		"{\"attached\":\"native\",\"lists\":{\"persisted\":true},"
		"\"state\":{\"sources_max\":1024,\"cells_busy\":0.456,\"exhausted\":[{\"limit\":\"x\","
		"\"unit\":\"bytes\",\"level\":\"sharing\",\"since\":\"2026-11-21T04:29:53.01Z\","
		"\"coarse_packets\":7,\"full_packets\":8}]},"
		"\"waiting\":[{\"limit\":\"b\",\"unit\":\"packets\",\"off\":false,"
		"\"from\":\"2026-11-21T18:00:00.000000000Z\"}],"
		"\"adaptive\":["
		"{\"limit\":\"s\",\"unit\":\"packets\",\"factor_permille\":500,\"target\":\"softirq\","
		"\"measured\":812,\"threshold\":600,\"error\":null},"
		"{\"limit\":\"n\",\"unit\":\"packets\",\"factor_permille\":1000,"
		"\"target\":\"nic_drops\",\"measured\":null,\"threshold\":10,\"error\":\"No such "
		"device\"}]}";
	start(f);
	assert_int_equal(run(f, "status"), CLI_OK);
	stop(f);
	assert_has(f->out,
		   "\nSTATE EXHAUSTED (sharing): limit x (bytes) has no room for all its "
		   "sources since 2026-11-21T04:29:53Z: 7 packets shared a cell, 8 found none\n");
	assert_has(f->out, "room for 1024 sources, 45.6 % of the cells busy\n");
	assert_has(f->out, "schedule    b (packets): not now, from 2026-11-21T18:00:00Z\n");
	assert_has(f->out, "adaptive    s (packets): at 50.0 % of its rate: softirq 81.2 %, target "
			   "60.0 %\n");
	assert_has(f->out, "adaptive    n (packets): at 100.0 % of its rate: nic_drops unknown, "
			   "target 10/s; CANNOT BE MEASURED: No such device\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_number_is_posted_as_given),
		TEST(limits_say_whether_they_are_in_force),
		TEST(status_tells_of_schedules_targets_and_exhaustion),
	};

	return cmocka_run_group_tests_name("cli_limits", tests, NULL, NULL);
}
