/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An export in a file: written beside it under another name, and put in its place only when it is whole and on disk. Beside it stands
 * FILE.manifest.json, which says what is in it. Or on standard output, without one.
 */
#ifndef EXPORT_FILE_H
#define EXPORT_FILE_H

#include "audit/record.h"
#include "export/format.h"

struct export_file;

struct export_file_options {
	const char *path; /* NULL: standard output */
	enum export_format format;
	bool gzip;
	const char *host;
};

/** -EEXIST "export.exists": the file or its manifest is there; other -errno "export.write". */
int export_file_open(const struct export_file_options *options, struct export_file **ret,
		     struct fault *reterr);
/* Give up: nothing of it stays. Accepts NULL. */
void export_file_close(struct export_file *f);
DEFINE_CLEANUP(struct export_file *, export_file_close)

/** Write the record in @view. Faults: export.record, export.write, export.memory. */
int export_file_add(struct export_file *f, const char *view, size_t length, struct fault *reterr);

struct export_file_stats {
	uint64_t records, bytes; /* bytes: in the file */
	uint64_t first_index, last_index;
	char first_hash[AUDIT_HASH_TEXT], last_hash[AUDIT_HASH_TEXT];
	char sha256[65]; /* of the file; after export_file_finish() */
};

/** Write what is left; no record comes any more. */
int export_file_finish(struct export_file *f, struct fault *reterr);
void export_file_get_stats(const struct export_file *f, struct export_file_stats *ret);
/**
 * Put the file in its place, with a manifest that has the members of @about besides its own. Nothing to be done for
 * standard output.
 */
int export_file_commit(struct export_file *f, json_t *about, struct fault *reterr);

#endif
