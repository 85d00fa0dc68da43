/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Clocks in nanoseconds, and times as people and records write them. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define NSEC_PER_SEC  1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

/* "2026-11-20T23:37:00.123456789Z" and the NUL */
#define CLOCK_RFC3339_SIZE 31

uint64_t clock_real_ns(void);	   /* CLOCK_REALTIME: for people and records */
uint64_t clock_monotonic_ns(void); /* CLOCK_MONOTONIC: the clock of the datapath */
uint64_t clock_boot_ns(void);	   /* CLOCK_BOOTTIME: goes on while the machine sleeps */
/* CLOCK_REALTIME and CLOCK_BOOTTIME of the same moment, as far as a busy machine lets one see them so. */
void clock_both(uint64_t *ret_real_ns, uint64_t *ret_boot_ns);
uint64_t clock_coarse_tick_ns(void); /* how far the datapath's coarse clock may lag behind */

/** Write @real_ns as RFC 3339, UTC, nine decimals. Years 1970 to 2554, which is all 64 bits hold. */
void clock_format_rfc3339(uint64_t real_ns, char ret[static CLOCK_RFC3339_SIZE]);
/* "20261120T233700.123456Z" and the NUL */
#define CLOCK_STAMP_SIZE 24

/** The same as a part of a file's name, to the microsecond. */
void clock_format_stamp(uint64_t real_ns, char ret[static CLOCK_STAMP_SIZE]);
/* "Sun, 06 Nov 1994 08:49:37 GMT" and the NUL */
#define CLOCK_HTTP_SIZE 30

/** A time as HTTP has it (RFC 9110, section 5.6.7); the years 1970 to 2554. */
void clock_format_http(int64_t unix_time, char ret[static CLOCK_HTTP_SIZE]);
/** Parse "2026-12-31T00:00:00Z", all of @text, to seconds since 1970. UTC, whole seconds, the years 1970 to
 * 2261, nothing else of RFC 3339. -EINVAL. */
int clock_parse_rfc3339(const char *text, int64_t *ret_unix);

#endif
