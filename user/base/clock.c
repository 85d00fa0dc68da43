/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

static uint64_t to_ns(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * NSEC_PER_SEC + (uint64_t)ts->tv_nsec;
}

uint64_t clock_real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return to_ns(&ts);
}

uint64_t clock_monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return to_ns(&ts);
}

uint64_t clock_boot_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return to_ns(&ts);
}

void clock_both(uint64_t *ret_real_ns, uint64_t *ret_boot_ns)
{
	/* Whoever was interrupted between the two looks tries again. */
	for (unsigned int tries = 0; tries < 10; tries++) {
		*ret_boot_ns = clock_boot_ns();
		*ret_real_ns = clock_real_ns();
		if (clock_boot_ns() - *ret_boot_ns < NSEC_PER_MSEC)
			return;
	}
}

uint64_t clock_coarse_tick_ns(void)
{
	struct timespec ts;

	/* Twice the clock's own: see bpf/lib/clock.h. */
	clock_getres(CLOCK_MONOTONIC_COARSE, &ts);
	return 2 * to_ns(&ts);
}

static void put_digits(char *to, unsigned int digits, unsigned int value)
{
	for (; digits; value /= 10)
		to[--digits] = (char)('0' + value % 10);
}

/* Thousands of these are written a second, so without printf. */
void clock_format_rfc3339(uint64_t real_ns, char ret[static CLOCK_RFC3339_SIZE])
{
	time_t seconds = (time_t)(real_ns / NSEC_PER_SEC);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	memcpy(ret, "0000-00-00T00:00:00.000000000Z", CLOCK_RFC3339_SIZE);
	put_digits(ret, 4, (unsigned int)tm.tm_year + 1900);
	put_digits(ret + 5, 2, (unsigned int)tm.tm_mon + 1);
	put_digits(ret + 8, 2, (unsigned int)tm.tm_mday);
	put_digits(ret + 11, 2, (unsigned int)tm.tm_hour);
	put_digits(ret + 14, 2, (unsigned int)tm.tm_min);
	put_digits(ret + 17, 2, (unsigned int)tm.tm_sec);
	put_digits(ret + 20, 9, (unsigned int)(real_ns % NSEC_PER_SEC));
}

void clock_format_stamp(uint64_t real_ns, char ret[static CLOCK_STAMP_SIZE])
{
	char text[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(real_ns, text);
	snprintf(ret, CLOCK_STAMP_SIZE, "%.4s%.2s%.2sT%.2s%.2s%.2s.%.6sZ", text, text + 5, text + 8,
		 text + 11, text + 14, text + 17, text + 20);
}

void clock_format_http(int64_t unix_time, char ret[static CLOCK_HTTP_SIZE])
{
	static const char days[] = "ThuFriSatSunMonTueWed", /* 1970 began on a Thursday */
		months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char text[CLOCK_RFC3339_SIZE];
	int month;

	clock_format_rfc3339((uint64_t)unix_time * NSEC_PER_SEC, text);
	month = (text[5] - '0') * 10 + text[6] - '1';
	snprintf(ret, CLOCK_HTTP_SIZE, "%.3s, %.2s %.3s %.4s %.8s GMT",
		 days + 3 * (unix_time / 86400 % 7), text + 8, months + 3 * month, text, text + 11);
}

/* The number that @digits of @text are, if it is in [@min, @max]. */
static bool read_digits(const char *text, size_t digits, int min, int max, int *ret)
{
	int number = 0;

	for (size_t i = 0; i < digits; i++)
		number = number * 10 + (text[i] - '0');
	*ret = number;
	return number >= min && number <= max;
}

int clock_parse_rfc3339(const char *text, int64_t *ret_unix)
{
	static const char shape[] = "0000-00-00T00:00:00Z";
	struct tm tm = {0};
	time_t seconds;
	int day;

	if (strlen(text) != strlen(shape))
		return -EINVAL;
	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
			return -EINVAL;
	if (!read_digits(text, 4, 1970, 2261, &tm.tm_year) ||
	    !read_digits(text + 5, 2, 1, 12, &tm.tm_mon) ||
	    !read_digits(text + 8, 2, 1, 31, &tm.tm_mday) ||
	    !read_digits(text + 11, 2, 0, 23, &tm.tm_hour) ||
	    !read_digits(text + 14, 2, 0, 59, &tm.tm_min) ||
	    !read_digits(text + 17, 2, 0, 59, &tm.tm_sec))
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	day = tm.tm_mday;
	seconds = timegm(&tm);
	if (tm.tm_mday != day) /* there is no 30 February: it became a day of March */
		return -EINVAL;
	*ret_unix = seconds;
	return 0;
}
