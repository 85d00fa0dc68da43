/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/calendar.h"

#include <time.h>

#define DAY 86400

struct calendar_period calendar_day(int64_t unix_time)
{
	int64_t number = unix_time / DAY - (unix_time % DAY < 0);

	return (struct calendar_period){
		.number = number,
		.begin = number * DAY,
		.end = (number + 1) * DAY,
		.next_end = (number + 2) * DAY,
	};
}

/* The first of the month @months after that of @tm. */
static int64_t month_begin(const struct tm *tm, int months)
{
	struct tm first = {.tm_year = tm->tm_year, .tm_mon = tm->tm_mon + months, .tm_mday = 1};

	return timegm(&first);
}

struct calendar_period calendar_month(int64_t unix_time)
{
	time_t seconds = unix_time;
	struct tm tm = {0};

	gmtime_r(&seconds, &tm);
	return (struct calendar_period){
		.number = ((int64_t)tm.tm_year - 70) * 12 + tm.tm_mon,
		.begin = month_begin(&tm, 0),
		.end = month_begin(&tm, 1),
		.next_end = month_begin(&tm, 2),
	};
}
