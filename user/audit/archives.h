/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The archives that rewrite_archive() made: which there are, how old they are by their manifests, and their end. */
#ifndef AUDIT_ARCHIVES_H
#define AUDIT_ARCHIVES_H

#include "audit/rewrite.h"
#include "base/clock.h"

struct archive {
	char name[REWRITE_ARCHIVE_NAME_SIZE];
	uint64_t segment;		      /* its first index */
	bool is_there;			      /* the file; if not, a manifest is left of it */
	char archived_at[CLOCK_RFC3339_SIZE]; /* "" = its manifest does not say */
	char sha256[AUDIT_HASH_TEXT];	      /* of the segment, uncompressed; likewise */
};

/** All of which there is the file, or a manifest, or both; by name, the caller's to free. Faults: audit.archive. */
int archives_list(int dir, struct archive **ret, size_t *ret_count, struct fault *reterr);
/**
 * Remove the file, then the manifest: what a death leaves in between is listed again. What is gone is no fault. Faults:
 * audit.archive.
 */
int archives_remove(int dir, const struct archive *a, struct fault *reterr);

#endif
