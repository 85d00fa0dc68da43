/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Time zones: the system's files, each moment against what the C library says of it; files made to
 * hurt a parser; and schedules through the hours that summer time skips and repeats.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/zone.h"
#include "policy/policy.h"

#define DAY 86400

/* Ordinary ones, half hours, both hemispheres, summer time that is negative, rules beyond a day, a
 * day that was left out, and one without any change. */
static const char *const names[] = {
	"Europe/Berlin",    "Europe/Dublin",	    "Europe/London",	 "America/New_York",
	"America/St_Johns", "America/Nuuk",	    "America/Sao_Paulo", "America/Santiago",
	"Australia/Sydney", "Australia/Lord_Howe",  "Asia/Kathmandu",	 "Asia/Jerusalem",
	"Asia/Gaza",	    "Africa/Casablanca",    "Africa/Cairo",	 "Pacific/Apia",
	"Pacific/Chatham",  "Antarctica/Troll",	    "Asia/Tokyo",	 "Etc/GMT+12",
	"Africa/Monrovia",  "America/Scoresbysund",
};

static struct zone *zone_of(const char *name)
{
	struct zone *z = NULL;
	struct fault f = {0};

	if (zone_open(ZONE_DIRECTORY, name, &z, &f) == -ENOENT) {
		print_message("%s: not installed (Debian: tzdata)\n", name);
		skip();
	}
	if (!z)
		print_error("%s\n", f.text);
	assert_non_null(z);
	return z;
}

static int32_t offset_by_libc(int64_t unix_time)
{
	time_t t = unix_time;
	struct tm tm;

	assert_non_null(localtime_r(&t, &tm));
	return (int32_t)tm.tm_gmtoff;
}

static int forget_zone(void **state)
{
	(void)state;
	unsetenv("TZ");
	tzset();
	return 0;
}

static void offsets_are_those_of_the_c_library(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(zone_freep) struct zone *z = zone_of(names[i]);

		setenv("TZ", names[i], 1);
		tzset();
		/* 1900 to 2170, steps of 41 hours and a bit: every hour of the week comes up. */
		for (int64_t t = -2208988800; t < 6311433600; t += 41 * 3600 + 61)
			if (zone_offset(z, t) != offset_by_libc(t))
				fail_msg("%s: %d at %lld", names[i], zone_offset(z, t),
					 (long long)t);
	}
}

static void changes_are_where_offsets_change(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(zone_freep) struct zone *z = zone_of(names[i]);
		int64_t t = 946684800; /* 2000 */

		setenv("TZ", names[i], 1);
		tzset();
		while (t < 4102444800) { /* 2100 */
			int64_t next = zone_change(z, t);

			assert_true(next > t);
			if (next == INT64_MAX)
				break;
			assert_int_equal(offset_by_libc(next - 1), offset_by_libc(t));
			assert_int_equal(offset_by_libc(next), zone_offset(z, next));
			t = next;
		}
	}
}

static void utc_needs_no_file(void **state)
{
	_cleanup_(zone_freep) struct zone *z = NULL;

	(void)state;
	assert_int_equal(zone_open("/nonexistent", "UTC", &z, NULL), 0);
	assert_int_equal(zone_offset(z, 1700000000), 0);
	assert_int_equal(zone_change(z, 1700000000), INT64_MAX);
}

static void a_name_cannot_lead_out_of_the_directory(void **state)
{
	static const char *const bad[] = {
		"",	"/etc/localtime", "../etc/passwd",  "Europe/../UTC",	"Europe//Berlin",
		"UTC/", "./UTC",	  "Europe/Ber lin", "Europe/B\xc3\xa9",
	};
	struct zone *z = NULL;
	struct fault f = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(zone_open(ZONE_DIRECTORY, bad[i], &z, &f), -EINVAL);
		assert_string_equal(f.code, "zone.name");
	}
	assert_null(z);
}

