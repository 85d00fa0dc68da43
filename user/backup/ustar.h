/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Header blocks of a tar archive (POSIX.1-1988, ustar), of regular files and nothing else: what standard tar lists
 * and extracts. Encoding and decoding, no I/O.
 */
#ifndef BACKUP_USTAR_H
#define BACKUP_USTAR_H

#include <stdint.h>

#include "base/fault.h"

#define USTAR_BLOCK    512
#define USTAR_NAME_MAX 100
#define USTAR_SIZE_MAX ((1ULL << 33) - 1) /* eleven octal digits */

struct ustar_entry {
	char name[USTAR_NAME_MAX + 1];
	uint64_t size;
	uint64_t mtime; /* seconds since 1970 */
};

/** Mode 0600, owner root. -ENAMETOOLONG, -EFBIG. */
int ustar_encode(const struct ustar_entry *entry, uint8_t ret[static USTAR_BLOCK]);

/**
 * 1: *@ret is filled; 0: a block of zeros, which ends an archive. Faults: backup.header (-EBADMSG: no tar
 * header, or damaged), backup.kind (-EINVAL: a link, a device, a directory or an extension), backup.name
 * (-EINVAL: absolute, leads upwards, or not printable).
 */
int ustar_decode(const uint8_t block[static USTAR_BLOCK], struct ustar_entry *ret,
		 struct fault *reterr);

#endif
