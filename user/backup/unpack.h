/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An archive that nobody trusts, laid out as files in a directory that nobody uses yet. */
#ifndef BACKUP_UNPACK_H
#define BACKUP_UNPACK_H

#include "backup/backup.h"

struct unpacked {
	char path[4096]; /* of the directory, mode 0700 */
	struct backup_report report;
};

/**
 * Make a directory below @scratch and lay out the archive in it, as backup_verify() says; check the parts. On failure
 * nothing is left. End with unpacked_done(), which removes what is still there of the directory.
 */
int unpack(const char *archive, const char *scratch, struct archive_progress *progress,
	   struct unpacked *ret, struct fault *reterr);
void unpacked_done(struct unpacked *u);

#endif
