/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One archive of what a host needs to be itself again: the database, the audit log, the policy. It is made from the
 * files, with or without a daemon that uses them, and is read back only where none does. README.md says what is in it
 * and what becomes of the audit log.
 */
#ifndef BACKUP_BACKUP_H
#define BACKUP_BACKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "audit/snapshot.h"
#include "audit/verify.h"
#include "backup/archive.h"
#include "backup/manifest.h"
#include "base/fault.h"

struct backup_create_options {
	const char *state_dir;
	const char *policy_path; /* NULL = none; what it includes comes along */
	const char *in_force;	 /* text of the policy in force; NULL = not known */
	size_t in_force_length;
	bool with_keys; /* the private ones, too: who has the archive can then open all it holds */
	struct archive_progress progress; /* fn may be NULL */
};

/**
 * Write the archive @path, mode 0600: beside it, synced, renamed, so an older one of that name stays until the new
 * one is complete. *@ret is what it says of itself; end it with backup_manifest_done(). Faults: those of
 * store_snapshot() and audit_snapshot_take(), backup.write, backup.nothing (-ENOENT: no state there).
 */
int backup_create(const char *path, const struct backup_create_options *options,
		  struct backup_manifest *ret, struct fault *reterr);

struct backup_report {
	struct backup_manifest manifest;
	char sha256[BACKUP_SHA256_SIZE]; /* of the archive */
	struct fault database;		 /* what is wrong with it; err 0 = nothing */
	struct audit_verdict audit;	 /* of its log, if it has one */
	bool audit_differs;		 /* the log is not the one that the manifest speaks of */
};

/**
 * Check everything: structure, names, sizes and digests, then the database's integrity and the audit chain. Unpacks
 * into a directory of its own below @scratch (NULL: $TMPDIR, or /var/tmp), which it removes. Returns 0 if the archive
 * is what its manifest says; backup_report_ok() tells whether what is in it is sound. Faults: those of archive_next(),
 * backup_manifest_parse(), and backup.missing, backup.extra, backup.size, backup.digest (-EBADMSG), backup.space
 * (-ENOSPC), backup.write.
 */
int backup_verify(const char *path, const char *scratch, struct archive_progress progress,
		  struct backup_report *ret, struct fault *reterr);
bool backup_report_ok(const struct backup_report *r);
void backup_report_done(struct backup_report *r);

struct backup_restore_options {
	const char *state_dir;
	const char *
		policy_path; /* NULL: the policy is put beside the state, under a name of its own */
	bool force; /* put back even what is not sound, and the log in place of another one */
	/* For the record. */
	const char *user_id, *username;
	struct archive_progress progress;
};

/* What became of the audit log. */
enum backup_audit_outcome {
	BACKUP_AUDIT_NONE,	/* the backup has none; what was there stays */
	BACKUP_AUDIT_INSTALLED, /* put in place; it goes on with the record of this */
	BACKUP_AUDIT_KEPT,	/* the one that was there holds all of it, and stays */
	BACKUP_AUDIT_BESIDE, /* the one that was there is another and stays; the backup's lies beside it */
	BACKUP_AUDIT_FORCED, /* put in place of another one, in a new incarnation */
	BACKUP_AUDIT_OUTCOME_MAX,
};

const char *backup_audit_outcome_to_str(enum backup_audit_outcome outcome); /* "installed" */

struct backup_restored {
	struct backup_report report;
	enum backup_audit_outcome audit;
	/* Where things are now; "" = there was nothing to put there. */
	char database_aside[4096], audit_aside[4096], audit_beside[4096];
	char policy[4096], policy_aside[4096];
	char includes_aside[4096]; /* directory of included files that were there */
	bool policy_is_one_text;   /* the files that it was would not say the same here */
	uint32_t
		unconfirmed; /* generation that waited to be confirmed and does no longer; 0 = none did */
	char vault_aside[4096];
	bool vault_locked;   /* the key of the vault that is there now is not here */
	size_t forgotten;    /* subjects in the vault of the backup that were erased since */
	bool erased_unknown; /* who was erased since cannot be told for all that was put back */
	struct fault record; /* why there is no audit record of this; err 0 = there is */
};

/**
 * Put the archive's content in place, after all of backup_verify(). Nothing that was there is overwritten: it is set
 * aside under names that end in the time. Faults, besides: backup.running (-EBUSY: a daemon uses the state),
 * backup.unsound (-EBADMSG, without force), backup.owner (-EPERM).
 */
int backup_restore(const char *path, const struct backup_restore_options *options,
		   struct backup_restored *ret, struct fault *reterr);
void backup_restored_done(struct backup_restored *r);

#endif