/* A file of one type and no times, with a rule. */
static size_t file_make(unsigned char *data, const char *rule)
{
	static const unsigned char header[44] = {'T', 'Z', 'i', 'f', '2', [39] = 1, [43] = 4};
	static const unsigned char body[] = {0, 0, 0x0e, 0x10, 0, 0, 'X', 'X', 'X', 0};
	size_t at = 0;

	for (unsigned int i = 0; i < 2; i++) {
		memcpy(data + at, header, sizeof(header));
		memcpy(data + at + sizeof(header), body, sizeof(body));
		at += sizeof(header) + sizeof(body);
	}
	return at + (size_t)sprintf((char *)data + at, "\n%s\n", rule);
}

static void rules_are_read_to_the_end(void **state)
{
	static const struct {
		const char *rule;
		int r;
		int32_t january, july; /* 2030 */
	} cases[] = {
		{"", 0, 3600, 3600},
		{"UTC0", 0, 0, 0},
		{"<-03>3", 0, -10800, -10800},
		{"<+0545>-5:45", 0, 20700, 20700},
		{"CET-1CEST,M3.5.0,M10.5.0/3", 0, 3600, 7200},
		{"IST-1GMT0,M10.5.0,M3.5.0/1", 0, 0, 3600},
		{"AEST-10AEDT,M10.1.0,M4.1.0/3", 0, 39600, 36000},
		{"A3B2:30:15,J60/-2,300/167", 0, -10800, -9015},
		{"XXX3EDT4,0/0,J365/23", 0, -14400, -14400}, /* summer all year, RFC 8536 */
		{"CET", -EBADMSG, 0, 0},
		{"CET-1CEST", -EBADMSG, 0, 0},
		{"CET-1CEST,M3.5.0", -EBADMSG, 0, 0},
		{"CET-1CEST,M13.5.0,M10.5.0", -EBADMSG, 0, 0},
		{"CET-1CEST,M3.0.0,M10.5.0", -EBADMSG, 0, 0},
		{"CET-1CEST,M3.5.7,M10.5.0", -EBADMSG, 0, 0},
		{"CET-1CEST,J0,J365", -EBADMSG, 0, 0},
		{"CET-1CEST,366,J365", -EBADMSG, 0, 0},
		{"CET-168", -EBADMSG, 0, 0},
		{"CET-1:60", -EBADMSG, 0, 0},
		{"<CET-1", -EBADMSG, 0, 0},
		{"CET-1CEST,M3.5.0,M10.5.0 ", -EBADMSG, 0, 0},
		{"CET-99999999999999999999", -EBADMSG, 0, 0},
	};
	unsigned char data[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(zone_freep) struct zone *z = NULL;
		size_t length = file_make(data, cases[i].rule);

		assert_int_equal(zone_parse(data, length, &z), cases[i].r);
		if (!z)
			continue;
		assert_int_equal(zone_offset(z, 1894752000), cases[i].january);
		assert_int_equal(zone_offset(z, 1910390400), cases[i].july);
	}
}

/* Of its own, so that a read beyond it is seen. */
static int parse_copy(const unsigned char *data, size_t length)
{
	_cleanup_free_ unsigned char *copy = malloc(length + !length);
	_cleanup_(zone_freep) struct zone *z = NULL;
	int r;

	assert_non_null(copy);
	memcpy(copy, data, length);
	r = zone_parse(copy, length, &z);
	assert_true((r == 0) == (z != NULL));
	if (z) {
		zone_offset(z, 1700000000);
		zone_change(z, INT64_MAX / 4);
	}
	return r;
}

static void any_cut_and_any_byte_of_a_file_is_answered(void **state)
{
	_cleanup_fclose_ FILE *f = fopen(ZONE_DIRECTORY "/Europe/Berlin", "re");
	static unsigned char data[8192];
	size_t length;

	(void)state;
	if (!f) {
		print_message("no " ZONE_DIRECTORY "/Europe/Berlin (Debian: tzdata)\n");
		skip();
	}
	length = fread(data, 1, sizeof(data), f);
	assert_int_equal(parse_copy(data, length), 0);
	for (size_t cut = 0; cut < length; cut++)
		assert_int_equal(parse_copy(data, cut), -EBADMSG);
	for (size_t i = 0; i < length; i++) {
		unsigned char was = data[i];

		data[i] = (unsigned char)~was;
		parse_copy(data, length);
		data[i] = 0xff;
		parse_copy(data, length);
		data[i] = was;
	}
}

