/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records that expired, from the archives beside a log, for who has their hash. */
#ifndef AUDIT_ARCHIVED_H
#define AUDIT_ARCHIVED_H

#include "audit/record.h"

/**
 * Record @index, which had @hash, from an archive of the log in directory @dir: from malloc(), without a NUL. What an archive
 * says counts only as its hash does. -ENOENT: none of them has it; -ENOMEM.
 */
int archived_record(int dir, uint64_t index, const uint8_t hash[static AUDIT_HASH_SIZE], char **ret,
		    size_t *ret_length);

#endif
