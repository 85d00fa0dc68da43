/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Time zones, read from the system's files (TZif, RFC 8536) into values that any number of threads
 * may ask, where the C library knows one zone per process. Leap seconds are not counted, as in
 * POSIX time.
 */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/fault.h"

#define ZONE_DIRECTORY "/usr/share/zoneinfo"
#define ZONE_NAME_MAX  64
#define ZONE_BYTES_MAX (128U << 10) /* of a file; the longest has under 4 KiB */

struct zone;

/**
 * Read the zone @name, such as Europe/Berlin, below @directory; UTC needs no file. Names hold
 * letters, digits, '_', '+', '-' and '/' between parts, so that none leads out of the directory.
 * Faults: zone.name (-EINVAL), zone.unknown (-ENOENT), zone.read, zone.format (-EBADMSG).
 */
int zone_open(const char *directory, const char *name, struct zone **ret, struct fault *reterr);
/** The same from the content of a file. -EBADMSG: it is not one, or counts leap seconds;
 * -ENOMEM. */
int zone_parse(const unsigned char *data, size_t length, struct zone **ret);
void zone_free(struct zone *z);
DEFINE_CLEANUP(struct zone *, zone_free)

/** Seconds east of UTC at @unix_time. */
int32_t zone_offset(const struct zone *z, int64_t unix_time);
/** The first moment after @unix_time at which the offset may change; INT64_MAX: never. */
int64_t zone_change(const struct zone *z, int64_t unix_time);

#endif