static struct policy *policy_with(const char *schedule)
{
	struct policy *p = NULL;
	struct fault f = {0};
	char text[300];

	snprintf(text, sizeof(text),
		 "apiVersion: weir/v1\nmode: off\n"
		 "limits: [{name: a, scope: source, rate: 1/s, schedule: {%s}}]\n",
		 schedule);
	if (policy_parse("p", text, strlen(text), &p, &f) < 0)
		print_error("%s\n", f.text);
	assert_non_null(p);
	return p;
}

/* A moment by UTC, as `date -u -d` has it. */
static int64_t moment(const char *utc)
{
	struct tm tm = {0};

	assert_non_null(strptime(utc, "%Y-%m-%d %H:%M:%S", &tm));
	return timegm(&tm);
}

/* Changes from @begin on, in the order in which they happen; the first switches on. */
static void expect_changes(const char *schedule, const char *begin, const char *const *changes)
{
	_cleanup_(policy_freep) struct policy *p = policy_with(schedule);
	const struct policy_schedule *s = p->limits[0].schedule;
	int64_t t = moment(begin);
	bool active = false;

	assert_false(policy_schedule_active(s, t));
	for (; *changes; changes++) {
		int64_t next = policy_schedule_change(s, t);

		if (next != moment(*changes))
			fail_msg("%s: %lld, not %s", schedule, (long long)next, *changes);
		assert_int_equal(policy_schedule_active(s, next - 1), active);
		active = !active;
		assert_int_equal(policy_schedule_active(s, next), active);
		t = next;
	}
}

static void schedules_follow_the_clock_on_the_wall(void **state)
{
	static const struct {
		const char *schedule, *begin;
		const char *changes[7];
	} cases[] = {
		{"days: mon-fri, hours: \"08:00-18:00\", time_zone: UTC",
		 "2026-11-20 07:59:59", /* a Friday */
		 {"2026-11-20 08:00:00", "2026-11-20 18:00:00", "2026-11-23 08:00:00",
		  "2026-11-23 18:00:00"}},
		{"days: [sat, sun], time_zone: Europe/Berlin",
		 "2026-11-20 12:00:00",
		 {"2026-11-20 23:00:00", "2026-11-22 23:00:00", "2026-11-27 23:00:00"}},
		{"days: sun-mon, time_zone: UTC",
		 "2026-11-20 12:00:00",
		 {"2026-11-22 00:00:00", "2026-11-24 00:00:00"}},
		/* Past midnight: Friday's night ends on Saturday, Sunday's has not begun. */
		{"days: fri, hours: \"22:00-06:00\", time_zone: UTC",
		 "2026-11-20 05:00:00",
		 {"2026-11-20 22:00:00", "2026-11-21 06:00:00", "2026-11-27 22:00:00"}},
		{"hours: [\"08:00-12:00\", \"12:00-13:00\", \"20:00-24:00\"], time_zone: UTC",
		 "2026-11-20 05:00:00",
		 {"2026-11-20 08:00:00", "2026-11-20 13:00:00", "2026-11-20 20:00:00",
		  "2026-11-21 00:00:00"}},
		/* 29 March 2026: 02:00 becomes 03:00 in Berlin. */
		{"hours: \"01:00-04:00\", time_zone: Europe/Berlin",
		 "2026-03-28 12:00:00",
		 {"2026-03-29 00:00:00", "2026-03-29 02:00:00", "2026-03-29 23:00:00",
		  "2026-03-30 02:00:00"}},
		{"hours: \"02:30-04:00\", time_zone: Europe/Berlin",
		 "2026-03-28 12:00:00",
		 {"2026-03-29 01:00:00", "2026-03-29 02:00:00", "2026-03-30 00:30:00"}},
		{"hours: \"02:15-02:45\", time_zone: Europe/Berlin",
		 "2026-03-28 12:00:00", /* skipped */
		 {"2026-03-30 00:15:00", "2026-03-30 00:45:00"}},
		{"days: sun, hours: \"02:15-02:45\", time_zone: Europe/Berlin",
		 "2026-03-28 12:00:00",
		 {"2026-04-05 00:15:00", "2026-04-05 00:45:00"}},
		/* 25 October 2026: 03:00 becomes 02:00, so that 02:00 to 03:00 comes twice. */
		{"hours: \"02:15-02:45\", time_zone: Europe/Berlin",
		 "2026-10-24 12:00:00",
		 {"2026-10-25 00:15:00", "2026-10-25 00:45:00", "2026-10-25 01:15:00",
		  "2026-10-25 01:45:00", "2026-10-26 01:15:00"}},
		{"hours: \"02:30-05:00\", time_zone: Europe/Berlin",
		 "2026-10-24 12:00:00",
		 {"2026-10-25 00:30:00", "2026-10-25 01:00:00", "2026-10-25 01:30:00",
		  "2026-10-25 04:00:00"}},
		/* Half an hour of summer time. */
		{"hours: \"01:45-03:00\", time_zone: Australia/Lord_Howe",
		 "2026-04-03 12:00:00",
		 {"2026-04-03 14:45:00", "2026-04-03 16:00:00", "2026-04-04 14:45:00",
		  "2026-04-04 15:00:00", "2026-04-04 15:15:00", "2026-04-04 16:30:00"}},
		/* Samoa had no Friday, 30 December 2011. */
		{"days: fri, time_zone: Pacific/Apia",
		 "2011-12-25 12:00:00",
		 {"2012-01-05 10:00:00", "2012-01-06 10:00:00"}},
	};

	(void)state;
	zone_free(zone_of("Pacific/Apia"));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_changes(cases[i].schedule, cases[i].begin, cases[i].changes);
}

