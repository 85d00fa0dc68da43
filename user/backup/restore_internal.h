/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What restore.c and restore_policy.c share. */
#ifndef BACKUP_RESTORE_INTERNAL_H
#define BACKUP_RESTORE_INTERNAL_H

#include <limits.h>

#include "audit/chain.h"
#include "backup/unpack.h"
#include "base/clock.h"

struct restoration {
	const struct backup_restore_options *options;
	struct backup_restored *result;
	struct unpacked unpacked;
	char stamp[CLOCK_STAMP_SIZE]; /* ends the names of what is set aside */
	char log[PATH_MAX];
	struct vault *vault;	      /* of this host */
	struct chain *chain;	      /* of the log that is there; NULL = none */
	enum audit_relation relation; /* of it to the backup's */
	struct tip before;	      /* of it */
	bool had_vault;		      /* there was one before this */
	uint64_t *erased;	      /* what stood in vaults for whoever was erased, as it says */
	bool *lists_kept;	      /* of each: list entries were to stay */
	size_t erased_count;
};

/* Rename, and never over something. */
int restore_move(const char *from, const char *to, struct fault *reterr);
bool restore_exists(const char *path);
int restore_join(char ret[static PATH_MAX], const char *a, const char *b, struct fault *reterr);
/* @path with the reason and the time behind it. */
int restore_other_name(const struct restoration *x, const char *path, const char *why,
		       char ret[static PATH_MAX], struct fault *reterr);

/** Put the policy, and what it includes, where the caller says, or into a directory of its own. */
int restore_policy(struct restoration *x, struct fault *reterr);

/** Who was erased, by the log that is there, before that is moved. */
int restore_find_erased(struct restoration *x, struct fault *reterr);
/** Take them out of what was unpacked. */
int restore_forget(struct restoration *x, struct fault *reterr);
/** Have the checkpoint in the log that was unpacked only if its key is in the backup, too. */
int restore_checkpoint(struct restoration *x, struct fault *reterr);
/** Put vault and keys in place, if the backup has them. Before the log is opened. */
int restore_vault(struct restoration *x, struct fault *reterr);

#endif
