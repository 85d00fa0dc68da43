/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Days and months as bills have them: UTC, the proleptic Gregorian calendar, no leap seconds. */
#ifndef BASE_CALENDAR_H
#define BASE_CALENDAR_H

#include <stdint.h>

/* Seconds since 1970. Periods follow each other, and so do their numbers. */
struct calendar_period {
	int64_t number; /* days since 1970, or months */
	int64_t begin, end, next_end;
};

struct calendar_period calendar_day(int64_t unix_time);
struct calendar_period calendar_month(int64_t unix_time);

#endif