static void a_schedule_of_every_hour_never_changes(void **state)
{
	_cleanup_(policy_freep) struct policy *p =
		policy_with("days: mon-sun, hours: [\"00:00-12:00\", \"12:00-24:00\"], "
			    "time_zone: Europe/Berlin");
	int64_t t = moment("2026-10-20 12:00:00");

	(void)state;
	assert_true(policy_schedule_active(p->limits[0].schedule, t));
	assert_int_equal(policy_schedule_change(p->limits[0].schedule, t), INT64_MAX);
}

/* Every minute of a year, in zones of all kinds: the answer to "until when" is true. */
static void no_change_is_missed(void **state)
{
	static const char *const schedules[] = {
		"days: [mon, wed-fri], hours: [\"23:30-02:30\", \"07:05-07:06\"]",
		"hours: \"02:30-02:00\"",
		"days: sun, hours: [\"00:00-24:00\"]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i += 3) {
		for (size_t j = 0; j < ARRAY_SIZE(schedules); j++) {
			_cleanup_(policy_freep) struct policy *p = NULL;
			const struct policy_schedule *s;
			int64_t t = moment("2026-01-01 00:00:00"), change = t;
			bool active = false;
			char text[200];

			zone_free(zone_of(names[i]));
			snprintf(text, sizeof(text), "%s, time_zone: %s", schedules[j], names[i]);
			p = policy_with(text);
			s = p->limits[0].schedule;
			for (; t < moment("2027-01-01 00:00:00"); t += 60) {
				if (t >= change) {
					change = policy_schedule_change(s, t);
					active = policy_schedule_active(s, t);
				}
				assert_int_equal(policy_schedule_active(s, t), active);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(offsets_are_those_of_the_c_library, forget_zone),
		cmocka_unit_test_teardown(changes_are_where_offsets_change, forget_zone),
		cmocka_unit_test(utc_needs_no_file),
		cmocka_unit_test(a_name_cannot_lead_out_of_the_directory),
		cmocka_unit_test(rules_are_read_to_the_end),
		cmocka_unit_test(any_cut_and_any_byte_of_a_file_is_answered),
		cmocka_unit_test(schedules_follow_the_clock_on_the_wall),
		cmocka_unit_test(a_schedule_of_every_hour_never_changes),
		cmocka_unit_test(no_change_is_missed),
	};

	return cmocka_run_group_tests_name("zone", tests, NULL, NULL);
}
