/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A log as files that any web server can serve and tools for transparency logs read: c2sp.org/tlog-tiles, with
 * partial tiles and the records as entry bundles.
 */
#ifndef AUDIT_TLOG_H
#define AUDIT_TLOG_H

#include "audit/note.h"

struct tlog_written {
	struct checkpoint checkpoint;
	uint64_t
		bundles_left_out; /* of 256 records each, as one of them expired and no archive has it */
};

/**
 * Write what the current checkpoint of incarnation @number of the log in @audit_dir covers to @directory, which is made if need
 * be (mode 0700); files that are there and the same already are left alone. The checkpoint comes last. -ENOENT
 * "audit.checkpoint": nothing is signed; -EBADMSG "tlog.root": the records do not make the root that was signed; -errno
 * "tlog.write".
 */
int tlog_write(const char *audit_dir, uint32_t number, const char *directory,
	       struct tlog_written *ret, struct fault *reterr);

#endif
